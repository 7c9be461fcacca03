"""The result of a run in each library: columns, types, missing values, index, and its meta."""

from __future__ import annotations

import dataclasses
import gc
import typing
import weakref
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel, Field, RootModel

import cc_jupyter.rows.frames.meta
from cc_jupyter.core.errors import OptionError
from cc_jupyter.rows.frames.columns import column_type, result_columns
from cc_jupyter.rows.frames.meta import META_TYPES, meta_of
from cc_jupyter.rows.frames.results import MappedRows, empty_result, make_result
from cc_jupyter.rows.frames.tables import table_of

Label = Literal["positive", "negative", "mixed"]
NAIVE = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  what a model may answer
AWARE = datetime(2026, 1, 2, tzinfo=UTC)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Tone(StrEnum):
    KIND = "kind"


class Review(BaseModel):
    label: Label
    stars: int | None = None
    score: float
    tags: list[str] = Field(default_factory=list)


@dataclasses.dataclass
class Point:
    x: float
    name: str


class Entry(TypedDict):
    name: str
    age: NotRequired[int]


class Words(RootModel[list[str]]):
    pass


Score = NewType("Score", float)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, "boolean"),
        (int, "integer"),
        (float, "float"),
        (str, "string"),
        (date, "date"),
        (datetime, "datetime"),
        (int | None, "integer"),
        (Optional[str], "string"),  # noqa: UP045  users write it
        (int | float, "float"),
        (int | str, "object"),
        (Score, "float"),
        (Annotated[int, Field(ge=1)], "integer"),
        (Annotated[int | None, "stars"], "integer"),
        (Decimal, "object"),
        (list[int], "object"),
        (dict[str, int], "object"),
        (Any, "object"),
        (Point, "object"),
        (Literal[True, False], "boolean"),
    ],
)
def test_the_kind_of_a_column(annotation, expected):
    assert column_type(annotation) == (expected, ())


@pytest.mark.parametrize(
    ("annotation", "categories"),
    [
        (Label, ("positive", "negative", "mixed")),
        (Literal["b", "a"] | None, ("b", "a")),
        (Literal["b", "a", None], ("b", "a")),  # noqa: PYI061  users write it
        (Label | Literal["other"], ("positive", "negative", "mixed", "other")),
        (Literal[3, 1], (3, 1)),
        (Colour, ("red", "blue")),
        (Size, (1, 2)),
        (Tone | None, ("kind",)),
    ],
)
def test_the_categories_of_a_column(annotation, categories):
    assert column_type(annotation) == ("category", categories)


@pytest.mark.parametrize(
    ("into", "names"),
    [
        (None, ["answer"]),
        (int, ["value"]),
        (Label, ["value"]),
        (list[Review], ["value"]),
        (dict[str, int], ["value"]),
        (Words, ["value"]),
        (Review, ["label", "stars", "score", "tags"]),
        (Review | None, ["label", "stars", "score", "tags"]),
        (Point, ["x", "name"]),
        (Entry, ["name", "age"]),
        (Point | Review, ["value"]),
    ],
)
def test_the_columns_of_a_type(into, names):
    assert [column.name for column in result_columns(into)] == names


def meta_columns(count):
    return {
        "input_tokens": [10, *[None] * (count - 1)],
        "output_tokens": [2] * count,
        "cache_read_tokens": [None] * count,
        "cache_write_tokens": [None] * count,
        "reasoning_tokens": [None] * count,
        "cost_usd": [0.25, *[float("nan")] * (count - 1)],
        "cost_origin": ["reported", *["unknown"] * (count - 1)],
        "stop_reason": ["stop"] * count,
        "attempts": [1] * count,
        "steps": [1] * count,
        "calls": [0] * count,
        "from_cache": [False] * count,
        "answered_at": [AWARE, *[None] * (count - 1)],
        "error": [None, *["StreamError: cut"] * (count - 1)],
        "request_key": ["ab"] * count,
    }


def result_of(data, into, values, checks=None, places=None):
    return make_result(
        table_of(data),
        into,
        values,
        checks or {},
        meta=lambda: meta_columns(len(values if places is None else places)),
        places=places,
    )


def test_a_scalar_over_a_frame_is_its_column_value():
    frame = pd.DataFrame({"text": ["a", "b", "c"]}, index=["x", "y", "x"])
    result = result_of(frame, Label, ["positive", None, "mixed"])
    assert list(result.columns) == ["value"]
    assert result.index is frame.index
    assert result["value"].dtype == pd.CategoricalDtype(["positive", "negative", "mixed"])
    assert result["value"].isna().tolist() == [False, True, False]


def test_a_scalar_over_a_series_is_a_series_of_its_name():
    series = pd.Series(["a", "b"], name="text", index=pd.MultiIndex.from_tuples([(1, 1), (1, 1)]))
    result = result_of(series, int, [3, None])
    assert isinstance(result, pd.Series)
    assert (result.name, result.dtype) == ("text", "Int64")
    assert result.index is series.index
    result = result_of(pl.Series("text", ["a", "b"]), int, [3, None])
    assert (result.name, result.dtype, result.to_list()) == ("text", pl.Int64, [3, None])


def test_no_type_gives_the_answer():
    frame = result_of(pd.DataFrame({"text": ["a", "b"]}), None, ["hi", None])
    assert (list(frame.columns), frame["answer"].dtype) == (["answer"], "string")
    assert result_of(pl.DataFrame({"text": ["a", "b"]}), None, ["hi", None]).to_dicts() == [
        {"answer": "hi"},
        {"answer": None},
    ]


def test_one_column_for_each_field_then_for_each_check():
    review = Review(label="mixed", score=1, tags=["x"])
    checks = {"score > 0": [True, None], "label": [False, None]}
    frame = result_of(pd.DataFrame({"text": ["a", "b"]}), Review, [review, None], checks)
    types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert types == {
        "label": "category",
        "stars": "Int64",
        "score": "Float64",
        "tags": "object",
        "score > 0": "boolean",
        "check label": "boolean",
    }
    assert frame["tags"].iloc[0] == ["x"]
    assert frame.iloc[1].isna().all()


def test_the_same_in_polars():
    review = Review(label="mixed", score=1, tags=["x"])
    checks = {"score > 0": [True, None]}
    frame = result_of(pl.DataFrame({"text": ["a", "b"]}), Review, [review, None], checks)
    assert dict(frame.schema) == {
        "label": pl.Enum(["positive", "negative", "mixed"]),
        "stars": pl.Int64,
        "score": pl.Float64,
        "tags": pl.Object,
        "score > 0": pl.Boolean,
    }
    assert frame.row(0) == ("mixed", None, 1.0, ["x"], True)
    assert frame.row(1) == (None,) * 5


def test_a_check_over_a_series_makes_a_frame():
    result = result_of(pd.Series(["a"], name="text"), int, [3], {"value > 1": [True]})
    assert list(result.columns) == ["value", "value > 1"]


@pytest.mark.parametrize(
    ("into", "value", "columns"),
    [
        (Point, Point(1.0, "a"), {"x": 1.0, "name": "a"}),
        (Entry, {"name": "a"}, {"name": "a", "age": None}),
        (Entry, {"name": "a", "age": 3}, {"name": "a", "age": 3}),
        (Colour, Colour.BLUE, {"value": "blue"}),
        (Size, Size.LARGE, {"value": 2}),
        (list[int], [1, 2], {"value": [1, 2]}),
        (dict[str, int], {"a": 1}, {"value": {"a": 1}}),
        (datetime, NAIVE, {"value": NAIVE}),
        (datetime, AWARE, {"value": AWARE}),
        (date, date(2026, 1, 2), {"value": date(2026, 1, 2)}),
        (Decimal, Decimal("1.5"), {"value": Decimal("1.5")}),
        (int, 2**70, {"value": 2**70}),
        (bool, False, {"value": False}),
    ],
)
@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_values_of_every_kind_and_a_missing_one(library, into, value, columns):
    result = result_of(library.DataFrame({"t": ["a", "b"]}), into, [value, None])
    found = result.to_dict("records") if library is pd else result.to_dicts()
    assert found[0].keys() == columns.keys()
    for name, cell in found[0].items():
        assert pd.isna(cell) if columns[name] is None else cell == columns[name]
    assert all(each is None or each is pd.NaT or pd.isna(each) for each in found[1].values())


def test_times_with_and_without_a_zone_stay_objects():
    result = result_of(pd.DataFrame({"t": ["a", "b"]}), datetime, [NAIVE, AWARE])
    assert result["value"].tolist() == [NAIVE, AWARE]
    result = result_of(pl.DataFrame({"t": ["a", "b"]}), datetime, [NAIVE, AWARE])
    assert result["value"].to_list() == [NAIVE, AWARE]


@pytest.mark.parametrize("data", [pd.DataFrame({"t": []}), pl.DataFrame({"t": []}), []])
@pytest.mark.parametrize("into", [None, Label, Review, datetime, Point])
def test_no_rows(data, into):
    assert len(result_of(data, into, [], {"len(answer) > 1": []})) == 0


def test_a_result_survives_concat_and_a_file(tmp_path):
    frame = pd.DataFrame({"text": ["a", "b"]})
    result = result_of(frame, Colour, [Colour.RED, None])
    joined = pd.concat([frame, result], axis=1)
    joined.to_parquet(tmp_path / "x.parquet")
    assert pd.read_parquet(tmp_path / "x.parquet")["value"].iloc[0] == "red"


def test_dicts_give_a_list_of_dicts_with_the_values_of_the_type():
    result = result_of([{"t": 1}, {"t": 2}], Colour, [Colour.RED, None], {"c": [True, None]})
    assert result == [{"value": Colour.RED, "c": True}, {"value": None, "c": None}]
    assert isinstance(result, MappedRows)
    assert result.meta[0]["cost_usd"] == 0.25
    assert result.meta[1]["error"] == "StreamError: cut"


def test_a_preview_has_the_rows_it_is_about():
    frame = pd.DataFrame({"t": range(5)}, index=list("abcde"))
    result = result_of(frame, int, [0, 1, 2, 3, 4], {"c": [True] * 5}, places=[3, 1])
    assert result.index.tolist() == ["d", "b"]
    assert result["value"].tolist() == [3, 1]
    assert meta_of(result).index.tolist() == ["d", "b"]
    result = result_of(pl.DataFrame({"t": range(5)}), int, [0, 1, 2, 3, 4], places=[3, 1])
    assert result["value"].to_list() == [3, 1]


def test_the_meta_of_a_pandas_result():
    frame = pd.DataFrame({"t": ["a", "b"]}, index=["x", "x"])
    meta = meta_of(result_of(frame, int, [1, None]))
    assert list(meta.columns) == list(META_TYPES)
    assert meta.index is frame.index
    assert meta["input_tokens"].dtype == "Int64"
    assert meta["cost_usd"].tolist() == [0.25, pd.NA]
    assert str(meta["answered_at"].dtype) == "datetime64[us, UTC]"
    assert meta["error"].isna().tolist() == [True, False]


def test_the_meta_of_a_polars_result():
    meta = meta_of(result_of(pl.DataFrame({"t": ["a", "b"]}), int, [1, None]))
    assert meta.columns == list(META_TYPES)
    assert meta["cost_usd"].to_list() == [0.25, None]
    assert meta["answered_at"].to_list() == [AWARE, None]


@pytest.mark.parametrize(
    "copied",
    [
        lambda result: result.copy(),
        lambda result: result[["value"]],
        lambda result: result.head(1),
        lambda result: pd.concat([result, result]),
    ],
)
def test_a_copy_has_no_meta_and_says_so(copied):
    result = result_of(pd.DataFrame({"t": ["a"]}), int, [1])
    with pytest.raises(OptionError, match="this DataFrame has no meta") as raised:
        meta_of(copied(result))
    assert "result.cmd.meta" in raised.value.hint
    assert len(meta_of(result)) == 1


@pytest.mark.parametrize(
    "data", [pd.DataFrame({"t": ["a"]}), pl.DataFrame({"t": ["a"]}), pd.Series(["a"]), [{"t": "a"}]]
)
def test_the_meta_goes_with_its_result(data):
    gc.collect()
    before = len(cc_jupyter.rows.frames.meta._held)
    result = result_of(data, int, [1])
    assert len(cc_jupyter.rows.frames.meta._held) == before + 1
    watched = weakref.ref(result)
    del result
    gc.collect()
    assert watched() is None
    assert len(cc_jupyter.rows.frames.meta._held) == before


def test_the_meta_is_not_in_attrs_nor_in_the_columns():
    result = result_of(pd.DataFrame({"t": ["a"]}), int, [1])
    assert result.attrs == {}
    assert list(result.columns) == ["value"]


def test_the_empty_result_of_a_type():
    empty = empty_result(Review, ["score > 1"])
    full = result_of(
        pd.DataFrame({"t": ["a"]}), Review, [Review(label="mixed", score=1)], {"score > 1": [True]}
    )
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert len(empty) == 0
    assert isinstance(empty_result(int, [], is_series=True), pd.Series)


def test_types_made_within_a_function_are_read():
    @dataclasses.dataclass
    class Inner:
        words: list[str]
        n: int

    (words, n) = result_columns(Inner)
    assert (words.name, n.name) == ("words", "n")
    assert typing.get_type_hints(Inner)["n"] is int
    values = [Inner(["a"], 1), None]
    assert result_of(pd.DataFrame({"t": ["a", "b"]}), Inner, values)["n"].tolist()[0] == 1


def test_an_array_in_a_cell_stays_one():
    value = np.zeros(3)
    assert result_of(pd.DataFrame({"t": ["a"]}), Any, [value])["value"].iloc[0] is value
