"""What the kernel answers to each message of a front end, from whichever thread it comes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cc_jupyter.comm_questions import Questions
from cc_jupyter.comm_state import StateReader
from cc_jupyter.comm_wishes import Wishes
from cc_jupyter.session.execution import cell_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.comm_fields import Answer, Body
    from cc_jupyter.session.session import Session


class Handlers:
    """Answers by type of message.

    Parameters
    ----------
    line
        Runs a `%cmd` line, as in a cell.
    is_busy
        Tells whether a cell runs.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        line: Callable[[str], object],
        is_busy: Callable[[], bool],
    ) -> None:
        state = StateReader(session, cell_of(shell), shell.user_ns, is_busy)
        self._wishes = Wishes(state, line)
        self._handlers: Mapping[str, Callable[[Body], Answer]] = {
            **Questions(state).by_type,
            **self._wishes.by_type,
        }
        self._lock = threading.Lock()  # pages may ask from threads of their own

    @property
    def types(self) -> set[str]:
        """The questions that are answered."""
        return {"stop", *self._handlers}

    def answer(self, kind: str, body: Body) -> Answer | None:
        """Give the answer to a message; `None`: its type is unknown.

        Raises
        ------
        CcError
            What is asked for cannot be done.
        """
        if kind == "stop":  # it waits for nobody
            return self._wishes.stop(body)
        handler = self._handlers.get(kind)
        if handler is None:
            return None
        with self._lock:
            return handler(body)
