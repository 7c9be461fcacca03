"""The intervals behind pass rates and votes, in plain Python: samples are few."""

from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Interval(NamedTuple):
    """A 95 % interval; both ends belong to it."""

    low: float
    high: float


Z_95 = NormalDist().inv_cdf(0.975)
_RESAMPLES = 2_000


def wilson_interval(successes: float, trials: float) -> Interval:
    """Return the 95 % Wilson interval of a rate.

    It stays within 0 and 1 and has a width also where all or none of a few trials succeed, which
    the normal approximation has not. Source: Wilson, "Probable inference, the law of succession,
    and statistical inference", JASA 22 (1927).

    Parameters
    ----------
    successes
        Half a success is a tie.
    trials
        With 0 trials every rate is possible.
    """
    if not trials:
        return Interval(0.0, 1.0)
    rate, square = successes / trials, Z_95**2
    scale = 1 + square / trials
    centre = (rate + square / (2 * trials)) / scale
    half = Z_95 / scale * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials**2))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Return the 95 % percentile interval of a mean, from resamples of the values.

    Equal values and an equal seed have an equal interval.

    Parameters
    ----------
    values
        At least one, such as the pass rate of each prompt.
    """
    chance, count = random.Random(seed), len(values)  # noqa: S311  no secret depends on it
    means = sorted(fmean(chance.choices(values, k=count)) for _ in range(_RESAMPLES))
    return percentile_interval(means)


def percentile_interval(ordered: Sequence[float]) -> Interval:
    """Return the 2.5th and the 97.5th percentile of values in ascending order."""
    last = len(ordered) - 1
    return Interval(ordered[round(0.025 * last)], ordered[round(0.975 * last)])
