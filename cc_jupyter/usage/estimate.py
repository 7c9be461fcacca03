"""Estimates a request's tokens before it is sent (always marked `~`), and fits the window.

Tokens per byte differ by model and by text, so the ratio that a model reported last decides; until
it has reported one, four bytes count as a token. A prompt that cannot fit the context window is
refused before sending, or trimmed.
"""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.messages import Request


_RULE_OF_THUMB = Fraction(1, 4)
"""Tokens in a byte of English or code."""
_IMAGE_TOKENS = 1_500
"""For an image: what the larger of the usual sizes takes, so a guess on the safe side."""
_USUAL_ANSWER_TOKENS = 500
_FEWEST, _MOST = Fraction(1, 16), Fraction(2)
"""A ratio beyond is no ratio: the provider counted something else."""
_SHORTEST_BYTES = 1_000
"""What stands around a short prompt weighs more than the prompt."""
_WINDOW_BYTES = 200_000
"""Older reports fade once so many bytes were reported."""


@dataclass(slots=True)
class _Seen:
    tokens: Fraction = Fraction(0)
    size: Fraction = Fraction(0)


class Calibration:
    """Tokens per byte by model, as the models themselves reported them; for use from any thread.

    Parameters
    ----------
    recall
        Gives tokens and bytes that earlier sessions saw of a model; asked once for each.
    """

    def __init__(self, recall: Callable[[str], tuple[int, int] | None] = lambda _: None) -> None:
        self._recall = recall
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def learn(self, model: str, tokens: int | None, size_bytes: int) -> None:
        """Take what a model reported for a prompt of a size; what cannot be is left out."""
        if (
            not tokens
            or size_bytes < _SHORTEST_BYTES
            or not _FEWEST <= Fraction(tokens, size_bytes) <= _MOST
        ):
            return
        seen = self._of(model)
        with self._lock:
            if seen.size > _WINDOW_BYTES:
                seen.tokens, seen.size = seen.tokens / 2, seen.size / 2
            seen.tokens += tokens
            seen.size += size_bytes

    def tokens(self, model: str, size_bytes: int) -> int:
        """Estimate the tokens of a text for a model, rounded up."""
        seen = self._of(model)
        ratio = seen.tokens / seen.size if seen.size else _RULE_OF_THUMB
        return -int(-size_bytes * ratio // 1)

    def _of(self, model: str) -> _Seen:
        with self._lock:
            if model not in self._seen:
                self._seen[model] = seen = _Seen()
                known = self._recall(model)
                if known and known[1] and _FEWEST <= Fraction(*known) <= _MOST:
                    seen.tokens, seen.size = Fraction(known[0]), Fraction(known[1])
            return self._seen[model]


def text_bytes(request: Request) -> int:
    """Return the bytes of all that is said in a request, images left out."""
    said = [message.text for message in request.messages]
    return sum(len(text.encode()) for text in (request.system or "", *said))


def estimate_tokens(request: Request, calibration: Calibration) -> int:
    """Estimate the tokens of a whole prompt."""
    images = sum(len(message.images) for message in request.messages)
    return calibration.tokens(request.model, text_bytes(request)) + images * _IMAGE_TOKENS


def usual_answer_tokens(past_tokens: Sequence[int]) -> int:
    """Guess the length of an answer: the median of a model's past ones, else 500 tokens."""
    from statistics import median  # noqa: PLC0415  5 ms that the first cell must not cost

    return round(median(past_tokens)) if past_tokens else _USUAL_ANSWER_TOKENS


_TURN = 2  # messages: what was asked and what was answered


def trim_to_window(
    request: Request, window_tokens: int | None, calibration: Calibration, *, trim: bool
) -> tuple[Request, str | None]:
    """Return the request that fits the window, and what the user should know of it.

    Parameters
    ----------
    window_tokens
        The model's context window; `None`: not known, and nothing is refused.
    trim
        Whether the oldest turns may be left out.

    Raises
    ------
    OptionError
        The prompt is estimated to be longer than the window.
    """
    if window_tokens is None:
        return request, None
    tokens = estimate_tokens(request, calibration)
    if tokens <= window_tokens:
        return request, None
    turns = len(request.messages) // _TURN
    left, out = request, 0
    while trim and out < turns and tokens > window_tokens:
        out += 1
        left = dataclasses.replace(request, messages=request.messages[_TURN * out :])
        tokens = estimate_tokens(left, calibration)
    if tokens > window_tokens:
        raise OptionError(
            f"the prompt is ~{tokens - window_tokens:,} tokens too long for {request.model}:"
            f" ~{tokens:,} of {window_tokens:,}; nothing was sent",
            hint=(
                "--new or %cmd rewind leaves the past out, trim = true in config.toml the oldest"
                " turns"
                if turns
                else "shorten the prompt, or choose a model with a larger window: %cmd models"
            ),
        )
    return left, f"trimmed: the {pluralize(out, 'oldest turn')} of the thread were left out"
