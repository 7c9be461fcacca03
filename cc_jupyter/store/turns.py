"""Turns as rows, and rows as turns."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import TurnKey
from cc_jupyter.core.money import Cost
from cc_jupyter.records import TurnRecord
from cc_jupyter.store.content import Folded, fold_body, fold_images, keep, unfold_images

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

_SAME = (
    *("id", "conversation_id", "thread", "position", "parent_id", "notebook", "model"),
    *("endpoint", "system", "prompt", "answer", "reasoning", "stop_reason", "stop_word", "error"),
    *("duration_s", "served_by", "served_model", "request_sha256"),
)
"""Columns that are fields of a turn by the same name."""
_TOKENS = (
    *("input_tokens", "output_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "reasoning_tokens"),
)
_MOST_TOKENS = 10**12
"""More than any request has, and so few that a ledger of millions of them can be added up."""
_TOO_MANY = "a token count was too large to be true and is kept as unknown"
_MOST_AT_ONCE = 500  # SQLite takes so many values at the least


def instant_text(instant: datetime) -> str:
    """Write an aware instant so that texts sort as instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def save_turn(connection: sqlite3.Connection, turn: TurnRecord) -> None:
    """Write a turn, in place of what is there of it."""
    images, parts = fold_images(turn.images)
    folded = None if turn.body is None else fold_body(turn.body)
    row = _row(turn, images, folded)
    old = connection.execute(
        "SELECT number, finished, prompt, answer FROM turn WHERE id = ?", (turn.id,)
    ).fetchone()
    if old is None:
        columns, values = ", ".join(row), ", ".join("?" * len(row))
        cursor = connection.execute(
            f"INSERT INTO turn ({columns}) VALUES ({values})",  # noqa: S608  our own names
            [*row.values()],
        )
        number = cursor.lastrowid
    else:
        number, indexed, prompt, answer = old
        if indexed:
            connection.execute(
                "INSERT INTO words (words, rowid, prompt, answer) VALUES ('delete', ?, ?, ?)",
                (number, prompt, answer),
            )
        changes = ", ".join(f"{name} = ?" for name in row)
        connection.execute(
            f"UPDATE turn SET {changes} WHERE number = ?",  # noqa: S608  as above
            [*row.values(), number],
        )
    if turn.finished:  # a growing answer is not indexed anew each time
        connection.execute(
            "INSERT INTO words (rowid, prompt, answer) VALUES (?, ?, ?)",
            (number, turn.prompt, turn.answer),
        )
    keep(connection, turn.id, folded, parts)


def load_turns(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, TurnRecord]:
    """Give turns by id; those that are not there are left out."""
    found: dict[str, TurnRecord] = {}
    for start in range(0, len(ids), _MOST_AT_ONCE):
        some = ids[start : start + _MOST_AT_ONCE]
        marks = ", ".join("?" * len(some))
        for turn in select(connection, f"WHERE id IN ({marks})", some):
            found[turn.id] = turn
    return found


def select(
    connection: sqlite3.Connection, condition: str, values: Sequence[object] = ()
) -> Iterator[TurnRecord]:
    """Give the turns that a condition of ours picks."""
    cursor = connection.execute(f"SELECT * FROM turn {condition}", list(values))  # noqa: S608  never a user's text
    names = [column[0] for column in cursor.description]
    for values_ in cursor.fetchall():
        yield _turn(connection, dict(zip(names, values_, strict=True)))


def _row(turn: TurnRecord, images: str, folded: Folded | None) -> dict[str, Any]:
    cost = turn.cost
    row = {name: getattr(turn, name) for name in _SAME}
    tokens = {name: getattr(turn.usage, name) for name in _TOKENS}
    row |= {name: count if _can_be(count) else None for name, count in tokens.items()}
    notices = turn.notices if all(map(_can_be, tokens.values())) else (*turn.notices, _TOO_MANY)
    row |= {
        "key_notebook": turn.key.notebook if turn.key else None,
        "cell_id": turn.key.cell_id if turn.key else None,
        "cell_number": turn.key.number if turn.key else None,
        "sent_at": instant_text(turn.sent_at),
        "images": images,
        "cost_usd": None if cost.usd is None else f"{cost.usd:f}",
        "cost_origin": cost.origin,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
        "first_token_s": turn.time_to_first_token_s,
        "notices": json.dumps(notices),
        "ordered_by": turn.order,
        "zdr": turn.zdr,
        "body": None if folded is None else folded.text,
        "body_bytes": None if turn.body is None else len(turn.body),
        "finished": turn.finished,
    }
    return row


def _can_be(tokens: int | None) -> bool:
    return tokens is None or abs(tokens) <= _MOST_TOKENS


def _turn(connection: sqlite3.Connection, row: dict[str, Any]) -> TurnRecord:
    key = None
    if row["cell_id"] is not None:
        key = TurnKey(row["key_notebook"], row["cell_id"], row["cell_number"])
    price_date = date.fromisoformat(row["price_date"]) if row["price_date"] else None
    usd = None if row["cost_usd"] is None else Decimal(row["cost_usd"])
    return TurnRecord(
        **{name: row[name] for name in _SAME},
        key=key,
        sent_at=datetime.fromisoformat(row["sent_at"]),
        images=unfold_images(connection, row["images"]),
        usage=Usage(**{name: row[name] for name in _TOKENS}),
        cost=Cost(usd, row["cost_origin"], price_date),
        time_to_first_token_s=row["first_token_s"],
        notices=tuple(json.loads(row["notices"])),
        order=row["ordered_by"],
        zdr=bool(row["zdr"]),
        finished=bool(row["finished"]),
    )
