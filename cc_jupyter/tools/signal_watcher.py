"""Notice a signal while the main thread is blocked in C, where Python cannot handle it yet.

The C code that receives a signal writes its number into a socket at once. A thread reads it there;
it starts with the first tool that runs, and sleeps otherwise.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_NUMBERS = 4_096
_NO_SOCKET = -1


class SignalWatcher:
    """Calls a function on its thread when an interrupt comes."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._writing: socket.socket | None = None
        self._on_interrupt: Callable[[], None] | None = None
        self._forward = _NO_SOCKET

    @contextmanager
    def watching(self, on_interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `on_interrupt` for an interrupt in the block; only on the main thread of POSIX.

        An event loop that has a socket of its own for signals gets their numbers too.
        """
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            yield
            return
        writing = self._started()
        self._on_interrupt = on_interrupt
        self._forward = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            self._on_interrupt = None
            signal.set_wakeup_fd(self._forward, warn_on_full_buffer=False)

    def close(self) -> None:
        """End the thread."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.close()

    def _started(self) -> socket.socket:
        if self._writing is not None and self._thread is not None and self._thread.is_alive():
            return self._writing
        reading, writing = socket.socketpair()
        writing.setblocking(False)  # noqa: FBT003  socket's own form
        self._thread = threading.Thread(
            target=self._work, args=(reading,), name="cc_jupyter tool watcher", daemon=True
        )
        self._writing = writing
        self._thread.start()
        return writing

    def _work(self, reading: socket.socket) -> None:
        with reading:
            while numbers := reading.recv(_MAX_NUMBERS):
                if self._forward != _NO_SOCKET:
                    with suppress(OSError):  # its loop was closed
                        os.write(self._forward, numbers)
                on_interrupt = self._on_interrupt
                if signal.SIGINT in numbers and on_interrupt is not None:
                    on_interrupt()


signal_watcher = SignalWatcher()
"""The watcher of this process."""
