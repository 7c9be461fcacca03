"""The meta of a result: what each row took, held beside the result by a weak reference.

It is not in `attrs`, where it breaks `pandas.concat` and parquet files (tried 2026-11-30). A copy
of a result has no meta, and says so.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cc_jupyter.core.display import Table
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import USAGE_FIELDS
from cc_jupyter.rows.frames.columns import BOOLEAN, STRING, ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cc_jupyter.rows.frames.tables import Library


META_TYPES: Final[Mapping[str, ColumnType]] = {
    **dict.fromkeys(USAGE_FIELDS, ColumnType("integer")),
    "cost_usd": ColumnType("float"),
    "cost_origin": STRING,
    "stop_reason": STRING,
    "attempts": ColumnType("integer"),
    "steps": ColumnType("integer"),
    "calls": ColumnType("integer"),
    "from_cache": BOOLEAN,
    "answered_at": ColumnType("datetime"),
    "error": STRING,
    "request_key": STRING,
}
"""The columns of a meta, in order."""


class _Held(NamedTuple):
    result: weakref.ref[Any]
    library: Library
    columns: Callable[[], Mapping[str, Sequence[object]]]
    index: Any


_held: Final[dict[int, _Held]] = {}
"""By the identity of the result: frames cannot be hashed. An entry goes with its result."""


def attach(
    result: object,
    library: Library,
    columns: Callable[[], Mapping[str, Sequence[object]]],
    index: Any,  # noqa: ANN401  pandas' own
) -> None:
    """Hold the meta of a result for as long as the result exists.

    Parameters
    ----------
    columns
        Returns the columns of `META_TYPES`; called when the meta is asked for.
    index
        The index of the meta; `None` where the library has none.
    """
    identity = id(result)
    _held[identity] = _Held(
        weakref.ref(result, lambda _: _held.pop(identity, None)), library, columns, index
    )


def meta_of(result: object) -> Any:  # noqa: ANN401  of the library of the result
    """Return the meta of a result: a frame of its library, or a table for a list of dicts.

    Raises
    ------
    OptionError
        It is a copy of a result, or no result at all.
    """
    held = _held.get(id(result))
    if held is None or held.result() is not result:
        raise OptionError(
            f"this {type(result).__name__} has no meta: only the result of `cmd.map` itself has"
            " it, and no copy or part of it",
            hint="take the meta from the result: meta = result.cmd.meta",
        )
    columns = held.columns()
    ordered = {name: columns[name] for name in META_TYPES}
    if held.library == "pandas":
        from cc_jupyter.rows.frames import pandas_columns  # noqa: PLC0415  half a second

        return pandas_columns.meta_frame(ordered, META_TYPES, held.index)
    if held.library == "polars":
        from cc_jupyter.rows.frames import polars_columns  # noqa: PLC0415  a tenth of a second

        return polars_columns.meta_frame(ordered, META_TYPES)
    rows = zip(*ordered.values(), strict=True)
    return Table([dict(zip(ordered, row, strict=True)) for row in rows])
