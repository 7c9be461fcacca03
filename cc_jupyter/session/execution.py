"""What IPython knows about the running cell: its id, its notebook, its screen."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.escaping import safe_terminal
from cc_jupyter.core.messages import TurnKey
from cc_jupyter.render.notebook import NotebookRenderer, Screen
from cc_jupyter.render.plain import printer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.render.base import Renderer


class ExecutionContext:
    """The running execution; in a terminal each one is new and its cell has no id."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._lock = threading.Lock()
        self._requests: Counter[object] = Counter()
        """How many each execution has sent; a thread may still send for an earlier one."""

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
        path = os.environ.get("JPY_SESSION_NAME") or self._shell.user_ns.get("__vsc_ipynb_file__")
        return path if isinstance(path, str) else ""

    def turn_key(self) -> TurnKey | None:
        """Return the key of the next request of this execution; `None`: cells have no ids."""
        with self._lock:
            return self._turn_key()

    def count_request(self) -> TurnKey | None:
        """Return the key of a request that is about to be sent; the next one gets another."""
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
        """Return whether the cell is one `%%cmd` and nothing else, so all its outputs are ours."""
        code = (self._parent().get("content") or {}).get("code")
        return isinstance(code, str) and code.split(None, 1)[:1] == ["%%cmd"]

    def ends_in_magic(self) -> bool:
        """Return whether the last line is a bare `%cmd …`, whose value IPython displays."""
        history = self._shell.history_manager
        typed = history.input_hist_raw[-1] if history is not None else ""
        return typed.rstrip().rpartition("\n")[2].split(None, 1)[:1] == ["%cmd"]

    def renderer(
        self, label: str, settings: Settings, *, markdown: bool, owns_cell: bool
    ) -> Renderer:
        """Return the renderer for the front end; `label` names the model it waits for."""
        reasoning = settings.reasoning
        if not self._shows_updates():
            return printer(sys.stdout, label, reasoning=reasoning, markdown=markdown)
        screen = Screen(self._shell, markdown=markdown, remote_images=settings.remote_images)
        return NotebookRenderer(screen, label=label, reasoning=reasoning, owns_cell=owns_cell)

    def show_again(self, reply: Reply, *, instead: str | None = None) -> None:
        """Show a reply's text as a new output.

        Parameters
        ----------
        instead
            Why the text need not be shown; a terminal prints it, since it prints `Out[n]` anyway.
        """
        text = reply.text or f"(no text: {reply.stop_reason})"
        if not self.in_kernel:
            print(safe_terminal(text) if instead is None else f"({instead})")  # noqa: T201  a terminal
        elif instead is None:
            screen = Screen(self._shell)
            screen.new(screen.answer(text))

    def _shows_updates(self) -> bool:
        """Return whether the front end redraws an output.

        `jupyter console` and qtconsole run in a kernel and show only the first state of a
        display. They name no cell and can be asked for input; nbclient, which names none
        either, cannot (seen on jupyter_console 6.6, nbclient 0.11).
        """
        parent = self._parent()
        named = bool((parent.get("metadata") or {}).get("cellId"))
        console = bool((parent.get("content") or {}).get("allow_stdin")) and not named
        return self.in_kernel and not console

    def _parent(self) -> dict[str, Any]:
        get_parent = getattr(self._shell, "get_parent", None)
        return (get_parent() if get_parent is not None else None) or {}


@functools.cache
def execution_context(shell: InteractiveShell) -> ExecutionContext:
    """Return the one execution context of a shell, which counts its requests."""
    return ExecutionContext(shell)


@dataclass(frozen=True)
class ReplyDisplay:
    """How a reply displays itself: not again in the execution that has shown it."""

    cell: ExecutionContext
    execution: object
    """The execution in which it is not shown again; `None`: it always is."""
    why: str = "--quiet"

    def __call__(self, reply: Reply) -> None:
        """Show a reply, or why it is not shown again."""
        here = self.execution is not None and self.cell.token == self.execution
        self.cell.show_again(reply, instead=self.why if here else None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_display, ()  # a pickled reply no longer belongs to a cell


def _no_display() -> None:
    """Replace the display of a reply that was pickled."""
