"""Reserve what a request needs right before it is sent: budget and slot in the thread."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.text import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.session.budget_guard import BudgetGuard
    from cc_jupyter.session.budget_watcher import BudgetWatcher
    from cc_jupyter.session.prepare import PreparedRequest


class Reservation(NamedTuple):
    """What one request holds while it is in flight."""

    turn_id: str
    budget_watchers: tuple[BudgetWatcher, ...]
    """One for each budget that applies."""
    place: int | None
    """The place of the turn in its thread; `None` if it belongs to no thread."""
    slot: TurnSlot | None
    """The slot in that place."""


@contextmanager
def reserved(prepared: PreparedRequest, budget_guard: BudgetGuard) -> Iterator[Reservation]:
    """Reserve the estimated cost, then open the turn's slot; over budget, no slot is opened.

    However the block is left, no money stays reserved: its reply is counted, or nothing is.

    Raises
    ------
    OptionError
        The estimated cost exceeds the budget.
    """
    open_turn = prepared.open_turn
    turn_id = new_id() if open_turn is None else open_turn.turn_id
    try:
        budget_watchers = budget_guard.reserve(prepared, turn_id)
        if open_turn is not None:
            yield Reservation(turn_id, budget_watchers, open_turn.place, open_turn.slot)
            return
        thread, place = prepared.thread, prepared.place
        if thread is not None and place is None:
            place = thread.open_slot(prepared.spec.turn_key, starts_new_thread=prepared.spec.new)
        if thread is None or place is None:
            yield Reservation(turn_id, budget_watchers, None, None)
        else:
            yield Reservation(turn_id, budget_watchers, place, thread.slots[place])
    finally:
        budget_guard.release(turn_id, prepared.run_budget)
