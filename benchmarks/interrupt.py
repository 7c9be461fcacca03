"""The stop button: the time until the kernel is idle, and the text that is saved and shown."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import controls
from figures import Figure, in_turn
from lab import LISTED_MODEL, Lab, Measured
from support.kernel_harness import CellRun
from support.provider import prose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.kernel_harness import Kernel

_COUNT = 2_000
_MODEL = f"test/burst-{_COUNT}@5ms"
_IN_FLIGHT_S = 0.005
"""Text sent this shortly before the signal may not have reached the kernel."""


@dataclass(frozen=True)
class _Stopped:
    idle_ms: float
    left_ms: float
    """The time until the provider saw the connection close."""
    kept_percent: float
    said_lines: int
    said_bytes: int


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds = 4 if quick else 15
    with Lab() as lab:
        lab.list_models(_MODEL)
        ours, plain = lab.our_kernel(), lab.plain_kernel()
        streaming = in_turn(
            rounds,
            lambda: _streaming(lab, ours, controls.cmd(_MODEL)),
            lambda: _streaming(lab, plain, f"plain({_MODEL!r})"),
        )
        waiting = in_turn(
            rounds,
            lambda: _waiting(lab, ours, controls.cmd(LISTED_MODEL)),
            lambda: _waiting(lab, plain, f"plain({LISTED_MODEL!r})"),
        )
    return [
        *_figures("interrupt while text comes", *streaming, text=True),
        *_figures("interrupt before the first byte", *waiting),
    ]


def _figures(
    name: str, mine: Sequence[_Stopped], theirs: Sequence[_Stopped], *, text: bool = False
) -> list[Figure]:
    def both(of: Callable[[_Stopped], float]) -> tuple[list[float], list[float]]:
        return [*map(of, mine)], [*map(of, theirs)]

    kept = Figure(f"{name}: text kept", "%", *both(lambda cell: cell.kept_percent), 100, least=True)
    said = f"{name}: lines in place of a traceback"
    return [
        Figure(f"{name}: to idle", "ms", *both(lambda cell: cell.idle_ms), 15, 5),
        Figure(f"{name}: to the connection's end", "ms", *both(lambda cell: cell.left_ms)),
        *([kept] if text else []),
        Figure(said, "", *both(lambda cell: cell.said_lines), 1),
        Figure("the same in bytes", "B", *both(lambda cell: cell.said_bytes)),
    ]


def _streaming(lab: Lab, kernel: Kernel, code: str) -> _Stopped:
    """Stop a cell half a second after its first text."""
    lab.clear()
    request = kernel.start(code)
    run = kernel.follow(request, until=lambda run: bool(run.streams or run.texts))
    return _stop(lab, kernel, request, run)


def _waiting(lab: Lab, kernel: Kernel, code: str) -> _Stopped:
    """Stop a cell whose provider has read the request and sends nothing."""
    lab.clear()
    lab.always(do="hang")
    return _stop(lab, kernel, kernel.start(code), CellRun())


def _stop(lab: Lab, kernel: Kernel, request: str, run: CellRun) -> _Stopped:
    time.sleep(0.5)
    at_s = time.perf_counter()
    kernel.interrupt()
    cell = lab.finish(kernel, request, run, failing=True)
    return _Stopped(
        1000 * (cell.idle_s - at_s),
        1000 * (cell.request["client_left_s"] - at_s),
        _kept_percent(cell, at_s),
        len(cell.run.error_lines),
        len(cell.run.error.encode()),
    )


def _kept_percent(cell: Measured, at_s: float) -> float:
    """Compare the text on the screen with the text that had certainly arrived."""
    sent = sum(sent_s < at_s - _IN_FLIGHT_S for sent_s in cell.request["sent_s"][1:])
    if not sent:
        return 100.0
    expected = "".join(prose(sent)).rstrip()
    shown = max((cell.run.streams, *cell.run.texts), key=len)
    same = next(
        (n for n, (a, b) in enumerate(zip(expected, shown, strict=False)) if a != b),
        min(len(expected), len(shown)),
    )
    return 100.0 * same / len(expected)
