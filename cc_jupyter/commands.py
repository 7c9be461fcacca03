"""Finds the command that a line of `%cmd` names, and runs it; `ask` is for `cells`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.command_specs import BY_NAME
from cc_jupyter.command_words import nothing
from cc_jupyter.core.display import Card, Page
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.help_pages import help_text
from cc_jupyter.local_command import local_command
from cc_jupyter.session.status import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cc_jupyter.session.session import Session


class Commands:
    """The commands, by name; each gives a value that shows itself."""

    def __init__(self, session: Session, others: Mapping[str, Callable[[str], object]]) -> None:
        self._session = session
        self.by_name: dict[str, Callable[[str], object]] = {
            "local": local_command,
            "status": self._status,
            "help": lambda topic: Page(help_text(topic)),
            **others,
        }

    def run(self, name: str, rest: str) -> object:
        """Run a command.

        Raises
        ------
        OptionError
            There is no such command, or it does not take what was given.
        """
        if name in ("-h", "--help"):
            name = "help"
        command = self.by_name.get(name or "status")
        if command is None:
            raise OptionError(
                f"unknown command {name!r}",
                hint=did_you_mean(name, BY_NAME) or f"there are: {', '.join(BY_NAME)}",
            )
        return command(rest)

    def _status(self, rest: str) -> Card:
        nothing("status", rest)
        return standing(self._session)
