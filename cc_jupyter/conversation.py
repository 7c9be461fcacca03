"""Conversations: what was said in which order, and what a cell that runs again sends.

A thread is a row of *slots*, one for each cell's request, in the order in which they first ran.
A slot keeps every answer it got as a version and one of them is active. Running a cell again puts
a new version into its slot, sends what stands before it, and marks what comes after as stale.

A fork copies the row of slots and shares the turns in them; rewinding takes slots off the end.

Values only: nothing here knows cells, files or screens; `history` keeps what stands here.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cc_jupyter.errors import OptionError
from cc_jupyter.ids import new_id
from cc_jupyter.messages import Message

if TYPE_CHECKING:
    from cc_jupyter.images import Image

DEFAULT_THREAD = "default"


@dataclass(frozen=True, slots=True)
class TurnKey:
    """What makes a turn the same turn when its cell runs again."""

    notebook: str
    cell_id: str
    number: int
    """Which request of the cell's execution it is, from 0."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and its answer."""

    prompt: str
    answer: str
    """As far as it came; empty if nothing came."""
    system: str | None = None
    """The system prompt set by this turn; empty removes it, `None` leaves it as it was."""
    images: tuple[Image, ...] = ()
    """What the prompt showed; a follow-up may ask about it."""
    id: str = field(default_factory=new_id, compare=False)
    """The same in every fork and in the history."""


@dataclass(slots=True)
class Slot:
    """A place in a thread and all the turns that ever stood there."""

    key: TurnKey | None
    """`None`: no cell id is known, so nothing can run again in its place."""
    after_new: bool = False
    """Whether it was made when the thread had been started anew."""
    says_new: bool = False
    """Whether its cell says `--new`; a cell run again may say otherwise."""
    versions: list[Turn] = field(default_factory=list)
    active: int = -1
    """Which version counts; -1: none got any text yet."""
    stale: bool = False
    """Whether something before it changed after it was answered."""

    @property
    def starts_anew(self) -> bool:
        """Whether nothing before it is sent."""
        return self.after_new or self.says_new

    @property
    def turn(self) -> Turn | None:
        """The version that counts."""
        return self.versions[self.active] if self.active >= 0 else None


@dataclass(frozen=True, slots=True)
class Past:
    """What stands before a place in a thread."""

    messages: tuple[Message, ...] = ()
    system: str | None = None
    turns: tuple[Turn, ...] = ()
    """Those that the messages are of, in order."""

    @property
    def parent_id(self) -> str | None:
        """The turn said last before; `None`: this one begins."""
        return self.turns[-1].id if self.turns else None


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
        slots: list[Slot] | None = None,
        *,
        id: str | None = None,  # noqa: A002  the field's own word
        forked_from: str | None = None,
    ) -> None:
        self.name = name
        self.id = id or new_id()
        self.forked_from = forked_from
        self._slots: list[Slot] = slots or []
        self._anew = False  # whether the next new slot begins a conversation
        self._lock = threading.Lock()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All places, in order."""
        return tuple(self._slots)

    def start_anew(self) -> None:
        """Send nothing of what was said so far with any turn to come; nothing is deleted."""
        self._anew = True

    def reserve(self, key: TurnKey | None, *, anew: bool = False) -> int:
        """Give the place of a request: its own if it ran before, else a new one at the end."""
        with self._lock:
            place = self._find(key)
            if place == len(self._slots):
                self._slots.append(Slot(key, after_new=self._anew))
                self._anew = False
            self._slots[place].says_new = anew
            return place

    def past(self, key: TurnKey | None, *, anew: bool = False) -> Past:
        """Give what a request with `key` has before it, reserving nothing."""
        with self._lock:
            place = self._find(key)
            after_new = self._anew if place == len(self._slots) else self._slots[place].after_new
            return Past() if anew or after_new else _past(self._slots[:place])

    def record(self, place: int, turn: Turn) -> list[int]:
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
            return self._make_stale(place)

    def choose(self, place: int, version: int) -> None:
        """Let an earlier answer count again, which makes later turns stale."""
        with self._lock:
            slot = self._slots[place]
            if slot.active != version:
                slot.active = version
                self._make_stale(place)

    def past_of(self, place: int) -> Past:
        """Give what stands before a place."""
        with self._lock:
            return Past() if self._slots[place].starts_anew else _past(self._slots[:place])

    def last_place(self) -> int | None:
        """Give the place of the last turn with text; `None`: there is none."""
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
        """Give a new conversation that shares everything said so far with this one."""
        with self._lock:
            slots = [copy.copy(slot) for slot in self._slots]
            for slot in slots:
                slot.versions = list(slot.versions)
            forked = Thread(name, slots, forked_from=self.id)
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

    def _make_stale(self, place: int) -> list[int]:
        stale = []
        for at, later in enumerate(self._slots[place + 1 :], place + 1):
            if later.starts_anew:
                break
            if later.turn is not None:
                later.stale = True
                stale.append(at)
        return stale

    def _find(self, key: TurnKey | None) -> int:
        if key is not None:
            for place, slot in enumerate(self._slots):
                if slot.key == key:
                    return place
        return len(self._slots)


def _past(slots: list[Slot]) -> Past:
    """Fold the slots before a place, from the last one that starts anew."""
    begin = max((i for i, slot in enumerate(slots) if slot.starts_anew), default=0)
    messages: list[Message] = []
    system: str | None = None
    turns = tuple(slot.turn for slot in slots[begin:] if slot.turn is not None)
    for turn in turns:
        messages += [Message("user", turn.prompt, turn.images), Message("assistant", turn.answer)]
        if turn.system is not None:
            system = turn.system
    return Past(tuple(messages), system or None, turns)


class Conversations:
    """All threads of this process, and which one cells without `--thread` go on with."""

    def __init__(self) -> None:
        self.current = DEFAULT_THREAD
        self._threads: dict[str, Thread] = {}
        self._lock = threading.Lock()

    def thread(self, name: str | None = None) -> Thread:
        """Give a thread, making it if it is new; without a name the current one."""
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
