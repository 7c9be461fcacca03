"""Conversations: what was said in which order, and what a cell that runs again sends.

A thread is a row of *slots*, one for each cell's request, in the order in which they first ran.
A slot keeps every answer it got as a version and one of them is active. Running a cell again puts
a new version into its slot, sends what stands before it, and marks what comes after as stale.

Values only: nothing here knows cells, files or screens, so that a store can stand behind it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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


class Thread:
    """One conversation. All methods are safe from several threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._slots: list[Slot] = []
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

    def record(self, place: int, turn: Turn) -> None:
        """Keep an answer in its place.

        One with text becomes the active version, and every later turn of the same conversation
        stale; one without is kept too, but the old answer goes on counting.
        """
        with self._lock:
            slot = self._slots[place]
            slot.versions.append(turn)
            if not turn.answer:
                return
            slot.active = len(slot.versions) - 1
            slot.stale = False
            for later in self._slots[place + 1 :]:
                if later.starts_anew:
                    break
                later.stale = later.turn is not None

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
    for slot in slots[begin:]:
        turn = slot.turn
        if turn is None:
            continue
        messages += [Message("user", turn.prompt, turn.images), Message("assistant", turn.answer)]
        if turn.system is not None:
            system = turn.system
    return Past(tuple(messages), system or None)


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

    @property
    def names(self) -> tuple[str, ...]:
        """The threads there are, oldest first."""
        return tuple(self._threads)
