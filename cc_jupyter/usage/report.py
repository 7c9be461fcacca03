"""Usage as a table, as a plot, and as a methods paragraph for a paper.

The plot shows cost and tokens by day, with matplotlib if it is installed.
"""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import FigureTable, TextOutput
from cc_jupyter.core.errors import ConfigError, OptionError
from cc_jupyter.core.text import pluralize
from cc_jupyter.core.version import __version__
from cc_jupyter.usage.ledger import format_sum, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from cc_jupyter.conversation.records import LedgerRow, TurnRecord
    from cc_jupyter.core.display import Row


_FIGURES = (
    *("reported_usd", "estimated_usd", "unknown_cost", "unknown_tokens"),
    *("cache_write_tokens", "reasoning_tokens"),
)


def usage_table(by: str, rows: Sequence[LedgerRow], *, caption: str) -> FigureTable:
    """Return a row for each group and the sum of all under them."""
    whole = total(rows)
    every = [*rows, *([whole] if len(rows) != 1 else [])]
    shown = [_shown(by, row) for row in every]
    return FigureTable(
        shown, [_figures(by, row) for row in rows], f"{caption}: {format_sum(whole)}"
    )


def _shown(by: str, row: LedgerRow) -> Row:
    return {
        by: row.group or "-",
        "requests": row.requests,
        "failed": row.failed,
        "interrupted": row.interrupted,
        "in": _tokens(row, row.input_tokens),
        "cached": row.cache_read_tokens,
        "out": _tokens(row, row.output_tokens),
        "reasoning": row.reasoning_tokens,
        "cost": format_sum(row),
    }


def _tokens(row: LedgerRow, tokens: int) -> str:
    """Return a sum of tokens; some are missing where a request reported none."""
    return f"{tokens:,} + ?" if row.unknown_tokens else f"{tokens:,}"


def _figures(by: str, row: LedgerRow) -> Row:
    return {
        by: row.group,
        "requests": row.requests,
        "failed": row.failed,
        "interrupted": row.interrupted,
        "input_tokens": row.input_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "output_tokens": row.output_tokens,
        **{name: getattr(row, name) for name in _FIGURES},
    }


def receipt(  # noqa: PLR0913  what a methods paragraph names
    rows: Sequence[LedgerRow],
    servers: Sequence[LedgerRow],
    *,
    period: str,
    price_date: date,
    threads: int,
    now: datetime,
) -> TextOutput:
    """Write the paragraph.

    Parameters
    ----------
    rows
        One for each model.
    servers
        One for each that answered: `api`, `local`, or a host.
    period
        What the rows add up, in words.
    threads
        How many conversations the requests belonged to.
    """
    whole = total(rows)
    if not whole.requests:
        return TextOutput(f"Nothing was sent ({period}; written {now:%Y-%m-%d}).")
    models = "; ".join(_model(row) for row in rows)
    unknown = ""
    if whole.unknown_tokens:
        unknown = f" (of {pluralize(whole.unknown_tokens, 'request')} the tokens are unknown)"
    return TextOutput(
        f"Language models were asked with cc_jupyter {__version__} ({period}; written"
        f" {now:%Y-%m-%d}), served by {', '.join(map(_server, servers))}:"
        f" {pluralize(whole.requests, 'request')} in {pluralize(threads, 'conversation')},"
        f" of which {whole.failed:,} failed and {whole.interrupted:,} were interrupted."
        f" Models: {models}."
        f" Together {whole.input_tokens:,} prompt tokens ({whole.cache_read_tokens:,} read from"
        f" a cache) and {whole.output_tokens:,} completion tokens{unknown}, as the providers"
        f" reported them. Cost by the price list of {price_date}: {format_sum(whole)}."
    )


def _server(row: LedgerRow) -> str:
    names = {"api": "the Command Code Provider API", "local": "a local model"}
    return f"{names.get(row.group, row.group)} ({pluralize(row.requests, 'request')})"


def _model(row: LedgerRow) -> str:
    return (
        f"{row.group} ({pluralize(row.requests, 'request')}, {row.input_tokens:,} tokens in,"
        f" {row.output_tokens:,} out, {format_sum(row)})"
    )


_MOST_LABELS = 5
_COLOURS = 10
"""More parts than these need a longer palette, or two of them look the same."""


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """One model on one day."""

    day: date
    model: str
    usd: float
    """Known costs; a plot needs no exact sum."""
    unknown_cost: int
    input_tokens: int
    """Without those read from a cache."""
    cache_read_tokens: int
    output_tokens: int


class UsagePlot:
    """A plot that shows itself as a picture; `figure` is matplotlib's, to change or save."""

    def __init__(self, figure: Any, said: str) -> None:  # noqa: ANN401  matplotlib may be missing
        self.figure = figure
        self._said = said

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.figure.savefig(written, format="png", bbox_inches="tight", facecolor="white")
        return written.getvalue()

    def __repr__(self) -> str:
        return self._said


def usage_points(records: Iterable[TurnRecord]) -> list[UsagePoint]:
    """Add turns up by day and model, oldest first."""
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


def plot_usage(points: Sequence[UsagePoint]) -> UsagePlot:
    """Draw cost by day, stacked by model, above the tokens by day.

    Raises
    ------
    ConfigError
        matplotlib is not installed.
    OptionError
        There is nothing to draw.
    """
    if not points:
        raise OptionError("nothing was sent in this time", hint="%cmd usage --plot --since all")
    try:
        from matplotlib import style  # noqa: PLC0415  heavy, and not always there
        from matplotlib.figure import Figure  # noqa: PLC0415  the same
    except ImportError:
        raise ConfigError(
            "a plot needs matplotlib", hint="pip install matplotlib, or %cmd usage --by day"
        ) from None
    with style.context("default"):  # the user's own style may write white on our white
        figure = Figure(figsize=(8, 5), layout="constrained")
        return UsagePlot(figure, _draw(figure, points))


def _draw(figure: Any, points: Sequence[UsagePoint]) -> str:  # noqa: ANN401  as above
    """Draw into a figure; give what it shows, in words."""
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
    _stack(costs, days, by_model, "USD")
    _stack(tokens, days, by_kind, "tokens")
    shown = _labelled(days)
    tokens.set_xticks([day.toordinal() for day in shown], [day.isoformat() for day in shown])
    tokens.set_xlim(days[0].toordinal() - 1, days[-1].toordinal() + 1)
    unknown = sum(point.unknown_cost for point in points)
    if unknown:
        missing = f"without {pluralize(unknown, 'request')} of unknown cost"
        costs.set_title(missing, fontsize="small", loc="right")
    return f"usage of {len(by_model)} models on {len(days)} days"


def _labelled(days: Sequence[date]) -> list[date]:
    """Return the days whose labels have room, however the days are spread."""
    room = (days[-1] - days[0]) / (_MOST_LABELS - 1)
    shown = [days[0]]
    for day in days[1:]:
        if day - shown[-1] >= room:
            shown.append(day)
    return shown


def _stack(axes: Any, days: list[date], parts: dict[str, list[float]], unit: str) -> None:  # noqa: ANN401  as above
    """Stack bars at their days, so that a day without requests is a gap."""
    from matplotlib import colormaps  # noqa: PLC0415  as above

    if len(parts) > _COLOURS:
        axes.set_prop_cycle(color=[colormaps["tab20"](at % 20) for at in range(len(parts))])
    places, bottom = [day.toordinal() for day in days], [0.0] * len(days)
    for name, heights in parts.items():
        axes.bar(places, heights, bottom=bottom, label=name, width=0.6)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel(unit)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
