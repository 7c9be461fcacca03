"""How far the answers to the same prompt agree: typed values, and short answers.

Long answers differ in every word, so nothing is computed for a prompt with such an answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from cc_jupyter.experiments.grid import Grid, GridAnswer
    from cc_jupyter.experiments.plan import Combination


MAX_CHARACTERS = 80
"""Longer answers are not compared, unless they have a type."""
_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class PromptAnswers:
    """The answers to one prompt, from all combinations that ask it."""

    number: int
    """Its place among the prompts of the plan, from 1."""
    combinations: tuple[Combination, ...]
    counts: tuple[tuple[str, int], ...] = ()
    """The values with the number of answers equal to each, the most frequent first; empty if they
    cannot be compared."""
    deviating: frozenset[tuple[int, int]] = frozenset()
    """The answers, by combination and sample, that differ from the most frequent value; all of
    them if none is the most frequent."""

    @property
    def agreeing(self) -> int:
        """The number of answers equal to the most frequent value."""
        return self.counts[0][1] if self.counts else 0

    @property
    def total(self) -> int:
        """The number of answers that were compared."""
        return sum(count for _, count in self.counts)

    @property
    def has_most_frequent(self) -> bool:
        """Whether one value is more frequent than any other."""
        return len(self.deviating) < self.total

    @property
    def differs(self) -> bool:
        """Whether there are different answers."""
        return len(self.counts) > 1


def compare_answers(grid: Grid) -> tuple[PromptAnswers, ...]:
    """Return the answers to each prompt of a grid, in the order of the plan."""
    prompts: dict[tuple[str, str | None], list[Combination]] = {}
    for combination in grid.plan.combinations:
        prompts.setdefault(combination.prompt_id, []).append(combination)
    return tuple(
        _compared(grid, number, combinations)
        for number, combinations in enumerate(prompts.values(), start=1)
    )


def _compared(grid: Grid, number: int, combinations: Sequence[Combination]) -> PromptAnswers:
    is_typed = grid.plan.output_type is not None
    answers = [
        answer
        for combination in combinations
        for answer in grid.answers_of(combination)
        if not answer.failed
    ]
    keys = [_key(answer, is_typed=is_typed) for answer in answers]
    if len(keys) < 2 or None in keys:  # noqa: PLR2004  one answer agrees with itself
        return PromptAnswers(number, tuple(combinations))
    counts = Counter(keys).most_common()
    shown = {key: _shown(answer) for key, answer in zip(keys, answers, strict=True)}
    has_majority = len(counts) == 1 or counts[0][1] > counts[1][1]
    deviating = frozenset(
        (answer.combination.index, answer.sample)
        for key, answer in zip(keys, answers, strict=True)
        if not has_majority or key != counts[0][0]
    )
    return PromptAnswers(
        number, tuple(combinations), tuple((shown[key], n) for key, n in counts), deviating
    )


def _key(answer: GridAnswer, *, is_typed: bool) -> Hashable | None:
    """Return what is equal for equal answers; `None`: it cannot be compared."""
    if not is_typed:
        text = " ".join(answer.reply.text.split())
        return text if 0 < len(text) <= MAX_CHARACTERS else None
    value = answer.value
    # in a tuple, so that a value of `None` is one; `True` is no 1
    return (type(value), value) if _is_hashable(value) else (type(value), repr(value))


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _shown(answer: GridAnswer) -> str:
    value = answer.value
    return excerpt(value if isinstance(value, str) else repr(value), _LONGEST_SHOWN)


def agreement_line(prompts: Sequence[PromptAnswers]) -> str:
    """Return a sentence on the agreement; empty where nothing can be compared."""
    compared = [prompt for prompt in prompts if prompt.counts]
    if not compared:
        return ""
    agreeing = sum(prompt.agreeing for prompt in compared)
    total = sum(prompt.total for prompt in compared)
    share = f"agreement {100 * agreeing / total:.0f} %"
    differing = sum(prompt.differs for prompt in compared)
    if len(compared) > 1:
        where = f"the answers differ on {differing:,} of {len(compared):,} prompts"
        return f"{share}: {agreeing:,} of {total:,} equal their prompt's most frequent; {where}"
    if not differing:
        return f"{share}: all {total:,} answers are the same"
    if not compared[0].has_most_frequent:
        return f"{share}: no answer is the most frequent of {total:,}"
    return f"{share}: {agreeing:,} of {total:,} answers equal the most frequent"
