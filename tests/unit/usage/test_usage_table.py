"""The ledger as a table, as a DataFrame, and as a plot."""

from __future__ import annotations

import io
import itertools
import sys
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import matplotlib.image
import matplotlib.style
import pytest

from cc_jupyter.conversation.records import LedgerRow
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.usage.report import UsagePoint, plot_usage, usage_table

KNOWN = LedgerRow("m", requests=3, input_tokens=30, output_tokens=3, reported_usd=Decimal("1.23"))
ROWS = [KNOWN, replace(KNOWN, group="n", unknown_tokens=1, unknown_cost=1)]
DAY = date(2026, 11, 27)
SIDES = ["left", "bottom"]


def test_a_table_has_the_sum_under_its_rows_and_figures_as_numbers():
    table = usage_table("model", ROWS, caption="x")
    assert [row["model"] for row in table] == ["m", "n", "all"]
    assert [row["in"] for row in table] == ["30", "30 + ?", "60 + ?"]
    assert [row["cost"] for row in table][1:] == [
        "$1.23 + 1 request of unknown cost",
        "$2.46 + 1 request of unknown cost",
    ]
    assert list(table[0]) == [
        *("model", "requests", "failed", "interrupted", "in", "cached", "out", "reasoning"),
        "cost",
    ]
    assert table.figures[1]["reported_usd"] == Decimal("1.23")
    assert table.figures[1]["unknown_cost"] == 1
    assert table.caption == "x: $2.46 + 1 request of unknown cost"


def test_one_row_needs_no_sum_and_a_nameless_group_has_a_dash():
    (row,) = usage_table("thread", [replace(KNOWN, group="")], caption="x")
    assert row["thread"] == "-"


def test_a_cell_is_shown_by_the_first_words_of_its_prompt():
    rows = [KNOWN, replace(KNOWN, group="never-seen")]
    prompts = {"m": "Compare\n  these " + "long " * 50, "other": "x"}
    table = usage_table("cell", rows, caption="x", prompts=prompts)
    first, second, _ = (row["cell"] for row in table)
    assert first.startswith("Compare these long")
    assert first.endswith("…")
    assert second == "never-seen"
    assert [row["cell"] for row in table.figures] == ["m", "never-seen"]
    assert [row["prompt"][:7] for row in table.figures] == ["Compare", ""]


def test_a_dataframe_has_money_as_decimals_and_no_row_for_the_sum():
    frame = usage_table("model", ROWS, caption="x").to_dataframe()
    assert list(frame["model"]) == ["m", "n"]
    assert frame["reported_usd"].sum() == Decimal("2.46")


def test_without_pandas_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match="needs pandas") as caught:
        usage_table("model", ROWS, caption="x").to_dataframe()
    assert "pip install pandas" in caught.value.hint


# ── the picture


def point(day=DAY, model="m", usd=0.5, unknown_cost=0, **tokens):
    counts = {"input_tokens": 10, "cache_read_tokens": 5, "output_tokens": 2, **tokens}
    return UsagePoint(day, model, usd, unknown_cost, **counts)


def plot(points, scope="today"):
    return plot_usage(points, scope=scope)


def bars(axes):
    """Return the bars of a plot: label, day, bottom and height."""
    return [
        (
            bundle.get_label(),
            date.fromordinal(round(bar.get_x() + 0.3)),
            bar.get_y(),
            bar.get_height(),
        )
        for bundle in axes.containers
        for bar in bundle
    ]


def test_cost_is_stacked_by_model_above_tokens_by_kind():
    later = DAY + timedelta(3)
    costs, tokens = plot([point(), point(model="n", usd=0.25), point(later)]).figure.axes
    assert bars(costs) == [
        ("m", DAY, 0, 0.5),
        ("m", later, 0, 0.5),
        ("n", DAY, 0.5, 0.25),
        ("n", later, 0.5, 0),
    ]
    assert bars(tokens)[::2] == [("in", DAY, 0, 20), ("cached", DAY, 20, 10), ("out", DAY, 30, 4)]
    assert [axes.get_ylabel() for axes in (costs, tokens)] == ["USD", "tokens"]


def test_the_plot_names_its_axes_its_parts_and_what_is_added_up():
    drawn = plot([point(), point(model="n")], scope="the last 7 days, this notebook only")
    costs, tokens = drawn.figure.axes
    assert costs.get_title(loc="left") == "the last 7 days, this notebook only"
    assert repr(drawn) == "usage of 2 models on 1 day (the last 7 days, this notebook only)"
    assert tokens.get_xlabel() == "day"
    legends = [each.get_legend() for each in (costs, tokens)]
    assert [each.get_title().get_text() for each in legends] == ["model", "kind of tokens"]
    assert [each.get_text() for each in legends[0].get_texts()] == ["m", "n"]
    assert all(each.spines[side].get_visible() for each in (costs, tokens) for side in SIDES)


def test_the_same_day_of_two_years_is_two_days():
    before = DAY.replace(year=2025)
    costs, tokens = plot([point(before), point()]).figure.axes
    assert [bar[1:3] for bar in bars(costs)] == [(before, 0), (DAY, 0)]
    labels = [each.get_text() for each in tokens.get_xticklabels()]
    assert labels == ["2025-11-27", "2026-11-27"]


@pytest.mark.parametrize("ago", [range(365), range(40), [*range(8), 365], [0, 1, 2], [0]])
def test_labels_do_not_run_into_each_other_however_the_days_are_spread(ago):
    days = [point(DAY - timedelta(at), model="provider/a-model-of-a-long-name") for at in ago]
    figure = plot(days).figure
    figure.canvas.draw()
    boxes = [each.get_window_extent() for each in figure.axes[1].get_xticklabels()]
    assert min(len(days), 2) <= len(boxes) <= 5
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_no_two_models_have_the_same_colour():
    axes = plot([point(model=f"m{at}") for at in range(15)]).figure.axes[0]
    colours = {bundle[0].get_facecolor() for bundle in axes.containers}
    assert len(colours) == 15


def test_the_plot_mentions_unknown_costs():
    costs, _ = plot([point(unknown_cost=2)]).figure.axes
    assert costs.get_title(loc="right") == "without 2 requests of unknown cost"


@pytest.mark.parametrize("theme", ["default", "dark_background"])
def test_it_can_be_read_whatever_style_the_notebook_has(theme):
    with matplotlib.style.context(theme):
        drawn = plot([point()])
        pixels = matplotlib.image.imread(io.BytesIO(drawn._repr_png_()))
    assert drawn.figure.axes[0].yaxis.label.get_color() == "black"
    assert list(pixels[0, 0][:3]) == [1, 1, 1]


def test_a_plot_leaves_no_trace_in_pyplot():
    before = "matplotlib.pyplot" in sys.modules
    colours = matplotlib.rcParams["axes.prop_cycle"]
    plot([point()])
    assert ("matplotlib.pyplot" in sys.modules) == before
    assert matplotlib.rcParams["axes.prop_cycle"] == colours


def test_nothing_to_plot_and_a_missing_matplotlib_are_errors(monkeypatch):
    with pytest.raises(OptionError, match="nothing was sent"):
        plot([])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match="needs matplotlib") as caught:
        plot([point()])
    assert "pip install matplotlib" in caught.value.hint
