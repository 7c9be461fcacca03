"""What goes through the transport: a call out, and the items of its response back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT_S = 10.0
TIMED_OUT = "timed_out"
"""The code of a `ConnectError` after silence: the request may be at work, and is not sent again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, ready to go."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)  # the key is in it
    body: bytes = field(default=b"", repr=False)
    idle_timeout_s: float = 300.0
    """The longest silence borne; any byte starts it anew, and there is no limit for the whole."""
    resend_on_dead_connection: bool = True
    """Whether to send once more, silently, when a kept connection dies before any byte came."""


@dataclass(frozen=True, slots=True)
class Head:
    """The response began."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class End:
    """The response is over."""

    error: BaseException | None
    """What cut it off; `None`: it ended as announced."""


class Wake:
    """Nothing came from the wire: somebody asked the waiting thread to look up."""


Item: TypeAlias = Head | bytes | End | Wake
