"""What both forms of the final view say: the columns in order, and the words in them.

A blind grid has columns A, B, C in an order that follows from its id alone, and nothing that tells
the models apart: no options, tokens, cost or tempo, no error and no notice in a provider's words.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.terminal import safe_line
from cc_jupyter.core.text import excerpt, pluralize
from cc_jupyter.experiments.agreement import agreement_line, compare_answers
from cc_jupyter.experiments.figures import answer_replies, combination_figures, total_cost
from cc_jupyter.render.usage_line import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.experiments.agreement import PromptAnswers
    from cc_jupyter.experiments.figures import CombinationFigures
    from cc_jupyter.experiments.grid import Grid, GridAnswer
    from cc_jupyter.experiments.plan import Combination, Plan


PASSED, FAILED, UNKNOWN, DIFFERS = "✓", "✗", "?", "≠"
_LONGEST_NAME = 100
_LONGEST_CHECK = 80
_LONGEST_PROBLEM = 500
_LONGEST_PROMPT = 120
_MAX_PROMPTS = 100
"""Rows of the table of prompts; those on which the answers differ come first."""
_ENDINGS = {
    "length": "cut at its token limit",
    "content_filter": "refused by the model or a filter",
    "tool_call": "asked for a tool, which was not run",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One combination as it is shown."""

    name: str
    """The varied values, or a letter; one line."""
    combination: Combination
    answers: tuple[GridAnswer, ...]
    prompt: PromptAnswers
    figures: CombinationFigures
    is_blind: bool

    @property
    def deviating(self) -> int:
        """The number of answers that differ from the most frequent one to the same prompt."""
        return sum(self.deviates(answer) for answer in self.answers)

    def deviates(self, answer: GridAnswer) -> bool:
        """Return whether an answer differs from the most frequent one to the same prompt."""
        return (self.combination.index, answer.sample) in self.prompt.deviating


@dataclass(frozen=True, slots=True)
class Page:
    """All that is shown of a grid."""

    grid: Grid
    columns: tuple[Column, ...]
    prompts: tuple[PromptAnswers, ...]

    @property
    def has_prompts(self) -> bool:
        """Whether there are several prompts."""
        return len(self.prompts) > 1


def page_of(grid: Grid) -> Page:
    """Return what is shown of a grid, in the order of the plan."""
    prompts = compare_answers(grid)
    by_combination = {each.index: prompt for prompt in prompts for each in prompt.combinations}
    checks = len(grid.plan.checks)

    def column(name: str, combination: Combination) -> Column:
        answers = grid.answers_of(combination)
        figures = combination_figures(answers, checks)
        prompt = by_combination[combination.index]
        return Column(name, combination, answers, prompt, figures, grid.hides_models)

    if grid.hides_models:
        order = shuffled(grid.plan)
        columns = (column(letters(place), each) for place, each in enumerate(order))
    else:
        columns = (column(column_name(each), each) for each in grid.plan.combinations)
    return Page(grid, tuple(columns), prompts)


def shuffled(plan: Plan) -> list[Combination]:
    """Return the combinations in the order of a blind grid: the same for the same grid."""
    order = list(plan.combinations)
    random.Random(plan.id).shuffle(order)  # noqa: S311  no secret depends on it
    return order


def column_name(combination: Combination) -> str:
    """Return the varied values on one line, shortened."""
    return excerpt(safe_line(combination.label), _LONGEST_NAME) or "answer"


def letters(place: int) -> str:
    """Return the name of a place in a blind grid: A to Z, then AA."""
    rest, letter = divmod(place, len(string.ascii_uppercase))
    return (letters(rest - 1) if rest else "") + string.ascii_uppercase[letter]


def summary_line(grid: Grid) -> str:
    """Return the size of a grid, what failed, its cost and duration."""
    plan = grid.plan
    failed = sum(answer.failed for answer in grid.answers)
    samples = f" x {pluralize(plan.samples, 'sample')}" if plan.samples != 1 else ""
    parts = [
        f"{pluralize(len(plan.combinations), 'combination')}{samples}",
        pluralize(len(grid) - failed, "answer"),
        *([f"{failed:,} failed"] if failed else []),
    ]
    if grid.hides_models:
        return " · ".join([*parts, "blind: %cmd reveal shows which is which"])
    cost = total_cost(answer_replies(grid.answers))
    paid = f"{cost} {cost.origin}"
    if replayed := sum(reply.replayed for reply in grid):
        paid = f"{replayed} of {len(grid)} replayed for $0 (all were {paid})"
    return " · ".join([*parts, paid, seconds(grid.duration_s)])


def agreement(page: Page) -> str:
    """Return the line on how far the answers agree; empty where nothing can be compared."""
    return agreement_line(page.prompts)


def figures_line(column: Column) -> str:
    """Return tokens, cost, first token and speed of a column; empty if they are hidden."""
    if column.is_blind or column.combination.error is not None:
        return ""
    figures = column.figures
    parts = [
        f"in {figures.input_tokens}",
        f"out {figures.output_tokens}",
        f"{figures.cost} {figures.cost.origin}",
    ]
    if figures.first_token_s is not None:
        parts.append(f"{seconds(figures.first_token_s)} to first token")
    if figures.tokens_per_s is not None:
        parts.append(f"{figures.tokens_per_s:,.0f} tok/s")
    if len(column.answers) > 1 and figures.failed:
        parts.append(f"{figures.failed:,} of {figures.count:,} failed")
    return " · ".join(parts)


def check_lines(column: Column, checks: Sequence[str]) -> list[str]:
    """Return a line for each check: whether all answers pass, how many, and its expression."""
    lines = []
    for expression, (passed, known) in zip(checks, column.figures.checks, strict=True):
        mark = UNKNOWN if not known else PASSED if passed == known else FAILED
        count = f" {passed:,} of {known:,}:" if known and len(column.answers) > 1 else ""
        lines.append(f"{mark}{count} {excerpt(safe_line(expression), _LONGEST_CHECK)}")
    return lines


def difference_line(column: Column) -> str:
    """Return that a column differs from the others; empty if it does not."""
    if not column.deviating:
        return ""
    if not column.prompt.has_most_frequent:
        return f"{DIFFERS} no answer is the most frequent"
    of = f" ({column.deviating:,} of {len(column.answers):,})" if len(column.answers) > 1 else ""
    return f"{DIFFERS} differs from the most frequent answer{of}"


def sample_line(column: Column, answer: GridAnswer) -> str:
    """Return the line above one of several samples."""
    marks = {True: PASSED, False: FAILED, None: UNKNOWN}
    parts = [f"sample {answer.sample + 1:,}"]
    tokens = answer.reply.usage.output_tokens
    if tokens is not None and not column.is_blind:
        mark = "~" if "output_tokens" in (answer.reply.usage.estimated or ()) else ""
        parts.append(f"out {mark}{tokens:,}")
    if answer.checks:
        parts.append("".join(marks[passed] for passed in answer.checks))
    if column.deviates(answer):
        parts.append(f"{DIFFERS} differs")
    if answer.failed:
        parts.append(failure_word(answer))
    return " · ".join(parts)


def failure_word(answer: GridAnswer) -> str:
    """Return `failed` or `interrupted`."""
    return "interrupted" if isinstance(answer.reply.error, KeyboardInterrupt) else "failed"


def failure_line(column: Column, answer: GridAnswer) -> str:
    """Return why there is no complete answer; empty if there is one."""
    error = answer.reply.error
    if error is None:
        return ""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if column.is_blind:
        return "failed"
    hint = f" ({error.hint})" if getattr(error, "hint", None) else ""
    return excerpt(f"{type(error).__name__}: {safe_line(f'{error}{hint}')}", _LONGEST_PROBLEM)


def notes(column: Column, answer: GridAnswer) -> list[str]:
    """Return what a reader should know about an answer."""
    reply = answer.reply
    found = [] if answer.failed else [_ENDINGS.get(reply.stop_reason, "")]
    if not (reply.text or reply.images or answer.failed):
        found.append("no text")
    if not column.is_blind:
        found += [excerpt(safe_line(notice), _LONGEST_PROBLEM) for notice in reply.notices]
    return [note for note in found if note]


def prompt_rows(page: Page) -> tuple[list[tuple[str, str, str, str]], int]:
    """Return the table of the prompts: mark, number, text, answers; and how many are left out.

    Prompts on which the answers differ come first.
    """
    ordered = sorted(page.prompts, key=lambda prompt: not prompt.differs)
    rows = [
        (
            DIFFERS if prompt.differs else "",
            f"{prompt.number:,}",
            _prompt_text(prompt.combinations[0]),
            ", ".join(f"{safe_line(value)} ({count:,})" for value, count in prompt.counts),
        )
        for prompt in ordered[:_MAX_PROMPTS]
    ]
    return rows, max(0, len(ordered) - _MAX_PROMPTS)


def prompts_caption(page: Page) -> str:
    """Return the line above the table of the prompts."""
    differing = sum(prompt.differs for prompt in page.prompts)
    count = pluralize(len(page.prompts), "prompt")
    return f"{count}; {DIFFERS} the answers to {differing:,} of them differ" if differing else count


def _prompt_text(combination: Combination) -> str:
    label = excerpt(safe_line(combination.prompt_label), _LONGEST_NAME)
    prompt = combination.redacted(combination.spec.prompt)
    prompt = excerpt(safe_line(prompt), _LONGEST_PROMPT)
    return " · ".join(filter(None, [label, prompt]))
