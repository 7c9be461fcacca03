"""The shape of the file: numbered steps, each run once and in a transaction of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

_FIRST = """
CREATE TABLE content (
    sha256 TEXT PRIMARY KEY,
    data BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE conversation (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    notebook TEXT NOT NULL,
    started_at TEXT NOT NULL,
    forked_from TEXT
);
CREATE INDEX conversation_name ON conversation (name);

CREATE TABLE turn (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT,
    thread TEXT,
    position INTEGER,
    parent_id TEXT,
    notebook TEXT NOT NULL,
    cell_id TEXT,
    cell_number INTEGER,
    key_notebook TEXT,
    sent_at TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    system TEXT,
    prompt TEXT NOT NULL,
    images TEXT NOT NULL,
    answer TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    stop_reason TEXT NOT NULL,
    stop_word TEXT,
    error TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd TEXT,
    cost_origin TEXT NOT NULL,
    price_date TEXT,
    first_token_s REAL,
    duration_s REAL NOT NULL,
    served_by TEXT NOT NULL,
    served_model TEXT,
    notices TEXT NOT NULL,
    ordered_by TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    body TEXT,
    body_bytes INTEGER,
    finished INTEGER NOT NULL
);
CREATE INDEX turn_parent ON turn (parent_id);
-- all that sums need, so that they read no prompt and no answer
CREATE INDEX turn_figures ON turn (
    sent_at, model, thread, notebook, cell_id, stop_reason, error, cost_usd, cost_origin,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens
);
CREATE INDEX turn_model ON turn (model, sent_at);

CREATE TABLE place (
    conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    key_notebook TEXT,
    cell_id TEXT,
    cell_number INTEGER,
    after_new INTEGER NOT NULL,
    says_new INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    active TEXT,
    PRIMARY KEY (conversation_id, position)
) WITHOUT ROWID;

CREATE TABLE version (
    conversation_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    turn_id TEXT NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
    PRIMARY KEY (conversation_id, position, number),
    FOREIGN KEY (conversation_id, position)
        REFERENCES place (conversation_id, position) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX version_turn ON version (turn_id);

CREATE TABLE uses (
    turn_id TEXT NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL REFERENCES content (sha256),
    PRIMARY KEY (turn_id, sha256)
) WITHOUT ROWID;
CREATE INDEX uses_content ON uses (sha256);

CREATE VIRTUAL TABLE words USING fts5 (
    prompt, answer, content='turn', content_rowid='number', tokenize='unicode61'
);
"""

_CHAINS = """
CREATE TABLE part (
    sha256 TEXT NOT NULL REFERENCES content (sha256) ON DELETE CASCADE,
    needs TEXT NOT NULL,
    PRIMARY KEY (sha256, needs)
) WITHOUT ROWID;
CREATE INDEX turn_conversation ON turn (conversation_id);
"""

_ZDR = "ALTER TABLE turn ADD COLUMN zdr INTEGER NOT NULL DEFAULT 0"


def m001_first(connection: sqlite3.Connection) -> None:
    """Make the tables: turns, conversations over them, contents kept once, words to search."""
    for statement in _statements(_FIRST):
        connection.execute(statement)


def m002_chains(connection: sqlite3.Connection) -> None:
    """Make the table of what a content needs: a thread's messages are kept once, not each time."""
    for statement in _statements(_CHAINS):
        connection.execute(statement)
    index_anew(connection)  # forgetting used to put unfinished turns into the index


def m003_zdr(connection: sqlite3.Connection) -> None:
    """Make the column of zero data retention; what older releases asked for, nobody noted."""
    connection.execute(_ZDR)


def index_anew(connection: sqlite3.Connection) -> None:
    """Make the index of words anew, without traces of what was removed."""
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    # a turn gets into the index when it is finished, and would else be there twice
    connection.execute(
        "INSERT INTO words (words, rowid, prompt, answer)"
        " SELECT 'delete', number, prompt, answer FROM turn WHERE NOT finished"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    m001_first,
    m002_chains,
    m003_zdr,
)
"""In order; a file knows by `user_version` how many it has had."""


def _statements(script: str) -> list[str]:
    """Split a script, since `executescript` would end the transaction."""
    from sqlite3 import complete_statement  # noqa: PLC0415  loaded by now

    statements, begun = [], ""
    for line in script.splitlines():
        begun += f"{line}\n"
        if complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements
