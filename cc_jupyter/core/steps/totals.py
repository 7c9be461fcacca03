"""The usage and the cost of several requests together."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import EXACT, Cost

if TYPE_CHECKING:
    from collections.abc import Sequence


def total_usage(usages: Sequence[Usage]) -> Usage:
    """Return the sum of the token counts of several requests.

    A sum is unknown if the count of one of them is; shares such as cached tokens add up what is
    known.
    """
    if len(usages) == 1:
        return usages[0]
    prompts = [usage.longest_prompt_tokens or usage.input_tokens for usage in usages]
    known = [tokens for tokens in prompts if tokens is not None]
    unpriced = tuple(dict.fromkeys(each for usage in usages for each in usage.unpriced or ()))
    estimated = tuple(dict.fromkeys(each for usage in usages for each in usage.estimated or ()))
    doubts = dict.fromkeys(usage.doubt for usage in usages if usage.doubt)
    reported = [usage.provider_usd for usage in usages]
    return Usage(
        input_tokens=_total([usage.input_tokens for usage in usages]),
        output_tokens=_total([usage.output_tokens for usage in usages]),
        cache_read_tokens=_share([usage.cache_read_tokens for usage in usages]),
        cache_write_tokens=_share([usage.cache_write_tokens for usage in usages]),
        reasoning_tokens=_share([usage.reasoning_tokens for usage in usages]),
        hour_cache_write_tokens=_share([usage.hour_cache_write_tokens for usage in usages]),
        longest_prompt_tokens=max(known, default=None),
        unpriced=unpriced or None,
        provider_usd=None if None in reported else _total_usd(reported),
        doubt="; ".join(doubts) or None,
        estimated=estimated or None,
    )


def total_cost(costs: Sequence[Cost]) -> Cost:
    """Return the sum of the costs of several requests; unknown if one of them is."""
    if len(costs) == 1:
        return costs[0]
    dates = [cost.price_date for cost in costs if cost.price_date is not None]
    unpriced = tuple(dict.fromkeys(each for cost in costs for each in cost.unpriced))
    if any(cost.usd is None for cost in costs):
        return Cost(None, "unknown", max(dates, default=None), unpriced=unpriced)
    is_estimated = any(cost.origin == "estimated" for cost in costs)
    by_table = [cost.usd if cost.table_usd is None else cost.table_usd for cost in costs]
    has_other = any(cost.table_usd is not None for cost in costs)
    return Cost(
        _total_usd([cost.usd for cost in costs]),
        "estimated" if is_estimated else "reported",
        max(dates, default=None),
        _total_usd(by_table) if has_other else None,
        unpriced,
    )


def _total(counts: Sequence[int | None]) -> int | None:
    return None if None in counts else sum(count or 0 for count in counts)


def _share(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _total_usd(amounts: Sequence[Decimal | None]) -> Decimal:
    with localcontext(EXACT):
        return sum((amount or Decimal(0) for amount in amounts), Decimal(0))
