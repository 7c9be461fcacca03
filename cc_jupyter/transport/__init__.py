"""One request out, its bytes back, interruptible at any moment: the only package that knows HTTP.

Each response is read by a thread of its own into a queue. The cell's thread waits on that queue,
so it can draw, notice silence and be interrupted at any time, also while a name is looked up. The
connection under it is a `lane`: used by one call at a time, and kept for the next.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import defaultdict
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.core.errors import ConnectError
from cc_jupyter.transport.call import TIMED_OUT, Call, End, Head, Item, Wake

if TYPE_CHECKING:
    from cc_jupyter.transport.lane import Lane

__all__ = ["TIMED_OUT", "Call", "End", "Head", "Incoming", "Item", "Transport", "Wake", "fetch"]

_MOST_IDLE_LANES = 8  # of one origin
_GRACE_S = 0.05  # after an answer's last event, for the end of its body


class Transport:
    """Sends calls and keeps their connections; for use from any thread, and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[Lane]] = defaultdict(list)
        self._pid = os.getpid()
        weakref.finalize(self, _close_idle, self._idle)  # at the latest when the process ends

    def send(self, call: Call) -> Incoming:
        """Start a call; its response is read in the background.

        Raises
        ------
        ConfigError
            The proxy that the environment names cannot be used.
        """
        parts = urlsplit(call.url)
        return Incoming(self, self._take(f"{parts.scheme}://{parts.netloc}"), call)

    def close(self) -> None:
        """Close the connections that wait for a next request."""
        with self._lock:
            _close_idle(self._idle)

    def give_back(self, lane: Lane) -> None:
        """Keep a lane whose response was read to its end."""
        with self._lock:
            idle = self._idle[lane.origin]
            if len(idle) < _MOST_IDLE_LANES:
                idle.append(lane)
                return
        lane.close()

    def _take(self, origin: str) -> Lane:
        from cc_jupyter.transport.lane import Lane  # noqa: PLC0415  20 ms, only when it sends

        if self._pid != os.getpid():  # a fork: these sockets are its parent's, and so was the lock
            self._pid, self._lock = os.getpid(), threading.Lock()
            self.close()
        with self._lock:
            if self._idle[origin]:
                return self._idle[origin].pop()
        return Lane(origin)


def _close_idle(idle: dict[str, list[Lane]]) -> None:
    for lanes in idle.values():
        while lanes:
            lanes.pop().close()


class Incoming:
    """One call under way: `receive` its items until `End`, then `close`."""

    def __init__(self, transport: Transport, lane: Lane, call: Call) -> None:
        self._transport = transport
        self._lane = lane
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._lock = threading.Lock()  # who has the lane: this call, or the next one already
        self._closed = False
        self._reading = True
        self._ended = False
        self._pid = os.getpid()
        # the call, and with it the key, is nowhere kept: it is gone when the thread is
        self._thread = threading.Thread(
            target=self._run, args=(call,), name="cc_jupyter reader", daemon=True
        )
        try:
            self._thread.start()  # which waits for the thread, and may be interrupted meanwhile
        except BaseException:
            self.close()
            raise

    @property
    def connecting(self) -> bool:
        """Whether nothing of the request has been sent yet."""
        return self._lane.connecting

    def receive(self, timeout_s: float) -> Item | None:
        """Give the next item, or `None` when none came within `timeout_s` seconds."""
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            return None
        self._ended = self._ended or isinstance(item, End)
        return item

    def wake(self) -> None:
        """Make a waiting `receive` give a `Wake`; safe from a signal handler."""
        self._items.put(Wake())

    def close(self, *, drain: bool = False) -> None:
        """Leave the response; the connection ends now unless the body is at its end.

        Parameters
        ----------
        drain
            Wait a moment for the end of the body, so that the connection can be kept.
        """
        if self._pid != os.getpid():  # a fork's copy: the connection is its parent's
            return
        if drain and not self._ended:
            self._thread.join(_GRACE_S)
        with self._lock:
            self._closed = True
            if self._reading:
                self._lane.shut()

    def _run(self, call: Call) -> None:
        error: BaseException | None = None
        try:
            for item in self._lane.exchange(call):
                self._items.put(item)
        except BaseException as caught:  # noqa: BLE001  the cell's thread raises it
            from cc_jupyter.transport.failure import explain  # noqa: PLC0415  as for the lane

            error = explain(caught, call)
        with self._lock:
            kept = error is None and not self._closed
            self._reading = False
        if kept:
            self._transport.give_back(self._lane)
        else:
            self._lane.close()
        self._items.put(End(error))


def fetch(
    transport: Transport, call: Call, *, timeout_s: float, most_bytes: int
) -> tuple[int, bytes]:
    """Give status and body of a small document, within `timeout_s` seconds over all.

    Raises
    ------
    ConnectError
        No answer, a broken one, or one over `most_bytes`.
    """
    incoming = transport.send(call)
    deadline = monotonic() + timeout_s
    status, body = 0, bytearray()
    try:
        while True:
            item = incoming.receive(max(0.0, deadline - monotonic()))
            match item:
                case Head():
                    status = item.status
                case bytes():
                    body += item
                case End(error=None):
                    return status, bytes(body)
                case End(error=error):
                    assert error is not None  # noqa: S101  told by the case above
                    raise error
                case Wake():
                    continue
                case None:
                    raise ConnectError(f"{call.url} did not answer within {timeout_s:.0f} s")
            if len(body) > most_bytes:
                raise ConnectError(f"{call.url} sent more than {most_bytes >> 20} MB")
    finally:
        incoming.close()
