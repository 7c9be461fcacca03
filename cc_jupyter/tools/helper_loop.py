"""The event loop of async tools: one helper thread, since `asyncio.run` cannot run inside a cell.

The thread starts with the first async tool and stays, so that clients which belong to a loop work
in the next cell too. A loop that a function blocks is given up: the next call gets a new thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_POLL_S = 0.05
"""Waiting is cut into pieces, since a lock cannot be interrupted on Windows."""
CANCEL_S = 0.1
"""How long a cancelled function may take to end before it counts as still running."""


class HelperLoop:
    """Runs coroutines on its thread, one after the other, for threads that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, start: Callable[[], Coroutine[Any, Any, object]]) -> AsyncCall:
        """Start a coroutine in the context of the caller."""
        with self._lock:
            if self._loop is None:
                self._loop = _started_loop()
            return AsyncCall(self._loop, start)

    def abandon(self, call: AsyncCall) -> None:
        """Leave the loop of a call that cannot be ended; later calls get another one.

        It ends when the call lets it.
        """
        with self._lock:
            if self._loop is call.loop:
                self._loop = None
        call.loop.call_soon_threadsafe(call.loop.stop)

    def close(self) -> None:
        """End the loop and its thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


class AsyncCall:
    """One coroutine on the helper thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, start: Callable[[], Coroutine[Any, Any, object]]
    ) -> None:
        self.loop = loop
        self._ended = threading.Event()
        self._start = start
        self._task: asyncio.Task[object] | None = None
        self._context = contextvars.copy_context()  # what it prints belongs to this cell
        self.value: object = None
        self.error: BaseException | None = None
        loop.call_soon_threadsafe(self._begin, context=self._context)

    def wait(self, limit_s: float | None = None) -> bool:
        """Wait until it has ended, and return whether it has; an interrupt ends the waiting."""
        left_s = limit_s
        while left_s is None or left_s > 0:
            step_s = _POLL_S if left_s is None else min(_POLL_S, left_s)
            if self._ended.wait(step_s):
                return True
            left_s = None if left_s is None else left_s - step_s
        return self._ended.is_set()

    def cancel(self) -> bool:
        """Cancel it, and return whether it has ended within a moment."""
        self.loop.call_soon_threadsafe(self._cancel)
        return self._ended.wait(CANCEL_S)

    def _begin(self) -> None:
        self._task = self.loop.create_task(self._work(), context=self._context)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        try:
            self.value = await self._start()
        except BaseException as error:  # noqa: BLE001  the user's function may raise anything
            self.error = error
        finally:
            self._ended.set()


def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()

    def work() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()

    threading.Thread(target=work, name="cc_jupyter async tools", daemon=True).start()
    return loop


helper_loop = HelperLoop()
"""The loop of this process."""
