"""The answers of a grid as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

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


@dataclass(frozen=True, slots=True, eq=False)
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
