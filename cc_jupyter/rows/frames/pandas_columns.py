"""Results and their meta as pandas objects, with nullable types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cc_jupyter.rows.frames.columns import BOOLEAN, check_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cc_jupyter.rows.frames.columns import ColumnType, ResultColumn


_NULLABLE = {
    "boolean": "boolean",
    "integer": "Int64",
    "float": "Float64",
    "string": "string",
}


def frame(
    columns: Sequence[ResultColumn],
    values: Sequence[object],
    checks: Mapping[str, Sequence[bool | None]],
    index: pd.Index[Any],
) -> pd.DataFrame:
    """Return the result over a frame: a column for each field, then one for each check."""
    arrays: dict[str, Any] = {
        column.name: array(column.type, column.cells(values)) for column in columns
    }
    for check, name in check_columns(columns, list(checks)).items():
        arrays[name] = array(BOOLEAN, checks[check])
    return pd.DataFrame(arrays, index=index)


def series(
    column: ResultColumn,
    values: Sequence[object],
    index: pd.Index[Any],
    name: Any,  # noqa: ANN401  of the user's series
) -> pd.Series[Any]:
    """Return the result over a series."""
    return pd.Series(array(column.type, column.cells(values)), index=index, name=name)


def meta_frame(
    columns: Mapping[str, Sequence[object]], types: Mapping[str, ColumnType], index: pd.Index[Any]
) -> pd.DataFrame:
    """Return the meta of a result."""
    arrays = {name: array(types[name], list(cells)) for name, cells in columns.items()}
    return pd.DataFrame(arrays, index=index)


def array(kind: ColumnType, cells: Sequence[object]) -> Any:  # noqa: ANN401  of pandas' many arrays
    """Return cells as an array; `None` is missing.

    Numbers that do not fit 64 bits, and a mix of times with and without a zone, stay objects.
    """
    match kind.kind:
        case "boolean" | "integer" | "float" | "string" as name:
            try:
                return pd.array(cells, dtype=_NULLABLE[name])  # type: ignore[call-overload]
            except OverflowError:
                return _objects(cells)
        case "category":
            return pd.Categorical(list[Any](cells), categories=list(kind.categories))
        case "datetime":
            return _instants(cells)
        case _:
            return _objects(cells)


def _instants(cells: Sequence[object]) -> Any:  # noqa: ANN401  as above
    zoned = {getattr(each, "tzinfo", None) is not None for each in cells if each is not None}
    if len(zoned) > 1:
        return _objects(cells)
    kind: Any = "datetime64[us, UTC]" if zoned == {True} else "datetime64[us]"
    try:
        return pd.to_datetime(_objects(cells), utc=zoned == {True}).astype(kind).array
    except (OverflowError, ValueError):
        return _objects(cells)


def _objects(cells: Sequence[object]) -> Any:  # noqa: ANN401  as above
    return pd.Series(list(cells), dtype="object").array
