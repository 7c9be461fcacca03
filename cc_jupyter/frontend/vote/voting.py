"""One vote under way: which ballot is next, what was chosen, and what follows at the end.

The widget and the terminal form show it; nothing here depends on a screen.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.votes.statistics import most_wins

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cc_jupyter.commands.threads import ThreadCommands
    from cc_jupyter.commands.votes import VoteCommands
    from cc_jupyter.conversation.records import Ballot, Choice
    from cc_jupyter.conversation.thread import Conversations
    from cc_jupyter.core.display import FigureTable
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.experiments.votes.ballots import BallotPaper, Vote


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a vote."""

    headline: str
    table: FigureTable

    def bundle(self) -> dict[str, str]:
        """Return what the saved notebook shows: no script, no widget."""
        table = self.table._repr_html_()
        return {
            "text/plain": f"{self.headline}\n{self.table}",
            "text/html": f"<div><p><strong>{html.escape(self.headline)}</strong></p>{table}</div>",
        }


class Voting:
    """The ballots of one vote and the choices on them.

    Parameters
    ----------
    now
        Returns the current time, aware, in UTC.
    """

    def __init__(
        self,
        grid: Grid,
        vote: Vote,
        votes: VoteCommands,
        activate: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        self.vote = vote
        self._grid = grid
        self._votes = votes
        self._activate = activate
        self._now = now
        self._cast: list[Ballot] = []

    @property
    def place(self) -> int:
        """The index of the ballot to vote on next; the number of ballots when all are done."""
        return len(self._cast)

    @property
    def paper(self) -> BallotPaper | None:
        """The ballot to vote on next; `None` when all are done."""
        return self.vote.papers[self.place] if self.place < len(self.vote.papers) else None

    def cast(self, choice: Choice, note: str = "") -> str:
        """Vote on the next ballot; return a notice if the vote is only in memory."""
        repeats = self.vote.papers[self.place].repeats
        first = None if repeats is None else self._cast[repeats]
        record = self.vote.record(
            self.place,
            choice,
            self._now(),
            note=note,
            # the repeat of a skipped ballot is a vote of its own
            repeats=None if first is None or first.choice == "skip" else first.id,
        )
        notice = self._votes.save(record)
        self._cast.append(record)
        return notice

    def undo(self) -> None:
        """Take back the last vote, if there is one.

        Raises
        ------
        StoreError
            The history cannot be written; the vote stays.
        """
        if self._cast:
            self._votes.take_back(self._cast[-1])
            self._cast.pop()

    def finish(self) -> Outcome:
        """End the vote: reveal the grid, activate the winner's first answer, and add up."""
        notice = self._votes.reveal_grid(self._grid)
        table = self._votes.table(self._votes.ballots(self._grid.id) or self._cast)
        return Outcome("; ".join(filter(None, [self._headline(), notice])), table)

    def _headline(self) -> str:
        counted = [each for each in self._cast if each.counts and each.swapped_of is None]
        if all(each.choice == "skip" for each in counted):
            return "The vote ended without a vote that counts; nothing was changed"
        winner = most_wins(self._cast)
        if winner is None:
            return "No combination has most wins; the active version is unchanged"
        wins = sum(most_wins([each]) == winner for each in self._cast)
        shown = [each for each in counted if each.choice != "skip"]
        wins_text = f"{pluralize(wins, 'win')} on {pluralize(len(shown), 'ballot')}"
        turn_id = self.vote.first_turns.get(winner)
        followed = self._activate(turn_id) if turn_id else ""
        return f"{winner} has most wins ({wins_text}){followed}"


def activate_turn(conversations: Conversations, threads: ThreadCommands, turn_id: str) -> str:
    """Make the version with this turn the active one; return what to add to the headline."""
    for name in conversations.names:
        thread = conversations.thread(name)
        for place, slot in enumerate(thread.slots):
            for version, turn in enumerate(slot.versions, 1):
                if turn.id == turn_id:
                    threads.choose_version(thread, place, version)
                    return f"; its first answer is the active version of turn {place + 1}"
    return ""
