"""Sums of money as text, and the paragraph for a paper."""

from __future__ import annotations

import decimal
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from cc_jupyter import __version__
from cc_jupyter.conversation.records import LedgerRow
from cc_jupyter.usage.ledger import format_sum, total
from cc_jupyter.usage.report import receipt

KNOWN = LedgerRow("m", requests=3, input_tokens=30, output_tokens=3, reported_usd=Decimal("1.23"))
UNKNOWN = replace(KNOWN, group="n", failed=1, interrupted=2, unknown_tokens=1, unknown_cost=1)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (LedgerRow("m"), "$0"),
        (KNOWN, "$1.23"),
        (replace(KNOWN, reported_usd=Decimal("0.00001")), "<$0.0001"),
        (replace(KNOWN, unknown_cost=2), "$1.23 + 2 requests of unknown cost"),
        (replace(KNOWN, estimated_usd=Decimal("0.04")), "$1.23 + ~$0.0400"),
        (
            replace(KNOWN, estimated_usd=Decimal("0.04"), unknown_cost=2),
            "$1.23 + ~$0.0400 + 2 requests of unknown cost",
        ),
        (LedgerRow("m", estimated_usd=Decimal("0.04")), "~$0.0400"),
        (LedgerRow("m", unknown_cost=1), "1 request of unknown cost"),
    ],
)
def test_a_sum_lists_reported_estimated_and_unknown_separately(row, said):
    assert format_sum(row) == said


def test_rows_add_up():
    whole = total([KNOWN, UNKNOWN])
    assert (whole.group, whole.requests, whole.failed, whole.interrupted) == ("all", 6, 1, 2)
    assert (whole.input_tokens, whole.output_tokens, whole.unknown_tokens) == (60, 6, 1)
    assert format_sum(whole) == "$2.46 + 1 request of unknown cost"
    assert total([]) == LedgerRow("all")


def test_a_sum_is_exact_whatever_the_notebook_made_of_decimals():
    rows = [LedgerRow("m", reported_usd=Decimal(usd)) for usd in ("123.4567", "0.0000001")]
    with decimal.localcontext(decimal.Context(prec=3)):
        assert total(rows).reported_usd == Decimal("123.4567001")


def paragraph(rows, **fields):
    fields = {
        "servers": [replace(KNOWN, group="api"), replace(KNOWN, group="local")],
        "period": "this session",
        "price_date": date(2026, 11, 20),
        "threads": 2,
        "now": datetime(2026, 11, 27, tzinfo=UTC),
        **fields,
    }
    return receipt(rows, fields.pop("servers"), **fields)


def test_a_receipt_names_everything_a_paper_needs():
    text = paragraph([KNOWN, UNKNOWN])
    for part in (
        f"cc_jupyter {__version__} (this session; written 2026-11-27)",
        *("6 requests in 2 conversations", "1 failed and 2 were interrupted"),
        *("m (3 requests, 30 tokens in, 3 out, $1.23)", "60 prompt tokens"),
        *("the tokens of 1 request are unknown", "prices of 2026-11-20"),
        "$2.46 + 1 request of unknown cost",
        "served by the Command Code Provider API (3 requests), a local model (3 requests)",
    ):
        assert part in text


def test_a_receipt_shows_itself_as_text_and_is_one_paragraph():
    class Printer:
        said = ""

        def text(self, text):
            self.said += text

    printer = Printer()
    text = paragraph([KNOWN])
    text._repr_pretty_(printer, cycle=False)
    assert printer.said == text
    assert "\n" not in text


def test_of_nothing_no_figures_are_given():
    text = paragraph([])
    assert text == "Nothing was sent (this session; written 2026-11-27)."
