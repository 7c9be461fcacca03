"""End a plain function that runs on this thread: at an interrupt, and when its time is over.

An interrupt raises `KeyboardInterrupt` between two instructions of Python, a timeout raises
`_TimeIsOver`. Code blocked in C notices neither until it returns; a watcher thread notices that the
function does not end and reports it, unless that code holds Python's lock too. On the main thread
of POSIX systems a timer signal also ends system calls such as `time.sleep`; elsewhere an exception
is sent to the thread.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from cc_jupyter.tools.signal_watcher import signal_watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 0.15
"""A function that runs this long after a stop or its timeout is reported as blocked."""


class _TimeIsOver(BaseException):
    """Ends a function from within; no `except Exception` of its own catches it."""


class _TakenBack(BaseException):
    """Takes the place of an exception that was sent and came too late."""


class Interruption:
    """What came while a function ran."""

    def __init__(self) -> None:
        self.is_stopped = False
        """Whether there was an interrupt, even if the function caught it."""
        self.is_late = False
        """Whether its time was over."""


class FunctionGuard:
    """Runs one function at a time on the thread that calls it, and can end it from others.

    Parameters
    ----------
    on_blocked
        Called on a watcher thread, with the reason in words, if a function does not end although
        it was stopped or its time is over.
    """

    def __init__(self, on_blocked: Callable[[str], None]) -> None:
        self._on_blocked = on_blocked
        self._lock = threading.Lock()
        self._running: _Guarded | None = None

    def run(
        self, function: Callable[[], object], timeout_s: float | None
    ) -> tuple[object, BaseException | None, Interruption]:
        """Return the value of a function, or what it raised, and what came while it ran."""
        guarded = _Guarded(timeout_s, self._on_blocked)
        with self._lock:
            self._running = guarded
        try:
            return guarded.run(function)
        finally:
            with self._lock:
                self._running = None

    def stop(self) -> bool:
        """Interrupt the running function, from any thread; return whether there is one."""
        with self._lock:
            if self._running is not None:
                self._running.stop()
            return self._running is not None


class _Guarded:
    """One run of a function."""

    def __init__(self, timeout_s: float | None, on_blocked: Callable[[str], None]) -> None:
        self._timeout_s = timeout_s
        self._on_blocked = on_blocked
        self._thread_id = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._lock = threading.Lock()
        self._is_open = False  # whether an exception may still be sent to the thread
        self._was_sent = False
        self._ended = threading.Event()
        self.interruption = Interruption()

    def run(
        self, function: Callable[[], object]
    ) -> tuple[object, BaseException | None, Interruption]:
        """Run the function; nothing that comes for it is raised outside."""
        value: object = None
        raised: BaseException | None = None
        try:
            with self._signals(), self._timer(), signal_watcher.watching(self._on_stop):
                try:
                    self._is_open = True
                    value = function()
                finally:
                    self._close()
        except BaseException as error:  # noqa: BLE001  the user's function may raise anything
            raised = error
            self._close()
        if isinstance(raised, KeyboardInterrupt):
            self.interruption.is_stopped = True
        return value, raised, self.interruption

    def stop(self) -> None:
        """Raise `KeyboardInterrupt` in the thread, from any other."""
        self.interruption.is_stopped = True
        if self._is_main and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._thread_id, signal.SIGINT)
        else:
            self._send(KeyboardInterrupt)

    def _close(self) -> None:
        with self._lock:
            self._is_open = False
        if self._was_sent:  # it may not have been raised yet
            self._was_sent = False
            _take_back(self._thread_id)
        self._ended.set()

    def _send(self, kind: type[BaseException]) -> None:
        """Raise an exception in the thread at its next instruction."""
        with self._lock:
            if self._is_open:
                self._was_sent = True
                _raise_in(self._thread_id, kind)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Note an interrupt before it is raised, where Python's own handler is installed."""
        if not self._is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def on_interrupt(number: int, frame: Any) -> None:  # noqa: ANN401  as signal passes it
            self.interruption.is_stopped = True
            signal.default_int_handler(number, frame)

        signal.signal(signal.SIGINT, on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def _timer(self) -> Iterator[None]:
        """Raise `_TimeIsOver` in the function when its time is over."""
        if self._timeout_s is None:
            yield
            return
        uses_signal = self._is_main and _has_free_timer()
        timers = [threading.Timer(self._timeout_s + PATIENCE_S, self._report, (self._over,))]
        if not uses_signal:
            timers.append(threading.Timer(self._timeout_s, self._on_time))
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            with self._alarm(self._timeout_s) if uses_signal else nullcontext():
                yield
        finally:
            for timer in timers:
                timer.cancel()

    @contextmanager
    def _alarm(self, timeout_s: float) -> Iterator[None]:
        before = signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _on_alarm(self, number: int, frame: Any) -> None:  # noqa: ANN401  as signal passes it
        del number, frame
        self.interruption.is_late = True
        if self._is_open:
            raise _TimeIsOver

    def _on_time(self) -> None:
        self.interruption.is_late = True
        self._send(_TimeIsOver)

    @property
    def _over(self) -> str:
        return f"its {self._timeout_s:g} s are over"

    def _on_stop(self) -> None:
        """Report a function that does not end soon after a stop."""
        if not self._ended.wait(PATIENCE_S):
            self._report("stop received")

    def _report(self, what: str) -> None:
        if not self._ended.is_set():
            self._on_blocked(f"{what}, but it cannot be interrupted; waits for its return")


def _raise_in(thread_id: int, kind: type[BaseException]) -> None:
    """Raise an exception in a thread at its next instruction, in place of one sent before."""
    number = ctypes.c_ulong(thread_id)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(kind))


def _take_back(thread_id: int) -> None:
    """Take back what was sent to this thread and has not been raised.

    It is replaced and raised here. To send nothing in its place would leave the flag set that makes
    Python look for it, and with a profiler or a debugger the next call would never begin (seen on
    CPython 3.11).
    """
    with suppress(_TakenBack):
        _raise_in(thread_id, _TakenBack)
        while True:
            pass


def _has_free_timer() -> bool:
    """Return whether the timer signal exists and the program does not use it."""
    if not hasattr(signal, "setitimer"):
        return False
    is_unused = signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, signal.SIG_IGN)
    return is_unused and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def was_timeout(error: BaseException | None) -> bool:
    """Return whether an exception only says that the time of a function is over."""
    return isinstance(error, _TimeIsOver)
