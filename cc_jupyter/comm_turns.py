"""What a front end is told of single turns: short facts, and texts without keys."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.commands.code import one_cell
from cc_jupyter.commands.parsing import cost_text
from cc_jupyter.conversation.export import redacted
from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.reply import code_blocks
from cc_jupyter.core.text import excerpt
from cc_jupyter.saved_outputs import saved_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.conversation.turns import Slot, Turn

_CUT = ("length", "interrupted", "error")
"""The stop reasons after which `%cmd continue` has something to carry on."""
_BEGINNING = 2_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What a line of a list says of a turn; nothing of it ever changes."""

    model: str | None = None
    """`None`: the history does not know the turn."""
    cost: str = "?"
    ended: str | None = None
    """The stop reason."""
    sent_at: str | None = None
    """ISO 8601, UTC."""

    @property
    def is_cut(self) -> bool:
        """Whether the answer ended before its end."""
        return self.ended in _CUT


class TurnFacts:
    """Facts of turns, each looked up once; for use from any thread."""

    def __init__(self) -> None:
        self._known: dict[str, Facts] = {}
        self._lock = threading.Lock()

    def of(self, turn: Turn, history: History) -> Facts:
        """Give the facts of a turn, from the history if it has the turn."""
        with self._lock:
            if turn.id in self._known:
                return self._known[turn.id]
        found = _record(turn, history)
        return Facts() if found is None else self.learn(found)

    def learn(self, record: TurnRecord) -> Facts:
        """Take the facts from a record that is at hand."""
        sent_at = record.sent_at.isoformat()
        facts = Facts(record.model, cost_text(record), record.stop_reason, sent_at)
        with self._lock:
            self._known[record.id] = facts
        return facts


def record_of(turn: Turn, history: History) -> TurnRecord | None:
    """Give what the history has of a turn, without keys; `None`: nothing, or nobody can read it."""
    found = _record(turn, history)
    return None if found is None else redacted(found)


def answer_of(turn: Turn, history: History) -> str:
    """Give a turn's answer, without keys."""
    return redact((_record(turn, history) or turn).answer)


def beginnings_of(turn: Turn, history: History) -> tuple[str, str]:
    """Give how a turn's prompt and answer begin, each on one line, without keys."""
    found = _record(turn, history) or turn
    # what is shown is much shorter: no key is cut where it could be seen
    return excerpt(redact(found.prompt[:_BEGINNING])), excerpt(redact(found.answer[:_BEGINNING]))


def _record(turn: Turn, history: History) -> TurnRecord | None:
    try:
        return history.record(turn.id)
    except CcError:  # a mark on a cell is no place to tell of a broken disk
        return None


def version_rows(
    versions: Sequence[Turn], facts: TurnFacts, history: History
) -> list[dict[str, Any]]:
    """Give all answers of a cell, oldest first."""
    rows = []
    for number, turn in enumerate(versions, 1):
        known = facts.of(turn, history)
        rows.append(
            {
                "version": number,
                "answer": answer_of(turn, history),
                "model": known.model,
                "sent_at": known.sent_at,
                "ended": known.ended,
                "cost": known.cost,
            }
        )
    return rows


def answer_body(slot: Slot, history: History, settings: Settings) -> dict[str, Any]:
    """Give the answer of a cell that counts, and what the cell shows of it.

    Raises
    ------
    OptionError
        None counts.
    """
    turn = slot.turn
    if turn is None:
        raise OptionError("this cell has no answer with text", hint="run it again")
    found = record_of(turn, history)
    text = redact(turn.answer) if found is None else found.answer
    blocks = code_blocks(text)
    shown = (
        saved_outputs(found, reasoning=settings.reasoning, remote_images=settings.remote_images)
        if found
        else []
    )
    return {
        "version": slot.active + 1,
        "markdown": text,
        "code": blocks,
        "one_cell": one_cell(blocks),
        "outputs": shown,
    }
