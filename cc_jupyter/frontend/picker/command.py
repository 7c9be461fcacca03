"""`%cmd pick`: the picker in a browser; elsewhere a table and how to choose from it.

Only this command loads widgets, `%load_ext` does not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cc_jupyter.core.display import Table
from cc_jupyter.frontend.picker.rows import PickerSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.commands.models import ModelCommands
    from cc_jupyter.commands.threads import ThreadCommands
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class PickCommand:
    """Shows the picker, or the table of models where no widget can be shown."""

    def __init__(
        self,
        session: Session,
        cell: ExecutionContext,
        models: ModelCommands,
        threads: ThreadCommands,
    ) -> None:
        self._session = session
        self._cell = cell
        self._models = models
        self._threads = threads

    def pick(self, words: Sequence[str] = ()) -> object:
        """Open the picker on the models that match the words of `%cmd models`."""
        key = self._cell.turn_key()
        if key is None and "google.colab" not in sys.modules:  # Colab sends no cell ids
            return self._without_widgets(words)
        source = PickerSource(self._session, words)
        from cc_jupyter.frontend.picker.dialog import PickerDialog  # noqa: PLC0415  widgets are heavy

        return PickerDialog(source, self._models, self._threads, key.cell_id if key else "")

    def _without_widgets(self, words: Sequence[str]) -> object:
        """Return the table to choose from: a terminal, papermill and nbclient show no widget."""
        table = self._models.models(words)
        current = PickerSource(self._session).current_choice().model or "none"
        note = f"no widget can be shown here; %cmd use MODEL selects a model (now: {current})"
        if isinstance(table, Table):  # when it is assigned, it may be a DataFrame
            table.caption = f"{table.caption}; {note}"
        return table
