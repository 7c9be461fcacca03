"""Rows on a Dask cluster: four workers beside one, each with 20 answers of a second in flight."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from figures import Figure

_HERE = Path(__file__).resolve().parent
_IN_FLIGHT = 20
"""Of each worker."""
_PAUSE_S = 1.0
_WORKERS = 4


def run(*, quick: bool) -> list[Figure]:
    """Measure one worker and four in turn, each in a process and a cluster of its own."""
    rounds, seconds = (1, 10) if quick else (3, 20)
    one, four = [], []
    for _ in range(rounds):
        one.append(_rows_per_s(1, seconds))
        four.append(_rows_per_s(_WORKERS, seconds))
    ideal = _WORKERS * _IN_FLIGHT / _PAUSE_S
    return [
        Figure(
            f"rows on Dask, {_WORKERS} workers on loopback: rows a second (ideal {ideal:.0f})",
            "",
            four,
            [_WORKERS * each for each in one],
            remark="4 times one worker",
        ),
        Figure(
            "the same: efficiency against 4 times one",
            "%",
            [100 * many / (_WORKERS * each) for many, each in zip(four, one, strict=True)],
            must=80,
            aim=90,
            least=True,
        ),
    ]


def _rows_per_s(workers: int, seconds: int) -> float:
    rows = int(workers * _IN_FLIGHT * seconds / _PAUSE_S)
    given = (str(workers), str(rows), str(workers * _IN_FLIGHT), str(_PAUSE_S))
    command = [sys.executable, str(_HERE / "rows_dask_process.py"), *given]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["rows_per_s"])
