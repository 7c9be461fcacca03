"""What a request cost: the provider's own figure, or tokens times rates, exactly, or unknown.

Without a cost from the provider this is the price list applied to the tokens it reported. Tokens
without a rate make the whole figure unknown, because a sum without one of its parts looks like a
price and is none. What is billed apart from tokens (searches, tiers) is named beside an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.core.money import _MONEY, UNKNOWN_COST, Cost
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from datetime import date, datetime

    from cc_jupyter.core.events import Usage
    from cc_jupyter.core.money import Origin
    from cc_jupyter.models.catalog import CatalogEntry, Rates


# A notebook may have set the thread's decimal context to anything; money does not depend on it.
_PER_MILLION = -6


def price(
    spec: CatalogEntry | None,
    usage: Usage,
    sent_at: datetime,
    *,
    price_date: date | None,
    estimated: bool = False,
) -> Cost:
    """Return the cost of one request; the provider's own figure precedes the price list.

    Parameters
    ----------
    spec
        The model; `None`: not in the catalogue, so the cost is unknown.
    usage
        Its last usage report. Cache counts that were not reported count as none. A count that
        contradicts the others (negative, or larger than the prompt it is part of) is cut to what
        is possible, and the cost is then estimated, as it is if the report is doubtful or names
        something that has no listed rate.
    sent_at
        The aware instant of sending, which decides on peak rates.
    price_date
        The day its prices were read; `None`: unknown.
    estimated
        Set when the listed rates may not be those billed (zero data retention).
    """
    by_table = _by_table(spec, usage, sent_at, price_date)
    if usage.provider_usd is not None:
        return Cost(usage.provider_usd, "reported", None, table_usd=by_table.usd)
    if estimated and by_table.usd is not None:
        return replace(by_table, origin="estimated")
    return by_table


def _by_table(
    spec: CatalogEntry | None, usage: Usage, sent_at: datetime, price_date: date | None
) -> Cost:
    """Return the cost by the price list."""
    unpriced = usage.unpriced or ()
    unknown = replace(UNKNOWN_COST, unpriced=unpriced) if unpriced else UNKNOWN_COST
    tokens = _billed(usage)
    if spec is None or tokens is None:
        return unknown
    longest = tokens.prompt if usage.longest_prompt_tokens is None else usage.longest_prompt_tokens
    rates = spec.rates_at(longest, sent_at)
    if rates is None:
        return unknown
    usd, missing = _total(tokens, rates, _hour_rate(spec, rates))
    if missing:
        return replace(UNKNOWN_COST, unpriced=(*unpriced, *missing))
    is_exact = not (
        tokens.was_cut
        or usage.doubt
        or unpriced
        or usage.estimated
        # several prompts at the rates of the longest
        or (usage.longest_prompt_tokens is not None and len(spec.tiers) > 1)
    )
    origin: Origin = "reported" if is_exact else "estimated"
    return Cost(usd, origin, price_date, unpriced=unpriced)


def _hour_rate(spec: CatalogEntry, rates: Rates) -> Decimal | None:
    """Return the rate of tokens that the cache keeps for an hour, where it is published.

    Anthropic's is twice the input rate (provider-api.md, section 5; Claude platform, "Prompt
    caching", read 2026-11-30).
    """
    return 2 * rates.input if spec.maker == "Anthropic" else None


@dataclass(frozen=True, slots=True)
class _Billed:
    """The tokens of one request, each counted once."""

    uncached: int
    cache_read: int
    cache_write: int
    hour_cache_write: int
    output: int
    was_cut: bool

    @property
    def prompt(self) -> int:
        return self.uncached + self.cache_read + self.cache_write + self.hour_cache_write


def _billed(usage: Usage) -> _Billed | None:
    """Split the prompt tokens by rate; `None` when a total was not reported."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    prompt = max(usage.input_tokens, 0)
    billed_read = _within(read, prompt)
    billed_write = _within(write, prompt - billed_read)
    hour = _within(usage.hour_cache_write_tokens or 0, billed_write)
    output = max(usage.output_tokens, 0)
    return _Billed(
        uncached=prompt - billed_read - billed_write,
        cache_read=billed_read,
        cache_write=billed_write - hour,
        hour_cache_write=hour,
        output=output,
        was_cut=(prompt, billed_read, billed_write, output)
        != (usage.input_tokens, read, write, usage.output_tokens),
    )


def _within(count: int, most: int) -> int:
    return max(0, min(count, most))


def _total(
    tokens: _Billed, rates: Rates, hour_rate: Decimal | None
) -> tuple[Decimal, tuple[str, ...]]:
    """Sum up in USD, and name the kinds of tokens without a rate."""
    parts = (
        ("input token", tokens.uncached, rates.input),
        ("cache-read token", tokens.cache_read, rates.cache_read),
        ("cache-write token", tokens.cache_write, rates.cache_write),
        ("one-hour cache-write token", tokens.hour_cache_write, hour_rate),
        ("output token", tokens.output, rates.output),
    )
    millionths, missing = Decimal(0), []
    with localcontext(_MONEY):
        for kind, count, rate in parts:
            if count and rate is None:
                missing.append(pluralize(count, kind))
            millionths += count * (rate or 0)
        return millionths.scaleb(_PER_MILLION), tuple(missing)
