"""Estimates: the tokens of a prompt, whether it fits, and what it may cost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.messages import Image, Message, Request
from cc_jupyter.core.paths import data_folder
from cc_jupyter.usage.budget import Budget, load_budget, save_budget
from cc_jupyter.usage.estimate import (
    Calibration,
    estimate_tokens,
    trim_to_window,
    usual_answer_tokens,
)


def request(*texts: str, system: str | None = None, images: int = 0) -> Request:
    shown = tuple(Image("image/png", b"x", None, "i") for _ in range(images))
    messages = tuple(
        Message("assistant" if at % 2 else "user", text, () if at else shown)
        for at, text in enumerate(texts)
    )
    return Request("m", "/chat/completions", messages, system)


def test_four_bytes_are_a_token_until_a_model_has_reported_its_own():
    calibration = Calibration()
    assert estimate_tokens(request("x" * 400, system="y" * 40), calibration) == 110
    calibration.learn("m", 500, 1_000)
    assert estimate_tokens(request("x" * 400), calibration) == 200
    assert calibration.tokens("other", 400) == 100


def test_an_image_is_counted_by_a_rule():
    assert estimate_tokens(request("x", images=2), Calibration()) == 1 + 3_000


@pytest.mark.parametrize(
    ("tokens", "size"), [(None, 1_000), (0, 1_000), (10**9, 1_000), (1, 10**6), (50, 10)]
)
def test_reports_that_cannot_be_teach_nothing(tokens, size):
    calibration = Calibration()
    calibration.learn("m", tokens, size)
    assert calibration.tokens("m", 400) == 100


def test_what_earlier_sessions_saw_is_asked_once():
    asked = []

    def recall(model: str) -> tuple[int, int]:
        asked.append(model)
        return 1_000, 2_000

    calibration = Calibration(recall)
    assert [calibration.tokens("m", 100) for _ in range(3)] == [50, 50, 50]
    assert asked == ["m"]


def test_newer_reports_weigh_more():
    calibration = Calibration()
    for _ in range(50):
        calibration.learn("m", 25_000, 100_000)
    for _ in range(10):
        calibration.learn("m", 50_000, 100_000)
    assert calibration.tokens("m", 1_000) > 450


@pytest.mark.parametrize(("past", "usual"), [([], 500), ([7], 7), ([1, 100, 5], 5), ([1, 2], 2)])
def test_the_usual_answer_is_the_median_of_the_past_ones(past, usual):
    assert usual_answer_tokens(past) == usual


# ── the window

LONG = request("q" * 400, "a" * 400, "r" * 400, "b" * 400, "s" * 400, system="y" * 40)
"""510 tokens by the rule of thumb."""


@pytest.mark.parametrize("window", [None, 510, 10**6])
def test_what_fits_or_may_fit_goes_out_whole(window):
    assert trim_to_window(LONG, window, Calibration(), trim=False) == (LONG, None)


def test_what_does_not_fit_is_an_error_that_says_by_how_much():
    with pytest.raises(OptionError, match="~10 tokens too long for m: ~510 of 500") as caught:
        trim_to_window(LONG, 500, Calibration(), trim=False)
    for way in ("--new", "%cmd rewind", "trim = true"):
        assert way in caught.value.hint


@pytest.mark.parametrize(("window", "left", "said"), [(500, 3, "1 oldest turn"), (110, 1, "2 old")])
def test_trimming_leaves_the_oldest_turns_out_with_a_notice(window, left, said):
    trimmed, notice = trim_to_window(LONG, window, Calibration(), trim=True)
    assert trimmed.messages == LONG.messages[-left:]
    assert trimmed.system == LONG.system
    assert said in notice


def test_a_single_prompt_that_is_too_long_cannot_be_trimmed():
    with pytest.raises(OptionError, match="too long"):
        trim_to_window(LONG, 100, Calibration(), trim=True)
    with pytest.raises(OptionError) as caught:
        trim_to_window(request("x" * 4_000), 100, Calibration(), trim=True)
    assert "larger window" in caught.value.hint


# ── budgets


@pytest.mark.parametrize(
    ("spent", "estimate", "passes"),
    [("0", "0.5", True), ("0.4", "0.1", True), ("0.4", "0.1000001", False), ("9", "0", False)],
)
def test_the_estimate_may_reach_the_budget_and_not_pass_it(spent, estimate, passes):
    budget = Budget(Decimal("0.5"))
    if passes:
        budget.check(Decimal(spent), Decimal(0), Decimal(estimate))
        return
    with pytest.raises(OptionError, match="would exceed the budget"):
        budget.check(Decimal(spent), Decimal(0), Decimal(estimate))


def test_an_unknown_price_cannot_be_held():
    with pytest.raises(OptionError, match="price of this model is unknown"):
        Budget(Decimal(1)).check(Decimal(0), Decimal(0), None)


@pytest.mark.parametrize(("spent", "note"), [("0.39", None), ("0.40", "80 %"), ("0.6", "120 %")])
def test_from_80_percent_on_it_says_how_much_is_used(spent, note):
    said = Budget(Decimal("0.5")).note(Decimal(spent))
    assert (said is None) == (note is None)
    assert note is None or note in said


def test_budgets_of_days_and_notebooks_are_saved_and_removed():
    assert load_budget("a") is None
    save_budget(Budget(Decimal(1), "day"), "a")
    assert load_budget("b") == Budget(Decimal(1), "day")
    save_budget(Budget(Decimal(2), "notebook"), "a")
    assert load_budget("a") == Budget(Decimal(2), "notebook")
    assert load_budget("b") is None
    save_budget(Budget(Decimal(3)), "a")
    assert load_budget("a") is None
    assert (data_folder() / "budgets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["{", '{"day": "much"}'])
def test_a_file_of_budgets_that_cannot_be_read_is_no_permission(text):
    save_budget(Budget(Decimal(1), "day"), "")
    (data_folder() / "budgets.json").write_text(text)
    with pytest.raises(ConfigError):
        load_budget("")
