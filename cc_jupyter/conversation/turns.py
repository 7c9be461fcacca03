"""What stands in a conversation: turns, the places they stand in, and what is before a place.

Values only; `conversation` keeps them together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cc_jupyter.core.messages import Message, TurnKey
from cc_jupyter.core.text import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cc_jupyter.core.messages import Image, PromptSpec


@dataclass(frozen=True, slots=True)
class TurnInputs:
    """What an answer rests on. Only this process knows it: it is not written down."""

    upstream: bytes
    """The digest of the turns that were sent along; see `Past.digest`."""
    question: PromptSpec
    """As it was asked, with the digests of the values in it."""


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
    basis: TurnInputs | None = field(default=None, compare=False, repr=False)
    """`None`: another process asked, or nobody noted it."""


@dataclass(slots=True)
class TurnSlot:
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

    def copied(self) -> TurnSlot:
        """Return the same place with a list of its own, over the same turns."""
        versions = [*self.versions]
        return TurnSlot(self.key, self.after_new, self.says_new, versions, self.active, self.stale)


@dataclass(frozen=True, slots=True)
class Context:
    """What stands before a place in a thread."""

    messages: tuple[Message, ...] = ()
    system: str | None = None
    turns: tuple[Turn, ...] = ()
    """Those that the messages are of, in order."""

    @property
    def parent_id(self) -> str | None:
        """The turn said last before; `None`: this one begins."""
        return self.turns[-1].id if self.turns else None

    @property
    def digest(self) -> bytes:
        """The same for the same turns in the same order, and for no others."""
        digest = b""
        for turn in self.turns:
            digest = _grown(digest, turn)
        return digest


def context_of(slots: Iterable[TurnSlot]) -> Context:
    """Return what a row of slots has said, from the last one that starts anew."""
    messages: list[Message] = []
    turns: list[Turn] = []
    for slot in slots:
        if slot.starts_anew:
            turns.clear()
        if slot.turn is not None:
            turns.append(slot.turn)
    system: str | None = None
    for turn in turns:
        messages += [Message("user", turn.prompt, turn.images), Message("assistant", turn.answer)]
        if turn.system is not None:
            system = turn.system
    return Context(tuple(messages), system or None, tuple(turns))


def context_digests(row: Iterable[TurnSlot]) -> Iterator[bytes]:
    """Return for each slot of a row the digest of what is before it, in one pass."""
    digest = b""
    for slot in row:
        if slot.starts_anew:
            digest = b""
        yield digest
        if slot.turn is not None:
            digest = _grown(digest, slot.turn)


def _grown(digest: bytes, turn: Turn) -> bytes:
    return hashlib.sha256(digest + turn.id.encode()).digest()
