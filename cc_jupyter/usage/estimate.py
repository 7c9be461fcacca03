"""Estimate a request's tokens before it is sent, and trim it to the context window.

Estimates are always marked `~`. Tokens per byte differ by model and by text, so an estimate uses
the ratio that the model last reported; until then, four bytes count as a token. A prompt that is
too long for the context window is rejected before it is sent, or trimmed.
"""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.messages import Request


_RULE_OF_THUMB = Fraction(1, 4)
"""Tokens per byte of English or code."""
_IMAGE_TOKENS = 1_500
"""Tokens of a large image of the usual sizes, to estimate on the safe side."""
_USUAL_ANSWER_TOKENS = 500
_TURN = 2  # messages: a prompt and its answer
_MIN_RATIO, _MAX_RATIO = Fraction(1, 16), Fraction(2)
"""A ratio outside this range means that the provider counted something else."""
_MIN_BYTES = 1_000
"""In a shorter prompt the tokens added around it count for too much."""
_WINDOW_BYTES = 200_000
"""Older reports lose weight once this many bytes were reported."""


class _Seen:
    def __init__(self) -> None:
        self.tokens = Fraction(0)
        self.size = Fraction(0)


class Calibration:
    """Tokens per byte of each model, from the reported usage; thread-safe.

    Parameters
    ----------
    recall
        Returns the tokens and bytes of a model's prompts in earlier sessions; called once for each.
    """

    def __init__(self, recall: Callable[[str], tuple[int, int] | None] = lambda _: None) -> None:
        self._recall = recall
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def learn(self, model: str, tokens: int | None, size_bytes: int) -> None:
        """Add the tokens reported for a prompt of a size, unless the ratio is implausible."""
        if (
            not tokens
            or size_bytes < _MIN_BYTES
            or not _MIN_RATIO <= Fraction(tokens, size_bytes) <= _MAX_RATIO
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
                if known and known[1] and _MIN_RATIO <= Fraction(*known) <= _MAX_RATIO:
                    seen.tokens, seen.size = Fraction(known[0]), Fraction(known[1])
            return self._seen[model]


def text_bytes(request: Request) -> int:
    """Return the bytes of all texts of a request, without images."""
    texts = [message.text for message in request.messages]
    return sum(len(text.encode()) for text in (request.system or "", *texts))


def estimate_tokens(request: Request, calibration: Calibration) -> int:
    """Estimate the tokens of a whole prompt."""
    images = sum(len(message.images) for message in request.messages)
    return calibration.tokens(request.model, text_bytes(request)) + images * _IMAGE_TOKENS


def usual_answer_tokens(past_tokens: Sequence[int]) -> int:
    """Return the expected answer length: the median of a model's past answers, else 500 tokens."""
    from statistics import median  # noqa: PLC0415  takes 5 ms, too much for the first cell

    return round(median(past_tokens)) if past_tokens else _USUAL_ANSWER_TOKENS


def trim_to_window(
    request: Request, window_tokens: int | None, calibration: Calibration, *, trim: bool
) -> tuple[Request, str | None]:
    """Return the request trimmed to the window, and a notice if turns were left out.

    Parameters
    ----------
    window_tokens
        The model's context window; `None` if unknown, so no prompt is too long.
    trim
        Whether the oldest turns may be left out.

    Raises
    ------
    OptionError
        The prompt is estimated to be too long for the window.
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
        left = request._replace(messages=request.messages[_TURN * out :])
        tokens = estimate_tokens(left, calibration)
    if tokens > window_tokens:
        raise OptionError(
            f"the prompt is ~{tokens - window_tokens:,} tokens too long for {request.model}:"
            f" ~{tokens:,} of {window_tokens:,}; nothing was sent",
            hint=(
                "leave earlier turns out with --new or %cmd rewind, or the oldest ones with"
                " trim = true in config.toml"
                if turns
                else "shorten the prompt, or choose a model with a larger window: %cmd models"
            ),
        )
    return left, f"trimmed: the {pluralize(out, 'oldest turn')} of the thread were left out"
