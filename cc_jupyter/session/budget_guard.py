"""Keep spending within a budget: estimate a request, reserve its cost, cut its answer off.

Money is reserved before a request is sent and settled after its answer: parallel requests cannot
all spend what is left once. Budgets of days and notebooks also count the reservations of other
kernels, which share the history file.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.errors import CcError, OptionError, StoreError
from cc_jupyter.core.events import Usage
from cc_jupyter.usage.budget import Budget, load_budget
from cc_jupyter.usage.estimate import Calibration, estimate_tokens, text_bytes, usual_answer_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.history import History
    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.budget_watcher import BudgetWatcher
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.run_limits import RunBudget
    from cc_jupyter.usage.budget import Period


class _Held(NamedTuple):
    """What a request in flight has reserved."""

    notebook: str
    usd: Decimal
    on_disk: bool
    """Whether the history holds it too."""


class BudgetGuard:
    """Estimates and budgets of one session.

    Parameters
    ----------
    replies
        The replies of the session so far.
    is_replayed
        Whether a cassette answers a request, so that it costs nothing.
    """

    def __init__(
        self,
        history: Callable[[], History],
        replies: list[Reply],
        now: Callable[[], datetime],
        is_replayed: Callable[[PreparedRequest], bool] = lambda _: False,
    ) -> None:
        self._history = history
        self.is_replayed = is_replayed
        self.replies = replies
        """The replies of the session so far."""
        self._lock = threading.Lock()
        self._reserved: dict[str, _Held] = {}
        """What each request of this process in flight has reserved, by its turn's id."""
        self._sums: set[str] = set()
        """The ids of replies that are the sum of many answers."""
        self.now = now
        self.calibration = Calibration(self._recall)
        self.budget: Budget | None = None
        """The budget that `%cmd budget` set in this session."""
        self.is_off = False
        """Whether `%cmd budget off` was run."""
        self.ceiling: RunBudget | None = None
        """What all requests of the session may cost, besides budgets; a run of tests sets it."""

    def estimate(self, prepared: PreparedRequest) -> Usage:
        """Estimate the tokens of a request and of its answer."""
        request = prepared.request
        limit = request.parameters.max_tokens if prepared.spec.parameters.max_tokens else None
        return Usage(
            input_tokens=estimate_tokens(request, self.calibration),
            output_tokens=limit or usual_answer_tokens(self._answer_tokens(prepared)),
        )

    def learn(self, prepared: PreparedRequest, usage: Usage) -> None:
        """Calibrate the estimates with the prompt tokens that a model reported."""
        has_images = any(message.images for message in prepared.request.messages)
        if not has_images and usage.longest_prompt_tokens is None:
            self.calibration.learn(
                prepared.model.id, usage.input_tokens, text_bytes(prepared.request)
            )

    def effective_budget(self, settings: Settings, notebook: str) -> Budget | None:
        """Return the budget that applies in a notebook; `None` if there is none."""
        if self.budget is not None or self.is_off:
            return self.budget
        saved = load_budget(notebook)
        if saved is None and settings.budget_usd is not None:
            return Budget(settings.budget_usd)
        return saved

    def reserve(self, prepared: PreparedRequest, turn_id: str) -> tuple[BudgetWatcher, ...]:
        """Reserve the estimated cost; return what watches the answer: one for each budget.

        `settle` releases the reservation, or `release` if the request comes to nothing.

        Raises
        ------
        OptionError
            The estimated cost exceeds what is left of a budget, or this cannot be determined.
        """
        if prepared.endpoint.is_keyless:  # a replayed answer costs nothing
            return ()
        budgets = self.budgets(prepared.settings, prepared.spec.notebook)
        watchers = [
            self._watcher(prepared, functools.partial(self.hold, budget, prepared, turn_id), budget)
            for budget in budgets
        ]
        watchers += [
            self._watcher(prepared, functools.partial(run.hold, turn_id), run)
            for run in self._ceilings(prepared.run_budget)
        ]
        for watcher in watchers:
            try:
                watcher.reserve()
            except StoreError as error:
                period = f" per {budgets[0].period}" if budgets else ""
                is_prescribed = any(budget.set_by for budget in budgets)
                raise OptionError(
                    f"the budget{period} cannot be checked: {error}; nothing was sent",
                    hint="run the cell again"
                    + ("" if is_prescribed else ", or %cmd budget off to send without a budget"),
                ) from error
        return tuple(watchers)

    def budgets(self, settings: Settings, notebook: str) -> list[Budget]:
        """Return all budgets that apply: the user's, and that of a policy."""
        found = self.effective_budget(settings, notebook), prescribed_budget(settings)
        return [budget for budget in found if budget is not None]

    def _watcher(
        self,
        prepared: PreparedRequest,
        hold: Callable[[Decimal | None], Decimal],
        limit: Budget | RunBudget,
    ) -> BudgetWatcher:
        from cc_jupyter.session.budget_watcher import BudgetWatcher  # noqa: PLC0415  most sessions have no budget

        return BudgetWatcher(
            limit, prepared, hold, self.estimate(prepared), self.calibration, self.now()
        )

    def hold(
        self, budget: Budget, prepared: PreparedRequest, turn_id: str, usd: Decimal | None
    ) -> Decimal:
        """Reserve an amount for a request if the budget allows, in place of its earlier one.

        Returns the US dollars spent so far in the budget's period.

        Raises
        ------
        OptionError
            It does not fit into the budget.
        StoreError
            The spending of other kernels cannot be read.
        """
        notebook = prepared.spec.notebook
        spent: list[Decimal] = []
        with self._lock:
            before = self._reserved.get(turn_id)
            own = {each: held for each, held in self._reserved.items() if each != turn_id}
            on_disk = budget.period != "session" and prepared.settings.history
            is_held_on_disk = on_disk or (before is not None and before.on_disk)
            # entered first: after an interrupt at any later point `release` finds it
            self._reserved[turn_id] = before or _Held(notebook, Decimal(0), on_disk=is_held_on_disk)

            def check(spent_usd: Decimal, others_usd: Decimal) -> None:
                counted = (
                    held.usd
                    for held in own.values()
                    if budget.period != "notebook" or held.notebook == notebook
                )
                spent.append(spent_usd)
                budget.check(spent_usd, sum(counted, others_usd), usd)

            try:
                if on_disk:
                    self._hold_on_disk(budget, turn_id, usd, check, notebook=notebook, own=own)
                else:
                    check(self._session_usd(), Decimal(0))
            except CcError:
                if before is None:
                    del self._reserved[turn_id]
                raise
            self._reserved[turn_id] = _Held(notebook, usd or Decimal(0), on_disk=is_held_on_disk)
        return spent[0]

    def _hold_on_disk(  # noqa: PLR0913  the parts of a reservation
        self,
        budget: Budget,
        turn_id: str,
        usd: Decimal | None,
        check: Callable[[Decimal, Decimal], None],
        *,
        notebook: str,
        own: Collection[str],
    ) -> None:
        """Reserve in the history, which all kernels share; `own`: the others of this process."""
        unsaved = self._history().flush()
        unsaved_usd = self._unsaved_usd(budget, unsaved, notebook)
        self._history().store.reserve(
            turn_id,
            usd or Decimal(0),
            lambda saved_usd, others_usd: check(saved_usd + unsaved_usd, others_usd),
            notebook=notebook,
            now=self.now(),
            since=self._midnight() if budget.period == "day" else None,
            only_notebook=budget.period == "notebook",
            without={*own, *(record.id for record in unsaved)},
        )

    def settle(
        self,
        turn_id: str,
        reply: Reply,
        run: RunBudget | None = None,
        *,
        is_single: bool = True,
    ) -> None:
        """Count the cost of a reply in place of what was reserved for it.

        Parameters
        ----------
        is_single
            Whether it is one answer, whose length is an example for the next ones; a run over rows
            is a sum.
        """
        with self._lock:
            self.replies.append(reply)
            if not is_single:
                self._sums.add(turn_id)
            self._reserved.pop(turn_id, None)
        for each in self._ceilings(run):
            each.settle(turn_id, reply.billed.usd)

    def release(self, turn_id: str, run: RunBudget | None = None) -> None:
        """Release what a request has reserved that came to nothing; `settle` has done so else."""
        for each in self._ceilings(run):
            each.release(turn_id)
        with self._lock:
            held = self._reserved.pop(turn_id, None)
        if held is not None and held.on_disk:
            with contextlib.suppress(CcError):  # it expires
                self._history().store.release(turn_id)

    def _ceilings(self, run: RunBudget | None) -> list[RunBudget]:
        return [each for each in (run, self.ceiling) if each is not None]

    def spent_usd(self, budget: Budget, settings: Settings, notebook: str) -> Decimal:
        """Return the spending that counts against a budget; unknown costs add nothing."""
        if budget.period == "session" or not settings.history:
            return self._session_usd()
        history = self._history()
        unsaved = history.unsaved()
        if budget.period == "day":
            row = history.store.spent(since=self._midnight())
        else:
            row = history.store.spent(notebook=notebook)
        return row.reported_usd + row.estimated_usd + self._unsaved_usd(budget, unsaved, notebook)

    def _session_usd(self) -> Decimal:
        return sum((reply.billed.usd or Decimal(0) for reply in self.replies), Decimal(0))

    def _unsaved_usd(self, budget: Budget, unsaved: list[TurnRecord], notebook: str) -> Decimal:
        midnight = self._midnight()
        counted = (
            record.cost.usd or Decimal(0)
            for record in unsaved
            if (
                record.sent_at >= midnight
                if budget.period == "day"
                else record.notebook == notebook
            )
        )
        return sum(counted, Decimal(0))

    def _midnight(self) -> datetime:
        return datetime.combine(self.now().astimezone().date(), time()).astimezone()

    def _answer_tokens(self, prepared: PreparedRequest) -> list[int]:
        """Return the lengths of earlier answers of the model."""
        lengths = [
            reply.usage.output_tokens
            for reply in self.replies
            if reply.model == prepared.model.id
            and reply.usage.output_tokens is not None
            and reply.provenance.turn_id not in self._sums
        ]
        if lengths or not prepared.settings.history:
            return lengths
        try:
            return self._history().store.output_lengths(prepared.model.id)
        except CcError:  # saving the answer reports what is wrong with the history
            return []

    def _recall(self, model: str) -> tuple[int, int] | None:
        return self._history().recall(model)


def prescribed_budget(settings: Settings) -> Budget | None:
    """Return the budget that a policy sets for a day; `None`: it sets none.

    Without a history, only the spending of this kernel is known.
    """
    if settings.policy is None or settings.policy.budget_usd is None:
        return None
    period: Period = "day" if settings.history else "session"
    return Budget(settings.policy.budget_usd, period, settings.policy.sources["budget_usd"])
