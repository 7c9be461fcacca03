"""The limits of one run: what a cell may cost before it must say so, and `--max-usd`.

A run is everything that one cell sends: a single request or a grid. It is estimated before anything
is sent; while it goes on, each request reserves its estimated cost and settles it after its answer,
as budgets do. The rule is the same for a single cell, in Run All, papermill and CI.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.errors import BudgetError, OptionError
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cc_jupyter.session.budget_guard import BudgetGuard
    from cc_jupyter.session.prepare import PreparedRequest


DEFAULT_REFUSE_ABOVE_USD = Decimal(1)
MAX_UNPRICED_REQUESTS = 50
"""More requests without a known price need `--max-requests`."""


class RunLimits(NamedTuple):
    """The limits that the cell itself names; `None`: not given."""

    max_usd: Decimal | None = None
    max_requests: int | None = None


@dataclass(slots=True)
class RunBudget:
    """What the requests of one run may cost together; safe from any thread."""

    usd: Decimal
    option: str = "--max-usd"
    """The option that sets it, for the errors."""
    allows_unpriced: bool = False
    """Whether requests of unknown price may be sent: their number is limited instead."""
    _spent_usd: Decimal = Decimal(0)
    _reserved_usd: dict[str, Decimal] = field(default_factory=dict)
    """By turn id: what each request in flight has reserved."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, turn_id: str, usd: Decimal | None) -> Decimal:
        """Reserve an amount for a request in place of its earlier one; return what is spent.

        Raises
        ------
        BudgetError
            It does not fit.
        OptionError
            It is unknown.
        """
        with self._lock:
            others_usd = sum(
                (held for each, held in self._reserved_usd.items() if each != turn_id), Decimal(0)
            )
            spent = f"{format_usd(self._spent_usd)} spent"
            if others_usd:
                spent += f", {format_usd(others_usd)} reserved for requests in flight"
            if usd is None and self.allows_unpriced:
                return self._spent_usd
            if usd is None:
                raise OptionError(
                    f"the price of this model is unknown, so {self.option} cannot be enforced;"
                    " nothing was sent",
                    hint="choose a model with a known price, or limit the run by --max-requests N",
                )
            if self._spent_usd + others_usd + usd > self.usd:
                raise BudgetError(
                    f"not sent: an estimated {format_usd(usd, estimated=True)} would exceed"
                    f" {self.option} {self.usd:f} ({spent})",
                    hint=f"raise it: {self.option} {_rounded_up(self.usd + usd):f}",
                )
            self._reserved_usd[turn_id] = usd
            return self._spent_usd

    def settle(self, turn_id: str, usd: Decimal | None) -> None:
        """Count what a request has cost in place of what it reserved; unknown adds nothing."""
        with self._lock:
            self._reserved_usd.pop(turn_id, None)
            self._spent_usd += usd or Decimal(0)

    def release(self, turn_id: str) -> None:
        """Release what a request has reserved that was not settled."""
        with self._lock:
            self._reserved_usd.pop(turn_id, None)


class RunEstimate(NamedTuple):
    """What a run is expected to send and cost, before anything is sent."""

    requests: int
    unpriced: int
    """Requests whose price is unknown; they are not part of `usd`."""
    usd: Decimal
    input_tokens: int
    output_tokens: int


def estimate_run(
    requests: Sequence[PreparedRequest], budget_guard: BudgetGuard, sent_at: datetime
) -> RunEstimate:
    """Estimate tokens and cost of a run; equal requests are estimated once, replayed ones not."""
    known: dict[int, tuple[int, int, Decimal | None]] = {}
    requests = [each for each in requests if not budget_guard.is_replayed(each)]
    for prepared in requests:
        if id(prepared.request) not in known:
            usage = budget_guard.estimate(prepared)
            usd = prepared.cost(usage, sent_at).usd
            known[id(prepared.request)] = (
                usage.input_tokens or 0,
                usage.output_tokens or 0,
                usd,
            )
    rows = [known[id(prepared.request)] for prepared in requests]
    return RunEstimate(
        requests=len(rows),
        unpriced=sum(usd is None for _, _, usd in rows),
        usd=sum((usd for _, _, usd in rows if usd is not None), Decimal(0)),
        input_tokens=sum(row[0] for row in rows),
        output_tokens=sum(row[1] for row in rows),
    )


def check_run(
    estimate: RunEstimate, limits: RunLimits, refuse_above_usd: Decimal | None
) -> RunBudget | None:
    """Refuse a run that may cost more than a cell may without saying so.

    Returns the budget that its requests share; `None` without `--max-usd`.

    Parameters
    ----------
    refuse_above_usd
        The setting of that name; `None`: its default.

    Raises
    ------
    OptionError
        The estimate exceeds the setting and no `--max-usd` is given, or more requests than
        `--max-requests` are planned, or it is not given and more than 50 have no known price, or
        one with `--max-usd`.
    """
    ceiling_usd = DEFAULT_REFUSE_ABOVE_USD if refuse_above_usd is None else refuse_above_usd
    count = pluralize(estimate.requests, "request")
    if limits.max_requests is not None and estimate.requests > limits.max_requests:
        raise OptionError(
            f"{count} would be sent, and --max-requests is {limits.max_requests:,};"
            " nothing was sent",
            hint=f"add --max-requests {estimate.requests}, or vary less",
        )
    if estimate.unpriced and limits.max_requests is None and limits.max_usd is not None:
        verb, them = ("has", "it") if estimate.unpriced == 1 else ("have", "them")
        raise OptionError(
            f"{pluralize(estimate.unpriced, 'request')} {verb} no known price, so --max-usd cannot"
            f" limit {them}; nothing was sent",
            hint=f"add --max-requests {estimate.requests} to limit the number instead, or choose"
            " other models",
        )
    if estimate.unpriced > MAX_UNPRICED_REQUESTS and limits.max_requests is None:
        raise OptionError(
            f"{pluralize(estimate.unpriced, 'request')} without a known price would be sent, more"
            f" than {MAX_UNPRICED_REQUESTS}; nothing was sent",
            hint=f"add --max-requests {estimate.requests} to send them",
        )
    if limits.max_usd is not None:
        return RunBudget(limits.max_usd, allows_unpriced=limits.max_requests is not None)
    if estimate.usd > ceiling_usd:
        verb = "is" if estimate.requests == 1 else "are"
        raise OptionError(
            f"{count} {verb} estimated at {format_usd(estimate.usd, estimated=True)}, more than"
            f" {format_usd(ceiling_usd)} (refuse_above_usd); nothing was sent",
            hint=f"add --max-usd {_rounded_up(estimate.usd * Decimal('1.2')):f} to allow it",
        )
    return None


def _rounded_up(usd: Decimal) -> Decimal:
    """Return an amount rounded up to whole cents, as a person would write it."""
    cents = -(-usd * 100 // 1)
    return (cents / 100).quantize(Decimal("0.01")).normalize() if cents else Decimal("0.01")
