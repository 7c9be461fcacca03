"""What the provider saw: one record for each request.

What comes after the last byte (`ended_s`, `client_left_s`) is noted by another thread than the
test's: call `wait_until_over()` before looking at it.

All times are `time.perf_counter()` of this process; on Linux that clock is the same in every
process of the machine, so a benchmark may subtract them from its own.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Record:
    """One request, and what became of its response."""

    method: str
    path: str
    """Without the query."""
    headers: dict[str, str]
    """Names in lower case; a name sent twice has its values joined by a comma."""
    body: bytes
    connection: int
    """Counted from 1: the same number twice is a re-used connection."""
    received_s: float
    """When the last byte of the request was read."""
    raw_head: bytes = b""
    """Request line and headers, to the letter."""
    status: int | None = None
    """What was answered; `None` before the head is sent, or without one."""
    sent_s: list[float] = field(default_factory=list[float])
    """When each body step was handed to the socket: one time for each token of a paced stream."""
    ended_s: float | None = None
    """When the response was over, for whatever reason."""
    client_left_s: float | None = None
    """When the client was seen to hang up before the response was over; `None`: it did not."""
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON, parsed anew each time; `None` when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def wait_until_over(self, timeout_s: float = 5.0) -> None:
        """Wait until the response is over: sent, cut, or given up because the client left."""
        if not self._over.wait(timeout_s):
            raise TimeoutError(f"{self.method} {self.path} is still open after {timeout_s} s")

    def end(self, now_s: float) -> None:
        """Note that nothing more will be sent."""
        self.ended_s = now_s
        self._over.set()

    def to_json(self) -> dict[str, Any]:
        """Return what `GET /_control/requests` shows of it."""
        return {
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": self.body.decode("utf-8", "replace"),
            "json": self.json,
            "connection": self.connection,
            "status": self.status,
            "received_s": self.received_s,
            "sent_s": self.sent_s,
            "ended_s": self.ended_s,
            "client_left_s": self.client_left_s,
        }
