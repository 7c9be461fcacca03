"""Requests under way, as another thread sees and stops them.

A front end asks beside the cell that waits for its answer. What it may do to the request is to
say that it is to stop; the cell's own thread then ends it at a place of its own choosing.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cc_jupyter.reply import ReplyBuilder


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A request under way."""

    cell_id: str | None
    """`None`: no cell is known that asked."""
    thread: str | None
    """The conversation's name; `None`: it stands in none."""
    model: str
    builder: ReplyBuilder
    """What has come so far; another thread only reads it."""
    interrupt: Callable[[], None]
    """Says that it is to stop; safe from any thread."""
    started_s: float
    """By `time.monotonic`."""


class InFlight:
    """All requests of this process that are under way; for use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[Running, ...] = ()  # swapped whole

    @property
    def now(self) -> tuple[Running, ...]:
        """Those under way at this instant, oldest first."""
        return self._running

    @contextmanager
    def during(
        self,
        builder: ReplyBuilder,
        interrupt: Callable[[], None],
        *,
        cell_id: str | None,
        thread: str | None,
        model: str,
    ) -> Iterator[None]:
        """Have a request among those under way until the block is left."""
        running = Running(cell_id, thread, model, builder, interrupt, monotonic())
        with self._lock:
            self._running = (*self._running, running)
        try:
            yield
        finally:
            with self._lock:
                self._running = tuple(each for each in self._running if each is not running)

    def stop(self, cell_id: str) -> bool:
        """Stop what a cell asked; tell whether there was anything.

        A request without a cell is taken for the cell's: a kernel runs one cell at a time.
        """
        with self._lock:  # what is stopped is still under way: it hears of it
            found = [each for each in self._running if each.cell_id in (cell_id, None)]
            for each in found:
                each.interrupt()
        return bool(found)
