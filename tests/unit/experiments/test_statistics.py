"""Intervals: known values, and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cc_jupyter.experiments.statistics import (
    bootstrap_interval,
    percentile_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_wilson_interval_has_the_published_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_wilson_interval_holds_its_rate_and_stays_a_rate(counts):
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    assert low < high


def test_the_bootstrap_is_repeatable_and_holds_the_mean():
    rates = [0.0, 0.5, 1.0, 1.0, 0.75, 0.25]
    interval = bootstrap_interval(rates)
    assert interval == bootstrap_interval(rates)
    assert 0.2 < interval.low < sum(rates) / 6 < interval.high < 0.95


@pytest.mark.parametrize("rates", [[0.5], [1.0, 1.0, 1.0]])
def test_equal_values_leave_no_width(rates):
    assert bootstrap_interval(rates) == (rates[0], rates[0])


def test_percentiles_are_values_of_the_list():
    assert percentile_interval([float(n) for n in range(1001)]) == (25.0, 975.0)
