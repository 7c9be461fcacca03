"""Values as text: what a model reads in place of an expression."""

# ruff: noqa: RUF001  the sign between rows and columns is meant

from __future__ import annotations

import decimal
import enum
import subprocess
import sys

import pandas as pd
import polars as pl
import pytest

from cc_jupyter.errors import OptionError
from cc_jupyter.values import OTHER_LIMIT, STR_LIMIT, Rendered, describe, excerpt, to_text


def text(value: object) -> str:
    return to_text(value, "x").text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        ("a {{ b }} |\n\u2028\t", "a {{ b }} |\n\u2028\t"),
        (1, "1"),
        (0.1, "0.1"),
        (True, "True"),
        (None, "None"),
        (decimal.Decimal("0.10"), "0.10"),
        ([1, "a"], "[1, 'a']"),
        ({"a": 1}, "{'a': 1}"),
        (b"\x00", "b'\\x00'"),
    ],
)
def test_a_value_is_written_as_python_writes_it(value, expected):
    assert to_text(value, "x") == Rendered(expected, None)


def test_a_subclass_of_str_gives_its_characters():
    class Html(str):
        __slots__ = ()

        def __getitem__(self, key):
            return "cut"

        def __len__(self):
            return 10**9

    class Color(enum.StrEnum):
        RED = "red"

    assert text(Html("<b>")) == "<b>"
    assert type(text(Html("<b>"))) is str
    assert text(Color.RED) == "red"
    assert len(text(Html("a" * STR_LIMIT))) == STR_LIMIT


def test_what_cannot_be_written_names_the_expression():
    class Broken:
        def __str__(self):
            raise ValueError("no\ntext")

    class BrokenStr(str):
        __slots__ = ()

        def __str__(self):
            raise ValueError("no text")

    for value in (Broken(), BrokenStr("a"), 10**5000):
        with pytest.raises(OptionError) as caught:
            to_text(value, "rows[0]\n.x")
        assert "`{{ rows[0] .x }}`" in str(caught.value)
        assert type(value).__name__ in str(caught.value)
        assert "ValueError" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value.__cause__, ValueError)


def test_an_interrupt_while_writing_passes():
    class Slow:
        def __str__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text(Slow())


# ── limits


@pytest.mark.parametrize(
    ("value", "limit"),
    [("a" * (STR_LIMIT + 1), STR_LIMIT), ([1] * 10_000, OTHER_LIMIT)],
)
def test_a_long_value_is_cut_and_says_so_at_the_cut_and_to_the_user(value, limit):
    whole = str(value)
    rendered = to_text(value, "x")
    cut = f"{limit:,} of {len(whole):,} characters"
    assert rendered.text == f"{whole[:limit]}\n… [cut: {cut}]"
    assert rendered.notice == f"`{{{{ x }}}}` was cut: {cut} sent"


@pytest.mark.parametrize("value", ["a" * STR_LIMIT, ["a" * (OTHER_LIMIT - 4)]])
def test_a_value_as_long_as_the_limit_is_whole(value):
    assert to_text(value, "x") == Rendered(str(value), None)


# ── data frames


def lines(*rows: str) -> str:
    return "\n".join(rows)


def test_a_data_frame_is_a_markdown_table_with_its_shape():
    frame = pd.DataFrame({"city": ["Rome", None], "size": [2.8, 0.1], "n": [1, 2]})
    assert text(frame) == lines(
        "2 rows × 3 columns",
        "",
        "| city | size | n |",
        "| --- | --- | --- |",
        "| Rome | 2.8 | 1 |",
        "| nan | 0.1 | 2 |" if pd.__version__ >= "3" else "| None | 0.1 | 2 |",
    )


def test_an_index_that_says_something_is_part_of_the_table():
    named = pd.DataFrame({"n": [1]}, index=pd.Index(["Rome"], name="city"))
    assert text(named).splitlines()[2:] == ["| city | n |", "| --- | --- |", "| Rome | 1 |"]
    chosen = pd.DataFrame({"n": [1, 2, 3]})[lambda frame: frame.n > 2]
    assert text(chosen).splitlines()[2:] == ["|  | n |", "| --- | --- |", "| 2 | 3 |"]
    sliced = pd.DataFrame({"n": [1, 2, 3]}).iloc[2:]
    assert text(sliced).splitlines()[4:] == ["| 2 | 3 |"]
    levels = pd.MultiIndex.from_tuples([("a", 1)], names=["x", None])
    assert text(pd.DataFrame({"n": [5]}, index=levels)).splitlines()[2:] == [
        "| x |  | n |",
        "| --- | --- | --- |",
        "| a | 1 | 5 |",
    ]


def test_cells_and_headers_cannot_break_the_table():
    frame = pd.DataFrame([["a|b", "c\nd\r\ne"]], columns=["x|y", "x|y"])
    assert text(frame).splitlines()[2:] == [
        r"| x\|y | x\|y |",
        "| --- | --- |",
        r"| a\|b | c<br>d<br>e |",
    ]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pd.DataFrame(), "0 rows × 0 columns"),
        (pd.DataFrame(index=[0, 1]), "2 rows × 0 columns\n\n|  |\n| --- |\n| 0 |\n| 1 |"),
        (pd.DataFrame(columns=["a"]), "0 rows × 1 column\n\n| a |\n| --- |"),
        (pd.DataFrame({"a": [1]}), "1 row × 1 column\n\n| a |\n| --- |\n| 1 |"),
        (pd.Series([1], name="a"), "1 row × 1 column\n\n| a |\n| --- |\n| 1 |"),
        (
            pl.DataFrame({"a": [1], "b": ["x|"]}),
            "1 row × 2 columns\n\n| a | b |\n| --- | --- |\n| 1 | x\\| |",
        ),
        (pl.DataFrame(), "0 rows × 0 columns"),
        (pl.Series("a", [1]), "1 row × 1 column\n\n| a |\n| --- |\n| 1 |"),
    ],
)
def test_small_and_empty_frames_of_both_libraries(frame, expected):
    assert to_text(frame, "x") == Rendered(expected, None)


@pytest.mark.parametrize("library", [pd, pl])
def test_of_a_large_frame_the_first_rows_and_columns_are_sent_and_it_says_so(library):
    frame = library.DataFrame({f"c{n}": [n % 10] * 5_000 for n in range(80)})
    rendered = to_text(frame, "df")
    rows = rendered.text.splitlines()
    assert rows[0] == "5,000 rows × 80 columns"
    assert rows[2].startswith("| c0 | c1 |")
    assert rows[2].endswith("| c49 |")
    assert rows[-1] == "… [cut: 95 of 5,000 rows, 50 of 80 columns]"
    assert rendered.notice == "`{{ df }}` was cut: 95 of 5,000 rows, 50 of 80 columns sent"
    narrow = to_text(library.DataFrame({"a": range(5_000)}), "df").text.splitlines()
    assert narrow[-2:] == ["| 99 |", "… [cut: 100 of 5,000 rows]"]


def test_a_frame_of_wide_cells_is_cut_at_a_whole_row():
    frame = pd.DataFrame({"a": ["x" * 3_000] * 50})
    rendered = to_text(frame, "df")
    rows = rendered.text.splitlines()
    assert rows[-1] == "… [cut: 6 of 50 rows]"
    assert set(rows[4:-1]) == {"| " + "x" * 3_000 + " |"}
    assert len(rendered.text) < OTHER_LIMIT + 100


def test_a_frame_of_one_huge_cell_is_cut_inside_it():
    rendered = to_text(pd.DataFrame({"a": ["x" * 50_000] * 2}), "df")
    assert "1 of 2 rows, 20,000 of 50,0" in rendered.notice
    assert rendered.notice.split("cut: ")[1].removesuffix(" sent") in rendered.text
    assert len(rendered.text) < OTHER_LIMIT + 100


def test_a_class_that_only_looks_like_a_frame_is_written_by_str():
    class DataFrame:
        def __str__(self):
            return "mine"

    assert text(DataFrame()) == "mine"


def test_a_subclass_of_a_frame_is_a_table():
    class Cities(pd.DataFrame):
        pass

    assert text(Cities({"a": [1]})).startswith("1 row × 1 column\n")


def test_pandas_is_never_imported_here():
    code = (
        "import sys; from cc_jupyter.values import to_text; to_text([1], 'x');"
        "sys.exit('pandas' in sys.modules or 'polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ── words in messages


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("a", "a"),
        (" a \n\u2028 b ", "a b"),
        ("a" * 10, "a" * 10),
        ("a" * 11, "a" * 10 + "…"),
        ("a b " * 1_000_000, "a b a b a…"),
    ],
)
def test_an_excerpt_is_one_short_line(long, short):
    assert excerpt(long, 10).replace(" …", "…") == short


def test_an_exception_is_described_by_class_and_text():
    assert describe(ValueError("a\nb")) == "ValueError: a b"
    assert describe(ValueError()) == "ValueError"
