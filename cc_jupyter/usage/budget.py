"""Budgets: limits on spending, checked before a request is sent and while it streams."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, cast

from cc_jupyter.core.errors import BudgetError, ConfigError, OptionError
from cc_jupyter.core.paths import data_folder, make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path


Period: TypeAlias = Literal["session", "day", "notebook"]

_WARNING = Decimal("0.8")
"""From this share of the budget on, the usage line mentions it."""


class Budget(NamedTuple):
    """A spending limit for a period."""

    usd: Decimal
    period: Period = "session"
    set_by: str = ""
    """The policy file that sets it; empty: the user does."""

    @property
    def remedy(self) -> str:
        """What to do to spend more."""
        if self.set_by:
            return f"{self.set_by} sets the budget; ask who administers this machine"
        return "%cmd budget AMOUNT raises the budget"

    def check(
        self, spent_usd: Decimal, reserved_usd: Decimal, estimate_usd: Decimal | None
    ) -> None:
        """Raise an error if a request is likely to exceed the budget.

        Parameters
        ----------
        reserved_usd
            What other requests in flight are expected to cost.
        estimate_usd
            The estimated cost of the request; `None` if unknown, so the budget cannot be enforced.

        Raises
        ------
        BudgetError
            The estimate exceeds what is left; nothing was sent.
        OptionError
            There is no estimate; nothing was sent.
        """
        from cc_jupyter.core.money import format_usd  # noqa: PLC0415  most sessions have no budget

        spent = f"{format_usd(spent_usd)} of {format_usd(self.usd)} per {self.period} spent so far"
        if reserved_usd:
            spent += f", {format_usd(reserved_usd)} reserved for requests in flight"
        if estimate_usd is None:
            raise OptionError(
                f"the price of this model is unknown, so the budget cannot be enforced ({spent});"
                " nothing was sent",
                hint="choose a model with a known price"
                + ("" if self.set_by else ", or %cmd budget off"),
            )
        if spent_usd + reserved_usd + estimate_usd > self.usd:
            raise BudgetError(
                f"the request is estimated at {format_usd(estimate_usd, estimated=True)} and would"
                f" exceed the budget: {spent}; nothing was sent",
                hint="lower --max-tokens, choose a cheaper model"
                + (f"; {self.remedy}" if self.set_by else ", or %cmd budget AMOUNT"),
            )

    def note(self, spent_usd: Decimal) -> str | None:
        """Return how much of the budget is used, from 80 % on."""
        if spent_usd < self.usd * _WARNING:
            return None
        from cc_jupyter.core.money import format_usd  # noqa: PLC0415  most sessions have no budget

        share = int(spent_usd * 100 / self.usd) if self.usd else 100
        return f"{share} % of the budget of {format_usd(self.usd)} per {self.period} used"


def load_budget(notebook: str) -> Budget | None:
    """Return the saved budget of a notebook, else that of a day; both survive restarts."""
    saved = _read(data_folder() / "budgets.json")
    for name, period in ((f"notebook {notebook}", "notebook"), ("day", "day")):
        if name in saved:
            try:
                return Budget(Decimal(saved[name]), cast("Period", period))
            except InvalidOperation:
                raise ConfigError(
                    f"budgets.json has {saved[name]!r}, which is not an amount",
                    hint="%cmd budget off removes it",
                ) from None
    return None


def save_budget(budget: Budget | None, notebook: str) -> None:
    """Save the budget of a day or notebook for later kernels; `None` removes both."""
    saved = _read(data_folder() / "budgets.json")
    names = {"day": "day", "notebook": f"notebook {notebook}"}
    for name in names.values():
        saved.pop(name, None)
    if budget is not None and budget.period in names:
        saved[names[budget.period]] = f"{budget.usd:f}"
    _write(saved)


def move_budget(old: str, new: str) -> None:
    """Let the budget of a renamed notebook follow it.

    Raises
    ------
    ConfigError
        The file of budgets cannot be read or written.
    """
    saved = _read(data_folder() / "budgets.json")
    usd = saved.pop(f"notebook {old}", None)
    if usd is not None:
        _write({f"notebook {new}": usd, **saved})


def _write(saved: dict[str, str]) -> None:
    path = data_folder() / "budgets.json"
    if not saved and not path.exists():
        return
    make_private(path.parent)
    try:
        write_private(path, json.dumps(saved))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path) -> dict[str, str]:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # a home folder may be none: /dev/null
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="remove the file to start without a budget"
        ) from None
    return {str(name): str(usd) for name, usd in saved.items()} if isinstance(saved, dict) else {}
