"""What the answers of one combination add up to: tokens, cost, tempo, checks.

A figure that one of the answers lacks is unknown, never too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Literal, TypeAlias

from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.render.usage_line import tokens_per_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cc_jupyter.core.money import Cost
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.grid import GridAnswer


CostOrigin: TypeAlias = Literal["listed", "reported", "estimated", "unknown"]
_LEAST_RELIABLE_LAST: tuple[CostOrigin, ...] = ("reported", "listed", "estimated", "unknown")


def cost_origin(cost: Cost) -> CostOrigin:
    """Return where a cost comes from.

    `listed`: the reported tokens at the listed prices; `reported`: the provider's own figure.
    """
    if cost.origin == "reported" and cost.price_date is not None:
        return "listed"
    return cost.origin


@dataclass(frozen=True, slots=True)
class TotalCost:
    """A sum of costs."""

    usd: Decimal
    """The known ones."""
    unknown: int
    """The number of requests of unknown cost, which are not in `usd`."""
    origin: CostOrigin
    """The least reliable of all."""

    def __str__(self) -> str:
        if self.unknown and not self.usd:
            return "$?"
        known = format_usd(self.usd, estimated=self.origin == "estimated")
        return f"{known}{' + $?' if self.unknown else ''}"


def total_cost(replies: Iterable[Reply]) -> TotalCost:
    """Add up what replies cost."""
    costs = [reply.cost for reply in replies]
    known = [cost.usd for cost in costs if cost.usd is not None]
    with localcontext(EXACT):
        usd = sum(known, Decimal(0))
    billed = [cost for cost in costs if cost.usd != 0]
    origins: set[CostOrigin] = {cost_origin(cost) for cost in billed or costs}
    origin: CostOrigin = max(origins, key=_LEAST_RELIABLE_LAST.index, default="reported")
    return TotalCost(usd, len(costs) - len(known), origin)


@dataclass(frozen=True, slots=True)
class CombinationFigures:
    """The figures of one column; medians are over the answers that have the figure."""

    count: int
    failed: int
    input_tokens: str
    """The sum, marked `~` if it contains an estimate; `?` if one is unknown."""
    output_tokens: str
    cost: TotalCost
    first_token_s: float | None
    tokens_per_s: float | None
    total_s: float | None
    checks: tuple[tuple[int, int], ...]
    """For each check, how many answers pass, of those it could be evaluated for."""


def combination_figures(answers: Sequence[GridAnswer], checks: int) -> CombinationFigures:
    """Return the figures of the answers of one combination; `checks` is the number of checks."""
    replies = answer_replies(answers)
    finished = [answer.reply for answer in answers if not answer.failed]
    results = [[answer.checks[at] for answer in answers if answer.checks] for at in range(checks)]
    return CombinationFigures(
        len(answers),
        sum(answer.failed for answer in answers),
        _tokens(replies, "input_tokens"),
        _tokens(replies, "output_tokens"),
        total_cost(replies),
        median(reply.time_to_first_token_s for reply in finished),
        median(tokens_per_s(reply) for reply in finished),
        median(reply.duration_s for reply in finished),
        tuple(
            (sum(passed is True for passed in each), sum(passed is not None for passed in each))
            for each in results
        ),
    )


def answer_replies(answers: Iterable[GridAnswer]) -> list[Reply]:
    """Return all replies that were paid for, those that did not fit their type included."""
    return [reply for answer in answers for reply in (*answer.earlier, answer.reply)]


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of the known values; `None` if there are none."""
    from statistics import median as median_of  # noqa: PLC0415  takes 5 ms

    known = [value for value in values if value is not None]
    return median_of(known) if known else None


def _tokens(replies: Sequence[Reply], name: str) -> str:
    """Add up a token count; a request that was refused has no tokens and costs nothing."""
    billed = [reply for reply in replies if reply.cost.usd != 0 or reply.text]
    counts = [getattr(reply.usage, name) for reply in billed]
    if None in counts:
        return "?"
    is_estimated = any(name in (reply.usage.estimated or ()) for reply in billed)
    return f"{'~' if is_estimated else ''}{sum(counts):,}"
