"""Sums over requests; reported, estimated and unknown costs are never mixed.

This module sums turns in memory; the store sums turns on disk.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.conversation.records import LedgerRow
from cc_jupyter.core.events import USAGE_FIELDS
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.core.events import Usage
    from cc_jupyter.core.money import Cost


def format_sum(row: LedgerRow) -> str:
    """Format a sum, like `$1.23 + ~$0.0400 + 2 requests of unknown cost`."""
    parts = []
    if row.reported_usd or not (row.estimated_usd or row.unknown_cost):
        parts.append(format_usd(row.reported_usd))
    if row.estimated_usd:
        parts.append(format_usd(row.estimated_usd, estimated=True))
    if row.unknown_cost:
        parts.append(f"{pluralize(row.unknown_cost, 'request')} of unknown cost")
    return " + ".join(parts)


def format_tokens(row: LedgerRow, tokens: int) -> str:
    """Format a sum of tokens; `+ ?` means that some requests reported none."""
    return f"{tokens:,} + ?" if row.unknown_tokens else f"{tokens:,}"


def total(rows: Iterable[LedgerRow], group: str = "all") -> LedgerRow:
    """Return the sum of rows."""
    every = [LedgerRow(group), *rows]
    _, *names = (field.name for field in dataclasses.fields(LedgerRow))
    with localcontext(EXACT):
        return LedgerRow(group, *(sum(getattr(row, name) for row in every) for name in names))


def request_row(
    group: str, usage: Usage, cost: Cost, *, failed: bool, interrupted: bool
) -> LedgerRow:
    """Return the row of one request."""
    usd = cost.usd or Decimal(0)
    is_estimated = cost.origin == "estimated"
    return LedgerRow(
        group=group,
        requests=1,
        failed=int(failed),
        interrupted=int(interrupted),
        unknown_tokens=int(usage.input_tokens is None or usage.output_tokens is None),
        reported_usd=Decimal(0) if is_estimated else usd,
        estimated_usd=usd if is_estimated else Decimal(0),
        unknown_cost=int(cost.usd is None),
        **{name: getattr(usage, name) or 0 for name in USAGE_FIELDS},
    )


def add_up(records: Iterable[TurnRecord], by: str) -> list[LedgerRow]:
    """Return sums by model, thread, notebook, day, cell or server, most requests first."""
    groups: defaultdict[str, list[LedgerRow]] = defaultdict(list)
    for record in records:
        interrupted = record.stop_reason == "interrupted"
        failed = record.error is not None and not interrupted
        group = _group(record, by)
        row = request_row(group, record.usage, record.cost, failed=failed, interrupted=interrupted)
        groups[group].append(row)
    sums = [total(rows, group) for group, rows in groups.items()]
    return sorted(sums, key=lambda row: -row.requests)


def _group(record: TurnRecord, by: str) -> str:
    match by:
        case "model":
            return record.model
        case "thread":
            return record.thread or ""
        case "notebook":
            return record.notebook
        case "day":
            return record.sent_at.astimezone().date().isoformat()
        case "cell":
            return record.key.cell_id if record.key else ""
        case "server":
            return record.served_by
        case _:
            raise ValueError(by)
