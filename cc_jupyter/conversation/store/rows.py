"""Finished rows: answers by the server that gave them, the request's key and the sample."""

from __future__ import annotations

import functools
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.records import FinishedRow
from cc_jupyter.conversation.store.turns import instant_text
from cc_jupyter.core.events import MAX_TOKENS, USAGE_FIELDS, Usage
from cc_jupyter.core.money import Cost

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence


_BATCH = 500  # every build of SQLite accepts this many values
_COLUMNS = (
    *("request_key", "sample", "run", "name", "answered_at", "model", "text", "stop_reason"),
    *("reading", *USAGE_FIELDS, "cost_usd", "cost_origin", "price_date"),
)


def save_rows(connection: sqlite3.Connection, source: str, rows: Iterable[FinishedRow]) -> None:
    """Insert finished rows, in place of earlier answers to the same requests."""
    number = _number(connection, source)
    if number is None:
        number = connection.execute("INSERT INTO row_source (name) VALUES (?)", (source,)).lastrowid
    marks = ", ".join("?" * (len(_COLUMNS) + 1))
    connection.executemany(
        f"INSERT OR REPLACE INTO finished_row (source, {', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608  our own names
        [(number, *_values(row)) for row in rows],
    )


def find_rows(
    connection: sqlite3.Connection, source: str, keys: Sequence[bytes]
) -> list[FinishedRow]:
    """Return the rows that a server has answered, with all their samples, for keys of requests."""
    number = _number(connection, source)
    if number is None:
        return []
    found: list[FinishedRow] = []
    ordered = sorted(keys)  # neighbours are on the same page
    for start in range(0, len(ordered), _BATCH):
        some = ordered[start : start + _BATCH]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM finished_row"  # noqa: S608  as above
            f" WHERE source = ? AND request_key IN ({marks})",
            (number, *some),
        )
        found += map(_row, rows.fetchall())
    return found


def forget_rows(connection: sqlite3.Connection, name: str | None) -> int:
    """Remove the rows of a result, or all; return how many there were."""
    removed = connection.execute(
        "DELETE FROM finished_row WHERE :name IS NULL OR name = :name", {"name": name}
    ).rowcount
    connection.execute(
        "DELETE FROM row_source WHERE number NOT IN (SELECT source FROM finished_row)"
    )
    return removed


def row_names(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the names of results with the number of their finished rows, largest first."""
    rows = connection.execute(
        "SELECT name, COUNT(*) FROM finished_row GROUP BY name ORDER BY 2 DESC, 1"
    )
    return {str(name): int(count) for name, count in rows}


def _number(connection: sqlite3.Connection, source: str) -> int | None:
    row = connection.execute("SELECT number FROM row_source WHERE name = ?", (source,)).fetchone()
    return None if row is None else int(row[0])


def _values(row: FinishedRow) -> tuple[Any, ...]:
    cost = row.cost
    counts = (getattr(row.usage, name) for name in USAGE_FIELDS)
    return (
        row.request_key,
        row.sample,
        row.run,
        row.name,
        instant_text(row.answered_at),
        row.model,
        row.text,
        row.stop_reason,
        row.reading,
        *(count if count is None or abs(count) <= MAX_TOKENS else None for count in counts),
        None if cost.usd is None else f"{cost.usd:f}",
        cost.origin,
        cost.price_date.isoformat() if cost.price_date else None,
    )


def _row(values: tuple[Any, ...]) -> FinishedRow:
    key, sample, run, name, answered_at, model, text, stop_reason, reading = values[:9]
    usage, cost = _figures(values[9:])
    at = datetime.fromisoformat(answered_at)
    return FinishedRow(key, sample, text, at, model, stop_reason, reading, usage, cost, run, name)


@functools.lru_cache(maxsize=4_096)  # the rows of a table have few different figures
def _figures(values: tuple[Any, ...]) -> tuple[Usage, Cost]:
    *counts, usd, origin, price_date = values
    priced_at = date.fromisoformat(price_date) if price_date else None
    return Usage(*counts), Cost(None if usd is None else Decimal(usd), origin, priced_at)
