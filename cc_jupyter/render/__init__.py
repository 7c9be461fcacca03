"""The screen: one protocol, and one renderer for each kind of front end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cc_jupyter.events import StreamEvent
    from cc_jupyter.reply import Reply


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
