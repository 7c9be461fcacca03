"""Keep a session within its budget: estimate requests, add up spending, cut answers off."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, StreamError
from cc_jupyter.core.events import Usage
from cc_jupyter.usage.budget import Budget, load_budget
from cc_jupyter.usage.estimate import Calibration, estimate_tokens, text_bytes, usual_answer_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.history import History
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.prepare import PreparedRequest


_PRICING_INTERVAL_S = 0.2
"""How often a growing answer is priced."""


class BudgetGuard:
    """Estimates and budgets of one session.

    Parameters
    ----------
    replies
        The replies of the session so far.
    """

    def __init__(
        self, history: Callable[[], History], replies: list[Reply], now: Callable[[], datetime]
    ) -> None:
        self._history = history
        self._replies = replies
        self.now = now
        self.calibration = Calibration(self._recall)
        self.budget: Budget | None = None
        """The budget that `%cmd budget` set in this session."""
        self.is_off = False
        """Whether `%cmd budget off` was run."""

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
        """Return the budget that applies in a notebook; `None`: there is none."""
        if self.budget is not None or self.is_off:
            return self.budget
        saved = load_budget(notebook)
        if saved is None and settings.budget_usd is not None:
            return Budget(settings.budget_usd)
        return saved

    def check(self, prepared: PreparedRequest) -> BudgetWatcher | None:
        """Check the estimated cost; return what watches the answer, if there is a budget.

        Raises
        ------
        OptionError
            The estimated cost exceeds the budget.
        """
        budget = self.effective_budget(prepared.settings, prepared.spec.notebook)
        if budget is None:
            return None
        spent_usd = self.spent_usd(budget, prepared.settings, prepared.spec.notebook)
        usage = self.estimate(prepared)
        budget.check(spent_usd, prepared.cost(usage, self.now()).usd)
        return BudgetWatcher(budget, prepared, spent_usd, usage, self)

    def spent_usd(self, budget: Budget, settings: Settings, notebook: str) -> Decimal:
        """Return the spending that counts against a budget; unknown costs add nothing."""
        session_usd = sum((reply.cost.usd or Decimal(0) for reply in self._replies), Decimal(0))
        if budget.period == "session" or not settings.history:
            return session_usd
        midnight = datetime.combine(self.now().astimezone().date(), time()).astimezone()
        store = self._history().store
        if budget.period == "day":
            row = store.spent(since=midnight)
        else:
            row = store.spent(notebook=notebook)
        return row.reported_usd + row.estimated_usd

    def _answer_tokens(self, prepared: PreparedRequest) -> list[int]:
        """Return the lengths of earlier answers of the model."""
        lengths = [
            reply.usage.output_tokens
            for reply in self._replies
            if reply.model == prepared.model.id and reply.usage.output_tokens is not None
        ]
        if lengths or not prepared.settings.history:
            return lengths
        try:
            return self._history().store.output_lengths(prepared.model.id)
        except CcError:  # saving the answer reports what is wrong with the history
            return []

    def _recall(self, model: str) -> tuple[int, int] | None:
        return self._history().recall(model)


class BudgetWatcher:
    """Watches one answer and cuts it off when its cost so far exceeds the budget.

    The text received is priced five times a second: what arrives in between may exceed the budget.
    Tokens are an estimate until the provider reports them.
    """

    def __init__(
        self,
        budget: Budget,
        prepared: PreparedRequest,
        spent_usd: Decimal,
        expected: Usage,
        budget_guard: BudgetGuard,
    ) -> None:
        self._budget = budget
        self._prepared = prepared
        self._spent_usd = spent_usd
        self._expected = expected
        self._calibration = budget_guard.calibration
        self._sent_at = budget_guard.now()
        self._next_pricing_s = 0.0
        self._received_bytes = 0

    def add(self, text: str, usage: Usage) -> None:
        """Add a piece of the answer and the usage reported so far.

        Raises
        ------
        StreamError
            The budget is used up.
        """
        self._received_bytes += len(text.encode())
        if monotonic() < self._next_pricing_s:
            return
        self._next_pricing_s = monotonic() + _PRICING_INTERVAL_S
        output = self._calibration.tokens(self._prepared.model.id, self._received_bytes)
        running = Usage(
            input_tokens=usage.input_tokens or self._expected.input_tokens,
            output_tokens=max(output, usage.output_tokens or 0),
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        usd = self._prepared.cost(running, self._sent_at).usd
        if usd is not None and self._spent_usd + usd > self._budget.usd:
            raise StreamError(
                f"the answer was cut off: it exceeds the budget of {self._budget.usd:f} US dollars"
                f" per {self._budget.period}",
                hint="the text received is saved; %cmd budget AMOUNT raises the budget,"
                " %cmd continue completes the answer",
            )

    def note(self, reply: Reply) -> str | None:
        """Return a notice of how much of the budget is used, from 80 % on."""
        return self._budget.note(self._spent_usd + (reply.cost.usd or Decimal(0)))
