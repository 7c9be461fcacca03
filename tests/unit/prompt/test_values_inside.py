"""Values inside other values: the same text at every depth, and nothing is cut without a word."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import io
import itertools
import re
import types
from typing import TYPE_CHECKING, Any, NamedTuple

import attr
import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.prompt.values import to_text

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = "nan]" if pd.__version__ >= "3" else "None]"
TEXTS = type(pd.array(["a"], dtype="str")).__name__
"""What holds texts depends on whether pyarrow is installed."""


def text(value: object) -> str:
    return to_text(value, "x").text


@dataclasses.dataclass
class Held:
    inside: object


class Pair(NamedTuple):
    inside: object
    number: int


class Model(pydantic.BaseModel):
    inside: Any


@attr.s(auto_attribs=True)
class Slot:
    inside: object
    hidden: int = attr.ib(default=1, repr=False)


CONTAINERS: list[Callable[[object], object]] = [
    lambda value: [value],
    lambda value: (value, 1),
    lambda value: {"a": value},
    lambda value: {"a": {"b": [value]}},
    lambda value: collections.defaultdict(list, a=value),
    lambda value: collections.deque([value]),
    lambda value: collections.UserDict(a=value),
    lambda value: {"a": value}.values(),
    lambda value: types.SimpleNamespace(a=value),
    lambda value: types.MappingProxyType({"a": value}),
    lambda value: np.array([value, None], dtype=object)[:1],
    Held,
    lambda value: Pair(value, 1),
    lambda value: Model(inside=value),
    Slot,
]
FRAME = pd.DataFrame({"city": ["Rome", "Oslo"], "size": [1 / 3, 2.0]})
VALUES = {
    "a pandas frame": FRAME,
    "a polars frame": pl.DataFrame({"a": [1, 2]}),
    "a series": pd.Series([1.5, 2.5], name="n"),
    "an array": np.arange(6).reshape(2, 3),
    "an index": pd.Index(["a", "b"], name="key"),
    "a categorical": pd.Categorical(["a", "b", "a"]),
    "unique values": pd.Series(["a", "b", "a"]).unique(),
    "an exception": ValueError("bad\nnews"),
}


def held(number: int, value: object) -> object:
    made = CONTAINERS[number](value)
    if isinstance(made, np.ndarray):
        made = np.empty(1, dtype=object)
        made[0] = value
    return made


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("number", range(len(CONTAINERS)))
def test_a_value_has_the_same_text_inside_any_container(number, name):
    value = VALUES[name]
    rendered = to_text(held(number, value), "x")
    inside = [line.strip() for line in rendered.text.splitlines()]
    alone = [line.strip() for line in text(value).splitlines()]
    assert any(inside[at : at + len(alone)] == alone for at in range(len(inside)))
    assert rendered.notices == ()


def test_a_table_in_a_dict_is_indented_below_its_key():
    assert text({"train": FRAME, "n": 5}).splitlines() == [
        "{",
        "  'train':",
        "    2 rows × 2 columns",
        "",
        "    | city | size |",
        "    | --- | --- |",
        "    | Rome | 0.333333 |",
        "    | Oslo | 2.0 |",
        "  'n': 5",
        "}",
    ]


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        ([pd.DataFrame({"a": range(500)})], "100 of 500 rows"),
        ({"a": pd.DataFrame({"a": range(500)}), "b": pd.Series(range(150))}, "200 of 650 rows"),
        (Held(pd.DataFrame([range(60)])), "50 of 60 columns"),
        ((pl.Series("a", range(101)),), "100 of 101 rows"),
        ({"w": np.zeros(5_000, "uint8")}, "1,000 of 5,000 values"),
        (pd.DataFrame({"w": [np.zeros(5_000, "uint8")]}), "1,000 of 5,000 values"),
        ([FRAME, "a" * 30_000], r"1\d,\d{3} of 30,000 characters"),
        ({"k": pd.Index([f"{n:05}" for n in range(9_000)])}, r"2,\d{3} of 9,000 values"),
    ],
)
def test_what_is_cut_inside_says_so_in_the_text_and_in_a_notice(value, cut):
    rendered = to_text(value, "x")
    (notice,) = rendered.notices
    said = re.fullmatch(rf"`\{{\{{ x \}}\}}` was cut: ({cut}) sent", notice)
    assert said, notice
    assert rendered.text.endswith(f"… [cut: {said[1]}]")
    assert len(rendered.text) < 21_000


def test_the_cut_of_a_table_inside_is_also_said_at_its_last_row():
    lines = text({"a": pd.DataFrame({"n": range(500)}), "b": 1}).splitlines()
    assert lines[-5:] == [
        "    | 99 |",
        "    … [cut: 100 of 500 rows]",
        "  'b': 1",
        "}",
        "… [cut: 100 of 500 rows]",
    ]


@pytest.mark.parametrize(
    ("value", "header", "last"),
    [
        (pd.Index([f"k{n}" for n in range(2_000)]), "Index, 2,000 values, dtype str", "'k1999']"),
        (
            pd.Categorical(list("ab") * 1_000),
            "Categorical, 2,000 values, dtype category",
            "'b']",
        ),
        (
            pd.date_range("2026-01-01", periods=200, name="day"),
            "DatetimeIndex, 200 values, dtype datetime64[us], name 'day'",
            "2026-07-19]",
        ),
        (pd.array([1, None, 3]), "IntegerArray, 3 values, dtype Int64", "3]"),
        (pd.Series(["a", None] * 500).unique(), f"{TEXTS}, 2 values, dtype str", MISSING),
        (
            pd.MultiIndex.from_product([range(20), ["a", "b"]]),
            "MultiIndex, 40 values, dtype object",
            "(19, 'b')]",
        ),
    ],
)
def test_what_abbreviates_itself_comes_whole(value, header, last):
    rendered = to_text(value, "x")
    lines = rendered.text.splitlines()
    if pd.__version__ >= "3":
        assert lines[0] == header
    assert lines[-1].endswith(last)
    assert "..." not in rendered.text
    assert rendered.notices == ()


def test_a_range_is_a_few_characters_and_groups_are_whole():
    assert text(pd.RangeIndex(10**9)) == "RangeIndex(start=0, stop=1000000000, step=1)"
    groups = pd.DataFrame({"k": [n % 2 for n in range(300)]}, index=[*range(300, 0, -1)])
    written = text(groups.groupby("k").groups)
    assert "150 values" in written
    assert "..." not in written


def test_numbers_of_numpy_have_no_class_around_them():
    values = [np.float64(1.5), np.float32(0.1), np.int64(2), np.bool_(True), np.str_("a")]  # noqa: FBT003
    assert text(values) == "[1.5, 0.1, 2, True, 'a']"


class FakeArrow:
    """Columns as pyarrow has them."""

    __module__ = "pyarrow.lib"
    type = "int64"

    def __init__(self, values: list[object]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def slice(self, start: int, count: int) -> FakeArrow:
        return type(self)(self._values[start : start + count])

    def to_pylist(self) -> list[object]:
        return self._values


class FakeArrowTable:
    """A table as pyarrow has it."""

    __module__ = "pyarrow.lib"
    column_names = ("a", "b")
    num_columns = 2

    def __init__(self, rows: int) -> None:
        self.num_rows = rows

    def slice(self, _start: int, count: int) -> FakeArrowTable:
        return type(self)(min(count, self.num_rows))

    def column(self, at: int) -> FakeArrow:
        return FakeArrow([at + n for n in range(self.num_rows)])


def test_arrow_tables_and_arrays_are_tables_and_arrays():
    table = type("Table", (FakeArrowTable,), {"__module__": "pyarrow.lib"})(300)
    array = type("ChunkedArray", (FakeArrow,), {"__module__": "pyarrow.lib"})([*range(300)])
    rendered = to_text({"t": table}, "x")
    assert "300 rows × 2 columns" in rendered.text
    assert "| 99 | 100 |" in rendered.text
    assert rendered.notices == ("`{{ x }}` was cut: 100 of 300 rows sent",)
    assert text(array).startswith("ChunkedArray, 300 values, type int64\n[0, 1, 2,")
    assert text(array).endswith("298, 299]")


# Functions and classes inside values


def shout(word: str) -> str:
    return word.upper()


def test_a_function_inside_is_its_source_and_one_of_a_library_its_signature():
    assert text({"f": shout}) == (
        "{\n  'f':\n    def shout(word: str) -> str:\n        return word.upper()\n}"
    )
    assert text([len, int]) == "[def len(obj, /): ..., <class 'int'>]"


# Images inside values


def picture(colour: str) -> PillowImage.Image:
    return PillowImage.new("RGB", (2, 2), colour)


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    picture(colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("value", "expected", "names"),
    [
        ([picture("red")], "[[image: x[0]]]", ["x[0]"]),
        (
            {"a": picture("red"), "b": [png("blue")]},
            "{'a': [image: x['a']], 'b': [[image: x['b'][0]]]}",
            ["x['a']", "x['b'][0]"],
        ),
        (Held(Figure()), "Held(inside=[image: x.inside])", ["x.inside"]),
        ([picture("red"), picture("red")], "[[image: x[0]], [image: x[0]]]", ["x[0]"]),
        (Figure().subplots(2, 2), "[image: x]", ["x"]),
        (Figure().subplots().plot([1]), "[[image: x[0]]]", ["x[0]"]),
    ],
)
def test_images_inside_go_along_and_have_their_markers_in_place(value, expected, names):
    rendered = to_text(value, "x")
    assert rendered.text == expected
    assert [image.name for image in rendered.images] == names
    assert all(image.data and image.data.startswith(b"\x89PNG") for image in rendered.images)
    assert rendered.notices == ()


def test_an_image_in_an_expression_that_is_no_name_is_named_by_its_place():
    assert to_text([picture("red")], "a + b").text == "[[image: (a + b)[0]]]"


# Texts that say nothing


class Plain:
    __module__ = "__main__"


class Chart:
    """A chart as altair and plotly have it, whose text is `repr`."""

    def to_dict(self) -> dict[str, object]:
        return {}

    def to_image(self) -> bytes:
        raise AssertionError

    def save(self) -> None:
        raise AssertionError

    def __repr__(self) -> str:
        return self.shown

    shown = ""


def chart(library: str, shown: str) -> object:
    return type("Chart", (Chart,), {"__module__": f"{library}.api", "shown": shown})()


@pytest.mark.parametrize(
    ("value", "named", "advice"),
    [
        (Plain(), "a Plain", "send the attributes"),
        ((n for n in "ab"), "a generator", "list(…) sends its items"),
        (map(str, [1]), "a map", "list(…) sends its items"),
        (iter([1]), "a list_iterator", "list(…) sends its items"),
        (FRAME.groupby("city"), "a pandas.DataFrameGroupBy", ".size()"),
        (
            type("Styler", (), {"__module__": "pandas.io.formats.style"})(),
            "a pandas.Styler",
            "its attribute data is the table",
        ),
        (chart("altair", "alt.Chart(...)"), "an altair.Chart", "pip install vl-convert-python"),
        (chart("plotly", "Figure({'data': []})"), "a plotly.Chart", "pip install kaleido"),
    ],
)
def test_a_text_that_says_nothing_is_named_alone_and_inside(value, named, advice):
    for outer, verb in ((value, "is"), ([value], "contains"), ({"k": (value,)}, "contains")):
        (notice,) = to_text(outer, "x").notices
        assert notice.startswith(f"`{{{{ x }}}}` {verb} {named}, ")
        assert advice in notice


def test_the_notice_names_each_kind_once_and_not_many_kinds():
    kinds = [type(f"K{n}", (), {}) for n in range(5)]
    notices = to_text([kind() for kind in kinds for _ in range(3)], "x").notices
    assert len(notices) == 4
    assert notices[-1] == "`{{ x }}` contains 2 more kinds of such values"


def test_a_tensor_that_abbreviates_itself_is_named():
    tensor = type(
        "Tensor", (), {"__module__": "torch", "__repr__": lambda _: "tensor([1, ..., 9])"}
    )()
    (notice,) = to_text([tensor], "x").notices
    assert notice.startswith("`{{ x }}` contains a torch.Tensor, whose class abbreviates its text")


@pytest.mark.parametrize("value", ["<a at 0x1>", ["<a at 0x1>"], 1, Held(1), pd.RangeIndex(3)])
def test_a_text_that_says_something_needs_no_notice(value):
    assert to_text(value, "x").notices == ()


# Hostile values


class Endless(list[int]):
    def __iter__(self) -> Any:
        return itertools.repeat(1)

    def __len__(self) -> int:
        return 10**9


class EndlessDict(dict[str, int]):
    def items(self) -> Any:
        return itertools.repeat(("a", 1))


def recursive_frame() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [None]}, dtype=object)
    frame.at[0, "a"] = frame  # noqa: PD008  .loc would spread it over the cells
    return frame


def recursive_array() -> object:
    array = np.empty(1, dtype=object)
    array[0] = [array]
    return array


def deep_frames() -> pd.DataFrame:
    frame = FRAME
    for _ in range(60):
        outer = pd.DataFrame({"a": [None]}, dtype=object)
        outer.at[0, "a"] = frame  # noqa: PD008  as above
        frame = outer
    return frame


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Endless([1, 2]), "[1, 2]"),
        (EndlessDict(a=1), "{'a': 1}"),
        ([itertools.count(3)], "[count(3)]"),
        (recursive_frame(), "1 row × 1 column\n\n| a |\n| --- |\n| ... |"),
        (recursive_array(), "array, shape (1,), dtype object\n[[...]]"),
    ],
)
def test_endless_and_recursive_values_end(value, expected):
    assert text(value) == expected


def test_frames_inside_frames_end():
    rendered = to_text(deep_frames(), "x")
    assert len(rendered.text) < 21_000
    assert "cut: " in rendered.notices[0]


def test_an_iterator_is_not_read():
    numbers = iter([1, 2, 3])
    to_text({"a": [numbers]}, "x")
    assert [*numbers] == [1, 2, 3]


class Raising:
    def __repr__(self) -> str:
        raise ValueError("no text")


class Huge:
    def __repr__(self) -> str:
        return "h" * 1_000_000


class Shown:
    def _repr_html_(self) -> str:
        raise AssertionError

    _repr_mimebundle_ = _repr_png_ = _repr_html_

    def __repr__(self) -> str:
        return "shown"


def test_a_class_that_cannot_be_written_is_refused_and_a_huge_text_is_cut():
    for value in ([Raising()], pd.DataFrame({"a": [Raising()]})):
        with pytest.raises(OptionError, match="ValueError: no text"):
            text(value)
    for value in ([Huge()], {"a": Huge()}, pd.DataFrame({"a": [Huge()]})):
        rendered = to_text(value, "x")
        assert len(rendered.text) < 21_000
        assert "characters" in rendered.notices[0]


def test_what_a_notebook_would_show_is_never_called():
    assert text([Shown(), {"a": Shown()}]) == "[shown, {'a': shown}]"


# Precision, dates and limits


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333"),
        (2.0, "2.0"),
        (-0.5, "-0.5"),
        (123456.789012345, "123456.789012"),
        (1.23456789e-9, "1.234568e-09"),
        (1e300, "1.0e+300"),
        (0.0, "0.0"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (np.float32(0.1), "0.1"),
    ],
)
def test_floats_have_the_display_precision_of_pandas(number, expected):
    for frame in (pd.DataFrame({"a": [number]}), pl.DataFrame({"a": [float(number)]})):
        assert text(frame).splitlines()[-1] == f"| {expected} |"
    assert text(pd.Index([number])).splitlines()[-1] == f"[{expected}]"


def test_the_options_of_pandas_apply():
    frame = pd.DataFrame({"a": [1 / 3]})
    with pd.option_context("display.precision", 2):
        assert text(frame).endswith("| 0.33 |")
    with pd.option_context("display.float_format", "{:.1%}".format):
        assert text(frame).endswith("| 33.3% |")


MIDNIGHT = pd.Timestamp("2026-01-02")
NOON = pd.Timestamp("2026-01-02 12:00")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([MIDNIGHT, None], ["2026-01-02", "NaT"]),
        ([MIDNIGHT, NOON], ["2026-01-02 00:00:00", "2026-01-02 12:00:00"]),
        ([MIDNIGHT.tz_localize("UTC")], ["2026-01-02 00:00:00+00:00"]),
        ([dt.date(2026, 1, 2)], ["2026-01-02"]),
    ],
)
def test_midnights_are_dates_if_all_of_a_column_are(column, expected):
    rows = text(pd.DataFrame({"day": column})).splitlines()[4:]
    assert rows == [f"| {each} |" for each in expected]


def test_an_index_and_a_header_of_days_are_dates_too():
    frame = pd.DataFrame([[1]], index=[MIDNIGHT], columns=[MIDNIGHT])
    assert text(frame).splitlines()[2:] == [
        "|  | 2026-01-02 |",
        "| --- | --- |",
        "| 2026-01-02 | 1 |",
    ]
    polars = pl.DataFrame({"day": [dt.datetime(2026, 1, 2)]})  # noqa: DTZ001
    assert text(polars).endswith("| 2026-01-02 |")


LONG = pd.DataFrame({"a": range(3_000)})


@pytest.mark.parametrize(
    ("value", "limits", "cut"),
    [
        (LONG, ValueLimits(table_rows=5), "5 of 3,000 rows"),
        (LONG, ValueLimits(table_rows=None, value_chars=100_000), None),
        (LONG, ValueLimits(table_rows=None, table_chars=100_000), None),
        ([LONG, LONG], ValueLimits(table_rows=None, table_chars=100_000), None),
        (LONG, ValueLimits(table_rows=2_500, table_chars=100_000), "2,500 of 3,000 rows"),
        (pd.DataFrame([[1, 2, 3]]), ValueLimits(table_columns=2), "2 of 3 columns"),
        (pd.DataFrame([range(90)]), ValueLimits(table_columns=None), None),
        ("abcdef", ValueLimits(text_chars=3), "3 of 6 characters"),
        ([*range(90)], ValueLimits(value_chars=40), "7 of 90 items"),
    ],
)
def test_the_limits_are_those_given(value, limits, cut):
    rendered = to_text(value, "x", limits)
    expected = () if cut is None else (f"`{{{{ x }}}}` was cut: {cut} sent",)
    assert rendered.notices == expected
    assert ("[cut: " in rendered.text) == (cut is not None)
