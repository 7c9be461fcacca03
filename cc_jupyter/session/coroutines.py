"""Await what a thread does: the event loop goes on, and cancelling interrupts the thread's work."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable


_Result = TypeVar("_Result")


class _Raised(NamedTuple):
    error: BaseException


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
    try:
        outcome = await asyncio.shield(ended)
    except asyncio.CancelledError:
        interrupt()
        await asyncio.wait([ended])
        raise
    if isinstance(outcome, _Raised):
        raise outcome.error
    return cast("_Result", outcome)


def _settle(ended: asyncio.Future[object], outcome: object) -> None:
    if not ended.done():
        ended.set_result(outcome)
