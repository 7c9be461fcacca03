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
    """`reported`: the provider's own cost, or its token counts at the listed prices."""
    price_date: date | None
    """The date of the price list; `None`: it was not used, or its prices have no date."""
    table_usd: Decimal | None = None
    """The cost by the price list, if the provider reported another one."""
    unpriced: tuple[str, ...] = ()
    """What was billed and is not part of `usd`, in words."""

    def to_json(self) -> dict[str, object]:
        """Return the cost as the metadata of an output and the exports hold it."""
        written: dict[str, object] = {
            "usd": None if self.usd is None else f"{self.usd:f}",
            "origin": self.origin,
            "price_date": self.price_date.isoformat() if self.price_date else None,
        }
        if self.table_usd is not None:
            written["table_usd"] = f"{self.table_usd:f}"
        if self.unpriced:
            written["unpriced"] = list(self.unpriced)
        return written


UNKNOWN_COST: Final = Cost(None, "unknown", None)
NOTHING_BILLED: Final = Cost(Decimal(0), "reported", None)
"""The cost of a request that was refused or never reached a server, and of the local model."""


def format_usd(usd: Decimal, *, estimated: bool = False) -> str:
    """Format an amount of 0 or more: `$0`, `<$0.0001`, `$0.0312`, `$1,234.50`.

    An estimate is marked, also one that is too small to show: `~$0.0312`, `~<$0.0001`.
    """
    mark = "~" if estimated else ""
    if 0 < usd < _SMALLEST_SHOWN:
        return f"{mark}<${_SMALLEST_SHOWN}"
    if usd == 0:
        return f"{mark}$0"
    with localcontext(EXACT):
        return f"{mark}${usd:.4f}" if usd < _SHOWN_AS_ONE_DOLLAR else f"{mark}${usd:,.2f}"
