"""The screen of a real terminal: finished blocks as rendered Markdown, the growing one as text.

`rich` draws; it is an extra, and without it a terminal gets the plain deltas of `text`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from cc_jupyter.core.escaping import safe_terminal
from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Waiting
from cc_jupyter.render.base import stalled_line, waiting_line
from cc_jupyter.render.markdown import safe_markdown
from cc_jupyter.render.markdown.stream import Blocks
from cc_jupyter.render.usage_line import usage_line

if TYPE_CHECKING:
    from typing import TextIO

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply


_FRAME_S = 0.08


class TerminalRenderer:
    """Draws one answer in a terminal.

    Parameters
    ----------
    label
        Whom one waits for, in a word.
    reasoning
        Whether to show the model's thinking, dimmed.
    """

    def __init__(self, out: TextIO, *, label: str, reasoning: bool = True) -> None:
        self._console = Console(file=out, highlight=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._label = label
        self._reasoning = reasoning
        self._blocks = Blocks()
        self._thoughts: list[str] = []
        self._begun = False
        self._dirty = False
        self._unfinished = Text()  # what was drawn last of what is not finished
        self._said = ""  # the same of what one waits for
        self._started_s = monotonic()
        self._drawn_s = 0.0

    def show(self, event: StreamEvent) -> None:
        """Take the next event; draw when it is time to."""
        match event:
            case TextDelta(text):
                self._begin()
                self._blocks.add(text)
                self._dirty = True
            case ReasoningDelta(text) if self._reasoning and not self._begun:
                self._thoughts.append(text)
                self._dirty = True
            case Notice(text):
                self._console.print(Text(f"[{text}]", style="dim"))
            case ReasoningDelta() if not self._begun:
                self._wait("thinking")
            case Waiting(phase) if not self._begun and not self._thoughts:
                self._wait(phase)
            case Waiting() if line := stalled_line(event):
                self._say(line)
            case _:
                pass
        if self._dirty and monotonic() - self._drawn_s >= _FRAME_S:
            self._draw_answer()

    def finish(self, reply: Reply) -> None:
        """Draw the rest and the usage line, and leave the terminal as it was."""
        self._begin()
        frame = self._blocks.take()
        self._live.stop()
        self._markdown(*frame.settled, frame.live)
        if reply.text or reply.reasoning or reply.error is None:
            self._console.print(Text(usage_line(reply), style="dim"))

    def _wait(self, phase: str) -> None:
        self._say(waiting_line(self._label, monotonic() - self._started_s, phase))

    def _say(self, line: str) -> None:
        """Say what one waits for, below what is not finished."""
        if line and line != self._said:
            self._said = line
            between = "\n" if self._unfinished else ""
            self._draw(Text.assemble(self._unfinished, between, (line, "dim")))

    def _begin(self) -> None:
        """Put the whole thinking above the answer once it is over."""
        if self._begun:
            return
        self._begun = True
        if self._thoughts:
            thinking = safe_terminal("".join(self._thoughts).strip())
            self._console.print(Text(f"[thinking]\n{thinking}\n", style="dim"))

    def _draw_answer(self) -> None:
        self._dirty = False
        if self._begun:
            frame = self._blocks.take()
            if frame.settled:
                self._live.update(Text(""), refresh=True)
                self._markdown(*frame.settled)
            self._unfinished = Text(self._tail(frame.live))
        else:
            self._unfinished = Text(self._tail("".join(self._thoughts)), style="dim")
        self._draw(self._unfinished)

    def _draw(self, shown: Text) -> None:
        self._drawn_s = monotonic()
        if not self._live.is_started:
            self._live.start()
        self._live.update(shown, refresh=True)

    def _markdown(self, *pieces: str) -> None:
        for text in filter(str.strip, pieces):
            self._console.print(Markdown(safe_markdown(safe_terminal(text)), hyperlinks=False))
            self._console.print()

    def _tail(self, text: str) -> str:
        """Return the last lines that fit: what is taller than the terminal cannot be redrawn."""
        most = max(2, self._console.height - 3)
        return "\n".join(safe_terminal(text).splitlines()[-most:])
