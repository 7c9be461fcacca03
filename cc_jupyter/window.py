"""The context window: a prompt that cannot fit is refused before it is sent, or trimmed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import counted
from cc_jupyter.estimate import estimate_tokens

if TYPE_CHECKING:
    from cc_jupyter.core.messages import Request
    from cc_jupyter.estimate import Calibration

_TURN = 2  # messages: what was asked and what was answered


def fit(
    request: Request, window_tokens: int | None, calibration: Calibration, *, trim: bool
) -> tuple[Request, str | None]:
    """Give the request that fits the window, and what the user should know of it.

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
    return left, f"trimmed: the {counted(out, 'oldest turn')} of the thread were left out"
