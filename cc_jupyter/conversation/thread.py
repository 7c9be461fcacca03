"""Threads in memory: which turns a cell sends as context, and which turns become stale.

A thread is a list of *slots*, one per cell request, in the order in which they first ran. A slot
holds all answers as versions, one of which is active. Running a cell again adds a version to its
slot, sends the turns before it, and marks the turns after it as stale. In document order, before
and after mean above and below in the notebook.

A fork copies the list of slots and shares their turns; rewinding removes slots from the end.
`history` stores threads; nothing here depends on cells, files or screens.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cc_jupyter.conversation.turns import Context, Turn, TurnSlot, context_digests, context_of
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import new_id

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from cc_jupyter.conversation.document_order import CellOrder
    from cc_jupyter.core.messages import TurnKey


DEFAULT_THREAD = "default"


class Thread:
    """One conversation. All methods are thread-safe.

    Parameters
    ----------
    slots
        The initial slots of a stored or forked thread.
    """

    def __init__(
        self,
        name: str,
        slots: list[TurnSlot] | None = None,
        *,
        id: str | None = None,  # noqa: A002  the usual name
        forked_from: str | None = None,
    ) -> None:
        self.name = name
        self.id = id or new_id()
        self.forked_from = forked_from
        self._slots: list[TurnSlot] = slots or []
        self._follows_new = False  # whether the next new slot starts a new thread
        self._lock = threading.Lock()

    @property
    def slots(self) -> tuple[TurnSlot, ...]:
        """All slots, in order."""
        return tuple(self._slots)

    def snapshot(self) -> tuple[TurnSlot, ...]:
        """Return copies of all slots at one instant, for another thread to read."""
        with self._lock:
            return tuple(slot.copied() for slot in self._slots)

    def start_over(self) -> None:
        """Exclude all turns so far from the context of later turns; nothing is deleted."""
        self._follows_new = True

    def open_slot(self, key: TurnKey | None, *, starts_new_thread: bool = False) -> int:
        """Return the place of a request's slot: the existing one, else a new one at the end."""
        with self._lock:
            place = self._find(key)
            if place == len(self._slots):
                self._slots.append(TurnSlot(key, follows_new=self._follows_new))
                self._follows_new = False
            self._slots[place].has_new_option = starts_new_thread
            return place

    def context(
        self, key: TurnKey | None, *, starts_new_thread: bool = False, page: CellOrder | None = None
    ) -> Context:
        """Return the context of a request with `key` without opening a slot.

        Parameters
        ----------
        page
            The document order of its notebook, if that order applies.
        """
        with self._lock:
            place = self._find(key)
            is_open = place < len(self._slots)
            follows_new = self._slots[place].follows_new if is_open else self._follows_new
            if starts_new_thread or follows_new:
                return Context()
            return context_of(self._before(place, key, page))

    def record(self, place: int, turn: Turn, page: CellOrder | None = None) -> list[int]:
        """Add an answer to its slot; return the later places that it made stale.

        An answer with text becomes the active version, and every later turn of the same
        conversation becomes stale; one without text leaves the old answer active.

        The answers of a grid are one group of versions. The first of them that succeeds becomes
        active, so that a kernel that dies in the middle leaves an active one; `arrange` has the
        last word.
        """
        with self._lock:
            slot = self._slots[place]
            ids = [each.id for each in slot.versions]
            if turn.id in ids:  # a turn with tools, which grows by steps
                slot.versions[ids.index(turn.id)] = turn
                if slot.active == ids.index(turn.id) or not turn.activates:
                    return []
                slot.versions.remove(turn)
                slot.active -= slot.active >= ids.index(turn.id)
            group = [each for each in slot.versions if each.group == turn.group]
            slot.versions.append(turn)
            if turn.group is None:
                slot.is_chosen = slot.is_chosen or turn.activates
            elif not group:
                slot.is_chosen = False
            elif slot.is_chosen or any(each.activates for each in group):
                return []
            if not turn.activates:
                return []
            slot.active = len(slot.versions) - 1
            slot.stale = False
            return self._make_stale(place, page)

    def arrange(
        self,
        place: int,
        ids: Sequence[str],
        page: CellOrder | None = None,
        *,
        failed: Container[str] = (),
    ) -> list[int]:
        """Sort the answers of a finished grid; return the later places that it made stale.

        The first answer that succeeded becomes active, unless the user has chosen another one
        meanwhile. Other versions of the slot, such as earlier runs, do not move.

        Parameters
        ----------
        ids
            The ids of its turns in the order of the plan. Turns of the same grid that are not
            named, such as those that failed and were sent again, come last.
        failed
            The ids of turns whose answers are complete but unusable, as they do not fit their type.
        """
        with self._lock:
            slot = self._slots[place]
            groups = {turn.group for turn in slot.versions if turn.id in ids} - {None}
            places = [at for at, turn in enumerate(slot.versions) if turn.group in groups]
            rank = {turn_id: number for number, turn_id in enumerate(ids)}
            answers = sorted(
                (slot.versions[at] for at in places),
                key=lambda turn: rank.get(turn.id, len(rank)),
            )
            active = slot.turn
            for at, turn in zip(places, answers, strict=True):
                slot.versions[at] = turn
            usable = (turn for turn in answers if turn.activates and turn.id not in failed)
            first = next((turn for turn in usable if turn.id in rank), None)
            chosen = active if slot.is_chosen or first is None else first
            if chosen is None:
                return []
            slot.active = [turn.id for turn in slot.versions].index(chosen.id)
            return [] if chosen is active else self._make_stale(place, page)

    def choose(self, place: int, version: int, page: CellOrder | None = None) -> None:
        """Activate another version; later turns that depend on a different one become stale."""
        with self._lock:
            slot = self._slots[place]
            slot.is_chosen = True
            if slot.active != version:
                slot.active = version
                self._make_stale(place, page)

    def context_before(self, place: int, page: CellOrder | None = None) -> Context:
        """Return the context of the slot at a place."""
        with self._lock:
            slot = self._slots[place]
            if slot.starts_new_thread:
                return Context()
            return context_of(self._before(place, slot.key, page))

    def last_place(self) -> int | None:
        """Return the place of the last turn with text; `None` if there is none."""
        with self._lock:
            places = range(len(self._slots))
            return max((at for at in places if self._slots[at].turn is not None), default=None)

    def rewind(self, number: int = 1) -> int:
        """Remove the last turns from the thread, not from disk; return how many."""
        with self._lock:
            removed = 0
            while self._slots and removed < number:
                removed += self._slots.pop().turn is not None
            while self._slots and self._slots[-1].turn is None:
                self._slots.pop()
            return removed

    def leave_out(self, place: int) -> None:
        """Remove one turn from the thread, not from disk; later turns become stale."""
        with self._lock:
            removed = self._slots.pop(place)
            later = self._slots[place:]
            if removed.follows_new and later:
                later[0].follows_new = True  # it still does not continue what is before it
            for slot, digest in zip(self._slots, context_digests(self._slots), strict=True):
                if slot in later and slot.turn is not None:
                    basis = slot.turn.basis
                    slot.stale = basis is None or basis.upstream != digest

    def bring_back(self, key: TurnKey | None, turn: Turn) -> None:
        """Make a turn the active version of its slot, which is added at the end if it is gone."""
        place = self.open_slot(key)
        with self._lock:
            versions = self._slots[place].versions
            found = [at for at, each in enumerate(versions) if each.id == turn.id]
            if not found:
                versions.append(turn)
        self.choose(place, found[0] if found else len(versions) - 1)

    def fork(self, name: str, last_place: int | None = None) -> Thread:
        """Return a new conversation that shares this one's turns, up to a place or all."""
        with self._lock:
            forked = Thread(name, [slot.copied() for slot in self._slots], forked_from=self.id)
            forked._follows_new = self._follows_new
        if last_place is not None:
            forked.rewind(sum(slot.turn is not None for slot in forked.slots[last_place + 1 :]))
        return forked

    def move_notebook(self, old: str, new: str) -> None:
        """Change the keys of a notebook's turns after it was renamed."""
        with self._lock:
            for slot in self._slots:
                if slot.key is not None and slot.key.notebook == old:
                    slot.key = slot.key._replace(notebook=new)

    def forget(self, turn_id: str) -> None:
        """Remove one turn from its slot; if it is active, the last answer becomes active."""
        with self._lock:
            for slot in self._slots:
                remaining = [turn for turn in slot.versions if turn.id != turn_id]
                if len(remaining) < len(slot.versions):
                    active = slot.turn and slot.turn.id
                    slot.versions = remaining
                    usable = [at for at, turn in enumerate(remaining) if turn.activates]
                    same = [at for at, turn in enumerate(remaining) if turn.id == active]
                    slot.active = (same or usable[-1:] or [-1])[0]

    def _before(
        self, place: int, key: TurnKey | None, page: CellOrder | None
    ) -> Sequence[TurnSlot]:
        if page is None or key is None or not page.contains(key):
            return self._slots[:place]
        return [self._slots[at] for at in page.places_above(self._slots, key)]

    def _make_stale(self, place: int, page: CellOrder | None) -> list[int]:
        """Mark turns after a place, up to the next new start, that depend on a different context.

        Return the places of all turns examined.
        """
        key = self._slots[place].key
        row: Sequence[int] = range(len(self._slots))
        if page is not None and key is not None and page.contains(key):
            row = page.places(self._slots, key.notebook)
        digests = context_digests(self._slots[at] for at in row)
        changed = []
        for at, digest in list(zip(row, digests, strict=True))[row.index(place) + 1 :]:
            later = self._slots[at]
            if later.starts_new_thread:
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


class Conversations:
    """All threads of this process, and the current one for cells without `--thread`."""

    def __init__(self) -> None:
        self.current = DEFAULT_THREAD
        self._threads: dict[str, Thread] = {}
        self._lock = threading.Lock()

    def thread(self, name: str | None = None) -> Thread:
        """Return the thread of a name, creating it if needed; without a name, the current one."""
        name = name or self.current
        with self._lock:
            return self._threads.setdefault(name, Thread(name))

    def fork(
        self, name: str, source: Thread | None = None, last_place: int | None = None
    ) -> Thread:
        """Switch to a new thread that shares the turns of another one.

        Parameters
        ----------
        source
            The other thread; by default the current one.
        last_place
            The place of the last shared turn; by default all turns are shared.

        Raises
        ------
        OptionError
            A thread of that name exists.
        """
        if name in self.names:
            raise OptionError(
                f"a thread named {name!r} already exists",
                hint=f"%cmd thread {name} continues it; choose another name for the fork",
            )
        return self.put((source or self.thread()).fork(name, last_place))

    def put(self, thread: Thread, *, switch: bool = True) -> Thread:
        """Add a thread, which replaces one of the same name, and switch to it."""
        with self._lock:
            self._threads[thread.name] = thread
            if switch:
                self.current = thread.name
        return thread

    def drop(self, name: str) -> None:
        """Remove a thread; the next one of that name is empty."""
        with self._lock:
            self._threads.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all threads, oldest first."""
        return tuple(self._threads)
