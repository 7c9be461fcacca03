"""The result of a run in the user's library: same index, typed columns, missing where it failed.

pandas and polars have a module each, so that neither is imported for the other. The result over an
iterable of dicts is a list of dicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import Table
from cc_jupyter.rows.frames.columns import check_columns, result_columns
from cc_jupyter.rows.frames.meta import attach, meta_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cc_jupyter.rows.frames.columns import ResultColumn
    from cc_jupyter.rows.frames.tables import RowTable


class MappedRows(Table):
    """The result over an iterable of dicts: one dict a row, in order, and `meta`.

    Values are those of the type: an Enum's members, for example. A row that failed has `None`.
    """

    @property
    def meta(self) -> Any:  # noqa: ANN401  as `meta_of`
        """The tokens, cost and origin of each row; a copy has none."""
        return meta_of(self)


def make_result(  # noqa: PLR0913  what a result is made of
    table: RowTable,
    into: object | None,
    values: Sequence[object],
    checks: Mapping[str, Sequence[bool | None]],
    *,
    meta: Callable[[], Mapping[str, Sequence[object]]],
    places: Sequence[int] | None = None,
) -> Any:  # noqa: ANN401  of the user's library
    """Return the result over a table, with its meta attached.

    Parameters
    ----------
    into
        The type of the answers; `None`: text.
    values
        The value of each row of the table, or its text; `None`: it failed.
    checks
        For each check, by its expression, the results for each row.
    meta
        Returns the columns of the meta over `places`; called when it is asked for.
    places
        The rows that the result is about, such as those of a preview; `None`: all.

    Returns
    -------
    frame, series or MappedRows
        A series only over a series, with a type that gives one column, and without checks.
    """
    columns = result_columns(into)
    index = table.index
    if places is not None:
        values = [values[at] for at in places]
        checks = {each: [results[at] for at in places] for each, results in checks.items()}
        index = None if index is None else index.take(list(places))
    is_series = table.is_series and len(columns) == 1 and not checks
    result: Any
    if table.library == "pandas":
        from cc_jupyter.rows.frames import pandas_columns  # noqa: PLC0415  half a second

        result = (
            pandas_columns.series(columns[0], values, index, table.keys[0])
            if is_series
            else pandas_columns.frame(columns, values, checks, index)
        )
    elif table.library == "polars":
        from cc_jupyter.rows.frames import polars_columns  # noqa: PLC0415  a tenth of a second

        result = (
            polars_columns.series(columns[0], values, table.columns[0])
            if is_series
            else polars_columns.frame(columns, values, checks)
        )
    else:
        result = MappedRows(_dicts(columns, values, checks))
    attach(result, table.library, meta, index)
    return result


def empty_result(into: object | None, checks: Sequence[str], *, is_series: bool = False) -> Any:  # noqa: ANN401  pandas is optional
    """Return a pandas result without rows: what Dask calls the `meta` of a frame."""
    import pandas as pd  # noqa: PLC0415  optional

    from cc_jupyter.rows.frames import pandas_columns  # noqa: PLC0415  as above

    columns = result_columns(into)
    index = pd.RangeIndex(0)
    if is_series and len(columns) == 1 and not checks:
        return pandas_columns.series(columns[0], [], index, None)
    return pandas_columns.frame(columns, [], {each: [] for each in checks}, index)


def _dicts(
    columns: Sequence[ResultColumn],
    values: Sequence[object],
    checks: Mapping[str, Sequence[bool | None]],
) -> list[dict[str, object]]:
    names = check_columns(columns, list(checks))
    return [
        {
            **{each.name: None if value is None else each.read(value) for each in columns},
            **{name: checks[check][at] for check, name in names.items()},
        }
        for at, value in enumerate(values)
    ]
