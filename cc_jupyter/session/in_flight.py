"""The requests in flight, and how to stop them.

`KeyboardInterrupt` may be raised between any two instructions, even while an answer is saved or
drawn. While a request is in flight, Ctrl-C and the notebook's stop button only wake the waiting
thread, which then stops at a safe point, so nothing is left half done. A front end reads and stops
the requests from another thread, or listens and is called in the cell's thread.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from cc_jupyter.client.reply_builder import ReplyBuilder


_MAX_INTERRUPTS = 3
"""This many interrupts in one request raise `KeyboardInterrupt` immediately."""
_ECHO_S = 0.5
"""How long a second interrupt counts as an echo of the first."""
NOTIFY_INTERVAL_S = 0.5
"""How often listeners are notified of the progress of an answer."""
_ignored_until_s = 0.0


class InterruptGuard:
    """Calls `wake` on an interrupt, as a context manager.

    It replaces only Python's own handler, in the main thread; a program's own handler stays in
    place. However the block is left, Python's handler is restored.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._installed = False
        self.count = 0
        """The number of interrupts so far."""

    def __enter__(self) -> Self:
        if _default_handler_installed():
            self._installed = True
            signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(self) -> None:
        """Interrupt from any thread; unlike a signal, this never raises `KeyboardInterrupt`."""
        self.count += 1
        self._wake()

    def _on_interrupt(self, number: int, frame: Any) -> None:  # noqa: ANN401  a frame, as signal gives it
        self.count += 1
        if self.count >= _MAX_INTERRUPTS:
            # restored first: the exception may be raised within `__exit__`
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.default_int_handler(number, frame)
        self._wake()


class Interrupter:
    """Interrupts a call from any thread, also before it has begun."""

    def __init__(self) -> None:
        self._interrupt: Callable[[], None] | None = None
        self._is_interrupted = False

    def attach(self, interrupt: Callable[[], None]) -> None:
        """Take what interrupts the call, in place of an earlier one."""
        self._interrupt = interrupt
        if self._is_interrupted:
            interrupt()

    def interrupt(self) -> None:
        """Stop all requests of the call and start no more."""
        self._is_interrupted = True
        if self._interrupt is not None:
            self._interrupt()


@contextmanager
def interruptible(*, also_earlier: bool = False) -> Iterator[None]:
    """Raise `KeyboardInterrupt` at an interrupt in the block, even inside an `InterruptGuard`.

    For code of the user's, which may loop and would not notice that a guard was woken, and for
    waiting for the user.

    Parameters
    ----------
    also_earlier
        Whether an interrupt that the guard has noted before the block raises it as well.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    guard = getattr(handler, "__self__", None)
    if not isinstance(guard, InterruptGuard):
        yield
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if also_earlier and guard.count:  # read last: one that comes now is raised by Python
            raise KeyboardInterrupt
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def ignore_echo() -> None:
    """Ignore interrupts for half a second.

    Only for kernels, which set their handler again before each execution. Without this, a second
    interrupt hits the kernel while it reports the first, and its reply is lost: the cell looks busy
    forever (every third time, 0.3 to 3 ms apart; measured 2026-11-23, ipykernel 7.4).
    """
    global _ignored_until_s  # noqa: PLW0603  a process has one handler
    if _default_handler_installed():
        _ignored_until_s = monotonic() + _ECHO_S
        signal.signal(signal.SIGINT, _on_late_interrupt)


def _on_late_interrupt(number: int, frame: Any) -> None:  # noqa: ANN401  a frame, as signal gives it
    if monotonic() >= _ignored_until_s:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.default_int_handler(number, frame)


def _default_handler_installed() -> bool:
    """Return whether this is the main thread and Python's own handler is installed."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    return main and handler in (signal.default_int_handler, _on_late_interrupt)


class InFlightRequest(NamedTuple):
    """A request in flight."""

    cell_id: str | None
    """`None` if the cell that sent it is unknown."""
    thread: str | None
    """The name of its conversation; `None` if it belongs to none."""
    model: str
    builder: ReplyBuilder
    """The answer so far; other threads only read it."""
    interrupt: Callable[[], None]
    """Asks it to stop; safe from any thread."""
    started_s: float
    """By `time.monotonic`."""


class InFlightRequests:
    """All requests of this process that are in flight; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: tuple[InFlightRequest, ...] = ()  # replaced as a whole, as are
        self._listeners: tuple[Callable[[bool], None], ...] = ()
        self._due_s = 0.0

    @property
    def now(self) -> tuple[InFlightRequest, ...]:
        """The requests in flight at this moment, oldest first."""
        return self._requests

    @contextmanager
    def during(
        self,
        builder: ReplyBuilder,
        interrupt: Callable[[], None],
        *,
        cell_id: str | None,
        thread: str | None,
        model: str,
    ) -> Iterator[None]:
        """List a request as in flight until the block is left; listeners are notified of both."""
        request = InFlightRequest(cell_id, thread, model, builder, interrupt, monotonic())
        with self._lock:
            self._requests = (*self._requests, request)
        try:
            self._count_changed()
            yield
        finally:
            with self._lock:
                self._requests = tuple(each for each in self._requests if each is not request)
            self._count_changed()

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call a listener when requests begin and end, and at intervals while answers arrive.

        It is called without a lock, in the threads that wait for answers. Its argument is whether
        something else in the session has changed.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def leave(self, listener: Callable[[bool], None]) -> None:
        """Stop calling a listener."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def beat(self) -> None:
        """Notify the listeners of progress if the interval has passed; called at each event."""
        if self._listeners and monotonic() >= self._due_s:
            self._notify()

    def changed(self) -> None:
        """Notify the listeners that a model, a thread or a version was chosen."""
        self._notify(changed=True)

    def _count_changed(self) -> None:
        """Notify at once when the first begins or the last ends, else at the next interval."""
        if len(self._requests) <= 1:
            self._due_s = 0.0
        self.beat()

    def _notify(self, *, changed: bool = False) -> None:
        self._due_s = monotonic() + NOTIFY_INTERVAL_S
        for listener in self._listeners:
            try:
                listener(changed)
            except Exception:  # noqa: BLE001  a listener that fails must not cost the answer
                self.leave(listener)

    def stop(self, cell_id: str) -> bool:
        """Stop the requests of a cell; return whether there were any.

        A request without a cell counts as this cell's, because a kernel runs one cell at a time.
        """
        with self._lock:  # a request in the tuple is still in flight and notices the interrupt
            found = [each for each in self._requests if each.cell_id in (cell_id, None)]
            for each in found:
                each.interrupt()
        return bool(found)
