"""The kernel's end of the browser protocol, which `comm_schema.json` describes.

A front end may have its messages handled in a separate thread while a cell runs. They stay in that
thread only while the kernel sends nothing on this comm but answers, from within the handler:
ipykernel moves the next message to the shell that sent last (measured, ipykernel 7.4). Messages the
kernel sends unasked therefore use comms of their own, on which the front end only listens.

Progress is pushed, not polled: around each message that it handles, a kernel reports busy and then
idle, and JupyterLab takes that `idle` for the end of the cell. The thread that waits for the answer
sends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import CcError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe
from cc_jupyter.core.version import __version__
from cc_jupyter.frontend.protocol import PROTOCOL, Message, envelope, read_message
from cc_jupyter.frontend.state import running_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.frontend.handlers import Handlers
    from cc_jupyter.frontend.kernel_status import RunningCell
    from cc_jupyter.frontend.protocol import Comm
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
        """Close the comm on the front end's side, too."""
        self._session.in_flight.leave(self._tell)
        self._comm.close()

    def _left(self) -> None:
        self._session.in_flight.leave(self._tell)
        self._closed(self._comm.comm_id)

    def _tell(self, changed: bool) -> None:  # noqa: FBT001  `InFlightRequests` calls it
        body = {"running": running_body(self._session), **({"changed": True} if changed else {})}
        self._comm.send(envelope("progress", self._id, body))


def listen_id(message: dict[str, Any]) -> str | None:
    """Return the id of the message that opens a comm, if the comm is to listen."""
    found = read_message(message)
    listens = found is not None and (found.type, found.version) == ("listen", PROTOCOL)
    return found.id if found is not None and listens else None


class CommServer:
    """One comm that a front end has opened.

    It is silent until the front end has said hello in our version of the protocol.

    Parameters
    ----------
    cell
        The one that runs, which a message must not make look over.
    closed
        Called with the comm's id when the front end has closed it.
    """

    def __init__(
        self,
        comm: Comm,
        handlers: Handlers,
        cell: RunningCell,
        closed: Callable[[str], None],
    ) -> None:
        self._comm = comm
        self._handlers = handlers
        self._cell = cell
        self._greeted = False
        # comms call the user's `post_execute` hooks for each message, as if it were a cell:
        # matplotlib's would show a figure that a cell is still drawing
        comm.handle_msg = self.take
        comm.on_close(lambda _: closed(comm.comm_id))

    def close(self) -> None:
        """Close the comm on the front end's side, too."""
        self._comm.close()

    def take(self, message: dict[str, Any]) -> None:
        """Answer a message; ignore what is not a request of this protocol."""
        self._cell.say_again()
        asked = read_message(message)
        if asked is None:
            return
        if asked.type == "hello":
            self._greeted = asked.version == PROTOCOL
            self._send("hello", asked.id, {"version": __version__})
        elif self._greeted and asked.version == PROTOCOL:
            self._answer(asked)

    def _answer(self, asked: Message) -> None:
        try:
            answer = self._handlers.answer(asked.type, asked.body)
        except CcError as error:
            self._fail(asked.id, str(error), error.hint)
        except Exception as error:  # a bug: the page must not wait for ever, the log gets the rest
            self._fail(asked.id, describe(error), "the kernel's log says more")
            raise
        else:
            if answer is not None:
                self._send(answer[0], asked.id, answer[1])

    def _fail(self, asked_id: str, message: str, hint: str | None) -> None:
        body = {"message": redact(message), "hint": None if hint is None else redact(hint)}
        self._send("error", asked_id, body)

    def _send(self, kind: str, asked_id: str, body: dict[str, Any]) -> None:
        self._comm.send(envelope(kind, asked_id, body))
