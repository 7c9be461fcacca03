"""The projected bill: what it is made of, and how often its interval holds the true bill.

The simulated provider counts tokens as real ones do: about four bytes each, a few more around each
prompt, and 8 % between rows; answers differ as those to labels, sentences and summaries do.
"""

from __future__ import annotations

import json
import math
import random
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median

import pytest
from vega_datasets import local_data

from cc_jupyter.core.events import NO_USAGE, Usage
from cc_jupyter.rows.projection import BillProjector, draw_preview, t_95

INPUT_USD, OUTPUT_USD, CACHE_READ_USD = Decimal("1e-6"), Decimal("5e-6"), Decimal("1e-7")


def cost(usage):
    read = usage.cache_read_tokens or 0
    return (
        (usage.input_tokens - read) * INPUT_USD
        + read * CACHE_READ_USD
        + usage.output_tokens * OUTPUT_USD
    )


def unknown(usage):
    return None


def usage_of(tokens_in, tokens_out, **more):
    return Usage(input_tokens=tokens_in, output_tokens=tokens_out, **more)


def projected(rows, size_bytes, answered, price=cost):
    projector = BillProjector(rows, size_bytes, price)
    for size, usage in answered:
        projector.add(size, usage, price(usage))
    return projector.projection()


def test_nothing_answered_is_no_projection():
    assert projected(10, 1_000, []) is None
    projector = BillProjector(10, 1_000, cost)
    projector.add(100, NO_USAGE, None)
    assert projector.projection() is None


def test_rows_are_projected_from_their_own_bytes():
    # 10 tokens and one for 4 bytes: the long rows that are left cost more than those answered
    sizes = [40, 80, 120, 160, 200]
    answered = [(size, usage_of(10 + size // 4, 6)) for size in sizes]
    found = projected(105, sum(sizes) + 100 * 4_000, answered)
    tokens_in = sum(10 + size // 4 for size in sizes) + 100 * 1_010
    assert (found.input_tokens, found.output_tokens) == (tokens_in, 105 * 6)
    assert float(found.usd) == pytest.approx(tokens_in * 1e-6 + 105 * 6 * 5e-6)
    low, high = found.interval_usd
    assert float(low) == pytest.approx(float(high)) == pytest.approx(float(found.usd))
    assert found.answered == 5


def test_rows_of_equal_size_cost_what_they_have_cost():
    found = projected(10, 1_000, [(100, usage_of(30, 4)), (100, usage_of(34, 8))])
    assert (found.input_tokens, found.output_tokens) == (320, 60)
    assert found.interval_usd is None  # of two rows


def test_a_run_that_has_ended_has_cost_what_it_has_cost():
    answered = [(100, usage_of(30, n)) for n in range(1, 7)]
    found = projected(6, 600, answered)
    assert found.usd == sum(cost(usage) for _, usage in answered)
    assert found.interval_usd == (found.usd, found.usd)


def test_cache_reads_count_as_reported():
    answered = [(1_000, usage_of(250, 5, cache_read_tokens=200)) for _ in range(5)]
    found = projected(10, 10_000, answered)
    assert float(found.usd) == pytest.approx(10 * (50 * 1e-6 + 200 * 1e-7 + 5 * 5e-6))


def test_the_providers_own_cost_counts():
    projector = BillProjector(10, 10_000, cost)
    for _ in range(5):
        usage = usage_of(250, 50, provider_usd=Decimal("0.01"))
        projector.add(1_000, usage, usage.provider_usd)
    assert float(projector.projection().usd) == pytest.approx(0.1)


def test_the_providers_own_cost_counts_without_a_list_price():
    projector = BillProjector(10, 10_000, unknown)
    for _ in range(5):
        usage = usage_of(250, 50, provider_usd=Decimal("0.01"))
        projector.add(1_000, usage, usage.provider_usd)
    assert float(projector.projection().usd) == pytest.approx(0.1)


def test_an_unknown_price_stays_unknown_and_tokens_are_projected():
    found = projected(10, 1_000, [(100, usage_of(30, 4))] * 5, unknown)
    assert (found.usd, found.interval_usd) == (None, None)
    assert (found.input_tokens, found.output_tokens) == (300, 40)


def test_a_free_model_is_projected_as_free():
    found = projected(10, 1_000, [(100, usage_of(30, 4))] * 5, lambda _: Decimal(0))
    assert (found.usd, found.interval_usd) == (Decimal(0), (Decimal(0), Decimal(0)))


def test_rows_of_an_earlier_run_inform_and_are_not_in_the_bill():
    projector = BillProjector(10, 1_000, cost)
    for _ in range(5):
        projector.add(100, usage_of(30, 4), Decimal("0.00005"), is_in_bill=False)
    found = projector.projection()
    assert float(found.usd) == pytest.approx(10 * 0.00005)
    assert found.output_tokens == 40


@pytest.mark.parametrize("size", [0, 1, 10**9])
def test_sizes_of_every_kind(size):
    found = projected(10, 10 * size, [(size, usage_of(30, 4))] * 6)
    assert found.usd is not None
    assert found.usd >= 0


def test_a_long_run_holds_a_sample_of_its_rows():
    chance = random.Random(3)
    projector = BillProjector(20_000, 20_000 * 100, cost)
    for _ in range(10_000):
        usage = usage_of(30, chance.randint(1, 9))
        projector.add(100, usage, cost(usage))
    assert len(projector._rows) == 400
    found = projector.projection()
    assert found.answered == 10_000
    assert float(found.usd) == pytest.approx(20_000 * 55e-6, rel=0.02)


@pytest.mark.parametrize(
    ("freedom", "expected"), [(4, 2.776), (5, 2.571), (9, 2.262), (19, 2.093), (99, 1.984)]
)
def test_students_t(freedom, expected):
    assert t_95(freedom) == pytest.approx(expected, rel=0.003)


def test_a_preview_is_the_same_each_time_and_has_short_and_long_rows():
    sizes = [*range(100, 0, -1)]
    drawn = draw_preview(sizes, 20, seed=20)
    assert drawn == draw_preview(sizes, 20, seed=20)
    assert drawn == sorted(set(drawn))
    assert drawn != draw_preview(sizes, 20, seed=21)
    assert sorted((sizes[place] - 1) // 5 for place in drawn) == list(range(20))


@pytest.mark.parametrize(("rows", "count"), [(0, 20), (5, 20), (20, 20), (21, 20), (1, 1)])
def test_a_preview_of_a_small_table(rows, count):
    drawn = draw_preview([7] * rows, count, seed=1)
    assert len(drawn) == len(set(drawn)) == min(rows, count)


def lognormal(chance, mean, deviation):
    """Draw from a log-normal distribution; the deviation is a share of the mean."""
    variance = math.log(1 + deviation**2)
    return chance.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


def car_sizes():
    rows = json.loads(Path(local_data.cars.filepath).read_text(encoding="utf-8"))
    return [60 + len(" ".join(map(str, row.values())).encode()) for row in rows]


def airport_sizes():
    return [55 + len(str(name).encode()) for name in local_data.airports()["name"]]


def text_sizes():
    """A few hundred bytes each, some of them of tens of thousands."""
    chance = random.Random(7)
    return [60 + int(lognormal(chance, 900, 1.6)) for _ in range(5_000)]


def a_sentence(chance, size):
    return lognormal(chance, 32, 0.25)


def a_label(chance, size):
    return chance.choice([6, 6, 6, 7, 7, 9])


def a_summary(chance, size):
    return lognormal(chance, 20 + 6 * math.sqrt(size), 0.45)


def simulate(sizes, answer, seed, count):
    """Return the true bill, the projected one and its interval, in dollars."""
    chance = random.Random(1_000 + seed)
    usages = [
        usage_of(
            round(11 + size / 4.2 * lognormal(chance, 1, 0.08)), max(1, round(answer(chance, size)))
        )
        for size in sizes
    ]
    projector = BillProjector(len(sizes), sum(sizes), cost)
    for place in draw_preview(sizes, count, seed):
        projector.add(sizes[place], usages[place], cost(usages[place]))
    found = projector.projection()
    low, high = found.interval_usd
    true = sum(usage.input_tokens for usage in usages) * 1e-6
    true += sum(usage.output_tokens for usage in usages) * 5e-6
    return true, float(found.usd), float(low), float(high)


@pytest.mark.parametrize(
    ("sizes", "answer", "count", "most_half_width"),
    [
        (car_sizes, a_sentence, 20, 0.15),
        (airport_sizes, a_label, 20, 0.15),
        (text_sizes, a_summary, 20, 0.30),
        (text_sizes, a_summary, 50, 0.16),
    ],
    ids=["cars", "airports", "long tail", "long tail, 50 rows"],
)
def test_the_interval_holds_the_true_bill_in_90_of_100_draws(sizes, answer, count, most_half_width):
    bytes_of_rows = sizes()
    draws = [simulate(bytes_of_rows, answer, seed, count) for seed in range(100)]
    held = sum(low <= true <= high for true, _, low, high in draws)
    half_width = median((high - low) / 2 / usd for _, usd, low, high in draws)
    bias = fmean(usd / true - 1 for true, usd, _, _ in draws)
    print(f"{held} of 100, half width {half_width:.1%}, bias {bias:+.1%}")
    assert held >= 90
    assert half_width < most_half_width
    assert abs(bias) < 0.05
