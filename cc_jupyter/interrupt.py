"""Ctrl-C and the notebook's stop button as an event instead of an exception out of nowhere.

`KeyboardInterrupt` may come between any two instructions, also while an answer is being kept or
drawn. While a request is under way the signal only wakes the waiting thread, which then stops at
a place of its own choosing; nothing half done is left behind.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_PATIENCE = 3
"""So many interrupts in one request break through, whatever it is doing."""


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
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
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

    def _note(self, number: int, frame: Any) -> None:  # noqa: ANN401  a frame, as signal gives it
        self.count += 1
        if self.count >= _PATIENCE:
            # put back first: what is raised here may come from within `__exit__`
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.default_int_handler(number, frame)
        self._wake()
