"""Count values that look like keys or e-mail addresses, before they are sent to a provider.

Nothing is changed: what a table may contain and who may see it is for its owner to decide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.redaction import contains_key
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cc_jupyter.rows.frames.tables import RowTable


_ADDRESS = r"[\w.%+-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"
_MAX_COLUMNS_SHOWN = 3


class SensitiveColumn(NamedTuple):
    """How many cells of a column look sensitive."""

    name: str
    keys: int
    addresses: int
    """Cells with an e-mail address."""


def sensitive_columns(table: RowTable, needed: Collection[str]) -> list[SensitiveColumn]:
    """Return the columns that are sent and have such cells, in order; only texts are read.

    Parameters
    ----------
    needed
        The names that the prompt uses.
    """
    found = []
    for position in table.sent_columns(needed):
        keys = addresses = 0
        for cell in table.values(position):
            if isinstance(cell, str):
                keys += contains_key(cell)
                addresses += "@" in cell and re.search(_ADDRESS, cell) is not None
        if keys or addresses:
            found.append(SensitiveColumn(table.columns[position], keys, addresses))
    return found


def sensitive_notice(table: RowTable, needed: Collection[str]) -> str | None:
    """Return one line that names the columns that are sent and have such cells; `None`: none."""
    return notice_of(sensitive_columns(table, needed))


def notice_of(columns: Sequence[SensitiveColumn]) -> str | None:
    """Return one line that names columns with such cells; `None`: there are none."""
    if not columns:
        return None
    parts = [_described(column) for column in columns[:_MAX_COLUMNS_SHOWN]]
    if len(columns) > _MAX_COLUMNS_SHOWN:
        parts.append(f"and {len(columns) - _MAX_COLUMNS_SHOWN:,} more columns")
    return f"sent unchanged: {', '.join(parts)}"


def _described(column: SensitiveColumn) -> str:
    counts = []
    if column.keys:
        counts.append(_rows(column.keys, "a key"))
    if column.addresses:
        counts.append(_rows(column.addresses, "an e-mail address"))
    return f"`{excerpt(column.name)}` has {' and '.join(counts)}"


def _rows(count: int, what: str) -> str:
    return f"what looks like {what} in {count:,} {'row' if count == 1 else 'rows'}"
