"""The workers of a Dask cluster.

Each worker runs one long task for the whole run, pinned to it. The task leaves the worker's pool of
threads (`secede`), takes requests and returns each outcome as soon as its answer has ended, both as
events over the scheduler: a worker need not be able to reach the kernel. A task for each request
cost the workers twice the processor time (14 against 6.5 ms a request, measured 2026-11-30).

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
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.text import new_id
from cc_jupyter.core.version import __version__
from cc_jupyter.rows.executors.pool import Pool, problem_of, refuse_unfit
from cc_jupyter.rows.executors.transfer import Fitness, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client

    from cc_jupyter.client.endpoint import KeyPlaces
    from cc_jupyter.rows.executors.transfer import Message, Outcome, Target, Work


_CONNECT_S = 10.0
_READY_S = 5.0
"""How long to wait for all workers to be ready; one may be busy with a task of the user's."""
_ECHO_S = 0.5
"""How long a worker waits for its own message before it sends the next one."""
_CLUSTER_EVENTS = "all"
"""The scheduler's own topic, in which workers and clients come and go."""
_Event: TypeAlias = tuple[float, object]


class _Tell(NamedTuple):
    worker: str
    message: Message


class _Arrival(NamedTuple):
    worker: str


class _Departure(NamedTuple):
    worker: str


class _Ready(NamedTuple):
    """A worker takes requests now, as events of a topic."""

    worker: str
    topic: str


class _Answer(NamedTuple):
    id: int
    outcome: Outcome


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
        self._orders: SimpleQueue[_Tell | _Arrival | _Departure | None] = SimpleQueue()
        self._tasks: dict[str, Any] = {}  # the future of each worker's task
        self._topics: dict[str, str] = {}  # where each worker takes requests
        self._is_closing = False
        self._client: Any = _own_client(client)  # distributed is typed in part
        self._thread = threading.Thread(target=self._obey, name="cc_jupyter dask", daemon=True)
        try:
            self._client.subscribe_topic(self._client.id, self._on_message)
            self._client.subscribe_topic(_CLUSTER_EVENTS, self._on_cluster_event)
            fits = self._fitness(None)
            refuse_unfit(list(fits.values()))
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
            self._client.unsubscribe_topic(_CLUSTER_EVENTS)
        self._client.close()

    def _dispatch(self, worker: str, work: Work) -> None:
        self._orders.put(_Tell(worker, work))

    def _interrupt(self, worker: str, ids: Sequence[int]) -> None:
        self._orders.put(_Tell(worker, Stop(tuple(ids))))

    def _on_message(self, event: _Event) -> None:
        """Take what a worker sends; runs in the client's thread."""
        _, message = event
        if not isinstance(message, bytes):  # the scheduler reports on clients in the same topic
            return
        match pickle.loads(message):  # noqa: S301  from the cluster that runs the user's code
            case _Answer(work_id, outcome):
                self._deliver(work_id, outcome)
            case _Ready(worker, topic):
                self._topics[worker] = topic
                self._join(worker)
            case other:
                raise AssertionError(f"{other!r} from a worker")

    def _on_cluster_event(self, event: _Event) -> None:
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
        """Send messages, all that are there for a worker at once; take in workers that come."""
        is_over = False
        while not is_over:
            messages: dict[str, list[Message]] = defaultdict(list)
            for order in _all_of(self._orders):
                match order:
                    case _Tell(worker, message):
                        messages[worker].append(message)
                    case _Arrival(worker):
                        self._guarded(self._welcome, worker)
                    case _Departure(worker):
                        self._guarded(self._abandon, worker)
                    case _:  # no order
                        is_over = True
            for worker, some in messages.items():
                self._guarded(self._tell, worker, some)

    def _guarded(self, act: Callable[..., None], worker: str, *arguments: object) -> None:
        """Do something on the cluster; where that fails, the worker counts as lost."""
        try:
            act(worker, *arguments)
        except Exception as error:  # noqa: BLE001  whatever Dask raises, no request waits forever
            if not self._is_closing:
                self.notices.append(f"{worker} cannot be reached: {error}")
                self._lose(worker)

    def _tell(self, worker: str, messages: Sequence[Message]) -> None:
        """Send messages to the task of a worker; one that has ended gets nothing."""
        self._client.log_event(self._topics[worker], pickle.dumps((self._run_id, messages)))

    def _abandon(self, worker: str) -> None:
        """Drop the task of a worker that went: it would start again if the worker came back."""
        if worker in self._tasks:
            self._client.cancel([self._tasks.pop(worker)], force=True)

    def _start(self, worker: str) -> None:
        """Start the task of a worker, which reports when it is ready."""
        self._tasks[worker] = task = self._client.submit(
            run_task,
            self._client.id,
            self._run_id,
            self._target,
            key=f"cc_jupyter-{self._run_id}-{worker}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        task.add_done_callback(lambda _: self._lose(worker))

    def _welcome(self, worker: str) -> None:
        """Use a worker that has joined, if it can send."""
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


def _all_of(orders: SimpleQueue[Any]) -> list[Any]:
    """Wait for an order; return all that are there."""
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


class _Inbox(NamedTuple):
    """In a worker: where the messages for a run go."""

    kernel: str
    """The id of the client of the run's kernel."""
    messages: SimpleQueue[Message]


_inboxes: dict[str, _Inbox] = {}
"""In a worker: by the ids of the runs."""
_inboxes_lock = threading.Lock()


def run_task(kernel: str, run_id: str, target: Target) -> None:
    """Send what the kernel hands out until the run is over; a task on a worker.

    Parameters
    ----------
    kernel
        The id of the kernel's client, which is also the topic of what is sent back.
    """
    from distributed import get_client, get_worker, secede  # noqa: PLC0415  it runs on a cluster

    from cc_jupyter.rows.executors.sender import Sender  # noqa: PLC0415  the worker needs it

    worker: Any = get_worker()
    client: Any = get_client()
    leave_pool: Any = secede

    def deliver(work_id: int, outcome: Outcome) -> None:
        worker.log_event(kernel, pickle.dumps(_Answer(work_id, outcome)))

    inbox = _Inbox(kernel, SimpleQueue())
    with _inboxes_lock:
        _inboxes[run_id] = inbox
        client.subscribe_topic(client.id, _on_kernel_message)
        client.subscribe_topic(_CLUSTER_EVENTS, _on_client_event)
    try:
        leave_pool()
        _await_subscription(client, run_id, inbox)
        client.log_event(kernel, pickle.dumps(_Ready(worker.address, client.id)))
        Sender(target, deliver).serve(inbox.messages.get)
    finally:
        with _inboxes_lock:
            del _inboxes[run_id]
            if not _inboxes:  # no other run uses this worker
                client.unsubscribe_topic(client.id)
                client.unsubscribe_topic(_CLUSTER_EVENTS)


def _await_subscription(client: Any, run_id: str, inbox: _Inbox) -> None:  # noqa: ANN401  see above
    """Return once the worker's own message has come back: subscriptions are not confirmed."""
    echo = Stop(())
    while True:
        client.log_event(client.id, pickle.dumps((run_id, [echo])))
        with contextlib.suppress(Empty):
            inbox.messages.get(timeout=_ECHO_S)
            return


def _on_kernel_message(event: _Event) -> None:
    """Take messages for one of the runs; runs in the worker's event loop."""
    _, sent = event
    if isinstance(sent, bytes):
        run_id, messages = pickle.loads(sent)  # noqa: S301  from the cluster that runs the user's code
        if (inbox := _inboxes.get(run_id)) is not None:
            for message in messages:
                inbox.messages.put(message)


def _on_client_event(event: _Event) -> None:
    """End the runs of a kernel that is gone: nobody waits for their answers."""
    match event:
        case (_, {"action": "remove-client", "client": str(client)}):
            for inbox in tuple(_inboxes.values()):
                if inbox.kernel == client:
                    inbox.messages.put(None)
        case _:  # workers come and go too
            pass
