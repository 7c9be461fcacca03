"""One connection: reads requests, asks for their scripts, plays them."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from . import http1
from .player import Player
from .record import Record
from .script import cut, http

if TYPE_CHECKING:
    from .server import Provider

_PEEK_BYTES = 4096


class Connection:
    """What one thread of the provider does."""

    def __init__(self, provider: Provider, sock: socket.socket, number: int) -> None:
        self._provider = provider
        self._sock = sock
        self._reader = http1.Reader(sock)
        self._number = number
        self.idle = True
        """Whether it waits for a request."""

    def run(self) -> None:
        """Serve one request after the other until either side hangs up."""
        with self._sock, suppress(OSError):
            while self._serve_one():
                pass

    def shut(self) -> None:
        """Wake the thread from whatever it waits for, so that it ends."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _serve_one(self) -> bool:
        self.idle = True
        if not self._reader.holds_more:
            select.select([self._sock], [], [])
            if self._refuse_unread():
                return False
        try:
            head = self._reader.read_head()
            if head is None:
                return False
            self.idle = False
            body = self._reader.read_body(head)
        except http1.BadRequestError as error:
            self._refuse_broken(error)
            return False
        record = self._record(head, body)
        script = self._provider.answer_to(record)
        return self._player(record).play(script, keep_alive=head.keep_alive)

    def _refuse_unread(self) -> bool:
        """Play the next script without reading, if that is what it asks for."""
        first = self._sock.recv(_PEEK_BYTES, socket.MSG_PEEK)
        if not first.startswith(b"POST "):
            return False
        try:
            head = http1.parse_head(first.partition(b"\r\n\r\n")[0])
        except http1.BadRequestError:  # not even its first line has come yet
            head = http1.RequestHead("POST", "", {}, first)
        record = self._record(head, b"")
        script = self._provider.answer_unread(record)
        if script is None:
            return False
        self.idle = False
        self._player(record, unread=True).play((*script, cut()), keep_alive=False)
        return True

    def _refuse_broken(self, error: http1.BadRequestError) -> None:
        record = Record("", "", {}, b"", self._number, time.perf_counter())
        script = http(error.status, f"{error}\n", content_type="text/plain")
        self._player(record, unread=True).play((*script, cut()), keep_alive=False)

    def _record(self, head: http1.RequestHead, body: bytes) -> Record:
        return Record(
            method=head.method,
            path=head.path,
            headers=head.headers,
            body=body,
            connection=self._number,
            received_s=time.perf_counter(),
            raw_head=head.raw,
        )

    def _player(self, record: Record, *, unread: bool = False) -> Player:
        provider = self._provider
        return Player(self._sock, record, provider.closing, provider.gate, unread=unread)
