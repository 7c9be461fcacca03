"""The renderer protocol, renderers without a screen, and the texts shown while a cell waits.

Each kind of front end has a module with its renderer.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.events import StreamEvent, Waiting
    from cc_jupyter.core.reply import Reply


class Renderer(Protocol):
    """Shows one answer: each event as it arrives, then the complete reply."""

    def show(self, event: StreamEvent) -> None:
        """Take the next event, and draw if a frame is due."""

    def pause(self) -> None:
        """Draw what has arrived: other outputs follow, then the next text, which is apart."""

    def finish(self, reply: Reply) -> None:
        """Draw the final output."""


class RevisableRenderer(Renderer, Protocol):
    """Shows one answer that is judged after its end."""

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Draw the final output again, after `finish`: the reply has more notices.

        Parameters
        ----------
        folded
            Why the answer does not count. It is shown, and the text is folded below it.
        """


class NullRenderer:
    """Shows nothing: for `--quiet` and the Python functions."""

    def show(self, event: StreamEvent) -> None:
        """Ignore an event."""

    def pause(self) -> None:
        """Draw nothing."""

    def finish(self, reply: Reply) -> None:
        """Draw nothing."""

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Draw nothing."""


class DeferredRenderer:
    """Loads a renderer with the first event, when the request is under way.

    Parameters
    ----------
    load
        Imports and returns the renderer.
    """

    def __init__(self, load: Callable[[], RevisableRenderer]) -> None:
        self._load = load
        self._loaded: RevisableRenderer | None = None

    def show(self, event: StreamEvent) -> None:
        """Pass an event on."""
        self._renderer().show(event)

    def pause(self) -> None:
        """Draw what has arrived."""
        if self._loaded is not None:
            self._loaded.pause()

    def finish(self, reply: Reply) -> None:
        """Draw the final output."""
        self._renderer().finish(reply)

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Draw the final output again."""
        self._renderer().revise(reply, folded)

    def _renderer(self) -> RevisableRenderer:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


class PrettyJsonRenderer:
    """Shows an answer in JSON with another renderer; the final output is indented."""

    def __init__(self, renderer: RevisableRenderer, indent: Callable[[str], str]) -> None:
        self._renderer = renderer
        self._indent = indent

    def show(self, event: StreamEvent) -> None:
        """Pass an event on."""
        self._renderer.show(event)

    def pause(self) -> None:
        """Draw what has arrived."""
        self._renderer.pause()

    def finish(self, reply: Reply) -> None:
        """Draw the final output, indented."""
        self._renderer.finish(dataclasses.replace(reply, text=self._indent(reply.text)))

    def revise(self, reply: Reply, folded: str | None = None) -> None:
        """Draw the final output again, indented."""
        self._renderer.revise(dataclasses.replace(reply, text=self._indent(reply.text)), folded)


QUIET_S = 0.3
"""Nothing is shown if the answer starts within this time."""
STALLED_S = 10.0
"""A pause in the middle of an answer is mentioned after this time."""
_PHASES = {
    "connecting": "connecting",
    "first text": "waiting for the first text",
    "more text": "waiting for more text",
    "retry": "waiting to send again",
    "thinking": "thinking",
}


def waiting_line(label: str, elapsed_s: float, phase: str) -> str:
    """Return a line that changes once a second; empty at first.

    `phase` is the phase of a `Waiting` event, or `thinking` while the model reasons.
    """
    if elapsed_s < QUIET_S:
        return ""
    return f"{label} · {elapsed_s:.0f} s · {_PHASES[phase]}"


def stalled_line(waiting: Waiting) -> str:
    """Return a line for a pause in the middle of an answer; empty while the pause is short."""
    return f"no data for {waiting.silent_s:.0f} s" if waiting.silent_s >= STALLED_S else ""
