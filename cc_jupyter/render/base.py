"""The renderer protocol, with one renderer for each kind of front end.

`Waiting` events say what a cell waits for while nothing arrives, from whom, and for how long.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.events import StreamEvent, Waiting
    from cc_jupyter.core.reply import Reply


class Renderer(Protocol):
    """Shows one answer: every event as it comes, then the reply they made."""

    def show(self, event: StreamEvent) -> None:
        """Take the next event; draw if it is time to."""

    def finish(self, reply: Reply) -> None:
        """Draw what stays."""


class NullRenderer:
    """Shows nothing: `--quiet` and the Python face."""

    def show(self, event: StreamEvent) -> None:
        """Take an event and leave it."""

    def finish(self, reply: Reply) -> None:
        """Leave the screen as it is."""


class PrettyJsonRenderer:
    """Shows an answer that is JSON as another screen does, in the end indented."""

    def __init__(self, screen: Renderer, indent: Callable[[str], str]) -> None:
        self._screen = screen
        self._indent = indent

    def show(self, event: StreamEvent) -> None:
        """Pass an event on."""
        self._screen.show(event)

    def finish(self, reply: Reply) -> None:
        """Draw what stays, indented."""
        self._screen.finish(dataclasses.replace(reply, text=self._indent(reply.text)))


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
    """Return a line that changes once a second; empty while no word is needed.

    `phase` is that of a `Waiting`, or `thinking` while the model reasons.
    """
    if elapsed_s < QUIET_S:
        return ""
    return f"{label} · {elapsed_s:.0f} s · {_FOR[phase]}"


def stalled_line(waiting: Waiting) -> str:
    """Return a line for a silence amid an answer; empty while it is short."""
    return f"no data for {waiting.silent_s:.0f} s" if waiting.silent_s >= STALLED_S else ""
