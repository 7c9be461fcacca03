"""The messages between the page and the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


PROTOCOL = 1
"""The version of the protocol: `v` in every message."""


class Comm(Protocol):
    """The part of ipykernel's comms that we use."""

    comm_id: str
    handle_msg: Callable[[dict[str, Any]], None]

    def send(self, data: dict[str, Any]) -> None:
        """Send to the front end."""

    def on_close(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Register a callback for when the front end closes the comm."""

    def close(self) -> None:
        """Tell the front end that this comm is closed."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a front end, of any version."""

    version: int
    type: str
    id: str
    body: dict[str, Any]


def envelope(kind: str, message_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a message of this version of the protocol."""
    return {"v": PROTOCOL, "type": kind, "id": message_id, "body": body}


def read_message(message: dict[str, Any]) -> Message | None:
    """Parse a message of any version; `None` if it is not one."""
    data = (message.get("content") or {}).get("data")
    if not isinstance(data, dict):
        return None
    version, kind, message_id = data.get("v"), data.get("type"), data.get("id")
    body = data.get("body")
    if not isinstance(version, int) or not isinstance(kind, str) or not isinstance(message_id, str):
        return None
    return Message(version, kind, message_id, body if isinstance(body, dict) else {})
