"""Format data frames, series and Arrow tables as Markdown tables.

Only first rows are sent: a gap could be misread, and users can send `df.tail()`. Numbers have the
display precision of pandas, and a column of dates has no times if all of them are midnight.
Libraries are recognized by class name, so none is imported here.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast

from cc_jupyter.core.text import pluralize, top_level_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cc_jupyter.prompt.omissions import Omissions


Row: TypeAlias = "tuple[object, ...]"

_LINE_BREAK = re.compile(r"\r\n?|\n")
_TIMES = "\N{MULTIPLICATION SIGN}"
_PRECISION = 6
"""The display precision of pandas unless it is set."""
_MAX_FIXED = 1e15
"""Larger floats are written with an exponent: a float has no more digits."""
_MIN_ROW_CHARS = 5
_TABLES = {
    "pandas": {"DataFrame", "Series"},
    "polars": {"DataFrame", "Series"},
    "pyarrow": {"Table", "RecordBatch"},
}


class TableRoom(NamedTuple):
    """How much of a table may be written."""

    rows: int | None
    """`None`: all."""
    columns: int | None
    """`None`: all."""
    chars: int
    margin_chars: int
    """The indentation that is added to each line."""


def table_text(
    value: object,
    room: TableRoom,
    omissions: Omissions,
    write_cell: Callable[[object], str],
) -> str | None:
    """Format the shape and as many whole rows as fit, at least one.

    Parameters
    ----------
    room
        How much of the table may be written.
    omissions
        Where cuts are recorded; the text says them too, in its last line.
    write_cell
        Formats a cell that is neither text nor a float nor a time.

    Returns
    -------
    str or None
        `None`: the value is not a table.
    """
    max_rows = max(1, room.chars // _MIN_ROW_CHARS)
    table = _table(value, min(room.rows or max_rows, max_rows), room.columns)
    if table is None:
        return None
    shape = shape_text(table.row_count, table.column_count)
    if not table.header:
        return shape
    names = [each for each in table.header if not isinstance(each, str)]
    header_writer = value_writer(names, str)
    header = [_cell(header_writer(each)) for each in table.header]
    lines = [shape, "", _line(header), _line(["---"] * len(header))]
    left = room.chars - sum(len(line) + 1 + room.margin_chars for line in lines)
    columns = zip(*table.rows, strict=True)
    writers = [value_writer(column, write_cell) for column in columns]
    shown = 0
    for row in table.rows:
        line = _line([_cell(write(each)) for write, each in zip(writers, row, strict=True)])
        left -= len(line) + 1 + room.margin_chars
        if left < 0 and shown:
            break
        lines.append(line)
        shown += 1
    cuts = []
    if shown < table.row_count:
        cuts.append(omissions.add(shown, table.row_count, "rows"))
    if room.columns is not None and table.column_count > room.columns:
        cuts.append(omissions.add(room.columns, table.column_count, "columns"))
    return "\n".join([*lines, *([f"… [cut: {', '.join(cuts)}]"] if cuts else [])])


def frame_kind(value: object) -> tuple[str, str] | None:
    """Return library and class, such as `("pandas", "Series")`; `None` for other values."""
    for kind in type(value).__mro__:
        library = top_level_module(kind)
        if kind.__name__ in _TABLES.get(library, ()):
            return library, kind.__name__
    return None


def shape_text(row_count: int, column_count: int) -> str:
    """Return a shape in words."""
    return f"{pluralize(row_count, 'row')} {_TIMES} {pluralize(column_count, 'column')}"


def value_writer(
    values: Iterable[object], write_other: Callable[[object], str]
) -> Callable[[object], str]:
    """Return what formats the values of one column.

    Floats are rounded as pandas shows them. Midnights are dates if all times in the column are.
    """
    dates_only = all(map(_is_midnight, values))
    write_float = _float_writer()

    def write(value: object) -> str:
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, float):
            return write_float(value)
        if isinstance(value, datetime):
            midnight = dates_only and value == value  # noqa: PLR0124  pandas' NaT equals nothing
            return value.date().isoformat() if midnight else str(value)
        return write_other(value)

    return write


def _is_midnight(value: object) -> bool:
    """Return whether a value is a date without time or zone, or missing."""
    if value is None or (isinstance(value, float | datetime) and value != value):  # noqa: PLR0124
        return True
    return (
        isinstance(value, datetime)
        and value.tzinfo is None
        and not (value.hour or value.minute or value.second or value.microsecond)
        and not getattr(value, "nanosecond", 0)
    )


def _float_writer() -> Callable[[float], str]:
    """Return what formats a float as pandas' options ask, without its trailing zeros."""
    display = getattr(getattr(sys.modules.get("pandas"), "options", None), "display", None)
    chosen = getattr(display, "float_format", None)
    if callable(chosen):
        return lambda number: str(chosen(number))
    precision = int(getattr(display, "precision", _PRECISION))

    def write(number: float) -> str:
        if not isfinite(number):
            return str(float(number))
        if number and not 10.0**-precision <= abs(number) < _MAX_FIXED:
            mantissa, _, exponent = f"{number:.{precision}e}".partition("e")
            return f"{_short(mantissa)}e{exponent}"
        return _short(f"{number:.{precision}f}")

    return write


def _short(digits: str) -> str:
    """Return digits without trailing zeros, with at least one after the point."""
    whole, point, fraction = digits.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}" if point else digits


@dataclass(frozen=True, slots=True)
class _Table:
    header: Sequence[object]
    rows: Sequence[Row]
    """The first rows, with the cells of the index."""
    row_count: int
    column_count: int
    """Without those of the index."""


class _PandasIndex(Protocol):
    nlevels: int
    name: object
    names: Sequence[object]


class _PandasFrame(Protocol):
    shape: tuple[int, int]
    columns: Iterable[object]
    index: _PandasIndex

    def itertuples(self, *, index: bool, name: None) -> Iterable[Row]: ...


def _table(value: object, max_rows: int, max_columns: int | None) -> _Table | None:
    known = frame_kind(value)
    if known is None:
        return None
    library, kind = known
    frame = cast("Any", value)
    if library == "pyarrow":
        shown = frame.slice(0, max_rows)
        names = frame.column_names[:max_columns]
        columns = [shown.column(at).to_pylist() for at in range(len(names))]
        return _Table(names, list(zip(*columns, strict=True)), frame.num_rows, frame.num_columns)
    if kind == "Series":
        frame = frame.to_frame()
    if library == "polars":
        shown = frame[:max_rows, :max_columns]
        return _Table(list(shown.columns), shown.rows(), *frame.shape)
    return _pandas_table(frame.iloc[:max_rows, :max_columns], frame.shape)


def _pandas_table(shown: _PandasFrame, shape: tuple[int, int]) -> _Table:
    header = list(shown.columns)
    rows = shown.itertuples(index=True, name=None)
    if _is_default(shown.index):
        return _Table(header, [row[1:] for row in rows], *shape)
    if shown.index.nlevels > 1:
        rows = ((*cast("Row", row[0]), *row[1:]) for row in rows)
    index = ["" if name is None else name for name in shown.index.names]
    return _Table([*index, *header], list(rows), *shape)


def _is_default(index: _PandasIndex) -> bool:
    """Return whether the index only numbers the rows from 0, which adds no information."""
    if type(index).__name__ != "RangeIndex" or index.name is not None:
        return False
    counting = cast("range", index)
    return counting.start == 0 and counting.step == 1


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return _LINE_BREAK.sub("<br>", text.replace("|", r"\|"))
