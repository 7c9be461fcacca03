"""Read-only queries: sums over requests, full-text search, speeds, thread names.

Money is summed as `Decimal`, which SQL does not have. The user's search text is a list of words,
never query syntax. Thread names are read for completion, which must not create, migrate, quarantine
or wait for the file, so that query opens its own connection and closes it at once.
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
    "model": "+model",  # the plus makes SQLite use the index that covers all sums
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
"""The SQL of each field of a ledger row."""
_PROMPT_CHARS = 400
"""The length of the beginning of a prompt; a line of it is shown."""
_LAST = 50
"""How many of a model's last replies estimates are based on."""


def load_ledger(
    connection: sqlite3.Connection,
    by: str,
    since: datetime | None,
    notebook: str | None,
    until: datetime | None = None,
) -> list[LedgerRow]:
    """Return a row of sums for each group, most requests first; `until` itself is not included."""
    group = _GROUPS[by]
    where = (
        "WHERE (:since IS NULL OR sent_at >= :since) AND (:until IS NULL OR sent_at < :until)"
        " AND (:notebook IS NULL OR notebook = :notebook)"
    )
    since_text, until_text = (None if at is None else instant_text(at) for at in (since, until))
    values = {"since": since_text, "notebook": notebook, "until": until_text}
    sums: defaultdict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unknown: defaultdict[str, int] = defaultdict(int)
    # many turns have the same cost, above all if it is zero
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


def load_cell_prompts(
    connection: sqlite3.Connection, since: datetime | None, notebook: str | None
) -> dict[str, str]:
    """Return the beginning of the last prompt of each cell, by cell id."""
    rows = connection.execute(
        "SELECT cell_id, substr(prompt, 1, :chars), MAX(sent_at) FROM turn"
        " WHERE cell_id IS NOT NULL AND (:since IS NULL OR sent_at >= :since)"
        " AND (:notebook IS NULL OR notebook = :notebook) GROUP BY cell_id",
        {
            "since": None if since is None else instant_text(since),
            "notebook": notebook,
            "chars": _PROMPT_CHARS,
        },
    )
    return {cell_id: prompt for cell_id, prompt, _ in rows}


def output_lengths(connection: sqlite3.Connection, model: str) -> list[int]:
    """Return the lengths in tokens of a model's last answers."""
    rows = connection.execute(
        "SELECT output_tokens FROM turn WHERE model = ? AND output_tokens IS NOT NULL"
        " AND error IS NULL AND rows IS NULL ORDER BY sent_at DESC LIMIT ?",
        (model, _LAST),
    )
    return [int(tokens) for (tokens,) in rows]


def tokens_per_byte(connection: sqlite3.Connection, model: str) -> tuple[int, int] | None:
    """Return a model's reported prompt tokens and the bytes of their bodies; `None` if unknown."""
    tokens, size = connection.execute(
        "SELECT SUM(input_tokens), SUM(body_bytes) FROM (SELECT input_tokens, body_bytes FROM turn"
        " WHERE model = ? AND input_tokens > 0 AND body_bytes > 1000 AND images = '[]'"
        " ORDER BY sent_at DESC LIMIT ?)",
        (model, _LAST),
    ).fetchone()
    return (int(tokens), int(size)) if tokens and size else None


_WORD = re.compile(r"\w+")
_MARK = "\x02"
"""Around a match; a control character, which texts do not contain as Markdown contains `**`."""
_CONTEXT_CHARS = 60  # on each side of a substring match
_COLUMNS = "t.id, t.thread, t.position, t.notebook, t.cell_id, t.model, t.sent_at"


def find(connection: sqlite3.Connection, text: str, limit: int) -> list[SearchHit]:
    """Return the turns that contain all words of a text, best first, then newest first.

    If no turn matches by words, it is searched for as a substring: scripts without spaces, parts
    of words, symbols, and answers cut off by a crash.
    """
    words = _WORD.findall(text)
    found = _by_words(connection, words, limit) if words else []
    return found or _by_substring(connection, text.strip(), limit)


def _by_words(connection: sqlite3.Connection, words: list[str], limit: int) -> list[SearchHit]:
    query = " ".join(f'"{word}"' for word in words)
    rows = connection.execute(
        f"SELECT {_COLUMNS}, snippet(words, -1, '{_MARK}', '{_MARK}', '…', 24) FROM words"  # noqa: S608  our own names
        " JOIN turn t ON t.number = words.rowid"
        " WHERE words MATCH ? ORDER BY bm25(words), t.number DESC LIMIT ?",
        (query, limit),
    ).fetchall()
    return [_found(row, " ".join(row[-1].split())) for row in rows]


def _by_substring(connection: sqlite3.Connection, text: str, limit: int) -> list[SearchHit]:
    if not text:
        return []
    rows = connection.execute(
        f"SELECT {_COLUMNS}, CASE WHEN instr(t.answer, :text) THEN t.answer ELSE t.prompt END"  # noqa: S608  as above
        " FROM turn t WHERE t.rows IS NULL AND (instr(t.prompt, :text) OR instr(t.answer, :text))"
        " ORDER BY t.number DESC LIMIT :limit",
        {"text": text, "limit": limit},
    ).fetchall()
    return [_found(row, _excerpt(row[-1], text)) for row in rows]


def _excerpt(whole: str, text: str) -> str:
    at = whole.index(text)
    before = whole[max(0, at - _CONTEXT_CHARS) : at]
    after = whole[at + len(text) :][:_CONTEXT_CHARS]
    return " ".join(f"{before}{_MARK}{text}{_MARK}{after}".split())


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
        tuple((part, at % 2 == 1) for at, part in enumerate(snippet.split(_MARK)) if part),
    )


_SELECT = """
SELECT model, first_token_s, duration_s, output_tokens FROM (
    SELECT model, first_token_s, duration_s, output_tokens, sent_at, number,
        ROW_NUMBER() OVER (PARTITION BY model ORDER BY sent_at DESC, number DESC) AS place
    FROM turn WHERE error IS NULL AND finished AND first_token_s IS NOT NULL
) WHERE place <= ? ORDER BY sent_at DESC, number DESC
"""


def load_timings(connection: sqlite3.Connection) -> list[Timing]:
    """Return the timings of each model's last successful answers, newest first."""
    return [Timing(*row) for row in connection.execute(_SELECT, (LAST_TURNS,))]


_MAX_NAMES = 5_000
_NAMES = """
    SELECT name FROM conversation c
    WHERE EXISTS (
        SELECT 1 FROM place WHERE conversation_id = c.id AND active IS NOT NULL
    )
    GROUP BY name ORDER BY MAX(started_at) DESC, name LIMIT ?
"""


def thread_names(path: Path) -> tuple[str, ...]:
    """Return the names of the threads that have an answer, the last started first.

    Parameters
    ----------
    path
        An existing history file.

    Raises
    ------
    StoreError
        The file cannot be read immediately.
    """
    with (
        translate_errors(path),
        contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)
        ) as connection,
    ):
        connection.execute("PRAGMA query_only = ON")
        return tuple(str(name) for (name,) in connection.execute(_NAMES, (_MAX_NAMES,)))
