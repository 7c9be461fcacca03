"""Await what a thread does: the event loop goes on, and cancelling interrupts the thread's work."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable


_TURN_S: Final = 0.05
"""While something is awaited, the event loop turns at least this often.

ipykernel cancels the running cell by a callback that its signal handler leaves in the loop, which
does not wake the loop: the interrupt is seen at the next turn (ipykernel 7.4, 2026-11-30).
"""
_Result = TypeVar("_Result")


class _Raised(NamedTuple):
    error: BaseException


class _Turns:
    """Turns an event loop while anything is awaited in it; used in the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._awaited = 0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._awaited += 1
        if self._timer is None:
            self._turn()

    def __exit__(self, *_: object) -> None:
        self._awaited -= 1
        if not self._awaited and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            _turns.pop(self._loop, None)

    def _turn(self) -> None:
        self._timer = self._loop.call_later(_TURN_S, self._turn)


_turns: dict[asyncio.AbstractEventLoop, _Turns] = {}
"""By event loop in which something is awaited."""


async def in_thread(call: Callable[[], _Result], interrupt: Callable[[], object]) -> _Result:
    """Return what a call returns in a thread of its own; raise what it raises.

    Parameters
    ----------
    interrupt
        Makes the call end soon; called if the coroutine is cancelled, which waits for the end.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[object] = loop.create_future()

    def work() -> None:
        outcome: object
        try:
            outcome = call()
        except BaseException as error:  # noqa: BLE001  the coroutine raises it
            outcome = _Raised(error)
        loop.call_soon_threadsafe(_settle, ended, outcome)

    threading.Thread(target=work, name="cc_jupyter coroutine", daemon=True).start()
    with _turns.setdefault(loop, _Turns(loop)):
        try:
            outcome = await asyncio.shield(ended)
        except asyncio.CancelledError as cancelled:
            interrupt()
            await asyncio.wait([ended])
            _take_words(cancelled, ended.result())
            raise
    if isinstance(outcome, _Raised):
        raise outcome.error
    return cast("_Result", outcome)


def _take_words(cancelled: asyncio.CancelledError, outcome: object) -> None:
    """Have a cell that was cancelled say in one line what the interrupted call says."""
    interrupted = outcome.error if isinstance(outcome, _Raised) else None
    for note in getattr(interrupted, "__notes__", ()):
        cancelled.add_note(note)
    render = getattr(interrupted, "_render_traceback_", None)
    if render is not None:
        cast("Any", cancelled)._render_traceback_ = render


def _settle(ended: asyncio.Future[object], outcome: object) -> None:
    if not ended.done():
        ended.set_result(outcome)
