"""Where the calls of a running turn are shown, and where the user is asked about them.

A page has one output with a stable identity, redrawn as the calls go on. Front ends that cannot
redraw an output get the question and a line for each call.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any, Protocol

from cc_jupyter.core.terminal import safe_terminal
from cc_jupyter.tools.consent import question_prompt
from cc_jupyter.tools.question import question_text
from cc_jupyter.tools.trace import RunningCall, trace_bundle, trace_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from cc_jupyter.core.steps import CallRecord
    from cc_jupyter.tools.consent import Question

_UNFINISHED: dict[str, Any] = {"cc_jupyter": {"unfinished": True}}
"""The metadata until the trace is complete, as for other outputs of an answer."""
_DRAWN_S = 0.3
_DRAWN_S_PER_BYTE = 2e-5


class TraceView(Protocol):
    """Shows the calls of one turn; called on the cell's thread, except `blocked`."""

    def ask(self, question: Question) -> None:
        """Show a question, so that it is on the screen when this returns."""

    def prompt(self, prompt: str) -> None:
        """Take note of the line that is read next."""

    def started(self, source: str) -> None:
        """Take note that a call runs."""

    def blocked(self, reason: str) -> None:
        """Show that the running call cannot be ended; called on any thread."""

    def finished(self, record: CallRecord) -> None:
        """Take a call that has a result."""

    def end(self) -> None:
        """Show what is left: the turn has ended."""


class TraceOutput(Protocol):
    """One output that is redrawn; `session.live_output.LiveOutput` is one."""

    def expect(self, final_bytes: int) -> None:
        """Take note of the least size that the final output will have."""

    def is_due(self, *, urgent: bool = False) -> bool:
        """Return whether an update may be shown now."""

    @property
    def display_id(self) -> str | None:
        """The id of the output; `None` before it is shown."""

    def show(self, bundle: dict[str, str], metadata: Mapping[str, Any] | None = None) -> None:
        """Show an update."""

    def finish(self, bundle: dict[str, str], metadata: Mapping[str, Any]) -> None:
        """Show the final output."""


class PageTrace:
    """The trace as one output of a page.

    Parameters
    ----------
    output
        The output.
    pause
        Waits for some seconds, until a page has drawn a question: outputs and the line to type in
        come to it on different ways, and it draws large outputs later (seen on JupyterLab 4.6).
        It may raise `KeyboardInterrupt`: the user stops the cell instead of answering.
    """

    def __init__(self, output: TraceOutput, pause: Callable[[float], None] = sleep) -> None:
        self._output = output
        self._pause = pause
        self._records: list[CallRecord] = []
        self._running: RunningCall | None = None
        self._question: Question | None = None
        self._prompt = ""
        self._line_bytes = 0

    def ask(self, question: Question) -> None:
        """Show a question in full, whatever the limits of updates say."""
        self._running = None
        if self._output.display_id is None:  # its own metadata name it
            self._output.show({"text/plain": "…"}, _UNFINISHED)
        self._question, self._prompt = question, question_prompt(question.tool.name)
        shown_bytes = self._show_question()
        self._pause(_DRAWN_S + _DRAWN_S_PER_BYTE * shown_bytes)

    def prompt(self, prompt: str) -> None:
        """Note the line that is read next, for a page that is loaded while it is awaited."""
        if self._question is not None and prompt != self._prompt:
            self._prompt = prompt
            self._show_question()

    def _show_question(self) -> int:
        """Show the question and return its size; a saved notebook has it with all it needs."""
        bundle = trace_bundle(self._records, question=self._question, max_chars=0)
        about = {"display_id": self._output.display_id, "prompt": self._prompt}
        self._output.show(bundle, {**_UNFINISHED, "cc_jupyter_question": about})
        return len(bundle["text/html"])

    def started(self, source: str) -> None:
        """Show the call that runs, if an update is due."""
        self._running = RunningCall(source)
        was_asked, self._question = self._question is not None, None
        self._draw(even_early=was_asked)

    def blocked(self, reason: str) -> None:
        """Show why the running call does not end."""
        if self._running is not None:
            self._running = self._running._replace(state=reason)
            self._output.show(trace_bundle(self._records, self._running, max_chars=0), _UNFINISHED)

    def finished(self, record: CallRecord) -> None:
        """Add a call that has a result."""
        self._running = None
        was_asked, self._question = self._question is not None, None
        self._records.append(record)
        self._line_bytes += 2 * len(trace_line(len(self._records), record))  # as HTML and as text
        self._draw(even_early=was_asked)

    def end(self) -> None:
        """Replace the updates by the final trace; nothing if there was no call."""
        self._running = None
        if self._records:
            self._output.finish(trace_bundle(self._records), {})

    def _draw(self, *, even_early: bool) -> None:
        """Draw if an update is due; an answered question goes at once."""
        self._output.expect(self._line_bytes)
        if even_early or self._output.is_due():
            self._output.show(trace_bundle(self._records, self._running), _UNFINISHED)


class TextTrace:
    """The trace as lines of a terminal.

    Parameters
    ----------
    out
        Where to print.
    """

    def __init__(self, out: Callable[[], TextIO]) -> None:
        self._out = out
        self._count = 0

    def ask(self, question: Question) -> None:
        """Print a question in full."""
        self._print(f"\n{question_text(question)}")

    def prompt(self, prompt: str) -> None:
        """Do nothing: the terminal shows it."""

    def started(self, source: str) -> None:
        """Do nothing: the line comes with the result."""

    def blocked(self, reason: str) -> None:
        """Print why the running call does not end."""
        self._print(f"{self._count + 1} … {reason}")

    def finished(self, record: CallRecord) -> None:
        """Print the line of a call."""
        self._count += 1
        self._print(trace_line(self._count, record))

    def end(self) -> None:
        """Do nothing: every line is printed."""

    def _print(self, text: str) -> None:
        out = self._out()
        encoding = getattr(out, "encoding", None) or "utf-8"
        shown = f"{safe_terminal(text)}\n".encode(encoding, "replace").decode(encoding)
        out.write(shown)  # a character that the terminal cannot show must not end the run
        out.flush()


class NullTrace:
    """Shows nothing: for `--quiet` and the Python functions."""

    def ask(self, question: Question) -> None:
        """Show nothing; without a screen no one is asked."""

    def prompt(self, prompt: str) -> None:
        """Show nothing."""

    def started(self, source: str) -> None:
        """Show nothing."""

    def blocked(self, reason: str) -> None:
        """Show nothing."""

    def finished(self, record: CallRecord) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class CellAsker:
    """Asks in the running cell: the question in its trace, the answer through `input`.

    Parameters
    ----------
    view
        Returns where the questions of the current turn are shown.
    read
        Reads a line.
    """

    def __init__(self, view: Callable[[], TraceView], read: Callable[[str], str]) -> None:
        self._view = view
        self._read = read

    def show(self, question: Question) -> None:
        """Show a question."""
        self._view().ask(question)

    def read(self, prompt: str) -> str:
        """Return one line of the user's."""
        self._view().prompt(prompt)
        return self._read(prompt)
