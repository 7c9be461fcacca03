"""Which grids hide their models: blind ones, until `%cmd reveal` or the end of a vote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.conversation.history import History


class HiddenGrids:
    """The blind grids that are not revealed yet, those of earlier processes included.

    Parameters
    ----------
    history
        Returns the history, which knows the grids of earlier processes.
    """

    def __init__(self, history: Callable[[], History]) -> None:
        self._history = history
        self._is_hidden: dict[str, bool] = {}
        """The grids that this process has run or revealed."""

    def note(self, grid: str, *, is_hidden: bool) -> None:
        """Take note of whether a grid of this process hides its models."""
        self._is_hidden[grid] = is_hidden

    def reveal(self, grid: str, *, on_disk: bool) -> str:
        """Show the models of a grid from now on; return a notice if a restart hides them again."""
        self._is_hidden[grid] = False
        try:
            self._history().reveal(grid, on_disk=on_disk)
        except CcError as error:
            return f"this is not saved, so a restart of the kernel hides the models again: {error}"
        return ""

    def __contains__(self, grid: object) -> bool:
        if not isinstance(grid, str):
            return False
        known = self._is_hidden.get(grid)
        return self._history().is_blind(grid) if known is None else known
