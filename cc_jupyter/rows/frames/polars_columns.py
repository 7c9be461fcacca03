"""Results and their meta as polars objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from cc_jupyter.rows.frames.columns import BOOLEAN, check_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cc_jupyter.rows.frames.columns import ColumnType, ResultColumn


_TYPES: dict[str, Any] = {
    "boolean": pl.Boolean,
    "integer": pl.Int64,
    "string": pl.String,
    "date": pl.Date,
}


def frame(
    columns: Sequence[ResultColumn],
    values: Sequence[object],
    checks: Mapping[str, Sequence[bool | None]],
) -> pl.DataFrame:
    """Return the result over a frame: a column for each field, then one for each check."""
    found = [array(column.name, column.type, column.cells(values)) for column in columns]
    for check, name in check_columns(columns, list(checks)).items():
        found.append(array(name, BOOLEAN, checks[check]))
    return pl.DataFrame(found)


def series(column: ResultColumn, values: Sequence[object], name: str) -> pl.Series:
    """Return the result over a series."""
    return array(name, column.type, column.cells(values))


def meta_frame(
    columns: Mapping[str, Sequence[object]], types: Mapping[str, ColumnType]
) -> pl.DataFrame:
    """Return the meta of a result."""
    return pl.DataFrame([array(name, types[name], cells) for name, cells in columns.items()])


def array(name: str, kind: ColumnType, cells: Sequence[object]) -> pl.Series:
    """Return cells as a series; `None` is missing.

    Numbers that do not fit 64 bits, and a mix of times with and without a zone, stay objects.
    """
    match kind.kind:
        case "category":
            return _categories(name, kind.categories, cells)
        case "datetime":
            return _instants(name, cells)
        case "object":
            return _objects(name, cells)
        case "float":
            return pl.Series(name, cells, dtype=pl.Float64).fill_nan(None)
        case plain:
            try:
                return pl.Series(name, cells, dtype=_TYPES[plain])
            except (OverflowError, TypeError):
                return _objects(name, cells)


def _categories(name: str, categories: Sequence[object], cells: Sequence[object]) -> pl.Series:
    if all(isinstance(each, str) for each in categories):
        return pl.Series(name, cells, dtype=pl.Enum([str(each) for each in categories]))
    if all(isinstance(each, int) and not isinstance(each, bool) for each in categories):
        return pl.Series(name, cells, dtype=pl.Int64)
    return _objects(name, cells)


def _instants(name: str, cells: Sequence[object]) -> pl.Series:
    zoned = {getattr(each, "tzinfo", None) is not None for each in cells if each is not None}
    if len(zoned) > 1:
        return _objects(name, cells)
    return pl.Series(name, cells, dtype=pl.Datetime("us", "UTC" if zoned == {True} else None))


def _objects(name: str, cells: Sequence[object]) -> pl.Series:
    return pl.Series(name, list(cells), dtype=pl.Object)
