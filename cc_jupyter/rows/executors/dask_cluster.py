"""The workers of a Dask cluster.

Each worker runs one long task for the whole run, pinned to it (`dask_task`). A task for each
request cost the workers twice the processor time (14 against 6.5 ms, measured 2026-11-30).

Dask confirms no event. So the kernel compares notes with each worker every few seconds: a request
that never arrived is handed to the same worker again, an outcome that was lost is returned again,
and what no row waits for is stopped. Dask alone decides which workers have ended: a worker that is
only slow to answer holds its requests, and no other one gets them.

The kernel alone holds the limit, in place of a `distributed.Semaphore`: no more requests are handed
out than are allowed. So the limit can be lowered at any moment, no request waits for two calls to
the scheduler, and the leases of a dead worker need not run out (30 s by default). Nor does Dask
send the requests of a dead worker again by itself: the kernel does, and says so.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections import defaultdict
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.text import new_id
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors.dask_task import (
    CLUSTER_EVENTS,
    Answer,
    Event,
    Inquiry,
    Missing,
    Ready,
    run_task,
    task_id,
)
from cc_jupyter.rows.executors.pool import Pool, problem_of, refuse_unfit
from cc_jupyter.rows.executors.transfer import Fitness, Stop, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client

    from cc_jupyter.client.endpoint import KeyPlaces
    from cc_jupyter.rows.executors.transfer import Message, Target


_CONNECT_S = 10.0
_READY_S = 5.0
"""How long to wait for all workers to be ready; one may be busy with a task of the user's."""
_INQUIRY_S = 5.0
"""How often the kernel compares notes with its workers."""


class _Tell(NamedTuple):
    worker: str
    message: Message


class _Arrival(NamedTuple):
    worker: str


class _Departure(NamedTuple):
    worker: str


_Order: TypeAlias = _Tell | Missing | _Arrival | _Departure | None
"""What the pool's thread does; `None`: the run is over."""


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
        self._known: set[str] = set()  # the workers that were asked whether they can send
        self._tasks: dict[str, Any] = {}  # the future of each worker's task
        self._told: dict[str, set[int]] = defaultdict(set)  # what each has been handed
        self._topics: dict[str, str] = {}  # where each worker takes requests
        self._is_closing = False
        self._client: Any = _own_client(client)  # distributed is typed in part
        self._thread = threading.Thread(target=self._obey, name="cc_jupyter dask", daemon=True)
        try:
            self._client.subscribe_topic(self._client.id, self._on_message)
            self._client.subscribe_topic(CLUSTER_EVENTS, self._on_cluster_event)
            fits = self._fitness(None)
            refuse_unfit(list(fits.values()))
            self._known.update(fits)
            for address in fits:
                self._start(address)
            # else the first that is ready gets all requests
            self._await_workers(len(fits), _READY_S)
        except BaseException:  # an interrupt too: no task stays on the cluster
            self._leave()
            raise
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
        for worker in tuple(self._topics):
            self._orders.put(_Tell(worker, None))
        self._orders.put(None)
        self._thread.join()
        self._leave()

    def _leave(self) -> None:
        """Close the client; the scheduler complains of one that goes with its subscriptions."""
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._client.id)
            self._client.unsubscribe_topic(CLUSTER_EVENTS)
        self._client.close()

    def _dispatch(self, worker: str, work: Work) -> None:
        self._orders.put(_Tell(worker, work))

    def _interrupt(self, worker: str, ids: Sequence[int]) -> None:
        self._orders.put(_Tell(worker, Stop(tuple(ids))))

    def _on_message(self, event: Event) -> None:
        """Take what a worker sends; runs in the client's thread."""
        _, message = event
        if not isinstance(message, bytes):  # the scheduler reports on clients in the same topic
            return
        match pickle.loads(message):  # noqa: S301  from the cluster that runs the user's code
            case Answer(work_id, outcome):
                self._deliver(work_id, outcome)
            case Ready(worker, topic):
                self._topics[worker] = topic
                self._join(worker)
            case Missing() as missing:
                self._orders.put(missing)
            case other:
                raise AssertionError(f"{other!r} from a worker")

    def _on_cluster_event(self, event: Event) -> None:
        """Take note of a worker that came or went; runs in the client's thread."""
        match event:
            case (_, {"action": "add-worker", "worker": str(address)}):
                self._orders.put(_Arrival(address))
            case (_, {"action": "remove-worker", "worker": str(address)}):
                self._lose(address)
                self._orders.put(_Departure(address))
            case _:  # clients come and go too
                pass

    def _obey(self) -> None:
        """Send messages, all that are there for a worker at once; compare notes now and then."""
        inquiry_s = monotonic() + _INQUIRY_S
        is_over = False
        while not is_over:
            messages: dict[str, list[Message]] = defaultdict(list)
            for order in _all_of(self._orders, inquiry_s - monotonic()):
                match order:
                    case _Tell(worker, message):
                        messages[worker].append(message)
                    case Missing(worker, ids):
                        works = self._in_flight().get(worker, {})
                        messages[worker] += [works[each] for each in ids if each in works]
                    case _Arrival(worker):
                        self._welcome(worker)
                    case _Departure(worker):
                        self._dismiss(worker)
                    case _:  # no order
                        is_over = True
            for worker, some in messages.items():
                self._guarded(worker, self._tell, worker, some)
            if not is_over and monotonic() >= inquiry_s:
                self._inquire()
                self._guarded("the cluster", self._compare_workers)
                inquiry_s = monotonic() + _INQUIRY_S

    def _guarded(self, name: str, act: Callable[..., None], *arguments: object) -> None:
        """Do something on the cluster; where that fails, the worker of this name counts as lost."""
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001  whatever Dask raises, no request waits forever
            notice = f"{name} cannot be reached: {error}"
            if not self._is_closing and notice not in self.notices:
                self.notices.append(notice)
            if not self._is_closing:
                self._lose(name)

    def _tell(self, worker: str, messages: Sequence[Message | Inquiry]) -> None:
        """Send messages to the task of a worker; one that has ended gets nothing."""
        self._told[worker].update(each.id for each in messages if isinstance(each, Work))
        event = pickle.dumps((task_id(self._run_id, worker), messages))
        self._client.log_event(self._topics[worker], event)

    def _inquire(self) -> None:
        """List for each worker what it was handed and has not answered."""
        for worker, works in self._in_flight().items():
            told = self._told[worker] = self._told[worker] & works.keys()
            self._guarded(worker, self._tell, worker, [Inquiry(tuple(sorted(told)))])

    def _compare_workers(self) -> None:
        """Notice workers that came or went without an event."""
        present = set(self._client.nthreads())
        for worker in self._known - present:
            self._lose(worker)
            self._dismiss(worker)
        for worker in present - self._known:
            self._welcome(worker)

    def _dismiss(self, worker: str) -> None:
        """Drop the task of a worker that went: it would start again if the worker came back."""
        self._known.discard(worker)
        self._told.pop(worker, None)
        if (task := self._tasks.pop(worker, None)) is not None:
            self._guarded(worker, partial(self._client.cancel, [task], force=True))

    def _start(self, worker: str) -> None:
        """Start the task of a worker, which reports when it is ready."""
        self._tasks[worker] = task = self._client.submit(
            run_task,
            self._client.id,
            self._run_id,
            self._target,
            2 * _INQUIRY_S,
            key=f"cc_jupyter-{self._run_id}-{worker}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        task.add_done_callback(lambda _: self._lose(worker))

    def _welcome(self, worker: str) -> None:
        """Use a worker that has joined, if it can send; one that hangs keeps no other waiting."""
        if worker not in self._known:
            self._known.add(worker)
            name = f"cc_jupyter dask {worker}"
            arguments = (worker, self._take_in, worker)
            threading.Thread(target=self._guarded, args=arguments, name=name, daemon=True).start()

    def _take_in(self, worker: str) -> None:
        fit = self._fitness([worker]).get(worker)
        if fit is None:  # it is gone again
            return
        if problem := problem_of(fit):
            self.notices.append(f"{worker} has joined and is not used: {problem}")
            return
        self._start(worker)

    def _fitness(self, workers: list[str] | None) -> dict[str, Fitness]:
        """Ask workers, all of them by default, what they say of themselves, by address."""
        return fitness_of(self._client, self._target.places, workers)


def fitness_of(
    client: Any,  # noqa: ANN401  distributed is typed in part
    places: KeyPlaces,
    workers: list[str] | None = None,
) -> dict[str, Fitness]:
    """Ask workers, all of them by default, what they say of themselves, by address."""
    answers = client.run(
        _describer(), __version__, tuple(places), workers=workers, on_error="return"
    )
    return {
        address: Fitness(address, *answer)
        if isinstance(answer, tuple)
        else Fitness(address, "", f"it cannot be asked ({type(answer).__name__}: {answer})")
        for address, answer in answers.items()
    }


def _all_of(orders: SimpleQueue[_Order], timeout_s: float) -> list[_Order]:
    """Wait for an order, or for a time; return all that are there."""
    found: list[_Order] = []
    with contextlib.suppress(Empty):
        found.append(orders.get(timeout=max(0.0, timeout_s)))
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
