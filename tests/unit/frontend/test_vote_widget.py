"""The kernel's half of the vote: what the browser gets, and what its messages do."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from support.grids import FLASH, HAIKU, made_up_grid

from cc_jupyter.core.errors import StoreError
from cc_jupyter.experiments.votes.ballots import make_vote
from cc_jupyter.experiments.votes.report import vote_table
from cc_jupyter.frontend.replaced_widget import WIDGET_MIME
from cc_jupyter.frontend.vote.voting import Voting
from cc_jupyter.frontend.vote.widget import VoteWidget


class Votes:
    """The votes of a test, in memory."""

    def __init__(self):
        self.saved = []
        self.is_locked = False

    def save(self, ballot):
        self.saved.append(ballot)
        return ""

    def take_back(self, ballot):
        if self.is_locked:
            raise StoreError("the history is locked", hint="close the other program")
        self.saved.remove(ballot)

    def ballots(self, grid=None):
        return list(self.saved)

    def table(self, ballots):
        return vote_table(ballots, {})

    def reveal_grid(self, grid):
        grid.revealed.reveal()
        return ""


@pytest.fixture
def votes():
    return Votes()


@pytest.fixture
def opened(votes):
    def open_(grid):
        now = datetime(2026, 11, 30, tzinfo=UTC)
        voting = Voting(grid, make_vote(grid, seed=1), votes, lambda _: "", lambda: now)
        return VoteWidget(voting, "cell")

    return open_


def tell(widget, kind, **content):
    """Send what the browser would send."""
    widget._receive(widget, {"type": kind, **content}, [])
    return widget._board


def state(widget):
    return json.dumps([widget._answers, widget._ballots, widget._board, widget._bundle()])


def test_the_browser_gets_each_answer_once_and_nothing_that_tells_its_model(opened):
    widget = opened(made_up_grid(samples=6))
    assert len(widget._answers) == 12
    assert len(widget._ballots) == 8
    for name in (HAIKU, FLASH, "0.001", "turn"):
        assert name not in state(widget)


def test_answers_come_through_the_markdown_door(opened):
    widget = opened(made_up_grid(lambda each, _: f"**b**<script>{each.index}</script>"))
    assert "<strong>b</strong>" in widget._answers[0]
    assert "<script>" not in state(widget)


def test_a_choice_is_saved_once(opened, votes):
    widget = opened(made_up_grid(samples=3))
    board = tell(widget, "cast", place=0, choice=1, note="shorter", seen=1)
    assert (board["at"], board["seen"]) == (1, 1)
    board = tell(widget, "cast", place=0, choice=0, seen=2)  # from a second view
    assert (board["at"], board["seen"]) == (1, 2)
    assert [(each.choice, each.note) for each in votes.saved] == [(1, "shorter")]


@pytest.mark.parametrize("choice", [2, -1, "best", None, 0.5, [0]])
def test_a_choice_that_is_none_changes_nothing(opened, votes, choice):
    board = tell(opened(made_up_grid()), "cast", place=0, choice=choice, seen=1)
    assert board["at"] == 0
    assert votes.saved == []


def test_a_vote_that_cannot_be_taken_back_stays_and_the_widget_says_why(opened, votes):
    widget = opened(made_up_grid(samples=3))
    tell(widget, "cast", place=0, choice=0, seen=1)
    votes.is_locked = True
    board = tell(widget, "undo", seen=2)
    assert board["said"] == "the history is locked (close the other program)"
    assert (board["at"], board["seen"]) == (1, 2)


def test_differences_are_sent_when_asked_for(opened, monkeypatch):
    widget, sent = opened(made_up_grid()), []
    monkeypatch.setattr(widget, "send", sent.append)
    tell(widget, "diff", first=0, second=1)
    assert sent[0]["place"] == 0
    assert "<ins" in sent[0]["html"]


def test_the_result_is_static_and_the_widget_is_gone_from_it(opened):
    widget = opened(made_up_grid())
    assert "was open" in repr(widget)
    assert WIDGET_MIME in widget._bundle()
    tell(widget, "cast", place=0, choice=0, seen=1)
    bundle = tell(widget, "end", seen=2)["outcome"]["bundle"]
    assert widget._bundle() == bundle
    assert set(bundle) == {"text/plain", "text/html"}
    assert "has most wins" in bundle["text/plain"]
    assert "1 blind vote on 1 grid" in bundle["text/html"]
    assert tell(widget, "cast", place=0, choice=0, seen=3)["at"] == 1  # it is over


def test_a_message_of_a_later_version_is_ignored(opened):
    widget = opened(made_up_grid())
    before = dict(widget._board)
    assert tell(widget, "dance") == before
