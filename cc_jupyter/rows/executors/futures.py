"""Executors with one future for each request: threads of the kernel, and machines elsewhere.

Threads of the kernel's own process send as the kernel does and can be interrupted. Elsewhere a
request runs to its end, and an interrupt only leaves it; the key comes from the environment there.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConnectError
from cc_jupyter.rows.executors.pool import Pool
from cc_jupyter.rows.executors.transfer import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor, Future

    from cc_jupyter.rows.executors.transfer import Work


class FuturePool(Pool):
    """An executor whose workers take one request at a time.

    Parameters
    ----------
    run
        Sends a request, in a worker.
    stop
        Interrupts requests; `None`: they run to their end.
    """

    def __init__(
        self,
        executor: Executor,
        run: Callable[[Work], Outcome],
        stop: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        super().__init__()
        self._executor = executor
        self._run = run
        self._stop_requests = stop
        self._futures: dict[int, Future[Outcome]] = {}
        self._futures_lock = threading.Lock()
        self._join("the executor")

    @property
    def may_grow(self) -> bool:
        """Whether a worker may still join: the executor is always there."""
        return False

    def close(self) -> None:
        """Let the workers go; requests in flight are stopped."""
        with self._futures_lock:
            left = list(self._futures)
        self._interrupt("", left)

    def _dispatch(self, worker: str, work: Work) -> None:
        del worker
        try:
            future = self._executor.submit(self._run, work)
        except Exception as error:  # noqa: BLE001  whatever an executor raises, no request waits forever
            self._deliver(work.id, _not_run(error))
            return
        with self._futures_lock:
            self._futures[work.id] = future
        future.add_done_callback(partial(self._on_done, work.id))

    def _interrupt(self, worker: str, ids: Sequence[int]) -> None:
        del worker
        with self._futures_lock:
            futures = [self._futures[each] for each in ids if each in self._futures]
        for future in futures:
            future.cancel()
        if self._stop_requests is not None:
            self._stop_requests(ids)

    def _on_done(self, work_id: int, future: Future[Outcome]) -> None:
        with self._futures_lock:
            self._futures.pop(work_id, None)
        if future.cancelled():
            self._deliver(work_id, Outcome(is_interrupted=True))
        elif (error := future.exception()) is not None:
            self._deliver(work_id, _not_run(error))
        else:
            self._deliver(work_id, future.result())


def _not_run(error: BaseException) -> Outcome:
    """Return the outcome of a request that the executor did not run to its end."""
    text = f"the executor did not run this row: {type(error).__name__}: {error}"
    hint = "what has finished is kept; make a new executor and run it again"
    return Outcome(error=ConnectError(text, hint=hint), requests_sent=1)
