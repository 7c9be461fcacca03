"""What a run over rows spends: one entry in every sum, one reservation in every budget.

Each row reserves its estimated cost before it is sent and settles it after its answer. `--max-usd`
knows each row; a budget, which other kernels share through the history file, knows the run: its
reservation is what has been spent and what is in flight, and grows by more than one row at a time,
since each change is a transaction.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import CcError, OptionError, StoreError
from cc_jupyter.core.events import USAGE_FIELDS, Usage
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.text import pluralize
from cc_jupyter.session.budget_watcher import BudgetWatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.money import Origin
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.run_limits import RunBudget
    from cc_jupyter.session.session import Session
    from cc_jupyter.usage.budget import Budget


_HEADROOM = Decimal("0.25")
"""A reservation grows by this share more than it must, where the budget allows."""


class RunMoney:
    """The money of one run; safe from any thread.

    Parameters
    ----------
    base
        A request of the run.
    run_id
        The id of the run in the history.
    max_usd
        What `--max-usd` allows; `None`: it is not given.
    """

    def __init__(
        self, session: Session, base: PreparedRequest, run_id: str, max_usd: RunBudget | None
    ) -> None:
        self._session = session
        self._guard = session.budget_guard
        self._base = base
        self._run_id = run_id
        self._budgets: list[Budget] = []
        if not base.endpoint.is_keyless:  # a replayed answer costs nothing
            self._budgets = self._guard.budgets(base.settings, base.spec.notebook)
        self._ceilings = [each for each in (max_usd, self._guard.ceiling) if each is not None]
        self._lock = threading.Lock()
        self._in_flight: dict[str, Decimal] = {}
        self._in_flight_usd = Decimal(0)
        self._held_usd = [Decimal(0)] * len(self._budgets)
        """What the run has reserved in each budget."""
        self.spent_usd = Decimal(0)
        """What is known of the cost so far."""
        self.unknown = 0
        """Requests of unknown cost."""
        self._is_estimated = False
        self._tokens: dict[str, int] = {}
        self.requests = 0
        """Answers that were billed or refused."""

    def watchers(self, prepared: PreparedRequest, request_id: str) -> tuple[BudgetWatcher, ...]:
        """Reserve the cost of a request; return what watches its answer.

        Raises
        ------
        BudgetError, OptionError
            It does not fit into a budget, or its price is unknown.
        """
        if prepared.endpoint.is_keyless:  # a replayed answer costs nothing
            return ()
        found = [
            self._watcher(each, prepared, functools.partial(each.hold, request_id))
            for each in self._ceilings
        ]
        found += [
            self._watcher(budget, prepared, functools.partial(self._hold, number, request_id))
            for number, budget in enumerate(self._budgets)
        ]
        for watcher in found:
            try:
                watcher.reserve()
            except StoreError as error:
                is_prescribed = any(budget.set_by for budget in self._budgets)
                raise OptionError(
                    f"the budget cannot be checked: {error}; the row was not sent",
                    hint="run it again"
                    + ("" if is_prescribed else ", or %cmd budget off to send without a budget"),
                ) from error
        return tuple(found)

    def settle(self, request_id: str, reply: Reply) -> None:
        """Count what a request has cost in place of what it reserved."""
        usd = reply.billed.usd
        for each in self._ceilings:
            each.settle(request_id, usd)
        with self._lock:
            self._in_flight_usd -= self._in_flight.pop(request_id, Decimal(0))
            self.requests += 1
            self.spent_usd += usd or Decimal(0)
            self.unknown += usd is None
            self._is_estimated = self._is_estimated or reply.billed.origin == "estimated"
            for name in USAGE_FIELDS:
                count = getattr(reply.usage, name)
                if count is not None:
                    self._tokens[name] = self._tokens.get(name, 0) + count

    def release(self, request_id: str) -> None:
        """Release what a request has reserved that came to nothing; `settle` has done so else."""
        for each in self._ceilings:
            each.release(request_id)
        with self._lock:
            self._in_flight_usd -= self._in_flight.pop(request_id, Decimal(0))

    def refresh(self) -> None:
        """Renew the reservation of a long run, which would expire."""
        with self._lock, contextlib.suppress(CcError):  # the next row that reserves reports it
            for budget, held_usd in zip(self._budgets, self._held_usd, strict=True):
                if held_usd:
                    self._reserved(budget, held_usd)

    @property
    def usage(self) -> Usage:
        """The tokens of all requests; `None` where none was reported."""
        with self._lock:
            counts: dict[str, Any] = self._tokens
            return Usage(**counts)

    @property
    def cost(self) -> Cost:
        """The cost of all requests; it names those whose cost is unknown."""
        with self._lock:
            if self.unknown and self.unknown == self.requests:
                return UNKNOWN_COST
            unpriced = (pluralize(self.unknown, "request"),) if self.unknown else ()
            origin: Origin = "estimated" if self._is_estimated or self.unknown else "reported"
            spec = self._base.model.spec
            return Cost(
                self.spent_usd, origin, spec.price_date if spec else None, unpriced=unpriced
            )

    def _watcher(
        self,
        limit: Budget | RunBudget,
        prepared: PreparedRequest,
        hold: Callable[[Decimal | None], Decimal],
    ) -> BudgetWatcher:
        return BudgetWatcher(
            limit,
            prepared,
            hold,
            self._guard.estimate(prepared),
            self._guard.calibration,
            self._guard.now(),
        )

    def _hold(self, number: int, request_id: str, usd: Decimal | None) -> Decimal:
        """Reserve an amount for a request within the run's reservation; return what is spent."""
        budget = self._budgets[number]
        with self._lock:
            if usd is None:
                return self._reserved(budget, None)
            before = self._in_flight.get(request_id, Decimal(0))
            in_flight_usd = self._in_flight_usd - before + usd
            needed_usd = self.spent_usd + in_flight_usd
            if needed_usd > self._held_usd[number]:
                generous_usd = needed_usd + in_flight_usd * _HEADROOM
                try:
                    self._reserved(budget, generous_usd)
                    self._held_usd[number] = generous_usd
                except OptionError:
                    self._reserved(budget, needed_usd)
                    self._held_usd[number] = needed_usd
            self._in_flight[request_id] = usd
            self._in_flight_usd = in_flight_usd
            return self.spent_usd

    def _reserved(self, budget: Budget, usd: Decimal | None) -> Decimal:
        return self._guard.hold(budget, self._base, self._run_id, usd)
