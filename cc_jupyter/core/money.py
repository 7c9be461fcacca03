"""Money: the cost of a request, how reliable the figure is, and how to format it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import date


Origin: TypeAlias = Literal["reported", "estimated", "unknown"]

EXACT = Context(prec=64, rounding=ROUND_HALF_UP)
"""For sums and products of money: a notebook may set the thread's decimal context to anything."""
_SMALLEST_SHOWN = Decimal("0.0001")
_SHOWN_AS_ONE_DOLLAR = Decimal("0.99995")  # from here four decimals would round up to 1.0000


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one request and how reliable the figure is."""

    usd: Decimal | None
    """`None`: unknown, not free."""
    origin: Origin
    """Where the token counts came from; the rates always come from the price list."""
    price_date: date | None
    """The date of the price list; `None`: the cost is unknown, or its prices have no date."""


UNKNOWN_COST: Final = Cost(None, "unknown", None)


def format_usd(usd: Decimal) -> str:
    """Format an amount of 0 or more: `$0`, `<$0.0001`, `$0.0312`, `$1,234.50`."""
    if usd == 0:
        return "$0"
    if usd < _SMALLEST_SHOWN:
        return f"<${_SMALLEST_SHOWN}"
    with localcontext(EXACT):
        return f"${usd:.4f}" if usd < _SHOWN_AS_ONE_DOLLAR else f"${usd:,.2f}"
