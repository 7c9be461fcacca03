"""The answers of a grid as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from cc_jupyter.core.display import FigureTable
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.grid_plot import GridPlot
    from cc_jupyter.experiments.plan import Combination, Plan


@dataclass(frozen=True, slots=True, eq=False)
class GridAnswer:
    """One answer of a grid."""

    combination: Combination
    sample: int
    """Its number among the answers to the same request, from 0."""
    reply: Reply
    """`reply.error` says why it failed; nothing was received then, or only a part."""
    value: object = None
    """The parsed value of a typed grid; the text of any other. `None` if it failed."""
    checks: tuple[bool | None, ...] = ()
    """The result of each check, in the order of the plan; `None`: it could not be evaluated."""
    earlier: tuple[Reply, ...] = ()
    """Replies before it that did not fit the type; they were paid for too."""

    @property
    def failed(self) -> bool:
        """Whether there is no usable answer."""
        return self.reply.error is not None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grid:
    """The answers of all combinations, in the order of the plan.

    `grid[i]` is a reply; the samples of one combination are neighbours.
    """

    plan: Plan
    answers: tuple[GridAnswer, ...]
    """One for each combination and sample; those that were never sent have an error too."""
    started_at: datetime
    """Aware, UTC."""
    duration_s: float
    is_blind: bool = False
    """Whether the columns are shown without model, price, counts and tempo."""

    @property
    def id(self) -> str:
        """The grid's id, 32 hexadecimal digits."""
        return self.plan.id

    @property
    def df(self) -> Any:  # noqa: ANN401  pandas is optional
        """A pandas DataFrame with a row for each answer, in the order of the plan.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        from cc_jupyter.experiments.grid_table import answer_frame  # noqa: PLC0415  pandas

        return answer_frame(self)

    def summary(self, *, over: Collection[str] | None = None) -> FigureTable:
        """Return a row for each combination: answers, failures, agreement, pass rate, medians.

        The pass rate has a 95 % Wilson interval over the samples of one prompt. Over several
        prompts it is the mean of their rates, with a bootstrap over the prompts.

        Parameters
        ----------
        over
            The names of `--vary` to summarise over. By default these are all of them if another
            option varies as well, and none if not.

        Raises
        ------
        OptionError
            `over` has a name that does not vary.
        """
        from cc_jupyter.experiments.grid_table import summary_table  # noqa: PLC0415  used last

        return summary_table(self, over)

    def plot(self) -> GridPlot:
        """Plot cost against pass rate, or against speed if there are no checks.

        Raises
        ------
        ConfigError
            matplotlib is not installed.
        OptionError
            There is nothing to plot.
        """
        from cc_jupyter.experiments.grid_plot import plot_grid  # noqa: PLC0415  matplotlib

        return plot_grid(self)

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[Reply]:
        return (answer.reply for answer in self.answers)

    def __getitem__(self, index: int) -> Reply:
        return self.answers[index].reply

    def answers_of(self, combination: Combination) -> tuple[GridAnswer, ...]:
        """Return the samples of one combination, in order."""
        first = combination.index * self.plan.samples
        return self.answers[first : first + self.plan.samples]

    def __repr__(self) -> str:
        from cc_jupyter.experiments.figures import answer_replies, total_cost  # noqa: PLC0415

        plan = self.plan
        failed = sum(answer.failed for answer in self.answers)
        combinations = pluralize(len(plan.combinations), "combination")
        parts = [
            f"{combinations} x {pluralize(plan.samples, 'sample')}",
            pluralize(len(self) - failed, "answer"),
            *([f"{failed:,} failed"] if failed else []),
            *([] if self.is_blind else [str(total_cost(answer_replies(self.answers)))]),
        ]
        return f"<Grid: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]

    def _repr_mimebundle_(
        self,
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
    ) -> dict[str, str]:
        """Return the final view; IPython's hook."""
        from cc_jupyter.experiments.grid_page import grid_bundle  # noqa: PLC0415  the parser

        del include, exclude
        return grid_bundle(self)
