"""Print an answer in a terminal or a pipe: text as it arrives, never drawn twice."""

from __future__ import annotations

import importlib.util
import os
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.render.answer_extras import image_line, shown_text
from cc_jupyter.render.usage_line import has_figures, usage_line

if TYPE_CHECKING:
    from typing import TextIO

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.render.base import RevisableRenderer


_FRAME_S = 0.036


def printer(out: TextIO, label: str, *, reasoning: bool, markdown: bool) -> RevisableRenderer:
    """Return the renderer for a stream: Markdown in a real terminal with `rich`, else text."""
    real = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if not (real and markdown and importlib.util.find_spec("rich")):
        return TextRenderer(out, reasoning=reasoning)
    from cc_jupyter.render.terminal import TerminalRenderer  # noqa: PLC0415  an extra

    return TerminalRenderer(out, label=label, reasoning=reasoning)


class TextRenderer:
    """Prints the deltas of an answer, at most once per frame.

    Parameters
    ----------
    out
        Where to print.
    reasoning
        Whether to print the model's reasoning, under a separate heading.
    """

    def __init__(self, out: TextIO, *, reasoning: bool = True) -> None:
        self._out = out
        self._reasoning = reasoning
        self._pending: list[str] = []
        self._section = ""
        self._at_line_start = True
        self._drawn_s = 0.0
        self._notices = 0  # shown in the usage line

    def show(self, event: StreamEvent) -> None:
        """Take the next event, and print what has arrived if a frame is due."""
        match event:
            case TextDelta(text):
                self._add("answer" if self._section else "", text)
            case ReasoningDelta(text) if self._reasoning:
                self._add("reasoning", text)
            case Notice(text):
                self._line(f"[{text}]")
            case _:
                pass
        if self._pending and monotonic() - self._drawn_s >= _FRAME_S:
            self._draw()

    def pause(self) -> None:
        """Print what has arrived; the next text begins a line."""
        if not self._at_line_start:
            self._line("")
        self._section = ""
        self._draw()

    def finish(self, reply: Reply) -> None:
        """Print the rest and the usage line."""
        extras = shown_text("", reply.images, reply.sources)
        for line in (extras, *(image_line(image) for image in reply.images if image.data)):
            if line:
                self._line(line)
        if has_figures(reply):
            self._line(usage_line(reply))
        self._notices = len(reply.notices)
        self._draw()

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Print what is new: nothing is drawn twice."""
        for line in (folded, *reply.notices[self._notices :]):
            if line:
                self._line(f"[{safe_line(line)}]")
        self._notices = len(reply.notices)
        self._draw()

    def _add(self, section: str, text: str) -> None:
        if section != self._section:
            self._line(f"[{section}]")
            self._section = section
        self._pending.append(text)
        self._at_line_start = text.endswith("\n")

    def _line(self, line: str) -> None:
        start = "" if self._at_line_start else "\n"
        self._pending.append(f"{start}{line}\n")
        self._at_line_start = True

    def _draw(self) -> None:
        self._drawn_s = monotonic()
        text, self._pending = "".join(self._pending), []
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        # a character that the terminal cannot show must not lose the answer
        self._out.write(safe_terminal(text).encode(encoding, "replace").decode(encoding))
        self._out.flush()
