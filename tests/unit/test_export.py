"""Conversations and sums as files and paragraphs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import jsonschema
import nbformat
import pytest
from store.samples import conversation, turn

import cc_jupyter
from cc_jupyter.cli import main
from cc_jupyter.errors import OptionError
from cc_jupyter.export import export_json, export_markdown, export_notebook, write_export
from cc_jupyter.images import Image
from cc_jupyter.money import format_sum, total
from cc_jupyter.notebook_usage import notebook_usage
from cc_jupyter.options import parse_cell_line
from cc_jupyter.receipt import receipt
from cc_jupyter.records import LedgerRow, PlaceRecord
from cc_jupyter.template import render
from cc_jupyter.usage_table import usage_table
from cc_jupyter.word_diff import word_diff

SYSTEM = "be 'brief' and \"kind\"\nin two lines {{ not a value }}"
FIGURE = Image("image/png", b"p", None, "fig")
CODE = "first\n\n```python\nprint(1)\n```"
TURNS = [
    turn("one {{ x }} \\{{ y }}\n```\ncode\n```", CODE, system=SYSTEM),
    turn("two {{ z }}", "<script>alert(1)</script> second", images=(FIGURE,)),
    turn("three", "key user_0123456789abcdef", system=""),
]
OLD = turn("older", "an older answer")
RECORD = conversation((OLD, TURNS[0]), (TURNS[1],), (TURNS[2],))
RECORD = replace(RECORD, places=(*RECORD.places[:2], replace(RECORD.places[2], says_new=True)))
BY_ID = {each.id: each for each in (*TURNS, OLD)}


def test_markdown_holds_prompts_and_answers_and_no_html():
    text = export_markdown(RECORD, BY_ID)
    assert "> one {{ x }}" in text
    assert "```python\nprint(1)\n```" in text
    assert "<script>" not in text
    assert "an older answer" not in text


def test_json_is_as_its_schema_says_and_holds_every_version():
    schema = json.loads(
        (Path(cc_jupyter.__file__).parent / "export_schema.json").read_text(encoding="utf-8")
    )
    document = json.loads(export_json(RECORD, BY_ID))
    jsonschema.validate(document, schema)
    assert [len(place["versions"]) for place in document["places"]] == [2, 1, 1]
    assert document["places"][0]["versions"][1]["cost"]["usd"] == "0.0012"
    document["places"][0]["versions"][0]["cost"]["usd"] = 0.5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_a_notebook_says_it_all_again():
    notebook = nbformat.reads(export_notebook(RECORD, BY_ID), as_version=4)
    nbformat.validate(notebook)
    names: dict[str, object] = {}
    said = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("system_"):
            exec(cell.source, names)
        if not cell.source.startswith("%%cmd"):
            continue
        line, _, prompt = cell.source.partition("\n")
        options = parse_cell_line(line.removeprefix("%%cmd"))

        said.append((options.model, options.new, prompt if options.raw else unescaped(prompt)))
        if options.system:
            assert names[options.system.strip("{} ")] == SYSTEM
    assert said == [
        ("m", False, TURNS[0].prompt),
        ("m", False, "two {{ z }}"),
        ("m", True, "three"),
    ]
    assert "[image" in str(notebook.cells) or "not in this file" in str(notebook.cells)


def unescaped(prompt):
    return render(prompt, lambda _: None, lambda *_: None).text


def test_an_export_is_whole_and_overwrites_nothing(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    path = folder / "thread.md"
    write_export(path, RECORD, BY_ID)
    assert "user_0123456789abcdef" not in path.read_text()
    with pytest.raises(OptionError, match="exists"):
        write_export(path, RECORD, BY_ID)
    write_export(path, RECORD, BY_ID, overwrite=True)
    with pytest.raises(OptionError, match="no ending") as caught:
        write_export(tmp_path / "thread.docx", RECORD, BY_ID)
    assert ".md, .json or .ipynb" in caught.value.hint
    with pytest.raises(OptionError, match="cannot be written"):
        write_export(tmp_path / "nowhere" / "thread.md", RECORD, BY_ID)
    assert [each.name for each in folder.iterdir()] == ["thread.md"]


def test_a_place_without_an_answer_is_left_out():
    empty = replace(RECORD, places=(PlaceRecord(None), *RECORD.places))
    assert export_markdown(empty, BY_ID) == export_markdown(RECORD, BY_ID)


# ── sums in words

KNOWN = LedgerRow("m", requests=3, input_tokens=30, output_tokens=3, reported_usd=Decimal("1.23"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (LedgerRow("m"), "$0"),
        (KNOWN, "$1.23"),
        (replace(KNOWN, unknown_cost=2), "$1.23 + 2 requests of unknown cost"),
        (replace(KNOWN, estimated_usd=Decimal("0.04")), "$1.23 + ~$0.0400"),
        (LedgerRow("m", estimated_usd=Decimal("0.04")), "~$0.0400"),
        (LedgerRow("m", unknown_cost=1), "1 request of unknown cost"),
    ],
)
def test_a_sum_keeps_reported_estimated_and_unknown_apart(row, said):
    assert format_sum(row) == said


def test_rows_add_up():
    whole = total([KNOWN, replace(KNOWN, failed=1, unknown_cost=1)])
    assert (whole.requests, whole.failed, whole.input_tokens) == (6, 1, 60)
    assert format_sum(whole) == "$2.46 + 1 request of unknown cost"


def test_a_table_has_the_sum_under_its_rows_and_figures_as_numbers():
    table = usage_table("model", [KNOWN, replace(KNOWN, group="n", unknown_tokens=1)], caption="x")
    assert [row["model"] for row in table] == ["m", "n", "all"]
    assert [row["in"] for row in table] == ["30", "30 + ?", "60 + ?"]
    assert table.figures[0]["reported_usd"] == Decimal("1.23")
    assert table.caption == "x: $2.46"
    assert list(table.to_dataframe()["model"]) == ["m", "n"]


def test_a_receipt_names_everything_a_paper_needs():
    text = receipt(
        [KNOWN, replace(KNOWN, group="n", failed=1, unknown_tokens=1, unknown_cost=1)],
        [replace(KNOWN, group="api"), replace(KNOWN, group="local")],
        period="this session",
        price_date=date(2026, 11, 20),
        threads=2,
        now=datetime(2026, 11, 27, tzinfo=UTC),
    )
    for part in (
        *("6 requests in 2 conversations", "1 failed", "m (3 requests", "60 prompt tokens"),
        *("of 1 request the tokens are unknown", "price list of 2026-11-20"),
        "$2.46 + 1 request of unknown cost",
        "served by the Command Code Provider API (3 requests), a local model (3 requests)",
    ):
        assert part in text


# ── saved notebooks


def test_saved_notebooks_add_up_without_a_kernel(tmp_path, capsys):
    def output(**about):
        usage = {"input_tokens": {"tokens": 10}, "output_tokens": {"tokens": 2}}
        about = {"schema": 1, "model": "m", "usage": usage, "stop_reason": "stop"} | about
        return {"metadata": {"cc_jupyter": about}}

    outputs = [
        output(cost={"usd": "0.5", "origin": "reported"}),
        output(cost={"usd": "0.25", "origin": "estimated"}),
        output(cost={"usd": None}, usage={}),
        {"metadata": {}},
        {"metadata": {"cc_jupyter": {"schema": 99}}},
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [{"outputs": outputs}, {"source": "text"}]}))
    (row,) = notebook_usage(path)
    assert (row.requests, row.input_tokens, row.unknown_tokens) == (3, 20, 1)
    assert format_sum(row) == "$0.5000 + ~$0.2500 + 1 request of unknown cost"
    (tmp_path / "broken.ipynb").write_text("{")
    assert main(["usage", str(path), str(tmp_path / "broken.ipynb")]) == 1
    shown = capsys.readouterr()
    assert "n.ipynb  m" in shown.out
    assert "broken.ipynb cannot be read as a notebook" in shown.err


# ── words compared


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("the red fox", "the blue fox", "the [-red-]{+blue+} fox"),
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
        ("gone", "", "[-gone-]"),
    ],
)
def test_two_answers_are_compared_word_by_word(before, after, said):
    assert word_diff(before, after) == said


def test_a_word_diff_is_escaped_and_says_it_without_colour():
    shown = word_diff("<b>a</b>", "<i>a</i>")._repr_html_()
    assert "<b>" not in shown
    assert "<del" in shown
    assert "<ins" in shown


def test_long_texts_are_compared_by_lines():
    before = "".join(f"line {number} of many words here\n" for number in range(8_000))
    after = before.replace("line 77 ", "line seven ")
    assert word_diff(before, after).count("[-") == 1
