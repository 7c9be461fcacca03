"""The history file: open it, migrate it, protect its mode, quarantine a broken one.

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
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cc_jupyter.conversation.store.migrations import MIGRATIONS
from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.paths import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


BUSY_S = 5.0
"""How long to wait for another writer."""
_BROKEN = ".broken-"
_OTHERS = 0o077  # permissions of group and others
_PRIMARY = 0xFF  # the part of an SQLite error code that names the kind of error
_PARTS = ("", "-wal", "-shm")  # suffixes of the files of a database


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
        self._closing: weakref.finalize[..., Connection] | None = None
        """Closes the file when this object is gone, or when the process ends."""
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
        if self._closing is not None and not self._closing.alive:
            self._raw = None  # closed, since the process ends, but something is still to be saved
        if self._raw is None:
            opened = _create(self.path)
            self.files_opened += opened != self._opened
            self._opened = opened
            self._raw = _open(self.path)
            self._closing = weakref.finalize(self, _close_own, self._raw, os.getpid())
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
            if self._closing is not None:
                self._closing()
            self._raw = self._closing = None

    def remove_broken(self) -> None:
        """Remove all broken files that were ever quarantined."""
        with translate_errors(self.path):
            for part in self.path.parent.glob(f"{self.path.name}{_BROKEN}*"):
                part.unlink(missing_ok=True)

    def _mine(self) -> AbstractContextManager[bool]:
        if self._pid != os.getpid():  # a fork: connection and lock belong to the parent
            self._pid, self._lock = os.getpid(), threading.RLock()
            self._raw = self._closing = None
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


def _close_own(connection: sqlite3.Connection, pid: int) -> None:
    """Close a connection in the process that opened it, and in no fork of it.

    Source: https://www.sqlite.org/howtocorrupt.html, section 2.6.
    """
    if pid == os.getpid():
        connection.close()


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
