"""What a request cost: tokens times rates, exactly, or unknown.

The provider bills on its own; this is the price list applied to the tokens it reported. Anything
missing makes the whole figure unknown, because a sum without one of its parts looks like a price
and is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.core.money import EXACT, UNKNOWN_COST, Cost

if TYPE_CHECKING:
    from datetime import date, datetime

    from cc_jupyter.core.events import Usage
    from cc_jupyter.models.catalog import CatalogEntry, Rates


_PER_MILLION = -6


def price(
    spec: CatalogEntry | None,
    usage: Usage,
    sent_at: datetime,
    *,
    price_date: date | None,
    estimated: bool = False,
) -> Cost:
    """Return the cost of one request.

    Parameters
    ----------
    spec
        The model; `None`: not in the catalogue, so the cost is unknown.
    usage
        Its last usage report. Cache counts that were not reported count as none. A count that
        contradicts the others (negative, or larger than the prompt it is part of) is cut to what
        is possible, and the cost is then estimated.
    sent_at
        The aware instant of sending, which decides on peak rates.
    price_date
        The day its prices were read; `None`: not told.
    estimated
        Set when `usage` is our own estimate, or when the listed rates may not be those billed
        (zero data retention).
    """
    tokens = _billed(usage)
    if spec is None or tokens is None:
        return UNKNOWN_COST
    rates = spec.rates_at(tokens.prompt, sent_at)
    usd = None if rates is None else _total(tokens, rates)
    if usd is None:
        return UNKNOWN_COST
    return Cost(usd, "estimated" if estimated or tokens.was_cut else "reported", price_date)


@dataclass(frozen=True, slots=True)
class _Billed:
    """The tokens of one request, each counted once."""

    uncached: int
    cache_read: int
    cache_write: int
    output: int
    was_cut: bool

    @property
    def prompt(self) -> int:
        return self.uncached + self.cache_read + self.cache_write


def _billed(usage: Usage) -> _Billed | None:
    """Split the prompt tokens by rate; `None` when a total was not reported."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    prompt = max(usage.input_tokens, 0)
    billed_read = _within(read, prompt)
    billed_write = _within(write, prompt - billed_read)
    output = max(usage.output_tokens, 0)
    return _Billed(
        uncached=prompt - billed_read - billed_write,
        cache_read=billed_read,
        cache_write=billed_write,
        output=output,
        was_cut=(prompt, billed_read, billed_write, output)
        != (usage.input_tokens, read, write, usage.output_tokens),
    )


def _within(count: int, most: int) -> int:
    return max(0, min(count, most))


def _total(tokens: _Billed, rates: Rates) -> Decimal | None:
    """Sum up in USD; `None` when tokens of a kind have no rate."""
    parts = (
        (tokens.uncached, rates.input),
        (tokens.cache_read, rates.cache_read),
        (tokens.cache_write, rates.cache_write),
        (tokens.output, rates.output),
    )
    millionths = Decimal(0)
    with localcontext(EXACT):
        for count, rate in parts:
            if count and rate is None:
                return None
            millionths += count * (rate or 0)
        return millionths.scaleb(_PER_MILLION)
