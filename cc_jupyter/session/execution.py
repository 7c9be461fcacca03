"""What IPython knows about the running cell: its id, its notebook, its display."""

from __future__ import annotations

import ast
import functools
import os
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, TypeAlias

from cc_jupyter.core.messages import TurnKey
from cc_jupyter.core.record import Record
from cc_jupyter.render.base import DeferredRenderer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.render.base import RevisableRenderer
    from cc_jupyter.session.live_output import RunOutput
    from cc_jupyter.tools.consent import Asker
    from cc_jupyter.tools.trace_view import TraceView


FinalOutput: TypeAlias = "tuple[Mapping[str, str], Mapping[str, Any]]"
_NOTEBOOK = "JPY_SESSION_NAME"
_FINAL_OUTPUTS = 20
"""How many are kept; each may have half a megabyte."""


class ExecutionContext:
    """The running execution; in a terminal, cells have no ids."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._lock = threading.Lock()
        self._requests: Counter[object] = Counter()
        """The requests sent by each execution; a thread may still send for an earlier one."""
        self._final_outputs: dict[str, FinalOutput] = {}
        """What the last runs of many requests have shown in the end, by cell id."""

    @property
    def in_kernel(self) -> bool:
        """Whether outputs go to a front end that can update them."""
        return getattr(self._shell, "kernel", None) is not None

    @property
    def token(self) -> object:
        """A value that is equal within one execution and different in every other."""
        header = self._parent().get("header") or {}
        return header.get("msg_id") or self._shell.execution_count

    @property
    def notebook(self) -> str:
        """The path of the notebook as the front end reports it; empty if it does not."""
        path = os.environ.get(_NOTEBOOK) or self._shell.user_ns.get("__vsc_ipynb_file__")
        return path if isinstance(path, str) else ""

    def moved_to(self, reported: str) -> str | None:
        """Return the new path of a notebook that was renamed or moved; `None` if it was not.

        Jupyter tells a kernel the path when it starts, and not again.

        Parameters
        ----------
        reported
            The path of the page, from the root of its server on.
        """
        path = Path(os.environ.get(_NOTEBOOK, ""))
        if not path.is_absolute() or path.exists():
            return None
        name = reported.rpartition(":")[2]  # a drive, as jupyter-collaboration has one
        found = [file for folder in path.parents if (file := folder / name).is_file()]
        return str(found[0]) if len(found) == 1 else None

    def move(self, path: str) -> None:
        """Take note of the notebook's new path."""
        os.environ[_NOTEBOOK] = path

    def turn_key(self) -> TurnKey | None:
        """Return the key of the next request of this execution; `None` if cells have no ids."""
        with self._lock:
            return self._turn_key()

    def count_request(self) -> TurnKey | None:
        """Count a request that is about to be sent, and return its key."""
        with self._lock:
            key = self._turn_key()
            self._requests[self.token] += 1
            return key

    def _turn_key(self) -> TurnKey | None:
        cell_id = (self._parent().get("metadata") or {}).get("cellId")
        if not isinstance(cell_id, str) or not cell_id:
            return None
        return TurnKey(self.notebook, cell_id, self._requests[self.token])

    def is_all_magic(self) -> bool:
        """Return whether the cell is one `%%cmd` and nothing else: all outputs are ours."""
        code = (self._parent().get("content") or {}).get("code")
        return isinstance(code, str) and code.split(None, 1)[:1] == ["%%cmd"]

    def is_statement(self) -> bool:
        """Return whether the magic that runs is a statement by itself, not a value that is used.

        IPython displays the value of such a statement; it compiles `x = %cmd …` to an assignment.
        """
        from executing import Source  # noqa: PLC0415  only commands need it

        frame: FrameType | None = sys._getframe()  # noqa: SLF001  the only way to the caller
        while frame is not None and frame.f_globals is not self._shell.user_ns:
            frame = frame.f_back
        node = None if frame is None else Source.executing(frame).node
        return node is None or isinstance(getattr(node, "parent", None), ast.Expr)

    def renderer(
        self, label: str, settings: Settings, *, markdown: bool, owns_cell: bool
    ) -> RevisableRenderer:
        """Return the renderer for the front end; `label` names the model it waits for."""
        reasoning, out = settings.reasoning, sys.stdout
        shows_updates = self._shows_updates()

        def load() -> RevisableRenderer:
            if not shows_updates:
                from cc_jupyter.render.plain import printer  # noqa: PLC0415  the request goes first

                return printer(out, label, reasoning=reasoning, markdown=markdown)
            from cc_jupyter.render.notebook import NotebookRenderer, Screen  # noqa: PLC0415  the request goes first

            screen = Screen(self._shell, markdown=markdown, remote_images=settings.remote_images)
            return NotebookRenderer(screen, label=label, reasoning=reasoning, owns_cell=owns_cell)

        return DeferredRenderer(load)

    def run_output(self) -> RunOutput:
        """Return where a run of many requests is shown in this front end."""
        from cc_jupyter.session.live_output import LineOutput, LiveOutput  # noqa: PLC0415  runs only

        if not self._shows_updates():
            return LineOutput(sys.stdout)
        from cc_jupyter.render.notebook import Screen  # noqa: PLC0415  as above

        key = self.turn_key()

        def keep(bundle: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
            if key is not None:
                self._final_outputs.pop(key.cell_id, None)
                self._final_outputs[key.cell_id] = bundle, metadata
                for oldest in [*self._final_outputs][:-_FINAL_OUTPUTS]:
                    del self._final_outputs[oldest]

        return LiveOutput(Screen(self._shell), keep=keep)

    def final_output(self, cell_id: str) -> FinalOutput | None:
        """Return the bundle and the metadata that the last run of a cell has shown in the end."""
        return self._final_outputs.get(cell_id)

    def trace_view(self) -> TraceView:
        """Return where the calls of a turn with tools are shown in this front end."""
        from cc_jupyter.tools.trace_view import PageTrace, TextTrace  # noqa: PLC0415  tools only

        if not self._shows_updates():
            return TextTrace(lambda: sys.stdout)
        from cc_jupyter.render.notebook import Screen  # noqa: PLC0415  as above
        from cc_jupyter.session.live_output import LiveOutput  # noqa: PLC0415  as above

        return PageTrace(LiveOutput(Screen(self._shell)), _pause)

    def asker(self, view: Callable[[], TraceView]) -> Asker | None:
        """Return who asks the user about calls; `None`: no one can answer in this front end.

        Parameters
        ----------
        view
            Returns where the questions are shown.
        """
        from cc_jupyter.tools.trace_view import CellAsker  # noqa: PLC0415  tools only

        return CellAsker(view, _read_line) if self.can_ask else None

    def show_again(self, reply: Reply, *, instead: str | None = None) -> None:
        """Show a reply's text as a new output.

        Parameters
        ----------
        instead
            Why the text is not shown; a terminal prints this, since it prints `Out[n]` anyway.
        """
        from cc_jupyter.core.terminal import safe_terminal  # noqa: PLC0415  the request goes first
        from cc_jupyter.render.answer_extras import image_bundles, image_line, shown_text  # noqa: PLC0415  as above
        from cc_jupyter.render.notebook import Screen  # noqa: PLC0415  as above

        images = image_bundles(reply.images)
        text = shown_text(reply.text, reply.images, reply.sources)
        if not text and not images:
            text = f"(no text: {reply.stop_reason})"
        if not self.in_kernel:
            lines = [text, *(image_line(image) for image in reply.images if image.data)]
            text = safe_terminal("\n".join(filter(None, lines)))
            print(text if instead is None else f"({instead})")  # noqa: T201  a terminal
        elif instead is None:
            screen = Screen(self._shell)
            for bundle in ([screen.answer(text)] if text else []) + images:
                screen.new(bundle)

    @property
    def can_ask(self) -> bool:
        """Whether the front end answers `input`; nbclient and papermill do not."""
        return not self.in_kernel or bool((self._parent().get("content") or {}).get("allow_stdin"))

    def _shows_updates(self) -> bool:
        """Return whether the front end redraws an output.

        `jupyter console` and qtconsole run in a kernel and show only the first state of a
        display. They send no cell id and accept input requests; nbclient sends none either,
        but accepts none (seen on jupyter_console 6.6, nbclient 0.11).
        """
        parent = self._parent()
        named = bool((parent.get("metadata") or {}).get("cellId"))
        console = bool((parent.get("content") or {}).get("allow_stdin")) and not named
        return self.in_kernel and not console

    def _parent(self) -> dict[str, Any]:
        get_parent = getattr(self._shell, "get_parent", None)
        return (get_parent() if get_parent is not None else None) or {}


def _read_line(prompt: str) -> str:
    """Return one line of the user's; what was typed before the question does not answer it.

    An interrupt ends the waiting, also while a request is in flight, and also one that came
    between the question and this line.
    """
    from cc_jupyter.session.in_flight import interruptible  # noqa: PLC0415  the request goes first

    if sys.stdin is not None and sys.stdin.isatty():
        with suppress(ImportError, OSError):  # Windows has no termios
            import termios  # noqa: PLC0415  POSIX only

            termios.tcflush(sys.stdin, termios.TCIFLUSH)
    with interruptible(also_earlier=True):
        return input(prompt)


def _pause(duration_s: float) -> None:
    """Wait for a question to be drawn; an interrupt ends the waiting, also an earlier one."""
    from cc_jupyter.session.in_flight import interruptible  # noqa: PLC0415  the request goes first

    with interruptible(also_earlier=True):
        sleep(duration_s)


@functools.cache
def execution_context(shell: InteractiveShell) -> ExecutionContext:
    """Return the one execution context of a shell, which counts its requests."""
    return ExecutionContext(shell)


class ReplyDisplay(Record):
    """Displays a reply, but not again in the execution that has shown it."""

    cell: ExecutionContext
    execution: object
    """The execution that has shown it; `None` shows it always."""
    why: str = "--quiet"

    def __call__(self, reply: Reply) -> None:
        """Show a reply, or why it is not shown again."""
        here = self.execution is not None and self.cell.token == self.execution
        self.cell.show_again(reply, instead=self.why if here else None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_display, ()  # an unpickled reply belongs to no cell


def _no_display() -> None:
    """Stand in for the display of an unpickled reply."""
