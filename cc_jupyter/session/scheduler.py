"""Send many prepared requests: several at once, no more than the provider takes.

One thread sends each request in flight; the thread that calls `run` starts them, hands their events
to a listener and is the only one that draws or calls the user's code. Other parts of the product
start no pools.

Source: experiments.md, section 1. Starting at the full limit and lowering it was simulated against
starting at 8 and growing: 18 requests took three times as long with the latter.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeAlias

from cc_jupyter.client.errors.provider_errors import backoff_s
from cc_jupyter.core.errors import BudgetError, CcError, ProviderError, StreamError
from cc_jupyter.core.events import Notice, Retry, Waiting
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.session.in_flight import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from cc_jupyter.core.events import StopReason, StreamEvent
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.session.prepare import PreparedRequest


TICK_S = 0.05
"""How often the listener is called while nothing happens; also the pace of its drawing."""
_SLOW_DOWN = 0.8
"""A refusal for too many requests multiplies the limit by this."""
_EPISODE_S = 15.0
"""Refusals within this time of the last reduction belong to the same episode."""
_TOO_MANY_REQUESTS = 429
_MAX_EVENTS = 2_000
"""The most events that are handed on before the listener may draw again."""


class Listener(Protocol):
    """Follows a run; called only in the thread that runs it."""

    def started(self, index: int) -> None:
        """Take note that a request is sent."""

    def event(self, index: int, event: StreamEvent) -> None:
        """Take the next event of an answer, except `Waiting`."""

    def finished(self, index: int, reply: Reply) -> None:
        """Take a reply, however it ended; one that was never sent has an error as well."""

    def tick(self) -> None:
        """Draw if it is time; called at least every `TICK_S` seconds."""


class ConcurrencyLimit:
    """How many requests may be in flight.

    It starts at the ceiling. Each episode of refusals multiplies it by 0.8, at most once in 15 s,
    down to 1; from then on it grows by one after as many successes as the limit. Failures of
    another kind only keep it from growing.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.value = ceiling
        self._successes = 0
        self._may_grow = False
        self._lowered_s: float | None = None
        self._paused_until_s = 0.0

    def pause_s(self, now_s: float) -> float:
        """Return the seconds for which nothing may be started: the provider asked to wait."""
        return max(0.0, self._paused_until_s - now_s)

    def refused(self, retry: Retry, now_s: float) -> None:
        """Take note that a request failed and will be sent again."""
        self._successes = 0
        if retry.status != _TOO_MANY_REQUESTS:
            return
        self._paused_until_s = max(self._paused_until_s, now_s + retry.wait_s)
        if self._lowered_s is None or now_s - self._lowered_s >= _EPISODE_S:
            self._lowered_s = now_s
            self.value = max(1, int(self.value * _SLOW_DOWN))
            self._may_grow = True

    def finished(self, *, succeeded: bool) -> None:
        """Take note that a request has ended."""
        if not succeeded:
            self._successes = 0
            return
        self._successes += 1
        if self._may_grow and self._successes >= self.value and self.value < self._ceiling:
            self.value += 1
            self._successes = 0


class _Finished(NamedTuple):
    reply: Reply


_Item: TypeAlias = "tuple[int, StreamEvent | _Finished]"


class SendRequest(Protocol):
    """Sends one request of a run, in any thread."""

    def __call__(
        self,
        index: int,
        renderer: Renderer,
        guard: Callable[[Callable[[], None]], InterruptGuard],
    ) -> Reply:
        """Return the reply, however it ended.

        Parameters
        ----------
        index
            The request's place in the plan.
        guard
            Makes what guards the request against interrupts from what wakes it.
        """


class Requests(Protocol):
    """The requests of a run, by their place in the plan; a sequence is one."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, index: int, /) -> PreparedRequest | None:
        """Return a request, right before it is sent; asked for once, in the run's thread.

        `None`: it has failed already and is not sent.
        """


class Run:
    """One run of many requests.

    Parameters
    ----------
    requests
        In the order of the plan; they may be made when they are asked for.
    concurrency
        The most requests in flight; the local model answers one at a time.
    give_up_after_s
        For how long a request that is one too many for the provider waits for its turn; `None`: its
        own sending repeats it.
    reports_unsent
        Whether `finished` is also called for requests that an interrupt kept from being sent.
    gather_s
        How long to wait for more replies after one, where the listener works for each batch.
    """

    def __init__(  # noqa: PLR0913  what a run can be
        self,
        send: SendRequest,
        requests: Requests,
        listener: Listener,
        *,
        concurrency: int,
        give_up_after_s: float | None = None,
        reports_unsent: bool = True,
        gather_s: float = 0.0,
    ) -> None:
        self._send = send
        self._requests = requests
        self._listener = listener
        self._give_up_after_s = give_up_after_s
        self._reports_unsent = reports_unsent
        self._gather_s = gather_s
        self._limit = ConcurrencyLimit(min(concurrency, max(1, len(requests))))
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._bell: SimpleQueue[None] = SimpleQueue()  # its `put` is safe in signal handlers
        self._jobs: SimpleQueue[int | None] = SimpleQueue()
        self._workers = 0
        self._waiting = deque(range(len(requests)))
        self._for_local: deque[int] = deque()  # while the local model is busy
        self._made: dict[int, PreparedRequest] = {}  # in flight, or to be started again
        self._in_flight: set[int] = set()
        self._local_in_flight: int | None = None
        self._refused: dict[int, tuple[float, int]] = {}  # since when, and how often
        self._later: list[tuple[float, int]] = []  # when refused ones may be started, a heap
        self._is_out_of_money = False  # until a request ends and settles what it reserved
        self._wakers: set[Callable[[], None]] = set()
        self.is_interrupted = False

    def run(self) -> None:
        """Send all requests; return when all have ended.

        What fails after its repeats is a reply with an error, and so is what was never sent because
        of an interrupt or a budget.

        Raises
        ------
        KeyboardInterrupt
            The third interrupt; requests in flight are stopped.
        """
        try:
            with InterruptGuard(self.interrupt):
                while self._waiting or self._for_local or self._later or self._in_flight:
                    self._start()
                    if self._in_flight or not self.is_interrupted:
                        self._wait()
                    self._hand_on()
                    self._listener.tick()
        except BaseException:  # raised again
            self.interrupt()
            raise
        finally:
            for _ in range(self._workers):
                self._jobs.put(None)

    def interrupt(self) -> None:
        """Stop all requests and start no more; safe from any thread and signal handlers."""
        self.is_interrupted = True
        for wake in tuple(self._wakers):
            wake()
        self._bell.put(None)

    def stop(self) -> None:
        """Start no more requests, those in flight end by themselves; for the listener."""
        self._waiting.clear()
        self._for_local.clear()
        self._later.clear()

    def _start(self) -> None:
        """Start what may be started now, in the order of the plan."""
        if self.is_interrupted:
            self._end_unsent()
            return
        if self._is_out_of_money or self._limit.pause_s(monotonic()):
            return
        while len(self._in_flight) < self._limit.value and not self.is_interrupted:
            index = self._next()
            if index is None:
                return
            self._in_flight.add(index)
            if _is_local(self._made[index]):
                self._local_in_flight = index
            self._listener.started(index)
            self._jobs.put(index)
            if len(self._in_flight) > self._workers:
                self._workers += 1
                name = f"cc_jupyter request {self._workers}"
                threading.Thread(target=self._work, name=name, daemon=True).start()

    def _next(self) -> int | None:
        """Return the next request to start; `None`: none may be started now."""
        if self._later and self._later[0][0] <= monotonic():
            return heappop(self._later)[1]
        if len(self._in_flight) + len(self._later) >= self._limit.value:
            return None  # a refused request keeps its place
        is_local_busy = self._local_in_flight is not None
        if self._for_local and not is_local_busy:
            return self._for_local.popleft()
        while self._waiting:
            index = self._waiting.popleft()
            prepared = self._made.get(index) or self._requests[index]
            if prepared is None:
                continue
            self._made[index] = prepared
            if not (is_local_busy and _is_local(prepared)):
                return index
            self._for_local.append(index)
        return None

    def _end_unsent(self) -> None:
        """End what an interrupt kept from being sent, or from being sent again."""
        again = [index for _, index in sorted(self._later)]
        left = [*self._for_local, *self._waiting] if self._reports_unsent else []
        self.stop()
        for index in (*again, *left):
            prepared = self._made.get(index) or self._requests[index]
            if prepared is not None:
                self._end(index, unsent_reply(prepared, KeyboardInterrupt()))

    def _work(self) -> None:
        """Send one request after another and pass on their events; never raises."""
        while (index := self._jobs.get()) is not None:
            reply = self._sent(index)
            self._items.put((index, _Finished(reply)))
            self._bell.put(None)
            del reply  # it may be large, and the next one may be long in coming

    def _sent(self, index: int) -> Reply:
        screen = _Events(index, self._items)
        error: CcError | KeyboardInterrupt
        try:
            return self._send(index, screen, self._guarded)
        except (KeyboardInterrupt, CcError) as caught:
            error = caught
        except BaseException as caught:  # noqa: BLE001  a mistake of ours must not lose the others
            error = StreamError(f"internal error: {type(caught).__name__}: {caught}")
            error.__cause__ = caught
        return screen.reply or unsent_reply(self._made[index], error)

    def _guarded(self, wake: Callable[[], None]) -> _Guard:
        return _Guard(self, wake)

    def _wait(self) -> None:
        """Wait until a request ends, an interrupt comes or the listener is due."""
        with contextlib.suppress(Empty):
            self._bell.get(timeout=TICK_S)
            if self._gather_s and not self.is_interrupted:
                sleep(self._gather_s)

    def _hand_on(self) -> None:
        """Hand what has come to the listener."""
        for _ in range(_MAX_EVENTS):
            try:
                index, item = self._items.get_nowait()
            except Empty:
                return
            if isinstance(item, _Finished):
                self._finished(index, item.reply)
                continue
            if isinstance(item, Notice) and item.retry is not None and not item.retry.replayed:
                self._limit.refused(item.retry, monotonic())
            self._listener.event(index, item)
        self._bell.put(None)  # more is there

    def _finished(self, index: int, reply: Reply) -> None:
        self._in_flight.discard(index)
        if index == self._local_in_flight:
            self._local_in_flight = None
        if isinstance(reply.error, BudgetError) and self._in_flight and not self.is_interrupted:
            # what the others have reserved may be more than they will cost
            self._is_out_of_money = True
            self._waiting.appendleft(index)
            return
        if isinstance(reply.error, ProviderError) and self._waits(index, reply.error):
            return
        self._is_out_of_money = False
        self._limit.finished(succeeded=reply.error is None)
        self._end(index, reply)

    def _waits(self, index: int, error: ProviderError) -> bool:
        """Return whether a request that was one too many waits for its turn.

        A pause that the provider asks for holds for all; without one, only this request waits.
        """
        if self._give_up_after_s is None or not error.is_too_many or self.is_interrupted:
            return False
        now_s = monotonic()
        since_s, times = self._refused.get(index, (now_s, 0))
        wait_s = error.retry_after_s
        pause_s = backoff_s(times) if wait_s is None else wait_s
        if now_s - since_s + pause_s > self._give_up_after_s:
            self._limit.refused(Retry(error.status, 0.0), now_s)
            return False
        self._limit.refused(Retry(error.status, wait_s or 0.0), now_s)
        self._refused[index] = since_s, times + 1
        heappush(self._later, (now_s + pause_s, index))
        retry = Retry(error.status, pause_s)
        self._listener.event(index, Notice(f"{error}; sent again later", retry=retry))
        return True

    def _end(self, index: int, reply: Reply) -> None:
        self._made.pop(index, None)
        self._refused.pop(index, None)
        self._listener.finished(index, reply)


def _is_local(prepared: PreparedRequest) -> bool:
    endpoint = prepared.endpoint
    return endpoint.served_by == LOCAL and not endpoint.is_keyless


def unsent_reply(prepared: PreparedRequest, error: CcError | KeyboardInterrupt) -> Reply:
    """Return the reply of a request that was never sent; it cost nothing."""
    from cc_jupyter.core.money import NOTHING_BILLED  # noqa: PLC0415  few requests are not sent

    provenance = Provenance(
        endpoint=prepared.request.endpoint,
        served_by=prepared.endpoint.served_by,
        sample=prepared.sample,
        grid=prepared.grid,
    )
    stop_reason: StopReason = "interrupted" if isinstance(error, KeyboardInterrupt) else "error"
    return Reply(
        "",
        "",
        prepared.model.id,
        stop_reason,
        cost=NOTHING_BILLED,
        error=error,
        provenance=provenance,
    )


class _Events:
    """A renderer that passes everything on to the thread of the run."""

    def __init__(self, index: int, items: SimpleQueue[_Item]) -> None:
        self._index = index
        self._items = items
        self.reply: Reply | None = None

    def show(self, event: StreamEvent) -> None:
        """Pass an event on; what only says that nothing came is left out."""
        if not isinstance(event, Waiting):
            self._items.put((self._index, event))

    def finish(self, reply: Reply) -> None:
        """Keep the reply, in case the thread is interrupted after it."""
        self.reply = reply


class _Guard(InterruptGuard):
    """Stops one request with the whole run; an interrupt of one interrupts all."""

    def __init__(self, run: Run, wake: Callable[[], None]) -> None:
        super().__init__(wake)
        self._run = run

    def __enter__(self) -> Self:
        self._run._wakers.add(self._wake)  # noqa: SLF001  one class in two parts
        if self._run.is_interrupted:  # before there was anything to wake
            self._wake()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run._wakers.discard(self._wake)  # noqa: SLF001

    def interrupt(self) -> None:
        """Interrupt the run."""
        self._run.interrupt()
