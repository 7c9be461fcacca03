"""Sums of a session's requests; reported, estimated and unknown figures are never mixed.

These sums come from memory; the store adds up what is on disk.
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
    from collections.abc import Iterable, Sequence

    from cc_jupyter.conversation.records import TurnRecord


def format_sum(row: LedgerRow) -> str:
    """Format a sum, like `$1.23 + ~$0.0400 + 2 requests of unknown cost`."""
    parts = []
    if row.reported_usd or not (row.estimated_usd or row.unknown_cost):
        parts.append(format_usd(row.reported_usd))
    if row.estimated_usd:
        parts.append(f"~{format_usd(row.estimated_usd)}")
    if row.unknown_cost:
        parts.append(f"{pluralize(row.unknown_cost, 'request')} of unknown cost")
    return " + ".join(parts)


def total(rows: Iterable[LedgerRow], group: str = "all") -> LedgerRow:
    """Return the sum of rows."""
    sums = LedgerRow(group)
    names = [field.name for field in dataclasses.fields(LedgerRow) if field.name != "group"]
    with localcontext(EXACT):
        for row in rows:
            added = {name: getattr(sums, name) + getattr(row, name) for name in names}
            sums = dataclasses.replace(sums, **added)
    return sums


def add_up(records: Iterable[TurnRecord], by: str) -> list[LedgerRow]:
    """Return sums by model, thread, notebook, day, cell or server, most requests first."""
    groups: defaultdict[str, list[TurnRecord]] = defaultdict(list)
    for record in records:
        groups[_group(record, by)].append(record)
    rows = [_row(group, members) for group, members in groups.items()]
    return sorted(rows, key=lambda row: -row.requests)


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


def _row(group: str, records: Sequence[TurnRecord]) -> LedgerRow:
    def usd(origin: str) -> Decimal:
        costs = (record.cost for record in records)
        known = (cost.usd for cost in costs if cost.usd and cost.origin == origin)
        with localcontext(EXACT):
            return sum(known, Decimal(0))

    interrupted = sum(record.stop_reason == "interrupted" for record in records)
    return LedgerRow(
        group=group,
        requests=len(records),
        failed=sum(record.error is not None for record in records) - interrupted,
        interrupted=interrupted,
        unknown_tokens=sum(
            record.usage.input_tokens is None or record.usage.output_tokens is None
            for record in records
        ),
        reported_usd=usd("reported"),
        estimated_usd=usd("estimated"),
        unknown_cost=sum(record.cost.usd is None for record in records),
        **{
            name: sum(getattr(record.usage, name) or 0 for record in records)
            for name in USAGE_FIELDS
        },
    )
