"""`%cmd vote`: a blind vote in a browser, in a terminal, or a line that says where to vote.

Only this command loads widgets, `%load_ext` does not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cc_jupyter.commands.votes import find_grid
from cc_jupyter.core.display import TextOutput
from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.votes.ballots import make_vote, new_seed
from cc_jupyter.frontend.vote.voting import Voting, activate_turn

if TYPE_CHECKING:
    from cc_jupyter.commands.threads import ThreadCommands
    from cc_jupyter.commands.votes import VoteCommands
    from cc_jupyter.core.shell import Shell
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class VoteCommand:
    """Opens a vote on a finished grid."""

    def __init__(
        self,
        session: Session,
        cell: ExecutionContext,
        shell: Shell,
        votes: VoteCommands,
        threads: ThreadCommands,
    ) -> None:
        self._session = session
        self._cell = cell
        self._shell = shell
        self._votes = votes
        self._threads = threads

    def vote(self, name: str | None = None, *, pairs: bool = False) -> object:
        """Vote on the answers of a grid without knowing whose they are.

        Raises
        ------
        OptionError
            There is no such grid.
        """
        grid = find_grid(self._shell, name)
        vote = make_vote(grid, pairs=pairs, seed=new_seed())
        if not vote.papers:
            # no error: whether answers differ is chance, and Run All goes on
            left_out = f" (left out: {', '.join(vote.left_out)})" if vote.left_out else ""
            return TextOutput(
                f"there is nothing to vote on: the grid has no two different answers to one"
                f" prompt{left_out}"
            )
        voting = Voting(grid, vote, self._votes, self._activate, self._session.now)
        key = self._cell.turn_key()
        if key is None and "google.colab" not in sys.modules:  # Colab sends no cell ids
            return self._without_widgets(voting)
        from cc_jupyter.frontend.vote.widget import VoteWidget  # noqa: PLC0415  widgets are heavy

        return VoteWidget(voting, key.cell_id if key else "")

    def _without_widgets(self, voting: Voting) -> TextOutput:
        """Vote line by line, if there is somebody to answer."""
        if not self._cell.can_ask:
            count = pluralize(len(voting.vote.papers), "ballot")
            return TextOutput(f"nobody can vote here; in a notebook this cell opens {count}")
        from cc_jupyter.frontend.vote.terminal import vote_in_terminal  # noqa: PLC0415  rarely needed

        return TextOutput(vote_in_terminal(voting, input).bundle()["text/plain"])

    def _activate(self, turn_id: str) -> str:
        """Make the winner's answer the active version, and tell the page."""
        done = activate_turn(self._session.conversations, self._threads, turn_id)
        self._session.in_flight.changed()
        return done
