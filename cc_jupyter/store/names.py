"""The names of stored threads, for a Tab: read beside all other connections, and never waiting.

A Tab must not make the file, bring it up to date, put a broken one aside or wait for a lock; so it
reads through a connection of its own, which is closed at once.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from cc_jupyter.store.connection import told

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 5_000
_NAMES = """
    SELECT name FROM conversation c
    WHERE EXISTS (
        SELECT 1 FROM place WHERE conversation_id = c.id AND active IS NOT NULL
    )
    GROUP BY name ORDER BY MAX(started_at) DESC, name LIMIT ?
"""


def thread_names(path: Path) -> tuple[str, ...]:
    """Give the names of the threads that hold an answer, those last begun first.

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
        told(path),
        contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)
        ) as connection,
    ):
        connection.execute("PRAGMA query_only = ON")
        return tuple(str(name) for (name,) in connection.execute(_NAMES, (_MOST,)))
