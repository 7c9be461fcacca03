"""The value `Grid`: replies in the order of the plan, a data frame, a summary, a plot."""

from __future__ import annotations

import math
import pickle
import sys
from decimal import Decimal

import pytest
from support import grids
from support.grids import MODELS, grid, plan, reply

from cc_jupyter.core.errors import ConfigError, OptionError, RateLimitError
from cc_jupyter.core.events import USAGE_FIELDS, Usage
from cc_jupyter.core.messages import ResponseFormat
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.experiments.agreement import agreement_line, compare_answers
from cc_jupyter.experiments.figures import cost_origin, total_cost
from cc_jupyter.experiments.statistics import bootstrap_interval, wilson_interval
from cc_jupyter.prompt.output_types import OutputType


def is_yes(text):
    return "yes" in text


def typed(label="list"):
    return OutputType(label, ResponseFormat("x", {}), read=lambda parsed: parsed)


def failed(text=""):
    return reply(text, error=grids.too_many())


def test_it_is_a_sequence_of_replies_in_the_order_of_the_plan():
    a_grid = grid(plan(samples=2), list("abcdef"))
    assert len(a_grid) == 6
    assert [str(each) for each in a_grid] == list("abcdef")
    assert str(a_grid[3]) == "d"
    assert a_grid[-1].text == "f"
    assert [each.text for each in a_grid[1::2]] == ["b", "d", "f"]
    with pytest.raises(IndexError):
        a_grid[6]


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (grid(plan(samples=2), ["a"]), "<Grid: 3 combinations x 2 samples, 6 answers, $0.0072>"),
        (
            grid(plan(model=("m",)), [failed()]),
            "<Grid: 1 combination x 1 sample, 0 answers, 1 failed, $0>",
        ),
        (
            grid(plan(), [reply("a", cost=UNKNOWN_COST), reply("b")]),
            "<Grid: 3 combinations x 1 sample, 3 answers, $0.0012 + $?>",
        ),
        (grid(plan(), ["a"], is_blind=True), "<Grid: 3 combinations x 1 sample, 3 answers>"),
    ],
)
def test_its_repr_is_one_line(made, shown):
    assert repr(made) == shown


# the data frame


def test_the_data_frame_has_the_columns_of_the_contract():
    frame = grid(
        plan(samples=2, checks=("is_yes", "len(answer) > 1"), model=MODELS, temperature=(0.0, 1.0)),
        ["yes", "no", failed()],
        checks=(is_yes, lambda text: None),
    ).df
    assert list(frame.columns) == [
        *("model", "temperature", "sample", "answer", "value", "is_yes", "len(answer) > 1"),
        *USAGE_FIELDS,
        *("cost_usd", "cost_origin", "first_token_s", "total_s", "stop_reason", "error"),
        "request_key",
    ]
    assert len(frame) == 12
    assert list(frame["sample"][:4]) == [0, 1, 0, 1]
    assert frame["cost_usd"].sum() == pytest.approx(8 * 0.0012)
    assert frame["is_yes"].sum() == 4
    assert frame["is_yes"].isna().sum() == 4
    assert frame["len(answer) > 1"].isna().all()
    assert frame["output_tokens"].sum() == 320
    assert frame["error"][2] == "RateLimitError: too many requests: the limit is 5 a minute"
    assert frame["value"].isna().sum() == 4


def test_unknown_figures_are_missing_not_zero():
    frame = grid(plan(model=("m",)), [reply("a", cost=UNKNOWN_COST, usage=Usage())]).df
    assert math.isnan(frame["cost_usd"][0])
    assert frame["cost_origin"][0] == "unknown"
    assert frame["output_tokens"].isna().all()


@pytest.mark.parametrize(
    ("cost", "origin"),
    [
        (reply("a").cost, "listed"),
        (Cost(Decimal(1), "reported", None, table_usd=Decimal(2)), "reported"),
        (Cost(Decimal(1), "estimated", None), "estimated"),
        (UNKNOWN_COST, "unknown"),
    ],
)
def test_a_cost_says_where_it_comes_from(cost, origin):
    assert cost_origin(cost) == origin


def test_a_sum_of_costs_is_as_reliable_as_its_worst_part():
    estimated = reply("a", cost=Cost(Decimal("0.01"), "estimated", None))
    assert str(total_cost([reply("a"), estimated])) == "~$0.0112"
    assert total_cost([reply("a"), estimated]).origin == "estimated"
    assert str(total_cost([reply("a", cost=UNKNOWN_COST)])) == "$?"
    # a refused request costs nothing and makes no figure less reliable
    assert total_cost([reply("a"), failed()]).origin == "listed"


def test_varied_names_and_checks_with_the_name_of_a_column_get_another():
    frame = grid(plan(checks=("value",), answer=("x", "y")), ["yes"], checks=(is_yes,)).df
    assert frame.columns[0] == "vary_answer"
    assert "check value" in frame.columns
    assert frame.columns.is_unique


def test_values_of_any_type_are_values_of_the_column():
    a_grid = grid(plan(output_type=typed()), ["[1]"], values=[[1], {"a": 2}, None])
    assert list(a_grid.df["value"]) == [[1], {"a": 2}, None]


@pytest.mark.parametrize(
    ("module", "wanted"), [("pandas", lambda g: g.df), ("matplotlib", lambda g: g.plot())]
)
def test_without_an_optional_package_the_error_names_it(module, wanted, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"needs {module}") as caught:
        wanted(grid(plan(), [reply("yes", usage=Usage(10, 20))]))
    assert f"pip install {module}" in caught.value.hint


# agreement


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["yes"], "agreement 100 %: all 6 answers are the same"),
        (["yes ", "yes\n"], "agreement 100 %: all 6 answers are the same"),
        (list("aaabbc"), "agreement 50 %: 3 of 6 answers equal the most frequent"),
        (list("aabbcc"), "agreement 33 %: no answer is the most frequent of 6"),
        (["a", "a", "a", "b", failed(), "a"], "agreement 80 %: 4 of 5 answers equal the most"),
        (["a", "x" * 80], "agreement 50 %: no answer is"),
        (["a", "x" * 81], ""),
        ([failed()], ""),
        (["a", *[failed()] * 5], ""),
        (["", "a"], ""),
    ],
)
def test_short_answers_to_one_prompt_are_compared(texts, line):
    found = agreement_line(compare_answers(grid(plan(samples=2), texts)))
    assert found.startswith(line)
    assert bool(found) == bool(line)


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ([[1, 2], [1, 2], [2, 1]], "67 %"),
        ([{"a": 1}, {"a": 1}, {"a": 1}], "100 %"),
        ([1, True, "1"], "33 %"),
        ([None, None, 0], "67 %"),
        (["x" * 500, "x" * 500, "y"], "67 %"),
    ],
)
def test_typed_values_are_compared_whatever_their_length(values, share):
    a_grid = grid(plan(output_type=typed()), ["…" * 100], values=values)
    assert agreement_line(compare_answers(a_grid)).startswith(f"agreement {share}")


def test_only_answers_to_the_same_prompt_are_compared():
    a_grid = grid(plan(model=MODELS, topic=("rain", "sun")), ["a", "b", "a", "b", "a", "c"])
    rain, sun = compare_answers(a_grid)
    assert not rain.differs
    assert sun.counts == (("b", 2), ("c", 1))
    assert agreement_line((rain, sun)) == (
        "agreement 83 %: 5 of 6 equal their prompt's most frequent;"
        " the answers differ on 1 of 2 prompts"
    )


def test_another_system_prompt_is_another_prompt():
    a_grid = grid(plan(system=("be brief", "be long")), ["a", "b"])
    assert agreement_line(compare_answers(a_grid)) == ""


# the summary


def test_a_row_for_each_combination_with_its_wilson_interval():
    a_grid = grid(plan(samples=4, checks=("is_yes",)), list("yyyn"), checks=(lambda t: t == "y",))
    summary = a_grid.summary()
    assert [row["model"] for row in summary] == list(MODELS)
    low, high = wilson_interval(3, 4)
    assert summary[0]["pass rate"] == f"75 % ({100 * low:.0f} to {100 * high:.0f} %)"
    assert summary[0]["agreement"] == "75 %"
    assert "Wilson" in summary.caption
    frame = summary.df
    assert list(frame["n"]) == [4, 4, 4]
    assert frame["pass_rate_low"][0] == pytest.approx(low)
    assert frame["median_first_token_s"][0] == pytest.approx(0.42)


def test_over_several_prompts_the_rate_is_the_mean_of_theirs_with_a_bootstrap():
    a_plan = plan(samples=2, checks=("is_yes",), model=("m", "n"), topic=("a", "b", "c"))
    summary = grid(a_plan, ["yes", "yes", "yes", "no", "no", "no"], checks=(is_yes,)).summary()
    assert [row["model"] for row in summary] == ["m", "n"]
    low, high = bootstrap_interval([1.0, 0.5, 0.0])
    assert summary[0]["pass rate"] == f"50 % ({100 * low:.0f} to {100 * high:.0f} %)"
    assert "bootstrap interval over the prompts" in summary.caption
    assert "3 prompts" in summary.caption


def test_what_is_summarised_over_can_be_chosen():
    a_grid = grid(plan(model=("m", "n"), topic=("a", "b")), ["x" * 99])
    assert len(a_grid.summary()) == 2
    assert [row["topic"] for row in a_grid.summary(over=())] == ["a", "b", "a", "b"]
    # with nothing else to compare, the prompts are what is compared
    assert len(grid(plan(topic=("a", "b")), ["x"]).summary()) == 2
    with pytest.raises(OptionError, match="cannot summarise over model: it varies topic"):
        a_grid.summary(over=["model"])


def test_a_tie_is_no_agreement_of_0_percent():
    """Two models that differ and are each of one mind: no value is the most frequent."""
    row = grid(plan(samples=2, model=("m", "n")), ["a", "a", "b", "b"]).summary()[0]
    assert "agreement" not in row


def test_columns_without_a_figure_are_left_out_of_the_summary():
    row = grid(plan(), ["x" * 99]).summary()[0]
    assert not {"agreement", "pass rate"} & set(row)


def test_failures_and_checks_that_cannot_be_evaluated_count_for_no_rate():
    results = {"y": True, "n": False, "?": None}
    a_plan = plan(samples=4, checks=("c",), model=("m",))
    summary = grid(a_plan, ["y", "n", "?", failed()], checks=(results.get,)).summary()
    assert summary[0]["failed"] == 1
    assert summary[0]["pass rate"].startswith("50 %")


# the plot


def axes_of(a_grid):
    (axes,) = a_grid.plot().figure.axes
    return axes


def test_the_plot_shows_cost_against_pass_rate_with_its_interval():
    a_grid = grid(plan(samples=2, checks=("c",)), ["yes", "no"], checks=(is_yes,))
    axes = axes_of(a_grid)
    assert axes.get_xlabel() == r"cost of 1,000 answers (US\$)"
    assert axes.containers[0].lines[0].get_xdata()[0] == pytest.approx(1.2)
    assert axes.get_ylabel() == "pass rate, 95 % interval"
    assert [text.get_text()[1:] for text in axes.get_legend().get_texts()] == list(MODELS)
    assert a_grid.plot()._repr_png_().startswith(b"\x89PNG")
    assert repr(a_grid.plot()) == "cost against pass rate of 3 combinations"


def test_without_checks_it_shows_cost_against_speed():
    axes = axes_of(grid(plan(), ["yes"]))
    assert axes.get_ylabel() == "speed (output tokens a second, median)"
    (point,) = axes.containers[0].lines[0].get_ydata()
    assert point == pytest.approx(40 / (2 - 0.42))


def test_combinations_of_unknown_cost_are_named_as_left_out():
    axes = axes_of(grid(plan(), ["a", reply("b", cost=UNKNOWN_COST), "c"]))
    assert axes.get_title(loc="right") == "without 1 combination of unknown cost or result"


def test_a_label_with_signs_of_mathematics_is_drawn_as_text():
    a_grid = grid(plan(topic=("_x", "$a^{$", "\\frac{")), ["yes"])
    assert a_grid.plot()._repr_png_()


def test_nothing_to_plot_is_an_error_with_what_to_do():
    with pytest.raises(OptionError, match="nothing to plot"):
        grid(plan(), [failed()]).plot()


# pickling


def test_a_grid_survives_pickling_without_its_requests():
    a_grid = grid(
        plan(samples=2, output_type=typed(), error=grids.too_many()),
        ["1", failed("half")],
        values=[1],
    )
    again = pickle.loads(pickle.dumps(a_grid))
    assert repr(again) == repr(a_grid)
    assert again.id == a_grid.id
    assert [str(each) for each in again] == [str(each) for each in a_grid]
    assert isinstance(again[1].error, RateLimitError)
    assert again.answers[1].combination.prepared is None
    assert again.plan.output_type.label == "list"
    assert again._repr_mimebundle_() == a_grid._repr_mimebundle_()
    with pytest.raises(TypeError, match="unpickled plan"):
        again.plan.output_type.validate("1")


def test_a_pickled_grid_remembers_whether_it_was_revealed_and_not_who_draws_it():
    a_grid = grid(plan(), ["a"], is_blind=True)
    a_grid.revealed.connect(lambda: None)
    assert pickle.loads(pickle.dumps(a_grid)).hides_models
    a_grid.revealed.reveal()
    assert not pickle.loads(pickle.dumps(a_grid)).hides_models
