"""Remove turns completely: from rows, index, the requests that sent them along, and the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.conversation.store.migrations import rebuild_index
from cc_jupyter.conversation.store.votes import forget_ballots
from cc_jupyter.core.errors import StoreError

if TYPE_CHECKING:
    import sqlite3


_AFFECTED = """
    WITH RECURSIVE forgotten (id, conversation_id, number) AS (
        SELECT id, conversation_id, number FROM turn WHERE {which}
    ),
    family (id) AS (
        SELECT conversation_id FROM forgotten WHERE conversation_id IS NOT NULL
        UNION SELECT version.conversation_id FROM version JOIN forgotten
            ON version.turn_id = forgotten.id
        UNION SELECT conversation.id FROM conversation JOIN family
            ON conversation.forked_from = family.id
    ),
    affected (id) AS (
        SELECT id FROM forgotten
        UNION SELECT turn.id FROM turn JOIN family ON turn.conversation_id = family.id
            WHERE turn.number > (SELECT MIN(number) FROM forgotten)
        UNION SELECT turn.id FROM turn JOIN affected ON turn.parent_id = affected.id
    )
"""
"""The turns to remove, and all turns whose requests may have sent them as context.

`parent_id` alone is not enough: when a turn runs again, the parent of those after it is still the
earlier version. So these are all later turns of its conversations and of their forks.
"""
_LIVE = """
    WITH RECURSIVE live (sha256) AS (
        SELECT sha256 FROM uses
        UNION SELECT part.needs FROM part JOIN live ON part.sha256 = live.sha256
    )
"""
_IN_USE = """
    WITH RECURSIVE in_use (id) AS (
        SELECT conversation_id FROM version
        UNION SELECT conversation.forked_from FROM conversation JOIN in_use
            ON conversation.id = in_use.id WHERE conversation.forked_from IS NOT NULL
    )
"""
"""Conversations that have a turn, and those they were forked from, which lead to their forks."""


def forget(connection: sqlite3.Connection, which: str, value: str | None) -> int:
    """Remove the turns that match one of our own conditions; return how many there were.

    The request bodies of later turns contain the removed turns, so they are removed too; the
    prompts and answers of later turns are not. Votes on removed turns are removed.
    """
    affected = _AFFECTED.format(which=which)
    connection.execute(
        f"{affected} DELETE FROM uses WHERE turn_id IN (SELECT id FROM affected)"  # noqa: S608  our own words
        " AND instr("
        "(SELECT images || answer_images || coalesce((SELECT group_concat(step.images) FROM step"
        " WHERE step.turn_id = turn.id), '') FROM turn WHERE id = uses.turn_id), sha256) = 0",
        (value,),
    )
    connection.execute(
        f"{affected} UPDATE turn SET body = NULL WHERE id IN (SELECT id FROM affected)",  # noqa: S608  as above
        (value,),
    )
    connection.execute(
        f"{affected} UPDATE step SET body = NULL WHERE turn_id IN (SELECT id FROM affected)",  # noqa: S608  as above
        (value,),
    )
    forget_ballots(connection, which, value)
    connection.execute(
        f"DELETE FROM step WHERE turn_id IN (SELECT id FROM turn WHERE {which})",  # noqa: S608  as above
        (value,),
    )
    removed = connection.execute(f"DELETE FROM turn WHERE {which}", (value,)).rowcount  # noqa: S608  our own words
    connection.execute(f"{_LIVE} DELETE FROM content WHERE sha256 NOT IN live")  # noqa: S608  as above
    connection.execute(
        "UPDATE place SET active = (SELECT v.turn_id FROM version v JOIN turn t"
        " ON t.id = v.turn_id WHERE v.conversation_id = place.conversation_id"
        " AND v.position = place.position AND (t.answer != '' OR EXISTS (SELECT 1 FROM step"
        " WHERE step.turn_id = t.id))"
        " AND (t.grid IS NULL OR t.error IS NULL)"
        " ORDER BY v.number DESC LIMIT 1)"
        " WHERE active NOT IN (SELECT id FROM turn)"
    )
    connection.execute(
        f"{_IN_USE} DELETE FROM conversation WHERE id NOT IN in_use"  # noqa: S608  as above
    )
    rebuild_index(connection)
    return removed


def wipe(connection: sqlite3.Connection) -> None:
    """Erase deleted data from free pages and from the log.

    Raises
    ------
    StoreError
        Another program is reading the file, so its log cannot be emptied.
    """
    connection.execute("VACUUM")
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError(
            "the turns are removed, but another program is reading the history: its log may contain"
            " traces of them until that program ends",
            hint="run the command again later",
        )
