"""What the model picker shows of each model, and what becomes of a choice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cc_jupyter.conversation.speeds import Speed, Timing, speeds
from cc_jupyter.core.events import Usage
from cc_jupyter.frontend.picker.rows import (
    COLUMNS,
    Choice,
    UserStats,
    ceiling_of,
    code_cells,
    most_tokens_of,
    picker_rows,
    plain_form,
)
from cc_jupyter.models.catalog import CatalogEntry, Rates, Tier, load_catalog
from cc_jupyter.models.listing import ModelList
from cc_jupyter.models.registry import ModelEntry, known_models
from cc_jupyter.prompt.option_line.words import next_word
from cc_jupyter.prompt.options import parse_cell_line

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
FLASH = "deepseek/deepseek-v4-flash"


def model(*rates: str, **fields: object) -> ModelEntry:
    tiers = (Tier(None, Rates(*map(Decimal, rates))),) if rates else ()
    spec = CatalogEntry("m/one", "One", "m", ("/chat/completions",), tiers=tiers)
    return ModelEntry(spec._replace(**fields), is_listed=True, is_own=False)


def row(known: ModelEntry, figures: UserStats | None = None) -> dict[str, object]:
    (values,) = picker_rows([known], figures or UserStats(NOON))
    return dict(zip(COLUMNS, values, strict=True))


def all_models() -> dict[str, ModelEntry]:
    return known_models({}, ModelList({}, 0.0))


def test_a_row_says_all_that_is_known():
    shown = row(all_models()[FLASH])
    assert shown["maker"] == "DeepSeek"
    assert shown["input"].startswith("$")
    assert shown["output"].startswith("$")
    assert shown["window"] > 100_000
    assert shown["endpoint"] == "/chat/completions"
    assert shown["efforts"]


def test_what_is_unknown_is_a_question_mark_and_never_nothing():
    shown = row(model(), UserStats(NOON, Usage(100, 10)))
    assert (shown["input"], shown["output"], shown["last"]) == ("?", "?", "?")
    assert (shown["band"], shown["cost"]) == ("?", None)
    assert (shown["window"], shown["ceiling"]) == (None, None)
    assert "price unknown" in shown["notes"]


@pytest.mark.parametrize(
    ("rates", "band"),
    [
        (("0", "0"), "free"),
        (("0.1", "0"), "low"),
        (("0.1", "1"), "low"),
        (("0.1", "1.01"), "middle"),
        (("1", "5"), "middle"),
        (("1", "5.5"), "high"),
    ],
)
def test_the_band_goes_by_the_price_of_the_answer_and_free_is_free(rates, band):
    assert row(model(*rates))["band"] == band


def test_the_last_prompt_is_priced_for_each_model_and_marked_as_estimated():
    figures = UserStats(NOON, Usage(1_000_000, 100_000))
    assert row(model("2", "10"), figures)["last"] == "~$3.00"
    assert row(model("0", "0"), figures)["last"] == "~$0"


def test_nothing_is_priced_before_there_was_a_prompt():
    assert row(model("2", "10"))["last"] == ""


def test_the_last_prompt_costs_more_in_peak_hours():
    peaking = all_models()[FLASH]
    hours = peaking.spec.peak.hours
    week = [NOON + timedelta(hours=hour) for hour in range(7 * 24)]
    peak = next(instant for instant in week if hours.covers(instant))
    calm = next(instant for instant in week if not hours.covers(instant))
    usage = Usage(1_000_000, 100_000)
    shown = [row(peaking, UserStats(instant, usage))["last"] for instant in (peak, calm)]
    assert shown[0] != shown[1]


def test_own_speeds_are_said_with_how_much_was_measured():
    measured = {"m/one": Speed(3, 0.42, 210.4)}
    text = row(model("1", "1"), UserStats(NOON, speeds=measured))["speed"]
    assert text == "210 tok/s · 0.4 s to first token (median of your last 3)"
    slow = {"m/one": Speed(1, 12.0, None)}
    text = row(model("1", "1"), UserStats(NOON, speeds=slow))["speed"]
    assert text == "12.0 s to first token (your last answer)"
    assert row(model("1", "1"))["speed"] == ""


def test_an_answer_is_never_longer_than_the_window():
    assert ceiling_of(model(context_tokens=1000, max_output_tokens=5000)) == 1000
    assert ceiling_of(model(context_tokens=5000, max_output_tokens=1000)) == 1000
    assert ceiling_of(model(max_output_tokens=1000)) == 1000


def test_a_longest_answer_that_nobody_published_is_not_guessed_from_the_window():
    assert ceiling_of(model(context_tokens=5000)) is None


def test_no_more_can_be_asked_for_than_the_window_holds():
    assert most_tokens_of(model(context_tokens=5000)) == 5000
    assert most_tokens_of(model(context_tokens=5000, max_output_tokens=1000)) == 1000
    assert most_tokens_of(model()) is None


def test_a_row_holds_the_words_by_which_models_are_chosen():
    words = row(model("0.1", "0.2", image_input=True))["words"]
    assert {"cheap", "image", "chat"} <= set(words)
    assert not {"free", "reasoning", "messages"} & set(words)


def test_the_rows_of_all_models_are_small():
    every = all_models().values()
    assert len(every) == len(load_catalog().models)
    assert len(json.dumps(picker_rows(every, UserStats(NOON)))) < 60_000


# ── speeds


def test_a_speed_is_the_median_of_the_last_twenty_answers():
    new = [Timing("m", 1.0, 2.0, 100)] * 11 + [Timing("m", 3.0, 5.0, 100)] * 9
    old = [Timing("m", 90.0, 99.0, 100)] * 30
    assert speeds([*new, *old]) == {"m": Speed(20, 1.0, 100.0)}


def test_short_answers_say_nothing_of_the_speed():
    assert speeds([Timing("m", 1.0, 2.0, 9)])["m"].tokens_per_s is None
    assert speeds([Timing("m", 1.0, 2.0, None)])["m"].tokens_per_s is None
    assert speeds([Timing("m", 1.0, 1.0, 100)])["m"].tokens_per_s is None


# ── the choice as code


@pytest.mark.parametrize("model_id", ["a\n!rm x", "a b", "a?", "'", "$x", "{x}"])
def test_an_odd_id_from_a_list_writes_no_code_of_its_own(model_id):
    (cell,) = code_cells(Choice(model_id))
    assert cell == f"%config CmdMagics.model = {model_id!r}"
    assert len(cell.splitlines()) == 1


def test_the_code_is_what_a_user_would_type():
    choice = Choice("m/one", 0.3, 500, "high", thread="research")
    (cell,) = code_cells(choice)
    assert cell.splitlines() == [
        "%cmd use m/one",
        "%config CmdMagics.temperature = 0.3",
        "%config CmdMagics.max_tokens = 500",
        "%config CmdMagics.effort = 'high'",
        "%cmd thread research",
    ]


def test_what_is_not_chosen_is_not_written():
    assert code_cells(Choice("m/one", thread="default")) == ["%cmd use m/one"]
    assert code_cells(Choice()) == []


@pytest.mark.parametrize("system", ["Be brief.", "Don't.", 'Say "yes".', "C:\\", "a -> b", "ä €"])
def test_a_system_prompt_goes_into_the_line_of_a_cell_to_the_letter(system):
    _, cell = code_cells(Choice("m/one", system=system))
    assert parse_cell_line(cell.removeprefix("%%cmd ").rstrip("\n")).system == system


@pytest.mark.parametrize("system", ["two\nlines", "'both\"", "braces {{ x }}", "a\x00b", "\u2028"])
def test_a_system_prompt_that_fits_no_line_goes_in_by_a_variable(system):
    first, second = code_cells(Choice("m/one", system=system))
    namespace: dict[str, str] = {}
    exec(first.splitlines()[-1], namespace)
    assert namespace["system_prompt"] == system
    assert next_word(second, len("%%cmd -s")).value == "{{ system_prompt }}"


def test_the_plain_form_has_no_markup_of_a_model_in_it():
    form = plain_form("Model: <b>x</b>", Choice("<script>alert(1)</script>"), "a & b")
    assert "<script>" not in form["text/html"]
    assert "&lt;script&gt;" in form["text/html"]
    assert "<b>x" not in form["text/html"]
    assert form["text/plain"].startswith("Model: <b>x</b> (a & b)\n")
