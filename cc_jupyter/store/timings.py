"""How long each model's last answers took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.speeds import LAST_TURNS, Timing

if TYPE_CHECKING:
    import sqlite3

_SELECT = """
SELECT model, first_token_s, duration_s, output_tokens FROM (
    SELECT model, first_token_s, duration_s, output_tokens, sent_at, number,
        ROW_NUMBER() OVER (PARTITION BY model ORDER BY sent_at DESC, number DESC) AS place
    FROM turn WHERE error IS NULL AND finished AND first_token_s IS NOT NULL
) WHERE place <= ? ORDER BY sent_at DESC, number DESC
"""


def load_timings(connection: sqlite3.Connection) -> list[Timing]:
    """Give the last answers of each model that ended well, newest first."""
    return [Timing(*row) for row in connection.execute(_SELECT, (LAST_TURNS,))]
