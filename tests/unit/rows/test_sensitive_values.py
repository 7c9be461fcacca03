"""Values that look like keys or e-mail addresses are counted and named, never changed."""

from __future__ import annotations

import time

import pandas as pd
import polars as pl
import pytest

from cc_jupyter.core.redaction import contains_key
from cc_jupyter.rows.frames.tables import table_of
from cc_jupyter.rows.sensitive_values import SensitiveColumn, sensitive_columns, sensitive_notice

COLUMNS = {
    "note": ["call ann@example.com", "key sk-abc123def456", None, "nothing", 7],
    "mail": ["a@b.co", "b@c.org", "", "no", "x@y"],
    "text": ["fine"] * 5,
}


@pytest.mark.parametrize(
    "text",
    [
        "sk-abc123def456",
        "user_0123456789abcdef",
        "Authorization: Bearer abc123def456",
        "ghp_0123456789abcdefABCD",
        "AKIA0123456789ABCDEF",
        "https://ann:secret@example.com/x",
        "hf_abcdefghijklmnop",
        "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
        "curl --token abc",
    ],
)
def test_what_looks_like_a_key(text):
    assert contains_key(f"before {text} after")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.com/x",
        "user_messages",
        "a bearer of news",
        "task-force",
        "xoxo",
        "\ud800",
    ],
)
def test_what_does_not(text):
    assert not contains_key(text)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({name: pd.Series(cells, dtype="object") for name, cells in COLUMNS.items()}),
        [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
    ],
    ids=["pandas", "dicts"],
)
def test_columns_that_are_sent_are_counted(table):
    assert sensitive_columns(table_of(table), {"row"}) == [
        SensitiveColumn("note", keys=1, addresses=1),
        SensitiveColumn("mail", keys=0, addresses=2),
    ]
    assert sensitive_columns(table_of(table), {"text", "mail"}) == [
        SensitiveColumn("mail", keys=0, addresses=2)
    ]
    assert sensitive_columns(table_of(table), {"text", "a_name_of_the_user"}) == []


def test_the_notice_names_columns_and_counts_and_no_value():
    table = table_of(pl.DataFrame({"note": ["sk-abc123def456", "c@d.org"], "mail": ["a@b.co"] * 2}))
    notice = sensitive_notice(table, {"row"})
    assert notice == (
        "sent unchanged: `note` has what looks like a key in 1 row and what looks like an e-mail"
        " address in 1 row, `mail` has what looks like an e-mail address in 2 rows"
    )
    assert sensitive_notice(table, {"index"}) is None


def test_many_columns_are_one_line():
    table = table_of([{f"c{n}": "a@b.co" for n in range(9)}])
    notice = sensitive_notice(table, {"row"})
    assert notice.endswith("and 6 more columns")
    assert notice.count("`") == 6


def test_a_series_is_named_by_its_own_name():
    series = pd.Series(["a@b.co"], name="mail")
    assert sensitive_notice(table_of(series), {"value"}).startswith("sent unchanged: `mail` has")


@pytest.mark.parametrize("hit", ["", " write to ann@example.com"])
def test_a_large_table_is_read_quickly(hit):
    text = "a review of two hundred characters, with a link https://example.com/page in it. " * 3
    frame = pd.DataFrame({"text": [f"{n} {text}{hit}" for n in range(20_000)]})
    table = table_of(frame)
    began = time.process_time()
    (count,) = [each.addresses for each in sensitive_columns(table, {"text"})] or [0]
    assert time.process_time() - began < 2  # 0.1 s on an idle machine
    assert count == (20_000 if hit else 0)
