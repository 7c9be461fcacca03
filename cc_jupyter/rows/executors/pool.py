"""The kernel's side of the workers: which one sends what, and what became of it.

Each request goes to the worker with the fewest in flight, and only as many are handed out as the
run's limit allows: the kernel alone holds the limit, so that it also holds after a 429 and while a
worker is replaced. How requests reach a worker is left to the subclasses.
"""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.text import pluralize
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors.remote_stream import Lost, RemoteStream
from cc_jupyter.rows.executors.transfer import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from queue import SimpleQueue
    from types import TracebackType
    from typing import Self

    from cc_jupyter.client.client import Limits
    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.core.messages import Request
    from cc_jupyter.rows.executors.remote_stream import Reported
    from cc_jupyter.rows.executors.transfer import Fitness, Outcome


_MAX_NAMED = 3
"""How many unfit workers an error names."""


class Pool(ABC):
    """The workers of a run, as a context manager."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._has_joined = threading.Condition(self._lock)
        self._workers: dict[str, dict[int, Work]] = {}  # in flight on each, by id
        self._inboxes: dict[int, SimpleQueue[Reported]] = {}
        self._stopped: set[int] = set()
        self.notices: list[str] = []
        """What the user should know of the workers: which were lost, and which cannot be used."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let the workers go; requests in flight are stopped."""

    @property
    @abstractmethod
    def may_grow(self) -> bool:
        """Whether a worker may still join."""

    @abstractmethod
    def _dispatch(self, worker: str, work: Work) -> None:
        """Hand a request to a worker; must not wait for it."""

    @abstractmethod
    def _interrupt(self, worker: str, ids: Sequence[int]) -> None:
        """Ask a worker to stop requests; must not wait for it."""

    def open_stream(  # noqa: PLR0913  the parameters of `Session.open_stream`
        self,
        request: Request,
        endpoint: Endpoint,
        limits: Limits,
        *,
        zdr: bool,
        number: Callable[[str], int] | None = None,
        price_date: date | None = None,
    ) -> RemoteStream:
        """Return the stream of one request, which a worker sends at its first step."""
        del price_date  # for recordings, which a worker does not make
        return RemoteStream(self, request, endpoint, limits, zdr=zdr, number=number)

    def send(
        self, request: Request, limits: Limits, *, zdr: bool, inbox: SimpleQueue[Reported]
    ) -> int | None:
        """Send a request through the worker with the fewest in flight; return the request's id.

        Parameters
        ----------
        inbox
            Takes what becomes of it.

        Returns
        -------
        int or None
            `None`: there is no worker at the moment.
        """
        with self._lock:
            if not self._workers:
                return None
            worker = min(self._workers, key=lambda name: len(self._workers[name]))
            work = Work(next(self._ids), request, limits, zdr)
            self._workers[worker][work.id] = work
            self._inboxes[work.id] = inbox
        self._dispatch(worker, work)
        return work.id

    def stop(self, work_id: int) -> None:
        """Stop a request, and with it all others in flight: an interrupt of one means the run."""
        with self._lock:
            if work_id in self._stopped or work_id not in self._inboxes:
                return
            in_flight = {name: sorted(works) for name, works in self._workers.items() if works}
            self._stopped = set().union(*in_flight.values())
        for worker, ids in in_flight.items():
            self._interrupt(worker, ids)

    def forget(self, work_id: int) -> None:
        """Wait no longer for a request."""
        with self._lock:
            self._inboxes.pop(work_id, None)
            for works in self._workers.values():
                works.pop(work_id, None)

    def _join(self, worker: str) -> None:
        """Take a worker in that has been found fit."""
        with self._has_joined:
            self._workers.setdefault(worker, {})
            self._has_joined.notify_all()

    def _await_workers(self, count: int, timeout_s: float) -> None:
        """Wait until so many workers have joined, or for a time."""
        with self._has_joined:
            self._has_joined.wait_for(lambda: len(self._workers) >= count, timeout_s)

    def _in_flight(self) -> dict[str, dict[int, Work]]:
        """Return the requests that are waited for, by worker and id."""
        with self._lock:
            return {name: dict(works) for name, works in self._workers.items()}

    def _deliver(self, work_id: int, outcome: Outcome) -> None:
        """Take what came of a request; one that is not waited for is ignored."""
        self._report(work_id, outcome)

    def _lose(self, worker: str) -> None:
        """Take note that a worker has ended."""
        with self._lock:
            ids = sorted(self._workers.pop(worker, ()))
        if ids:
            rows = pluralize(len(ids), "row")
            self.notices.append(f"{worker} ended with {rows} in flight, which may be paid twice")
        for each in ids:
            self._report(each, Lost(worker))

    def _report(self, work_id: int, item: Reported) -> None:
        with self._lock:
            inbox = self._inboxes.pop(work_id, None)
            for works in self._workers.values():
                works.pop(work_id, None)
        if inbox is not None:
            inbox.put(item)


def refuse_unfit(workers: Sequence[Fitness]) -> None:
    """Raise an error that names the workers that cannot be used.

    Raises
    ------
    ConfigError
        There is none, or one has no key, no cc_jupyter or another version of it.
    """
    if not workers:
        raise ConfigError(
            "the cluster has no workers, so nothing was sent",
            hint="start some: cluster.scale(4), then client.wait_for_workers(4)",
        )
    unfit = [(each.name, problem) for each in workers if (problem := problem_of(each))]
    if not unfit:
        return
    named = "; ".join(f"{name}: {problem}" for name, problem in unfit[:_MAX_NAMED])
    if len(unfit) > _MAX_NAMED:
        named += f"; and {pluralize(len(unfit) - _MAX_NAMED, 'more')}"
    count = pluralize(len(unfit), "worker")
    raise ConfigError(
        f"{count} of {len(workers)} cannot send, so nothing was sent: {named}",
        hint="a key never travels: set its variable, and install the same cc_jupyter, where the"
        " workers run; then start them again",
    )


def problem_of(worker: Fitness) -> str:
    """Return why a worker cannot be used; empty: it can."""
    if not worker.version:
        return worker.problem or "cc_jupyter is not installed there"
    if worker.version != __version__:
        return f"it has cc_jupyter {worker.version}, and the kernel has {__version__}"
    return worker.problem
