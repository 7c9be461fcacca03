"""Processes of this machine as workers: `ProcessPoolExecutor`, loky and their like.

Each process runs one long task for the whole run: it connects back to the kernel, takes requests
and returns each outcome as soon as its answer has ended. So one process has many requests in
flight, and a process that dies is noticed at once, by the end of its connection.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.rows.executors.pool import Pool, problem_of, refuse_unfit
from cc_jupyter.rows.executors.transfer import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future
    from multiprocessing.connection import Connection

    from cc_jupyter.rows.executors.transfer import Fitness, Message, Outcome, Target, Work


_MAX_PROCESSES = 61
"""The most processes that are used; also the most that `ProcessPoolExecutor` has on Windows."""
_POLL_S = 0.1
_NEXT_S = 0.2
"""How long to wait for one more process to be ready."""
_BROKEN = (EOFError, OSError)
"""What a connection raises whose other side has ended."""


class ProcessPool(Pool):
    """The processes of an executor; entering waits until the first one is ready.

    Parameters
    ----------
    concurrency
        The most requests in flight, and so the most processes that are of use.
    """

    def __init__(self, executor: Executor, target: Target, *, concurrency: int) -> None:
        super().__init__()
        self._executor = executor
        self._lanes: dict[str, _Lane] = {}
        self._arrived: SimpleQueue[Fitness] = SimpleQueue()
        secret = os.urandom(32)
        self._listener = Listener(backlog=_MAX_PROCESSES, authkey=secret)
        self._address = self._listener.address
        self._secret = secret
        self._is_closing = False
        count = min(concurrency, _MAX_PROCESSES)
        self._tasks: list[Future[None]] = []
        self._acceptor = threading.Thread(
            target=self._accept, name="cc_jupyter workers", daemon=True
        )
        self._acceptor.start()
        try:
            for _ in range(count):
                self._tasks.append(executor.submit(run_lane, self._address, secret, target))
            self._wait_for_first()
        except BaseException:  # an interrupt too: no process keeps waiting for requests
            self.close()
            raise

    @property
    def may_grow(self) -> bool:
        """Whether a process may still join: one that is busy with another task, say."""
        return not self._is_closing and any(not task.done() for task in self._tasks)

    def close(self) -> None:
        """Let the processes go; requests in flight are stopped."""
        if self._is_closing:
            return
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(*_BROKEN):  # wakes the acceptor
            Client(self._address, authkey=self._secret).close()
        self._acceptor.join()
        self._listener.close()
        for lane in tuple(self._lanes.values()):
            lane.close()

    def _wait_for_first(self) -> None:
        """Wait for a process to say whether it can send, and for those that come right after.

        Raises
        ------
        ConfigError
            It cannot, or none comes.
        """
        while True:
            try:
                first = self._arrived.get(timeout=_POLL_S)
            except Empty:
                if self.may_grow:
                    continue
                errors = (task.exception() for task in self._tasks if not task.cancelled())
                error = next(filter(None, errors), None)
                raise ConfigError(
                    f"the executor's processes ended before anything was sent: {error!r}",
                    hint="make a new executor; it must be able to import cc_jupyter",
                ) from None
            refuse_unfit([first])
            break
        with contextlib.suppress(Empty):
            while True:  # else the first gets all requests; how many there are is not known
                self._arrived.get(timeout=_NEXT_S)

    def _accept(self) -> None:
        """Take in the processes that connect, until the pool is closed."""
        while True:
            try:
                connection = self._listener.accept()
                fit: Fitness = connection.recv()
            except (*_BROKEN, AuthenticationError):  # it ended again, woke this, or is none of ours
                if self._is_closing:
                    return
                continue
            self._arrived.put(fit)
            if problem := problem_of(fit):
                self.notices.append(f"{fit.name} is not used: {problem}")
                connection.close()
                continue
            lane = self._lanes[fit.name] = _Lane(connection)
            self._join(fit.name)
            threading.Thread(
                target=self._read,
                args=(fit.name, lane),
                name=f"cc_jupyter {fit.name}",
                daemon=True,
            ).start()

    def _read(self, name: str, lane: _Lane) -> None:
        """Take the outcomes of one process until it ends."""
        for work_id, outcome in lane.outcomes():
            self._deliver(work_id, outcome)
        if not self._is_closing:
            self._lose(name)

    def _dispatch(self, worker: str, work: Work) -> None:
        self._lanes[worker].send(work)

    def _interrupt(self, worker: str, ids: Sequence[int]) -> None:
        self._lanes[worker].send(Stop(tuple(ids)))


class _Lane:
    """The connection to one process; for use from any thread."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message; `None`: the run is over. A process that has ended gets nothing."""
        with self._lock, contextlib.suppress(*_BROKEN):  # its reader notices the end
            self._connection.send(message)

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yield what the process returns, until it ends."""
        while True:
            try:
                yield self._connection.recv()
            except _BROKEN:
                return

    def close(self) -> None:
        """Tell the process that the run is over."""
        self.send(None)


def run_lane(address: str, secret: bytes, target: Target) -> None:
    """Send what the kernel hands out until the run is over; runs in a worker's process."""
    try:
        connection = Client(address, authkey=secret)
    except _BROKEN:  # the run is over already
        return
    with connection, _without_interrupts():
        _serve(connection, target)


def _serve(connection: Connection[Any, Any], target: Target) -> None:
    """Send what comes over a connection until it ends."""
    from cc_jupyter.rows.executors.sender import Sender, fitness  # noqa: PLC0415  the worker needs it

    lock = threading.Lock()
    connection.send(fitness(target, f"the process {os.getpid()}"))
    Sender(target, partial(_return_outcome, connection, lock)).serve(partial(_next, connection))


def _next(connection: Connection[Any, Any]) -> Message:
    """Return the kernel's next message; none: the run is over, or the kernel is gone."""
    try:
        message: Message = connection.recv()
    except _BROKEN:
        return None
    return message


def _return_outcome(
    connection: Connection[Any, Any], lock: threading.Lock, work_id: int, outcome: Outcome
) -> None:
    with lock, contextlib.suppress(*_BROKEN):  # the kernel is gone, and nobody wants it
        connection.send((work_id, outcome))


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C: a front end sends it to all processes of the kernel, which stops the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
