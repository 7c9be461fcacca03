"""Record every turn: in memory for this process and permanently on disk.

An answer never waits for the history and is never lost with it: a turn whose write failed stays in
memory and is written at the next turn, before a search, a usage report or a budget check, and when
the process ends. Until then each cell says so.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import sys
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, ConfigError
from cc_jupyter.core.paths import data_folder
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Sequence
    from datetime import datetime

    from cc_jupyter.conversation.finished_rows import FinishedRows
    from cc_jupyter.conversation.records import SlotRecord, TurnRecord
    from cc_jupyter.conversation.store import Store
    from cc_jupyter.conversation.thread import Thread


_PAUSE_S = 30.0
"""After a failed write, a growing answer is not saved for so long: each attempt may wait for a
lock. A finished turn is tried, unless it waited while another's write failed."""
_MOST_AT_ONCE = 100
"""The most turns in one transaction: for its time no other kernel can write."""
_REPORT_PAUSE_S = 1.0
"""For so long after a failed attempt no report tries again to write what is not saved."""


class History:
    """The turns of this process, with access to the stored turns of all others.

    Parameters
    ----------
    now
        Returns the current time, aware, in UTC.
    """

    def __init__(
        self, now: Callable[[], datetime], open_store: Callable[[], Store] | None = None
    ) -> None:
        self.now = now
        self._started_at = now()
        self._open = open_store or _open_store
        self._store: Store | None = None
        self._lock = threading.RLock()
        self._records: dict[str, TurnRecord] = {}
        self._written: set[str] = set()
        """Conversations that this process has written completely."""
        self._finished: deque[tuple[TurnRecord, Thread | None]] = deque()
        """Finished turns that wait for the lock: whoever has it writes them with its own."""
        self._unsaved: list[tuple[TurnRecord, Thread | None]] = []
        self._flushes_at_exit = False
        self._growing: dict[str, TurnRecord] = {}
        """The turns whose answers are still streaming, as last saved."""
        self._files_opened = 0
        self._partial_at_s = 0.0
        self._failure: tuple[float, str | None] = (0.0, None)
        """When the last failed write ended, and why it failed."""
        self._flush_at_s = 0.0
        self._shown_notices: set[str] = set()

    @property
    def store(self) -> Store:
        """The history on disk, opened at first use.

        Raises
        ------
        StoreError, ConfigError
            It cannot be opened.
        """
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    @functools.cached_property
    def rows(self) -> FinishedRows:
        """The finished rows of runs over tables."""
        from cc_jupyter.conversation.finished_rows import FinishedRows  # noqa: PLC0415  few sessions have rows

        return FinishedRows(lambda: self.store)

    @property
    def is_on_disk(self) -> bool:
        """Whether a history exists on disk; asking does not create one."""
        from cc_jupyter.conversation.store import FILE  # noqa: PLC0415  loading the extension opens no file

        return self._store is not None or (data_folder() / FILE).exists()

    def save(
        self,
        record: TurnRecord,
        thread: Thread | None,
        *,
        on_disk: bool,
        stale: Sequence[int] = (),
    ) -> str | None:
        """Record a turn; return a notice for the user, if any. Each appears once per process.

        Parameters
        ----------
        on_disk
            Whether anything may be written to disk.
        stale
            Later places of the thread that this turn made stale.
        """
        asked_s = monotonic()
        if record.finished and on_disk:
            self._finished.append((record, thread))
        with self._lock:
            self._take_finished()
            if record.finished and not on_disk:
                self._growing.pop(record.id, None)
                self._records[record.id] = record
            if not on_disk or (not record.finished and monotonic() < self._partial_at_s):
                return None
            failed_at_s, problem = self._failure
            if failed_at_s < asked_s and (problem := self._try(record, thread, stale)) is None:
                return self._once(self.store.notice) if self.store.notice else None
            if not record.finished:
                return self._once(f"the history could not be written: {problem}")
            if not self._flushes_at_exit:
                self._flushes_at_exit = True
                atexit.register(self._flush_at_exit)
            return f"{pluralize(len(self._unsaved), 'turn')} not saved yet: {problem}"

    def _try(self, record: TurnRecord, thread: Thread | None, stale: Sequence[int]) -> str | None:
        """Write a turn and what is not saved yet; return why that failed, if it did."""
        try:
            if record.finished:
                self._write_unsaved()
            else:
                self._growing[record.id] = dataclasses.replace(record, body=None)
                self._write(record, thread)
            if thread is not None:
                for place in stale:
                    slot = self._place_record(thread, place)
                    self.store.save_place(thread.id, place, slot)
        except CcError as error:
            failed_at_s = monotonic()
            self._partial_at_s = failed_at_s + _PAUSE_S
            self._failure = failed_at_s, str(error)
            return str(error)
        return None

    def flush(self) -> list[TurnRecord]:
        """Write the turns whose write failed; return those that still cannot be written."""
        with self._lock:
            self._take_finished()
            with contextlib.suppress(CcError):  # the next turn reports what is wrong
                self._write_unsaved()
            return self.unsaved()

    def reading(self) -> Store:
        """Return the history on disk for a report, after writing what is not saved yet.

        What still cannot be written is missing in the report; `missing` says so.

        Raises
        ------
        StoreError, ConfigError
            It cannot be opened.
        """
        with self._lock:
            # one report reads several times, and each attempt may wait for a lock
            if monotonic() >= self._flush_at_s and self.flush():
                self._flush_at_s = monotonic() + _REPORT_PAUSE_S
            return self.store

    def missing(self) -> str:
        """Return what to add to the caption of a report from disk; empty if nothing is missing."""
        count = len(self.unsaved())
        if not count:
            return ""
        verb = "is" if count == 1 else "are"
        return f"; {pluralize(count, 'turn')} {verb} missing because the history cannot be written"

    def find(self, name: str) -> TurnRecord | None:
        """Return the turn with this id, or the only one whose id begins so; `None` if none.

        Raises
        ------
        StoreError, ConfigError
            The history on disk cannot be read.
        """
        from cc_jupyter.conversation.records import MIN_ID_CHARS  # noqa: PLC0415  the first cell loads little before it sends

        found = self.reading().turn(name)
        if found is None and len(name) >= MIN_ID_CHARS:
            waiting = [record for record in self.unsaved() if record.id.startswith(name)]
            found = waiting[0] if len(waiting) == 1 else None
        return found

    def unsaved(self) -> list[TurnRecord]:
        """Return the turns whose write failed, oldest first."""
        with self._lock:
            return [record for record, _ in self._unsaved]

    def record(self, turn_id: str) -> TurnRecord | None:
        """Return a turn of this process, or of an earlier one if there is a history on disk."""
        with self._lock:
            known = self._records.get(turn_id)
            return known or (self._store.turns([turn_id]).get(turn_id) if self._store else None)

    def grid_turns(self, grid: str, *, on_disk: bool) -> list[TurnRecord]:
        """Return all turns of a grid, oldest first, also those of earlier processes.

        Parameters
        ----------
        on_disk
            Whether the history may be read from disk.

        Raises
        ------
        StoreError, ConfigError
            It cannot be read.
        """
        with self._lock:
            found: dict[str, TurnRecord] = {}
            if on_disk and self.is_on_disk:
                found = {each.id: each for each in self.reading().grid_turns(grid)}
            known = {each.id: each for each in self._records.values() if each.grid == grid}
            return sorted((found | known).values(), key=lambda each: each.sent_at)

    def is_blind(self, grid: str) -> bool:
        """Return whether a stored grid is blind and not revealed; what cannot be read may be."""
        try:
            return self.is_on_disk and self.store.is_blind(grid)
        except CcError:
            return True

    def last_blind_grid(self, notebook: str) -> str | None:
        """Return the id of a notebook's last blind grid that is not revealed; `None`: none is.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be read.
        """
        return self.reading().last_blind_grid(notebook) if self.is_on_disk else None

    def reveal(self, grid: str, *, on_disk: bool) -> None:
        """Record that a blind grid is revealed.

        Parameters
        ----------
        on_disk
            Whether anything may be written to disk.

        Raises
        ------
        StoreError, ConfigError
            It cannot be written.
        """
        with self._lock:
            self._take_finished()
            for record in self._records.values():
                if record.grid == grid:
                    self._records[record.id] = dataclasses.replace(record, blind=None)
            self._unsaved = [
                (dataclasses.replace(each, blind=None) if each.grid == grid else each, thread)
                for each, thread in self._unsaved
            ]
            if on_disk and self.is_on_disk:
                self.store.reveal(grid)

    def move_notebook(self, old: str, new: str, cells: Collection[str], *, on_disk: bool) -> None:
        """Let the turns of a renamed notebook follow it, if it still has the cell of one.

        Parameters
        ----------
        cells
            The ids of the cells in the notebook. The file of the old path may be another notebook
            that is gone, which shared the kernel.
        on_disk
            Whether anything may be written to disk.

        Raises
        ------
        StoreError, ConfigError
            It cannot be written.
        """

        def moved(record: TurnRecord) -> TurnRecord:
            if record.notebook != old:
                return record
            key = record.key and record.key._replace(notebook=new)
            return dataclasses.replace(record, notebook=new, key=key)

        with self._lock:
            self._take_finished()
            if any(
                each.notebook == old and each.key is not None and each.key.cell_id in cells
                for each in self._records.values()
            ):
                self._records = {each.id: moved(each) for each in self._records.values()}
                self._unsaved = [(moved(each), thread) for each, thread in self._unsaved]
            if on_disk and self.is_on_disk:
                self.store.move_notebook(old, new, cells)

    def body(self, record: TurnRecord) -> bytes | None:
        """Return the request body that was sent for a turn; `None` if none was sent.

        Raises
        ------
        StoreError
            It cannot be read.
        """
        with self._lock:
            waiting = next((each for each, _ in self._unsaved if each.id == record.id), record)
            if waiting.body is not None:
                return waiting.body
            return self._store.body(record.id) if self._store else None

    def step_bodies(self, record: TurnRecord) -> list[bytes | None]:
        """Return the bodies that were sent for a turn with tools, in order.

        Raises
        ------
        StoreError
            They cannot be read.
        """
        with self._lock:
            waiting = next((each for each, _ in self._unsaved if each.id == record.id), record)
            bodies = [step.body for step in waiting.steps]
            if any(bodies) or self._store is None:
                return bodies
            return self._store.step_bodies(record.id)

    def recall(self, model: str) -> tuple[int, int] | None:
        """Return the tokens and bytes of a model's last prompts, if the history is already open."""
        with self._lock:
            return self._store.tokens_per_byte(model) if self._store is not None else None

    def records(self) -> list[TurnRecord]:
        """Return all turns of this process, oldest first."""
        with self._lock:
            return list(self._records.values())

    def save_thread(self, thread: Thread, *, on_disk: bool) -> None:
        """Save the current state of a conversation, after a rewind, fork or change of version.

        Raises
        ------
        StoreError
            It cannot be written.
        """
        if not on_disk or not (thread.slots or thread.id in self._written):
            return
        from cc_jupyter.conversation.records import conversation_record  # noqa: PLC0415  the first cell loads little before it sends

        with self._lock:
            notebook = next((slot.key.notebook for slot in thread.slots if slot.key), "")
            record = conversation_record(thread, notebook, self._started_at)
            self._written.discard(thread.id)  # if this fails, the next turn writes all places
            self.store.save_conversation(record)
            self._written.add(thread.id)

    def load_thread(self, name: str, notebook: str, *, into: str | None = None) -> Thread | None:
        """Load a stored conversation of a notebook; `None` if there is none.

        The result is a new conversation that shares the turns, so two kernels can both continue the
        stored one.

        Parameters
        ----------
        into
            The notebook that continues it, if that is another one.

        Raises
        ------
        StoreError
            The history cannot be read.
        """
        found = self._stored_id(name, notebook)
        return self.load_conversation(found, into=into) if found else None

    def load_conversation(self, conversation_id: str, *, into: str | None = None) -> Thread | None:
        """Load a stored conversation as `load_thread` does; `None` if there is none.

        Raises
        ------
        StoreError
            The history cannot be read.
        """
        from cc_jupyter.conversation.records import thread_from_record  # noqa: PLC0415  the first cell loads little before it sends

        stored = self.store.load_conversation(conversation_id)
        if stored is None:
            return None
        turns = self.store.turns([each for place in stored.places for each in place.versions])
        return thread_from_record(stored, turns, notebook=into)

    def forget_thread(self, name: str, notebook: str, live: Thread | None) -> int:
        """Remove a conversation from disk: the live one, or the one that `load_thread` finds.

        If it was loaded from earlier sessions, its earlier parts are removed too; conversations of
        the same name in other notebooks are not. Return the number of removed turns.

        Raises
        ------
        StoreError
            The conversation cannot be removed.
        """
        removed = 0
        conversation_id = live.id if live else self._stored_id(name, notebook)
        before = live.forked_from if live else None
        while conversation_id is not None:
            stored = self.store.load_conversation(conversation_id)
            if stored is not None:
                before = stored.forked_from
            removed += self.store.forget_conversation(conversation_id)
            earlier = self.store.load_conversation(before) if before else None
            conversation_id = earlier.id if earlier and earlier.name == name else None
            before = None
        return removed

    def _stored_id(self, name: str, notebook: str) -> str | None:
        """Return the id of the newest stored conversation of a notebook."""
        found = [each for each in self.store.threads(name) if each.notebook == notebook]
        return found[0].conversation_id if found else None

    def forget(self, turn_ids: list[str] | None) -> None:
        """Drop turns from memory; `None` drops all."""
        with self._lock:
            forgotten = set(self._records) if turn_ids is None else set(turn_ids)
            for turn_id in forgotten:
                self._records.pop(turn_id, None)
            self._unsaved = [each for each in self._unsaved if each[0].id not in forgotten]
            self._written.clear()

    def close(self) -> None:
        """Close the file; the next access opens it again."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = None
            self._written.clear()

    def _take_finished(self) -> None:
        """Take over the turns of all threads that wait for the lock."""
        while self._finished:
            record, thread = self._finished.popleft()
            self._growing.pop(record.id, None)
            self._records[record.id] = _without_bodies(record)  # they are read from disk
            # a turn with tools is finished after each step
            self._unsaved = [each for each in self._unsaved if each[0].id != record.id]
            self._unsaved.append((record, thread))

    def _write_unsaved(self) -> None:
        """Write what is not saved; the turns of one place, as those of a grid, at once."""
        while self._unsaved:
            record, thread = self._unsaved[0]
            together = []
            for each, of in self._unsaved[:_MOST_AT_ONCE]:
                if of is not thread or each.position != record.position:
                    break
                together.append(each)
            self._write(together[-1], thread, together[:-1])
            del self._unsaved[: len(together)]

    def _flush_at_exit(self) -> None:
        lost = self.flush()
        if lost:
            count = pluralize(len(lost), "turn")
            sys.stderr.write(f"cc_jupyter: {count} could not be saved to the history\n")

    def _write(
        self, record: TurnRecord, thread: Thread | None, earlier: Sequence[TurnRecord] = ()
    ) -> None:
        from cc_jupyter.conversation.records import conversation_header  # noqa: PLC0415  the first cell loads little before it sends

        files_opened = self.store.files_opened
        if files_opened != self._files_opened:  # a new file has no conversation yet
            self._written.clear()
            self._files_opened = files_opened
        slots = thread.slots if thread is not None else ()
        if thread is None or record.position is None or record.position >= len(slots):
            self.store.save(record, None, None, earlier)
            return
        # a slot may reference only turns already written
        waiting = {each.id for each, _ in self._unsaved} - {each.id for each in (*earlier, record)}
        header = conversation_header(thread, record.notebook, self._started_at)
        if thread.id in self._written:
            place = self._place_record(thread, record.position, waiting)
            self.store.save(record, header, place, earlier)
            return
        self.store.save(record, None, None, earlier)
        places = tuple(
            self._place_record(thread, position, waiting) for position in range(len(slots))
        )
        self.store.save_conversation(dataclasses.replace(header, places=places))
        if record.finished:
            self._written.add(thread.id)

    def _place_record(
        self, thread: Thread, position: int, without: Container[str] = ()
    ) -> SlotRecord:
        """Return a slot as a record, with the turns whose answers are still streaming."""
        from cc_jupyter.conversation.records import place_record  # noqa: PLC0415  the first cell loads little before it sends

        in_flight = [
            each.id
            for each in self._growing.values()
            if each.conversation_id == thread.id and each.position == position
        ]
        return place_record(thread.slots[position], without=without, in_flight=in_flight)

    def _once(self, notice: str) -> str | None:
        if notice in self._shown_notices:
            return None
        self._shown_notices.add(notice)
        return notice


def history_off() -> ConfigError:
    """Return the error of a command that needs the history while it is off."""
    return ConfigError(
        "the history is off, so nothing is on disk",
        hint="to turn it on, unset CMD_HISTORY and remove `history = off` from config.toml",
    )


def _open_store() -> Store:
    from cc_jupyter.conversation.store import open_store  # noqa: PLC0415  loading the extension opens no file

    return open_store()


def _without_bodies(record: TurnRecord) -> TurnRecord:
    steps = tuple(dataclasses.replace(step, body=None) for step in record.steps)
    return dataclasses.replace(record, body=None, steps=steps)
