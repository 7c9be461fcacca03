"""Usage as a table, as a plot, and as a methods paragraph for a paper.

The plot shows cost and tokens by day, with matplotlib if it is installed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import FigureTable, TextOutput
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.plots import drawn_plot
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.core.version import __version__
from cc_jupyter.usage.ledger import format_sum, format_tokens, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from cc_jupyter.conversation.records import LedgerRow, TurnRecord
    from cc_jupyter.core.display import Row
    from cc_jupyter.core.plots import Plot


_COLUMNS = (
    *("requests", "failed", "interrupted", "input_tokens", "cache_read_tokens", "output_tokens"),
    *("reported_usd", "estimated_usd", "unknown_cost", "unknown_tokens"),
    *("cache_write_tokens", "reasoning_tokens"),
)
"""The columns of the data frame, which come after the group."""
_MAX_LABELS = 5
_COLORS = 10
"""The size of the default palette; more parts need a longer one, or two look the same."""


def usage_table(
    by: str,
    rows: Sequence[LedgerRow],
    *,
    caption: str,
    prompts: Mapping[str, str] | None = None,
) -> FigureTable:
    """Return a row for each group, and a last one with the sum of all.

    Parameters
    ----------
    caption
        What is added up, in words.
    prompts
        The prompt of each cell by its id. The table shows the first words, the figures have the
        id as well.
    """
    whole = total(rows)
    words = {cell: excerpt(redact(prompt)) for cell, prompt in (prompts or {}).items()}
    shown = [_shown(by, row, words.get(row.group) or row.group) for row in rows]
    if len(rows) != 1:
        shown.append(_shown(by, whole, whole.group))
    data: list[Row] = [
        {
            by: row.group,
            **({} if prompts is None else {"prompt": words.get(row.group, "")}),
            **{name: getattr(row, name) for name in _COLUMNS},
        }
        for row in rows
    ]
    return FigureTable(shown, data, f"{caption}: {format_sum(whole)}")


def _shown(by: str, row: LedgerRow, group: str) -> Row:
    return {
        by: group or "-",
        "requests": row.requests,
        "failed": row.failed,
        "interrupted": row.interrupted,
        "in": format_tokens(row, row.input_tokens),
        "cached": row.cache_read_tokens,
        "out": format_tokens(row, row.output_tokens),
        "reasoning": row.reasoning_tokens,
        "cost": format_sum(row),
    }


def receipt(  # noqa: PLR0913  the facts of a methods paragraph
    rows: Sequence[LedgerRow],
    servers: Sequence[LedgerRow],
    *,
    period: str,
    price_date: date,
    threads: int,
    now: datetime,
) -> TextOutput:
    """Return a methods paragraph about the requests.

    Parameters
    ----------
    rows
        One for each model.
    servers
        One for each server that answered: `api`, `local`, or a host.
    period
        The period of the rows, in words.
    threads
        The number of conversations.
    """
    whole = total(rows)
    if not whole.requests:
        return TextOutput(f"Nothing was sent ({period}; written {now:%Y-%m-%d}).")
    models = "; ".join(_model(row) for row in rows)
    unknown = ""
    if whole.unknown_tokens:
        unknown = f" (the tokens of {pluralize(whole.unknown_tokens, 'request')} are unknown)"
    return TextOutput(
        f"Language models were queried with cc_jupyter {__version__} ({period}; written"
        f" {now:%Y-%m-%d}), served by {', '.join(map(_server, servers))}:"
        f" {pluralize(whole.requests, 'request')} in {pluralize(threads, 'conversation')},"
        f" of which {whole.failed:,} failed and {whole.interrupted:,} were interrupted."
        f" Models: {models}."
        f" Total: {whole.input_tokens:,} prompt tokens ({whole.cache_read_tokens:,} read from"
        f" a cache) and {whole.output_tokens:,} completion tokens{unknown}, as the providers"
        f" reported them. Cost at the prices of {price_date}: {format_sum(whole)}."
    )


def _server(row: LedgerRow) -> str:
    names = {"api": "the Command Code Provider API", "local": "a local model"}
    return f"{names.get(row.group, row.group)} ({pluralize(row.requests, 'request')})"


def _model(row: LedgerRow) -> str:
    return (
        f"{row.group} ({pluralize(row.requests, 'request')}, {row.input_tokens:,} tokens in,"
        f" {row.output_tokens:,} out, {format_sum(row)})"
    )


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """One model on one day."""

    day: date
    model: str
    usd: float
    """The known costs; a plot needs no exact sum."""
    unknown_cost: int
    input_tokens: int
    """Without those read from a cache."""
    cache_read_tokens: int
    output_tokens: int


def usage_points(records: Iterable[TurnRecord]) -> list[UsagePoint]:
    """Return the sums of turns by day and model, oldest first."""
    groups: defaultdict[tuple[date, str], list[TurnRecord]] = defaultdict(list)
    for record in records:
        groups[record.sent_at.astimezone().date(), record.model].append(record)
    return [_point(*place, members) for place, members in sorted(groups.items())]


def _point(day: date, model: str, records: Sequence[TurnRecord]) -> UsagePoint:
    cached = sum(record.usage.cache_read_tokens or 0 for record in records)
    return UsagePoint(
        day,
        model,
        float(sum(record.cost.usd or 0 for record in records)),
        sum(record.cost.usd is None for record in records),
        max(0, sum(record.usage.input_tokens or 0 for record in records) - cached),
        cached,
        sum(record.usage.output_tokens or 0 for record in records),
    )


def plot_usage(points: Sequence[UsagePoint], *, scope: str) -> Plot:
    """Draw cost by day, stacked by model, above the tokens by day.

    Parameters
    ----------
    scope
        What is added up, in words; the title.

    Raises
    ------
    ConfigError
        matplotlib is not installed.
    OptionError
        There is nothing to plot.
    """
    if not points:
        raise OptionError("nothing was sent in this period", hint="%cmd usage --plot --since all")
    return drawn_plot(
        lambda figure: _draw(figure, points, scope),
        size_inches=(8, 5),
        instead="%cmd usage --by day",
    )


def _draw(figure: Any, points: Sequence[UsagePoint], scope: str) -> str:  # noqa: ANN401  matplotlib may be missing
    """Draw into a figure; return a text that describes it."""
    days = sorted({point.day for point in points})
    place = {day: at for at, day in enumerate(days)}
    by_model: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(days))
    by_kind: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(days))
    for point in points:
        at = place[point.day]
        by_model[point.model][at] += point.usd
        by_kind["in"][at] += point.input_tokens
        by_kind["cached"][at] += point.cache_read_tokens
        by_kind["out"][at] += point.output_tokens
    costs, tokens = figure.subplots(2, 1, sharex=True)
    _stack(costs, days, by_model, "USD", legend="model")
    _stack(tokens, days, by_kind, "tokens", legend="kind of tokens")
    costs.set_title(scope, fontsize="small", loc="left")
    tokens.set_xlabel("day")
    shown = _labelled(days)
    tokens.set_xticks([day.toordinal() for day in shown], [day.isoformat() for day in shown])
    tokens.set_xlim(days[0].toordinal() - 1, days[-1].toordinal() + 1)
    unknown = sum(point.unknown_cost for point in points)
    if unknown:
        missing = f"without {pluralize(unknown, 'request')} of unknown cost"
        costs.set_title(missing, fontsize="small", loc="right")
    models, on = pluralize(len(by_model), "model"), pluralize(len(days), "day")
    return f"usage of {models} on {on} ({scope})"


def _labelled(days: Sequence[date]) -> list[date]:
    """Return the days to label, at most five and far enough apart."""
    room = (days[-1] - days[0]) / (_MAX_LABELS - 1)
    shown = [days[0]]
    for day in days[1:]:
        if day - shown[-1] >= room:
            shown.append(day)
    return shown


def _stack(
    axes: Any,  # noqa: ANN401  as above
    days: list[date],
    parts: dict[str, list[float]],
    unit: str,
    *,
    legend: str,
) -> None:
    """Draw stacked bars at their dates, so that a day without requests is a gap."""
    from matplotlib import colormaps  # noqa: PLC0415  as above

    if len(parts) > _COLORS:
        axes.set_prop_cycle(color=[colormaps["tab20"](at % 20) for at in range(len(parts))])
    places, bottom = [day.toordinal() for day in days], [0.0] * len(days)
    for name, heights in parts.items():
        axes.bar(places, heights, bottom=bottom, label=name, width=0.6)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel(unit)
    axes.legend(
        title=legend,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        alignment="left",
    )
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
