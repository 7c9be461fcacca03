"""Money reserved for requests in flight, by all kernels that share the history."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cc_jupyter.conversation.store.turns import instant_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from datetime import datetime


LIFETIME = timedelta(minutes=15)
"""How long a reservation counts. A kernel that dies cannot release its own."""


def reserved_usd(
    connection: sqlite3.Connection,
    now: datetime,
    notebook: str | None,
    without: Collection[str],
) -> Decimal:
    """Return the US dollars reserved in a notebook, or in all; expired reservations are removed."""
    connection.execute("DELETE FROM reservation WHERE expires_at <= ?", (instant_text(now),))
    rows = connection.execute(
        "SELECT turn_id, usd FROM reservation WHERE :notebook IS NULL OR notebook = :notebook",
        {"notebook": notebook},
    )
    return sum((Decimal(usd) for turn_id, usd in rows if turn_id not in without), Decimal(0))


def unfinished_usd(
    connection: sqlite3.Connection,
    since: datetime | None,
    notebook: str | None,
    counted: Collection[str],
) -> Decimal:
    """Return what the growing answers of a period have cost so far that count otherwise.

    They count by their reservation, or the caller counts them itself. The answer of a kernel that
    died counts by what was saved of it.
    """
    rows = connection.execute(
        "SELECT id, cost_usd, id IN (SELECT turn_id FROM reservation) FROM turn WHERE NOT finished"
        " AND cost_usd IS NOT NULL AND (:since IS NULL OR sent_at >= :since)"
        " AND (:notebook IS NULL OR notebook = :notebook)",
        {"since": None if since is None else instant_text(since), "notebook": notebook},
    )
    return sum((Decimal(usd) for id_, usd, held in rows if held or id_ in counted), Decimal(0))


def replace_reservation(
    connection: sqlite3.Connection, turn_id: str, usd: Decimal, notebook: str, now: datetime
) -> None:
    """Reserve an amount for a turn, in place of what it had reserved."""
    connection.execute(
        "INSERT OR REPLACE INTO reservation VALUES (?, ?, ?, ?)",
        (turn_id, notebook, f"{usd:f}", instant_text(now + LIFETIME)),
    )


def release(connection: sqlite3.Connection, turn_id: str) -> None:
    """Remove the reservation of a turn, if it has one."""
    connection.execute("DELETE FROM reservation WHERE turn_id = ?", (turn_id,))
