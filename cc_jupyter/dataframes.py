"""Data frames and series of pandas and polars as Markdown tables.

They are known by the name of their class, so neither library is imported here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from cc_jupyter.core.text import counted, library_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROW_LIMIT = 100
"""The first rows of a data frame: one run, which cannot be misread; `df.tail()` is at hand."""
COLUMN_LIMIT = 50

Row: TypeAlias = "tuple[object, ...]"

_LINE_BREAK = re.compile(r"\r\n?|\n")
_TIMES = "\N{MULTIPLICATION SIGN}"


def table_text(value: object, limit: int) -> tuple[str, list[str]] | None:
    """Write the shape and as many whole rows as fit, the first in any case; name what is cut.

    `None`: it is no data frame and no series.
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
    """Give library and kind, `("pandas", "Series")`; `None` for anything else."""
    for kind in type(value).__mro__:
        library = library_of(kind)
        if library in {"pandas", "polars"} and kind.__name__ in {"DataFrame", "Series"}:
            return library, kind.__name__
    return None


def shape_text(row_count: int, column_count: int) -> str:
    """Give a shape in words."""
    return f"{counted(row_count, 'row')} {_TIMES} {counted(column_count, 'column')}"


@dataclass(frozen=True, slots=True)
class _Table:
    header: list[str]
    rows: Iterable[Row]
    """At most `ROW_LIMIT` of `COLUMN_LIMIT` cells, those of the index not counted."""
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
    found = cast("Any", value)
    frame = found.to_frame() if kind == "Series" else found
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
    """Tell whether the index only counts the rows from 0, which says nothing."""
    if type(index).__name__ != "RangeIndex" or index.name is not None:
        return False
    counting = cast("range", index)
    return counting.start == 0 and counting.step == 1


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return _LINE_BREAK.sub("<br>", str(value).replace("|", r"\|"))
