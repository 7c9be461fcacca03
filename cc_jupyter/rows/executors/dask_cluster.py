"""The workers of a Dask cluster.

A request is a task on a chosen worker; requests that are ready at the same time and go to the same
worker are one task. The task leaves the worker's pool of threads at once (`secede`), so a worker
with one thread has many requests in flight. Outcomes come as events over the scheduler, each as
soon as its answer has ended.

The kernel alone holds the limit, in place of a `distributed.Semaphore`: no more requests are handed
out than are allowed, so lowering it needs no lease, no request waits for two calls to the
scheduler, and the leases of a dead worker need not run out (30 s by default). For the same reason
no task moves to another worker when its own ends: it is pinned, and the kernel sends it again.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import threading
from collections import defaultdict
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cc_jupyter.core.errors import ConfigError, ConnectError
from cc_jupyter.core.text import new_id
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors.pool import Pool, problem_of, refuse_unfit
from cc_jupyter.rows.executors.transfer import Fitness, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client, Worker

    from cc_jupyter.rows.executors.sender import Sender
    from cc_jupyter.rows.executors.transfer import Target, Work


_CONNECT_S = 10.0
_MAX_BATCH = 50
"""The most requests of one task."""
_CLUSTER_EVENTS = "all"
"""The scheduler's own topic, in which workers come and go."""


class _Send(NamedTuple):
    worker: str
    work: Work


class _Stop(NamedTuple):
    ids: tuple[int, ...]


class _Arrival(NamedTuple):
    worker: str


class _Departure(NamedTuple):
    worker: str


_Order: TypeAlias = _Send | _Stop | _Arrival | _Departure | None
"""What the thread that talks to the cluster does next; `None`: it ends."""


class DaskPool(Pool):
    """The workers of a cluster; making it checks them all.

    It has a client of its own: the user's may be asynchronous, may be closed meanwhile, and keeps
    its handlers.

    Raises
    ------
    ConfigError
        The client is closed, the cluster cannot be reached or has no worker, or a worker cannot be
        used.
    """

    def __init__(self, client: Client, target: Target) -> None:
        super().__init__()
        self._target = target
        self._run_id = new_id()
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._batches = itertools.count()
        self._tasks: dict[str, _Task] = {}  # by the task's key
        self._is_closing = False
        self._client: Any = _own_client(client)  # distributed is typed in part
        try:
            self._client.subscribe_topic(self._client.id, self._on_outcome)
            self._client.subscribe_topic(_CLUSTER_EVENTS, self._on_cluster_event)
            fits = self._fitness(None)
            refuse_unfit(list(fits.values()))
        except BaseException:
            self._client.close()
            raise
        for address in fits:
            self._join(address)
        self._thread = threading.Thread(target=self._talk, name="cc_jupyter dask", daemon=True)
        self._thread.start()

    @property
    def may_grow(self) -> bool:
        """Whether a worker may still join."""
        return not self._is_closing and self._client.status == "running"

    def close(self) -> None:
        """Let the workers go; requests in flight are stopped."""
        if self._is_closing:
            return
        self._is_closing = True
        self._orders.put(None)
        self._thread.join()
        if self._client.status == "running":
            self._client.run(forget_run, self._run_id, on_error="ignore")
            self._client.unsubscribe_topic(self._client.id)
            self._client.unsubscribe_topic(_CLUSTER_EVENTS)
        self._client.close()

    def _dispatch(self, worker: str, work: Work) -> None:
        self._orders.put(_Send(worker, work))

    def _interrupt(self, worker: str, ids: Sequence[int]) -> None:
        del worker  # all workers get all orders to stop at once
        self._orders.put(_Stop(tuple(ids)))

    def _on_outcome(self, event: tuple[float, object]) -> None:
        """Take an outcome; runs in the client's thread."""
        _, message = event
        if isinstance(message, bytes):  # the scheduler reports on clients in the same topic
            work_id, outcome = pickle.loads(message)  # noqa: S301  from the cluster that runs the user's code
            self._deliver(work_id, outcome)

    def _on_cluster_event(self, event: tuple[float, object]) -> None:
        """Take note of a worker that came or went; runs in the client's thread."""
        match event:
            case (_, {"action": "add-worker", "worker": str(address)}):
                self._orders.put(_Arrival(address))
            case (_, {"action": "remove-worker", "worker": str(address)}):
                self._lose(address)
                self._orders.put(_Departure(address))
            case _:  # clients come and go too
                pass

    def _talk(self) -> None:
        """Carry out orders, all that have come at once."""
        while True:
            orders = _all_of(self._orders)
            sends: dict[str, list[Work]] = defaultdict(list)
            stopped: list[int] = []
            for order in orders:
                match order:
                    case _Send(worker, work):
                        sends[worker].append(work)
                    case _Stop(ids):
                        stopped += ids
                    case _Arrival(worker):
                        self._welcome(worker)
                    case _Departure(worker):
                        self._abandon(worker)
                    case None:  # it ends when all these are carried out
                        pass
            for worker, works in sends.items():
                for start in range(0, len(works), _MAX_BATCH):
                    self._submit(worker, works[start : start + _MAX_BATCH])
            if stopped:
                self._client.run(stop_requests, self._run_id, stopped, on_error="ignore")
            if None in orders:
                return

    def _submit(self, worker: str, works: Sequence[Work]) -> None:
        """Start a task on a worker; one that cannot be started fails its requests."""
        ids = tuple(work.id for work in works)
        key = f"cc_jupyter-{self._run_id}-{next(self._batches)}"
        try:
            task = self._client.submit(
                send_batch,
                self._client.id,
                self._run_id,
                self._target,
                tuple(works),
                key=key,
                workers=[worker],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
        except Exception as error:  # noqa: BLE001  whatever Dask raises, no request waits forever
            self._fail(ids, error)
            return
        self._tasks[key] = _Task(task, worker, ids)
        task.add_done_callback(self._on_done)

    def _on_done(self, future: Any) -> None:  # noqa: ANN401  as above
        """Take note that a task has ended; its outcomes have come before it unless it failed."""
        task = self._tasks.pop(future.key, None)
        if task is not None and future.status != "finished":
            error = future.exception() if future.status == "error" else None
            self._fail(task.ids, error or f"its task was {future.status}")

    def _fail(self, ids: Sequence[int], reason: object) -> None:
        """End requests that the cluster lost, unless their outcomes have come."""
        error = ConnectError(
            f"the Dask cluster did not finish this row: {reason}",
            hint="what has finished is kept; check the client (client.status) and run it again",
        )
        for each in ids:
            self._deliver(each, Outcome(error=error, requests_sent=1))

    def _abandon(self, worker: str) -> None:
        """Drop the tasks of a worker that has ended: it may come back under its address."""
        gone = [key for key, task in self._tasks.items() if task.worker == worker]
        futures = [self._tasks.pop(key).future for key in gone]
        if futures:
            self._client.cancel(futures, force=True)

    def _welcome(self, worker: str) -> None:
        """Use a worker that has joined, if it can send."""
        fit = self._fitness([worker]).get(worker)
        if fit is None:  # it is gone again
            return
        if problem := problem_of(fit):
            self.notices.append(f"{worker} has joined and is not used: {problem}")
            return
        self._join(worker)

    def _fitness(self, workers: list[str] | None) -> dict[str, Fitness]:
        """Ask workers, all of them by default, what they say of themselves, by address."""
        answers = self._client.run(
            _describer(),
            __version__,
            tuple(self._target.places),
            workers=workers,
            on_error="return",
        )
        return {
            address: Fitness(address, *answer)
            if isinstance(answer, tuple)
            else Fitness(address, "", f"it cannot be asked ({type(answer).__name__}: {answer})")
            for address, answer in answers.items()
        }


class _Task(NamedTuple):
    future: Any
    worker: str
    ids: tuple[int, ...]


def _all_of(orders: SimpleQueue[_Order]) -> list[_Order]:
    """Wait for an order; return all that have come."""
    found = [orders.get()]
    with contextlib.suppress(Empty):
        while True:
            found.append(orders.get_nowait())
    return found


def _own_client(client: Client) -> Any:  # noqa: ANN401  distributed is typed in part
    """Return a new client of the same cluster.

    Raises
    ------
    ConfigError
        The client is closed, or its cluster cannot be reached.
    """
    from distributed import Client  # noqa: PLC0415  only runs on a cluster need it

    connect: Any = Client
    hint = "make a new one: client = Client(cluster)"
    if client.status != "running" or client.scheduler is None:
        raise ConfigError(f"the Dask client is {client.status}, so nothing was sent", hint=hint)
    try:
        return connect(
            client.scheduler.address,
            name="cc_jupyter",
            security=client.security,
            set_as_default=False,
            timeout=_CONNECT_S,
        )
    except (OSError, TimeoutError) as error:
        address = client.scheduler.address
        raise ConfigError(
            f"the Dask scheduler at {address} cannot be reached, so nothing was sent: {error}",
            hint=hint,
        ) from None


def _describer() -> Callable[..., tuple[str, str]]:
    """Return what a worker runs to describe itself: its version and why it cannot send.

    A function within a function travels as code, so it also runs where cc_jupyter is missing.
    """

    def describe(version: str, places: tuple[Any, ...]) -> tuple[str, str]:
        import importlib  # noqa: PLC0415  it runs elsewhere

        try:
            module = importlib.import_module("cc_jupyter.core.version")
        except ImportError:
            return "", ""
        found = str(module.__version__)
        if found != version:  # nothing else of it may fit
            return found, ""
        endpoint = importlib.import_module("cc_jupyter.client.endpoint")
        sender = importlib.import_module("cc_jupyter.rows.executors.sender")
        return found, str(sender.key_problem(endpoint.KeyPlaces(*places)))

    return describe


_senders: dict[str, Sender] = {}
"""In a worker: what sends the requests of each run, by its id."""
_senders_lock = threading.Lock()


def send_batch(topic: str, run_id: str, target: Target, works: Sequence[Work]) -> None:
    """Send requests and report each outcome when it is there; runs on a worker, as a task."""
    from distributed import get_worker, secede  # noqa: PLC0415  it runs on a cluster

    sender = _sender(run_id, target, partial(_report_outcome, get_worker(), topic))
    leave_pool: Any = secede
    leave_pool()
    threads = [sender.start(work) for work in works[1:]]
    sender.run(works[0])
    for thread in threads:
        thread.join()


def stop_requests(run_id: str, ids: Sequence[int]) -> None:
    """Interrupt requests; runs on a worker."""
    with _senders_lock:
        sender = _senders.get(run_id)
    if sender is not None:
        sender.stop(ids)


def forget_run(run_id: str) -> None:
    """Stop what is left of a run and close its connections; runs on a worker."""
    with _senders_lock:
        sender = _senders.pop(run_id, None)
    if sender is not None:
        sender.stop_all()
        sender.close()


def _sender(run_id: str, target: Target, deliver: Callable[[int, Outcome], None]) -> Sender:
    from cc_jupyter.rows.executors.sender import Sender  # noqa: PLC0415  the worker needs it

    with _senders_lock:
        if run_id not in _senders:
            _senders[run_id] = Sender(target, deliver)
        return _senders[run_id]


def _report_outcome(worker: Worker, topic: str, work_id: int, outcome: Outcome) -> None:
    worker.log_event(topic, pickle.dumps((work_id, outcome)))
