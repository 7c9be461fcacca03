"""The kernel's end of the browser protocol, which `comm_schema.json` describes.

A front end may have its messages handled in a separate thread while a cell runs. They stay in that
thread only as long as the kernel sends nothing but answers on this comm, from within the handler:
ipykernel moves the next message to the shell that sent last (measured, ipykernel 7.4). Messages
that are not answers therefore use separate comms, on which the front end only listens.

Progress is pushed, not polled: around each message that it handles, a kernel reports busy and then
idle, and JupyterLab takes that `idle` for the end of the cell. The thread that waits for the answer
sends the progress.
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
    """One comm on which the front end listens for progress.

    The threads that wait for answers send on it, including threads of the user: ipykernel passes
    every message on to its own sending thread. A message from a user's thread may have another cell
    as its parent, which front ends ignore in comm messages.

    Parameters
    ----------
    listen_id
        The id of the message that opened the comm.
    closed
        Called with the comm's id when the front end closes it.
    """

    def __init__(
        self, comm: Comm, listen_id: str, session: Session, closed: Callable[[str], None]
    ) -> None:
        self._comm = comm
        self._id = listen_id
        self._session = session
        self._closed = closed
        comm.on_close(lambda _: self._on_close())
        session.in_flight.listen(self._send_progress)

    def close(self) -> None:
        """Close the comm, also on the front end's side."""
        self._session.in_flight.leave(self._send_progress)
        self._comm.close()

    def _on_close(self) -> None:
        self._session.in_flight.leave(self._send_progress)
        self._closed(self._comm.comm_id)

    def _send_progress(self, changed: bool) -> None:  # noqa: FBT001  `InFlightRequests` calls it
        body = {"running": running_body(self._session), **({"changed": True} if changed else {})}
        self._comm.send(envelope("progress", self._id, body))


def listen_id(message: dict[str, Any]) -> str | None:
    """Return the id of the message that opens a comm for listening; `None`: it does not."""
    opening = read_message(message)
    if opening is None or (opening.type, opening.version) != ("listen", PROTOCOL):
        return None
    return opening.id


class CommServer:
    """One comm on which a front end asks.

    It sends nothing until the front end has sent `hello` in our version of the protocol.

    Parameters
    ----------
    cell
        The running cell, which must not look finished because of a message.
    closed
        Called with the comm's id when the front end closes it.
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
        # matplotlib's hook would show a figure that a cell is still drawing
        comm.handle_msg = self.receive
        comm.on_close(lambda _: closed(comm.comm_id))

    def close(self) -> None:
        """Close the comm, also on the front end's side."""
        self._comm.close()

    def receive(self, message: dict[str, Any]) -> None:
        """Answer a message; ignore it if it is not a request of this protocol."""
        self._cell.repeat_busy()
        request = read_message(message)
        if request is None:
            return
        if request.type == "hello":
            self._greeted = request.version == PROTOCOL
            self._send("hello", request.id, {"version": __version__})
        elif self._greeted and request.version == PROTOCOL:
            self._answer(request)

    def _answer(self, request: Message) -> None:
        try:
            answer = self._handlers.answer(request.type, request.body)
        except CcError as error:
            self._fail(request.id, str(error), error.hint)
        except Exception as error:  # a bug: the page gets an answer, the log the traceback
            self._fail(request.id, describe(error), "the kernel's log has the details")
            raise
        else:
            if answer is not None:
                self._send(answer[0], request.id, answer[1])

    def _fail(self, request_id: str, message: str, hint: str | None) -> None:
        body = {"message": redact(message), "hint": None if hint is None else redact(hint)}
        self._send("error", request_id, body)

    def _send(self, kind: str, request_id: str, body: dict[str, Any]) -> None:
        self._comm.send(envelope(kind, request_id, body))
