"""The catalog matches the price list of its date, and has nothing that the list leaves out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

import cc_jupyter.models.catalog
from cc_jupyter.models.catalog import CatalogEntry, Rates, Tier, endpoint_by_name, load_catalog

MODELS = load_catalog().models
PEAK_IDS = {
    "deepseek/deepseek-v4-flash",
    "deepseek/deepseek-v4-flash-vision-exp",
    "deepseek/deepseek-v4-pro",
    "deepseek/deepseek-v4.1-flash",
    "deepseek/deepseek-v4.1-flash-fast",
}


def rates(texts: str) -> Rates:
    """`in out read write`, those missing at the end unknown."""
    return Rates(*map(Decimal, texts.split()))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ── the file


def test_the_catalog_has_all_87_models():
    assert len(MODELS) == 87
    assert all(model_id == spec.id for model_id, spec in MODELS.items())


def test_the_catalog_carries_the_date_and_the_source_of_its_prices():
    catalog = load_catalog()
    assert catalog.price_date == date(2026, 10, 8)
    assert "pricing" in catalog.source


def test_the_catalog_is_read_once():
    assert load_catalog() is load_catalog()


def test_the_shared_catalog_cannot_be_changed():
    with pytest.raises(TypeError):
        MODELS["new"] = MODELS["gpt-5.5"]  # type: ignore[index]
    with pytest.raises(AttributeError, match="can't set attribute"):
        MODELS["gpt-5.5"].name = "other"  # type: ignore[misc]


def test_no_plan_names_are_in_the_catalog():
    text = (
        Path(cc_jupyter.models.catalog.__file__)
        .with_name("catalog.toml")
        .read_text(encoding="utf-8")
    )
    assert not re.search(r"\bplans?\b|\bGOAT\b|\bGo\b|upgrade", text)


def test_every_model_has_a_name_a_maker_one_endpoint_and_a_price():
    for spec in MODELS.values():
        assert spec.name, spec
        assert spec.maker, spec
        assert spec.endpoints in {("/messages",), ("/chat/completions",)}, spec
        assert spec.tiers, spec


def test_tiers_rise_and_the_last_one_has_no_limit():
    for spec in MODELS.values():
        *limits, last = [tier.up_to_tokens for tier in spec.tiers]
        assert last is None, spec
        assert None not in limits, spec
        assert limits == sorted(limits), spec


def test_money_is_decimal():
    figures = [
        figure
        for spec in MODELS.values()
        for tier in spec.tiers
        for figure in tier.rates
        if figure is not None
    ]
    assert len(figures) > 87 * 3
    assert {type(figure) for figure in figures} == {Decimal}
    assert min(figures) == 0


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("claude-fable-5-1", "10 50 0.25 12.5"),
        ("claude-opus-5-5", "4 20 0.2 5"),
        ("gpt-5.3-codex", "2 8 0.5 0"),
        ("google/gemini-3.7-flash", "1.5 7.5 0.15 0.08334"),
        ("google/gemini-3.8-flash", "1.5 7.5 0.15"),
        ("xai/grok-4.5", "2 6 0.5"),
        ("deepseek/deepseek-v4-pro", "0.66 1.98 0.022"),
        ("zai-org/GLM-5.2-Fast", "3 10.25 0.5"),
        ("Qwen/Qwen3.6-Max-Preview", "1.3 7.8 0.26 1.63"),
        ("xiaomi/mimo-v2.5-pro", "0.435 0.87 0.0036"),
        ("tencent/hy4-preview", "0.834 2.501 0.042"),
        ("mistral/mistral-large-4", "1.36 4.18 0.14"),
        ("poolside/laguna-s-2.1-free", "0 0 0"),
    ],
)
def test_rates_are_those_of_the_price_list(model_id, expected):
    assert MODELS[model_id].tiers == (Tier(None, rates(expected)),)


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("claude-haiku-5-5", [(100_000, "0.1 0.5 0.01 0.125"), (None, "0.5 2.5 0.05 0.625")]),
        ("gpt-6.1-sol", [(272_000, "2 10 0.1 2.5"), (None, "4 15 0.2 5")]),
        ("xai/grok-4.6", [(200_000, "2 6 0.5"), (None, "4 12 1")]),
        ("xai/grok-4.7", [(200_000, "2 6 0.5"), (None, "4 12 1")]),
        (
            "Qwen/Qwen3.7-Flash",
            [
                (32_000, "0.03 0.13 0.006 0.038"),
                (256_000, "0.1 0.4 0.02 0.125"),
                (None, "0.2 0.8 0.04 0.25"),
            ],
        ),
    ],
)
def test_tiers_are_those_of_the_price_list(model_id, expected):
    assert MODELS[model_id].tiers == tuple(Tier(up_to, rates(texts)) for up_to, texts in expected)


def test_thirteen_models_have_tiers_and_five_have_peak_hours():
    assert sum(len(spec.tiers) > 1 for spec in MODELS.values()) == 13
    assert {spec.id for spec in MODELS.values() if spec.peak} == PEAK_IDS


@pytest.mark.parametrize(
    ("model_id", "context", "max_output"),
    [
        ("claude-haiku-4-5-20251001", 200_000, 64_000),
        ("claude-haiku-5-5", 1_000_000, None),
        ("gpt-6-sol", 1_050_000, 128_000),
        ("moonshotai/Kimi-K3", 1_000_000, 1_048_576),
        ("mistral/mistral-large-4", None, None),
        ("stealth/glyph-cluster:free", None, None),
    ],
)
def test_a_limit_that_was_not_published_is_none(model_id, context, max_output):
    spec = MODELS[model_id]
    assert (spec.context_tokens, spec.max_output_tokens) == (context, max_output)


@pytest.mark.parametrize(
    ("model_id", "efforts", "reasons"),
    [
        ("claude-opus-5", ("low", "medium", "high", "xhigh", "max"), True),
        ("deepseek/deepseek-v4.1-flash", ("off", "low", "high", "max"), True),
        ("sakana/fugu-ultra", ("high", "xhigh"), True),
        ("moonshotai/Kimi-K2.7-Code", (), True),
        ("moonshotai/Kimi-K2.6", (), False),
    ],
)
def test_a_model_that_thinks_without_levels_takes_none(model_id, efforts, reasons):
    spec = MODELS[model_id]
    assert (spec.efforts, spec.reasons) == (efforts, reasons)


def test_image_input_and_zero_data_retention_are_marked():
    assert sum(spec.image_input for spec in MODELS.values()) == 65
    assert sum(not spec.zdr for spec in MODELS.values()) == 20
    assert not MODELS["deepseek/deepseek-v4-flash"].image_input
    assert MODELS["deepseek/deepseek-v4.1-flash"].image_input
    assert not MODELS["xai/grok-4.6"].zdr
    assert MODELS["xai/grok-4.7"].zdr


def test_a_model_is_free_only_when_its_price_is_known_to_be_zero():
    free = {spec.id for spec in MODELS.values() if spec.is_free}
    assert free == {
        "inclusionai/ling-3.0-flash-sante:free",
        "inclusionai/ling-3.1-flash:free",
        "poolside/laguna-s-2.1-free",
        "stealth/glyph-cluster:free",
    }
    assert all("free" in MODELS[model_id].note for model_id in free)
    unpriced = CatalogEntry("some/model", "Some Model", "someone", ("/chat/completions",))
    assert not unpriced.is_free


# ── endpoints


@pytest.mark.parametrize(
    ("model_id", "endpoint"),
    [
        ("claude-opus-9", "/messages"),
        ("gpt-9", "/chat/completions"),
        ("Claude-opus-9", "/chat/completions"),
        ("other/claude-opus-9", "/chat/completions"),
        ("claude", "/chat/completions"),
    ],
)
def test_only_an_id_that_begins_with_claude_goes_to_messages(model_id, endpoint):
    assert endpoint_by_name(model_id) == endpoint


def test_the_catalog_and_the_rule_by_name_agree():
    assert all(endpoint_by_name(spec.id) in spec.endpoints for spec in MODELS.values())


# ── which rates hold


@pytest.mark.parametrize(
    ("prompt_tokens", "tier"),
    [(0, 0), (32_000, 0), (32_001, 1), (256_000, 1), (256_001, 2), (9_000_000, 2)],
)
def test_a_tier_reaches_up_to_its_limit_inclusive(prompt_tokens, tier):
    spec = MODELS["Qwen/Qwen3.7-Flash"]
    assert spec.rates_at(prompt_tokens, utc("2026-10-08T12:00")) == spec.tiers[tier].rates


def test_a_model_without_tiers_has_no_rates():
    spec = CatalogEntry("some/model", "Some Model", "someone", ("/chat/completions",))
    assert spec.rates_at(1, utc("2026-10-08T12:00")) is None


@pytest.mark.parametrize(
    ("instant", "is_peak"),
    [
        ("2026-10-08T00:59:59.999999", False),  # a Thursday
        ("2026-10-08T01:00:00", True),
        ("2026-10-08T03:59:59.999999", True),
        ("2026-10-08T04:00:00", False),
        ("2026-10-08T05:59:59", False),
        ("2026-10-08T06:00:00", True),
        ("2026-10-08T09:59:59", True),
        ("2026-10-08T10:00:00", False),
        ("2026-10-09T02:00:00", True),  # Friday
        ("2026-10-10T02:00:00", False),  # Saturday
        ("2026-10-11T07:00:00", False),  # Sunday
        ("2026-10-12T01:00:00", True),  # Monday
        ("2026-08-14T02:00:00", False),  # a Friday before the scheme began
        ("2026-08-17T01:00:00", True),  # its first Monday
    ],
)
def test_peak_rates_hold_on_weekday_hours_and_not_at_their_end(instant, is_peak):
    spec = MODELS["deepseek/deepseek-v4-pro"]
    expected = rates("1.32 3.96 0.044" if is_peak else "0.66 1.98 0.022")
    assert spec.rates_at(1_000, utc(instant)) == expected


def test_peak_hours_begin_at_their_first_instant():
    peak = MODELS["deepseek/deepseek-v4-pro"].peak
    assert peak is not None
    assert peak.hours.since == utc("2026-08-16T16:00")
    every_hour = peak.hours._replace(since=utc("2026-10-08T02:00"))
    assert not every_hour.covers(utc("2026-10-08T01:59:59"))
    assert every_hour.covers(utc("2026-10-08T02:00"))


def test_peak_hours_are_judged_in_utc_whatever_the_time_zone():
    spec = MODELS["deepseek/deepseek-v4-flash"]
    tokyo = timezone(timedelta(hours=9))
    monday_in_utc = datetime(2026, 10, 11, 21, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert spec.rates_at(1, datetime(2026, 10, 8, 11, 0, tzinfo=tokyo)) == rates("0.3 1.2 0.006")
    assert spec.rates_at(1, datetime(2026, 10, 8, 2, 0, tzinfo=tokyo)) == rates("0.15 0.6 0.003")
    assert spec.rates_at(1, monday_in_utc) == rates("0.3 1.2 0.006")


def test_a_model_without_peak_hours_costs_the_same_at_any_hour():
    spec = MODELS["deepseek/deepseek-v4-flash-fast"]
    assert spec.rates_at(1, utc("2026-10-08T02:00")) == spec.rates_at(1, utc("2026-10-08T12:00"))
