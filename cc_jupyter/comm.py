"""The kernel's end of the browser protocol; `comm_schema.json` says what is said on it.

A front end may have its messages handled in a thread of their own, beside a running cell. They
stay there only while the kernel sends nothing on this comm but answers, from within the handler:
ipykernel brings what comes next to the shell that sent last (measured, ipykernel 7.4). What it
sends of its own accord goes on comms of their own, `comm_listener`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cc_jupyter.comm_handlers import Handlers
from cc_jupyter.core.errors import CcError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import describe
from cc_jupyter.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.comm_busy import RunningCell
    from cc_jupyter.magics import CmdMagics

PROTOCOL = 1
"""The version of the protocol, `v` of every message."""


class Comm(Protocol):
    """What we use of ipykernel's comms."""

    comm_id: str
    handle_msg: Callable[[dict[str, Any]], None]

    def send(self, data: dict[str, Any]) -> None:
        """Send to the front end."""

    def on_close(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call back when the front end closes."""

    def close(self) -> None:
        """Tell the front end that nobody answers here any more."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a front end sent, of whatever version."""

    version: int
    type: str
    id: str
    body: dict[str, Any]


class CommLink:
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
        shell: InteractiveShell,
        magics: CmdMagics,
        cell: RunningCell,
        closed: Callable[[str], None],
    ) -> None:
        self._comm = comm
        self._handlers = Handlers(shell, magics.cells.session, magics.run_line, lambda: cell.runs)
        self._cell = cell
        self._greeted = False
        # comms call the user's `post_execute` hooks for each message, as if it were a cell:
        # matplotlib's would show a figure that a cell is still drawing
        comm.handle_msg = self.take
        comm.on_close(lambda _: closed(comm.comm_id))

    def close(self) -> None:
        """Tell the front end that nobody answers here any more."""
        self._comm.close()

    def take(self, message: dict[str, Any]) -> None:
        """Answer a message; what is no question of this protocol is ignored."""
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


def envelope(kind: str, asked_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Give a message of this version of the protocol."""
    return {"v": PROTOCOL, "type": kind, "id": asked_id, "body": body}


def read_message(message: dict[str, Any]) -> Message | None:
    """Read a message of whatever version; `None`: it is none."""
    data = (message.get("content") or {}).get("data")
    if not isinstance(data, dict):
        return None
    version, kind, asked_id = data.get("v"), data.get("type"), data.get("id")
    body = data.get("body")
    if not isinstance(version, int) or not isinstance(kind, str) or not isinstance(asked_id, str):
        return None
    return Message(version, kind, asked_id, body if isinstance(body, dict) else {})
