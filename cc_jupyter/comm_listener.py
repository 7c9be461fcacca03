"""Comms on which a front end only listens: how far the answer under way is.

Around each message that it handles a kernel says that it is busy, then idle, and JupyterLab takes
that `idle` for the kernel's own, amid a cell. So nobody asks: the thread that waits for the answer
tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.comm import PROTOCOL, envelope, read_message
from cc_jupyter.comm_state import running_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.comm import Comm
    from cc_jupyter.session.session import Session


class Listener:
    """One comm that listens.

    It is sent to from the threads that wait for answers, the user's own among them: ipykernel
    hands what is sent to a thread of its own. From a thread of the user's a message may name
    another cell as its parent, which no front end minds in a comm's messages.

    Parameters
    ----------
    listen_id
        The id of the message that opened it.
    closed
        Called with the comm's id when the front end has closed it.
    """

    def __init__(
        self, comm: Comm, listen_id: str, session: Session, closed: Callable[[str], None]
    ) -> None:
        self._comm = comm
        self._id = listen_id
        self._session = session
        self._closed = closed
        comm.on_close(lambda _: self._left())
        session.in_flight.listen(self._tell)

    def close(self) -> None:
        """Tell the front end that nobody speaks here any more."""
        self._session.in_flight.leave(self._tell)
        self._comm.close()

    def _left(self) -> None:
        self._session.in_flight.leave(self._tell)
        self._closed(self._comm.comm_id)

    def _tell(self, changed: bool) -> None:  # noqa: FBT001  `InFlight` calls it
        body = {"running": running_body(self._session), **({"changed": True} if changed else {})}
        self._comm.send(envelope("progress", self._id, body))


def listen_id(message: dict[str, Any]) -> str | None:
    """Give the id of the message that opens a comm, if the comm is to listen."""
    found = read_message(message)
    listens = found is not None and (found.type, found.version) == ("listen", PROTOCOL)
    return found.id if found is not None and listens else None
