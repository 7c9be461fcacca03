"""The screen of a terminal or a pipe: text as it comes, nothing ever drawn twice."""

from __future__ import annotations

import importlib.util
import os
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.escaping import safe_terminal
from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta
from cc_jupyter.render.usage_line import usage_line

if TYPE_CHECKING:
    from typing import TextIO

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.render.base import Renderer


_FRAME_S = 0.036


def printer(out: TextIO, label: str, *, reasoning: bool, markdown: bool) -> Renderer:
    """Return the screen of a terminal: drawn where it is a real one and `rich` is there."""
    real = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if not (real and markdown and importlib.util.find_spec("rich")):
        return TextRenderer(out, reasoning=reasoning)
    from cc_jupyter.render.terminal import TerminalRenderer  # noqa: PLC0415  an extra

    return TerminalRenderer(out, label=label, reasoning=reasoning)


class TextRenderer:
    """Prints the deltas of an answer, at most once in a frame.

    Parameters
    ----------
    out
        Where to print.
    reasoning
        Whether to print the model's thinking, under a heading of its own.
    """

    def __init__(self, out: TextIO, *, reasoning: bool = True) -> None:
        self._out = out
        self._reasoning = reasoning
        self._pending: list[str] = []
        self._section = ""
        self._at_line_start = True
        self._drawn_s = 0.0

    def show(self, event: StreamEvent) -> None:
        """Print what has come when it is time to."""
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

    def finish(self, reply: Reply) -> None:
        """Print the rest and the usage line."""
        if reply.text or reply.reasoning or reply.error is None:
            self._line(usage_line(reply))
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
        # a terminal that cannot show a letter must not cost the answer
        self._out.write(safe_terminal(text).encode(encoding, "replace").decode(encoding))
        self._out.flush()
