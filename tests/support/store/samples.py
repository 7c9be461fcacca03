"""Turns and conversations to store."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from cc_jupyter.conversation.records import ConversationRecord, SlotRecord, TurnRecord
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import TurnKey
from cc_jupyter.core.money import Cost
from cc_jupyter.core.text import new_id

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
COST = Cost(Decimal("0.0012"), "reported", date(2026, 11, 20))


def turn(prompt: str = "one", answer: str = "two", **fields: Any) -> TurnRecord:
    common: dict[str, Any] = {
        "id": new_id(),
        "model": "m",
        "endpoint": "/chat/completions",
        "sent_at": NOON,
        "stop_reason": "stop",
        "usage": Usage(100, 20),
        "cost": COST,
    }
    return TurnRecord(prompt=prompt, answer=answer, **(common | fields))


def conversation(*places: tuple[TurnRecord, ...], name: str = "t", **fields: Any) -> Any:
    """Return a conversation whose places hold these turns, the last of each active."""
    records = tuple(
        SlotRecord(
            TurnKey("n", f"cell {at}", 0),
            versions=tuple(each.id for each in turns),
            active=len(turns) - 1,
        )
        for at, turns in enumerate(places)
    )
    return ConversationRecord(new_id(), name, "n", NOON, records, **fields)
