"""The order of cells on the page, as a front end tells it, beside the order in which they ran.

A front end that knows the page tells the ids of its cells from top to bottom, and again whenever
they change. With the setting `order = "document"` what stands above a cell is then what it sends,
whatever ran first. A cell that was moved keeps its id, so its turn moves along; a cell that was
deleted stands nowhere, so its turn is not sent, nor are those of other notebooks and those without
a cell; a copied cell has an id of its own, so it has no turn until it runs.

Where no page is known, or the cell is not on it, the order of execution counts.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.core.messages import TurnKey


@dataclass(frozen=True, slots=True)
class CellOrder:
    """The cells of one notebook from top to bottom."""

    cells: Mapping[str, int]
    """The place of each, by id."""

    def holds(self, key: TurnKey | None) -> bool:
        """Return whether a turn's cell stands here."""
        return key is not None and key.cell_id in self.cells

    def row(self, slots: Sequence[TurnSlot], notebook: str) -> list[int]:
        """Return the places of a notebook's turns in a thread, as their cells stand here."""
        return [place for _, _, place in self._spots(slots, notebook)]

    def above(self, slots: Sequence[TurnSlot], key: TurnKey) -> list[int]:
        """Return the places of what stands above a turn, which itself may have none yet."""
        here = (self.cells[key.cell_id], key.number)
        spots = self._spots(slots, key.notebook)
        return [place for cell, number, place in spots if (cell, number) < here]

    def _spots(self, slots: Sequence[TurnSlot], notebook: str) -> list[tuple[int, int, int]]:
        """Return cell, number and place of each turn, from top to bottom."""
        return sorted(
            (self.cells[slot.key.cell_id], slot.key.number, place)
            for place, slot in enumerate(slots)
            if slot.key is not None
            and slot.key.notebook == notebook
            and slot.key.cell_id in self.cells
        )


class DocumentOrder:
    """What front ends told of their pages; safe from several threads."""

    def __init__(self) -> None:
        self._pages: tuple[tuple[str, CellOrder], ...] = ()  # swapped whole, told last stands last
        self._lock = threading.Lock()

    def tell(self, notebook: str, cells: Iterable[str]) -> None:
        """Take the ids of a notebook's cells from top to bottom, in place of those before."""
        places: dict[str, int] = {}
        for cell_id in cells:
            places.setdefault(cell_id, len(places))
        with self._lock:
            others = (each for each in self._pages if each[0] != notebook)
            self._pages = (*others, (notebook, CellOrder(places)))

    def forget(self, notebook: str) -> None:
        """Drop what was told of a notebook: it is open nowhere any more."""
        with self._lock:
            self._pages = tuple(each for each in self._pages if each[0] != notebook)

    def cells(self, notebook: str) -> tuple[str, ...] | None:
        """Return the ids of a notebook's cells from top to bottom; `None`: nobody told them."""
        page = self.page_of(notebook)
        return None if page is None else tuple(page.cells)

    def page_of(self, notebook: str) -> CellOrder | None:
        """Return the page of a notebook by the name under which it was told."""
        return dict(self._pages).get(notebook)

    def page(self, key: TurnKey | None) -> CellOrder | None:
        """Return the page on which a turn's cell stands; `None`: it is on none that was told.

        A cell is known by its id, since kernel and front end may call one notebook by two paths,
        and it may have been renamed. Of two pages with the same cell the notebook's own counts,
        else the one told last.
        """
        found = [each for each in self._pages if each[1].holds(key)]
        if key is None or not found:
            return None
        return dict(found).get(key.notebook, found[-1][1])
