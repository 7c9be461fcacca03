"""A limit on spending that holds: refused before sending, cut while it streams."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.paths import data_folder, make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path


Period: TypeAlias = Literal["session", "day", "notebook"]

_WARNING = Decimal("0.8")
"""From this share on the usage line says how much of the budget is used."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent in a period."""

    usd: Decimal
    period: Period = "session"

    def check(
        self, spent_usd: Decimal, reserved_usd: Decimal, estimate_usd: Decimal | None
    ) -> None:
        """Refuse a request whose estimate would exceed the budget; nothing was sent.

        Parameters
        ----------
        reserved_usd
            What other requests in flight are expected to cost.
        estimate_usd
            What this request is expected to cost; `None`: unknown, so no budget could hold.

        Raises
        ------
        OptionError
            The estimate exceeds what is left, or is unknown.
        """
        left = f"{format_usd(spent_usd)} of {format_usd(self.usd)} per {self.period} is spent"
        if reserved_usd:
            left += f", {format_usd(reserved_usd)} is reserved for requests in flight"
        if estimate_usd is None:
            raise OptionError(
                f"the price of this model is unknown, so the budget cannot hold ({left});"
                " nothing was sent",
                hint="choose a model with a known price, or %cmd budget off",
            )
        if spent_usd + reserved_usd + estimate_usd > self.usd:
            raise OptionError(
                f"the request is estimated at ~{format_usd(estimate_usd)} and would exceed the"
                f" budget: {left}; nothing was sent",
                hint="a smaller --max-tokens, a cheaper model, or %cmd budget AMOUNT",
            )

    def note(self, spent_usd: Decimal) -> str | None:
        """Say how much of the budget is used, from 80 % on."""
        if spent_usd < self.usd * _WARNING:
            return None
        share = int(spent_usd * 100 / self.usd) if self.usd else 100
        return f"{share} % of the budget of {format_usd(self.usd)} per {self.period} used"


def parse_budget(text: str) -> Budget | None:
    """Read `AMOUNT [--per session|day|notebook]`; `None` is `off`.

    Raises
    ------
    OptionError
        It is neither.
    """
    words = text.split()
    if words == ["off"]:
        return None
    period = "session"
    if len(words) == 3 and words[1] == "--per":  # noqa: PLR2004  AMOUNT --per PERIOD
        period = words.pop()
        words.pop()
    try:
        usd = Decimal(words[0].removeprefix("$")) if len(words) == 1 else Decimal("nan")
    except InvalidOperation:
        usd = Decimal("nan")
    if not usd.is_finite() or usd < 0 or period not in get_args(Period):
        raise OptionError(
            f"%cmd budget takes an amount in US dollars or off, not {text!r}",
            hint="an example: %cmd budget 0.50 --per day (or session, or notebook)",
        )
    return Budget(usd, cast("Period", period))


# ── budgets of days and notebooks hold over restarts


def load_budget(notebook: str) -> Budget | None:
    """Return the budget that was set for this notebook, else for every day."""
    kept = _read(data_folder() / "budgets.json")
    for name, period in ((f"notebook {notebook}", "notebook"), ("day", "day")):
        if name in kept:
            try:
                return Budget(Decimal(kept[name]), cast("Period", period))
            except InvalidOperation:
                raise ConfigError(
                    f"budgets.json holds {kept[name]!r}, which is no amount",
                    hint="%cmd budget off removes it",
                ) from None
    return None


def save_budget(budget: Budget | None, notebook: str) -> None:
    """Keep a budget of a day or notebook for later kernels; `None` removes both."""
    path = data_folder() / "budgets.json"
    kept = _read(path)
    names = {"day": "day", "notebook": f"notebook {notebook}"}
    for name in names.values():
        kept.pop(name, None)
    if budget is not None and budget.period in names:
        kept[names[budget.period]] = f"{budget.usd:f}"
    if kept or path.exists():
        _write(path, kept)


def _read(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="remove it to begin without a budget"
        ) from None
    return {str(name): str(usd) for name, usd in kept.items()} if isinstance(kept, dict) else {}


def _write(path: Path, kept: dict[str, str]) -> None:
    make_private(path.parent)
    try:
        write_private(path, json.dumps(kept))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
