"""The provider itself: the listener, its threads, and what tests hold on to."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from . import control, routes
from .connection import Connection
from .models import KEY, MODELS
from .script import Mark, flatten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .record import Record
    from .script import Playable, Script

_JOIN_S = 5.0


class Provider:
    """A provider on loopback that answers by itself, or plays what it is told to.

    Parameters
    ----------
    key
        The one key that `POST`s are accepted with.
    models
        The entries of `GET /v1/models`; the list may be changed while it serves.
    pause_s
        Seconds between the deltas of answers that were not scripted.
    port
        0 takes a free one.
    """

    def __init__(
        self,
        *,
        key: str = KEY,
        models: Iterable[Mapping[str, Any]] = MODELS,
        pause_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self.key = key
        self.models = list(models)
        self.pause_s = pause_s
        self.closing = threading.Event()
        self._posts: deque[tuple[Playable, ...]] = deque()
        self._gets: deque[tuple[Playable, ...]] = deque()
        self._always: tuple[Playable, ...] = ()
        self._records: list[Record] = []
        self._gates: dict[str, threading.Event] = {}
        self._changed = threading.Condition()
        self._threads: dict[Connection, threading.Thread] = {}
        self._connections = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="provider", daemon=True)

    # ── life

    @property
    def base_url(self) -> str:
        """The base URL for Anthropic's SDK and for us; OpenAI's takes it with `/v1`."""
        return f"http://127.0.0.1:{self.port}/provider"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to answer; `with` does this by itself."""
        self._acceptor.start()

    def close(self) -> None:
        """Hang up on everyone and wait until every thread has ended."""
        self.closing.set()
        if self._acceptor.is_alive():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), _JOIN_S):
                pass  # wakes the acceptor
            self._acceptor.join(_JOIN_S)
        self._listener.close()
        with self._changed:
            left = dict(self._threads)
        for connection in left:
            connection.shut()
        for thread in left.values():
            thread.join(_JOIN_S)
        if self._acceptor.is_alive() or any(thread.is_alive() for thread in left.values()):
            raise RuntimeError(f"a thread of the provider did not end within {_JOIN_S} s")

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.closing.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._connections += 1
                connection = Connection(self, sock, self._connections)
                name = f"provider-{self._connections}"
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name=name, daemon=True
                )
                self._threads[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._changed:
                del self._threads[connection]
                self._changed.notify_all()

    # ── scripts

    def play(self, *steps: Playable) -> None:
        """Queue one response for the next `POST`, whatever it asks and whatever its key."""
        with self._changed:
            self._posts.append(steps)

    def play_models(self, *steps: Playable) -> None:
        """Queue one response for the next `GET /v1/models`."""
        with self._changed:
            self._gets.append(steps)

    def always(self, *steps: Playable) -> None:
        """Answer every unscripted `POST` with this; without steps, as at the start."""
        with self._changed:
            self._always = steps

    def gate(self, name: str) -> threading.Event:
        """Return the event that `wait(name)` waits for."""
        with self._changed:
            return self._gates.setdefault(name, threading.Event())

    @property
    def queued(self) -> int:
        """How many scripts have not been played yet."""
        with self._changed:
            return len(self._posts) + len(self._gets)

    def answer_to(self, record: Record) -> Script:
        """Keep `record` and give the script that answers it."""
        if record.path.startswith(control.PREFIX):
            return control.answer(self, record)
        return flatten(self._take_script(record) or (routes.answer(self, record),), record)

    def _take_script(self, record: Record) -> tuple[Playable, ...]:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()
            if record.method == "POST":
                return self._posts.popleft() if self._posts else self._always
            if record.path == routes.MODELS_PATH and self._gets:
                return self._gets.popleft()
            return ()

    def answer_unread(self, record: Record) -> Script | None:
        """Return the next script and keep `record`, if the script is for an unread request."""
        with self._changed:
            if record.path.startswith(control.PREFIX) or not self._posts:
                return None
            steps = self._posts[0]
            if not steps or steps[0] != Mark("before reading"):
                return None
            self._take_script(record)
        return flatten(steps[1:], record)

    # ── what was seen

    @property
    def requests(self) -> list[Record]:
        """Every request so far, in the order in which they were read; without control ones."""
        with self._changed:
            return list(self._records)

    @property
    def posts(self) -> list[Record]:
        """The requests that would have cost money."""
        return [record for record in self.requests if record.method == "POST"]

    @property
    def open_connections(self) -> int:
        """How many connections are open, kept ones included."""
        with self._changed:
            return len(self._threads)

    def wait_for_requests(self, count: int, timeout_s: float = 5.0) -> list[Record]:
        """Wait until at least `count` requests were read; a response may still be under way."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._records) >= count, timeout_s):
                raise TimeoutError(f"{len(self._records)} of {count} requests in {timeout_s} s")
            return list(self._records)

    def clear(self) -> None:
        """Forget requests, scripts and gates; connections stay."""
        with self._changed:
            self._records.clear()
            self._posts.clear()
            self._gets.clear()
            self._gates.clear()
            self._always = ()

    def drop_idle_connections(self, timeout_s: float = 1.0) -> None:
        """Hang up on every kept connection, as a provider does after a while.

        A response may have reached its client a moment before its thread is idle, so this waits
        until all are, at most `timeout_s`; a response still under way then goes on.
        """
        deadline_s = time.monotonic() + timeout_s
        while any(not c.idle for c in self._open()) and time.monotonic() < deadline_s:
            time.sleep(0.001)
        idle = {connection for connection in self._open() if connection.idle}
        for connection in idle:
            connection.shut()
        with self._changed:
            self._changed.wait_for(lambda: not idle & set(self._threads), _JOIN_S)

    def _open(self) -> list[Connection]:
        with self._changed:
            return list(self._threads)
