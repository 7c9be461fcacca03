"""Read-only queries: sums over requests, full-text search, speeds, thread names.

Money is added up as `Decimal`, which SQL does not have. In a search, the user's text is words,
never syntax. Thread names are read for Tab, which must not create, migrate, set aside or wait for
the file: that query uses its own connection and closes it at once.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import defaultdict
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.conversation.records import LedgerRow, SearchHit
from cc_jupyter.conversation.speeds import LAST_TURNS, Timing
from cc_jupyter.conversation.store.database import translate_errors
from cc_jupyter.conversation.store.turns import instant_text
from cc_jupyter.core.events import USAGE_FIELDS
from cc_jupyter.core.money import EXACT

if TYPE_CHECKING:
    from pathlib import Path


_GROUPS = {
    "model": "+model",  # the plus keeps to the index that holds all figures
    "thread": "ifnull(thread, '')",
    "notebook": "notebook",
    "day": "date(sent_at, 'localtime')",
    "cell": "ifnull(cell_id, '')",
    "server": "served_by",
    "all": "''",
}
_COUNTS = {
    "requests": "COUNT(*)",
    "failed": "COUNT(*) FILTER (WHERE error IS NOT NULL AND stop_reason != 'interrupted')",
    "interrupted": "COUNT(*) FILTER (WHERE stop_reason = 'interrupted')",
    "unknown_tokens": "COUNT(*) FILTER (WHERE input_tokens IS NULL OR output_tokens IS NULL)",
    **{name: f"ifnull(SUM({name}), 0)" for name in USAGE_FIELDS},
}
"""How SQL counts each field of a ledger row."""
_LAST = 50
"""So many of a model's last replies say what it usually does."""


def load_ledger(
    connection: sqlite3.Connection, by: str, since: datetime | None, notebook: str | None
) -> list[LedgerRow]:
    """Return a row of sums for each group, most requests first."""
    group = _GROUPS[by]
    where = "WHERE (?1 IS NULL OR sent_at >= ?1) AND (?2 IS NULL OR notebook = ?2)"
    values = (None if since is None else instant_text(since), notebook)
    sums: defaultdict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unknown: defaultdict[str, int] = defaultdict(int)
    # the same price occurs again and again, the more so where it is nothing
    for name, usd, origin, times in connection.execute(
        f"SELECT {group}, cost_usd, cost_origin, COUNT(*) FROM turn {where} GROUP BY 1, 2, 3",  # noqa: S608  our own names
        values,
    ):
        if usd is None:
            unknown[name] += times
        else:
            with localcontext(EXACT):
                sums[name][origin] += Decimal(usd) * times
    counts = ", ".join(_COUNTS.values())
    rows = connection.execute(
        f"SELECT {group}, {counts} FROM turn {where} GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608  as above
        values,
    ).fetchall()
    return [
        LedgerRow(
            group=name,
            reported_usd=sums[name]["reported"],
            estimated_usd=sums[name]["estimated"],
            unknown_cost=unknown[name],
            **dict(zip(_COUNTS, figures, strict=True)),
        )
        for name, *figures in rows
    ]


def output_lengths(connection: sqlite3.Connection, model: str) -> list[int]:
    """Return the lengths in tokens of a model's last answers."""
    rows = connection.execute(
        "SELECT output_tokens FROM turn WHERE model = ? AND output_tokens IS NOT NULL"
        " AND error IS NULL ORDER BY sent_at DESC LIMIT ?",
        (model, _LAST),
    )
    return [int(tokens) for (tokens,) in rows]


def tokens_per_byte(connection: sqlite3.Connection, model: str) -> tuple[int, int] | None:
    """Return a model's reported prompt tokens and the bytes of their bodies; `None`: none known."""
    tokens, size = connection.execute(
        "SELECT SUM(input_tokens), SUM(body_bytes) FROM (SELECT input_tokens, body_bytes FROM turn"
        " WHERE model = ? AND input_tokens > 0 AND body_bytes > 1000 AND images = '[]'"
        " ORDER BY sent_at DESC LIMIT ?)",
        (model, _LAST),
    ).fetchone()
    return (int(tokens), int(size)) if tokens and size else None


_WORD = re.compile(r"\w+")
_AROUND = 60  # characters shown on each side of a text found letter by letter
_COLUMNS = "t.id, t.thread, t.position, t.notebook, t.cell_id, t.model, t.sent_at"


def find(connection: sqlite3.Connection, text: str, limit: int) -> list[SearchHit]:
    """Return the turns that hold all words of a text, best first; newest first among equals.

    What no words find is looked for letter by letter: scripts without blanks, parts of words,
    signs, and answers that a crash cut off.
    """
    words = _WORD.findall(text)
    found = _by_words(connection, words, limit) if words else []
    return found or _by_letters(connection, text.strip(), limit)


def _by_words(connection: sqlite3.Connection, words: list[str], limit: int) -> list[SearchHit]:
    query = " ".join(f'"{word}"' for word in words)
    rows = connection.execute(
        f"SELECT {_COLUMNS}, snippet(words, -1, '**', '**', '…', 24) FROM words"  # noqa: S608  our own names
        " JOIN turn t ON t.number = words.rowid"
        " WHERE words MATCH ? ORDER BY bm25(words), t.number DESC LIMIT ?",
        (query, limit),
    ).fetchall()
    return [_found(row, " ".join(row[-1].split())) for row in rows]


def _by_letters(connection: sqlite3.Connection, text: str, limit: int) -> list[SearchHit]:
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


def _found(row: tuple[object, ...], snippet: str) -> SearchHit:
    turn_id, thread, position, notebook, cell_id, model, sent_at = row[:7]
    return SearchHit(
        str(turn_id),
        None if thread is None else str(thread),
        position if isinstance(position, int) else None,
        str(notebook),
        None if cell_id is None else str(cell_id),
        str(model),
        datetime.fromisoformat(str(sent_at)),
        snippet,
    )


_SELECT = """
SELECT model, first_token_s, duration_s, output_tokens FROM (
    SELECT model, first_token_s, duration_s, output_tokens, sent_at, number,
        ROW_NUMBER() OVER (PARTITION BY model ORDER BY sent_at DESC, number DESC) AS place
    FROM turn WHERE error IS NULL AND finished AND first_token_s IS NOT NULL
) WHERE place <= ? ORDER BY sent_at DESC, number DESC
"""


def load_timings(connection: sqlite3.Connection) -> list[Timing]:
    """Return the last answers of each model that ended well, newest first."""
    return [Timing(*row) for row in connection.execute(_SELECT, (LAST_TURNS,))]


_MOST = 5_000
_NAMES = """
    SELECT name FROM conversation c
    WHERE EXISTS (
        SELECT 1 FROM place WHERE conversation_id = c.id AND active IS NOT NULL
    )
    GROUP BY name ORDER BY MAX(started_at) DESC, name LIMIT ?
"""


def thread_names(path: Path) -> tuple[str, ...]:
    """Return the names of the threads that hold an answer, those last begun first.

    Parameters
    ----------
    path
        A history file that is there.

    Raises
    ------
    StoreError
        It cannot be read at once.
    """
    with (
        translate_errors(path),
        contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)
        ) as connection,
    ):
        connection.execute("PRAGMA query_only = ON")
        return tuple(str(name) for (name,) in connection.execute(_NAMES, (_MOST,)))
