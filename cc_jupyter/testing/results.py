"""What the checks of a cell say, over all its answers and repetitions."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.statistics import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence


_MAX_SHOWN = 3
"""Answers that a failure shows."""
_MAX_TEXT_CHARS = 2_000
_ABOUT_ANSWERS = frozenset({"GridError", "CheckError"})
"""Errors of a grid cell that its rate counts already."""
_SAID_BY_ANSWERS = (*_ABOUT_ANSWERS, "BrokenCheckError")
"""Errors that the answers shown explain in full."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check of one answer."""

    expression: str
    passed: bool | None
    """`None`: it raised, or says nothing about the answer."""
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """One answer and its checks."""

    label: str
    """The model, or the varied options of a grid."""
    prompt: str
    answer: str
    error: str
    """Why there is no usable answer; empty if there is one."""
    checks: list[CheckOutcome]

    @property
    def passed(self) -> bool:
        """Whether all its checks are true."""
        return not self.error and bool(self.checks) and all(each.passed for each in self.checks)


@dataclass(frozen=True, slots=True)
class CellRun:
    """One execution of a cell."""

    error_name: str = ""
    """Empty: it succeeded."""
    error: str = ""
    outputs: str = ""
    is_grid: bool = False
    answers: list[CheckedAnswer] = field(default_factory=list)
    usd: Decimal = Decimal(0)
    unknown: int = 0
    """The number of requests of unknown cost."""
    difference: str = ""
    """How a request that is not recorded differs from the nearest one, word by word."""

    @property
    def failure(self) -> str:
        """The error, and what explains it."""
        return "\n\n".join(
            filter(None, (self.error, self.difference and _compared(self.difference)))
        )

    @property
    def trials(self) -> list[bool]:
        """For each answer of a grid, or for the whole execution, whether it passed."""
        if self.is_grid and self.answers:
            return [each.passed for each in self.answers]
        return [not self.error_name and any(each.checks for each in self.answers)]

    @property
    def problem(self) -> str:
        """What fails the test whatever its rate: an error in a check or in other code."""
        broken = [each for answer in self.answers for each in answer.checks if each.passed is None]
        if broken:
            return "\n".join(filter(None, (broken[0].message, broken[0].hint)))
        if self.is_grid and self.answers and self.error_name not in ("", *_ABOUT_ANSWERS):
            return self.error
        if not self.error_name and not any(each.checks for each in self.answers):
            return "no check was evaluated: the cell asked nothing"
        return ""


def read_run(report: dict[str, Any], **ended: str) -> CellRun:
    """Return an execution from what the kernel reports about it."""
    answers = [
        CheckedAnswer(**{**each, "checks": [CheckOutcome(**check) for check in each["checks"]]})
        for each in report["answers"]
    ]
    return CellRun(
        **ended,
        is_grid=report["is_grid"],
        answers=answers,
        usd=Decimal(report["usd"]),
        unknown=report["unknown"],
        difference=report["difference"],
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a test has passed, and why not."""

    runs: Sequence[CellRun]
    min_pass: float

    @property
    def passed(self) -> int:
        """How many trials passed."""
        return sum(sum(run.trials) for run in self.runs)

    @property
    def count(self) -> int:
        """How many trials there are: answers of a grid, else executions."""
        return sum(len(run.trials) for run in self.runs)

    @property
    def is_passed(self) -> bool:
        """Whether enough trials passed, and no check was broken."""
        is_enough = self.passed >= self.min_pass * self.count - 1e-9
        return is_enough and not any(run.problem for run in self.runs)

    @property
    def rate(self) -> str:
        """The rate, with its 95 % interval if there is more than one trial."""
        text = f"{self.passed:,} of {self.count:,} passed"
        if self.count == 1:
            return text
        low, high = wilson_interval(self.passed, self.count)
        share = f"{100 * self.passed / self.count:.0f} %"
        return f"{text} ({share}, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"

    @property
    def usd(self) -> Decimal:
        """What it cost; unknown costs add nothing."""
        return sum((run.usd for run in self.runs), Decimal(0))

    def explanation(self) -> str:
        """Return why it failed: the rate, then prompt, answer and checks of what did not pass."""
        required = f"; --cmd-min-pass is {self.min_pass:g}" if self.count > 1 else ""
        failed = [
            answer
            for run in self.runs
            if not all(run.trials) or run.problem
            for answer in run.answers
            if not answer.passed
        ]
        shown = [_shown(answer) for answer in failed[:_MAX_SHOWN]]
        if len(failed) > _MAX_SHOWN:
            more = pluralize(len(failed) - _MAX_SHOWN, "more answer")
            shown.append(f"{more} did not pass")
        others = [each for run in self.runs for each in (run.problem, run.error) if each]
        said = "\n".join(shown)
        shown += [
            each
            for each in list(dict.fromkeys(others))[:_MAX_SHOWN]
            if each not in said and not (failed and each.startswith(_SAID_BY_ANSWERS))
        ]
        reason = next((_reason(answer) for answer in failed), shown[-1].partition("\n")[0])
        missed = (run.difference for run in self.runs if run.difference and not all(run.trials))
        shown += [_compared(each) for each in dict.fromkeys(missed)]
        return "\n\n".join((f"{self.rate}{required}: {reason}", *shown))


def _reason(answer: CheckedAnswer) -> str:
    return answer.error or next((each.message for each in answer.checks if not each.passed), "")


def _shown(answer: CheckedAnswer) -> str:
    lines = []
    if answer.prompt:
        lines += ["prompt:", _indented(answer.prompt)]
    lines += [f"answer ({answer.label}):", _indented(answer.answer or "(no text)")]
    for each in answer.checks:
        if not each.passed:
            lines += [each.message, *([each.hint] if each.hint else [])]
    if answer.error:
        lines.append(answer.error)
    return "\n".join(lines)


def _compared(difference: str) -> str:
    return f"the request, compared with the nearest recorded one:\n{_indented(difference)}"


def _indented(text: str) -> str:
    if len(text) > _MAX_TEXT_CHARS:
        text = f"{text[:_MAX_TEXT_CHARS]} … ({len(text):,} characters)"
    return textwrap.indent(text.rstrip("\n"), "    ")
