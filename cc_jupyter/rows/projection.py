"""Project the bill of a run over rows from the rows that have been answered.

The input of a row follows from its own bytes, calibrated by the tokens that were reported; its
output is the mean so far. The 95 % interval is a bootstrap over the answered rows, widened for
small samples and for the chance in the rows that are left. No interval can contain what a sample
does not show: if 3 % of the answers are ten times as long as the others, 20 rows show none of them
in half of all draws.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from cc_jupyter.experiments.statistics import Z_95, Interval, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.events import Usage


RESAMPLES: Final = 1_000
_FEWEST_ROWS = 5
"""With fewer rows there is no interval."""
_MANY_ROWS = 100
"""From here on the interval is that of the normal distribution: a bootstrap shows the same."""
_MOST_ROWS = 400
"""Of more answered rows, so many are drawn at random."""
_GROWTH = 1.1
"""A projection is made again once so many times as many rows are answered."""
_EQUAL_SIZES = 1e-9


class BillProjection(NamedTuple):
    """What a whole run is expected to take, with what it has taken so far."""

    answered: int
    """The rows that it is based on."""
    usd: Decimal | None
    """`None`: the price is unknown."""
    interval_usd: tuple[Decimal, Decimal] | None
    """The 95 % interval of `usd`; `None`: it is unknown, or too few rows are answered."""
    input_tokens: int
    output_tokens: int


class _Row(NamedTuple):
    """What one answered row took; the figures of the input come first."""

    size_bytes: float
    input_usd: float
    output_usd: float
    input_tokens: float
    output_tokens: float


class BillProjector:
    """Collects answered rows and projects the bill; constant in memory.

    Parameters
    ----------
    rows
        How many requests the bill is for.
    size_bytes
        The bytes of all their texts.
    cost
        Returns the cost of a usage in US dollars; `None`: unknown.
    """

    def __init__(self, rows: int, size_bytes: int, cost: Callable[[Usage], Decimal | None]) -> None:
        self._left = rows
        self._left_bytes = size_bytes
        self._cost = cost
        self._answered = 0
        self._rows: list[_Row] = []
        self._random = random.Random(0)  # noqa: S311  no secret depends on it
        self._spent_usd = Decimal(0)
        self._input_tokens = self._output_tokens = 0
        self._is_unknown = False
        self._made: tuple[int, tuple[float, Interval | None]] | None = None

    def add(
        self, size_bytes: int, usage: Usage, usd: Decimal | None, *, is_in_bill: bool = True
    ) -> None:
        """Take an answered row.

        Parameters
        ----------
        size_bytes
            The bytes of its texts, as counted in those of the bill.
        usage
            As reported; a row without a report adds nothing to the projection.
        usd
            What it cost; `None`: unknown.
        is_in_bill
            Whether it is one of the rows of the bill; an earlier run has paid for others.
        """
        if is_in_bill:
            self._left -= 1
            self._left_bytes -= size_bytes
            self._spent_usd += usd or Decimal(0)
            self._input_tokens += usage.input_tokens or 0
            self._output_tokens += usage.output_tokens or 0
        self._is_unknown |= usd is None
        if usage.input_tokens is None or usage.output_tokens is None:
            return
        self._answered += 1
        place = len(self._rows)
        if place >= _MOST_ROWS:
            place = self._random.randrange(self._answered)
            if place >= _MOST_ROWS:
                return
        self._rows[place : place + 1] = [self._row(size_bytes, usage, usd)]

    def _row(self, size_bytes: int, usage: Usage, usd: Decimal | None) -> _Row:
        """Split the cost of a row; a cost of unknown parts counts as output."""
        input_usd = self._cost(replace(usage, output_tokens=0, provider_usd=None))
        whole = self._cost(replace(usage, provider_usd=None))
        share = float(input_usd / whole) if input_usd and whole else 0.0
        paid = float(usd or 0)
        return _Row(
            max(size_bytes, 1),
            paid * share,
            paid * (1 - share),
            float(usage.input_tokens or 0),
            float(usage.output_tokens or 0),
        )

    def projection(self) -> BillProjection | None:
        """Return the projection; `None`: no row with reported tokens is answered."""
        rows, left = self._rows, max(self._left, 0)
        if not rows:
            return None
        mean_bytes = self._left_bytes / left if left else 0.0
        count = len(rows)
        output_tokens = left * sum(row.output_tokens for row in rows) / count
        usd, interval = None, None
        if not self._is_unknown:
            per_row, bounds = self._per_row(mean_bytes, left)
            usd = self._bill(left * per_row)
            if bounds is not None:
                interval = (self._bill(left * bounds.low), self._bill(left * bounds.high))
        return BillProjection(
            self._answered,
            usd,
            interval,
            self._input_tokens
            + round(left * _at_size(rows, [row.input_tokens for row in rows], mean_bytes)),
            self._output_tokens + round(output_tokens),
        )

    def _bill(self, left_usd: float) -> Decimal:
        return self._spent_usd + Decimal(repr(max(left_usd, 0.0)))

    def _per_row(self, mean_bytes: float, left: int) -> tuple[float, Interval | None]:
        """Return what a row that is left is expected to cost, with the interval of their mean.

        Many rows end between two projections, and a bootstrap takes 20 ms.
        """
        if not left:
            return 0.0, Interval(0.0, 0.0)
        if self._made is None or self._answered >= self._made[0] * _GROWTH:
            self._made = self._answered, per_row_usd(self._rows, mean_bytes, left)
        return self._made[1]


def per_row_usd(
    rows: Sequence[_Row], mean_bytes: float, left: int
) -> tuple[float, Interval | None]:
    """Return the expected cost of a row, and the 95 % interval of the mean of `left` rows.

    Parameters
    ----------
    mean_bytes
        The mean size of the rows that are left.
    """
    count = len(rows)
    terms = [(1 / s, s, usd / s, usd, out) for s, usd, out, _, _ in rows]
    estimate = _estimate(terms, mean_bytes)
    if count < _FEWEST_ROWS:
        return estimate, None
    widening = math.sqrt(count / (count - 2) * (1 + count / left)) * t_95(count - 1) / Z_95
    if count >= _MANY_ROWS:
        half = Z_95 * widening * _standard_error(rows, mean_bytes)
        return estimate, Interval(estimate - half, estimate + half)
    chance = random.Random(0)  # noqa: S311  no secret depends on it
    means = sorted(_estimate(chance.choices(terms, k=count), mean_bytes) for _ in range(RESAMPLES))
    low, high = percentile_interval(means)
    return estimate, Interval(
        estimate + (low - estimate) * widening, estimate + (high - estimate) * widening
    )


def _estimate(
    terms: Sequence[tuple[float, float, float, float, float]], mean_bytes: float
) -> float:
    """Return the input at the mean size, by weighted least squares, plus the mean output."""
    *sums, outputs = map(sum, zip(*terms, strict=True))
    base, slope = _line(len(terms), *sums)
    return base + slope * mean_bytes + outputs / len(terms)


def _line(
    count: int, inverse_sizes: float, sizes: float, ratios: float, inputs: float
) -> tuple[float, float]:
    """Return base and slope of the input over the size.

    Each row has the weight of its inverse size, since long rows differ more. Sizes that are all
    equal, or a line that begins or falls below zero, say nothing about the base: it is then 0.
    """
    spread = inverse_sizes * sizes - count * count
    if spread > _EQUAL_SIZES * count * count:
        slope = (inverse_sizes * inputs - count * ratios) / spread
        base = (ratios - slope * count) / inverse_sizes
        if slope >= 0 and base >= 0:
            return base, slope
    return 0.0, inputs / sizes


def _at_size(rows: Sequence[_Row], inputs: Sequence[float], mean_bytes: float) -> float:
    """Return the expected input of a row of the mean size."""
    sizes = [row.size_bytes for row in rows]
    base, slope = _line(
        len(rows),
        sum(1 / size for size in sizes),
        sum(sizes),
        sum(each / size for each, size in zip(inputs, sizes, strict=True)),
        sum(inputs),
    )
    return base + slope * mean_bytes


def _standard_error(rows: Sequence[_Row], mean_bytes: float) -> float:
    """Return the standard error of the expected cost of a row.

    It allows for a variance that grows with the size (the sandwich estimator).
    """
    count = len(rows)
    inverse_sizes = sum(1 / row.size_bytes for row in rows)
    sizes = sum(row.size_bytes for row in rows)
    inputs = sum(row.input_usd for row in rows)
    ratios = sum(row.input_usd / row.size_bytes for row in rows)
    base, slope = _line(count, inverse_sizes, sizes, ratios, inputs)
    centre = count / inverse_sizes  # the weighted mean size
    spread = sizes - count * centre
    output = sum(row.output_usd for row in rows) / count
    total = 0.0
    for size, input_usd, output_usd, _, _ in rows:
        weight = 1 / size / inverse_sizes
        if spread > _EQUAL_SIZES * sizes:
            weight += (mean_bytes - centre) * (size - centre) / size / spread
        total += (weight * (input_usd - base - slope * size) + (output_usd - output) / count) ** 2
    return math.sqrt(total)


def t_95(freedom: int) -> float:
    """Return the 97.5th percentile of Student's t distribution, for 4 degrees of freedom or more.

    It is within 0.2 % of the tables. Source: Abramowitz and Stegun, "Handbook of Mathematical
    Functions", 26.7.5.
    """
    z = Z_95
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def draw_preview(sizes: Sequence[int], count: int, seed: int) -> list[int]:
    """Return the places of the rows of a preview, in ascending order: the same for each seed.

    One row is drawn from each of `count` groups of rows of similar size, so that the preview has
    short and long rows as the table has.
    """
    chance = random.Random(seed)  # noqa: S311  no secret depends on it
    total = len(sizes)
    if count >= total:
        return list(range(total))
    order = list(range(total))
    chance.shuffle(order)  # among equal sizes any row may come
    order.sort(key=sizes.__getitem__)
    edges = [total * group // count for group in range(count + 1)]
    return sorted(order[chance.randrange(edges[group], edges[group + 1])] for group in range(count))
