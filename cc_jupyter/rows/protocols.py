"""What the parts of a run over rows expect of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.session.scheduler import Listener, Requests


class Table(Protocol):
    """The rows of the user's table, by their place from 0; `tables` adapts what a user has."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order, as text."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def names(self, at: int) -> Mapping[str, object]:
        """Return the names that a template finds in a row: `row`, `index`, then the columns."""

    def label(self, at: int) -> object:
        """Return the label of a row for messages: its index, or its number."""


class RequestRun(Protocol):
    """Sends the requests of a run: `session.scheduler.Run`, or an executor's."""

    is_interrupted: bool

    def run(self) -> None:
        """Send all; return when every request that was started has ended.

        Listeners are called in the thread that calls this.
        """

    def interrupt(self) -> None:
        """Stop all requests and start no more; safe from any thread and signal handlers."""

    def stop(self) -> None:
        """Start no more requests; those in flight end by themselves."""


MakeRun: TypeAlias = "Callable[[Requests, Listener], RequestRun]"
"""Makes what sends the requests of a run from them and from who follows it."""
