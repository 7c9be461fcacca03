"""Values as text: what a model reads in place of an expression."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import decimal
import enum
import functools
import io
import linecache
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from IPython.display import Image as DisplayedImage
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.core.text import describe, excerpt
from cc_jupyter.prompt.formatters import ValueWriter
from cc_jupyter.prompt.values import Rendered, to_text

LIMITS = ValueLimits()


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
    assert to_text(value, "x") == Rendered(expected)


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
    assert len(text(Html("a" * LIMITS.text_chars))) == LIMITS.text_chars


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


class Wordy:
    def __init__(self, length: int) -> None:
        self.length = length

    def __str__(self) -> str:
        return "a" * self.length


@pytest.mark.parametrize(
    ("value", "limit"),
    [("a" * (LIMITS.text_chars + 1), LIMITS.text_chars), (Wordy(30_000), LIMITS.value_chars)],
)
def test_a_long_value_is_cut_and_says_so_at_the_cut_and_to_the_user(value, limit):
    whole = str(value)
    rendered = to_text(value, "x")
    cut = f"{limit:,} of {len(whole):,} characters"
    assert rendered.text == f"{whole[:limit]}\n… [cut: {cut}]"
    assert rendered.notices == (f"`{{{{ x }}}}` was cut: {cut} sent",)


@pytest.mark.parametrize("value", ["a" * LIMITS.text_chars, Wordy(LIMITS.value_chars)])
def test_a_value_as_long_as_the_limit_is_whole(value):
    assert to_text(value, "x") == Rendered(str(value))


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
    assert to_text(frame, "x") == Rendered(expected)


@pytest.mark.parametrize("library", [pd, pl])
def test_of_a_large_frame_the_first_rows_and_columns_are_sent_and_it_says_so(library):
    frame = library.DataFrame({f"c{n}": [n % 10] * 5_000 for n in range(80)})
    rendered = to_text(frame, "df")
    rows = rendered.text.splitlines()
    assert rows[0] == "5,000 rows × 80 columns"
    assert rows[2].startswith("| c0 | c1 |")
    assert rows[2].endswith("| c49 |")
    assert rows[-1] == "… [cut: 95 of 5,000 rows, 50 of 80 columns]"
    assert rendered.notices == ("`{{ df }}` was cut: 95 of 5,000 rows, 50 of 80 columns sent",)
    narrow = to_text(library.DataFrame({"a": range(5_000)}), "df").text.splitlines()
    assert narrow[-2:] == ["| 99 |", "… [cut: 100 of 5,000 rows]"]


def test_a_frame_of_wide_cells_is_cut_at_a_whole_row():
    frame = pd.DataFrame({"a": ["x" * 3_000] * 50})
    rendered = to_text(frame, "df")
    rows = rendered.text.splitlines()
    assert rows[-1] == "… [cut: 6 of 50 rows]"
    assert set(rows[4:-1]) == {"| " + "x" * 3_000 + " |"}
    assert len(rendered.text) < LIMITS.value_chars + 100


def test_a_frame_of_one_huge_cell_is_cut_inside_it():
    rendered = to_text(pd.DataFrame({"a": ["x" * 50_000] * 2}), "df")
    assert "1 of 2 rows, 20,000 of 50,0" in rendered.notices[0]
    assert rendered.notices[0].split("cut: ")[1].removesuffix(" sent") in rendered.text
    assert len(rendered.text) < LIMITS.value_chars + 100


def test_a_class_that_only_looks_like_a_frame_is_written_by_str():
    class DataFrame:
        def __str__(self):
            return "mine"

    assert text(DataFrame()) == "mine"


def test_a_subclass_of_a_frame_is_a_table():
    class Cities(pd.DataFrame):
        pass

    assert text(Cities({"a": [1]})).startswith("1 row × 1 column\n")


def test_no_library_is_imported_for_asking():
    code = (
        "import sys; from cc_jupyter.prompt.values import to_text; to_text([1], 'x');"
        "heavy = {'pandas', 'polars', 'numpy', 'matplotlib', 'PIL', 'IPython'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ── arrays


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.arange(3), "array, shape (3,), dtype int64\n[0 1 2]"),
        (np.eye(2), "array, shape (2, 2), dtype float64\n[[1. 0.]\n [0. 1.]]"),
        (np.array(7.5), "array, shape (), dtype float64\n7.5"),
        (np.array([]), "array, shape (0,), dtype float64\n[]"),
        (np.ma.masked_equal([1, 2], 2), "array, shape (2,), dtype int64\n[1 --]"),
    ],
)
def test_an_array_is_its_shape_its_type_and_its_values(array, expected):
    assert to_text(array, "a") == Rendered(expected)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((100_000,), 1_000), ((500, 500), 900), ((100_000, 3), 90), ((40, 40, 40), 512)],
)
def test_of_a_large_array_the_edges_are_sent_and_it_says_so(shape, shown):
    rendered = to_text(np.zeros(shape, "uint8"), "a")
    cut = f"{shown:,} of {math.prod(shape):,} values"
    assert rendered.text.count("0") - rendered.text.splitlines()[0].count("0") >= shown
    assert rendered.text.endswith(f"\n… [cut: {cut}]")
    assert rendered.notices == (f"`{{{{ a }}}}` was cut: {cut} sent",)
    assert "..." in rendered.text


def test_printing_an_array_leaves_the_options_of_numpy_alone():
    before = np.get_printoptions()
    to_text(np.zeros(5_000), "a")
    assert np.get_printoptions() == before


def test_a_number_of_numpy_is_a_number():
    assert text(np.float64(1.5)) == "1.5"


# ── dicts, lists, dataclasses


@dataclasses.dataclass
class Account:
    name: str
    password: str = dataclasses.field(default="hunter2", repr=False)
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Loud:
    name: str

    def __repr__(self) -> str:
        return "LOUD"


class Named(list[int]):
    def __str__(self) -> str:
        return "mine"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "[]"),
        ({}, "{}"),
        (set(), "set()"),
        ((1,), "(1,)"),
        ({3}, "{3}"),
        (frozenset({3}), "frozenset({3})"),
        ({"a": [1, (2, None)], "b": "it's"}, "{'a': [1, (2, None)], 'b': \"it's\"}"),
        (collections.Counter("aab"), "Counter({'a': 2, 'b': 1})"),
        (collections.deque([1, 2]), "deque([1, 2])"),
        (Account("Ann", tags=["x"]), "Account(name='Ann', tags=['x'])"),
        (Loud("Ann"), "LOUD"),
        (Named([1]), "mine"),
        ([Account("Ann")], "[Account(name='Ann', tags=[])]"),
    ],
)
def test_a_small_structure_stands_on_one_line(value, expected):
    assert to_text(value, "x") == Rendered(expected)


def test_what_does_not_fit_on_a_line_is_laid_out_and_text_is_never_broken():
    value = {"question": "why " * 30, "scores": list(range(60)), "who": Account("Ann")}
    assert text(value).splitlines() == [
        "{",
        f"  'question': {'why ' * 30!r},",
        "  'scores': [",
        f"    {', '.join(map(str, range(27)))},",
        f"    {', '.join(map(str, range(27, 51)))},",
        f"    {', '.join(map(str, range(51, 60)))}",
        "  ],",
        "  'who': Account(name='Ann', tags=[])",
        "}",
    ]


def test_a_structure_that_fits_its_limit_is_the_same_value_to_python():
    value = {"a": [1, "x" * 90, {"b": (1, 2.5, None)}], 3: {"s", "t"}, "e": [], "n": [[1] * 40] * 3}
    assert eval(text(value)) == value


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        (list(range(1_000_000)), r"3,\d{3} of 1,000,000 items"),
        ({"rows": list(range(1_000_000))}, r"3,\d{3} of 1,000,000 items"),
        (["a" * 50_000], r"1\d,\d{3} of 50,000 characters"),
        (["a" * 15_000] * 3, r"2 of 3 items, \d,\d{3} of 15,000 characters"),
    ],
)
def test_of_a_large_structure_the_start_is_sent_and_it_says_so(value, cut):
    rendered = to_text(value, "x")
    assert len(rendered.text) < LIMITS.value_chars
    said = re.fullmatch(rf"`\{{\{{ x \}}\}}` was cut: ({cut}) sent", rendered.notices[0])
    assert said
    assert rendered.text.endswith(f"\n… [cut: {said[1]}]")
    assert re.search(r"… [\d,]+ more", rendered.text)


def test_only_what_is_shown_of_a_structure_is_looked_at():
    class Counted:
        asked = 0

        def __repr__(self) -> str:
            Counted.asked += 1
            return "x" * 100

    ValueWriter(ValueLimits(value_chars=1_000), "x").text([Counted() for _ in range(100_000)])
    assert Counted.asked < 20


def test_a_structure_inside_itself_ends():
    circle: list[Any] = [1]
    circle.append(circle)
    assert text(circle) == "[1, [...]]"
    twice = [1]
    assert text([twice, twice]) == "[[1], [1]]"
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    assert "… 1 more" in text(deep)


# ── functions and classes


def shout(word: str) -> str:
    """Make it loud."""
    return word.upper() + "!"


class Speaker:
    """Has a voice."""

    def speak(self) -> str:
        return shout("hello")


SHOUT = '''def shout(word: str) -> str:
    """Make it loud."""
    return word.upper() + "!"'''


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (shout, SHOUT),
        (functools.wraps(shout)(lambda *given: given), SHOUT),
        (Speaker.speak, 'def speak(self) -> str:\n    return shout("hello")'),
        (Speaker().speak, 'def speak(self) -> str:\n    return shout("hello")'),
    ],
)
def test_a_function_is_its_source(value, expected):
    assert to_text(value, "f") == Rendered(expected)


def test_a_class_is_its_source():
    assert text(Speaker).startswith('class Speaker:\n    """Has a voice."""')
    assert text(Speaker).endswith('return shout("hello")')


def test_of_what_has_no_source_the_signature_and_the_documentation_are_sent():
    assert text(len).startswith("def len(obj, /): ...  # its source is not available\n\nReturn the")
    assert text(dict).startswith("class dict(...): ...  # its source is not available\n\ndict() ->")
    assert text(str.upper).startswith("def str.upper(self, /): ...")
    made: dict[str, Any] = {}
    exec("def f(x): return x", made)
    assert text(made["f"]) == "def f(x): ...  # its source is not available"


def run_as_cell(source: str, name: str) -> dict[str, Any]:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), space)
    return space


CELLS = ["<ipython-input-7-abc>", "/tmp/ipykernel_4711/123456.py", r"C:\Temp\ipykernel_1\2.py"]


@pytest.mark.parametrize("name", CELLS)
def test_functions_and_classes_of_a_cell_are_their_source(name, monkeypatch):
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
    source = (
        "import dataclasses\n\ndef double(x):\n    return 2 * x\n\n"
        "class Point:\n    def __init__(self): self.x = 1\n\n"
        "@dataclasses.dataclass\nclass Pair:\n    x: int\n\n    class Inner:\n        z = 1\n"
    )
    space = run_as_cell(source, name)
    assert text(space["double"]) == "def double(x):\n    return 2 * x"
    assert text(space["Point"]) == "class Point:\n    def __init__(self): self.x = 1"
    assert text(space["Pair"]).startswith("@dataclasses.dataclass\nclass Pair:\n    x: int\n")
    assert text(space["Pair"].Inner) == "class Inner:\n    z = 1"


def test_of_a_class_defined_twice_each_version_has_its_own_source(monkeypatch):
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
    old = run_as_cell("class A:\n    def f(self): return 1\n", CELLS[0])["A"]
    new = run_as_cell("class A:\n    def f(self): return 2\n", CELLS[1])["A"]
    assert "return 1" in text(old)
    assert "return 2" in text(new)


def test_a_long_class_is_cut_and_says_so():
    rendered = to_text(argparse.ArgumentParser, "argparse.ArgumentParser")
    assert rendered.text.startswith("class ArgumentParser")
    assert len(rendered.text) < LIMITS.value_chars + 100
    assert "was cut: 20,000 of " in rendered.notices[0]


# ── exceptions


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    pd.DataFrame({"a": [1]})["b"]


def caught(function: Any, *given: Any) -> BaseException:
    try:
        function(*given)
    except Exception as error:  # noqa: BLE001  any is the subject
        return error
    raise AssertionError


def test_an_exception_is_its_type_its_message_and_the_users_own_frames():
    written = text(caught(fail, 0))
    lines = written.splitlines()
    assert lines[0] == "KeyError: 'b'"
    assert lines[3].endswith(", in fail")
    assert lines[4] == '    pd.DataFrame({"a": [1]})["b"]'
    assert "site-packages" not in written
    assert str(Path.home()) not in written


def test_of_a_deep_recursion_the_middle_is_left_out_and_it_says_so():
    rendered = to_text(caught(fail, 50), "e")
    assert "  … 40 more frames" in rendered.text
    assert rendered.notices == ("`{{ e }}` was cut: 12 of 52 frames sent",)


def test_what_an_exception_came_from_is_told():
    def convert() -> None:
        try:
            int("x")
        except ValueError as error:
            error.add_note("row 3")
            raise LookupError("no number") from error

    written = text(caught(convert))
    assert written.startswith("LookupError: no number\n")
    assert (
        "\ncaused by ValueError: invalid literal for int() with base 10: 'x'\nrow 3 (at " in written
    )
    assert written.endswith('int("x"))')


def test_a_group_of_exceptions_names_what_it_holds():
    group = ExceptionGroup("two", [ValueError("a"), KeyError("b")])
    assert text(group).splitlines() == [
        "ExceptionGroup: two (2 sub-exceptions)",
        "contains ValueError: a",
        "contains KeyError: 'b'",
    ]


def test_an_exception_without_a_traceback_or_a_text_is_written():
    class Mute(Exception):  # noqa: N818  a name as users have them
        def __str__(self) -> str:
            raise ValueError

    assert text(ValueError("bad")) == "ValueError: bad"
    assert "(its text cannot be shown)" in text(Mute())


def test_secrets_in_an_exception_are_taken_out():
    def connect() -> None:
        raise ConnectionError("postgresql://ann:tiger7@db/x refused sk-abcdef1234567890")

    written = text(caught(connect))
    assert "tiger7" not in written
    assert "sk-abcdef" not in written
    assert "postgresql://ann:[key]@db/x refused [key]" in written


# ── files


@pytest.mark.parametrize("content", [b"", b"print('hi')\n", "caf\u00e9 \u2028\r\n".encode()])
def test_a_path_stands_for_the_text_of_its_file(content, tmp_path):
    path = tmp_path / "x.py"
    path.write_bytes(content)
    assert to_text(path, "p") == Rendered(content.decode())


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b")
    assert text(path) == "a,b"


def test_a_path_in_the_home_folder_is_found(isolated_home):
    (isolated_home / "notes.txt").write_text("remember")
    assert text(Path("~/notes.txt")) == "remember"


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\U0001f600"])
def test_of_a_long_file_the_start_is_sent_and_it_says_so(letter, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text(letter * (LIMITS.file_chars + 50_000), encoding="utf-8")
    rendered = to_text(path, "p")
    size = path.stat().st_size
    cut = f"the first 100,000 characters of {size:,} bytes"
    assert rendered.text == f"{letter * LIMITS.file_chars}\n… [cut: {cut}]"
    assert rendered.notices == (f"`{{{{ p }}}}` was cut: {cut} sent",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x80\x81\x82", "not UTF-8 text"),
        (b"PK\x03\x04\x00\x00", "not text"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_sent_says_why_and_how_to_send_its_name(content, why, tmp_path):
    path = tmp_path / "x.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=why) as caught_error:
        to_text(path, "p")
    assert "`{{ p }}`" in str(caught_error.value)
    assert "str(path)" in caught_error.value.hint


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("caf\u00e9; 5 \u20ac".encode("cp1252"), "cp1252"),
        ("a,b\nGr\u00fc\u00dfe,1\r\n".encode("latin-1"), "cp1252"),
        ("caf\u00e9".encode("utf-16"), "utf-16"),
    ],
)
def test_a_file_in_another_encoding_names_it_and_how_to_read_it(content, encoding, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(OptionError) as caught_error:
        to_text(path, "p")
    assert str(caught_error.value).endswith(f"is not UTF-8 text; it looks like {encoding}")
    assert f'read_text(encoding="{encoding}")' in caught_error.value.hint
    assert path.read_text(encoding=encoding)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(OptionError, match="cannot be sent"):
        to_text(tmp_path, "p")


# ── images


def png(width: int = 2) -> bytes:
    buffer = io.BytesIO()
    PillowImage.new("RGB", (width, 2), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        Figure(),
        Figure().subplots(),
        PillowImage.new("RGB", (2, 2)),
        DisplayedImage(data=png()),
        png(),
    ],
)
def test_a_figure_or_an_image_goes_beside_the_text_which_holds_its_marker(value):
    rendered = to_text(value, "plots[0]")
    assert rendered.text == "[image: plots[0]]"
    assert rendered.notices == ()
    assert rendered.images[0].media_type == "image/png"
    assert rendered.images[0].data.startswith(b"\x89PNG")


def test_a_path_to_an_image_is_that_image_whatever_its_suffix(tmp_path):
    path = tmp_path / "plot.txt"
    path.write_bytes(png())
    rendered = to_text(path, "path")
    assert rendered.text == "[image: path]"
    assert rendered.images[0].data == png()


@pytest.mark.parametrize("value", [np.zeros((4, 4, 3)), b"\x00"])
def test_numbers_and_other_bytes_stay_text(value):
    assert to_text(value, "x").images == ()


def test_an_image_that_needs_a_library_which_is_missing_says_so(monkeypatch, tmp_path):
    buffer = io.BytesIO()
    PillowImage.new("RGB", (2, 2)).save(buffer, "TIFF")
    monkeypatch.setitem(sys.modules, "PIL", None)
    shown = DisplayedImage(data=buffer.getvalue(), format="png")
    with pytest.raises(ConfigError, match="Pillow") as caught_error:
        to_text(shown, "scan")
    assert "pip install pillow" in caught_error.value.hint


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
