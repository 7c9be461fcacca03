"""The history file: open it, migrate it, protect its mode, quarantine a broken one.

Migrations are numbered steps; each runs once, in one transaction.

WAL with `synchronous=NORMAL`: several kernels write at the same time, and a process that dies loses
nothing that was committed. Only a power failure may lose the last moments, never the file; FULL
would cost each cell an fsync, some 5 to 20 ms on a laptop's disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.paths import make_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


BUSY_S = 5.0
"""How long to wait for another writer."""
_BROKEN = ".broken-"
_OTHERS = 0o077  # permissions of group and others
_PRIMARY = 0xFF  # the part of an SQLite error code that names the kind of error
_PARTS = ("", "-wal", "-shm")  # suffixes of the files of a database

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


def rebuild_index(connection: sqlite3.Connection) -> None:
    """Rebuild the search index, without traces of removed turns."""
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    # a turn is indexed when it is finished; without this it would be indexed twice
    connection.execute(
        "INSERT INTO words (words, rowid, prompt, answer)"
        " SELECT 'delete', number, prompt, answer FROM turn WHERE NOT finished"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    m001_first,
    m002_chains,
    m003_zdr,
    m004_reservation,
    m005_answers,
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


class Connection:
    """The connection to one file, used by one thread at a time; a forked process gets its own.

    One is enough: each use takes milliseconds, and a connection per thread would leave files open
    when threads end.

    Raises
    ------
    StoreError
        The file cannot be opened, or a newer release wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice: str | None = None
        """A notice for the user if a broken file was quarantined."""
        self._lock = threading.RLock()
        self._raw: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # which file: another may get its name
        self.files_opened = 0
        """The number of different files opened so far: the path may come to name another one."""
        self._pid = os.getpid()
        with translate_errors(path):
            make_private(path.parent)
            try:
                self.get()
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise
                self._quarantine()
                self.get()

    def get(self) -> sqlite3.Connection:
        """Return the connection, opening the file if it is not open."""
        if self._raw is not None and _identity(self.path) != self._opened:
            self.close()  # writing to the removed file would fail or be lost
            self.notice = (
                "the history file was removed or replaced while this kernel was running; turns are"
                " saved to the file that is there now"
            )
        if self._raw is None:
            opened = _create(self.path)
            self.files_opened += opened != self._opened
            self._opened = opened
            self._raw = _open(self.path)
        return self._raw

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Provide the connection within one transaction."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:  # an interrupt too: all or nothing
                connection.rollback()
                raise
            connection.commit()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Provide the connection to one thread at a time."""
        with translate_errors(self.path), self._mine():
            try:
                yield self.get()
            except sqlite3.DatabaseError as error:
                if _is_broken(error):  # the next use creates a new file
                    self._quarantine()
                raise

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._mine():
            if self._raw is not None:
                self._raw.close()
            self._raw = None

    def remove_broken(self) -> None:
        """Remove all broken files that were ever quarantined."""
        with translate_errors(self.path):
            for part in self.path.parent.glob(f"{self.path.name}{_BROKEN}*"):
                part.unlink(missing_ok=True)

    def _mine(self) -> AbstractContextManager[bool]:
        if self._pid != os.getpid():  # a fork: connection and lock belong to the parent
            self._pid, self._raw, self._lock = os.getpid(), None, threading.RLock()
        return self._lock

    def _quarantine(self) -> None:
        """Rename a broken file and its companions."""
        self.close()
        if _identity(self.path) != self._opened:
            return  # another process was faster
        name = stem = f"{self.path.name}{_BROKEN}{datetime.now(UTC):%Y%m%d-%H%M%S}"
        number = 1
        while self.path.with_name(name).exists():
            number += 1
            name = f"{stem}-{number}"
        for suffix in _PARTS:
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(self.path.with_name(name + suffix))
        self.notice = (
            f"the history file was broken and was renamed to {name}; a new history was started"
        )


@contextlib.contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into a `StoreError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = f"the file is {path}; CMD_HISTORY=off turns the history off"
        raise StoreError(_sentence(error), hint=hint) from error


def _sentence(error: sqlite3.Error | OSError) -> str:
    match _kind(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another program has locked the history for more than {BUSY_S:.0f} s"
        case sqlite3.SQLITE_FULL:
            return "the disk is full"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | None:
            return f"it cannot be opened or written: {error}"
        case _:
            return f"it cannot be used: {error}"


def _kind(error: sqlite3.Error | OSError) -> int | None:
    """Return SQLite's code for the kind of an error; `None` if it is another system error.

    The text of an error is no guide: it may contain a path, and a path any word.
    """
    if isinstance(error, OSError):
        return sqlite3.SQLITE_FULL if error.errno == errno.ENOSPC else None
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY


def _create(path: Path) -> tuple[int, int] | None:
    """Create the file if it does not exist, readable by this user only; return its identity."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    for suffix in _PARTS:  # a restored copy may be readable by others
        part = path.with_name(path.name + suffix)
        with contextlib.suppress(OSError):
            if part.stat().st_mode & _OTHERS:
                part.chmod(0o600)
    return _identity(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        _migrate(connection)
    except BaseException:  # an interrupt too: no connection stays open
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    done = _version(connection)
    if done == len(MIGRATIONS):
        return
    if done > len(MIGRATIONS):
        raise StoreError(
            "the history was written by a newer release of cc_jupyter and cannot be used",
            hint="pip install -U cc-jupyter, or set CMD_JUPYTER_HOME to another folder",
        )
    connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at the same time
    try:
        for migrate in MIGRATIONS[_version(connection) :]:
            migrate(connection)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:  # an interrupt too: all or nothing
        connection.rollback()
        raise
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_CORRUPT_VTAB:
        return False  # only the search index, which can be rebuilt
    return code is not None and code & _PRIMARY in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
