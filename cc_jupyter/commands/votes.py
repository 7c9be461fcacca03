"""The commands on votes: `votes` adds them up and exports them, `reveal` ends a blind grid.

`frontend.vote` has the vote itself; it saves and takes back votes through this module, which knows
whether the history is on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.commands.threads import ConversationCommands, differing_options, local_time
from cc_jupyter.conversation.records import turn_from_record
from cc_jupyter.core.display import TextOutput
from cc_jupyter.core.errors import CcError, OptionError, did_you_mean
from cc_jupyter.core.paths import replace_file
from cc_jupyter.core.terminal import safe_line
from cc_jupyter.core.text import excerpt, excerpt_of_change, pluralize
from cc_jupyter.experiments.grid import Grid
from cc_jupyter.experiments.grid_columns import column_name, letters, shuffled
from cc_jupyter.experiments.votes.report import mean_costs, preference_pairs, vote_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from cc_jupyter.conversation.records import Ballot, TurnRecord
    from cc_jupyter.core.display import FigureTable
    from cc_jupyter.core.shell import Shell
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class VoteCommands(ConversationCommands):
    """Store votes, add them up and export them; reveal blind grids."""

    def __init__(self, session: Session, cell: ExecutionContext, shell: Shell) -> None:
        super().__init__(session, cell)
        self._shell = shell
        self._in_memory: list[Ballot] = []
        """Votes that are not in the history: it is off, or could not be written."""

    def votes(self, *, export: str | None = None) -> FigureTable | TextOutput | Any:  # noqa: ANN401  pandas is optional
        """Add up all votes, or write the preferences to a file."""
        ballots = self.ballots()
        if export is not None:
            return self._export(ballots, export)
        return self.table(ballots).for_cell(shown=self._cell.is_statement())

    def reveal(self, name: str | None = None) -> TextOutput:
        """Show the models, prices and tempo of a blind grid.

        Without a name it is the last grid of this session, else the last one of this notebook that
        an earlier kernel ran.
        """
        try:
            grid = find_grid(self._shell, name)
        except OptionError as error:
            stored = self._stored_blind_grid()
            if stored is not None and name is None:
                return self._reveal_stored(stored)
            if stored is not None:
                error.hint = "%cmd reveal alone shows the last blind grid of this notebook"
            raise
        if grid.hides_models:
            return self._reveal_live(grid)
        stored = self._stored_blind_grid() if name is None else None
        if stored is not None:
            return self._reveal_stored(stored)
        if grid.is_blind:
            return TextOutput("the grid is already revealed")
        return TextOutput("the grid is not blind; its columns already have their names")

    def reveal_grid(self, grid: Grid) -> str:
        """Reveal a grid of this session; return a notice if a restart hides its models again."""
        grid.revealed.reveal()
        return self._session.hidden_grids.reveal(grid.id, on_disk=self._on_disk)

    def _reveal_live(self, grid: Grid) -> TextOutput:
        notice = self.reveal_grid(grid)
        columns = enumerate(shuffled(grid.plan))
        lines = [f"{letters(place)} is {column_name(each)}" for place, each in columns]
        lines.append("votes on this grid count as open from now on")
        return _lines(*lines, notice)

    def _stored_blind_grid(self) -> str | None:
        """Return the id of the notebook's last blind grid in the history; `None`: there is none."""
        if not self._on_disk:
            return None
        found = self._session.history.last_blind_grid(self._cell.notebook)
        return found if found in self._session.hidden_grids else None

    def _reveal_stored(self, grid: str) -> TextOutput:
        """Reveal a grid that no name refers to, such as one of an earlier kernel."""
        live = (each for each in self._shell.user_ns.values() if isinstance(each, Grid))
        named = next((each for each in live if each.id == grid), None)
        if named is not None:
            return self._reveal_live(named)
        turns = self._session.history.grid_turns(grid, on_disk=True)
        notice = self._session.hidden_grids.reveal(grid, on_disk=True)
        return _lines(
            f"the grid of {local_time(turns[0].sent_at)}: {excerpt(turns[0].prompt)}",
            *_stored_columns(turns),
            "its cell still shows the letters",
            notice,
        )

    def save(self, ballot: Ballot) -> str:
        """Store a vote; return a notice if it is only in memory."""
        if not self._on_disk:
            self._in_memory.append(ballot)
            return "the history is off: votes are gone when the kernel ends"
        try:
            self._session.history.store.add_ballot(ballot)
        except CcError as error:
            self._in_memory.append(ballot)
            return f"this vote is not saved and is gone when the kernel ends: {error}"
        return ""

    def take_back(self, ballot: Ballot) -> None:
        """Remove the last vote on a grid.

        Raises
        ------
        StoreError
            The history cannot be written.
        """
        if ballot in self._in_memory:
            self._in_memory.remove(ballot)
        else:
            self._session.history.store.undo_ballot(ballot.answers[0].grid)

    def ballots(self, grid: str | None = None) -> list[Ballot]:
        """Return the votes on a grid, or all, oldest first."""
        waiting = [each for each in self._in_memory if grid is None or grid in each.grids]
        history = self._session.history
        if not self._on_disk or not history.is_on_disk:
            return waiting
        return [*history.reading().ballots(grid), *waiting]

    def table(self, ballots: Sequence[Ballot]) -> FigureTable:
        """Return the table of some votes."""
        note = "" if self._on_disk else "; the history is off: only votes of this session"
        return vote_table(ballots, mean_costs(ballots, self._cost_of), note=note)

    def _cost_of(self, turn_id: str) -> Decimal | None:
        found = self._session.history.record(turn_id)
        return None if found is None else found.cost.usd

    def _turn(self, turn_id: str) -> TurnRecord | None:
        return self._session.history.record(turn_id)

    def _export(self, ballots: Sequence[Ballot], path: str) -> TextOutput:
        pairs, missing = preference_pairs(ballots, self._turn)
        target = Path(path).expanduser()
        if target.suffix != ".jsonl":
            raise OptionError(
                f"preferences are written as JSON lines, not to {path!r}",
                hint="for example: %cmd votes --export preferences.jsonl",
            )
        if target.exists():
            raise OptionError(f"{path} already exists", hint="remove it, or choose another name")
        if not pairs:
            raise OptionError(
                "no vote prefers one answer to another, so there is nothing to export",
                hint="%cmd vote opens a vote on a finished grid",
            )
        lines = "".join(f"{json.dumps(pair, ensure_ascii=False)}\n" for pair in pairs)
        try:
            with replace_file(target) as out:
                out.write(lines.encode())
        except OSError as error:
            raise OptionError(
                f"{path} cannot be written: {error.strerror or error}",
                hint="check that its folder exists and is writable",
            ) from None
        lost = f"; {pluralize(missing, 'pair')} left out: the text is gone" if missing else ""
        return TextOutput(f"wrote {pluralize(len(pairs), 'preference pair')} to {path}{lost}")


def _lines(*lines: str) -> TextOutput:
    """Return the lines that are not empty as an output."""
    return TextOutput("\n".join(filter(None, lines)))


def _stored_columns(turns: Sequence[TurnRecord]) -> list[str]:
    """Return what each letter of a stored blind grid is: the model, and what else varies."""
    by_letter = {turn.blind: turn_from_record(turn) for turn in turns if turn.blind is not None}
    columns = sorted(by_letter.items(), key=lambda column: (len(column[0]), column[0]))
    shown = [turn for _, turn in columns]
    lines = []
    for (letter, turn), options in zip(columns, differing_options(shown), strict=True):
        other = next((each.prompt for each in shown if each.prompt != turn.prompt), None)
        change = "" if other is None else excerpt_of_change(turn.prompt, other)
        name = " · ".join(filter(None, [turn.model, options, change]))
        lines.append(f"{letter} is {safe_line(name)}")
    return lines


def find_grid(shell: Shell, name: str | None = None) -> Grid:
    """Return the grid bound to a name; by default the one of `_cmd`, else the newest.

    Raises
    ------
    OptionError
        There is no such grid.
    """
    named = {key: value for key, value in shell.user_ns.items() if isinstance(value, Grid)}
    if name is not None:
        if name in named:
            return named[name]
        what = "is not a grid" if name in shell.user_ns else "is not defined"
        known = [each for each in named if not each.startswith("_")]
        hint = did_you_mean(name, known) or (
            f"the grids are: {', '.join(known)}" if known else None
        )
        raise OptionError(f"{name} {what}", hint=hint or _MAKE_A_GRID)
    last = getattr(shell.user_ns.get("_cmd"), "grid", None)
    if isinstance(last, Grid):
        return last
    if not named:
        raise OptionError("there is no grid yet", hint=_MAKE_A_GRID)
    return max(named.values(), key=lambda grid: grid.started_at)


_MAKE_A_GRID = "a cell makes one: %%cmd -m MODEL,MODEL -n 3 -> g"
