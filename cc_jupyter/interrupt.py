"""Ctrl-C and the notebook's stop button as an event instead of an exception out of nowhere.

`KeyboardInterrupt` may come between any two instructions, also while an answer is being kept or
drawn. While a request is under way the signal only wakes the waiting thread, which then stops at
a place of its own choosing; nothing half done is left behind.
"""

from __future__ import annotations

import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

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
        if _python_hears():
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
    if _python_hears():
        _deaf_until_s = monotonic() + _ECHO_S
        signal.signal(signal.SIGINT, _hear_later)


def _hear_later(number: int, frame: Any) -> None:  # noqa: ANN401  a frame, as signal gives it
    if monotonic() >= _deaf_until_s:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.default_int_handler(number, frame)


def _python_hears() -> bool:
    """Tell whether interrupts come to this thread, by Python's own handler."""
    main = threading.current_thread() is threading.main_thread()
    standing = signal.getsignal(signal.SIGINT)
    return main and standing in (signal.default_int_handler, _hear_later)
