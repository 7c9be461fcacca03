"""A grid in the history: one turn whose answers are versions, in the order of the plan."""

from __future__ import annotations

import threading
import time
import types

import pytest
from support import provider as scripted
from support.grids import FLASH, HAIKU
from support.plain_server import MODEL

from cc_jupyter.commands.history import HistoryCommands
from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.commands.votes import VoteCommands
from cc_jupyter.conversation.history import History
from cc_jupyter.conversation.store import FILE, Store
from cc_jupyter.core.errors import OptionError, StoreError
from cc_jupyter.core.messages import PromptSpec, TurnKey
from cc_jupyter.core.paths import data_folder
from cc_jupyter.experiments.grid_columns import shuffled
from cc_jupyter.experiments.plan import make_plan
from cc_jupyter.experiments.run_grid import NullGridView, retry, run_grid
from cc_jupyter.frontend.handlers import Queries
from cc_jupyter.frontend.state import StateReader
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.options import parse_cell_line
from cc_jupyter.render.base import NullRenderer

KEY = TurnKey("n", "a", 0)
ORDER = ["rain 0", "rain 1", "snow 0", "snow 1"]


@pytest.fixture
def session(new_session):
    opened = new_session()
    opened.choices["concurrency"] = 1  # so that the provider answers in the order of the plan
    return opened


def cell_of(**fields):
    return types.SimpleNamespace(
        **{"notebook": "n", "token": object(), "turn_key": lambda: KEY} | fields
    )


def plan_of(session, line, models=MODEL):
    shell = types.SimpleNamespace(user_ns={}, history_manager=None)
    cell = cell_of()
    settings = session.settings()
    return make_plan(
        parse_cell_line(f"-m {models} {line}"),
        "What is {{ topic }}?",
        builder=PromptBuilder(shell, {}, settings.value_limits),
        cell=cell,
        preparer=session.preparer,
        settings=settings,
    )


def run(session, provider, *answers):
    for each in answers:
        provider.play(scripted.answer(each) if isinstance(each, str) else each)
    return run_grid(
        session, plan_of(session, """-n 2 --vary "topic=['rain', 'snow']" """), NullGridView()
    )


def texts(slot):
    return [turn.answer for turn in slot.versions]


def on_disk():
    """Return the only slot of the conversation, as a new kernel finds it."""
    (slot,) = History(lambda: None).load_thread("default", "n").slots
    return slot


def test_a_restart_finds_a_grid_as_one_turn_in_the_order_of_its_plan(session, provider):
    first = run(session, provider, *ORDER)
    (slot,) = session.conversations.thread().slots
    assert texts(slot) == texts(on_disk()) == ORDER
    assert (slot.turn.answer, on_disk().turn.answer) == ("rain 0", "rain 0")
    assert on_disk().versions == slot.versions
    assert [turn.prompt for turn in slot.versions] == ["What is rain?"] * 2 + ["What is snow?"] * 2
    turns = History(session.now).grid_turns(first.plan.id, on_disk=True)
    assert [turn.sample for turn in turns] == [0, 1, 0, 1]
    assert len({turn.request_key for turn in turns}) == 2
    second = run(session, provider, "a", "b", "c", "d")
    assert texts(on_disk()) == [*ORDER, *"abcd"]
    groups = [turn.group for turn in on_disk().versions]
    assert groups == [first.plan.id] * 4 + [second.plan.id] * 4
    assert on_disk().turn.answer == "a"


def test_the_first_answer_of_the_plan_that_succeeded_is_active_also_after_a_retry(
    session, provider
):
    before = run(session, provider, scripted.error(400), "rain 1", scripted.error(400), "snow 1")
    assert on_disk().turn.answer == "rain 1"
    session.conversations.thread().choose(0, 3)
    for text in ("rain 0", "snow 0"):
        provider.play(scripted.answer(text))
    retry(session, before, NullGridView())
    assert texts(on_disk()) == [*ORDER, "", ""]
    assert on_disk().turn.answer == "snow 1"


def test_a_disk_that_fails_costs_no_grid_and_the_next_turn_writes_its_order(session, provider):
    class Failing:
        works = False

        def __call__(self):
            if not self.works:
                raise StoreError("the disk is full")
            return Store(data_folder() / FILE)

    opening = Failing()
    session.history = History(session.now, opening)
    grid = run(session, provider, scripted.error(400), *ORDER[1:]).grid
    assert [answer.reply.text for answer in grid.answers] == ["", *ORDER[1:]]
    opening.works = True
    provider.play(scripted.answer("later"))
    spec = PromptSpec("And then?", model=MODEL, turn_key=TurnKey("n", "b", 0))
    session.run(session.prepare(spec), NullRenderer())
    first, second = History(session.now).load_thread("default", "n").slots
    assert texts(first) == ["", *ORDER[1:]]
    assert (first.turn.answer, second.turn.answer) == ("rain 1", "later")


def test_answers_that_end_together_wait_for_a_locked_history_only_once(
    session, provider, monkeypatch
):
    session.choices["concurrency"] = 4
    waiting = threading.Barrier(4)
    attempts = []
    save = session.history.save

    def save_together(record, *args, **fields):
        if record.finished:
            waiting.wait(10)
        return save(record, *args, **fields)

    def locked():
        attempts.append(threading.current_thread())
        time.sleep(0.3)  # the others have asked meanwhile
        raise StoreError("another program has locked the history")

    monkeypatch.setattr(session.history, "save", save_together)
    monkeypatch.setattr(session.history, "_open", locked)
    grid = run(session, provider, *ORDER).grid
    assert len([each for each in attempts if each is not threading.main_thread()]) == 1
    assert len(session.history.unsaved()) == 4
    assert all("locked" in str(reply.notices) for reply in grid)
    monkeypatch.undo()
    session.history.flush()
    assert sorted(texts(on_disk())) == ORDER


def run_blind(session, provider):
    provider.always(lambda record: scripted.answer(f"{len(record.json['model'])} drops")(record))
    plan = plan_of(session, """-t 0,1 --vary "topic=['rain']" """, f"{HAIKU},{FLASH}")
    return run_grid(session, plan, NullGridView(), is_blind=True).grid


def shown_of(session):
    """Return all that lists and pages show of the turns, once the thread is loaded and before."""
    cell = cell_of(final_output=lambda _: None, is_statement=lambda: True)
    queries = Queries(StateReader(session, cell, {}, lambda: False)).by_type
    texts = [queries["get_tree"]({}), queries["search"]({"text": "drops"}), answer_of(queries)]
    threads = ThreadCommands(session, cell)
    threads.thread("default")
    texts += [queries["get_tree"]({}), queries["get_versions"]({"cell_id": "a"})]
    texts += [queries["get_state"]({})[1]["cells"], answer_of(queries)]
    tables = (threads.history(), threads.versions(), HistoryCommands(session, cell).search("drops"))
    return f"{texts} {[[*each] for each in tables]}"


def answer_of(queries):
    _, answer = queries["get_answer"]({"cell_id": "a"})
    return [output["data"] for output in answer["outputs"]]


def reveal(session, name=None, **names):
    shell = types.SimpleNamespace(user_ns=names)
    return VoteCommands(session, cell_of(), shell).reveal(name)


def test_a_restart_leaves_a_blind_grid_blind_until_it_is_revealed(new_session, provider):
    grid = run_blind(new_session(), provider)
    restarted = new_session()
    before = shown_of(restarted)
    assert "drops" in before
    assert "Answer A" in before
    for hidden in ("haiku", "flash", "temperature", "t=", "$0", "$?", "tok/s", "in 1"):
        assert hidden not in before
    with pytest.raises(OptionError, match="g is not defined") as caught:
        reveal(restarted, "g")
    assert caught.value.hint == "%cmd reveal alone shows the last blind grid of this notebook"
    _, *columns, last = reveal(restarted).splitlines()
    assert last == "its cell still shows the letters"
    combinations = zip("ABCD", shuffled(grid.plan), columns, strict=True)
    for letter, combination, line in combinations:
        options = combination.options
        begins = f"{letter} is {options['model']} · t {options['temperature']:g}"
        assert f"{line} ".startswith(f"{begins} ")
    for session in (restarted, new_session()):
        after = shown_of(session)
        assert "haiku" in after
        assert "flash" in after
        assert "Answer A" not in after
        with pytest.raises(OptionError, match="there is no grid yet"):
            reveal(session)


@pytest.mark.parametrize("restart", [False, True])
def test_a_grid_is_brought_back_with_all_its_answers(new_session, session, provider, restart):
    run(session, provider, *ORDER)
    session.conversations.thread().choose(0, 2)
    session.history.save_thread(session.conversations.thread(), on_disk=True)
    (record, *_) = History(session.now).grid_turns(
        session.conversations.thread().slots[0].turn.group, on_disk=True
    )
    if restart:
        session = new_session()
    else:
        session.conversations.thread().rewind()
        provider.play(scripted.answer("other"))
        spec = PromptSpec("Another cell", model=MODEL, turn_key=TurnKey("n", "b", 0))
        session.run(session.prepare(spec), NullRenderer())
    thread = ThreadCommands(session, cell_of()).bring_back(record)
    slot = thread.slots[-1]
    assert sorted(texts(slot)) == ORDER
    assert slot.turn.answer == ("snow 0" if restart else "rain 0")  # as it was, else the first
    assert ThreadCommands(session, cell_of()).bring_back(record).slots == thread.slots


def test_an_earlier_run_of_a_grid_is_shown_as_one(session, provider):
    run(session, provider, *ORDER)
    run(session, provider, *[scripted.error(400)] * 4)
    cell = cell_of(final_output=lambda _: None)
    queries = Queries(StateReader(session, cell, {}, lambda: False)).by_type
    first, *_ = answer_of(queries)
    assert first["text/plain"] == "This is an earlier run. The history has 4 answers of it:"
