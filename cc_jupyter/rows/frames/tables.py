"""Read rows from pandas, polars and iterables of dicts, as the names that a prompt can use.

A table is read in slices of a few rows, column by column, so that a row costs about a microsecond
for each column that is used, and no table is copied. A missing value of any library is `None`.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Iterable, Mapping
from copy import copy
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.text import describe, excerpt, pluralize, top_level_module, with_article
from cc_jupyter.experiments.checks import SCOPE
from cc_jupyter.prompt.tables import frame_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence


Library: TypeAlias = Literal["pandas", "polars", "rows"]
Names: TypeAlias = dict[str, object]

ROW: Final = "row"
INDEX: Final = "index"
VALUE: Final = "value"
"""The name of the cell of a series; `row` is the same, also in a check."""

_SLICE_ROWS = 128
"""Rows read at once, if they are read in order: in pandas 3 a text then costs 0.1 us, and 4.5 us
alone (2026-11-30)."""
_MISSING_KINDS = {"NaTType", "NAType"}
_CONVERT = {
    "polars.LazyFrame": "collect it: frame.collect()",
    "pyarrow.Table": "convert it: table.to_pandas(), or polars.from_arrow(table)",
    "pyarrow.RecordBatch": "convert it: batch.to_pandas(), or polars.from_arrow(batch)",
    "numpy.ndarray": "put it into a pandas Series or DataFrame",
}
_ROWS_HINT = 'use dicts, one for each row: [{"text": "…"}, {"text": "…"}]'


class _Source(Protocol):
    """What a library has to offer."""

    def cells(self, positions: Sequence[int], start: int, stop: int) -> list[tuple[object, ...]]:
        """Return the cells of some columns, by position, of the rows from `start` to `stop`."""

    def labels(self, start: int, stop: int) -> list[object]:
        """Return the labels of rows."""


class Row(dict[Any, Any]):
    """A row by the names of its columns: `row["name"]`, or `row.name` unless dicts use the name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> object:
        """Return a cell; raise `AttributeError` with a close match if there is no such column."""
        if name in self:
            return self[name]
        columns = [each for each in self if isinstance(each, str)]
        match = did_you_mean(name, columns)
        raise AttributeError(
            f"the row has no column `{name}`{f'; {match}' if match else ''}", name=name, obj=self
        )


class RowTable:
    """The rows of a table.

    Parameters
    ----------
    source
        Reads the cells.
    columns
        The names of the columns; those of a series are its own name.
    index
        What the result takes as its index; `None` where the library has none.
    """

    def __init__(  # noqa: PLR0913  a table is what it is made of
        self,
        library: Library,
        source: _Source,
        columns: Sequence[object],
        length: int,
        *,
        index: Any = None,  # noqa: ANN401  pandas' own
        is_series: bool = False,
    ) -> None:
        self.library = library
        self.keys = tuple(columns)
        """The names of the columns as the table has them: texts, numbers or tuples."""
        self.index = index
        self.columns = tuple(map(str, columns))
        """The same as text."""
        self.is_series = is_series
        self._source = source
        self._length = length
        self._places = _places(self.keys)
        """The positions of each column name: several if the name is used more than once."""
        self._named = self._template_columns()
        self._read = self._reader()

    def __len__(self) -> int:
        return self._length

    @property
    def template_names(self) -> frozenset[str]:
        """All names that a row brings to a prompt and to a check."""
        return frozenset({ROW, INDEX, *self._named})

    def names(self, at: int) -> Names:
        """Return the names of a row for a prompt and for checks: `row`, `index`, its columns.

        To read row after row is fastest.
        """
        return self._read(at)

    def label(self, at: int) -> object:
        """Return the label of a row for messages: its index, or its number."""
        return self._source.labels(at, at + 1)[0]

    def limited_to(self, needed: Collection[str]) -> RowTable:
        """Return the table with only those names that are used; all others need not be read.

        Raises
        ------
        OptionError
            A used name is that of several columns.
        """
        for name in sorted(set(needed) - self.template_names):
            count = len(self._places.get(name, ()))
            if count > 1:
                raise OptionError(
                    f"{count} columns are called `{excerpt(name)}`",
                    hint=f'row["{excerpt(name)}"] is the list of their values',
                )
        limited = copy(self)
        limited._read = self._reader(needed)  # noqa: SLF001  its own class
        return limited

    def _reader(self, needed: Collection[str] | None = None) -> _Reader:
        """Return what reads the needed names of a row; `None`: all names."""
        named = {name: at for name, at in self._named.items() if needed is None or name in needed}
        has_row = needed is None or ROW in needed
        wanted = range(len(self.keys)) if has_row else sorted(set(named.values()))
        return _Reader(
            self._source,
            wanted,
            {name: wanted.index(at) for name, at in named.items()},
            self._row_maker() if has_row else None,
            length=self._length,
            has_index=needed is None or INDEX in needed,
        )

    def values(self, position: int) -> Iterable[object]:
        """Return the cells of one column, by its position, slice by slice."""
        for start in range(0, self._length, _SLICE_ROWS):
            stop = min(start + _SLICE_ROWS, self._length)
            yield from map(itemgetter(0), self._source.cells((position,), start, stop))

    def sent_columns(self, needed: Collection[str]) -> list[int]:
        """Return the positions of the columns that a prompt with these names may send."""
        if ROW in needed:
            return list(range(len(self.keys)))
        return sorted({at for name, at in self._named.items() if name in needed})

    def notices(self, needed: Collection[str], in_checks: Collection[str] = ()) -> tuple[str, ...]:
        """Return one notice for each column that another meaning of its name hides.

        Parameters
        ----------
        needed
            The names that the prompt uses.
        in_checks
            The names that checks use.
        """
        found = []
        hidden = [name for name in (ROW, INDEX) if name in self._places and not self.is_series]
        for name in hidden:
            if name in needed or name in in_checks:
                meaning = "the whole row" if name == ROW else "the label of the row"
                found.append(f'`{name}` is {meaning}; the column is row["{name}"]')
        for scoped in SCOPE:
            if scoped in in_checks and scoped in self._named:
                where = "row" if self.is_series else f'row["{scoped}"]'
                what = "cell" if self.is_series else "column"
                found.append(f"in a check `{scoped}` is the answer's; the {what} is {where}")
        return tuple(found)

    def _template_columns(self) -> dict[str, int]:
        """Return the position of each column that a prompt reaches by its name alone."""
        found: dict[str, int] = {}
        twice: set[str] = set()
        for name, at in self._places.items():
            if not isinstance(name, str) or len(at) > 1:
                continue
            usable = unicodedata.normalize("NFKC", name)  # as Python reads names
            if not _is_template_name(usable):
                continue
            if usable in found:
                twice.add(usable)
            found[usable] = at[0]
        if self.is_series:
            found |= {VALUE: 0}
        return {name: at for name, at in found.items() if name not in twice}

    def _row_maker(self) -> Callable[[tuple[object, ...]], object]:
        """Return a function that makes `row` from the cells of all columns."""
        if self.is_series:
            return itemgetter(0)
        columns, places = self.keys, self._places
        if len(places) == len(columns):
            return lambda cells: Row(zip(columns, cells, strict=True))
        return lambda cells: Row(
            (name, cells[at[0]] if len(at) == 1 else [cells[each] for each in at])
            for name, at in places.items()
        )


class _Reader:
    """Reads the names of one row from the slice it is in."""

    def __init__(  # noqa: PLR0913  made in one place
        self,
        source: _Source,
        wanted: Sequence[int],
        named: Mapping[str, int],
        make_row: Callable[[tuple[object, ...]], object] | None,
        *,
        length: int,
        has_index: bool,
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._named = tuple(named.items())
        self._make_row = make_row
        self._length = length
        self._has_index = has_index
        self._slice: tuple[int, list[tuple[object, ...]], list[object]] = (0, [], [])
        """Its first row, cells and labels; replaced as a whole, so any thread may read."""

    def __call__(self, i: int) -> Names:
        if not 0 <= i < self._length:
            raise IndexError(i)
        start, rows, labels = self._slice
        if not 0 <= i - start < len(rows):
            follows = i == start + len(rows)
            stop = min(i + _SLICE_ROWS, self._length) if follows else i + 1
            start, rows, labels = self._slice = self._read(i, stop)
        cells = rows[i - start]
        found = {name: cells[at] for name, at in self._named}
        if self._make_row is not None:
            found[ROW] = self._make_row(cells)
        if self._has_index:
            found[INDEX] = labels[i - start]
        return found

    def _read(self, start: int, stop: int) -> tuple[int, list[tuple[object, ...]], list[object]]:
        labels = self._source.labels(start, stop) if self._has_index else []
        if not self._wanted:
            return start, [()] * (stop - start), labels
        return start, self._source.cells(self._wanted, start, stop), labels


def table_of(data: object) -> RowTable:
    """Return the rows of a pandas or polars frame or series, or of an iterable of dicts.

    An iterable is consumed once, and its rows stay in memory.

    Raises
    ------
    OptionError
        It is none of these; the message names the first row that is not a dict.
    """
    library, kind = frame_kind(data) or ("", "")
    if library == "pandas":
        return _pandas_table(cast("Any", data), is_series=kind == "Series")
    if library == "polars":
        return _polars_table(cast("Any", data), is_series=kind == "Series")
    return _dict_table(data)


class _PandasSource:
    def __init__(self, arrays: Sequence[Any] | Callable[[int], Any], index: Any) -> None:  # noqa: ANN401  pandas' own
        self._array: Callable[[int], Any] = arrays if callable(arrays) else arrays.__getitem__
        self._arrays: dict[int, Any] = {}
        self._index = index

    def cells(self, positions: Sequence[int], start: int, stop: int) -> list[tuple[object, ...]]:
        return list(zip(*(self._column(at, start, stop) for at in positions), strict=True))

    def labels(self, start: int, stop: int) -> list[object]:
        return list(map(_without_missing, self._index[start:stop].tolist()))

    def _column(self, position: int, start: int, stop: int) -> list[object]:
        array = self._arrays.get(position)
        if array is None:
            array = self._arrays[position] = self._array(position)
        part = array[start:stop]
        if type(array).__name__ != "NumpyExtensionArray":
            return list(map(_without_missing, part.tolist()))
        cells: list[object] = part.to_numpy().tolist()
        if array.dtype.kind in "biu":  # they have no missing values
            return cells
        return list(map(_without_missing, cells))


def _pandas_table(data: Any, *, is_series: bool) -> RowTable:  # noqa: ANN401  pandas is optional
    if is_series:
        source = _PandasSource([data.array], data.index)
        return RowTable("pandas", source, [data.name], len(data), index=data.index, is_series=True)
    source = _PandasSource(lambda at: data.iloc[:, at].array, data.index)
    return RowTable("pandas", source, list(data.columns), len(data), index=data.index)


class _PolarsSource:
    def __init__(self, frame: Any) -> None:  # noqa: ANN401  polars is optional
        self._frame = frame

    def cells(self, positions: Sequence[int], start: int, stop: int) -> list[tuple[object, ...]]:
        rows = self._frame[start:stop, list(positions)].rows()
        return [tuple(map(_without_missing, row)) for row in rows]

    def labels(self, start: int, stop: int) -> list[object]:
        return list(range(start, stop))


def _polars_table(data: Any, *, is_series: bool) -> RowTable:  # noqa: ANN401  as above
    frame = data.to_frame() if is_series else data
    source = _PolarsSource(frame)
    return RowTable("polars", source, list(frame.columns), len(frame), is_series=is_series)


class _DictSource:
    def __init__(self, rows: Sequence[Mapping[object, object]], columns: Sequence[object]) -> None:
        self._rows = rows
        self._columns = columns

    def cells(self, positions: Sequence[int], start: int, stop: int) -> list[tuple[object, ...]]:
        names = [self._columns[at] for at in positions]
        return [
            tuple(_without_missing(row.get(name)) for name in names)
            for row in self._rows[start:stop]
        ]

    def labels(self, start: int, stop: int) -> list[object]:
        return list(range(start, stop))


def _dict_table(data: object) -> RowTable:
    kind = type(data)
    name = f"{top_level_module(kind)}.{kind.__name__}"
    if name in _CONVERT:
        raise OptionError(f"a {name} has no rows to read", hint=_CONVERT[name])
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        what = "None" if data is None else with_article(kind.__name__)
        raise OptionError(f"{what} is not a table", hint=_ROWS_HINT)
    rows: list[Mapping[object, object]] = []
    columns: dict[object, None] = {}
    for row in _items(data):
        if not isinstance(row, Mapping):
            raise OptionError(
                f"row {len(rows)} is not a dict but {excerpt(with_article(type(row).__name__))}",
                hint=_ROWS_HINT,
            )
        columns |= dict.fromkeys(row)
        rows.append(row)
    names = tuple(columns)
    return RowTable("rows", _DictSource(rows, names), names, len(rows))


def _items(data: Iterable[object]) -> Iterator[object]:
    """Yield the items of the user's iterable, which may raise anything."""
    count = 0
    try:
        for item in data:
            yield item
            count += 1
    except Exception as error:  # the user's iterable may raise anything
        raise OptionError(
            f"the rows cannot be read: after {pluralize(count, 'row')}, {describe(error)}",
            hint="nothing was sent",
        ) from error


def _places(columns: Sequence[object]) -> dict[object, tuple[int, ...]]:
    places: dict[object, tuple[int, ...]] = {}
    for at, name in enumerate(columns):
        places[name] = (*places.get(name, ()), at)
    return places


def _is_template_name(name: str) -> bool:
    """Return whether an expression reaches a column by this name."""
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")  # `__builtins__` would replace Python's own
        and name not in (ROW, INDEX)
    )


def _without_missing(value: object) -> object:
    """Return a cell as a plain Python value; `None`: it is missing in its library."""
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, float | Decimal):
        is_missing = value != value  # noqa: PLR0124  NaN equals nothing
        return None if is_missing else float(value) if isinstance(value, float) else value
    module = top_level_module(kind)
    if module == "pandas" and kind.__name__ in _MISSING_KINDS:
        return None
    if module == "numpy" and not getattr(value, "shape", None):
        return _numpy_scalar(cast("Any", value))
    return value


def _numpy_scalar(value: Any) -> object:  # noqa: ANN401  numpy is optional
    if getattr(value, "dtype", None) is None:
        return cast("object", value)
    if value.dtype.kind in "mM":  # as nanoseconds `item` returns a bare number
        return None if value != value else cast("object", value)  # noqa: PLR0124
    return _without_missing(value.item())
