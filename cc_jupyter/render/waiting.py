"""What a cell says while nothing comes: whom it waits for, how long, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cc_jupyter.core.events import Waiting

QUIET_S = 0.3
"""An answer that begins within this needs no word."""
STALLED_S = 10.0
"""A silence in the middle of an answer that deserves a word."""
_FOR = {
    "connecting": "connecting",
    "first text": "waiting for the first text",
    "more text": "waiting for more text",
    "retry": "waiting to send again",
    "thinking": "thinking",
}


def waiting_line(label: str, elapsed_s: float, phase: str) -> str:
    """Give a line that changes once a second; empty while no word is needed.

    `phase` is that of a `Waiting`, or `thinking` while the model reasons.
    """
    if elapsed_s < QUIET_S:
        return ""
    return f"{label} · {elapsed_s:.0f} s · {_FOR[phase]}"


def stalled_line(waiting: Waiting) -> str:
    """Give a line for a silence amid an answer; empty while it is short."""
    return f"no data for {waiting.silent_s:.0f} s" if waiting.silent_s >= STALLED_S else ""
