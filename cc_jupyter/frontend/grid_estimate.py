"""Estimate what the grid in a cell would send and cost, without evaluating code of the user.

Expressions count as they are typed: the values of `{{ }}`, images and the type of the answer add
what they add. A name of `--vary` counts as one value.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import TurnKey
from cc_jupyter.core.money import format_usd
from cc_jupyter.experiments.plan import make_plan
from cc_jupyter.models.registry import chosen_model, settings_for
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.options import GridOptions, parse_cell_line
from cc_jupyter.session.run_limits import RunLimits, check_run, estimate_run

if TYPE_CHECKING:
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.prompt.options import CellOptions
    from cc_jupyter.session.run_limits import RunEstimate
    from cc_jupyter.session.session import Session


@dataclasses.dataclass(frozen=True, slots=True)
class CellPlace:
    """A cell that is not running."""

    notebook: str
    cell_id: str
    token: object = None

    def turn_key(self) -> TurnKey:
        """Return the key of the first request of its next execution."""
        return TurnKey(self.notebook, self.cell_id, 0)


class _NoNames:
    """A shell without names: nothing is evaluated."""

    history_manager = None

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}

    def set_next_input(self, s: str, replace: bool = False) -> None:  # noqa: FBT001, FBT002  IPython's
        """Add no cell."""


def estimate_grid(session: Session, cell: CellPlace, line: str, text: str) -> dict[str, Any]:
    """Return the body of an `estimate` message.

    Raises
    ------
    CcError
        The line is wrong or incomplete, or nothing in it can be sent.
    """
    options = parse_cell_line(line)
    if options.grid is None:
        raise OptionError("the cell is no grid", hint="a list, -n or --vary makes it one")
    varied = any(axis.expression is not None for axis in options.grid.axes)
    settings = session.settings()
    _check_known(options, session, settings)
    plan = make_plan(
        _without_code(options, session),
        text,
        builder=PromptBuilder(_NoNames(), {}, settings.value_limits),
        cell=cell,
        preparer=session.preparer,
        settings=settings,
    )
    ready = [each.prepared for each in plan.combinations if each.prepared is not None]
    estimate = estimate_run(ready * plan.samples, session.budget_guard, session.now())
    limits = RunLimits(options.max_usd, options.max_requests)
    return {
        "requests": estimate.requests,
        "cost": _cost(estimate),
        "needs": "" if varied else _needs(estimate, limits, ready[0].settings),
    }


def _check_known(options: CellOptions, session: Session, settings: Settings) -> None:
    """Raise an error for a model in no list: it may be half typed, and a look-up is a request."""
    axes = options.grid.axes if options.grid else ()
    named = next((axis.values for axis in axes if axis.name == "model"), (options.model,))
    for name in (chosen_model(each, settings) for each in named):
        if name not in session.models.known(settings_for(name, settings)):
            raise OptionError(f"the model {name!r} is in no list, so it has no estimate")


def _without_code(options: CellOptions, session: Session) -> CellOptions:
    """Return the options without what only the user's names can tell."""
    grid = options.grid or GridOptions()
    axes = tuple(axis for axis in grid.axes if axis.expression is None)
    # a name that is still being typed must not become a thread
    is_new = options.thread is not None and options.thread not in session.conversations.names
    return options._replace(
        grid=grid._replace(axes=axes),
        raw=True,
        image=(),
        type=None,
        format=None,
        once=options.once or is_new,
        thread=None if is_new else options.thread,
    )


def _cost(estimate: RunEstimate) -> str:
    if estimate.unpriced == estimate.requests:
        return ""
    return f"{format_usd(estimate.usd, estimated=True)}{' + ?' if estimate.unpriced else ''}"


def _needs(estimate: RunEstimate, limits: RunLimits, settings: Settings) -> str:
    """Return what to add to the line, if the grid would be refused without it."""
    try:
        check_run(estimate, limits, settings.refuse_above_usd)
    except OptionError as error:
        return (error.hint or "").split(" to ")[0]
    return ""
