"""Conversations: what was said in which order, and what a cell that runs again sends.

A thread is a row of *slots*, one for each cell's request, in the order in which they first ran.
A slot keeps every answer it got as a version and one of them is active. Running a cell again puts
a new version into its slot, sends what stands before it, and marks what comes after as stale.
Where a page is given, before and after are what stands above and below on it.

A fork copies the row of slots and shares the turns in them; rewinding takes slots off the end.

Values only: nothing here knows cells, files or screens; `history` keeps what stands here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cc_jupyter.conversation.turns import (
    Context,
    Turn,
    TurnSlot,
    context_digests,
    context_of,
)
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.conversation.document_order import CellOrder
    from cc_jupyter.core.messages import TurnKey


DEFAULT_THREAD = "default"


class Thread:
    """One conversation. All methods are safe from several threads.

    Parameters
    ----------
    slots
        What it begins with, as a stored or forked one does.
    """

    def __init__(
        self,
        name: str,
        slots: list[TurnSlot] | None = None,
        *,
        id: str | None = None,  # noqa: A002  the field's own word
        forked_from: str | None = None,
    ) -> None:
        self.name = name
        self.id = id or new_id()
        self.forked_from = forked_from
        self._slots: list[TurnSlot] = slots or []
        self._anew = False  # whether the next new slot begins a conversation
        self._lock = threading.Lock()

    @property
    def slots(self) -> tuple[TurnSlot, ...]:
        """All places, in order."""
        return tuple(self._slots)

    def snapshot(self) -> tuple[TurnSlot, ...]:
        """Return copies of all places as they stand at one instant, for another thread to read."""
        with self._lock:
            return self._copies()

    def start_anew(self) -> None:
        """Send nothing of what was said so far with any turn to come; nothing is deleted."""
        self._anew = True

    def reserve(self, key: TurnKey | None, *, anew: bool = False) -> int:
        """Return the place of a request: its own if it ran before, else a new one at the end."""
        with self._lock:
            place = self._find(key)
            if place == len(self._slots):
                self._slots.append(TurnSlot(key, after_new=self._anew))
                self._anew = False
            self._slots[place].says_new = anew
            return place

    def past(
        self, key: TurnKey | None, *, anew: bool = False, page: CellOrder | None = None
    ) -> Context:
        """Return what a request with `key` has before it, reserving nothing.

        Parameters
        ----------
        page
            Where its cell stands, if the order of the page counts.
        """
        with self._lock:
            place = self._find(key)
            after_new = self._anew if place == len(self._slots) else self._slots[place].after_new
            return Context() if anew or after_new else context_of(self._before(place, key, page))

    def record(self, place: int, turn: Turn, page: CellOrder | None = None) -> list[int]:
        """Keep an answer in its place; give the later places that it made stale.

        One with text becomes the active version, and every later turn of the same conversation
        stale; one without is kept too, but the old answer goes on counting.
        """
        with self._lock:
            slot = self._slots[place]
            slot.versions.append(turn)
            if not turn.answer:
                return []
            slot.active = len(slot.versions) - 1
            slot.stale = False
            return self._make_stale(place, page)

    def choose(self, place: int, version: int, page: CellOrder | None = None) -> None:
        """Let an earlier answer count again, which makes later turns stale that rest on another."""
        with self._lock:
            slot = self._slots[place]
            if slot.active != version:
                slot.active = version
                self._make_stale(place, page)

    def past_of(self, place: int, page: CellOrder | None = None) -> Context:
        """Return what stands before a place."""
        with self._lock:
            slot = self._slots[place]
            return (
                Context() if slot.starts_anew else context_of(self._before(place, slot.key, page))
            )

    def last_place(self) -> int | None:
        """Return the place of the last turn with text; `None`: there is none."""
        with self._lock:
            places = range(len(self._slots))
            return max((at for at in places if self._slots[at].turn is not None), default=None)

    def rewind(self, number: int = 1) -> int:
        """Take the last turns off; give how many there were to take. Nothing is deleted."""
        with self._lock:
            taken = 0
            while self._slots and taken < number:
                taken += self._slots.pop().turn is not None
            while self._slots and self._slots[-1].turn is None:
                self._slots.pop()
            return taken

    def fork(self, name: str) -> Thread:
        """Return a new conversation that shares everything said so far with this one."""
        with self._lock:
            forked = Thread(name, list(self._copies()), forked_from=self.id)
            forked._anew = self._anew
            return forked

    def forget(self, turn_id: str) -> None:
        """Take one turn out, wherever it stands; the version before it counts again."""
        with self._lock:
            for slot in self._slots:
                left = [turn for turn in slot.versions if turn.id != turn_id]
                if len(left) < len(slot.versions):
                    slot.versions = left
                    said = [at for at, turn in enumerate(left) if turn.answer]
                    slot.active = said[-1] if said else -1

    def _copies(self) -> tuple[TurnSlot, ...]:
        return tuple(slot.copied() for slot in self._slots)

    def _before(
        self, place: int, key: TurnKey | None, page: CellOrder | None
    ) -> Sequence[TurnSlot]:
        if page is None or key is None or not page.holds(key):
            return self._slots[:place]
        return [self._slots[at] for at in page.above(self._slots, key)]

    def _make_stale(self, place: int, page: CellOrder | None) -> list[int]:
        """Mark what comes after a place, up to the next start; what rests on it as it is, is not.

        Gives the places that are marked otherwise than before, or anew.
        """
        row = _row(self._slots, place, page)
        digests = context_digests(self._slots[at] for at in row)
        changed = []
        for at, digest in list(zip(row, digests, strict=True))[row.index(place) + 1 :]:
            later = self._slots[at]
            if later.starts_anew:
                break
            if later.turn is not None:
                basis = later.turn.basis
                later.stale = basis is None or basis.upstream != digest
                changed.append(at)
        return changed

    def _find(self, key: TurnKey | None) -> int:
        if key is not None:
            for place, slot in enumerate(self._slots):
                if slot.key == key:
                    return place
        return len(self._slots)


def _row(slots: Sequence[TurnSlot], place: int, page: CellOrder | None) -> list[int]:
    key = slots[place].key
    if page is None or key is None or not page.holds(key):
        return [*range(len(slots))]
    return page.row(slots, key.notebook)


class Conversations:
    """All threads of this process, and which one cells without `--thread` go on with."""

    def __init__(self) -> None:
        self.current = DEFAULT_THREAD
        self._threads: dict[str, Thread] = {}
        self._lock = threading.Lock()

    def thread(self, name: str | None = None) -> Thread:
        """Return a thread, making it if it is new; without a name the current one."""
        name = name or self.current
        with self._lock:
            return self._threads.setdefault(name, Thread(name))

    def fork(self, name: str) -> Thread:
        """Go on in a new thread that shares the current one's past.

        Raises
        ------
        OptionError
            There is a thread of that name already.
        """
        if name in self.names:
            raise OptionError(
                f"there is a thread {name!r} already",
                hint=f"%cmd thread {name} goes on with it; choose another name for a fork",
            )
        return self.put(self.thread().fork(name))

    def put(self, thread: Thread) -> Thread:
        """Go on in a thread, which takes the place of one with the same name."""
        with self._lock:
            self._threads[thread.name] = thread
            self.current = thread.name
        return thread

    def drop(self, name: str) -> None:
        """Forget a thread; the next one of that name is empty."""
        with self._lock:
            self._threads.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """The threads there are, oldest first."""
        return tuple(self._threads)
