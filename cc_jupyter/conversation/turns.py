"""The values in a thread: turns, the slots that hold them, and the context of a slot."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.messages import Message, TurnKey
from cc_jupyter.core.record import Record
from cc_jupyter.core.text import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cc_jupyter.core.messages import Image, Parameters, PromptSpec
    from cc_jupyter.core.steps import Step


class TurnInputs(NamedTuple):
    """The inputs an answer depends on (in memory only)."""

    upstream: bytes
    """The digest of the turns sent as context; see `Context.digest`."""
    question: PromptSpec
    """The prompt, with the digests of the values in it."""


class Turn(Record):
    """One request and its answer."""

    prompt: str
    answer: str
    """The text received; empty if none was."""
    system: str | None = None
    """The system prompt set by this turn; empty removes it, `None` leaves it unchanged."""
    images: tuple[Image, ...] = ()
    """The images of the prompt; a follow-up may ask about them."""
    id: str = field(default_factory=new_id, compare=False)
    """The same in every fork and in the history."""
    basis: TurnInputs | None = field(default=None, compare=False, repr=False)
    """`None` if another process sent it, or it was not recorded."""
    model: str = ""
    """The id of the requested model; empty if it is unknown."""
    options: Parameters | None = None
    """The parameters that were sent; `None` if they are unknown."""
    group: str | None = None
    """The id of the grid that it is an answer of; `None`: of a single request."""
    failed: bool = False
    """Whether its request failed or was interrupted; a part of the answer may have arrived."""
    steps: tuple[Step, ...] = ()
    """Its requests, if it has tools; they are what later requests send of it."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """What later requests send of it: the prompt, then the answer or all its steps."""
        prompt = Message("user", self.prompt, self.images)
        if not self.steps:
            return prompt, Message("assistant", self.answer)
        return prompt, *_messages(self.steps)

    @property
    def activates(self) -> bool:
        """Whether it becomes active without being chosen.

        A part of an answer does, except in a grid, where another answer may be complete.
        """
        has_answer = any(step.says for step in self.steps) if self.steps else bool(self.answer)
        return has_answer and not (self.failed and self.group is not None)


def ends_in_calls(steps: Iterable[Step]) -> bool:
    """Return whether the last thing that a turn with tools says is calls, not an answer."""
    said = [step for step in steps if step.says]
    return bool(said) and bool(said[-1].calls)


def _messages(steps: Iterable[Step]) -> Iterator[Message]:
    """Yield the answers and results of a turn, with what `%cmd continue` said between them."""
    for step in steps:
        if step.asked and step.says:
            yield Message("user", step.asked)
        yield from step.messages


@dataclass(slots=True)
class TurnSlot:
    """A cell's place in a thread; holds all versions of its turn."""

    key: TurnKey | None
    """`None` if no cell id is known, so that no cell can run again in this slot."""
    follows_new: bool = False
    """Whether it is the first slot after `%cmd new`."""
    has_new_option: bool = False
    """Whether its cell has `--new`; this can change when the cell runs again."""
    versions: list[Turn] = field(default_factory=list)
    active: int = -1
    """Index of the active version; -1 if no version has text."""
    stale: bool = False
    """Whether its context changed after it was answered."""
    is_chosen: bool = False
    """Whether the active version was chosen, or ran by itself, since the last grid of the slot
    began: the other answers of that grid do not replace it (in memory only)."""

    @property
    def starts_new_thread(self) -> bool:
        """Whether no earlier turn is sent with it."""
        return self.follows_new or self.has_new_option

    @property
    def turn(self) -> Turn | None:
        """The active version."""
        return self.versions[self.active] if self.active >= 0 else None

    def copied(self) -> TurnSlot:
        """Return a copy with a separate list of the same turns."""
        return dataclasses.replace(self, versions=[*self.versions])


class Context(NamedTuple):
    """What a request sends before its prompt."""

    messages: tuple[Message, ...] = ()
    system: str | None = None
    turns: tuple[Turn, ...] = ()
    """The turns of the messages, in order."""

    @property
    def parent_id(self) -> str | None:
        """The id of the last turn; `None` if there is none."""
        return self.turns[-1].id if self.turns else None

    @property
    def digest(self) -> bytes:
        """A digest that identifies the turns and their order."""
        digest = b""
        for turn in self.turns:
            digest = _extend_digest(digest, turn)
        return digest


def context_of(slots: Iterable[TurnSlot]) -> Context:
    """Return the context of a row of slots, from the last one that starts a new thread."""
    messages: list[Message] = []
    turns: list[Turn] = []
    for slot in slots:
        if slot.starts_new_thread:
            turns.clear()
        if slot.turn is not None:
            turns.append(slot.turn)
    system: str | None = None
    for turn in turns:
        messages += turn.messages
        if turn.system is not None:
            system = turn.system
    return Context(tuple(messages), system or None, tuple(turns))


def context_digests(row: Iterable[TurnSlot]) -> Iterator[bytes]:
    """Yield the digest of the context of each slot of a row, in one pass."""
    digest = b""
    for slot in row:
        if slot.starts_new_thread:
            digest = b""
        yield digest
        if slot.turn is not None:
            digest = _extend_digest(digest, slot.turn)


def _extend_digest(digest: bytes, turn: Turn) -> bytes:
    return hashlib.sha256(digest + turn.id.encode()).digest()
