"""Just enough HTTP/1.1 to be a server, byte by byte: requests in, heads and chunks out."""

from __future__ import annotations

import http
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

LARGEST_HEAD_BYTES = 64 * 1024
LARGEST_BODY_BYTES = 50 * 1024 * 1024
_RECV_BYTES = 256 * 1024


class BadRequestError(Exception):
    """What came is no HTTP/1.1 request, or one too large: `status` is the answer to it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Request line and headers."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the client may use the connection again."""
        return self.headers.get("connection", "").lower() != "close"


class Reader:
    """Reads one request after the other from a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""

    @property
    def holds_more(self) -> bool:
        """Whether bytes of a next request have already been read."""
        return bool(self._buffer)

    def read_head(self) -> RequestHead | None:
        """Return the next head; `None` when the client hung up between two requests."""
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > LARGEST_HEAD_BYTES:
                raise BadRequestError(431, "the head of the request is too long")
            if not self._receive():
                return None
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return parse_head(raw)

    def read_body(self, head: RequestHead) -> bytes:
        """Return the whole body that belongs to `head`."""
        if head.headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunked()
        length = head.headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadRequestError(400, f"content-length {length!r} is no number")
        return self._take(int(length))

    def _read_chunked(self) -> bytes:
        chunks: list[bytes] = []
        while size := int(self._take_line().split(b";")[0], 16):
            chunks.append(self._take(size))
            self._take_line()
        while self._take_line():
            pass
        return b"".join(chunks)

    def _take_line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive_or_raise()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _take(self, size: int) -> bytes:
        if size > LARGEST_BODY_BYTES:
            raise BadRequestError(413, "the body of the request is too long")
        parts = [self._buffer]
        missing = size - len(self._buffer)
        while missing > 0:
            parts.append(self._sock.recv(_RECV_BYTES))
            if not parts[-1]:
                raise ConnectionAbortedError("the client left within its request")
            missing -= len(parts[-1])
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def _receive(self) -> bool:
        data = self._sock.recv(_RECV_BYTES)
        self._buffer += data
        return bool(data)

    def _receive_or_raise(self) -> None:
        if not self._receive():
            raise ConnectionAbortedError("the client left within its request")


def parse_head(raw: bytes) -> RequestHead:
    """Read a head, its closing blank line already taken off."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError(400, "this is no HTTP/1.1 request")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return RequestHead(words[0], words[1].partition("?")[0], headers, raw)


def encode_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write status line and headers."""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:  # 520 to 527 and 529 are not registered
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def encode_chunks(pieces: Iterable[bytes]) -> bytes:
    """Write each piece as a chunk; an empty one would end the body, so it is left out."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)


LAST_CHUNK = b"0\r\n\r\n"
