"""What a request cost: the provider's own figure, or tokens times rates, exactly, or unknown.

Without a cost from the provider this applies the price list to the tokens that it reported. If a
kind of token has no rate, the cost is unknown: a sum without one of its parts would look like a
price. What is billed apart from tokens (searches, tiers) is named next to the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.core.money import EXACT, UNKNOWN_COST, Cost
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from datetime import date, datetime

    from cc_jupyter.core.events import Usage
    from cc_jupyter.core.money import Origin
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
    """Return the cost of one request; the provider's own figure precedes the price list.

    Parameters
    ----------
    spec
        The model; `None` if it is not in the catalog, so the cost is unknown.
    usage
        The last usage report. Cache counts that were not reported count as zero. A count that
        contradicts the others (negative, or larger than the prompt it is part of) is clamped, and
        the cost is then estimated. It is also estimated if the report contradicts itself or names
        something that has no listed rate.
    sent_at
        When the request was sent (aware), which decides whether peak rates apply.
    price_date
        The day the prices were read; `None` if unknown.
    estimated
        Whether the listed rates may not be those billed (zero data retention).
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
        tokens.was_clamped
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
    """The tokens of one request by rate, each counted once."""

    uncached: int
    cache_read: int
    cache_write: int
    hour_cache_write: int
    output: int
    was_clamped: bool

    @property
    def prompt(self) -> int:
        return self.uncached + self.cache_read + self.cache_write + self.hour_cache_write


def _billed(usage: Usage) -> _Billed | None:
    """Split the prompt tokens by rate; `None` if a total was not reported."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    prompt = max(usage.input_tokens, 0)
    billed_read = _clamp(read, prompt)
    billed_write = _clamp(write, prompt - billed_read)
    hour = _clamp(usage.hour_cache_write_tokens or 0, billed_write)
    output = max(usage.output_tokens, 0)
    return _Billed(
        uncached=prompt - billed_read - billed_write,
        cache_read=billed_read,
        cache_write=billed_write - hour,
        hour_cache_write=hour,
        output=output,
        was_clamped=(prompt, billed_read, billed_write, output)
        != (usage.input_tokens, read, write, usage.output_tokens),
    )


def _clamp(count: int, maximum: int) -> int:
    return max(0, min(count, maximum))


def _total(
    tokens: _Billed, rates: Rates, hour_rate: Decimal | None
) -> tuple[Decimal, tuple[str, ...]]:
    """Return the sum in USD, and the kinds of tokens without a rate."""
    parts = (
        ("input token", tokens.uncached, rates.input),
        ("cache-read token", tokens.cache_read, rates.cache_read),
        ("cache-write token", tokens.cache_write, rates.cache_write),
        ("one-hour cache-write token", tokens.hour_cache_write, hour_rate),
        ("output token", tokens.output, rates.output),
    )
    millionths, missing = Decimal(0), []
    with localcontext(EXACT):
        for kind, count, rate in parts:
            if count and rate is None:
                missing.append(pluralize(count, kind))
            millionths += count * (rate or 0)
        return millionths.scaleb(_MILLIONTH), tuple(missing)
