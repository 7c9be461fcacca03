"""The prompts of one partition of a Dask frame, filled in where its data is.

It imports little: workers load it.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.errors import OptionError
from cc_jupyter.rows.frames.tables import table_of
from cc_jupyter.rows.sensitive_values import SensitiveColumn, sensitive_columns
from cc_jupyter.rows.template import FilledRow, RowTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.messages import ValueLimits


class Recipe(NamedTuple):
    """What prompts are filled in from, besides the rows."""

    prompt: str
    system: str | None
    images: tuple[str, ...]
    raw: bool
    limits: ValueLimits
    names: bytes
    """The user's names that are used, pickled."""
    in_checks: frozenset[str]

    def template(self, kind: type[RowTemplate] = RowTemplate) -> RowTemplate:
        """Return the template of the prompt."""
        return kind(
            self.prompt,
            self.system,
            self.limits,
            raw=self.raw,
            images=self.images,
            user_ns=pickle.loads(self.names) if self.names else {},  # noqa: S301  the user's own
            local_ns={},
        )


class Unfilled(NamedTuple):
    """Why the prompt of a row cannot be filled in."""

    error: OptionError
    missing_name: str | None
    """The name that is not known, if that is why."""


class FilledPartition(NamedTuple):
    """The prompts of one partition."""

    index: Any
    """Of the partition, as pandas has it."""
    rows: list[FilledRow | Unfilled]
    cells: dict[str, list[object]]
    """By name: the cells that checks use."""
    sensitive: list[SensitiveColumn]


def fill_partition(part: Any, recipe: Recipe) -> FilledPartition:  # noqa: ANN401  of pandas
    """Fill in the prompts of a partition; runs where its data is."""
    table = table_of(part)
    template = recipe.template()
    limited = table.limited_to(template.used | recipe.in_checks)
    cells: dict[str, list[object]] = {name: [] for name in recipe.in_checks & table.template_names}
    rows: list[FilledRow | Unfilled] = []
    for at in range(len(table)):
        names = limited.names(at)
        for name, column in cells.items():
            column.append(names[name])
        rows.append(_filled(template, names))
    return FilledPartition(table.index, rows, cells, sensitive_columns(limited, template.used))


def _filled(template: RowTemplate, names: Mapping[str, object]) -> FilledRow | Unfilled:
    try:
        # the order of the partitions stays: rows with equal beginnings are not put together
        return template.fill(names)._replace(stem="")
    except OptionError as error:
        cause = error.__cause__
        return Unfilled(error, cause.name if isinstance(cause, NameError) else None)


def row_count(filled: FilledPartition) -> int:
    """Return how many rows a partition has."""
    return len(filled.rows)
