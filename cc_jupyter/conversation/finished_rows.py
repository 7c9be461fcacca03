"""The finished rows of this process and of the history: what is paid for is not asked again.

A row is stored within a second of its answer. What cannot be written, because the disk is full or
the file is locked, stays in memory: this kernel takes it from there, tries to write it again at the
next rows, and a last time when the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cc_jupyter.conversation.records import FinishedRow
    from cc_jupyter.conversation.store import Store


_PAUSE_S = 5.0
"""For so long after a failed write nothing is written: each attempt may wait for a lock."""
_Place = tuple[bytes, int]
"""The digest of a request and the number of the sample."""


class FinishedRows:
    """Finished rows by server, request and sample; for use from any thread.

    Parameters
    ----------
    store
        Returns the history on disk.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._here: dict[str, dict[_Place, FinishedRow]] = {}
        """By server: rows that are only in memory."""
        self._unsaved: dict[str, dict[_Place, FinishedRow]] = {}
        """By server: rows that are still to be written."""
        self._paused_until_s = 0.0
        self._problem: str | None = None
        self._flushes_at_exit = False

    def find(
        self, source: str, places: Sequence[_Place], *, on_disk: bool
    ) -> dict[_Place, FinishedRow]:
        """Return the finished rows of a server for requests and numbers of samples.

        Parameters
        ----------
        on_disk
            Whether the history may be read; else only what this process has.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be read.
        """
        with self._lock:
            found: dict[_Place, FinishedRow] = {}
            if on_disk:
                rows = self._store().find_rows(source, [key for key, _ in places])
                found = {(row.request_key, row.sample): row for row in rows}
            for held in (self._here.get(source), self._unsaved.get(source)):
                if held:
                    found |= {place: held[place] for place in places if place in held}
            return found

    def save(self, source: str, rows: Iterable[FinishedRow], *, on_disk: bool) -> str | None:
        """Keep finished rows; return why they could not be written, if so.

        Parameters
        ----------
        on_disk
            Whether they may be written; else only this process has them.
        """
        with self._lock:
            held = self._unsaved if on_disk else self._here
            place = held.setdefault(source, {})
            place |= {(row.request_key, row.sample): row for row in rows}
            if not on_disk:
                return None
            if monotonic() < self._paused_until_s:
                return self._problem
            return self._try()

    def flush(self) -> str | None:
        """Write what is not written yet; return why that failed, if it did."""
        with self._lock:
            return self._try()

    @property
    def unsaved(self) -> int:
        """The number of rows that are still to be written."""
        with self._lock:
            return sum(map(len, self._unsaved.values()))

    def forget(self, name: str | None, *, on_disk: bool) -> int:
        """Remove the rows of a result, or all; return how many there were.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be written.
        """
        with self._lock:
            removed = 0
            for held in (self._here, self._unsaved):
                for source, rows in held.items():
                    kept = {
                        place: row for place, row in rows.items() if name not in (None, row.name)
                    }
                    removed += len(rows) - len(kept)
                    held[source] = kept
            return removed + (self._store().forget_rows(name) if on_disk else 0)

    def names(self, *, on_disk: bool) -> dict[str, int]:
        """Return the names of results with the number of their finished rows.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be read.
        """
        with self._lock:
            found = self._store().row_names() if on_disk else {}
            for held in (self._here, self._unsaved):
                for rows in held.values():
                    for row in rows.values():
                        found[row.name] = found.get(row.name, 0) + 1
            return found

    def _try(self) -> str | None:
        try:
            for source in [*self._unsaved]:
                if self._unsaved[source]:
                    self._store().save_rows(source, self._unsaved[source].values())
                del self._unsaved[source]
        except CcError as error:
            self._problem = str(error)
            self._paused_until_s = monotonic() + _PAUSE_S
            if not self._flushes_at_exit:
                self._flushes_at_exit = True
                atexit.register(self._flush_at_exit)
            return self._problem
        self._problem = None
        return None

    def _flush_at_exit(self) -> None:
        with contextlib.suppress(CcError):
            self.flush()
        if self.unsaved:
            count = pluralize(self.unsaved, "finished row")
            sys.stderr.write(f"cc_jupyter: {count} could not be saved to the history\n")
