"""A grid as a plot: what a better answer costs.

The points are the rows of the summary: the cost of 1,000 answers against their pass rate with its
interval, or against their speed where there are no checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.plots import drawn_plot
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.experiments.figures import answer_replies, median, total_cost
from cc_jupyter.experiments.grid_table import pass_rate, summary_groups
from cc_jupyter.experiments.plan import option_label
from cc_jupyter.render.usage_line import tokens_per_s

if TYPE_CHECKING:
    from cc_jupyter.core.plots import Plot
    from cc_jupyter.experiments.grid import Grid


_MARKERS = "osD^vP*Xhp<>"
"""Points differ in shape as well as in colour."""
_LONGEST_LABEL = 60


class _Point(NamedTuple):
    label: str
    usd: float
    """Of 1,000 answers."""
    value: float
    low: float
    high: float


def plot_grid(grid: Grid) -> Plot:
    """Draw cost against pass rate, or against speed if there are no checks.

    Raises
    ------
    ConfigError
        matplotlib is not installed.
    OptionError
        No combination has both figures.
    """
    what = "pass rate" if grid.plan.checks else "speed"
    points, missing = _points(grid)
    if not points:
        raise OptionError(
            f"there is nothing to plot: no combination has a known cost and a {what}",
            hint="summary() of the grid shows what is known",
        )

    def draw(figure: Any) -> str:  # noqa: ANN401  matplotlib may be missing
        _draw(figure, points, missing, has_checks=bool(grid.plan.checks))
        return f"cost against {what} of {pluralize(len(points), 'combination')}"

    return drawn_plot(draw, size_inches=(7, 4.5), instead="use summary() of the grid")


def _points(grid: Grid) -> tuple[list[_Point], int]:
    """Return the points, and how many combinations have none because a figure is unknown."""
    points, groups = list[_Point](), summary_groups(grid)
    for options, answers in groups:
        cost = total_cost(answer_replies(answers))
        label = " · ".join(option_label(name, value) for name, value in options.items())
        label = excerpt(label or "all", _LONGEST_LABEL)
        finished = [answer for answer in answers if not answer.failed]
        if cost.unknown or not finished:
            continue
        usd = 1_000 * float(cost.usd) / len(finished)
        if grid.plan.checks:
            rate = pass_rate(answers)
            if rate is not None:
                points.append(_Point(label, usd, rate.rate, *rate.interval))
        else:
            speed = median(tokens_per_s(answer.reply) for answer in finished)
            if speed is not None:
                points.append(_Point(label, usd, speed, speed, speed))
    return points, len(groups) - len(points)


def _draw(figure: Any, points: list[_Point], missing: int, *, has_checks: bool) -> None:  # noqa: ANN401  as above
    from matplotlib.ticker import MaxNLocator, PercentFormatter  # noqa: PLC0415  heavy and optional

    axes = figure.subplots()
    for at, point in enumerate(points):
        # rounding may put an end of the interval on the wrong side of the rate
        errors = [[max(0, point.value - point.low)], [max(0, point.high - point.value)]]
        axes.errorbar(
            [point.usd],
            [point.value],
            yerr=errors if has_checks else None,
            fmt=_MARKERS[at % len(_MARKERS)],
            color=f"C{at % 10}",
            capsize=3,
            # a label must not be read as a formula or left out, as one with a leading `_` is
            label=f"\u200b{point.label}".replace("$", r"\$"),
        )
    axes.set_xlabel(r"cost of 1,000 answers (US\$)")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if has_checks:
        axes.set_ylabel("pass rate, 95 % interval")
        axes.set_ylim(-0.05, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    else:
        axes.set_ylabel("speed (output tokens a second, median)")
        axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    if missing:
        left_out = f"without {pluralize(missing, 'combination')} of unknown cost or result"
        axes.set_title(left_out, fontsize="small", loc="right")
