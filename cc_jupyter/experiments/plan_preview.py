"""Show what a grid would send, without sending it."""

from __future__ import annotations

import html
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.escaping import scrollable
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.terminal import safe_line
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.session.dry_run import dry_run
from cc_jupyter.session.run_limits import check_run, estimate_run

if TYPE_CHECKING:
    from cc_jupyter.experiments.plan import Combination, Plan
    from cc_jupyter.session.run_limits import RunEstimate, RunLimits
    from cc_jupyter.session.session import Session


_SHOWN_COMBINATIONS = 50
"""So that a saved notebook stays small."""
_LABEL_CHARS = 60
_UNKNOWN_COST = "$?"


class PlanPreview(dict[str, Any]):
    """The requests of a grid as they would be sent: a dict for programs that displays as text."""

    def __str__(self) -> str:
        return f"{self._head}\n{self._rows}\n{self._example}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def _repr_html_(self) -> str:
        wrapped = '<pre style="white-space: pre-wrap">'
        # the columns of the rows are aligned, so long ones scroll
        rows = scrollable(f'<pre style="white-space: pre">{html.escape(self._rows)}</pre>')
        head, example = html.escape(self._head), html.escape(self._example)
        # JupyterLab indents a <pre> that is not inside of something
        return f"<div>{wrapped}{head}</pre>{rows}{wrapped}{example}</pre></div>"

    @property
    def _head(self) -> str:
        columns = pluralize(len(self["combinations"]), "combination")
        each = columns if self["samples"] == 1 else f"{columns}, {self['samples']:,} samples each"
        lines = [f"grid of {pluralize(self['requests'], 'request')} ({each}); nothing was sent"]
        failed = sum(row["error"] is not None for row in self["combinations"])
        if failed:
            lines.append(f"{pluralize(failed, 'combination')} cannot be sent")
        lines.append(f"tokens: in ~{self['input_tokens']:,}, out ~{self['output_tokens']:,}")
        lines.append(f"cost: {self['cost']}")
        if self["refused"] is not None:
            lines.append(f"would be refused: {self['refused']}")
        lines += [f"notice: {notice}" for notice in self["notices"]]
        return "\n".join(lines)

    @property
    def _rows(self) -> str:
        rows = self["combinations"][:_SHOWN_COMBINATIONS]
        labels = [safe_line(excerpt(row["label"], _LABEL_CHARS)) for row in rows]
        width = max(map(len, labels))
        number = len(str(len(rows)))
        lines = [
            f"{at:>{number}}  {label:{width}}  {_figures(row)}"
            for at, (label, row) in enumerate(zip(labels, rows, strict=True), start=1)
        ]
        if more := len(self["combinations"]) - len(rows):
            lines.append(f"… {more:,} more; the value's 'combinations' has all")
        return "\n".join(lines)

    @property
    def _example(self) -> str:
        rows = self["combinations"]
        first = next(at for at, row in enumerate(rows, start=1) if row["error"] is None)
        return f"example, combination {first}:\n{self['example']}"


def preview(plan: Plan, session: Session, limits: RunLimits) -> PlanPreview:
    """Return what a plan would send, with estimated tokens and costs, secrets removed."""
    rows = [_row(each, plan.samples, session) for each in plan.combinations]
    ready = [each.prepared for each in plan.combinations if each.prepared is not None]
    estimate = estimate_run(ready * plan.samples, session.budget_guard, session.now())
    notices = (notice for each in plan.combinations for notice in each.spec.notices)
    return PlanPreview(
        requests=estimate.requests,
        samples=plan.samples,
        input_tokens=estimate.input_tokens,
        output_tokens=estimate.output_tokens,
        cost=_total(estimate),
        refused=_refusal(estimate, limits, ready[0].settings.refuse_above_usd),
        combinations=rows,
        notices=list(dict.fromkeys(notices)),
        example=dry_run(ready[0], session),
    )


def _refusal(
    estimate: RunEstimate, limits: RunLimits, refuse_above_usd: Decimal | None
) -> str | None:
    """Return why the run would be refused and what to add; `None`: it would be sent."""
    try:
        check_run(estimate, limits, refuse_above_usd)
    except OptionError as error:
        return f"{error}; {error.hint}"
    return None


def _row(combination: Combination, samples: int, session: Session) -> dict[str, Any]:
    """Return the figures of one combination, for all its samples."""
    row: dict[str, Any] = {
        "label": combination.label or "one combination",
        "options": dict(combination.options),
        "error": None if combination.error is None else str(combination.error),
        "input_tokens": None,
        "output_tokens": None,
        "cost_usd": None,
    }
    if combination.prepared is None:
        return row
    usage = session.budget_guard.estimate(combination.prepared)
    usd = combination.prepared.cost(usage, session.now()).usd
    return row | {
        "input_tokens": (usage.input_tokens or 0) * samples,
        "output_tokens": (usage.output_tokens or 0) * samples,
        "cost_usd": None if usd is None else EXACT.multiply(usd, Decimal(samples)),
    }


def _figures(row: dict[str, Any]) -> str:
    if row["error"] is not None:
        return f"cannot be sent: {safe_line(row['error'])}"
    tokens = f"in ~{row['input_tokens']:,}, out ~{row['output_tokens']:,} tokens"
    usd = row["cost_usd"]
    return f"{tokens}  {_UNKNOWN_COST if usd is None else format_usd(usd, estimated=True)}"


def _total(estimate: RunEstimate) -> str:
    """Return the estimated cost of all requests; those without a price are counted apart."""
    if estimate.unpriced == estimate.requests:
        return _UNKNOWN_COST
    without = f", and {pluralize(estimate.unpriced, 'request')} without a known price"
    return f"{format_usd(estimate.usd, estimated=True)}{without if estimate.unpriced else ''}"
