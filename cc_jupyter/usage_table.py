"""The ledger as a table: to read, to compute with, and as a DataFrame where pandas is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.display import FigureTable
from cc_jupyter.money import format_sum, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.conversation.records import LedgerRow
    from cc_jupyter.core.display import Row

_FIGURES = (
    *("reported_usd", "estimated_usd", "unknown_cost", "unknown_tokens"),
    *("cache_write_tokens", "reasoning_tokens"),
)


def usage_table(by: str, rows: Sequence[LedgerRow], *, caption: str) -> FigureTable:
    """Give a row for each group and the sum of all under them."""
    whole = total(rows)
    every = [*rows, *([whole] if len(rows) != 1 else [])]
    shown = [_shown(by, row) for row in every]
    return FigureTable(
        shown, [_figures(by, row) for row in rows], f"{caption}: {format_sum(whole)}"
    )


def _shown(by: str, row: LedgerRow) -> Row:
    return {
        by: row.group or "-",
        "requests": row.requests,
        "failed": row.failed,
        "interrupted": row.interrupted,
        "in": _tokens(row, row.input_tokens),
        "cached": row.cache_read_tokens,
        "out": _tokens(row, row.output_tokens),
        "reasoning": row.reasoning_tokens,
        "cost": format_sum(row),
    }


def _tokens(row: LedgerRow, tokens: int) -> str:
    """Give a sum of tokens; some are missing where a request reported none."""
    return f"{tokens:,} + ?" if row.unknown_tokens else f"{tokens:,}"


def _figures(by: str, row: LedgerRow) -> Row:
    return {
        by: row.group,
        "requests": row.requests,
        "failed": row.failed,
        "interrupted": row.interrupted,
        "input_tokens": row.input_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "output_tokens": row.output_tokens,
        **{name: getattr(row, name) for name in _FIGURES},
    }
