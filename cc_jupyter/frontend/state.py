"""The current state of a notebook, readable while a cell runs."""

from __future__ import annotations

import dataclasses
from time import monotonic
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.records import LedgerRow
from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.text import short_name
from cc_jupyter.frontend.conversations import TurnSummaryCache
from cc_jupyter.models.registry import chosen_model
from cc_jupyter.session.staleness import UPSTREAM, Staleness, differing_cells
from cc_jupyter.usage.ledger import add_up, format_sum, format_tokens, total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.document_order import CellOrder
    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


@dataclasses.dataclass(frozen=True, slots=True)
class CellTurn:
    """A cell's turn and its position in a thread."""

    thread: str
    place: int
    """From 0."""
    slot: TurnSlot
    """A snapshot."""
    is_last: bool


class StateReader:
    """Reads the state of a session; use it from one thread at a time.

    Parameters
    ----------
    user_ns
        The user's variables; read only while no cell runs.
    is_busy
        Returns whether a cell is running.
    """

    def __init__(
        self,
        session: Session,
        cell: ExecutionContext,
        user_ns: Mapping[str, object],
        is_busy: Callable[[], bool],
    ) -> None:
        self.session = session
        self.cell = cell
        self.facts = TurnSummaryCache(session.hidden_grids)
        self.user_ns = user_ns
        self._is_busy = is_busy
        self._changed: dict[str, tuple[str, ...]] = {}
        self._sums: tuple[tuple[str, int], LedgerRow] | None = None
        self._before: dict[str, LedgerRow] = {}
        self._spent: tuple[tuple[object, ...], str | None] | None = None

    def state(self) -> dict[str, Any]:
        """Return the state as the body of a `state` message."""
        settings = self.session.settings()
        name = _chosen(settings)
        whole, sums_of = self.sums(settings)
        return {
            "model": name,
            "short_name": None if name is None else short_name(name),
            "model_from": None if name is None else settings.sources.get("model", "base_url"),
            "thread": self.session.conversations.current,
            "tokens_in": format_tokens(whole, whole.input_tokens),
            "tokens_out": format_tokens(whole, whole.output_tokens),
            "cost": format_sum(whole),
            "sums_of": sums_of,
            "budget_left": self._budget_left(settings),
            "running": running_body(self.session),
            "cells": self._cells(),
        }

    def spots(self) -> dict[str, CellTurn]:
        """Return each cell's last turn by cell id, preferring the current thread."""
        found: dict[str, tuple[tuple[str, bool, int], CellTurn]] = {}
        conversations = self.session.conversations
        for name in conversations.names:
            slots = conversations.thread(name).snapshot()
            last = max((at for at, slot in enumerate(slots) if slot.turn), default=-1)
            for place, slot in enumerate(slots):
                if slot.key is None:
                    continue
                sent_at = self._sent_at(slot)
                rank = (sent_at, name == conversations.current, slot.key.number)
                spot = CellTurn(name, place, slot, place == last)
                if slot.key.cell_id not in found or found[slot.key.cell_id][0] < rank:
                    found[slot.key.cell_id] = (rank, spot)
        return {cell_id: spot for cell_id, (_, spot) in found.items()}

    def spot(self, cell_id: str) -> CellTurn:
        """Return a cell's last turn.

        Raises
        ------
        OptionError
            This session has no turn of the cell.
        """
        found = self.spots().get(cell_id)
        if found is None:
            raise OptionError(
                "this cell has no answer in this session",
                hint="run it, or load its conversation: %cmd thread NAME",
            )
        return found

    def _sent_at(self, slot: TurnSlot) -> str:
        if not slot.versions:
            return ""
        return self.facts.of(slot.versions[-1], self.session.history).sent_at or ""

    @property
    def is_busy(self) -> bool:
        """Whether a cell is running."""
        return self._is_busy() or bool(self.session.in_flight.now)

    def _cells(self) -> dict[str, Any]:
        spots = self.spots()
        by_page = self.session.settings().order == "document"  # then the page decides anyway
        differing = frozenset() if by_page else self._differing(spots)
        staleness = None if self.is_busy else Staleness(self.session, self.user_ns)
        return {
            cell_id: {
                **self._cell_body(spot, self._reasons(spot, staleness)),
                "order_differs": cell_id in differing,
            }
            for cell_id, spot in spots.items()
        }

    def _reasons(self, spot: CellTurn, staleness: Staleness | None) -> tuple[str, ...]:
        """Return why a cell is stale, by the last known variables while a cell is running."""
        turn = spot.slot.turn
        if turn is None:
            return ()
        if staleness is None:
            upstream = (UPSTREAM,) if spot.slot.stale else ()
            return (*upstream, *self._changed.get(turn.id, ()))
        thread = self.session.conversations.thread(spot.thread)
        reasons = staleness.reasons(thread, spot.place)
        self._changed[turn.id] = tuple(each for each in reasons if each != UPSTREAM)
        return reasons

    def _cell_body(self, spot: CellTurn, reasons: tuple[str, ...]) -> dict[str, Any]:
        slot = spot.slot
        shown = slot.turn or (slot.versions[-1] if slot.versions else None)
        known = self.facts.of(shown, self.session.history) if shown else None
        return {
            "thread": spot.thread,
            "turn": spot.place + 1,
            "turn_id": slot.turn.id if slot.turn else None,
            "model": known.model if known else None,
            "cost": known.cost if known else "",
            "versions": len(slot.versions),
            "active": slot.active + 1 if slot.active >= 0 else None,
            "stale": bool(reasons),
            "reasons": list(reasons),
            "cut": known is not None and slot.turn is not None and known.is_cut,
            "last": spot.is_last,
        }

    def _differing(self, spots: dict[str, CellTurn]) -> frozenset[str]:
        session = self.session
        pages: list[CellOrder] = []
        for spot in spots.values():
            page = session.document_order.page(spot.slot.key)
            if page is not None and all(page is not each for each in pages):
                pages.append(page)
        threads = [session.conversations.thread(name) for name in session.conversations.names]
        return frozenset().union(*(differing_cells(threads, page) for page in pages))

    def sums(self, settings: Settings) -> tuple[LedgerRow, str]:
        """Return this notebook's usage and its scope: `notebook` or `session`."""
        notebook, history = self.cell.notebook, self.session.history
        records = [each for each in history.records() if each.notebook == notebook]
        key = (notebook, len(records))
        if self._sums is None or self._sums[0] != key:
            self._sums = (key, total(add_up(records, "notebook")))
        session = self._sums[1]
        if not settings.history or not notebook:
            return session, "session"
        try:
            return total([self._earlier(notebook), session]), "notebook"
        except CcError:  # the next prompt reports a broken disk
            return session, "session"

    def _earlier(self, notebook: str) -> LedgerRow:
        """Return a notebook's usage before this session, which is read once."""
        if notebook not in self._before:
            history, before = self.session.history, LedgerRow(notebook)
            if history.is_on_disk:
                # one query: between two, the answers of a running grid are saved
                until = self.session.started_at
                before = history.store.spent(until=until, notebook=notebook)
            self._before[notebook] = before
        return self._before[notebook]

    def _budget_left(self, settings: Settings) -> str | None:
        """Return the rest of the budget; stored spending is looked up only after a change."""
        session, notebook = self.session, self.cell.notebook
        try:
            budget = session.budget_guard.effective_budget(settings, notebook)
            if budget is None:
                return None
            day = session.now().astimezone().date()
            key = (budget, notebook, len(session.replies), day)
            if self._spent is None or self._spent[0] != key:
                spent_usd = session.budget_guard.spent_usd(budget, settings, notebook)
                left = format_usd(max(budget.usd - spent_usd, budget.usd * 0))
                text = f"{left} of {format_usd(budget.usd)} per {budget.period}"
                self._spent = (key, text)
            return self._spent[1]
        except CcError:  # as above
            return None


def running_body(session: Session) -> dict[str, Any] | None:
    """Return the request in flight, or `None`; safe to call from any thread."""
    in_flight = session.in_flight.now
    if not in_flight:
        return None
    running = in_flight[-1]
    size = running.builder.received_bytes
    # the calibration of a model may be read from disk, so wait for the first bytes
    estimate = session.budget_guard.calibration.tokens(running.model, size) if size else 0
    tokens = max(estimate, running.builder.usage.output_tokens or 0)
    return {
        "cell_id": running.cell_id,
        "thread": running.thread,
        "model": running.model,
        "tokens": f"~{tokens:,}",
        "elapsed_s": round(monotonic() - running.started_s, 1),
    }


def _chosen(settings: Settings) -> str | None:
    try:
        return chosen_model(None, settings)
    except CcError:
        return None
