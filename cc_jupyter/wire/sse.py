"""Server-sent events out of bytes: framing alone, linear in every input.

Follows WHATWG HTML, section "Server-sent events" (read 2026-11-22), but for the end: a last event
without its blank line is given too, since real servers leave it out (provider-api.md, section 15).

Lines end at CR, LF and CRLF only. `str.splitlines` and friends also split at U+2028, U+0085 and
others, which stand unescaped in real JSON.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 16 * 2**20
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event: its name (empty if it has none) and its data."""

    name: str
    data: str


class EventTooLargeError(ValueError):
    """One event is larger than `MAX_EVENT_BYTES`; no stream of answers needs that."""


class SseDecoder:
    """Turns chunks of bytes, cut anywhere, into events.

    Broken UTF-8 is replaced, never raised. Memory holds one unfinished event and no more.
    """

    def __init__(self) -> None:
        self._head: bytes | None = b""  # what may be the start of a BOM; None once that is known
        self._line: list[bytes] = []  # pieces of the line that has not ended yet
        self._name = b""
        self._data: list[bytes] = []
        self._pending_bytes = 0  # of the unfinished event
        self._skip_lf = False  # the last chunk ended in CR: a LF that follows belongs to it

    def decode(self, chunk: bytes) -> list[ServerSentEvent]:
        """Give the events that `chunk` completes.

        Raises
        ------
        EventTooLargeError
            The unfinished event has grown over `MAX_EVENT_BYTES`.
        """
        if self._head is not None:
            chunk = self._without_bom(chunk)
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        tail = lines.pop()
        if lines and self._line:
            lines[0] = b"".join((*self._line, lines[0]))
            self._line.clear()
        events = self._fields(lines)
        self._keep(tail)
        return events

    def flush(self) -> list[ServerSentEvent]:
        """Give the last event, if the body ended before the blank line after it."""
        rest = self._head or b""
        self._head = None
        return self._fields([b"".join((*self._line, rest)), b""])

    def _without_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _keep(self, tail: bytes) -> None:
        if tail:
            self._line.append(tail)
            self._pending_bytes += len(tail)
        if self._pending_bytes > MAX_EVENT_BYTES:
            raise EventTooLargeError

    def _fields(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._pending_bytes += len(line)
            elif not line:
                if self._data:
                    data = b"\n".join(self._data).decode("utf-8", "replace")
                    events.append(ServerSentEvent(self._name.decode("utf-8", "replace"), data))
                    self._data = []
                self._name = b""
                self._pending_bytes = 0
            elif line.startswith(b"event"):
                self._event_field(line)
            elif line == b"data":
                self._data.append(b"")
        return events

    def _event_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"event":
            self._name = value.removeprefix(b" ")
