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
from bisect import insort
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeAlias, TypeVar, cast

from cc_jupyter.core.errors import BudgetError, CcError, StreamError
from cc_jupyter.core.events import Notice, Waiting
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.session.in_flight import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from cc_jupyter.core.events import Retry, StopReason, StreamEvent
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.session.prepare import PreparedRequest


_T = TypeVar("_T")
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


class _Work:
    """Something that the thread of the run does for a request, which waits for it."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self.done = threading.Event()
        self.value: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it; what it raises is raised where it is waited for."""
        try:
            self.value = self._do()
        except BaseException as error:  # noqa: BLE001  raised in the thread that waits
            self.error = error
        finally:
            self.done.set()


_Item: TypeAlias = "tuple[int, StreamEvent | _Finished | _Work]"


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


class Run:
    """One run of many requests.

    Parameters
    ----------
    requests
        In the order of the plan; `None` has already failed and is not sent.
    concurrency
        The most requests in flight; the local model answers one at a time.
    """

    def __init__(
        self,
        send: SendRequest,
        requests: Sequence[PreparedRequest | None],
        listener: Listener,
        *,
        concurrency: int,
    ) -> None:
        self._send = send
        self._requests = requests
        self._listener = listener
        self._limit = ConcurrencyLimit(min(concurrency, max(1, len(requests))))
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._bell: SimpleQueue[None] = SimpleQueue()  # its `put` is safe in signal handlers
        self._waiting = [at for at, each in enumerate(requests) if each is not None]
        self._replies: dict[int, Reply] = {}
        self._in_flight: set[int] = set()
        self._is_out_of_money = False  # until a request ends and settles what it reserved
        self._wakers: set[Callable[[], None]] = set()
        self.is_interrupted = False
        self._is_over = False

    def run(self) -> list[Reply | None]:
        """Send all requests; return their replies in the order of the plan.

        What fails after its repeats is a reply with an error, and so is what was never sent because
        of an interrupt or a budget. `None` where there was no request.

        Raises
        ------
        KeyboardInterrupt
            The third interrupt; requests in flight are stopped.
        """
        try:
            with InterruptGuard(self.interrupt):
                while self._waiting or self._in_flight:
                    self._start()
                    if self._in_flight or not self.is_interrupted:
                        self._wait()
                    self._hand_on()
                    self._listener.tick()
        except BaseException:  # raised again
            self.interrupt()
            raise
        finally:
            self._is_over = True
        return [self._replies.get(at) for at in range(len(self._requests))]

    def interrupt(self) -> None:
        """Stop all requests and start no more; safe from any thread and signal handlers."""
        self.is_interrupted = True
        for wake in tuple(self._wakers):
            wake()
        self._bell.put(None)

    def on_own_thread(self, do: Callable[[], _T]) -> _T:
        """Do something on the thread that calls `run`, and return its value; for other threads.

        Raises
        ------
        KeyboardInterrupt
            The run was interrupted before it was done.
        """
        work = _Work(do)
        self._items.put((-1, work))
        self._bell.put(None)
        while not work.done.wait(TICK_S):
            if self._is_over:
                raise KeyboardInterrupt
        if work.error is not None:
            raise work.error
        return cast("_T", work.value)

    def _start(self) -> None:
        """Start what may be started now, in the order of the plan."""
        if self.is_interrupted:
            for index in self._waiting:
                self._end(index, self._unsent(index, KeyboardInterrupt()))
            self._waiting.clear()
            return
        if self._is_out_of_money or self._limit.pause_s(monotonic()):
            return
        while len(self._in_flight) < self._limit.value:
            is_local_busy = any(map(self._is_local, self._in_flight))
            startable = (at for at in self._waiting if not (is_local_busy and self._is_local(at)))
            index = next(startable, -1)
            if index < 0:
                return
            self._waiting.remove(index)
            self._in_flight.add(index)
            self._listener.started(index)
            threading.Thread(
                target=self._work, args=(index,), name=f"cc_jupyter request {index}", daemon=True
            ).start()

    def _is_local(self, index: int) -> bool:
        endpoint = self._prepared(index).endpoint
        return endpoint.served_by == LOCAL and not endpoint.is_keyless

    def _work(self, index: int) -> None:
        """Send one request and pass on its events; never raises."""
        screen = _Events(index, self._items)
        error: CcError | KeyboardInterrupt
        try:
            reply = self._send(index, screen, self._guarded)
        except (KeyboardInterrupt, CcError) as caught:
            error = caught
            reply = screen.reply or self._unsent(index, error)
        except BaseException as caught:  # noqa: BLE001  a mistake of ours must not lose the others
            error = StreamError(f"internal error: {type(caught).__name__}: {caught}")
            error.__cause__ = caught
            reply = screen.reply or self._unsent(index, error)
        self._items.put((index, _Finished(reply)))
        self._bell.put(None)

    def _guarded(self, wake: Callable[[], None]) -> _Guard:
        return _Guard(self, wake)

    def _wait(self) -> None:
        """Wait until a request ends, an interrupt comes or the listener is due."""
        with contextlib.suppress(Empty):
            self._bell.get(timeout=TICK_S)

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
            if isinstance(item, _Work):
                item.run()
                continue
            if isinstance(item, Notice) and item.retry is not None and not item.retry.replayed:
                self._limit.refused(item.retry, monotonic())
            self._listener.event(index, item)
        self._bell.put(None)  # more is there

    def _finished(self, index: int, reply: Reply) -> None:
        self._in_flight.discard(index)
        if isinstance(reply.error, BudgetError) and self._in_flight and not self.is_interrupted:
            # what the others have reserved may be more than they will cost
            self._is_out_of_money = True
            insort(self._waiting, index)
            return
        self._is_out_of_money = False
        self._limit.finished(succeeded=reply.error is None)
        self._end(index, reply)

    def _end(self, index: int, reply: Reply) -> None:
        self._replies[index] = reply
        self._listener.finished(index, reply)

    def _unsent(self, index: int, error: CcError | KeyboardInterrupt) -> Reply:
        return unsent_reply(self._prepared(index), error)

    def _prepared(self, index: int) -> PreparedRequest:
        prepared = self._requests[index]
        assert prepared is not None  # noqa: S101  only those are started
        return prepared


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

    def pause(self) -> None:
        """Draw nothing: a run shows no single answer."""

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
