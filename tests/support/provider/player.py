"""Plays one script on one connection, and sees the client leave while it does."""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from . import http1
from .script import Body, Head, Mark, Pause, Raw, Wait, head

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from .record import Record
    from .script import Script, Step

SERVER = "cc-jupyter-test-provider"
_POLL_S = 0.002  # how soon a wait sees that its event was set
_LINGER_S = 0.5  # how long a cut listens for what the client still sends


class GoneError(Exception):
    """The client has left, or the provider is being closed."""


class Player:
    """Sends the response to one request.

    Parameters
    ----------
    sock
        The connection, which only this thread reads and writes.
    record
        Where to note what happens.
    closing
        Set when the provider is being closed.
    gate
        Gives the event that a name in a `wait` step stands for.
    unread
        Whether the request is played to without having been read.
    """

    def __init__(
        self,
        sock: socket.socket,
        record: Record,
        closing: Event,
        gate: Callable[[str], Event],
        *,
        unread: bool = False,
    ) -> None:
        self._sock = sock
        self._record = record
        self._closing = closing
        self._gate = gate
        self._unread = unread
        self._head: Head | None = None
        self._ended = False
        self._clock_s = 0.0  # where the pauses of the script stand

    def play(self, script: Script, *, keep_alive: bool) -> bool:
        """Send the response; say whether the connection can be used again."""
        try:
            for step in script:
                if not self._step(step, keep_alive=keep_alive):
                    return False
            self._end()
        except GoneError:
            if not self._closing.is_set():
                self._record.client_left_s = time.perf_counter()
            return False
        finally:
            self._record.end(time.perf_counter())
        return keep_alive and self._head is not None and self._head.framing != "close"

    def _step(self, step: Step, *, keep_alive: bool) -> bool:
        match step:
            case Head():
                self._begin(step, keep_alive=keep_alive)
            case Body(pieces):
                if self._head is None:
                    self._begin(head(), keep_alive=keep_alive)
                self._send_body(pieces)
            case Raw(data):
                self._send(data)
            case Pause(pause_s):
                self._pause(pause_s)
            case Wait(event):
                self._idle(self._gate(event) if isinstance(event, str) else event, None)
                self._clock_s = 0.0
            case Mark(what):
                return self._mark(what)
        return True

    def _mark(self, what: str) -> bool:
        match what:
            case "end" | "before reading":
                self._end()
            case "hang":
                self._idle(None, None)
            case "cut":
                self._cut()
            case _:
                reset_on_close(self._sock)
        return what not in ("cut", "reset")

    def _begin(self, step: Head, *, keep_alive: bool) -> None:
        headers = [("server", SERVER), *step.headers]
        if step.framing == "chunked":
            headers.append(("transfer-encoding", "chunked"))
        if step.framing == "close" or not keep_alive:
            headers.append(("connection", "close"))
        self._record.status = step.status
        self._head = step
        self._send(http1.encode_head(step.status, headers))

    def _send_body(self, pieces: tuple[bytes, ...]) -> None:
        chunked = self._head is not None and self._head.framing == "chunked"
        data = http1.encode_chunks(pieces) if chunked else b"".join(pieces)
        self._record.sent_s.append(time.perf_counter())
        self._send(data)

    def _end(self) -> None:
        if self._head is not None and self._head.framing == "chunked" and not self._ended:
            with suppress(GoneError):  # all that a client reads was sent
                self._send(http1.LAST_CHUNK)
        self._ended = True

    def _send(self, data: bytes) -> None:
        """Send all of `data`, however slowly the client reads; it may leave meanwhile."""
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self._sock], [self._sock], [])
            if readable and not self._client_is_there():
                raise GoneError
            if writable:
                try:
                    view = view[self._sock.send(view) :]
                except OSError as error:
                    raise GoneError from error

    def _pause(self, pause_s: float) -> None:
        now_s = time.perf_counter()
        late = now_s - self._clock_s > pause_s
        self._clock_s = (now_s if late else self._clock_s) + pause_s
        self._idle(None, self._clock_s)

    def _idle(self, event: Event | None, until_s: float | None) -> None:
        """Send nothing until `event` is set or the clock shows `until_s`."""
        while event is None or not event.is_set():
            left_s = _POLL_S if event else 1.0
            if until_s is not None:
                left_s = min(left_s, until_s - time.perf_counter())
                if left_s <= 0:
                    return
            readable, _, _ = select.select([self._sock], [], [], left_s)
            if self._closing.is_set() or (readable and not self._client_is_there()):
                raise GoneError
            if readable:  # a next request is waiting, which says nothing about leaving
                time.sleep(min(left_s, _POLL_S))

    def _client_is_there(self) -> bool:
        try:
            return self._sock.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def _cut(self) -> None:
        """Hang up in order: closing with bytes unread would be a reset."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            if not self._unread:
                return
            deadline_s = time.perf_counter() + _LINGER_S
            while (left_s := deadline_s - time.perf_counter()) > 0:
                readable, _, _ = select.select([self._sock], [], [], left_s)
                if not readable or not self._sock.recv(65536):
                    return


def reset_on_close(sock: socket.socket) -> None:
    """Let the close that follows be a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
