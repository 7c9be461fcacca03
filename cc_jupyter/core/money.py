"""Money: what a request cost, how far to trust the figure, and how to write it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import date


Origin: TypeAlias = Literal["reported", "estimated", "unknown"]

EXACT = Context(prec=64, rounding=ROUND_HALF_UP)
"""The context of all money: a notebook may have set the thread's own to anything."""
_SMALLEST_SHOWN = Decimal("0.0001")
_SHOWN_AS_ONE_DOLLAR = Decimal("0.99995")  # from here four decimals would round up to 1.0000


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of one request and how far to trust it."""

    usd: Decimal | None
    """`None`: unknown, which is not free."""
    origin: Origin
    """Where the token counts came from; the rates are always those of the price list."""
    price_date: date | None
    """The day of the price list; `None`: the cost is unknown, or its prices carry no day."""


UNKNOWN_COST: Final = Cost(None, "unknown", None)


def format_usd(usd: Decimal) -> str:
    """Write an amount of 0 or more for a reader: `$0`, `<$0.0001`, `$0.0312`, `$1,234.50`."""
    if usd == 0:
        return "$0"
    if usd < _SMALLEST_SHOWN:
        return f"<${_SMALLEST_SHOWN}"
    with localcontext(EXACT):
        return f"${usd:.4f}" if usd < _SHOWN_AS_ONE_DOLLAR else f"${usd:,.2f}"
