"""How long to wait before a request is sent again, and when not to send it at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cc_jupyter.wire.refusal import Refusal

LONGEST_WAIT_S = 30.0
"""A provider that asks for a longer pause gets none: the user decides."""
_FIRST_BACKOFF_S = 0.5


def backoff_s(tries: int) -> float:
    """Double with each try, between half and all of it, so that many cells spread out."""
    longest_s: float = min(_FIRST_BACKOFF_S * 2 ** min(tries, 10), LONGEST_WAIT_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret


def pause_s(refusal: Refusal, tries: int) -> float | None:
    """Give the pause before the next try after a refusal; `None`: there must be none.

    A refusal whose pause is too long gets the hint to wait.
    """
    if not refusal.retryable:
        return None
    asked_s = refusal.error.retry_after_s
    if asked_s is None:
        return backoff_s(tries)
    if asked_s <= LONGEST_WAIT_S:
        return asked_s
    refusal.error.hint = f"the provider asks to wait {asked_s:.0f} s; run the cell again then"
    return None
