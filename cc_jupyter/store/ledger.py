"""Sums over the requests on disk. Money is added up as `Decimal`, which SQL does not know."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.core.money import EXACT
from cc_jupyter.records import LedgerRow
from cc_jupyter.store.turns import instant_text

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

_GROUPS = {
    "model": "+model",  # the plus keeps to the index that holds all figures
    "thread": "ifnull(thread, '')",
    "notebook": "notebook",
    "day": "date(sent_at, 'localtime')",
    "cell": "ifnull(cell_id, '')",
    "server": "served_by",
    "all": "''",
}
_COUNTS = """
    COUNT(*),
    COUNT(*) FILTER (WHERE error IS NOT NULL AND stop_reason != 'interrupted'),
    COUNT(*) FILTER (WHERE stop_reason = 'interrupted'),
    ifnull(SUM(input_tokens), 0), ifnull(SUM(cache_read_tokens), 0),
    ifnull(SUM(cache_write_tokens), 0), ifnull(SUM(output_tokens), 0),
    ifnull(SUM(reasoning_tokens), 0),
    COUNT(*) FILTER (WHERE input_tokens IS NULL OR output_tokens IS NULL)
"""
_COUNTED = (
    *("requests", "failed", "interrupted", "input_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "output_tokens", "reasoning_tokens", "unknown_tokens"),
)
"""What `_COUNTS` counts, as a row of the ledger calls it."""
_LAST = 50
"""So many of a model's last replies say what it usually does."""


def load_ledger(
    connection: sqlite3.Connection, by: str, since: datetime | None, notebook: str | None
) -> list[LedgerRow]:
    """Give a row of sums for each group, most requests first."""
    group = _GROUPS[by]
    where = "WHERE (?1 IS NULL OR sent_at >= ?1) AND (?2 IS NULL OR notebook = ?2)"
    values = (None if since is None else instant_text(since), notebook)
    sums: defaultdict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unknown: defaultdict[str, int] = defaultdict(int)
    # the same price occurs again and again, the more so where it is nothing
    for name, usd, origin, times in connection.execute(
        f"SELECT {group}, cost_usd, cost_origin, COUNT(*) FROM turn {where} GROUP BY 1, 2, 3",  # noqa: S608  our own names
        values,
    ):
        if usd is None:
            unknown[name] += times
        else:
            with localcontext(EXACT):
                sums[name][origin] += Decimal(usd) * times
    rows = connection.execute(
        f"SELECT {group}, {_COUNTS} FROM turn {where} GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608  as above
        values,
    ).fetchall()
    return [
        LedgerRow(
            group=name,
            reported_usd=sums[name]["reported"],
            estimated_usd=sums[name]["estimated"],
            unknown_cost=unknown[name],
            **dict(zip(_COUNTED, counts, strict=True)),
        )
        for name, *counts in rows
    ]


def output_lengths(connection: sqlite3.Connection, model: str) -> list[int]:
    """Give the lengths in tokens of a model's last answers."""
    rows = connection.execute(
        "SELECT output_tokens FROM turn WHERE model = ? AND output_tokens IS NOT NULL"
        " AND error IS NULL ORDER BY sent_at DESC LIMIT ?",
        (model, _LAST),
    )
    return [int(tokens) for (tokens,) in rows]


def tokens_per_byte(connection: sqlite3.Connection, model: str) -> tuple[int, int] | None:
    """Give a model's reported prompt tokens and the bytes of their bodies; `None`: none known."""
    tokens, size = connection.execute(
        "SELECT SUM(input_tokens), SUM(body_bytes) FROM (SELECT input_tokens, body_bytes FROM turn"
        " WHERE model = ? AND input_tokens > 0 AND body_bytes > 1000 AND images = '[]'"
        " ORDER BY sent_at DESC LIMIT ?)",
        (model, _LAST),
    ).fetchone()
    return (int(tokens), int(size)) if tokens and size else None
