"""Watch the cost of one answer while it arrives, and cut it off over budget."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError, StoreError, StreamError
from cc_jupyter.core.events import Usage
from cc_jupyter.usage.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.run_limits import RunBudget
    from cc_jupyter.usage.estimate import Calibration


_PRICING_INTERVAL_S = 0.2
"""How often a growing answer is priced."""
_GROWTH = Decimal("1.25")
"""By how much the reservation of an answer grows that costs more than estimated, if it fits."""


@dataclass(slots=True)
class BudgetWatcher:
    """Watches one answer and cuts it off when its cost so far exceeds a budget.

    The text received is priced five times a second, so it may exceed the budget slightly. Tokens
    are estimated until the provider reports them.
    """

    limit: Budget | RunBudget
    prepared: PreparedRequest
    hold: Callable[[Decimal | None], Decimal]
    """Reserves an amount for the request; returns the spending before it."""
    expected: Usage
    calibration: Calibration
    sent_at: datetime
    spent_usd: Decimal = Decimal(0)
    """The spending before this request."""
    _reserved_usd: Decimal = Decimal(0)
    _next_pricing_s: float = 0.0
    _received_bytes: int = 0

    def reserve(self, usd: Decimal | None = None) -> None:
        """Reserve an amount for the request; by default its estimated cost.

        Raises
        ------
        OptionError
            It does not fit into the budget, or the estimate is unknown.
        StoreError
            The spending of other kernels cannot be read.
        """
        if usd is None:
            usd = self.prepared.cost(self.expected, self.sent_at).usd
        self.spent_usd = self.hold(usd)
        self._reserved_usd = usd or Decimal(0)

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
        output = self.calibration.tokens(self.prepared.model.id, self._received_bytes)
        running = Usage(
            input_tokens=usage.input_tokens or self.expected.input_tokens,
            output_tokens=max(output, usage.output_tokens or 0),
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        usd = self.prepared.cost(running, self.sent_at).usd
        if usd is not None and usd > self._reserved_usd and not self._grow(usd):
            raise self._used_up()

    def _used_up(self) -> StreamError:
        if isinstance(self.limit, Budget):
            exceeded = f"the budget of {self.limit.usd:f} US dollars per {self.limit.period}"
            remedy = self.limit.remedy
        else:
            exceeded, remedy = f"--max-usd {self.limit.usd:f}", "raise --max-usd"
        error = StreamError(
            f"the answer was cut off: it exceeds {exceeded}",
            hint=f"the text received is saved; {remedy}, %cmd continue completes the answer",
        )
        error.is_final = True
        return error

    def _grow(self, usd: Decimal) -> bool:
        """Reserve more for an answer that costs more than estimated; return whether it fits."""
        for wanted_usd in (usd * _GROWTH, usd):
            try:
                self.reserve(wanted_usd)
            except OptionError:
                continue
            except StoreError:  # an answer never waits for the history; it is counted when it ends
                return True
            return True
        return False

    def note(self, reply: Reply) -> str | None:
        """Return a notice of how much of the budget is used, from 80 % on."""
        if not isinstance(self.limit, Budget):
            return None
        return self.limit.note(self.spent_usd + (reply.billed.usd or Decimal(0)))
