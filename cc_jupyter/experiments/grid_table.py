"""A grid as a DataFrame, a row for each answer, and as a summary, a row for each combination."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.display import FigureTable, data_frame
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.events import USAGE_FIELDS
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.experiments.agreement import compare_answers
from cc_jupyter.experiments.figures import answer_replies, cost_origin, median, total_cost
from cc_jupyter.experiments.statistics import bootstrap_interval, wilson_interval
from cc_jupyter.render.usage_line import seconds, tokens_per_s

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cc_jupyter.core.display import Row
    from cc_jupyter.experiments.grid import Grid, GridAnswer
    from cc_jupyter.experiments.plan import Plan
    from cc_jupyter.experiments.statistics import Interval


_FIRST = ("sample", "answer", "value")
_LAST = (
    *USAGE_FIELDS,
    *("cost_usd", "cost_origin", "first_token_s", "total_s", "stop_reason", "error"),
    "request_key",
)
_LONGEST_NAME = 60


def answer_frame(grid: Grid) -> Any:  # noqa: ANN401  pandas is optional
    """Return a pandas DataFrame with a row for each answer.

    Its columns are the varied options, `sample`, `answer`, `value`, one for each check (named by
    its expression), token counts, cost, times and provenance. What is unknown is missing.

    Raises
    ------
    ConfigError
        pandas is not installed.
    """
    plan = grid.plan
    options, checks = _option_columns(plan), _check_columns(plan)
    rows = [_row(answer, options, checks) for answer in grid.answers]
    columns = [*options.values(), *_FIRST, *checks, *_LAST]
    frame = data_frame(rows, columns, instead="`answers` of the grid has the same")
    whole = dict.fromkeys(USAGE_FIELDS, "Int64")
    numbers = dict.fromkeys(("cost_usd", "first_token_s", "total_s"), "float64")
    return frame.astype({**dict.fromkeys(checks, "boolean"), **whole, **numbers})


def _option_columns(plan: Plan) -> dict[str, str]:
    """Return the column of each varied option; a name of `--vary` may be that of another column."""
    taken = {*_FIRST, *_LAST}
    return {name: f"vary_{name}" if name in taken else name for name in plan.options}


def _check_columns(plan: Plan) -> list[str]:
    taken = {*_option_columns(plan).values(), *_FIRST, *_LAST}
    return [f"check {check}" if check in taken else check for check in plan.checks]


def _row(answer: GridAnswer, options: dict[str, str], checks: Sequence[str]) -> Row:
    reply = answer.reply
    usd = reply.cost.usd
    return {
        **{column: answer.combination.options[name] for name, column in options.items()},
        "sample": answer.sample,
        "answer": reply.text,
        "value": answer.value,
        **dict(zip(checks, answer.checks or (None,) * len(checks), strict=True)),
        **{name: getattr(reply.usage, name) for name in USAGE_FIELDS},
        "cost_usd": None if usd is None else float(usd),
        "cost_origin": cost_origin(reply.cost),
        "first_token_s": reply.time_to_first_token_s,
        "total_s": reply.duration_s,
        "stop_reason": reply.stop_reason,
        "error": None if reply.error is None else _error_text(reply.error),
        "request_key": reply.provenance.request_key,
    }


def _error_text(error: BaseException) -> str:
    return ": ".join(filter(None, [type(error).__name__, str(error)]))


class PassRate(NamedTuple):
    """The rate of answers that pass every check."""

    rate: float
    interval: Interval
    prompts: int
    """The number of prompts it is a mean over."""


def passes(answer: GridAnswer) -> bool | None:
    """Return whether an answer passes every check; `None` if that is unknown."""
    if answer.failed or not answer.checks:
        return None
    if False in answer.checks:
        return False
    return None if None in answer.checks else True


def pass_rate(answers: Sequence[GridAnswer]) -> PassRate | None:
    """Return the pass rate of answers; `None` if no check could be evaluated for any of them."""
    prompts: dict[object, list[bool]] = {}
    for answer in answers:
        if (passed := passes(answer)) is not None:
            prompts.setdefault(answer.combination.prompt_id, []).append(passed)
    if not prompts:
        return None
    rates = [fmean(results) for results in prompts.values()]
    if len(rates) > 1:
        return PassRate(fmean(rates), bootstrap_interval(rates), len(rates))
    (results,) = prompts.values()
    return PassRate(rates[0], wilson_interval(sum(results), len(results)), 1)


def summary_groups(
    grid: Grid, over: Collection[str] | None = None
) -> list[tuple[dict[str, Any], list[GridAnswer]]]:
    """Return the answers of each row of a summary, with the options that they share.

    Raises
    ------
    OptionError
        `over` has a name that is not one of `--vary`.
    """
    plan = grid.plan
    varied = plan.varied_names
    if over is None:
        over = varied if len(varied) < len(plan.options) else ()
    elif unknown := [name for name in over if name not in varied]:
        known = f"it varies {', '.join(varied)}" if varied else "this grid has no --vary"
        raise OptionError(f"cannot summarise over {unknown[0]}: {known}")
    groups: dict[tuple[str, ...], tuple[dict[str, Any], list[GridAnswer]]] = {}
    for answer in grid.answers:
        options = {
            name: value for name, value in answer.combination.options.items() if name not in over
        }
        key = tuple(f"{name}={value!r}" for name, value in options.items())
        groups.setdefault(key, (options, []))[1].append(answer)
    return list(groups.values())


def summary_table(grid: Grid, over: Collection[str] | None = None) -> FigureTable:
    """Return the summary of a grid; see `Grid.summary`."""
    prompts = compare_answers(grid)
    compared = {
        combination.index
        for each in prompts
        if each.has_most_frequent
        for combination in each.combinations
    }
    deviating = {place for prompt in prompts for place in prompt.deviating}
    shown, figures = [], []
    most = 1
    for options, answers in summary_groups(grid, over):
        same = [
            (answer.combination.index, answer.sample) not in deviating
            for answer in answers
            if not answer.failed and answer.combination.index in compared
        ]
        row = _figures(answers, fmean(same) if same else None)
        figures.append({**options, **row})
        rate = pass_rate(answers)
        most = max(most, rate.prompts if rate else 1)
        labels = {name: excerpt(str(value), _LONGEST_NAME) for name, value in options.items()}
        shown.append({**labels, **_shown(row, answers)})
    for column in ("agreement", "pass rate"):
        if all(not row[column] for row in shown):
            shown = [{name: row[name] for name in row if name != column} for row in shown]
    return FigureTable(shown, figures, _caption(grid, most))


def _figures(answers: Sequence[GridAnswer], agreement: float | None) -> Row:
    finished = [answer.reply for answer in answers if not answer.failed]
    rate, cost = pass_rate(answers), total_cost(answer_replies(answers))
    return {
        "n": len(answers),
        "failed": sum(answer.failed for answer in answers),
        "agreement": agreement,
        "pass_rate": rate and rate.rate,
        "pass_rate_low": rate and rate.interval.low,
        "pass_rate_high": rate and rate.interval.high,
        "cost_usd": None if cost.unknown else float(cost.usd),
        "cost_origin": cost.origin,
        "median_output_tokens": median(reply.usage.output_tokens for reply in finished),
        "median_first_token_s": median(reply.time_to_first_token_s for reply in finished),
        "median_tokens_per_s": median(tokens_per_s(reply) for reply in finished),
        "median_total_s": median(reply.duration_s for reply in finished),
    }


def _shown(row: Row, answers: Sequence[GridAnswer]) -> Row:
    speed, tokens = row["median_tokens_per_s"], row["median_output_tokens"]
    return {
        "n": row["n"],
        "failed": row["failed"],
        "agreement": _percent(row["agreement"]),
        "pass rate": _rate_text(row),
        "cost": f"{total_cost(answer_replies(answers))} {row['cost_origin']}",
        "out": "?" if tokens is None else f"{tokens:,.0f}",
        "first token": _seconds(row["median_first_token_s"]),
        "tok/s": "?" if speed is None else f"{speed:,.0f}",
        "total": _seconds(row["median_total_s"]),
    }


def _rate_text(row: Row) -> str:
    if row["pass_rate"] is None:
        return ""
    return (
        f"{_percent(row['pass_rate'])} ({100 * row['pass_rate_low']:.0f}"
        f" to {100 * row['pass_rate_high']:.0f} %)"
    )


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.0f} %"


def _seconds(value_s: float | None) -> str:
    return "?" if value_s is None else seconds(value_s)


def _caption(grid: Grid, prompts: int) -> str:
    parts = ["out, first token, tok/s and total are medians"]
    if grid.plan.checks:
        how = (
            f"the mean of the rates of {pluralize(prompts, 'prompt')}, with a 95 % bootstrap"
            " interval over the prompts"
            if prompts > 1
            else "the share of answers that pass every check, with its 95 % Wilson interval"
        )
        parts.insert(0, f"pass rate: {how}")
    return "; ".join(parts)
