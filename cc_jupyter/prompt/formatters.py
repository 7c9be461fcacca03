"""Format containers, arrays and data frames as text for a prompt.

Dicts, lists, tuples, sets and dataclasses go on one line if they fit, otherwise each item has its
own line. Strings are never broken, which rules out the standard library's `pprint`. The character
budget also limits the work: of ten million items only those shown are read.

Arrays show their shape, type and values as numpy prints them; data frames and series of pandas and
polars become Markdown tables. Libraries are recognized by class name, so none is imported here.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import deque
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from cc_jupyter.core.text import pluralize, top_level_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from _typeshed import DataclassInstance


_WIDTH = 100
_INDENT = 2
_DEPTH_LIMIT = 20
_SHORT_ITEM = 20
"""Items up to this length share a line if the container does not fit on one."""

_Items: TypeAlias = "Iterator[tuple[str, object]]"


def structure_text(value: object, limit: int) -> tuple[str, list[str]] | None:
    """Format a container in about `limit` characters, and list what is cut.

    `None`: it is not a container, or its class defines its own text.
    """
    if _brackets(value) is None:
        return None
    writer = _Writer(limit - limit // 20)  # the rest is for indentation and "… more" marks
    return writer.write(value, 0), writer.cuts()


class _Writer:
    """Formats one value within a budget of characters."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._open: set[int] = set()
        self._items = [0, 0]  # shown and total items of the containers that were cut
        self._characters = [0, 0]

    def cuts(self) -> list[str]:
        """Return what was left out."""
        counts = ((self._items, "items"), (self._characters, "characters"))
        return [f"{shown:,} of {total:,} {noun}" for (shown, total), noun in counts if total]

    def write(self, value: object, depth: int) -> str:
        brackets = _brackets(value)
        if brackets is None:
            return self._leaf(value)
        opening, closing = brackets
        if id(value) in self._open:
            return f"{opening}...{closing}"
        self._open.add(id(value))
        pieces = self._pieces(value, depth)
        self._open.remove(id(value))
        if type(value) is tuple and len(pieces) == 1:
            closing = ",)"
        return _layout(opening, pieces, closing, depth)

    def _pieces(self, value: object, depth: int) -> list[str]:
        length, items = _items(value)
        pieces: list[str] = []
        if depth < _DEPTH_LIMIT:
            for label, item in items:
                if self._left <= 0:
                    break
                self._left -= len(label) + 2
                pieces.append(label + self.write(item, depth + 1))
                if len(pieces[-1]) > _SHORT_ITEM:  # goes on a separate line
                    self._left -= _INDENT * (depth + 1)
        if len(pieces) < length:
            self._items[0] += len(pieces)
            self._items[1] += length
            pieces.append(f"… {length - len(pieces):,} more")
        return pieces

    def _leaf(self, value: object) -> str:
        room = max(self._left, _SHORT_ITEM)
        if isinstance(value, str | bytes) and len(value) > room:
            text = repr(value[:room])  # of a long text, only the part shown is escaped
            length = len(value)
        else:
            text = repr(value)
            length = len(text)
        self._left -= len(text)
        if length <= room:
            return text
        self._characters[0] += room
        self._characters[1] += length
        return f"{text[: room + 2]}… {length - room:,} more characters"


def _layout(opening: str, pieces: list[str], closing: str, depth: int) -> str:
    one_line = f"{opening}{', '.join(pieces)}{closing}"
    margin = " " * (_INDENT * (depth + 1))
    if not pieces or ("\n" not in one_line and len(one_line) + len(margin) <= _WIDTH):
        return one_line
    if all(len(piece) <= _SHORT_ITEM for piece in pieces[:-1]):
        pieces = _wrap(pieces, _WIDTH - len(margin))
    body = f",\n{margin}".join(pieces)
    return f"{opening}\n{margin}{body}\n{margin[_INDENT:]}{closing}"


def _wrap(pieces: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + len(piece) + 2 <= width:
            lines[-1] += f", {piece}"
        else:
            lines.append(piece)
    return lines


def _brackets(value: object) -> tuple[str, str] | None:
    """Return the brackets around the items; `None`: the value is not expanded."""
    kind = type(value)
    if kind.__str__ is not object.__str__:
        return None
    if _is_plain_dataclass(kind):
        return f"{kind.__qualname__}(", ")"
    if kind.__module__ == "collections" and issubclass(kind, dict | deque):
        inner = "[]" if kind is deque else "{}"
        return f"{kind.__name__}({inner[0]}", f"{inner[1]})"
    for base, brackets in ((dict, "{}"), (list, "[]"), (tuple, "()")):
        if kind.__repr__ is base.__repr__:
            return brackets[0], brackets[1]
    if kind in (set, frozenset) and cast("frozenset[object]", value):
        return ("{", "}") if kind is set else ("frozenset({", "})")
    return None


def _items(value: object) -> tuple[int, _Items]:
    """Return the number of items, and each item with its label."""
    if isinstance(value, dict):
        return len(value), ((f"{_key(key)}: ", item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset | deque):
        return len(value), (("", item) for item in value)
    shown = [
        each.name for each in dataclasses.fields(cast("DataclassInstance", value)) if each.repr
    ]
    return len(shown), ((f"{name}=", getattr(value, name)) for name in shown)


def _key(key: object) -> str:
    text = repr(key)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _is_plain_dataclass(kind: type) -> bool:
    """Return whether `dataclass` generated the class's `repr`, so that ours says the same."""
    if not dataclasses.is_dataclass(kind):
        return False
    generated = getattr(kind.__repr__, "__wrapped__", None)
    return getattr(getattr(generated, "__code__", None), "co_filename", "") == "<string>"


VALUE_LIMIT = 1_000
"""Maximum number of values of an array; of a larger one, both ends of each axis are sent."""


def is_array(value: object) -> bool:
    """Return whether a value is a numpy array or of a subclass, without importing numpy."""
    return any(
        kind.__name__ == "ndarray" and top_level_module(kind) == "numpy"
        for kind in type(value).__mro__
    )


def array_text(value: object, _limit: int) -> tuple[str, list[str]] | None:
    """Format an array, rounded as numpy prints it; `None`: it is not an array."""
    if not is_array(value):
        return None
    array = cast("Any", value)
    shape: tuple[int, ...] = array.shape
    edge = max(1, int(VALUE_LIMIT ** (1 / max(1, len(shape)))) // 2)
    options = cast("Any", sys.modules["numpy"]).printoptions
    with options(threshold=VALUE_LIMIT, edgeitems=edge, linewidth=_WIDTH):
        text = f"array, shape {shape}, dtype {array.dtype}\n{array}"
    if array.size <= VALUE_LIMIT:
        return text, []
    shown = prod(min(length, 2 * edge) for length in shape)
    return text, [f"{shown:,} of {array.size:,} values"]


ROW_LIMIT = 100
"""Only first rows are sent: a gap could be misread, and users can send `df.tail()`."""
COLUMN_LIMIT = 50

Row: TypeAlias = "tuple[object, ...]"

_LINE_BREAK = re.compile(r"\r\n?|\n")
_TIMES = "\N{MULTIPLICATION SIGN}"


def table_text(value: object, limit: int) -> tuple[str, list[str]] | None:
    """Format the shape and as many whole rows as fit, at least one, and list what is cut.

    `None`: it is neither a data frame nor a series.
    """
    table = _table(value)
    if table is None:
        return None
    shape = shape_text(table.row_count, table.column_count)
    if not table.header:
        return shape, []
    lines = [shape, "", _line(map(_cell, table.header)), _line(["---"] * len(table.header))]
    room = limit - sum(len(line) + 1 for line in lines)
    shown = 0
    for row in table.rows:
        line = _line(map(_cell, row))
        room -= len(line) + 1
        if room < 0 and shown:
            break
        lines.append(line)
        shown += 1
    cuts = []
    if shown < table.row_count:
        cuts.append(f"{shown:,} of {table.row_count:,} rows")
    if table.column_count > COLUMN_LIMIT:
        cuts.append(f"{COLUMN_LIMIT} of {table.column_count:,} columns")
    return "\n".join(lines), cuts


def frame_kind(value: object) -> tuple[str, str] | None:
    """Return library and class, such as `("pandas", "Series")`; `None` for other values."""
    for kind in type(value).__mro__:
        library = top_level_module(kind)
        if library in {"pandas", "polars"} and kind.__name__ in {"DataFrame", "Series"}:
            return library, kind.__name__
    return None


def shape_text(row_count: int, column_count: int) -> str:
    """Return a shape in words."""
    return f"{pluralize(row_count, 'row')} {_TIMES} {pluralize(column_count, 'column')}"


@dataclass(frozen=True, slots=True)
class _Table:
    header: list[str]
    rows: Iterable[Row]
    """At most `ROW_LIMIT` rows of `COLUMN_LIMIT` cells, without those of the index."""
    row_count: int
    column_count: int


class _PandasIndex(Protocol):
    nlevels: int
    name: object
    names: Sequence[object]


class _PandasFrame(Protocol):
    shape: tuple[int, int]
    columns: Iterable[object]
    index: _PandasIndex

    def itertuples(self, *, index: bool, name: None) -> Iterable[Row]: ...


def _table(value: object) -> _Table | None:
    known = frame_kind(value)
    if known is None:
        return None
    library, kind = known
    frame = cast("Any", value)
    if kind == "Series":
        frame = frame.to_frame()
    if library == "polars":
        shown = frame[:ROW_LIMIT, :COLUMN_LIMIT]
        return _Table(list(shown.columns), shown.rows(), *frame.shape)
    return _pandas_table(frame.iloc[:ROW_LIMIT, :COLUMN_LIMIT], frame.shape)


def _pandas_table(shown: _PandasFrame, shape: tuple[int, int]) -> _Table:
    header = [str(name) for name in shown.columns]
    rows = shown.itertuples(index=True, name=None)
    if _is_default(shown.index):
        return _Table(header, (row[1:] for row in rows), *shape)
    if shown.index.nlevels > 1:
        rows = ((*cast("Row", row[0]), *row[1:]) for row in rows)
    index = ["" if name is None else str(name) for name in shown.index.names]
    return _Table(index + header, rows, *shape)


def _is_default(index: _PandasIndex) -> bool:
    """Return whether the index only numbers the rows from 0, which adds no information."""
    if type(index).__name__ != "RangeIndex" or index.name is not None:
        return False
    counting = cast("range", index)
    return counting.start == 0 and counting.step == 1


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return _LINE_BREAK.sub("<br>", str(value).replace("|", r"\|"))
