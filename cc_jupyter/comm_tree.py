"""The conversations of a notebook as a tree: those of this session, and those it kept before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cc_jupyter.comm_turns import beginnings_of
from cc_jupyter.conversation.records import thread_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.comm_turns import TurnFacts
    from cc_jupyter.conversation.turns import Slot
    from cc_jupyter.session.session import Session

_MOST_STORED = 30
"""So many earlier conversations are shown, the newest."""


@dataclass(slots=True)
class _Node:
    name: str
    slots: Sequence[Slot]
    live: bool
    parent: str | None
    """Id of the conversation that it was forked from."""
    forks: list[_Node] = field(default_factory=list)


class Tree:
    """Reads the conversations of a session, and of the history if there is one on disk.

    Parameters
    ----------
    notebook
        Whose earlier conversations are shown.
    """

    def __init__(self, session: Session, facts: TurnFacts, notebook: str) -> None:
        self._session = session
        self._facts = facts
        self._notebook = notebook
        self._nodes: dict[str, _Node] = {}

    def build(self) -> dict[str, Any]:
        """Give the conversations, each fork under what it was forked from."""
        session = self._session
        self._add_live()
        if session.settings().history and session.history.is_on_disk:
            self._add_stored()
        roots: list[_Node] = []
        for node in self._nodes.values():
            parent = self._nodes.get(node.parent or "")
            (roots if parent is None else parent.forks).append(node)
        threads = [self._told(node, ()) for node in roots]
        return {"current": session.conversations.current, "threads": threads}

    def _add_live(self) -> None:
        conversations = self._session.conversations
        for name in conversations.names:
            thread = conversations.thread(name)
            slots = thread.snapshot()
            if slots or name == conversations.current:
                self._nodes[thread.id] = _Node(name, slots, live=True, parent=thread.forked_from)

    def _add_stored(self) -> None:
        store = self._session.history.store
        stored = [each for each in store.threads() if each.notebook == self._notebook]
        for summary in [each for each in stored if each.conversation_id not in self._nodes][
            :_MOST_STORED
        ]:
            record = store.load_conversation(summary.conversation_id)
            if record is None or self._is_back(record.id, record.name, record.forked_from):
                continue
            turns = store.turns([each for place in record.places for each in place.versions])
            for turn in turns.values():
                self._facts.learn(turn)
            slots = thread_of(record, turns).slots
            self._nodes[record.id] = _Node(
                record.name, slots, live=False, parent=record.forked_from
            )

    def _is_back(self, conversation_id: str, name: str, parent: str | None) -> bool:
        """Tell whether a conversation was brought back: the live one then stands in its place."""
        back = [
            node
            for node in self._nodes.values()
            if node.live and node.parent == conversation_id and node.name == name
        ]
        for node in back:
            node.parent = parent
        return bool(back)

    def _told(self, node: _Node, above: Sequence[Slot]) -> dict[str, Any]:
        return {
            "name": node.name,
            "live": node.live,
            "shared": _shared(node.slots, above),
            "turns": [self._turn(at, slot) for at, slot in enumerate(node.slots, 1)],
            "forks": [self._told(each, node.slots) for each in node.forks],
        }

    def _turn(self, at: int, slot: Slot) -> dict[str, Any]:
        history = self._session.history
        shown = slot.turn or (slot.versions[-1] if slot.versions else None)
        known = self._facts.of(shown, history) if shown else None
        prompt, answer = beginnings_of(shown, history) if shown else ("", "")
        return {
            "turn": at,
            "cell_id": slot.key.cell_id if slot.key else None,
            "prompt": prompt,
            "answer": answer,
            "model": known.model if known else None,
            "cost": known.cost if known else "",
            "ended": known.ended if known else None,
            "versions": len(slot.versions),
            "active": slot.active + 1 if slot.active >= 0 else None,
            "stale": slot.stale,
            "anew": slot.starts_anew,
        }


def _shared(slots: Sequence[Slot], above: Sequence[Slot]) -> int:
    """Count the first turns that two conversations have in common."""
    shared = 0
    for mine, theirs in zip(slots, above, strict=False):
        if not mine.versions or mine.versions[:1] != theirs.versions[:1]:
            break
        if mine.versions[0].id != theirs.versions[0].id:  # equal words are not the same turn
            break
        shared += 1
    return shared
