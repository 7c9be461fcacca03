"""The messages between the page and the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


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


def envelope(kind: str, asked_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a message of this version of the protocol."""
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
