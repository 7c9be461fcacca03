"""What IPython tells about the cell that runs, and nothing else of IPython."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation import TurnKey
from cc_jupyter.render.notebook import NotebookRenderer
from cc_jupyter.render.safe import safe_terminal
from cc_jupyter.render.screen import Screen
from cc_jupyter.render.text import printer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.render import Renderer
    from cc_jupyter.reply import Reply


class Cell:
    """The execution under way; in a terminal every one is new and has no id."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._message: str | None = None
        self._requests = 0

    @property
    def in_kernel(self) -> bool:
        """Whether outputs go to a front end that can update them."""
        return getattr(self._shell, "kernel", None) is not None

    @property
    def token(self) -> object:
        """Something equal within one execution and different in every other."""
        header = self._parent().get("header") or {}
        return header.get("msg_id") or self._shell.execution_count

    def next_turn_key(self) -> TurnKey | None:
        """Give the key of the next request of this execution; `None` where cells have no ids."""
        parent = self._parent()
        cell_id = (parent.get("metadata") or {}).get("cellId")
        message = (parent.get("header") or {}).get("msg_id")
        if not isinstance(cell_id, str) or not cell_id:
            return None
        if message != self._message:
            self._message, self._requests = message, 0
        number, self._requests = self._requests, self._requests + 1
        return TurnKey(os.environ.get("JPY_SESSION_NAME", ""), cell_id, number)

    def is_all_magic(self) -> bool:
        """Whether the cell is one `%%cmd` and nothing else, so that its outputs are all ours."""
        code = (self._parent().get("content") or {}).get("code")
        return isinstance(code, str) and code.lstrip().startswith("%%cmd")

    def renderer(self, label: str, *, reasoning: bool, markdown: bool, owns_cell: bool) -> Renderer:
        """Give the screen that fits the front end; `label` says whom one waits for."""
        if not self._shows_updates():
            return printer(sys.stdout, label, reasoning=reasoning, markdown=markdown)
        screen = Screen(self._shell, markdown=markdown)
        return NotebookRenderer(screen, label=label, reasoning=reasoning, owns_cell=owns_cell)

    def show_again(self, reply: Reply, *, here: bool) -> None:
        """Show a reply's text as an output of its own; `here`: this execution has shown it."""
        if not self.in_kernel:
            print("(shown above)" if here else safe_terminal(reply.text))  # noqa: T201  a terminal
        elif not here:
            screen = Screen(self._shell)
            screen.new(screen.answer(reply.text))

    def _shows_updates(self) -> bool:
        """Tell whether the front end redraws an output.

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
