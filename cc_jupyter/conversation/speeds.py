"""How fast each model was for this user: medians over its last answers.

The timings come from the store or from the turns of this session.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cc_jupyter.conversation.records import TurnRecord


LAST_TURNS = 20
"""The number of a model's last answers that determine its speed."""
_MIN_TOKENS = 10
"""Shorter answers are too short to measure speed, as in the usage line."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing of one successful answer."""

    model: str
    first_token_s: float
    duration_s: float
    """From sending the request to the end of the answer, the wait for the first token included."""
    output_tokens: int | None
    """`None` if not reported."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over a model's last answers."""

    answers: int
    first_token_s: float
    tokens_per_s: float | None
    """`None` if no answer was long enough to measure."""


def timings_of(records: Iterable[TurnRecord]) -> list[Timing]:
    """Return the timings of successful turns, newest first.

    Parameters
    ----------
    records
        Turns, oldest first.
    """
    successful = [each for each in records if each.finished and each.error is None]
    return [
        Timing(each.model, each.time_to_first_token_s, each.duration_s, each.usage.output_tokens)
        for each in reversed(successful)
        if each.time_to_first_token_s is not None
    ]


def speeds(timings: Iterable[Timing]) -> dict[str, Speed]:
    """Return the speed of each model by id.

    Parameters
    ----------
    timings
        Newest first.
    """
    by_model: defaultdict[str, list[Timing]] = defaultdict(list)
    for timing in timings:
        by_model[timing.model].append(timing)
    return {model: _speed(found[:LAST_TURNS]) for model, found in by_model.items()}


def _speed(timings: list[Timing]) -> Speed:
    rates = [rate for each in timings if (rate := _tokens_per_s(each)) is not None]
    return Speed(
        len(timings),
        median(each.first_token_s for each in timings),
        median(rates) if rates else None,
    )


def _tokens_per_s(timing: Timing) -> float | None:
    streaming_s = timing.duration_s - timing.first_token_s
    tokens = timing.output_tokens
    if tokens is None or tokens < _MIN_TOKENS or streaming_s <= 0:
        return None
    return tokens / streaming_s
