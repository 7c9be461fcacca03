"""Protocols for the parts of IPython that packages below the session use without importing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cc_jupyter.core.messages import TurnKey


class Shell(Protocol):
    """The part of `InteractiveShell` that reads names and adds cells."""

    user_ns: dict[str, Any]
    history_manager: Any
    """IPython's history; `None` if it is switched off."""

    def set_next_input(self, s: str, replace: bool = False) -> None:  # noqa: FBT001, FBT002  IPython's
        """Add a cell below the current one, or replace its text."""


class RunningCell(Protocol):
    """The cell that is currently running."""

    @property
    def notebook(self) -> str:
        """The notebook's path; empty where the front end does not report it."""

    @property
    def token(self) -> object:
        """A value that is equal within one execution and different in every other."""

    def turn_key(self) -> TurnKey | None:
        """Return the key of the cell's next request; `None` where cells have no ids."""
