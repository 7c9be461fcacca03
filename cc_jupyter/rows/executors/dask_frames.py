"""Rows of Dask frames and series: mapped at once, partition by partition.

The prompts of a partition are filled in where its data is, from its columns and from those of the
user's names that the prompt uses. The kernel fetches the prompts of one partition at a time, takes
out what is stored and sends the rest as for any table. A lazy result would be sent and paid again
at every `compute()`.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.client.endpoint import KeyPlaces
from cc_jupyter.core.errors import CcError, ConfigError, OptionError
from cc_jupyter.core.text import excerpt, new_id
from cc_jupyter.experiments.checks import Checks
from cc_jupyter.rows.calls import RowsToRun, names_in_checks, run_planned
from cc_jupyter.rows.executors.partitions import Recipe, Unfilled, fill_partition, row_count
from cc_jupyter.rows.frames.columns import result_columns
from cc_jupyter.rows.frames.meta import attach
from cc_jupyter.rows.frames.tables import table_of
from cc_jupyter.rows.sensitive_values import SensitiveColumn, notice_of
from cc_jupyter.rows.template import FilledRow, RowTemplate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cc_jupyter.rows.calls import RowCall, RowsEnded
    from cc_jupyter.rows.engine import RowRun
    from cc_jupyter.rows.executors.partitions import FilledPartition
    from cc_jupyter.rows.progress import RowView
    from cc_jupyter.session.session import Session


_FILLED = "filled in"
"""What a row has in place of its columns; no expression can name it."""
_MAX_FETCHED = 2
"""Partitions whose prompts the kernel holds: rows in flight may belong to two."""


def run_dask_call(session: Session, data: Any, call: RowCall, view: RowView) -> RowsEnded:  # noqa: ANN401  Dask is optional
    """Run a prompt over a Dask frame or series; the result is one of Dask, with the same index.

    Raises
    ------
    OptionError, ConfigError, StoreError
        Something cannot be used, or it may cost too much; nothing was sent.
    """
    model = table_of(data._meta)  # noqa: SLF001  the empty frame that every one of Dask has
    checks = Checks(call.checks, call.user_ns, call.local_ns, names=model.template_names)
    in_checks = names_in_checks(checks)
    recipe = Recipe(
        call.prompt, call.system, call.images, call.raw, call.value_limits, b"", in_checks
    )
    template = recipe.template(_FilledTemplate)
    model.limited_to(template.used | in_checks)
    names = {**call.user_ns, **call.local_ns}
    used = {
        name: names[name] for name in sorted(template.used - model.template_names) if name in names
    }
    recipe = recipe._replace(names=_pickled(used))
    partitions = _partitions(data, recipe, call.executor)
    table = _DaskTable(partitions, model.columns)
    rows = RowsToRun(
        table,
        template,
        checks,
        model.notices(template.used, in_checks),
        table.sensitive_notice,
        lambda run: _result(data, call, run, table),
    )
    return run_planned(session, call, view, rows)


def _pickled(names: Mapping[str, object]) -> bytes:
    """Return the user's names as they travel.

    Raises
    ------
    OptionError
        One of them cannot.
    """
    if not names:
        return b""
    import cloudpickle  # type: ignore[import-untyped]  # noqa: PLC0415  comes with Dask

    for name, value in names.items():
        try:
            cloudpickle.dumps(value)
        except Exception as error:  # noqa: BLE001  whatever the user's value raises
            raise OptionError(
                f"`{name}`, which the prompt uses, cannot be sent to the Dask workers:"
                f" {excerpt(str(error))}; nothing was sent",
                hint="put what the prompt needs of it into a text or a number first",
            ) from None
    pickled: bytes = cloudpickle.dumps(dict(names))
    return pickled


class _FilledTemplate(RowTemplate):
    """A template whose rows were filled in elsewhere."""

    def fill(self, names: Mapping[str, object]) -> FilledRow:
        """Return what is sent for a row; raises as the worker did."""
        filled = names[_FILLED]
        if isinstance(filled, Unfilled):
            cause = NameError(name=filled.missing_name) if filled.missing_name else None
            raise filled.error from cause
        assert isinstance(filled, FilledRow)  # noqa: S101  it is one of the two
        return filled


class _Partitions(NamedTuple):
    """The partitions of a frame, with their prompts where they are made."""

    lengths: list[int]
    fetch: Callable[[int], FilledPartition]
    """Returns the prompts of a partition."""


def _partitions(data: Any, recipe: Recipe, executor: object) -> _Partitions:  # noqa: ANN401  Dask is optional
    """Have the prompts made: kept on the cluster if there is one, else made when they are needed.

    Raises
    ------
    ConfigError
        The data cannot be computed, or the workers cannot make the prompts.
    """
    import dask as library  # noqa: PLC0415  optional

    dask: Any = library  # typed in part
    made = [dask.delayed(fill_partition)(part, recipe) for part in data.to_delayed()]
    client = _cluster_of(executor)
    try:
        if client is None:
            lengths = dask.compute(*(dask.delayed(len)(part) for part in data.to_delayed()))
            return _Partitions(list(lengths), lambda at: _checked(made[at].compute))
        refuse_without_package(client)
        kept = client.compute(made)
        lengths = client.gather(client.map(row_count, kept, pure=False))
        return _Partitions(list(lengths), lambda at: _checked(kept[at].result))
    except CcError:
        raise
    except Exception as error:  # noqa: BLE001  whatever the user's frame or a worker raises
        raise _uncomputed(error) from None


def _checked(fetch: Callable[[], FilledPartition]) -> FilledPartition:
    try:
        return fetch()
    except CcError:
        raise
    except Exception as error:  # noqa: BLE001  whatever the user's frame or a worker raises
        raise _uncomputed(error) from None


def _uncomputed(error: Exception) -> ConfigError:
    return ConfigError(
        f"a partition cannot be computed: {type(error).__name__}: {excerpt(str(error), 200)}",
        hint="frame.head() shows whether the frame itself is the cause; finished rows are kept",
    )


def refuse_without_package(client: Any) -> None:  # noqa: ANN401  distributed is typed in part
    """Raise an error for workers without this version of cc_jupyter: they make the prompts."""
    from cc_jupyter.rows.executors.dask_cluster import fitness_of  # noqa: PLC0415  needs a cluster
    from cc_jupyter.rows.executors.pool import refuse_unfit  # noqa: PLC0415  as above

    refuse_unfit(list(fitness_of(client, KeyPlaces((), needs_none=True)).values()))


def _cluster_of(executor: object) -> Any:  # noqa: ANN401  distributed is typed in part
    """Return the client whose cluster computes the frame; `None`: this process does."""
    from cc_jupyter.rows.executors.open_pool import is_dask_client  # noqa: PLC0415  needs the session

    client: Any = executor if is_dask_client(executor) else None
    if client is None and (library := sys.modules.get("distributed")) is not None:
        try:
            client = library.default_client()
        except ValueError:  # there is none
            return None
    if client is not None and client.asynchronous:
        raise ConfigError(
            "the Dask client is asynchronous, and a frame is mapped at once",
            hint="make another one: Client(client.scheduler.address)",
        )
    return client


class _DaskTable:
    """The rows of a Dask frame, as prompts that were filled in elsewhere."""

    def __init__(self, partitions: _Partitions, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self._partitions = partitions
        self._starts = [0, *accumulate(partitions.lengths)]
        self._fetched: dict[int, FilledPartition] = {}
        self.indexes: dict[int, Any] = {}
        """By partition: its index, for the result."""
        self._sensitive: dict[int, list[SensitiveColumn]] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def spans(self) -> list[range]:
        """The rows of each partition."""
        return [
            range(start, stop) for start, stop in zip(self._starts, self._starts[1:], strict=False)
        ]

    def names(self, at: int) -> Mapping[str, object]:
        """Return the names of a row: the cells that checks use, and the prompt."""
        partition, offset = self._place(at)
        found: dict[str, object] = {
            name: column[offset] for name, column in partition.cells.items()
        }
        found[_FILLED] = partition.rows[offset]
        return found

    def label(self, at: int) -> object:
        """Return the label of a row for messages: its index."""
        partition, offset = self._place(at)
        return partition.index[offset]

    def sensitive_notice(self) -> str | None:
        """Return a line on values that look sensitive, over all partitions."""
        sums: dict[str, SensitiveColumn] = {}
        for column in (each for found in self._sensitive.values() for each in found):
            _, keys, addresses = sums.get(column.name, SensitiveColumn(column.name, 0, 0))
            sums[column.name] = SensitiveColumn(
                column.name, keys + column.keys, addresses + column.addresses
            )
        return notice_of(list(sums.values()))

    def _place(self, at: int) -> tuple[FilledPartition, int]:
        number = bisect_right(self._starts, at) - 1
        partition = self._fetched.get(number)
        if partition is None:
            partition = self._partitions.fetch(number)
            self.indexes.setdefault(number, partition.index)
            self._sensitive.setdefault(number, partition.sensitive)
            while len(self._fetched) >= _MAX_FETCHED:
                self._fetched.pop(next(iter(self._fetched)))
            self._fetched[number] = partition
        return partition, at - self._starts[number]


def _result(data: Any, call: RowCall, run: RowRun, table: _DaskTable) -> Any:  # noqa: ANN401  Dask is optional
    """Return the result as a Dask frame or series, with the partitions of the data."""
    import dask as library  # noqa: PLC0415  optional
    import dask.dataframe as frames  # noqa: PLC0415  as above

    dask: Any = library  # typed in part
    from_delayed: Any = frames.from_delayed
    results = run.results
    empty_index = data._meta.index[:0]  # noqa: SLF001  as in `run_dask_call`
    places = None if isinstance(results.places, range) else results.places
    parts, indexes = [], []
    for number, span in enumerate(table.spans):
        inside = span if places is None else [at for at in places if at in span]
        index = table.indexes.get(number, empty_index)  # an empty partition is never read
        index = index.take([at - span.start for at in inside])
        parts.append(_pandas_result(data, call, run, inside, index))
        indexes.append(index)
    name = f"cc_jupyter-{new_id()}"
    result = from_delayed(
        [
            dask.delayed(part, name=f"{name}-{number}", traverse=False)
            for number, part in enumerate(parts)
        ],
        meta=_pandas_result(data, call, run, (), empty_index),
        divisions=data.divisions if places is None else None,
        verify_meta=False,
    )
    attach(result, "pandas", results.meta, indexes[0].append(indexes[1:]))
    return result


def _pandas_result(
    data: Any,  # noqa: ANN401  Dask is optional
    call: RowCall,
    run: RowRun,
    places: Sequence[int],
    index: Any,  # noqa: ANN401  pandas' own
) -> Any:  # noqa: ANN401
    """Return the result of some rows as pandas has it."""
    from cc_jupyter.rows.frames import pandas_columns  # noqa: PLC0415  half a second

    columns, results = result_columns(call.into), run.results
    values = [results.values[at] for at in places]
    checks = {each: [column[at] for at in places] for each, column in results.checks.items()}
    if data.ndim == 1 and len(columns) == 1 and not checks:
        return pandas_columns.series(columns[0], values, index, data.name)
    return pandas_columns.frame(columns, values, checks, index)
