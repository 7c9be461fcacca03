"""Ctrl-C and the notebook's stop button as an event instead of an exception out of nowhere.

`KeyboardInterrupt` may come between any two instructions, also while an answer is being kept or
drawn. While a request is under way the signal only wakes the waiting thread, which then stops at
a place of its own choosing; nothing half done is left behind.

Requests under way, as another thread sees and stops them.

A front end asks beside the cell that waits for its answer. What it may do to the request is to
say that it is to stop; the cell's own thread then ends it at a place of its own choosing. Who
does not want to ask may listen, and is called from the cell's thread.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from cc_jupyter.client.reply_builder import ReplyBuilder


_PATIENCE = 3
"""So many interrupts in one request break through, whatever it is doing."""
_ECHO_S = 0.5
_deaf_until_s = 0.0


class InterruptGuard:
    """Calls `wake` on an interrupt while it is entered.

    It steps in only where Python's own handler stands, in the main thread: a program that
    handles the signal itself goes on doing so. Whatever way it is left, that handler stands again.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._installed = False
        self.count = 0
        """How many interrupts came."""

    def __enter__(self) -> Self:
        if _default_handler_installed():
            self._installed = True
            signal.signal(signal.SIGINT, self._note)
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
        """Do what an interrupt does, from any thread; it never breaks through."""
        self.count += 1
        self._wake()

    def _note(self, number: int, frame: Any) -> None:  # noqa: ANN401  a frame, as signal gives it
        self.count += 1
        if self.count >= _PATIENCE:
            # put back first: what is raised here may come from within `__exit__`
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.default_int_handler(number, frame)
        self._wake()


def ignore_echo() -> None:
    """Let an interrupt that follows at once go unheard; after half a second they count again.

    For kernels alone, which set their handler anew before each execution. There a second
    interrupt hits the kernel while it reports the first, and its reply gets lost: the cell
    looks busy for ever (every third time, 0.3 to 3 ms apart; measured 2026-11-23, ipykernel 7.4).
    """
    global _deaf_until_s  # noqa: PLW0603  a process has one handler
    if _default_handler_installed():
        _deaf_until_s = monotonic() + _ECHO_S
        signal.signal(signal.SIGINT, _hear_later)


def _hear_later(number: int, frame: Any) -> None:  # noqa: ANN401  a frame, as signal gives it
    if monotonic() >= _deaf_until_s:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.default_int_handler(number, frame)


def _default_handler_installed() -> bool:
    """Return whether interrupts come to this thread, by Python's own handler."""
    main = threading.current_thread() is threading.main_thread()
    standing = signal.getsignal(signal.SIGINT)
    return main and standing in (signal.default_int_handler, _hear_later)


TOLD_S = 0.5
"""How often a listener hears how far an answer is."""


@dataclass(frozen=True, slots=True, eq=False)
class InFlightRequest:
    """A request under way."""

    cell_id: str | None
    """`None`: no cell is known that asked."""
    thread: str | None
    """The conversation's name; `None`: it stands in none."""
    model: str
    builder: ReplyBuilder
    """What has come so far; another thread only reads it."""
    interrupt: Callable[[], None]
    """Says that it is to stop; safe from any thread."""
    started_s: float
    """By `time.monotonic`."""


class InFlightRequests:
    """All requests of this process that are under way; for use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[InFlightRequest, ...] = ()  # swapped whole, as are
        self._listeners: tuple[Callable[[bool], None], ...] = ()
        self._due_s = 0.0

    @property
    def now(self) -> tuple[InFlightRequest, ...]:
        """Those under way at this instant, oldest first."""
        return self._running

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
        """Have a request among those under way until the block is left; listeners hear of both."""
        running = InFlightRequest(cell_id, thread, model, builder, interrupt, monotonic())
        with self._lock:
            self._running = (*self._running, running)
        try:
            self._turn()
            yield
        finally:
            with self._lock:
                self._running = tuple(each for each in self._running if each is not running)
            self._turn()

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call a listener when requests begin and end, and now and then while their answers come.

        It is called from the threads that wait for the answers, without a lock. What it is given
        tells whether something else of the session has changed.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def leave(self, listener: Callable[[bool], None]) -> None:
        """Call a listener no more."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def beat(self) -> None:
        """Tell the listeners how far it is, if it is time; to be called at each event."""
        if self._listeners and monotonic() >= self._due_s:
            self._tell()

    def changed(self) -> None:
        """Tell the listeners that a model, a thread or a version was chosen."""
        self._tell(changed=True)

    def _turn(self) -> None:
        """Tell at once that the first began or the last ended; of others it is told in its time."""
        if len(self._running) <= 1:
            self._due_s = 0.0
        self.beat()

    def _tell(self, *, changed: bool = False) -> None:
        self._due_s = monotonic() + TOLD_S
        for listener in self._listeners:
            try:
                listener(changed)
            except Exception:  # noqa: BLE001  whoever cannot hear must not cost the answer
                self.leave(listener)

    def stop(self, cell_id: str) -> bool:
        """Stop what a cell asked; tell whether there was anything.

        A request without a cell is taken for the cell's: a kernel runs one cell at a time.
        """
        with self._lock:  # what is stopped is still under way: it hears of it
            found = [each for each in self._running if each.cell_id in (cell_id, None)]
            for each in found:
                each.interrupt()
        return bool(found)
