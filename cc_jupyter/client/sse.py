"""Server-sent events out of bytes: framing alone, linear in every input.

Follows WHATWG HTML, section "Server-sent events" (read 2026-11-22), but for the end: a last event
without its blank line is given too, since real servers leave it out (provider-api.md, section 15).

Lines end at CR, LF and CRLF only. `str.splitlines` and friends also split at U+2028, U+0085 and
others, which stand unescaped in real JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


MAX_EVENT_BYTES = 16 * 2**20
"""Of all lines from one blank line to the next, comments and unknown fields included."""
BOM = b"\xef\xbb\xbf"


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
        self._line = bytearray()  # the line that has not ended yet
        self._name = ""
        self._data: list[bytes] = []
        self._event_bytes = 0  # of the unfinished event's whole lines
        self._skip_lf = False  # the last chunk ended in CR: a LF that follows belongs to it

    def decode(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Return the events that `chunk` completes; to be read to its end before the next one.

        Raises
        ------
        EventTooLargeError
            An event has grown over `MAX_EVENT_BYTES`; those before it have been given.
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
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        yield from self._events(lines)
        self._line += tail
        if self._event_bytes + len(self._line) > MAX_EVENT_BYTES:
            raise EventTooLargeError

    def flush(self) -> Iterator[ServerSentEvent]:
        """Return the last event, if the body ended before the blank line after it."""
        rest = self._head or b""
        self._head = None
        yield from self._events([bytes(self._line + rest), b""])

    def _without_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(BOM) and BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(BOM)

    def _events(self, lines: list[bytes]) -> Iterator[ServerSentEvent]:
        data = self._data
        for line in lines:
            if not line:
                if data:
                    text = data[0] if len(data) == 1 else b"\n".join(data)
                    yield ServerSentEvent(self._name, text.decode("utf-8", "replace"))
                    data.clear()
                self._name = ""
                self._event_bytes = 0
                continue
            self._event_bytes += len(line)
            if self._event_bytes > MAX_EVENT_BYTES:
                raise EventTooLargeError
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].removeprefix(b" ").decode("utf-8", "replace")
            elif line.startswith(b"{"):  # no field begins so: JSON, written past the framing
                yield ServerSentEvent("", line.decode("utf-8", "replace"))
            elif line == b"data":
                data.append(b"")
            elif line == b"event":
                self._name = ""
