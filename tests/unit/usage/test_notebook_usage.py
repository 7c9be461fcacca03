"""The cost of saved notebooks, from their outputs alone."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal

import pytest

from cc_jupyter.cli import main
from cc_jupyter.core.errors import OptionError
from cc_jupyter.usage.ledger import format_sum
from cc_jupyter.usage.notebook import notebook_usage


def output(**about):
    usage = {
        "input_tokens": {"tokens": 10},
        "output_tokens": {"tokens": 2},
        "cache_read_tokens": {"tokens": None},
    }
    common = {"schema": 1, "model": "m", "usage": usage, "stop_reason": "stop"}
    return {"metadata": {"cc_jupyter": common | about}}


def cost(usd, origin="reported"):
    return {"usd": usd, "origin": origin}


def save(folder, *outputs, name="n.ipynb"):
    path = folder / name
    path.write_text(json.dumps({"cells": [{"outputs": outputs}, {"source": "text"}, "odd"]}))
    return path


def test_saved_notebooks_add_up_without_a_kernel(tmp_path):
    path = save(
        tmp_path,
        output(cost=cost("0.5")),
        output(cost=cost("0.25", "estimated"), stop_reason="interrupted"),
        output(cost=cost(None), usage={}, stop_reason="error"),
        output(model="other", cost=cost("1")),
    )
    row, other = notebook_usage(path)
    assert (row.group, row.requests, row.failed, row.interrupted) == ("m", 3, 1, 1)
    assert (row.input_tokens, row.output_tokens, row.unknown_tokens) == (20, 4, 1)
    assert format_sum(row) == "$0.5000 + ~$0.2500 + 1 request of unknown cost"
    assert (other.group, other.requests, format_sum(other)) == ("other", 1, "$1.00")


def test_the_answers_of_a_grid_count_one_by_one(tmp_path):
    answers = [output(model=name, cost=cost("0.5"))["metadata"]["cc_jupyter"] for name in "mmn"]
    about = {"schema": 2, "grid": "a" * 32, "turns": [], "answers": [*answers, "odd"]}
    rows = notebook_usage(save(tmp_path, {"metadata": {"cc_jupyter": about}}))
    assert [(row.group, row.requests, format_sum(row)) for row in rows] == [
        ("m", 2, "$1.00"),
        ("n", 1, "$0.5000"),
    ]


@pytest.mark.parametrize("answers", [None, 7, {}, "x", [[]]])
def test_odd_answers_of_a_grid_are_left_out(tmp_path, answers):
    about = {"schema": 2, "grid": "a" * 32, "answers": answers}
    assert notebook_usage(save(tmp_path, {"metadata": {"cc_jupyter": about}})) == []


@pytest.mark.parametrize("schema", [1, 2])
def test_the_metadata_of_every_version_are_read(tmp_path, schema):
    (row,) = notebook_usage(save(tmp_path, output(schema=schema, cost=cost("0.5"))))
    assert (row.requests, row.input_tokens, format_sum(row)) == (1, 10, "$0.5000")


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metadata": None},
        {"metadata": {"cc_jupyter": None}},
        {"metadata": {"cc_jupyter": {"schema": 99}}},
        "text",
    ],
)
def test_outputs_of_others_are_skipped(tmp_path, odd):
    assert notebook_usage(save(tmp_path, odd)) == []


@pytest.mark.parametrize(
    "usd", ["-1", "NaN", "Infinity", "1e999999", "1_0", " 1", "\u0661", "9" * 5_000, 0.5, True, []]
)
def test_money_that_is_not_written_as_ours_is_unknown(tmp_path, usd):
    (row,) = notebook_usage(save(tmp_path, output(cost=cost(usd))))
    assert (row.reported_usd, row.unknown_cost) == (0, 1)


@pytest.mark.parametrize("tokens", [-1, 1.5, "7", True, None])
def test_tokens_that_cannot_be_are_unknown(tmp_path, tokens):
    usage = {"input_tokens": {"tokens": tokens}, "output_tokens": {"tokens": 2}}
    (row,) = notebook_usage(save(tmp_path, output(usage=usage)))
    assert (row.input_tokens, row.unknown_tokens) == (0, 1)


def test_a_sum_is_exact_whatever_the_context_of_decimals(tmp_path):
    path = save(tmp_path, output(cost=cost("123.4567")), output(cost=cost("0.0000001")))
    with decimal.localcontext(decimal.Context(prec=3)):
        (row,) = notebook_usage(path)
    assert row.reported_usd == Decimal("123.4567001")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cannot be read as a notebook"),
        (b"\xff\xfe", "cannot be read as a notebook"),
        (b"[]", "not a notebook of format 4"),
        (b'{"worksheets": []}', "not a notebook of format 4"),
        (None, "cannot be read as a notebook"),
    ],
)
def test_a_file_that_is_no_notebook_is_an_error_and_the_others_count(
    tmp_path, capsys, content, said
):
    good, bad = save(tmp_path, output(cost=cost("0.5"))), tmp_path / "bad.ipynb"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(OptionError, match=said):
        notebook_usage(bad)
    assert main(["usage", str(bad), str(good)]) == 1
    shown = capsys.readouterr()
    assert f"bad.ipynb {said.partition(' ')[0]}" in shown.err.replace("is no", "no")
    assert "n.ipynb  m" in shown.out
    assert "$0.5000" in shown.out


def test_notebooks_and_models_each_have_a_line_with_a_sum_below(tmp_path, capsys):
    first = save(tmp_path, output(cost=cost("0.5")), output(model="other", cost=cost("1")))
    second = save(tmp_path, output(cost=cost(None)), name="second.ipynb")
    assert main(["usage", str(first), str(second)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [
        [str(first), "m"],
        [str(first), "other"],
        [str(second), "m"],
    ]
    assert lines[4].startswith("all")
    assert lines[-1] == ("answers saved in notebooks: $1.50 + 1 request of unknown cost")


def test_a_notebook_without_answers_is_no_table_of_zeros(tmp_path, capsys):
    assert main(["usage", str(save(tmp_path))]) == 0
    assert capsys.readouterr().out == "These notebooks contain no answers of cc_jupyter.\n"


def test_a_notebook_from_elsewhere_moves_no_cursor(tmp_path, capsys):
    main(["usage", str(save(tmp_path, output(model="m\x1b[2J")))])
    assert "\x1b" not in capsys.readouterr().out
