"""Run one function for a model, so that a stop and a timeout end it, and nothing it does escapes.

A plain function runs on the thread of the cell: it sees the user's objects, prints into the cell,
and asks for input there. An async function runs in the event loop of the helper thread, while the
cell's thread waits. Its result is formatted under the same guard, since that runs the user's code
too.
"""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.tools.helper_loop import HelperLoop, helper_loop
from cc_jupyter.tools.interruption import FunctionGuard, Interruption, was_timeout
from cc_jupyter.tools.results import MAX_ITEMS, Content, error_content, result_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from cc_jupyter.core.messages import ValueLimits
    from cc_jupyter.tools.tool import Tool


class Outcome(NamedTuple):
    """What came of one call."""

    content: Content
    duration_s: float
    is_stopped: bool = False
    """Whether an interrupt came; then the run ends, whatever the function did with it."""
    is_late: bool = False
    """Whether it was ended because its time was over."""
    still_runs: bool = False
    """Whether it is still running, in the background."""


class _Blocked(Exception):  # noqa: N818  not an error of ours
    """An async function does not end although it was cancelled."""


class Runner:
    """Runs the tools of one cell, one after the other.

    Parameters
    ----------
    limits
        How much of a result is sent.
    on_blocked
        Called on another thread, with the reason, when a function that was stopped or whose time is
        over does not end.
    interruptible
        A context in which an interrupt raises `KeyboardInterrupt`.
    """

    def __init__(
        self,
        limits: ValueLimits,
        *,
        on_blocked: Callable[[str], None] = lambda _: None,
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
        loop: HelperLoop = helper_loop,
    ) -> None:
        self._limits = limits
        self._guard = FunctionGuard(on_blocked)
        self._interruptible = interruptible
        self._loop = loop
        self.is_stopped: Callable[[], bool] = lambda: False
        """Whether a stop came before the function could be interrupted; then it does not run."""

    def run(self, tool: Tool, values: Mapping[str, object]) -> Outcome:
        """Call a tool and return what came of it; nothing is raised."""
        started_s = monotonic()

        def work() -> object:
            return self._worked(tool, values)

        # an async function has its own time limit: it is cancelled, not torn out of its waiting
        timeout_s = None if tool.is_async else tool.timeout_s
        content, raised, interruption = None, None, Interruption()
        try:
            with self._interruptible():
                content, raised, interruption = self._guard.run(work, timeout_s)
        except KeyboardInterrupt as interrupt:  # it came at the edge of the guard
            raised = interrupt
        duration_s = monotonic() - started_s
        still_runs = isinstance(raised, _Blocked)
        stops = (raised, getattr(raised, "__cause__", None))
        if interruption.is_stopped or any(isinstance(each, KeyboardInterrupt) for each in stops):
            return Outcome(
                _ended("interrupted"), duration_s, is_stopped=True, still_runs=still_runs
            )
        if isinstance(content, Content):
            return Outcome(content, duration_s)
        if was_timeout(raised) or isinstance(raised, _AsyncTimeout | _Blocked):
            words = f"its time limit of {tool.timeout_s:g} s is over"
            words = f"{words}, and it is still running" if still_runs else words
            return Outcome(_ended(words), duration_s, is_late=True, still_runs=still_runs)
        return Outcome(error_content(raised or RuntimeError("no result")), duration_s)

    def stop(self) -> bool:
        """Interrupt the tool that runs, from any thread; return whether there is one."""
        return self._guard.stop()

    def _worked(self, tool: Tool, values: Mapping[str, object]) -> Content:
        if self.is_stopped():
            raise KeyboardInterrupt
        try:
            value = tool.call(values) if not tool.is_async else self._awaited(tool, values)
            if inspect.iscoroutine(value):  # a plain function that passes one on
                value = self._waited(lambda: value, None)
            return result_content(tool.name, value, self._limits)
        except (KeyboardInterrupt, _Blocked, _AsyncTimeout):
            raise
        except BaseException as error:  # `sys.exit` in a tool too: the model is told
            if was_timeout(error):
                raise
            return error_content(error)

    def _awaited(self, tool: Tool, values: Mapping[str, object]) -> object:
        if inspect.isasyncgenfunction(tool.function):
            return self._waited(lambda: _items(tool.call(values)), tool.timeout_s)
        return self._waited(lambda: tool.call(values), tool.timeout_s)

    def _waited(self, start: Callable[[], Any], timeout_s: float | None) -> object:
        """Return the value of a coroutine that runs on the helper thread."""
        call = self._loop.run(start)
        try:
            has_ended = call.wait(timeout_s)
        except BaseException as error:  # an interrupt too: the coroutine must not go on
            if not call.cancel():
                self._loop.abandon(call)
                raise _Blocked from error
            raise
        if not has_ended:
            if not call.cancel():
                self._loop.abandon(call)
                raise _Blocked
            raise _AsyncTimeout
        if call.error is not None:
            raise call.error
        return call.value


class _AsyncTimeout(Exception):  # noqa: N818  not an error of ours
    """An async function was cancelled because its time is over."""


async def _items(items: Any) -> Iterator[object]:  # noqa: ANN401  an async generator
    """Return the first items of an async generator, one more than are sent."""
    taken: list[object] = []
    generator: AsyncIterator[object] = items
    async for item in generator:
        taken.append(item)
        if len(taken) > MAX_ITEMS:
            await items.aclose()
            break
    return iter(taken)


def _ended(words: str) -> Content:
    """Return what the model reads of a call that was ended."""
    return Content(f"[{words}]", is_error=True, summary=words)
