"""Rows: throughput next to a bare pool of threads, resuming a finished table, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from figures import Figure

_HERE = Path(__file__).resolve().parent
_ROWS = 5_000
_CONCURRENCY = 100
_PAUSE_S = 0.2


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds, rows, finished = (1, 1_000, 20_000) if quick else (3, _ROWS, 100_000)
    ours, control = [], []
    for _ in range(rounds):
        control.append(_measured("control", rows)["rows_per_s"])
        ours.append(_measured("ours", rows)["rows_per_s"])
    resumed = [_measured("resume", finished) for _ in range(rounds)]
    grown = [_measured("memory", rows) for _ in range(rounds)]
    ideal = _CONCURRENCY / _PAUSE_S
    name = f"rows, {rows:,} at {_CONCURRENCY} in flight, {_PAUSE_S * 1000:.0f} ms each"
    shares = [100 * mine / bare for mine, bare in zip(ours, control, strict=True)]
    return [
        Figure(
            f"{name}: rows a second (ideal {ideal:.0f})",
            "",
            ours,
            control,
            remark="threads, one httpx.HTTPTransport, httpx-sse",
        ),
        Figure("the same: share of the control", "%", shares, must=70, aim=85, least=True),
        Figure(
            f"rows: resume over {finished:,} finished, typed",
            "s",
            [each["resume_s"] for each in resumed],
            must=3 if not quick else None,
            aim=1,
        ),
        Figure(
            "rows: memory while it runs, beyond the result's columns",
            "B/row",
            [each["bytes_per_row"] for each in grown],
            must=200,
        ),
    ]


def _measured(what: str, rows: int) -> dict[str, float]:
    """Measure in a process of its own, since memory and threads of another would count."""
    command = [sys.executable, str(_HERE / "rows_process.py"), what, str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
