"""A front end that reads ten messages a second while the kernel works: what arrives.

The kernel keeps at most 1,000 messages for a reader (ZeroMQ's high-water mark) and drops the rest,
the final `idle` included.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING

import controls
from figures import Figure, in_turn, split
from lab import Lab
from support.kernel_harness import CellRun, _Board
from support.provider import prose

if TYPE_CHECKING:
    from support.kernel_harness import Kernel

_COUNT = 20_000
_MODEL = f"test/burst-{_COUNT}"
_PAUSE_S = 0.1
_SILENCE_S = 2.0
"""After this long without a message, no more will come."""


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    with Lab() as lab:
        lab.list_models(_MODEL)
        ours, plain = lab.our_kernel(), lab.plain_kernel()
        mine, batched, naive = in_turn(
            1 if quick else 3,
            lambda: _read_slowly(ours, controls.cmd(_MODEL)),
            lambda: _read_slowly(plain, f"plain({_MODEL!r})"),
            lambda: _read_slowly(plain, f"plain({_MODEL!r}, every_s=0)"),
        )
    text, idle = split(mine)
    batched_text, batched_idle = split(batched)
    naive_text, naive_idle = split(naive)
    name = "slow reader, 20k tokens"
    each = "a cell that prints each token"
    return [
        Figure(f"{name}: text seen", "%", text, batched_text, 100, 100, least=True),
        Figure(f"{name}: idle seen", "%", idle, batched_idle, 100, 100, least=True),
        Figure(f"{name}: text seen", "%", text, naive_text, 100, 100, least=True, remark=each),
        Figure(f"{name}: idle seen", "%", idle, naive_idle, 100, 100, least=True, remark=each),
    ]


def _read_slowly(kernel: Kernel, code: str) -> tuple[float, float]:
    """Return how much of the text and whether the idle state arrived, in percent."""
    request = kernel.start(code)
    run, idle, replied = CellRun(), False, False
    board = _Board(run)
    while not idle:
        replied = replied or _replied(kernel, request)
        try:
            message = kernel.client.get_iopub_msg(timeout=_SILENCE_S)
        except queue.Empty:
            if replied:
                break
            continue
        if message["parent_header"].get("msg_id") == request:
            board.take(message)
            idle = message["content"].get("execution_state") == "idle"
        if not replied:
            time.sleep(_PAUSE_S)
    if not replied:
        kernel.client.get_shell_msg(timeout=60)
    whole = "".join(prose(_COUNT))
    shown = max((run.streams, *run.texts), key=len)
    return 100.0 * min(1.0, len(shown) / len(whole)), 100.0 * idle


def _replied(kernel: Kernel, request: str) -> bool:
    """Return whether the cell has ended; its reply comes on a channel that drops nothing."""
    try:
        reply = kernel.client.get_shell_msg(timeout=0)
    except queue.Empty:
        return False
    return reply["parent_header"].get("msg_id") == request
