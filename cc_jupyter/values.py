"""Writes the value of a `{{ expression }}` as the text that is sent.

Data frames are known by the name of their class, so neither pandas nor polars is imported here.
What is too long is cut, and both the text and a notice for the user say so. Evaluating is left to
`template`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from cc_jupyter.errors import OptionError
from cc_jupyter.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STR_LIMIT = 400_000
"""The most characters of a `str`: text that was made to be sent."""
OTHER_LIMIT = 20_000
"""The most characters of any other value: nobody wrote its text."""
ROW_LIMIT = 100
"""The first rows of a data frame: one run, which cannot be misread; `df.tail()` is at hand."""
COLUMN_LIMIT = 50

Row: TypeAlias = "tuple[object, ...]"

_LINE_BREAK = re.compile(r"\r\n?|\n")
_EXCERPT = 60
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value as text."""

    text: str
    notice: str | None = None
    """What to tell the user: that, and how much, was cut; `None` when all is there."""


def to_text(value: object, expression: str) -> Rendered:
    """Write `value`, which `expression` gave, as text.

    Raises
    ------
    OptionError
        The value cannot be written; the error names the expression.
    """
    if type(value) is str:
        return _limited(value, STR_LIMIT, [], expression)
    try:
        if (table := _table(value)) is not None:
            text, cuts = _table_text(table)
            return _limited(text, OTHER_LIMIT, cuts, expression)
        # a subclass of str may lie about its length and slices: take the characters
        text = str.__str__(str(value))
    except Exception as error:
        raise OptionError(
            f"the value of {name_expression(expression)}, a {type(value).__name__}, cannot be"
            f" written as text: {describe(error)}",
            hint="nothing was sent; make a str of it inside the braces",
        ) from error
    return _limited(text, STR_LIMIT if isinstance(value, str) else OTHER_LIMIT, [], expression)


def name_expression(expression: str) -> str:
    """Give an expression as messages quote it."""
    return f"`{{{{ {excerpt(expression)} }}}}`"


def excerpt(text: str, limit: int = _EXCERPT) -> str:
    """Give the start of `text` on one line, so that a message stays readable."""
    line = " ".join(text[: 4 * limit].split())
    whole = len(line) <= limit and len(text) <= 4 * limit
    return line if whole else f"{line[:limit]}…"


def describe(error: BaseException) -> str:
    """Give the class and message of somebody else's exception on one line, without secrets."""
    try:
        message = excerpt(redact(str(error)), 2 * _EXCERPT)
    except Exception:  # noqa: BLE001  an exception whose own text fails still has a class
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _limited(text: str, limit: int, cuts: list[str], expression: str) -> Rendered:
    if len(text) > limit:
        cuts = [*cuts, f"{limit:,} of {len(text):,} characters"]
        text = text[:limit]
    if not cuts:
        return Rendered(text)
    cut = ", ".join(cuts)
    return Rendered(f"{text}\n… [cut: {cut}]", f"{name_expression(expression)} was cut: {cut} sent")


# ── data frames


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
    """Give the rows of a data frame or series of pandas or polars; `None` for anything else."""
    for kind in type(value).__mro__:
        library = str(kind.__module__).partition(".")[0]
        if library not in {"pandas", "polars"} or kind.__name__ not in {"DataFrame", "Series"}:
            continue
        found = cast("Any", value)
        frame = found.to_frame() if kind.__name__ == "Series" else found
        if library == "polars":
            shown = frame[:ROW_LIMIT, :COLUMN_LIMIT]
            return _Table(list(shown.columns), shown.rows(), *frame.shape)
        return _pandas_table(frame.iloc[:ROW_LIMIT, :COLUMN_LIMIT], frame.shape)
    return None


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


def _table_text(table: _Table) -> tuple[str, list[str]]:
    """Write the shape and as many whole rows as fit, the first in any case; name what is cut."""
    shape = f"{_count(table.row_count, 'row')} {_TIMES} {_count(table.column_count, 'column')}"
    if not table.header:
        return shape, []
    lines = [shape, "", _line(map(_cell, table.header)), _line(["---"] * len(table.header))]
    room = OTHER_LIMIT - sum(len(line) + 1 for line in lines)
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


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return _LINE_BREAK.sub("<br>", str(value).replace("|", r"\|"))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
