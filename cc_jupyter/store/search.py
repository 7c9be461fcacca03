"""Full-text search over prompts and answers; a user's text is words, never syntax."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from cc_jupyter.records import Found

if TYPE_CHECKING:
    import sqlite3

_WORD = re.compile(r"\w+")
_AROUND = 60  # characters shown on each side of a text found letter by letter
_COLUMNS = "t.id, t.thread, t.position, t.notebook, t.cell_id, t.model, t.sent_at"


def find(connection: sqlite3.Connection, text: str, limit: int) -> list[Found]:
    """Give the turns that hold all words of a text, best first; newest first among equals.

    What no words find is looked for letter by letter: scripts without blanks, parts of words,
    signs, and answers that a crash cut off.
    """
    words = _WORD.findall(text)
    found = _by_words(connection, words, limit) if words else []
    return found or _by_letters(connection, text.strip(), limit)


def _by_words(connection: sqlite3.Connection, words: list[str], limit: int) -> list[Found]:
    query = " ".join(f'"{word}"' for word in words)
    rows = connection.execute(
        f"SELECT {_COLUMNS}, snippet(words, -1, '**', '**', '…', 24) FROM words"  # noqa: S608  our own names
        " JOIN turn t ON t.number = words.rowid"
        " WHERE words MATCH ? ORDER BY bm25(words), t.number DESC LIMIT ?",
        (query, limit),
    ).fetchall()
    return [_found(row, " ".join(row[-1].split())) for row in rows]


def _by_letters(connection: sqlite3.Connection, text: str, limit: int) -> list[Found]:
    if not text:
        return []
    rows = connection.execute(
        f"SELECT {_COLUMNS}, CASE WHEN instr(t.answer, ?1) THEN t.answer ELSE t.prompt END"  # noqa: S608  as above
        " FROM turn t WHERE instr(t.prompt, ?1) OR instr(t.answer, ?1)"
        " ORDER BY t.number DESC LIMIT ?2",
        (text, limit),
    ).fetchall()
    return [_found(row, _excerpt(row[-1], text)) for row in rows]


def _excerpt(whole: str, text: str) -> str:
    at = whole.index(text)
    before, after = whole[max(0, at - _AROUND) : at], whole[at + len(text) :][:_AROUND]
    return " ".join(f"{before}**{text}**{after}".split())


def _found(row: tuple[object, ...], snippet: str) -> Found:
    turn_id, thread, position, notebook, cell_id, model, sent_at = row[:7]
    return Found(
        str(turn_id),
        None if thread is None else str(thread),
        position if isinstance(position, int) else None,
        str(notebook),
        None if cell_id is None else str(cell_id),
        str(model),
        datetime.fromisoformat(str(sent_at)),
        snippet,
    )
