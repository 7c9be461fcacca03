"""The order of cells in a notebook document, as a front end reports it.

The front end sends the ids of its cells from top to bottom, and again whenever they change. With
`order = "document"`, a cell sends the turns of the cells above it, in whatever order they ran. A
moved cell has the same id, so its turn moves with it. Turns of deleted cells, of other notebooks
and without a cell are not sent. A copied cell has a new id, so it has no turn until it runs.

If the order is unknown, or does not include the cell, execution order applies.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.core.messages import TurnKey


class CellOrder(NamedTuple):
    """The cells of one notebook from top to bottom."""

    cells: Mapping[str, int]
    """The position of each cell, by id."""

    def contains(self, key: TurnKey | None) -> bool:
        """Return whether a turn's cell is in this notebook."""
        return key is not None and key.cell_id in self.cells

    def places(self, slots: Sequence[TurnSlot], notebook: str) -> list[int]:
        """Return the places of a notebook's turns in a thread, in document order."""
        return [place for _, _, place in self._sorted(slots, notebook)]

    def places_above(self, slots: Sequence[TurnSlot], key: TurnKey) -> list[int]:
        """Return the places of the turns above a turn, which itself may not have a place yet."""
        here = (self.cells[key.cell_id], key.number)
        turns = self._sorted(slots, key.notebook)
        return [place for cell, number, place in turns if (cell, number) < here]

    def _sorted(self, slots: Sequence[TurnSlot], notebook: str) -> list[tuple[int, int, int]]:
        """Return cell, number and place of each turn, from top to bottom."""
        return sorted(
            (self.cells[slot.key.cell_id], slot.key.number, place)
            for place, slot in enumerate(slots)
            if slot.key is not None
            and slot.key.notebook == notebook
            and slot.key.cell_id in self.cells
        )


class DocumentOrder:
    """The cell order of each open notebook, as front ends report it; thread-safe."""

    def __init__(self) -> None:
        self._pages: tuple[tuple[str, CellOrder], ...] = ()  # replaced atomically, latest last
        self._lock = threading.Lock()

    def update(self, notebook: str, cells: Iterable[str]) -> None:
        """Replace the order of a notebook with these cell ids, from top to bottom."""
        places: dict[str, int] = {}
        for cell_id in cells:
            places.setdefault(cell_id, len(places))
        with self._lock:
            others = (each for each in self._pages if each[0] != notebook)
            self._pages = (*others, (notebook, CellOrder(places)))

    def forget(self, notebook: str) -> None:
        """Drop the order of a notebook that is no longer open."""
        with self._lock:
            self._pages = tuple(each for each in self._pages if each[0] != notebook)

    def cells(self, notebook: str) -> tuple[str, ...] | None:
        """Return the ids of a notebook's cells from top to bottom; `None` if unknown."""
        page = self.page_of(notebook)
        return None if page is None else tuple(page.cells)

    def page_of(self, notebook: str) -> CellOrder | None:
        """Return the order of a notebook by the name that its front end reported."""
        return dict(self._pages).get(notebook)

    def page(self, key: TurnKey | None) -> CellOrder | None:
        """Return the order that includes a turn's cell; `None` if no reported order does.

        Cells are identified by id, because kernel and front end may use two paths for one notebook,
        and it may have been renamed. If two notebooks have the same cell, the turn's notebook
        takes precedence, then the one reported last.
        """
        found = [each for each in self._pages if each[1].contains(key)]
        if key is None or not found:
            return None
        return dict(found).get(key.notebook, found[-1][1])
