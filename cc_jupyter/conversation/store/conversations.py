"""Conversations as rows: a header, its places, and the versions in each place."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cc_jupyter.conversation.records import ConversationRecord, SlotRecord, ThreadSummary
from cc_jupyter.conversation.store.turns import instant_text
from cc_jupyter.core.messages import TurnKey

if TYPE_CHECKING:
    import sqlite3


_EXCERPT_CHARS = 200  # of a first prompt


def save_header(connection: sqlite3.Connection, record: ConversationRecord) -> None:
    """Write a conversation without its places."""
    connection.execute(
        "INSERT INTO conversation (id, name, notebook, started_at, forked_from)"
        " VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, notebook = excluded.notebook",
        (
            record.id,
            record.name,
            record.notebook,
            instant_text(record.started_at),
            record.forked_from,
        ),
    )


def has_conversation(connection: sqlite3.Connection, conversation_id: str) -> bool:
    """Return whether a conversation is stored."""
    found = connection.execute("SELECT 1 FROM conversation WHERE id = ?", (conversation_id,))
    return found.fetchone() is not None


def move_notebook(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Change the path of a notebook wherever it is stored."""
    columns = {
        "turn": ("notebook", "key_notebook"),
        "conversation": ("notebook",),
        "place": ("key_notebook",),
        "reservation": ("notebook",),
    }
    for table, names in columns.items():
        for name in names:
            connection.execute(f"UPDATE {table} SET {name} = ? WHERE {name} = ?", (new, old))  # noqa: S608  our own names


def save_places(connection: sqlite3.Connection, record: ConversationRecord) -> None:
    """Replace all places of a conversation."""
    connection.execute(
        "DELETE FROM place WHERE conversation_id = ? AND position >= ?",
        (record.id, len(record.places)),
    )
    for position, place in enumerate(record.places):
        save_place(connection, record.id, position, place)


def save_place(
    connection: sqlite3.Connection, conversation_id: str, position: int, place: SlotRecord
) -> None:
    """Write one place and its versions.

    Versions whose turn is not stored are skipped: another kernel has removed them, and the next
    turns of this kernel must be saved all the same.
    """
    key = place.key
    active = place.versions[place.active] if place.active >= 0 else None
    connection.execute(
        "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT id FROM turn WHERE id = ?))"
        " ON CONFLICT (conversation_id, position) DO UPDATE SET"
        " key_notebook = excluded.key_notebook, cell_id = excluded.cell_id,"
        " cell_number = excluded.cell_number, after_new = excluded.after_new,"
        " says_new = excluded.says_new, stale = excluded.stale, active = excluded.active",
        (
            conversation_id,
            position,
            key.notebook if key else None,
            key.cell_id if key else None,
            key.number if key else None,
            place.follows_new,
            place.has_new_option,
            place.stale,
            active,
        ),
    )
    where = (conversation_id, position)
    here = "conversation_id = ? AND position = ?"
    stored = set(connection.execute(f"SELECT number, turn_id FROM version WHERE {here}", where))  # noqa: S608  our own words
    versions = set(enumerate(place.versions))
    # a grid has many versions, and each of its answers saves its place
    connection.executemany(
        f"DELETE FROM version WHERE {here} AND number = ?",  # noqa: S608  as above
        [(*where, number) for number, _ in stored - versions],
    )
    connection.executemany(
        "INSERT INTO version SELECT ?, ?, ?, id FROM turn WHERE id = ?",
        [(*where, *version) for version in sorted(versions - stored)],
    )


def load_conversation(
    connection: sqlite3.Connection, conversation_id: str
) -> ConversationRecord | None:
    """Return a conversation with its places; `None` if there is none."""
    header = connection.execute(
        "SELECT name, notebook, started_at, forked_from FROM conversation WHERE id = ?",
        (conversation_id,),
    ).fetchone()
    if header is None:
        return None
    versions: dict[int, list[str]] = {}
    for position, turn_id in connection.execute(
        "SELECT position, turn_id FROM version WHERE conversation_id = ? ORDER BY position, number",
        (conversation_id,),
    ):
        versions.setdefault(position, []).append(turn_id)
    places = [
        _place(row[1:], tuple(versions.get(row[0], ())))
        for row in connection.execute(
            "SELECT position, key_notebook, cell_id, cell_number, after_new, says_new, stale,"
            " active FROM place WHERE conversation_id = ? ORDER BY position",
            (conversation_id,),
        )
    ]
    name, notebook, started_at, forked_from = header
    started = datetime.fromisoformat(started_at)
    return ConversationRecord(conversation_id, name, notebook, started, tuple(places), forked_from)


def load_threads(connection: sqlite3.Connection, name: str | None = None) -> list[ThreadSummary]:
    """Return the conversations that have an answer, newest first."""
    rows = connection.execute(
        "SELECT c.id, c.name, c.notebook, COUNT(p.active), MAX(t.sent_at), MIN(p.position)"
        " FROM conversation c JOIN place p ON p.conversation_id = c.id"
        " JOIN turn t ON t.id = p.active"
        " WHERE :name IS NULL OR c.name = :name"
        " GROUP BY c.id ORDER BY MAX(t.sent_at) DESC",
        {"name": name},
    ).fetchall()
    return [
        ThreadSummary(
            id_, found, notebook, turns, datetime.fromisoformat(last), _prompt(connection, id_, at)
        )
        for id_, found, notebook, turns, last, at in rows
    ]


def _prompt(connection: sqlite3.Connection, conversation_id: str, position: int) -> str:
    (prompt,) = connection.execute(
        "SELECT substr(t.prompt, 1, ?) FROM place p JOIN turn t ON t.id = p.active"
        " WHERE p.conversation_id = ? AND p.position = ?",
        (_EXCERPT_CHARS, conversation_id, position),
    ).fetchone()
    return str(prompt)


def _place(row: tuple[object, ...], versions: tuple[str, ...]) -> SlotRecord:
    notebook, cell_id, number, after_new, says_new, stale, active = row
    key = None
    if isinstance(cell_id, str):
        key = TurnKey(str(notebook), cell_id, int(str(number)))
    at = versions.index(active) if isinstance(active, str) and active in versions else -1
    return SlotRecord(key, bool(after_new), bool(says_new), bool(stale), versions, at)
