"""What a request reserves right before it is sent: its budget and its slot in the thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.session.budget_guard import BudgetGuard, BudgetWatcher
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.usage.estimate import Calibration


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request holds while it is in flight."""

    budget_watcher: BudgetWatcher | None
    """`None`: no budget applies."""
    place: int | None
    """The place of the turn in its thread; `None`: it belongs to no thread."""
    slot: TurnSlot | None
    """The slot in that place."""
    calibration: Calibration
    """Estimates the tokens that a stopped answer does not report."""


def reserve(prepared: PreparedRequest, budget_guard: BudgetGuard) -> Reservation:
    """Check the budget, then open the turn's slot; a request over budget leaves no slot behind.

    Raises
    ------
    OptionError
        The estimated cost exceeds the budget.
    """
    budget_watcher = budget_guard.check(prepared)
    thread, place = prepared.thread, prepared.place
    if thread is None:
        return Reservation(budget_watcher, None, None, budget_guard.calibration)
    if place is None:
        place = thread.open_slot(prepared.spec.turn_key, starts_new_thread=prepared.spec.new)
    return Reservation(budget_watcher, place, thread.slots[place], budget_guard.calibration)
