"""Figures and their table."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HEAD = ("figure", "must", "aim", "measured median", "control", "ratio")


@dataclass(frozen=True)
class Figure:
    """One row: our samples and those of the control, taken in turn in the same run."""

    name: str
    unit: str
    """The unit to display: `ms`, `s`, `us`, `x`, `%`, or empty."""
    ours: Sequence[float]
    control: Sequence[float] = ()
    must: float | None = None
    aim: float | None = None
    must_p95: float | None = None
    aim_p95: float | None = None
    least: bool = False
    """Whether the goal is a minimum, not a maximum."""
    remark: str = ""
    """What the control is, if not the plain cell."""

    @property
    def missed(self) -> bool:
        """Whether the goal is missed."""
        return self._misses(self.ours)

    def _misses(self, samples: Sequence[float]) -> bool:
        if self.must is None or not samples:
            return False
        if self.least:
            return median(samples) < self.must
        late = self.must_p95 is not None and p95(samples) > self.must_p95
        return median(samples) > self.must or late

    def cells(self) -> tuple[str, ...]:
        """Return the row."""
        wide = self.must_p95 is not None
        ours = _samples(self.ours, self.unit, wide=wide)
        ratio = "-"
        if self.control and median(self.control):
            ratio = f"{median(self.ours) / median(self.control):.2g}"
        if self.missed:
            also = ", the control too" if self._misses(self.control) else ""
            ours = f"**{ours}** (missed{also})"
        control = _samples(self.control, self.unit, wide=wide) if self.control else "-"
        return (
            self.name,
            _goal(self.must, self.must_p95, self.unit),
            _goal(self.aim, self.aim_p95, self.unit),
            ours,
            f"{control} {self.remark}".strip(),
            ratio,
        )


def median(samples: Sequence[float]) -> float:
    """Return the median of the samples."""
    return statistics.median(samples)


def p95(samples: Sequence[float]) -> float:
    """Return the 95th percentile of the samples."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def split(samples: Sequence[tuple[float, ...]]) -> list[list[float]]:
    """Transpose rows to columns."""
    return [list(column) for column in zip(*samples, strict=True)]


def in_turn(rounds: int, *measures: Callable[[], object]) -> list[list]:
    """Call each measure once a round, after a warm-up round."""
    taken: list[list] = [[] for _ in measures]
    for number in range(rounds + 1):
        for measure, samples in zip(measures, taken, strict=True):
            sample = measure()
            if number:
                samples.append(sample)
    return taken


def table(figures: Iterable[Figure]) -> str:
    """Return the Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _samples(samples: Sequence[float], unit: str, *, wide: bool) -> str:
    shown = _number(median(samples), unit)
    if wide:
        shown += f" (p95 {_number(p95(samples), unit)})"
    if len(samples) > 1:
        shown += f", n={len(samples)}"
    return shown


def _goal(value: float | None, late: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return _number(value, unit) + (f" ({_number(late, unit)})" if late is not None else "")


def _number(value: float, unit: str) -> str:
    figure = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return figure + {"": "", "x": "x", "%": " %"}.get(unit, f" {unit}")
