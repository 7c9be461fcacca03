"""What a request is likely to cost, what was spent, and the budget that stands between the two."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, StreamError
from cc_jupyter.core.events import Usage
from cc_jupyter.session.prepare import plan_cost
from cc_jupyter.usage.budget import Budget, load_budget
from cc_jupyter.usage.estimate import Calibration, estimate_tokens, text_bytes, usual_answer_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.history import History
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.prepare import PreparedRequest


_LOOK_S = 0.2
"""How often a growing answer is priced."""


class Spending:
    """Estimates and budgets of one session.

    Parameters
    ----------
    spent
        The replies of the session so far.
    """

    def __init__(
        self, history: Callable[[], History], spent: list[Reply], now: Callable[[], datetime]
    ) -> None:
        self._history = history
        self._spent = spent
        self.now = now
        self.calibration = Calibration(self._recall)
        self.budget: Budget | None = None
        """What `%cmd budget` set in this session."""
        self.is_off = False
        """Whether `%cmd budget off` was said."""

    def estimate(self, plan: PreparedRequest) -> Usage:
        """Estimate the tokens of a request and of its answer."""
        asked = plan.request.parameters.max_tokens if plan.question.parameters.max_tokens else None
        return Usage(
            input_tokens=estimate_tokens(plan.request, self.calibration),
            output_tokens=asked or usual_answer_tokens(self._past_tokens(plan)),
        )

    def learn(self, plan: PreparedRequest, usage: Usage) -> None:
        """Take what a model reported for a prompt."""
        if not any(message.images for message in plan.request.messages):
            self.calibration.learn(plan.model.id, usage.input_tokens, text_bytes(plan.request))

    def current(self, plan: PreparedRequest) -> Budget | None:
        """Return the budget that holds for a request; `None`: none does."""
        return self.standing(plan.settings, plan.question.notebook)

    def standing(self, settings: Settings, notebook: str) -> Budget | None:
        """Return the budget that holds in a notebook; `None`: none does."""
        if self.budget is not None or self.is_off:
            return self.budget
        kept = load_budget(notebook)
        if kept is None and settings.budget_usd is not None:
            kept = Budget(settings.budget_usd)
        return kept

    def guard(self, plan: PreparedRequest) -> BudgetWatcher | None:
        """Refuse what would pass the budget; give what watches the answer, if there is a budget.

        Raises
        ------
        OptionError
            The estimate passes the budget.
        """
        budget = self.current(plan)
        if budget is None:
            return None
        spent_usd = self.spent_usd(budget, plan.settings, plan.question.notebook)
        usage = self.estimate(plan)
        budget.check(spent_usd, plan_cost(plan, usage, self.now()).usd)
        return BudgetWatcher(budget, plan, spent_usd, usage, self)

    def spent_usd(self, budget: Budget, settings: Settings, notebook: str) -> Decimal:
        """Return what counts against a budget; requests of unknown cost count nothing."""
        mine = sum((reply.cost.usd or Decimal(0) for reply in self._spent), Decimal(0))
        if budget.period == "session" or not settings.history:
            return mine
        midnight = datetime.combine(self.now().astimezone().date(), time()).astimezone()
        store = self._history().store
        if budget.period == "day":
            row = store.spent(since=midnight)
        else:
            row = store.spent(notebook=notebook)
        return row.reported_usd + row.estimated_usd

    def _past_tokens(self, plan: PreparedRequest) -> list[int]:
        past = [
            reply.usage.output_tokens
            for reply in self._spent
            if reply.model == plan.model.id and reply.usage.output_tokens is not None
        ]
        if past or not plan.settings.history:
            return past
        try:
            return self._history().store.output_lengths(plan.model.id)
        except CcError:  # the history is told of when the answer is kept
            return []

    def _recall(self, model: str) -> tuple[int, int] | None:
        return self._history().recall(model)


class BudgetWatcher:
    """Watches one answer: it is cut when its cost so far passes the budget.

    What has come is priced five times a second, so that much may be spent beyond the budget; the
    tokens are an estimate until the provider reports them.
    """

    def __init__(
        self,
        budget: Budget,
        plan: PreparedRequest,
        spent_usd: Decimal,
        expected: Usage,
        spending: Spending,
    ) -> None:
        self._budget = budget
        self._plan = plan
        self._spent_usd = spent_usd
        self._expected = expected
        self._calibration = spending.calibration
        self._sent_at = spending.now()
        self._due_s = 0.0
        self._came_bytes = 0

    def add(self, text: str, usage: Usage) -> None:
        """Take a piece of the answer and what was reported so far.

        Raises
        ------
        StreamError
            The budget is used up.
        """
        self._came_bytes += len(text.encode())
        if monotonic() < self._due_s:
            return
        self._due_s = monotonic() + _LOOK_S
        output = self._calibration.tokens(self._plan.model.id, self._came_bytes)
        running = Usage(
            input_tokens=usage.input_tokens or self._expected.input_tokens,
            output_tokens=max(output, usage.output_tokens or 0),
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        usd = plan_cost(self._plan, running, self._sent_at).usd
        if usd is not None and self._spent_usd + usd > self._budget.usd:
            raise StreamError(
                f"the answer was cut: it passes the budget of {self._budget.usd:f} US dollars"
                f" per {self._budget.period}",
                hint="what came is kept; %cmd budget AMOUNT raises it, %cmd continue goes on",
            )

    def note(self, reply: Reply) -> str | None:
        """Say how much of the budget is used, from 80 % on."""
        return self._budget.note(self._spent_usd + (reply.cost.usd or Decimal(0)))
