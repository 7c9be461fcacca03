"""Kernels that run rows and are killed with -9; run as a program, this is such a kernel.

`row_kernels.py ROWS CONCURRENCY [SCHEDULER]` runs all rows for each line that it reads, and writes
their answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.provider import Record

_WAIT_S = 300.0
"""Only a fault takes as long, or a machine with much else to do."""
_UNCACHED = "PYTHONDONTWRITEBYTECODE"
"""With it, each kernel would compile the package again."""


class KilledRuns:
    """Runs over rows, whose kernels share a history on disk.

    Parameters
    ----------
    scheduler
        Where the Dask cluster is that sends; empty: the kernels send.
    """

    def __init__(self, provider: Any, rows: int, concurrency: int, scheduler: str = "") -> None:
        self._provider = provider
        self._command = [
            sys.executable,
            __file__,
            str(rows),
            str(concurrency),
            *([scheduler] if scheduler else []),
        ]
        self.requests: list[Sequence[Record]] = []
        """What the provider was asked in each run."""

    def kill_at(self, count: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Start a kernel, and kill it after so many requests of all runs."""
        begin = len(self._provider.posts)
        with self._kernel() as kernel:
            _start(kernel)
            meanwhile()
            self._provider.wait_for_requests(count, _WAIT_S)
        self._note(begin)

    def finish(self, most_runs: int) -> list[str | None]:
        """Run the rows in one kernel until none is missing; return their answers."""
        answers: list[str | None] = [None]
        with self._kernel() as kernel:
            while None in answers:
                assert len(self.requests) < most_runs
                begin = len(self._provider.posts)
                _start(kernel)
                assert kernel.stdout is not None
                answers = json.loads(kernel.stdout.readline())
                self._note(begin)
        return answers

    @contextmanager
    def _kernel(self) -> Iterator[subprocess.Popen[str]]:
        """Start a kernel; kill it at the end."""
        kept = {name: value for name, value in os.environ.items() if name != _UNCACHED}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self._command, env=kept, stdin=pipe, stdout=pipe, text=True
        ) as kernel:
            try:
                yield kernel
            finally:
                kernel.kill()

    def _note(self, begin: int) -> None:
        """Take note of the requests of a run, once all are over: the next run has its own limit."""
        for record in self._provider.posts[begin:]:
            record.wait_until_over(_WAIT_S)
        self.requests.append(self._provider.posts[begin:])


def _start(kernel: subprocess.Popen[str]) -> None:
    """Let a kernel run all rows."""
    assert kernel.stdin is not None
    kernel.stdin.write("\n")
    kernel.stdin.flush()


def _main() -> None:
    import cc_jupyter  # noqa: PLC0415  in this process alone

    client = None
    rows, concurrency, *schedulers = sys.argv[1:]
    for scheduler in schedulers:
        from distributed import Client  # noqa: PLC0415

        client = Client(scheduler)
    texts = [{"text": f"{number:05}"} for number in range(int(rows))]
    for _ in sys.stdin:
        answers = cc_jupyter.map_rows(
            texts,
            "row {{ text }}",
            model="deepseek/deepseek-v4-flash",
            max_requests=len(texts),
            concurrency=int(concurrency),
            executor=client,
        )
        print(json.dumps([row["answer"] for row in answers]), flush=True)


if __name__ == "__main__":
    _main()
