"""The function of each `%cmd` command. The first `%cmd` loads this module, a cell does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.commands.cassette import CassetteCommand
from cc_jupyter.commands.code import CodeCommands
from cc_jupyter.commands.history import HistoryCommands
from cc_jupyter.commands.local import local
from cc_jupyter.commands.login import LoginCommands
from cc_jupyter.commands.models import ModelCommands
from cc_jupyter.commands.prompts import PromptCommands
from cc_jupyter.commands.registry import Commands, help_page
from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.commands.trace import TraceCommand
from cc_jupyter.commands.usage import UsageCommands
from cc_jupyter.commands.votes import VoteCommands
from cc_jupyter.frontend.picker.command import PickCommand
from cc_jupyter.frontend.vote.command import VoteCommand
from cc_jupyter.session.status import current_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


def make_commands(
    shell: InteractiveShell,
    session: Session,
    cell: ExecutionContext,
    ask: Callable[[str, str, tuple[str, ...]], Reply],
    own: Mapping[str, Callable[..., object]],
) -> Commands:
    """Return the commands of one shell.

    Parameters
    ----------
    ask
        Sends a generated prompt with the options of a line.
    own
        The functions of the cell runner.
    """
    models, threads = ModelCommands(session, cell), ThreadCommands(session, cell)
    history, usage = HistoryCommands(session, cell), UsageCommands(session, cell)
    code, login = CodeCommands(shell, ask), LoginCommands(session, cell)
    votes = VoteCommands(session, cell, shell)
    return Commands(
        {
            **own,
            "status": lambda: current_status(session),
            "models": models.models,
            "pick": PickCommand(session, cell, models, threads).pick,
            "use": models.use,
            "alias": models.alias,
            "local": local,
            "new": threads.new,
            "thread": threads.thread,
            "threads": threads.threads,
            "history": threads.history,
            "rewind": threads.rewind,
            "fork": threads.fork,
            "versions": threads.versions,
            "diff": threads.diff,
            "vote": VoteCommand(session, cell, shell, votes, threads).vote,
            "votes": votes.votes,
            "reveal": votes.reveal,
            "search": history.search,
            "export": history.export,
            **PromptCommands(session, cell).by_name,
            "forget": history.forget,
            "usage": usage.usage,
            "budget": usage.budget,
            "receipt": usage.receipt,
            "insert": code.insert,
            "explain": code.explain,
            "fix": code.fix,
            "sent": usage.sent,
            "trace": TraceCommand(session, cell).trace,
            "cassette": CassetteCommand(session).cassette,
            "login": login.login,
            "logout": login.logout,
            "doctor": login.doctor,
            "help": help_page,
        }
    )
