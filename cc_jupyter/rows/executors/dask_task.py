"""The task that each worker of a Dask cluster runs for a run over rows.

It leaves the worker's pool of threads (`secede`), takes requests and returns each outcome as soon
as its answer has ended, both as events over the scheduler: a worker need not be able to reach the
kernel. Events arrive in the order in which one side sends them, but one may get lost. So a worker
remembers what it was handed until an inquiry of the kernel shows that its outcome has arrived.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cc_jupyter.rows.executors.transfer import Message, Outcome, Stop, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.rows.executors.transfer import Target


_ECHO_S = 0.5
"""How long a worker waits for its own message before it sends the next one."""
CLUSTER_EVENTS = "all"
"""The scheduler's own topic, in which workers and clients come and go."""
Event: TypeAlias = tuple[float, object]


class Inquiry(NamedTuple):
    """Lists what a worker was handed and the kernel still waits for."""

    ids: tuple[int, ...]


class Ready(NamedTuple):
    """A worker takes requests now, as events of a topic."""

    worker: str
    topic: str


class Answer(NamedTuple):
    """A request has ended."""

    id: int
    outcome: Outcome


class Missing(NamedTuple):
    """Lists requests that never reached a worker."""

    worker: str
    ids: tuple[int, ...]


_Report: TypeAlias = Ready | Answer | Missing


class Desk:
    """One run on this worker: what it was handed, until the kernel has its outcome.

    Parameters
    ----------
    kernel
        The id of the kernel's client.
    ready
        Tells the kernel where this worker takes requests.
    report
        Sends something to the kernel.
    silence_s
        After this time without a message, the kernel may not know of this worker.
    """

    def __init__(
        self, kernel: str, ready: Ready, report: Callable[[_Report], None], silence_s: float
    ) -> None:
        self.kernel = kernel
        self.inbox: SimpleQueue[Message | Inquiry] = SimpleQueue()
        self._ready = ready
        self._report = report
        self._silence_s = silence_s
        self._lock = threading.Lock()
        self._held: dict[int, Outcome | None] = {}  # `None`: it is in flight
        self._late: set[int] = set()  # had ended at the last inquiry, unknown to the kernel

    def next_message(self) -> Message:
        """Wait for a message to act on; answer inquiries, and leave out what came twice."""
        while True:
            try:
                message = self.inbox.get(timeout=self._silence_s)
            except Empty:
                self._report(self._ready)
                continue
            if isinstance(message, Inquiry):
                if unwanted := self._answer(set(message.ids)):
                    return Stop(unwanted)
            elif not isinstance(message, Work) or self._accepts(message.id):
                return message

    def deliver(self, work_id: int, outcome: Outcome) -> None:
        """Report the outcome of a request, and keep it in case the report is lost."""
        with self._lock:
            self._held[work_id] = outcome
        self._report(Answer(work_id, outcome))

    def _accepts(self, work_id: int) -> bool:
        """Take note of a request; return whether it is a new one."""
        with self._lock:
            is_new = work_id not in self._held
            self._held.setdefault(work_id, None)
        return is_new

    def _answer(self, awaited: set[int]) -> tuple[int, ...]:
        """Report what got lost in either direction; return what is in flight for no row.

        An outcome may still be on its way to the kernel: it is sent again at the second inquiry.
        """
        with self._lock:
            held = self._held
            self._held = {
                work_id: outcome
                for work_id, outcome in held.items()
                if work_id in awaited or outcome is None
            }
            missing = sorted(awaited - held.keys())
            ended = {each for each in awaited if held.get(each) is not None}
            again = [(each, held[each]) for each in sorted(ended & self._late)]
            self._late = ended
            unwanted = tuple(sorted(self._held.keys() - awaited))
        for work_id, outcome in again:
            if outcome is not None:
                self._report(Answer(work_id, outcome))
        if missing:
            self._report(Missing(self._ready.worker, tuple(missing)))
        return unwanted


_desks: dict[str, Desk] = {}
"""By the ids of the tasks; the workers of a cluster without processes share it."""
_desks_lock = threading.Lock()


def task_id(run_id: str, worker: str) -> str:
    """Return the id of the task of a run on a worker."""
    return f"{run_id} {worker}"


def run_task(kernel: str, run_id: str, target: Target, silence_s: float) -> None:
    """Send what the kernel hands out until the run is over; a task on a worker.

    Parameters
    ----------
    kernel
        The id of the kernel's client, which is also the topic of what is sent back.
    silence_s
        After this time without a message, the worker says again that it is ready.
    """
    from distributed import get_client, get_worker, secede  # noqa: PLC0415  it runs on a cluster

    from cc_jupyter.rows.executors.sender import Sender  # noqa: PLC0415  the worker needs it

    worker: Any = get_worker()
    client: Any = get_client()
    leave_pool: Any = secede

    def report(item: _Report) -> None:
        worker.log_event(kernel, pickle.dumps(item))

    this, ready = task_id(run_id, worker.address), Ready(worker.address, client.id)
    desk = Desk(kernel, ready, report, silence_s)
    with _desks_lock:
        _desks[this] = desk
        client.subscribe_topic(client.id, _on_kernel_message)
        client.subscribe_topic(CLUSTER_EVENTS, _on_client_event)
    try:
        leave_pool()
        _await_subscription(worker, client.id, this, desk.inbox)
        report(ready)
        Sender(target, desk.deliver).serve(desk.next_message)
    finally:
        with _desks_lock:
            del _desks[this]
            if not _desks:  # no other run uses this worker
                client.unsubscribe_topic(client.id)
                client.unsubscribe_topic(CLUSTER_EVENTS)


def _await_subscription(
    worker: Any,  # noqa: ANN401  distributed is typed in part
    topic: str,
    this: str,
    inbox: SimpleQueue[Message | Inquiry],
) -> None:
    """Return once the worker's own message has come back: subscriptions are not confirmed."""
    while True:
        worker.log_event(topic, pickle.dumps((this, [Stop(())])))
        with contextlib.suppress(Empty):
            inbox.get(timeout=_ECHO_S)
            return


def _on_kernel_message(event: Event) -> None:
    """Take messages for one of the runs; runs in the worker's event loop."""
    _, sent = event
    if isinstance(sent, bytes):
        task, messages = pickle.loads(sent)  # noqa: S301  from the cluster that runs the user's code
        if (desk := _desks.get(task)) is not None:
            for message in messages:
                desk.inbox.put(message)


def _on_client_event(event: Event) -> None:
    """End the runs of a kernel that is gone: nobody waits for their answers."""
    match event:
        case (_, {"action": "remove-client", "client": str(client)}):
            for desk in tuple(_desks.values()):
                if desk.kernel == client:
                    desk.inbox.put(None)
        case _:  # workers come and go too
            pass
