"""A vote from its ballots to the table: what is stored, what follows it, what is exported."""

from __future__ import annotations

import json
import types
from decimal import Decimal

import pytest
from support import provider as scripted
from support.grids import FLASH, HAIKU, made_up_grid
from support.plain_server import reader_threads, wait_until

from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.commands.votes import VoteCommands, find_grid
from cc_jupyter.conversation.store import database
from cc_jupyter.core.display import FigureTable, TextOutput
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import PromptSpec, TurnKey
from cc_jupyter.experiments.votes.ballots import make_vote
from cc_jupyter.frontend.vote.command import VoteCommand
from cc_jupyter.frontend.vote.terminal import vote_in_terminal
from cc_jupyter.frontend.vote.voting import Voting, activate_turn
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session

PROMPT = "Why is the sky blue?"


class Cell:
    """As much of a running cell as votes take."""

    notebook = ""
    can_ask = True
    shown = True

    def is_statement(self):
        return self.shown

    def turn_key(self):
        return None


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.forget(None)
    opened.history.close()
    wait_until(lambda: not reader_threads())


@pytest.fixture
def shell():
    return types.SimpleNamespace(user_ns={})


@pytest.fixture
def cell():
    return Cell()


@pytest.fixture
def votes(session, cell, shell):
    return VoteCommands(session, cell, shell)


@pytest.fixture
def threads(session, cell):
    return ThreadCommands(session, cell)


@pytest.fixture
def grid(session, provider):
    """Return a blind grid of two models whose answers are versions of one turn."""
    replies = {}
    for model, text in ((HAIKU, "It scatters."), (FLASH, "Rayleigh, my dear.")):
        provider.play(scripted.answer(text, usage=scripted.Tokens(100, 10)))
        spec = PromptSpec(PROMPT, model=model, turn_key=TurnKey("", "cell", 0))
        replies[model] = session.run(session.prepare(spec), NullRenderer())
    return made_up_grid(lambda each, _: replies[each.spec.model], prompts=(PROMPT,))


@pytest.fixture
def voting(session, votes, threads):
    def begin(grid, *, pairs=False, seed=1):
        vote = make_vote(grid, pairs=pairs, seed=seed)
        return Voting(
            grid,
            vote,
            votes,
            lambda turn_id: activate_turn(session.conversations, threads, turn_id),
            session.now,
        )

    return begin


def place_of(voting, label):
    """Return where the next ballot shows the answer of a combination."""
    candidates = voting.paper.candidates
    return next(at for at, each in enumerate(candidates) if each.answers[0].label == label)


def active_answer(session):
    return session.conversations.thread().slots[0].turn.answer


def test_the_winners_answer_becomes_active_and_the_grid_is_revealed(session, voting, grid):
    assert active_answer(session) == "Rayleigh, my dear."
    vote = voting(grid)
    vote.cast(place_of(vote, HAIKU))
    assert vote.paper is None
    assert not grid.revealed
    outcome = vote.finish()
    assert grid.revealed
    assert active_answer(session) == "It scatters."
    assert outcome.headline == (
        f"{HAIKU} has most wins (1 win on 1 ballot);"
        " its first answer is the active version of turn 1"
    )


@pytest.mark.parametrize("choice", ["tie", "all bad", "skip", None])
def test_without_a_winner_nothing_changes(session, voting, grid, choice):
    vote = voting(grid)
    if choice is not None:
        vote.cast(choice)
    headline = vote.finish().headline
    assert active_answer(session) == "Rayleigh, my dear."
    is_vote = choice in ("tie", "all bad")
    expected = "No combination has most wins" if is_vote else "without a vote that counts"
    assert expected in headline


def test_votes_survive_and_add_up_over_grids(session, voting, cell, shell):
    for winner in (HAIKU, HAIKU, FLASH):
        vote = voting(made_up_grid())
        vote.cast(place_of(vote, winner))
    session.history.close()  # as after a restart of the kernel
    later = VoteCommands(Session(), cell, shell)
    table = later.votes()
    assert isinstance(table, FigureTable)
    assert [(row["combination"], row["wins"], row["losses"]) for row in table] == [
        (HAIKU, 2, 1),
        (FLASH, 1, 2),
    ]
    assert "3 blind votes on 3 grids" in table.caption
    cell.shown = False
    frame = later.votes()
    assert list(frame["wins"]) == [2, 1]
    assert frame["preferred"].tolist() == pytest.approx([2 / 3, 1 / 3])
    later._session.history.close()
    later._session.transport.close()


def test_costs_are_those_of_the_turns(voting, votes, grid):
    vote = voting(grid)
    vote.cast(place_of(vote, HAIKU))
    (first, second) = vote.finish().table
    costs = {row["combination"]: row for row in votes.table(votes.ballots()).figures}
    assert all(isinstance(row["cost_usd"], Decimal) for row in costs.values())
    dearer = max(costs.values(), key=lambda row: row["cost_usd"])
    assert dearer["cost_ratio"] > 1
    assert {first["cost ratio"], second["cost ratio"]} == {"1", f"{dearer['cost_ratio']:.3g}"}


def test_unknown_costs_stay_unknown(voting, votes):
    vote = voting(made_up_grid())  # its turns are in no history
    vote.cast(0)
    assert {row["cost"] for row in vote.finish().table} == {"?"}
    assert {row["cost_ratio"] for row in votes.table(votes.ballots()).figures} == {None}


def test_open_votes_are_counted_apart(voting, votes):
    for is_blind in (True, False):
        vote = voting(made_up_grid(is_blind=is_blind))
        vote.cast(place_of(vote, HAIKU))
    table = votes.votes()
    assert [(row["combination"], row["grid"], row["wins"]) for row in table] == [
        (HAIKU, "blind", 1),
        (FLASH, "blind", 0),
        (HAIKU, "open", 1),
        (FLASH, "open", 0),
    ]
    assert "1 blind vote on 1 grid. 1 open vote on 1 grid" in table.caption


def test_undo_takes_back_votes_of_this_vote_only(voting, votes):
    grid = made_up_grid(samples=3)
    earlier = voting(grid)
    earlier.cast(0)
    vote = voting(grid)
    vote.cast(0)
    vote.cast("tie", "close call")
    vote.undo()
    assert vote.place == 1
    vote.undo()
    vote.undo()
    assert vote.place == 0
    assert len(votes.ballots(grid.id)) == 1


def test_a_note_is_stored_with_its_vote(voting, votes):
    vote = voting(made_up_grid())
    vote.cast(1, "shorter")
    assert [each.note for each in votes.ballots()] == ["shorter"]


def test_a_repeated_ballot_shows_consistency_and_is_no_second_vote(voting, votes):
    vote = voting(made_up_grid(samples=5))
    while vote.paper is not None:
        vote.cast(place_of(vote, HAIKU))
    table = vote.finish().table
    assert [row["wins"] for row in table] == [5, 0]
    assert "the same choice on 1 of 1 repeated ballots" in table.caption
    assert len(votes.ballots()) == 6


def test_the_repeat_of_a_skipped_ballot_is_a_vote(voting, votes):
    vote = voting(made_up_grid(samples=5))
    while vote.paper is not None:
        vote.cast("skip" if vote.paper.repeats is None else place_of(vote, HAIKU))
    assert [row["wins"] for row in vote.finish().table] == [1, 0]


def test_with_the_history_off_votes_last_as_long_as_the_kernel(voting, votes, monkeypatch):
    monkeypatch.setenv("CMD_HISTORY", "off")
    vote = voting(made_up_grid(samples=2))
    assert "the history is off" in vote.cast(0)
    vote.cast(0)
    vote.undo()
    assert len(votes.ballots()) == 1
    assert "only votes of this session" in votes.votes().caption
    monkeypatch.delenv("CMD_HISTORY")
    assert not votes._session.history.store.ballots()


def test_preference_pairs_are_exported_with_their_texts(voting, votes, grid, tmp_path):
    vote = voting(grid)
    vote.cast(place_of(vote, HAIKU), "clear")
    lost = voting(made_up_grid())
    lost.cast(0)
    tie = voting(grid)
    tie.cast("tie")
    path = tmp_path / "pairs.jsonl"
    shown = votes.votes(export=str(path))
    assert shown == f"wrote 1 preference pair to {path}; 1 pair left out: the text is gone"
    (pair,) = map(json.loads, path.read_text().splitlines())
    assert pair["prompt"] == PROMPT
    assert (pair["chosen"], pair["rejected"]) == ("It scatters.", "Rayleigh, my dear.")
    assert (pair["chosen_combination"], pair["rejected_combination"]) == (HAIKU, FLASH)
    assert (pair["mode"], pair["note"]) == ("blind", "clear")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pairs.csv", "written as JSON lines, not to"),
        ("there.jsonl", "already exists"),
        ("pairs.jsonl", "no vote prefers one answer"),
    ],
)
def test_an_export_that_cannot_be_is_refused(votes, tmp_path, name, message):
    (tmp_path / "there.jsonl").write_text("")
    with pytest.raises(OptionError, match=message):
        votes.votes(export=str(tmp_path / name))
    assert not (tmp_path / "pairs.jsonl").exists()


def test_an_export_into_a_missing_folder_says_what_to_check(voting, votes, grid, tmp_path):
    vote = voting(grid)
    vote.cast(0)
    with pytest.raises(OptionError, match="cannot be written") as caught:
        votes.votes(export=str(tmp_path / "none" / "pairs.jsonl"))
    assert "folder exists" in caught.value.hint


def test_without_votes_the_table_says_how_to_vote(votes):
    assert votes.votes() == []
    assert votes.votes().caption == "no votes yet; %cmd vote opens a vote on a finished grid"


def test_a_blind_grid_is_revealed_by_name(votes, shell):
    drawn = []
    shell.user_ns |= {"g": (grid := made_up_grid()), "x": 1, "o": made_up_grid(is_blind=False)}
    grid.revealed.connect(lambda: drawn.append(True))
    shown = votes.reveal("g")
    first, second, rest = shown.splitlines()
    assert {first, second} in (
        {f"A is {HAIKU}", f"B is {FLASH}"},
        {f"A is {FLASH}", f"B is {HAIKU}"},
    )
    assert rest == "votes on this grid count as open from now on"
    assert drawn == [True]
    assert votes.reveal("g") == "the grid is already revealed"
    assert votes.reveal("o") == "the grid is not blind; its columns already have their names"


def test_the_grid_of_a_vote_is_the_named_one_or_the_last(shell):
    first, second = made_up_grid(), made_up_grid()
    shell.user_ns |= {"g": first}
    assert find_grid(shell) is find_grid(shell, "g") is first
    shell.user_ns["_cmd"] = types.SimpleNamespace(grid=second)
    assert find_grid(shell) is second


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (None, "there is no grid yet", "%%cmd -m MODEL,MODEL"),
        ("x", "x is not a grid", "%%cmd -m MODEL,MODEL"),
        ("nothing", "nothing is not defined", "%%cmd -m MODEL,MODEL"),
    ],
)
def test_a_missing_grid_is_an_error_that_says_how_to_make_one(shell, name, message, hint):
    shell.user_ns["x"] = 1
    with pytest.raises(OptionError, match=message) as caught:
        find_grid(shell, name)
    assert hint in caught.value.hint


def test_a_wrong_name_has_a_close_match(shell):
    shell.user_ns["greetings"] = made_up_grid()
    with pytest.raises(OptionError) as caught:
        find_grid(shell, "greeting")
    assert caught.value.hint == "did you mean greetings?"


@pytest.fixture
def command(session, cell, shell, votes, threads):
    return VoteCommand(session, cell, shell, votes, threads)


def test_a_grid_of_equal_answers_is_nothing_to_vote_on(command, shell):
    shell.user_ns["g"] = made_up_grid(lambda *_: "the same")
    said = command.vote()
    assert "no two different answers to one prompt" in said
    assert "left out: 1 ballot with equal answers" in said


def test_where_nobody_can_answer_the_cell_says_so(command, cell, shell, votes):
    shell.user_ns["g"] = grid = made_up_grid()
    cell.can_ask = False
    assert command.vote() == "nobody can vote here; in a notebook this cell opens 1 ballot"
    assert not grid.revealed
    assert votes.ballots() == []


def typing(*lines):
    """Return an `input` that types these lines, then ends the input."""
    waiting = iter(lines)

    def ask(question):
        asked.append(question)
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    asked = ask.asked = []
    return ask


def test_in_a_terminal_each_ballot_is_a_list_with_one_line(voting, votes, capsys):
    vote = voting(made_up_grid(samples=4))
    ask = typing("1", "n", "too long", "x", "-", "", "u", "d", "0", "R")
    outcome = vote_in_terminal(vote, ask)
    shown = capsys.readouterr().out
    assert "Ballot 1 of 4: Why is the sky blue?" in shown
    assert "1 to 2: Answer [-" in shown
    assert HAIKU not in shown
    assert ask.asked[0].startswith("1-2 best, 0 tie, - all bad, Enter skip, u undo, n note")
    stored = votes.ballots()
    assert [each.choice for each in stored] == [0, "all bad", "tie"]
    assert [each.note for each in stored] == ["", "too long", ""]
    assert "has most wins (1 win on 3 ballots)" in outcome.headline


def test_the_end_of_input_ends_the_vote(voting, votes):
    assert vote_in_terminal(voting(made_up_grid()), typing()).headline.startswith("The vote ended")


def test_control_characters_of_an_answer_reach_no_terminal(voting, capsys):
    grid = made_up_grid(lambda each, _: f"red \x1b[31m {each.index}", prompts=("a\x1b[2Jb",))
    vote_in_terminal(voting(grid), typing("d", "r"))
    assert "\x1b" not in capsys.readouterr().out


def test_the_command_votes_in_a_terminal(command, shell, monkeypatch, capsys):
    shell.user_ns["g"] = made_up_grid()
    monkeypatch.setattr("builtins.input", typing("1"))
    shown = command.vote("g", pairs=True)
    assert isinstance(shown, TextOutput)
    assert "has most wins" in shown
    assert "1 blind vote on 1 grid" in shown
