"""Cost and tokens by day, drawn with matplotlib where it is installed."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.errors import ConfigError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from cc_jupyter.records import TurnRecord


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
        sum(record.usage.input_tokens or 0 for record in records) - cached,
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
        from matplotlib.figure import Figure  # noqa: PLC0415  heavy, and not always there
    except ImportError:
        raise ConfigError(
            "a plot needs matplotlib", hint="pip install matplotlib, or %cmd usage --by day"
        ) from None
    days = sorted({point.day for point in points})
    figure = Figure(figsize=(8, 5), layout="constrained")
    costs, tokens = figure.subplots(2, 1, sharex=True)
    labels = [f"{day:%d %b}" for day in days]
    by_model: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(days))
    by_kind: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(days))
    for point in points:
        at = days.index(point.day)
        by_model[point.model][at] += point.usd
        by_kind["in"][at] += point.input_tokens
        by_kind["cached"][at] += point.cache_read_tokens
        by_kind["out"][at] += point.output_tokens
    _stack(costs, labels, by_model, "USD")
    _stack(tokens, labels, by_kind, "tokens")
    unknown = sum(point.unknown_cost for point in points)
    if unknown:
        costs.set_title(f"without {unknown} of unknown cost", fontsize="small", loc="right")
    said = f"usage of {len(by_model)} models on {len(days)} days"
    return UsagePlot(figure, said)


def _stack(axes: Any, labels: list[str], parts: dict[str, list[float]], unit: str) -> None:  # noqa: ANN401  as above
    bottom = [0.0] * len(labels)
    for name, heights in parts.items():
        axes.bar(labels, heights, bottom=bottom, label=name, width=0.6)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel(unit)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
