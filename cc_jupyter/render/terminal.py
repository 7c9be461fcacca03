"""Draw an answer in a real terminal: finished blocks as Markdown, the growing one as text.

This uses the optional package `rich`; without it, a terminal gets the plain text of `plain`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Waiting
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.render.answer_extras import image_line, shown_text
from cc_jupyter.render.base import stalled_line, waiting_line
from cc_jupyter.render.markdown import safe_markdown
from cc_jupyter.render.markdown.stream import Blocks
from cc_jupyter.render.usage_line import has_figures, usage_line

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
        The model's name while the cell waits.
    reasoning
        Whether to show the model's reasoning, dimmed.
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
        self._unfinished = Text()  # the unfinished text as last drawn
        self._status = ""  # the status line as last drawn
        self._started_s = monotonic()
        self._drawn_s = 0.0
        self._notices = 0  # shown in the usage line

    def show(self, event: StreamEvent) -> None:
        """Take the next event, and draw if a frame is due."""
        match event:
            case TextDelta(text):
                self._begin()
                self._blocks.add(text)
                self._dirty = True
            case ReasoningDelta(text) if self._reasoning and not self._begun:
                self._thoughts.append(text)
                self._dirty = True
            case Notice(text):
                self._console.print(Text(f"[{safe_line(text)}]", style="dim"))
            case ReasoningDelta() if not self._begun:
                self._wait("thinking")
            case Waiting(phase) if not self._begun and not self._thoughts:
                self._wait(phase)
            case Waiting() if line := stalled_line(event):
                self._show_status(line)
            case _:
                pass
        if self._dirty and monotonic() - self._drawn_s >= _FRAME_S:
            self._draw_answer()

    def pause(self) -> None:
        """Print what has arrived; what is drawn next begins below other outputs."""
        if self._begun:
            frame = self._blocks.take()
            self._blocks = Blocks()
            self._live.stop()
            self._markdown(*frame.settled, frame.live)
        else:
            self._live.stop()
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._unfinished, self._status, self._dirty = Text(), "", False

    def finish(self, reply: Reply) -> None:
        """Draw the rest and the usage line, and leave the terminal as it was."""
        self._begin()
        frame = self._blocks.take()
        self._live.stop()
        self._markdown(*frame.settled, frame.live)
        self._markdown(shown_text("", reply.images, reply.sources))
        for image in reply.images:
            if image.data:
                self._console.print(Text(image_line(image)))
        if has_figures(reply):
            self._console.print(Text(usage_line(reply), style="dim"))
        self._notices = len(reply.notices)

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Print what is new: nothing is drawn twice."""
        for line in (folded, *reply.notices[self._notices :]):
            if line:
                self._console.print(Text(f"[{safe_line(line)}]", style="dim"))
        self._notices = len(reply.notices)

    def _wait(self, phase: str) -> None:
        self._show_status(waiting_line(self._label, monotonic() - self._started_s, phase))

    def _show_status(self, line: str) -> None:
        """Show what the cell waits for, below the unfinished text."""
        if line and line != self._status:
            self._status = line
            separator = "\n" if self._unfinished else ""
            self._draw(Text.assemble(self._unfinished, separator, (line, "dim")))

    def _begin(self) -> None:
        """Print all the reasoning above the answer when the answer starts."""
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
        """Return the last lines that fit: text taller than the terminal cannot be redrawn."""
        max_lines = max(2, self._console.height - 3)
        return "\n".join(safe_terminal(text).splitlines()[-max_lines:])
