"""`%cmd pick`: the picker where there is a browser, else what to choose from and how.

Widgets are loaded by the command alone, never by `%load_ext`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cc_jupyter.core.display import Table
from cc_jupyter.frontend.picker.rows import PickerSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class PickCommand:
    """What `%cmd pick` does.

    Parameters
    ----------
    models
        `%cmd models`, which lists what there is.
    go_on_in
        `%cmd thread`, which goes on in a thread.
    """

    def __init__(
        self,
        session: Session,
        cell: ExecutionContext,
        models: Callable[[str], object],
        go_on_in: Callable[[str], object],
    ) -> None:
        self._session = session
        self._cell = cell
        self._models = models
        self._go_on_in = go_on_in
        self.by_name: dict[str, Callable[[str], object]] = {"pick": self._pick}

    def _pick(self, rest: str) -> object:
        key = self._cell.turn_key()
        if key is None and "google.colab" not in sys.modules:  # which names no cells
            return self._without_widgets(rest)
        source = PickerSource(self._session, rest)
        from cc_jupyter.frontend.picker.dialog import PickerDialog  # noqa: PLC0415  widgets are heavy

        return PickerDialog(source, self._go_on_in, key.cell_id if key else "")

    def _without_widgets(self, rest: str) -> object:
        """Return the table to choose from: a terminal, papermill and nbclient show no widget."""
        table = self._models(rest)
        current = PickerSource(self._session).standing().model or "none"
        note = f"no widget can be shown here; %cmd use MODEL chooses one (now: {current})"
        if isinstance(table, Table):  # assigned to a name it may be a DataFrame
            table.caption = f"{table.caption}; {note}"
        return table
