"""Forgetting, really: from the rows, the index, the requests that carried it on, and the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.conversation.store.database import rebuild_index
from cc_jupyter.core.errors import StoreError

if TYPE_CHECKING:
    import sqlite3


_CARRIED_ON = """
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
    carried (id) AS (
        SELECT id FROM forgotten
        UNION SELECT turn.id FROM turn JOIN family ON turn.conversation_id = family.id
            WHERE turn.number > (SELECT MIN(number) FROM forgotten)
        UNION SELECT turn.id FROM turn JOIN carried ON turn.parent_id = carried.id
    )
"""
"""The turns that are forgotten and all whose requests may have sent them along.

`parent_id` alone does not tell: a turn run again leaves those after it with the version before it
as their parent. So these are all later turns of the conversations it stood in, and of their forks.
"""
_LIVE = """
    WITH RECURSIVE live (sha256) AS (
        SELECT sha256 FROM uses
        UNION SELECT part.needs FROM part JOIN live ON part.sha256 = live.sha256
    )
"""
_STANDING = """
    WITH RECURSIVE standing (id) AS (
        SELECT conversation_id FROM version
        UNION SELECT conversation.forked_from FROM conversation JOIN standing
            ON conversation.id = standing.id WHERE conversation.forked_from IS NOT NULL
    )
"""
"""Conversations that hold a turn, and those they were forked from, which lead to their forks."""


def forget(connection: sqlite3.Connection, which: str, value: str | None) -> int:
    """Remove the turns that a condition of ours picks; give how many there were.

    The requests of later turns hold what was said before them: they are no longer kept either,
    while their prompts and answers stay.
    """
    carried = _CARRIED_ON.format(which=which)
    connection.execute(
        f"{carried} DELETE FROM uses WHERE turn_id IN (SELECT id FROM carried)"  # noqa: S608  our own words
        " AND instr("
        "(SELECT images || answer_images FROM turn WHERE id = uses.turn_id), sha256) = 0",
        (value,),
    )
    connection.execute(
        f"{carried} UPDATE turn SET body = NULL WHERE id IN (SELECT id FROM carried)",  # noqa: S608  as above
        (value,),
    )
    removed = connection.execute(f"DELETE FROM turn WHERE {which}", (value,)).rowcount  # noqa: S608  our own words
    connection.execute(f"{_LIVE} DELETE FROM content WHERE sha256 NOT IN live")  # noqa: S608  as above
    connection.execute(
        "UPDATE place SET active = (SELECT v.turn_id FROM version v JOIN turn t"
        " ON t.id = v.turn_id WHERE v.conversation_id = place.conversation_id"
        " AND v.position = place.position AND t.answer != ''"
        " ORDER BY v.number DESC LIMIT 1)"
        " WHERE active NOT IN (SELECT id FROM turn)"
    )
    connection.execute(
        f"{_STANDING} DELETE FROM conversation WHERE id NOT IN standing"  # noqa: S608  as above
    )
    rebuild_index(connection)
    return removed


def wipe(connection: sqlite3.Connection) -> None:
    """Leave no trace of what was deleted in free pages or in the log.

    Raises
    ------
    StoreError
        Another program reads the file, so that its log cannot be emptied.
    """
    connection.execute("VACUUM")
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError(
            "it is forgotten, but another program reads the history, so traces may be left in its"
            " log until that one ends",
            hint="run the command again later",
        )
