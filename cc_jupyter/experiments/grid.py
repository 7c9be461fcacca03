"""The answers of a grid as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from cc_jupyter.core.display import FigureTable
    from cc_jupyter.core.plots import Plot
    from cc_jupyter.core.reply import Reply
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


class Revealing:
    """Whether a blind grid has been revealed, and what to call when it is."""

    def __init__(self) -> None:
        self._is_done = False
        self._listeners: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return self._is_done

    def connect(self, listener: Callable[[], None]) -> None:
        """Call a function when the grid is revealed, such as one that draws its columns again."""
        self._listeners.append(listener)

    def reveal(self) -> None:
        """Call all listeners, once."""
        if not self._is_done:
            self._is_done = True
            for listener in self._listeners:
                listener()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle it without its listeners, which draw in this process."""
        return {"_is_done": self._is_done, "_listeners": []}


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
    """Whether it ran with `--blind`."""
    revealed: Revealing = field(default_factory=Revealing)
    """True once a blind grid shows its models: after its vote, or `%cmd reveal`."""

    @property
    def id(self) -> str:
        """The grid's id, 32 hexadecimal digits."""
        return self.plan.id

    @property
    def hides_models(self) -> bool:
        """Whether the columns are shown without model, price, counts and tempo."""
        return self.is_blind and not self.revealed

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

    def plot(self) -> Plot:
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

    @overload
    def __getitem__(self, index: int) -> Reply: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reply]: ...
    def __getitem__(self, index: int | slice) -> Reply | list[Reply]:
        if isinstance(index, slice):
            return [answer.reply for answer in self.answers[index]]
        return self.answers[index].reply

    def answers_of(self, combination: Combination) -> tuple[GridAnswer, ...]:
        """Return the samples of one combination, in order."""
        first = combination.index * self.plan.samples
        return self.answers[first : first + self.plan.samples]

    def __repr__(self) -> str:
        from cc_jupyter.experiments.figures import answer_replies, total_cost  # noqa: PLC0415  as above

        plan = self.plan
        failed = sum(answer.failed for answer in self.answers)
        combinations = pluralize(len(plan.combinations), "combination")
        parts = [
            f"{combinations} x {pluralize(plan.samples, 'sample')}",
            pluralize(len(self) - failed, "answer"),
            *([f"{failed:,} failed"] if failed else []),
            *([] if self.hides_models else [str(total_cost(answer_replies(self.answers)))]),
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
