"""The screen: one protocol, and one renderer for each kind of front end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply


class Renderer(Protocol):
    """Shows one answer: every event as it comes, then the reply they made."""

    def show(self, event: StreamEvent) -> None:
        """Take the next event; draw if it is time to."""

    def finish(self, reply: Reply) -> None:
        """Draw what stays."""


class Silent:
    """Shows nothing: `--quiet` and the Python face."""

    def show(self, event: StreamEvent) -> None:
        """Take an event and leave it."""

    def finish(self, reply: Reply) -> None:
        """Leave the screen as it is."""


class Indented:
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
