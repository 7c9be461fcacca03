"""What a row of each kind of table brings to a prompt."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from cc_jupyter.core.errors import OptionError
from cc_jupyter.prompt.template import evaluate
from cc_jupyter.rows.frames.tables import table_of


def pandas_frame(columns):
    return pd.DataFrame(columns)


def dicts(columns):
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


KINDS = [pandas_frame, pl.DataFrame, dicts]
EACH_KIND = pytest.mark.parametrize("make", KINDS, ids=["pandas", "polars", "dicts"])


@EACH_KIND
def test_a_row_has_its_columns_its_index_and_itself(make):
    table = table_of(make({"text": ["good", "bad"], "stars": [5, 1]}))
    assert len(table) == 2
    assert table.columns == ("text", "stars")
    assert table.names(1) == {
        "text": "bad",
        "stars": 1,
        "index": 1,
        "row": {"text": "bad", "stars": 1},
    }
    assert table.template_names == {"row", "index", "text", "stars"}


@EACH_KIND
def test_every_row_is_read_whatever_the_order(make):
    count = 1_000
    read = table_of(make({"n": list(range(count))})).names
    places = [*range(count), 999, 0, 500, 127, 128]
    assert [read(i)["n"] for i in places] == places
    for outside in (-1, count):
        with pytest.raises(IndexError):
            read(outside)


@pytest.mark.parametrize(
    ("empty", "columns"),
    [
        (pd.DataFrame({"text": []}), ("text",)),
        (pd.DataFrame(), ()),
        (pl.DataFrame({"text": []}), ("text",)),
        ([], ()),
        (iter(()), ()),
        (pd.Series([], dtype="string", name="text"), ("text",)),
    ],
)
def test_no_rows(empty, columns):
    table = table_of(empty)
    assert (len(table), table.columns) == (0, columns)


SERIES = [pd.Series, pl.Series]


@pytest.mark.parametrize(
    "series",
    [pd.Series(["a", "b"], name="text"), pl.Series("text", ["a", "b"])],
    ids=["pandas", "polars"],
)
def test_a_series_gives_its_cell_as_value_as_row_and_by_its_name(series):
    table = table_of(series)
    assert table.is_series
    assert table.names(1) == {"text": "b", "value": "b", "row": "b", "index": 1}


@pytest.mark.parametrize("name", [None, "two words", "class", "row", "index", 7])
def test_a_series_whose_name_is_no_name_gives_value(name):
    expected = {"value": "a", "row": "a", "index": 0}
    assert table_of(pd.Series(["a"], name=name)).names(0) == expected


@EACH_KIND
@pytest.mark.parametrize("name", ["two words", "class", "None", "row", "index", "", "1st", "__x"])
def test_a_column_that_is_no_name_is_reached_through_row(make, name):
    table = table_of(make({name: ["x"], "other": [1]}))
    names = table.names(0)
    assert names["row"] == {name: "x", "other": 1}
    assert set(names) == {"row", "index", "other"}
    assert names["index"] == 0
    assert evaluate(f"row[{name!r}]", {}, names) == "x"


def test_python_reads_a_name_in_its_normal_form():
    table = table_of([{"\ufb01le": "a.txt", "x": 1}])
    assert evaluate("\ufb01le", {}, table.names(0)) == "a.txt"
    both = table_of([{"\ufb01le": 1, "file": 2}])
    assert "file" not in both.template_names
    assert both.names(0)["row"] == {"\ufb01le": 1, "file": 2}


def test_columns_of_one_name_are_a_list_in_row():
    frame = pd.DataFrame([[1, 2, 3]], columns=["x", "y", "x"])
    table = table_of(frame)
    assert table.names(0) == {"y": 2, "row": {"x": [1, 3], "y": 2}, "index": 0}
    with pytest.raises(OptionError, match="2 columns are called `x`") as raised:
        table.limited_to({"x"})
    assert raised.value.hint == 'row["x"] is the list of their values'


def test_columns_of_several_levels_are_reached_through_row():
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    names = table_of(frame).names(0)
    assert evaluate('row["a", "y"]', {}, names) == 2
    assert set(names) == {"row", "index"}


def test_columns_that_are_numbers_are_reached_through_row():
    names = table_of(pd.DataFrame([[1, 2]])).names(0)
    assert names["row"] == {0: 1, 1: 2}


LEVELS = [("a", 1), ("a", 2), ("b", 1)]
DAYS = ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    ("index", "labels"),
    [
        (["a", "b", "a"], ["a", "b", "a"]),
        ([10, 20, 10], [10, 20, 10]),
        (pd.MultiIndex.from_tuples(LEVELS), LEVELS),
        (
            pd.to_datetime(["2026-01-01", "2026-01-02", None]),
            [pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02"), None],
        ),
        ([1.5, None, 2.5], [1.5, None, 2.5]),
    ],
)
def test_labels_of_every_kind_of_index(index, labels):
    frame = pd.DataFrame({"n": [1, 2, 3]}, index=index)
    table = table_of(frame)
    assert [table.names(i)["index"] for i in range(3)] == labels
    assert [table.names(i)["n"] for i in range(3)] == [1, 2, 3]
    assert [table.label(i) for i in range(3)] == labels
    assert table.index is frame.index


MISSING = [
    pd.Series(["x", None], dtype="str"),
    pd.Series(["x", None], dtype="string"),
    pd.Series(["x", None], dtype="object"),
    pd.Series(["x", pd.NA], dtype="object"),
    pd.Series(["x", pd.NaT], dtype="object"),
    pd.Series(["x", float("nan")], dtype="object"),
    pd.Series([1.0, float("nan")]),
    pd.Series([1.0, float("nan")], dtype="float32"),
    pd.Series([1, None], dtype="Int64"),
    pd.Series([True, None], dtype="boolean"),
    pd.Series([1.5, None], dtype="Float64"),
    pd.Series(["x", None], dtype="category"),
    pd.Series(pd.to_datetime(["2026-01-01", None])),
    pd.Series(pd.to_timedelta(["1 h", None])),
    pd.Series(pd.PeriodIndex(["2026-01", None], freq="M")),
    pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64())),
    pd.Series(["x", None], dtype=pd.ArrowDtype(pa.string())),
    pd.Series([Decimal(1), Decimal("NaN")], dtype="object"),
    pd.Series([np.float32(1), np.float32("nan")], dtype="object"),
    pd.Series([np.datetime64("2026-01-01"), np.datetime64("NaT", "D")], dtype="object"),
    pl.Series(["x", None]),
    pl.Series([1.0, float("nan")]),
    pl.Series([1, None]),
    pl.Series([date(2026, 1, 1), None]),
    pl.Series([[1], None]),
]


@pytest.mark.parametrize(
    "series", MISSING, ids=lambda each: f"{type(each).__module__}-{each.dtype}"
)
def test_a_missing_cell_is_none_in_every_library(series):
    table = table_of(series)
    assert table.names(1)["value"] is None
    assert table.names(0)["value"] is not None


def test_a_missing_key_is_none():
    table = table_of([{"a": 1}, {"b": 2}, {"a": float("nan")}])
    assert table.columns == ("a", "b")
    assert [table.names(i)["row"] for i in range(3)] == [
        {"a": 1, "b": None},
        {"a": None, "b": 2},
        {"a": None, "b": None},
    ]


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (pd.Series([1]), int),
        (pd.Series([1], dtype="uint8"), int),
        (pd.Series([1], dtype="Int8"), int),
        (pd.Series([1], dtype=pd.SparseDtype("int64")), int),
        (pd.Series([1.5], dtype="float32"), float),
        (pd.Series([True]), bool),
        (pd.Series([np.int64(1)], dtype="object"), int),
        (pd.Series(["x"], dtype="category"), str),
        (pd.Series(pd.to_datetime(["2026-01-01"])), pd.Timestamp),
        (pl.Series([datetime(2026, 1, 1)]), datetime),  # noqa: DTZ001  a naive time of a table
        (pl.Series([{"a": 1}]), dict),
        (pl.Series(["x"], dtype=pl.Categorical), str),
    ],
)
def test_a_cell_is_a_plain_python_value(series, kind):
    assert type(table_of(series).names(0)["value"]) is kind


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    "cell",
    [
        Image.new("RGB", (2, 2)),
        np.zeros((2, 2)),
        np.array([]),
        ["a", None],
        {"a": float("nan")},
        b"\x89PNG",
        Colour.RED,
        "x" * 5_000_000,
    ],
    ids=lambda cell: type(cell).__name__,
)
@pytest.mark.parametrize(
    "make",
    [lambda c: pd.DataFrame({"cell": pd.Series([c, c], dtype="object")}), lambda c: [{"cell": c}]],
)
def test_objects_images_and_huge_cells_come_unchanged(cell, make):
    assert table_of(make(cell)).names(0)["cell"] is cell


def test_a_column_called_cmd_is_like_any_other():
    assert table_of(pd.DataFrame({"cmd": ["ls"]})).names(0)["cmd"] == "ls"


def test_only_what_is_needed_is_read():
    frame = pd.DataFrame({"a": [1], "b": [2]})
    assert table_of(frame).limited_to({"a", "user_name"}).names(0) == {"a": 1}
    assert table_of(frame).limited_to({"row"}).names(0) == {"row": {"a": 1, "b": 2}}
    assert table_of(frame).limited_to({"index"}).names(0) == {"index": 0}
    assert table_of(frame).limited_to(()).names(0) == {}


INDEX_NOTICE = '`index` is the label of the row; the column is row["index"]'
CHECK_NOTICE = 'in a check `value` is the answer\'s; the column is row["value"]'


@pytest.mark.parametrize(
    ("data", "needed", "in_checks", "expected"),
    [
        ([{"index": 7}], {"index"}, (), [INDEX_NOTICE]),
        ([{"index": 7}], (), {"index"}, [INDEX_NOTICE]),
        ([{"row": 7}], {"row"}, (), ['`row` is the whole row; the column is row["row"]']),
        ([{"index": 7, "row": 1}], {"text"}, (), []),
        ([{"value": 7}], {"value"}, (), []),
        ([{"value": 7}], {"value"}, {"value"}, [CHECK_NOTICE]),
        (pd.Series([7]), (), {"value"}, ["in a check `value` is the answer's; the cell is row"]),
    ],
)
def test_a_hidden_column_is_named_where_its_name_is_used(data, needed, in_checks, expected):
    assert list(table_of(data).notices(needed, in_checks)) == expected


def test_the_columns_that_a_prompt_sends():
    table = table_of([{"a": 1, "two words": 2, "c": 3}])
    assert table.sent_columns({"c", "user_name"}) == [2]
    assert table.sent_columns({"row"}) == [0, 1, 2]
    assert list(table.values(1)) == [2]


class Broken:
    def __iter__(self):
        yield {"a": 1}
        raise OSError("disk gone")


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ([{"a": 1}, "text"], "row 1 is not a dict but a str", "use dicts"),
        ([["a"]], "row 0 is not a dict but a list", "use dicts"),
        ([1], "row 0 is not a dict but an int", "use dicts"),
        ({"a": [1, 2]}, "a dict is not a table", "use dicts"),
        ("text", "a str is not a table", "use dicts"),
        (7, "an int is not a table", "use dicts"),
        (None, "None is not a table", "use dicts"),
        (pl.LazyFrame({"a": [1]}), "a polars.LazyFrame has no rows to read", "frame.collect()"),
        (pa.table({"a": [1]}), "a pyarrow.Table has no rows to read", "table.to_pandas()"),
        (np.zeros(3), "a numpy.ndarray has no rows to read", "pandas Series"),
        (Broken(), "the rows cannot be read: after 1 row, OSError: disk gone", "nothing was sent"),
    ],
)
def test_what_is_no_table_is_refused(data, message, hint):
    with pytest.raises(OptionError) as raised:
        table_of(data)
    assert str(raised.value) == message
    assert hint in (raised.value.hint or "")


def test_an_iterable_is_consumed_once():
    counted = itertools.count()
    table = table_of(OrderedDict(n=next(counted)) for _ in range(3))
    assert [table.names(i)["n"] for i in (0, 1, 2, 1)] == [0, 1, 2, 1]
    assert next(counted) == 3


class ShopFrame(pd.DataFrame):
    """As geopandas and others have."""


def test_a_subclass_of_a_frame_is_a_frame():
    assert table_of(ShopFrame({"a": [1]})).names(0)["a"] == 1


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, pl.DataFrame, dicts],
    ids=["pandas", "polars", "dicts"],
)
def test_a_row_of_a_large_table_is_cheap(make):
    count = 20_000
    columns = {"text": [f"text {n}" for n in range(count)], "n": list(range(count))}
    read = table_of(make(columns)).limited_to({"text", "n", "index"}).names
    began = time.process_time()
    for i in range(count):
        read(i)
    assert (time.process_time() - began) / count < 20e-6
