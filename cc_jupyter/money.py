"""Sums of money in words: what was reported, estimated and unknown is never mixed."""

from __future__ import annotations

import dataclasses
from decimal import localcontext
from typing import TYPE_CHECKING

from cc_jupyter.conversation.records import LedgerRow
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable


def format_sum(row: LedgerRow) -> str:
    """Write a sum, like `$1.23 + ~$0.0400 + 2 requests of unknown cost`."""
    parts = []
    if row.reported_usd or not (row.estimated_usd or row.unknown_cost):
        parts.append(format_usd(row.reported_usd))
    if row.estimated_usd:
        parts.append(f"~{format_usd(row.estimated_usd)}")
    if row.unknown_cost:
        parts.append(f"{counted(row.unknown_cost, 'request')} of unknown cost")
    return " + ".join(parts)


def total(rows: Iterable[LedgerRow], group: str = "all") -> LedgerRow:
    """Add rows up."""
    names = [each.name for each in dataclasses.fields(LedgerRow) if each.name != "group"]
    every = list(rows)
    first = LedgerRow(group)
    with localcontext(EXACT):
        sums = {
            name: sum((getattr(row, name) for row in every), getattr(first, name)) for name in names
        }
    return dataclasses.replace(first, **sums)
