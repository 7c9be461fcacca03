"""The tables of the history file: migrations are numbered steps, each runs once."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
-- every column that sums need, so that they read no prompt and no answer
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

_ANSWERS = """
ALTER TABLE turn ADD COLUMN table_usd TEXT;
ALTER TABLE turn ADD COLUMN unpriced TEXT NOT NULL DEFAULT '[]';
ALTER TABLE turn ADD COLUMN answer_images TEXT NOT NULL DEFAULT '[]';
ALTER TABLE turn ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';
UPDATE turn SET cost_usd = '0', cost_origin = 'reported', input_tokens = 0, output_tokens = 0
WHERE cost_usd IS NULL AND finished AND answer = '' AND input_tokens IS NULL AND (
    error GLOB 'AuthError: *' OR error GLOB 'PlanError: *' OR error GLOB 'CreditError: *'
    OR error GLOB 'RateLimitError: *' OR error GLOB 'ModelError: *'
    OR error GLOB 'StatusError: *(4[0-9][0-9])*'
);
"""

_ZDR = "ALTER TABLE turn ADD COLUMN zdr INTEGER NOT NULL DEFAULT 0"

_RESERVATION = """
CREATE TABLE reservation (
    turn_id TEXT PRIMARY KEY,
    notebook TEXT NOT NULL,
    usd TEXT NOT NULL,
    expires_at TEXT NOT NULL
) WITHOUT ROWID
"""

_VERSIONS = """
ALTER TABLE turn ADD COLUMN request_key TEXT NOT NULL DEFAULT '';
ALTER TABLE turn ADD COLUMN sample INTEGER;
ALTER TABLE turn ADD COLUMN grid TEXT;
ALTER TABLE turn ADD COLUMN replayed_from TEXT;
ALTER TABLE turn ADD COLUMN options TEXT;
-- most turns belong to no grid, and saving them costs nothing more
CREATE INDEX turn_grid ON turn (grid) WHERE grid IS NOT NULL;

CREATE TABLE ballot (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    prompt_id TEXT NOT NULL,
    seed INTEGER NOT NULL,
    -- an index, or a word: without a type, each is stored as it is
    choice NOT NULL,
    note TEXT NOT NULL,
    mode TEXT NOT NULL,
    swapped_of TEXT,
    counts INTEGER NOT NULL,
    voted_at TEXT NOT NULL
);

CREATE TABLE ballot_answer (
    ballot_id TEXT NOT NULL REFERENCES ballot (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    grid TEXT NOT NULL,
    label TEXT NOT NULL,
    options TEXT NOT NULL,
    -- no reference: the turn may not be saved yet
    turn_id TEXT,
    answer_sha256 TEXT NOT NULL,
    PRIMARY KEY (ballot_id, position)
) WITHOUT ROWID;
CREATE INDEX ballot_answer_grid ON ballot_answer (grid);
CREATE INDEX ballot_answer_turn ON ballot_answer (turn_id);
"""

_TEMPLATE = "ALTER TABLE turn ADD COLUMN template TEXT"
_STEPS = """
CREATE TABLE step (
    turn_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    data TEXT NOT NULL,
    images TEXT NOT NULL,
    body TEXT,
    PRIMARY KEY (turn_id, number)
) WITHOUT ROWID;
"""

_ROWS = """
ALTER TABLE turn ADD COLUMN rows INTEGER;

CREATE TABLE row_source (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE finished_row (
    source INTEGER NOT NULL REFERENCES row_source (number),
    request_key BLOB NOT NULL,
    sample INTEGER NOT NULL,
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    model TEXT NOT NULL,
    text TEXT NOT NULL,
    stop_reason TEXT NOT NULL,
    reading TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd TEXT,
    cost_origin TEXT NOT NULL,
    price_date TEXT,
    PRIMARY KEY (source, request_key, sample)
) WITHOUT ROWID;
CREATE INDEX finished_row_name ON finished_row (name);
"""

_BLIND = """
ALTER TABLE turn ADD COLUMN blind TEXT;
CREATE INDEX turn_blind ON turn (notebook) WHERE blind IS NOT NULL;
"""


def m001_first(connection: sqlite3.Connection) -> None:
    """Create the tables: turns, conversations, deduplicated contents and the search index."""
    for statement in _statements(_FIRST):
        connection.execute(statement)


def m002_chains(connection: sqlite3.Connection) -> None:
    """Create the table of references between contents: a thread's messages are stored once."""
    for statement in _statements(_CHAINS):
        connection.execute(statement)
    rebuild_index(connection)  # removing turns used to add unfinished turns to the index


def m003_zdr(connection: sqlite3.Connection) -> None:
    """Add the column of zero data retention; older releases did not record it."""
    connection.execute(_ZDR)


def m004_reservation(connection: sqlite3.Connection) -> None:
    """Create the table of money reserved for requests in flight, shared by all kernels."""
    connection.execute(_RESERVATION)


def m005_answers(connection: sqlite3.Connection) -> None:
    """Add columns for listed prices, unpriced items, output images and sources.

    Refused requests cost nothing.
    Older releases stored the cost of every refused request as unknown.
    """
    for statement in _statements(_ANSWERS):
        connection.execute(statement)


def m006_versions(connection: sqlite3.Connection) -> None:
    """Add what a version of a turn consists of, which grid it belongs to, and the votes on it.

    Older releases did not record options, request keys and sample numbers: they are unknown.
    """
    for statement in _statements(_VERSIONS):
        connection.execute(statement)


def m007_template(connection: sqlite3.Connection) -> None:
    """Add the column of the prompt as typed; older releases stored only the text that was sent."""
    connection.execute(_TEMPLATE)


def m008_rows(connection: sqlite3.Connection) -> None:
    """Create the table of finished rows, and the column that tells a run over rows from a turn."""
    for statement in _statements(_ROWS):
        connection.execute(statement)


def m009_steps(connection: sqlite3.Connection) -> None:
    """Create the table of the steps of turns with tools; older releases ran no tool."""
    for statement in _statements(_STEPS):
        connection.execute(statement)


def m010_blind(connection: sqlite3.Connection) -> None:
    """Add the column of answers in blind grids that are not revealed.

    Older releases stored nothing of blindness: their blind grids show their models.
    """
    for statement in _statements(_BLIND):
        connection.execute(statement)


def rebuild_index(connection: sqlite3.Connection) -> None:
    """Rebuild the search index, without traces of removed turns."""
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    # a turn is indexed when it is finished; without this it would be indexed twice
    # a run over rows never is
    connection.execute(
        "INSERT INTO words (words, rowid, prompt, answer)"  # noqa: S608  our own words
        f" SELECT 'delete', number, prompt, answer FROM turn WHERE {_not_indexed(connection)}"
    )


def _not_indexed(connection: sqlite3.Connection) -> str:
    """Return the condition for turns outside the index; older files have no column of rows."""
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(turn)")}
    return "NOT finished OR rows IS NOT NULL" if "rows" in columns else "NOT finished"


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    m001_first,
    m002_chains,
    m003_zdr,
    m004_reservation,
    m005_answers,
    m006_versions,
    m007_template,
    m008_rows,
    m009_steps,
    m010_blind,
)
"""In order; the file's `user_version` is the number of migrations it has had."""


def _statements(script: str) -> list[str]:
    """Split a script into statements, because `executescript` would end the transaction."""
    statements, begun = [], ""
    for line in script.splitlines():
        begun += f"{line}\n"
        if sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements
