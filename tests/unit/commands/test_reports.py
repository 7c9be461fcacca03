"""Reports from disk contain the turns that could not be saved before, or say what is missing."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import types

import pytest
from support import provider as scripted
from support.plain_server import MODEL, reader_threads, wait_until

from cc_jupyter.commands.history import HistoryCommands
from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.commands.usage import UsageCommands
from cc_jupyter.conversation.store import FILE, database
from cc_jupyter.core.messages import PromptSpec, TurnKey
from cc_jupyter.core.paths import data_folder
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session

NOTEBOOK = "work/a.ipynb"
CELL = types.SimpleNamespace(notebook=NOTEBOOK, is_statement=lambda: True)
PERIODS = ["day", "week", "month", "all"]


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    provider.always(scripted.answer("The walrus dives.", usage=scripted.Tokens(100, 10)))
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.forget(None)  # what could not be saved is not reported at exit
    opened.history.close()
    wait_until(lambda: not reader_threads())


@contextlib.contextmanager
def locked():
    """Hold the history like a program that does not let go."""
    holder = sqlite3.connect(data_folder() / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.rollback()
        holder.close()


def ask(session, prompt="hi"):
    spec = PromptSpec(prompt, model=MODEL, notebook=NOTEBOOK)
    return session.run(session.prepare(spec), NullRenderer())


def turn_id(session):
    return session.replies[-1].provenance.turn_id


def usage(session, period):
    table = UsageCommands(session, CELL).usage(since=period)
    return sum(row["requests"] for row in table if row["model"] == MODEL), table.caption


def receipt(session, period):
    text = str(UsageCommands(session, CELL).receipt(since=period))
    return int(re.search(r": (\d+) requests? in", text)[1]), text


def search(session, _):
    table = HistoryCommands(session, CELL).search("walrus")
    return len(table), table.caption


REPORTS = {
    **{f"usage {period}": (usage, period) for period in PERIODS},
    **{f"receipt {period}": (receipt, period) for period in PERIODS},
    "search": (search, None),
}


@pytest.mark.parametrize("period", ["session", *PERIODS])
def test_usage_by_cell_shows_the_words_of_the_last_prompt(session, period):
    key = TurnKey(NOTEBOOK, "7f3a8d1c", 0)
    for prompt in ("who dives?", "how deep does\nit dive?"):
        spec = PromptSpec(prompt, model=MODEL, notebook=NOTEBOOK, turn_key=key)
        session.run(session.prepare(spec), NullRenderer())
    ask(session)
    table = UsageCommands(session, CELL).usage(by="cell", since=period)
    assert {row["cell"]: row["requests"] for row in table} == {
        "how deep does it dive?": 2,
        "-": 1,
        "all": 3,
    }


@pytest.mark.parametrize(
    ("period", "notebook", "scope"),
    [
        ("session", False, "this session: "),
        ("session", True, "this session, this notebook only: "),
        ("week", False, "the last 7 days, all notebooks: "),
        ("all", True, "the whole history, this notebook only: "),
    ],
)
def test_sums_name_what_is_added_up(session, period, notebook, scope):
    ask(session)
    commands = UsageCommands(session, CELL)
    assert commands.usage(since=period, notebook=notebook).caption.startswith(scope)
    text = str(commands.receipt(since=period, notebook=notebook))
    assert f"({scope.removesuffix(': ')}; written" in text
    plot = commands.usage(since=period, notebook=notebook, plot=True)
    assert f"({scope.removesuffix(': ')})" in repr(plot)


@pytest.mark.parametrize(("text", "marked"), [("walrus", "walrus"), ("alrus d", "alrus d")])
def test_found_words_are_marked(session, text, marked):
    ask(session)
    table = HistoryCommands(session, CELL).search(text)
    assert f"<mark>{marked}</mark>" in table._repr_html_()
    assert "The walrus dives." in str(table)


@pytest.mark.parametrize(("report", "period"), REPORTS.values(), ids=REPORTS)
def test_a_report_contains_what_could_not_be_saved_before(session, report, period):
    ask(session)
    with locked():
        assert any("not saved yet" in notice for notice in ask(session).notices)
    count, words = report(session, period)
    assert count == 2
    assert "missing" not in words


@pytest.mark.parametrize(("report", "period"), REPORTS.values(), ids=REPORTS)
def test_a_report_says_what_is_missing_while_the_history_is_locked(session, report, period):
    ask(session)
    with locked():
        ask(session)
        count, words = report(session, period)
        assert count == 1
        assert "; 1 turn is missing because the history cannot be written" in words
        ask(session)
        assert "; 2 turns are missing because the history cannot" in report(session, period)[1]


def test_a_thread_of_an_unsaved_turn_is_listed_as_stored(session):
    ask(session)
    session.conversations.current = "other"
    with locked():
        ask(session)
    session.conversations.drop("other")
    table = ThreadCommands(session, CELL).threads()
    assert [row["thread"] for row in table if row["state"] == "stored"] == ["other"]


def test_an_unsaved_turn_is_found_by_the_start_of_its_id(session):
    ask(session)
    with locked():
        ask(session, "look at this")
        shown = UsageCommands(session, CELL).sent(turn_id(session)[:8])
        assert "look at this" in str(shown)
    assert "look at this" in str(UsageCommands(session, CELL).sent(turn_id(session)[:8]))


def test_an_unsaved_turn_can_be_deleted(session):
    ask(session)
    with locked():
        ask(session)
    HistoryCommands(session, CELL).forget("turn", turn_id(session)[:8])
    assert len(session.history.store.all_turns()) == 1
