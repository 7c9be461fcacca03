"""Costs, calculated by hand from the rates in the catalog (USD per million tokens)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Context, Decimal, localcontext

import pytest

from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import UNKNOWN_COST, Cost, format_usd
from cc_jupyter.models.catalog import CatalogEntry, load_catalog
from cc_jupyter.models.pricing import price

MODELS = load_catalog().models
PRICE_DATE = date(2026, 10, 8)
OFF_PEAK = datetime(2026, 10, 8, 12, 0, tzinfo=UTC)
PEAK = datetime(2026, 10, 8, 6, 0, tzinfo=UTC)


def cost_of(model_id, usage, sent_at=OFF_PEAK, **options):
    return price(MODELS[model_id], usage, sent_at, price_date=PRICE_DATE, **options)


def usage_of(prompt, output, read=None, write=None, reasoning=None):
    return Usage(prompt, output, read, write, reasoning)


@pytest.mark.parametrize(
    ("model_id", "usage", "usd"),
    [
        # Chat Completions: 180 x 0.15 + 1024 x 0.003 + 312 x 0.6 millionths
        ("deepseek/deepseek-v4-flash", usage_of(1_204, 312, 1_024, None, 88), "0.000217272"),
        # 9 x 0.75 + 3 x 4.5
        ("gpt-5.4-mini", usage_of(9, 3), "0.00002025"),
        # an empty answer: 1000 x 1.25
        ("meta/muse-spark-1.3", usage_of(1_000, 0), "0.00125"),
        # 700 x 1.5 + 200 x 0.15 + 100 x 0.08334 + 50 x 7.5
        ("google/gemini-3.7-flash", usage_of(1_000, 50, 200, 100), "0.001463334"),
        # Messages, 25 plain + 4000 read + 1000 written, made whole by the decoder:
        # 25 x 10 + 4000 x 0.25 + 1000 x 12.5 + 500 x 50
        ("claude-fable-5-1", usage_of(5_025, 500, 4_000, 1_000), "0.03875"),
        # the same with the older model's cache: 4000 x 1
        ("claude-fable-5", usage_of(5_025, 500, 4_000, 1_000), "0.04175"),
        # all of the prompt from the cache: 2000 x 0.2 + 10 x 10
        ("claude-sonnet-5-5", usage_of(2_000, 10, 2_000, 0, 7), "0.0005"),
        ("stealth/glyph-cluster:free", usage_of(5_000, 5_000, 1_000), "0"),
    ],
)
def test_every_token_is_counted_once_at_its_own_rate(model_id, usage, usd):
    assert cost_of(model_id, usage) == Cost(Decimal(usd), "reported", PRICE_DATE)


def test_reasoning_is_not_charged_twice():
    thinking = cost_of("claude-opus-5", usage_of(100, 200, reasoning=150))
    assert thinking == cost_of("claude-opus-5", usage_of(100, 200))


@pytest.mark.parametrize(
    ("prompt", "usd"),
    [
        (272_000, "0.554"),  # 272000 x 2 + 1000 x 10
        (272_001, "1.103004"),  # 272001 x 4 + 1000 x 15
    ],
)
def test_a_tier_applies_to_the_whole_request(prompt, usd):
    assert cost_of("gpt-6-sol", usage_of(prompt, 1_000)).usd == Decimal(usd)


def test_a_tier_is_chosen_by_the_whole_prompt_cached_tokens_included():
    # 100 001 tokens of prompt, 1 of them plain: 1 x 0.5 + 90000 x 0.05 + 10000 x 0.625 + 100 x 2.5
    above = cost_of("claude-haiku-5-5", usage_of(100_001, 100, 90_000, 10_000))
    assert above.usd == Decimal("0.0110005")
    # 100 000, none of them plain: 90000 x 0.01 + 10000 x 0.125 + 100 x 0.5
    within = cost_of("claude-haiku-5-5", usage_of(100_000, 100, 90_000, 10_000))
    assert within.usd == Decimal("0.0022")


@pytest.mark.parametrize(
    ("prompt", "usd"),
    [
        (32_000, "0.00109"),  # 32000 x 0.03 + 1000 x 0.13
        (32_001, "0.0036001"),  # 32001 x 0.1 + 1000 x 0.4
        (256_000, "0.026"),  # 256000 x 0.1 + 1000 x 0.4
        (256_001, "0.0520002"),  # 256001 x 0.2 + 1000 x 0.8
    ],
)
def test_a_model_may_have_three_tiers(prompt, usd):
    assert cost_of("Qwen/Qwen3.7-Flash", usage_of(prompt, 1_000)).usd == Decimal(usd)


def test_peak_hours_are_judged_at_the_instant_of_sending():
    usage = usage_of(1_000, 1_000, 500)
    # 500 x 0.66 + 500 x 0.022 + 1000 x 1.98, and twice that
    assert cost_of("deepseek/deepseek-v4-pro", usage, OFF_PEAK).usd == Decimal("0.002321")
    assert cost_of("deepseek/deepseek-v4-pro", usage, PEAK).usd == Decimal("0.004642")


# ── what is not known


@pytest.mark.parametrize(
    "usage",
    [Usage(), usage_of(None, 5), usage_of(5, None), usage_of(None, None, 5, 5, 5)],
)
def test_no_invented_figure_an_absent_usage_is_never_priced(usage):
    assert cost_of("gpt-5.5", usage) == Cost(None, "unknown", None)
    assert cost_of("gpt-5.5", usage, estimated=True) == Cost(None, "unknown", None)
    assert cost_of("stealth/glyph-cluster:free", usage).usd is None


def test_no_invented_figure_an_unknown_price_is_never_zero():
    usage = usage_of(100, 100)
    unpriced = CatalogEntry("some/model", "Some Model", "someone", ("/chat/completions",))
    assert price(None, usage, OFF_PEAK, price_date=PRICE_DATE) is UNKNOWN_COST
    assert price(unpriced, usage, OFF_PEAK, price_date=PRICE_DATE) is UNKNOWN_COST
    assert UNKNOWN_COST.usd is None


@pytest.mark.parametrize(
    ("model_id", "sent_at"),
    [
        ("google/gemini-3.8-flash", OFF_PEAK),
        ("deepseek/deepseek-v4-flash", PEAK),
        ("poolside/laguna-s-2.1-free", OFF_PEAK),
    ],
)
def test_no_invented_figure_tokens_without_a_rate_make_the_cost_unknown(model_id, sent_at):
    cost = cost_of(model_id, usage_of(100, 10, 0, 1), sent_at)
    assert cost == replace(UNKNOWN_COST, unpriced=("1 cache-write token",))


@pytest.mark.parametrize("write", [None, 0])
def test_a_missing_rate_does_not_matter_when_no_such_tokens_were_reported(write):
    # 100 x 1.5 + 10 x 7.5
    cost = cost_of("google/gemini-3.8-flash", usage_of(100, 10, 0, write))
    assert cost == Cost(Decimal("0.000225"), "reported", PRICE_DATE)


def test_a_rate_published_as_zero_is_a_rate():
    # 900 x 2.5 + 100 x 0 + 10 x 15
    assert cost_of("gpt-5.4", usage_of(1_000, 10, 0, 100)).usd == Decimal("0.0024")


# ── how far to trust it


def test_an_estimate_says_so():
    cost = cost_of("gpt-5.5", usage_of(1_000, 500), estimated=True)
    assert cost == Cost(Decimal("0.02"), "estimated", PRICE_DATE)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (usage_of(100, 10, 150), "0.00012"),  # all 100 cached: 100 x 0.2 + 10 x 10
        (usage_of(100, 10, 80, 50), "0.000166"),  # 80 x 0.2 + 20 x 2.5 + 10 x 10
        (usage_of(100, 10, -5), "0.0003"),  # 100 x 2 + 10 x 10
        (usage_of(100, 10, 0, -5), "0.0003"),
        (usage_of(-100, 10), "0.0001"),
        (usage_of(-100, 10, 20, 20), "0.0001"),
        (usage_of(100, -10), "0.0002"),
    ],
)
def test_counts_that_contradict_each_other_are_cut_and_the_cost_is_estimated(usage, usd):
    cost = cost_of("claude-sonnet-5", usage)
    assert cost == Cost(Decimal(usd), "estimated", PRICE_DATE)


SEARCHES = ("2 web search requests",)


@pytest.mark.parametrize(
    "change",
    [
        {"unpriced": SEARCHES},
        {"doubt": "the provider reported impossible token counts"},
        {"estimated": ("output_tokens",)},
    ],
)
def test_what_the_price_list_does_not_cover_makes_the_cost_an_estimate(change):
    cost = cost_of("claude-sonnet-5", replace(usage_of(1_000, 500), **change))
    # 1000 x 2 + 500 x 10
    unpriced = change.get("unpriced", ())
    assert cost == Cost(Decimal("0.007"), "estimated", PRICE_DATE, unpriced=unpriced)


def test_an_unknown_cost_names_what_else_was_billed():
    usage = replace(usage_of(None, 5), unpriced=SEARCHES)
    assert cost_of("gpt-5.5", usage) == replace(UNKNOWN_COST, unpriced=SEARCHES)


@pytest.mark.parametrize(
    ("model_id", "usd"),
    [
        # 1000 plain x 2 + 3000 for five minutes x 2.5 + 1000 for an hour x 4 + 10 x 10
        ("claude-sonnet-5", "0.0136"),
        # 1000 x 5 + 3000 x 6.25 + 1000 x 10 + 10 x 25
        ("claude-opus-5", "0.034"),
    ],
)
def test_an_hour_in_the_cache_costs_twice_the_input_rate(model_id, usd):
    usage = replace(usage_of(5_000, 10, 0, 4_000), hour_cache_write_tokens=1_000)
    assert cost_of(model_id, usage) == Cost(Decimal(usd), "reported", PRICE_DATE)


def test_an_hour_in_the_cache_of_another_maker_has_no_rate():
    usage = replace(usage_of(5_000, 10, 0, 4_000), hour_cache_write_tokens=1_000)
    missing = ("1,000 one-hour cache-write tokens",)
    assert cost_of("gpt-6-sol", usage) == replace(UNKNOWN_COST, unpriced=missing)


@pytest.mark.parametrize(
    ("model_id", "longest", "usd", "origin"),
    [
        # one price at any length: 150000 x 2 + 1000 x 10
        ("claude-sonnet-5", 90_000, "0.31", "reported"),
        # tiers: the longest prompt decides, 150000 x 0.1 + 1000 x 0.5, else x 0.5 and x 2.5
        ("claude-haiku-5-5", 90_000, "0.0155", "estimated"),
        ("claude-haiku-5-5", 100_001, "0.0775", "estimated"),
    ],
)
def test_several_prompts_are_priced_at_the_rates_of_the_longest(model_id, longest, usd, origin):
    usage = replace(usage_of(150_000, 1_000), longest_prompt_tokens=longest)
    assert cost_of(model_id, usage) == Cost(Decimal(usd), origin, PRICE_DATE)


@pytest.mark.parametrize(
    "usage", [usage_of(1_000, 500), replace(usage_of(1_000, 500), unpriced=SEARCHES)]
)
@pytest.mark.parametrize("estimated", [False, True])
def test_the_providers_own_cost_wins_and_the_listed_price_stays_beside_it(usage, estimated):
    own = replace(usage, provider_usd=Decimal("0.0042"))
    cost = cost_of("claude-sonnet-5", own, estimated=estimated)
    assert cost == Cost(Decimal("0.0042"), "reported", None, table_usd=Decimal("0.007"))


@pytest.mark.parametrize("usage", [Usage(), usage_of(5, None), usage_of(5, 5)])
def test_the_providers_own_cost_needs_no_price_list(usage):
    own = replace(usage, provider_usd=Decimal("0.5"))
    assert price(None, own, OFF_PEAK, price_date=None) == Cost(Decimal("0.5"), "reported", None)


# ── exactness


def test_money_is_decimal():
    # 3 x 0.1: as floats 0.30000000000000004
    cost = cost_of("claude-haiku-4-5-20251001", usage_of(3, 0, 3))
    assert type(cost.usd) is Decimal
    assert cost.usd == Decimal("0.0000003")


def test_money_does_not_depend_on_the_decimal_context_of_the_notebook():
    usage = usage_of(123_457, 98_765, 23_456)
    # 100001 x 0.435 + 23456 x 0.0036 + 98765 x 0.87
    expected = Decimal("0.1295104266")
    with localcontext(Context(prec=3, rounding=ROUND_DOWN)):
        cost = cost_of("xiaomi/mimo-v2.5-pro", usage)
        shown = format_usd(Decimal("1234.567"))
    assert cost.usd == expected
    assert shown == "$1,234.57"


def test_huge_counts_stay_exact():
    assert cost_of("claude-opus-5", usage_of(10**30 + 1, 0)).usd == Decimal(
        "5000000000000000000000000.000005"
    )


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0"),
        ("0.000000", "$0"),
        ("0.00000001", "<$0.0001"),
        ("0.00009999", "<$0.0001"),
        ("0.0001", "$0.0001"),
        ("0.00025", "$0.0003"),
        ("0.000217272", "$0.0002"),
        ("0.5", "$0.5000"),
        ("0.99994", "$0.9999"),
        ("0.99995", "$1.00"),
        ("1", "$1.00"),
        ("1.00496", "$1.00"),
        ("12.345", "$12.35"),
        ("999.999", "$1,000.00"),
        ("1234567.8", "$1,234,567.80"),
        ("1E+2", "$100.00"),
    ],
)
def test_small_amounts_keep_four_decimals_and_none_is_rounded_to_zero(usd, shown):
    assert format_usd(Decimal(usd)) == shown


@pytest.mark.parametrize(
    ("usd", "shown"),
    [("0", "~$0"), ("0.00003", "~<$0.0001"), ("0.0312", "~$0.0312"), ("12.345", "~$12.35")],
)
def test_an_estimate_is_marked_unless_a_limit_is_shown(usd, shown):
    assert format_usd(Decimal(usd), estimated=True) == shown
