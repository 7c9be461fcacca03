"""The file: opened, brought up to date, kept private, put aside when it is broken.

WAL with `synchronous=NORMAL`: several kernels write at once, and a process that dies at any moment
loses nothing that was committed. Only a machine that loses power may lose the last moments, never
the file; FULL would cost each cell an fsync, some 5 to 20 ms on a laptop's disk.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cc_jupyter.errors import StoreError
from cc_jupyter.folders import make_private
from cc_jupyter.store.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

BUSY_S = 5.0
"""How long to wait for another writer."""
_BROKEN = ("not a database", "malformed", "disk image")


class Connection:
    """The connection to one file, for one thread at a time; a forked process gets its own.

    One is enough: what is done with it takes milliseconds, and one for each thread would leave
    open files behind those that end.

    Raises
    ------
    StoreError
        The file cannot be opened, or a newer release wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice: str | None = None
        """What the user should know: a broken file was put aside."""
        self._lock = threading.RLock()
        self._raw: sqlite3.Connection | None = None
        self._pid = os.getpid()
        with told(path):
            make_private(path.parent)
            try:
                self.get()
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise
                self._put_aside()
                self.get()

    def get(self) -> sqlite3.Connection:
        """Give the connection, opening the file if it is not open."""
        if self._raw is None:
            self._raw = _open(self.path)
        return self._raw

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection within one transaction: all of it or nothing."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, to this thread alone."""
        with told(self.path), self._mine():
            yield self.get()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._mine():
            if self._raw is not None:
                self._raw.close()
            self._raw = None

    def _mine(self) -> AbstractContextManager[bool]:
        if self._pid != os.getpid():  # a fork: connection and lock are its parent's
            self._pid, self._raw, self._lock = os.getpid(), None, threading.RLock()
        return self._lock

    def _put_aside(self) -> None:
        """Keep a broken file under another name, with all that belongs to it."""
        self.close()
        aside = f"{self.path.name}.broken-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        for ending in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + ending)
            if part.exists():
                part.rename(self.path.with_name(aside + ending))
        self.notice = (
            f"the history file was broken; it is kept as {aside}, and a new history has begun"
        )


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says into our own words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        said = str(error)
        hint = f"the file is {path}; CMD_HISTORY=off works without it"
        if "locked" in said or "busy" in said:
            message = f"another program holds the history for more than {BUSY_S:.0f} s"
        elif "full" in said:
            message = "the disk is full"
        elif "readonly" in said or "unable to open" in said or isinstance(error, OSError):
            message = f"it cannot be opened or written: {said}"
        else:
            message = f"it cannot be used: {said}"
        raise StoreError(message, hint=hint) from error


def _open(path: Path) -> sqlite3.Connection:
    # made by us and empty, so that nobody else can read it even for a moment
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        _bring_up_to_date(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    done = _version(connection)
    if done == len(MIGRATIONS):
        return
    if done > len(MIGRATIONS):
        raise StoreError(
            "a newer release of cc_jupyter wrote the history; this one leaves it alone",
            hint="pip install -U cc-jupyter, or CMD_JUPYTER_HOME for another folder",
        )
    connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at once
    try:
        for migrate in MIGRATIONS[_version(connection) :]:
            migrate(connection)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    return any(word in str(error) for word in _BROKEN)
