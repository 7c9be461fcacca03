"""What a request cost: tokens times rates, exactly, or unknown.

This applies the price list to the tokens that the provider reported; the provider bills
independently. If any part is missing, the cost is unknown: a sum without one of its parts would
look like a price.
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


_MILLIONTH = -6  # as a power of ten


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
        The model; `None` if it is not in the catalog, so the cost is unknown.
    usage
        The last usage report. Cache counts that were not reported count as zero. A count that
        contradicts the others (negative, or larger than the prompt it is part of) is clamped, and
        the cost is then estimated.
    sent_at
        When the request was sent (aware), which decides whether peak rates apply.
    price_date
        The day the prices were read; `None` if unknown.
    estimated
        Whether `usage` is our own estimate, or the listed rates may not be those billed (zero data
        retention).
    """
    tokens = _billed(usage)
    if spec is None or tokens is None:
        return UNKNOWN_COST
    rates = spec.rates_at(tokens.prompt, sent_at)
    usd = None if rates is None else _total(tokens, rates)
    if usd is None:
        return UNKNOWN_COST
    return Cost(usd, "estimated" if estimated or tokens.was_clamped else "reported", price_date)


@dataclass(frozen=True, slots=True)
class _Billed:
    """The tokens of one request by rate, each counted once."""

    uncached: int
    cache_read: int
    cache_write: int
    output: int
    was_clamped: bool

    @property
    def prompt(self) -> int:
        return self.uncached + self.cache_read + self.cache_write


def _billed(usage: Usage) -> _Billed | None:
    """Split the prompt tokens by rate; `None` if a total was not reported."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    prompt = max(usage.input_tokens, 0)
    billed_read = _clamp(read, prompt)
    billed_write = _clamp(write, prompt - billed_read)
    output = max(usage.output_tokens, 0)
    return _Billed(
        uncached=prompt - billed_read - billed_write,
        cache_read=billed_read,
        cache_write=billed_write,
        output=output,
        was_clamped=(prompt, billed_read, billed_write, output)
        != (usage.input_tokens, read, write, usage.output_tokens),
    )


def _clamp(count: int, maximum: int) -> int:
    return max(0, min(count, maximum))


def _total(tokens: _Billed, rates: Rates) -> Decimal | None:
    """Return the sum in USD; `None` if a kind of token has no rate."""
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
        return millionths.scaleb(_MILLIONTH)
