"""The history of a session: written while an answer streams, patient with a failing disk."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from support import provider as scripted
from support.plain_server import CLAUDE, MODEL, reader_threads, wait_until

from cc_jupyter.conversation.history import History
from cc_jupyter.conversation.store import FILE, Store
from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.messages import Parameters, PromptSpec, TurnKey
from cc_jupyter.core.paths import data_folder
from cc_jupyter.core.request_key import request_key
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session import recorder
from cc_jupyter.session.session import Session


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    opened = Session()
    yield opened
    opened.transport.close()
    opened.history.forget(None)  # what could not be saved is not reported at exit
    opened.history.close()
    wait_until(lambda: not reader_threads())


def ask(session, prompt="hi", **options):
    question = PromptSpec(prompt, **({"model": MODEL} | options))
    return session.run(session.prepare(question), NullRenderer())


def stored():
    """Return what another process sees."""
    store = Store(data_folder() / FILE)
    turns = list(store.all_turns())
    store.close()
    return turns


def test_a_turn_is_on_disk_when_its_answer_is_there(session, provider):
    provider.play(scripted.answer("Hello", reasoning="hm"))
    reply = ask(session)
    (turn,) = stored()
    assert (turn.prompt, turn.answer, turn.reasoning, turn.finished) == ("hi", "Hello", "hm", True)
    assert (turn.usage, turn.cost, turn.stop_reason) == (reply.usage, reply.cost, "stop")
    assert turn.id == reply.provenance.turn_id


def test_a_growing_answer_is_on_disk_while_it_streams(session, provider, monkeypatch):
    monkeypatch.setattr(recorder, "PARTIAL_S", 0.05)
    half, rest = scripted.openai_stream(["half ", "way ", "there"]), "rest"
    provider.play(*half[:3], scripted.wait(rest), *half[3:])
    asking = threading.Thread(target=ask, args=(session,))
    asking.start()
    try:
        wait_until(lambda: any(each.answer.startswith("half") for each in stored()))
        (partial,) = stored()
        assert not partial.finished
    finally:
        provider.gate(rest).set()
        asking.join()
    (turn,) = stored()
    assert (turn.id, turn.answer, turn.finished) == (partial.id, "half way there", True)


def test_partial_answers_are_written_within_two_seconds():
    assert recorder.PARTIAL_S < 2


def test_rejected_and_broken_requests_are_saved_too(session, provider):
    provider.play(scripted.error(401))
    provider.play(*scripted.openai_stream(["half"])[:-3])
    ask(session)
    ask(session)
    refused, broken = stored()
    assert refused.error.startswith("AuthError: ")
    assert (broken.answer, broken.stop_reason) == ("half", "error")


def test_each_turn_names_the_one_that_was_sent_last_before_it(session):
    for prompt in ("one", "two"):
        ask(session, prompt)
    ask(session, "anew", new=True)
    ask(session, "aside", once=True)
    one, two, anew, aside = stored()
    assert (one.parent_id, two.parent_id, anew.parent_id) == (None, one.id, None)
    assert (aside.conversation_id, aside.position) == (None, None)
    assert {one.conversation_id, two.conversation_id, anew.conversation_id} == {one.conversation_id}


class Failing:
    """Opens no store until it may."""

    def __init__(self):
        self.works = False
        self.tried = 0

    def __call__(self):
        self.tried += 1
        if not self.works:
            raise StoreError("the disk is full")
        return Store(data_folder() / FILE)


def test_turns_that_were_not_saved_are_saved_by_the_next_cell(session):
    """Each cell says how many are waiting, and the first one that can writes them all."""
    opening = Failing()
    session.history = History(session.now, opening)
    replies = [ask(session, str(number)) for number in range(3)]
    assert all(reply.text for reply in replies)
    notices = [[each for each in reply.notices if "saved" in each] for reply in replies]
    assert notices == [
        ["1 turn not saved yet: the disk is full"],
        ["2 turns not saved yet: the disk is full"],
        ["3 turns not saved yet: the disk is full"],
    ]
    opening.works = True
    assert not any("saved" in notice for notice in ask(session, "3").notices)
    assert [turn.prompt for turn in stored()] == ["0", "1", "2", "3"]
    thread = History(session.now, opening).load_thread("default", "")
    assert [slot.turn.prompt for slot in thread.slots] == ["0", "1", "2", "3"]


def test_a_growing_answer_waits_for_no_lock_twice(session, provider, monkeypatch):
    """Each attempt may wait for a lock; the finished turn is tried in any case."""
    monkeypatch.setattr(recorder, "PARTIAL_S", 0.01)
    opening = Failing()
    session.history = History(session.now, opening)
    provider.play(*scripted.openai_stream(["a ", "b ", "c ", "d "], pause_s=0.03))
    ask(session)
    assert opening.tried == 2


def test_flushing_writes_what_waits_and_returns_what_cannot_be_written(session):
    opening = Failing()
    session.history = History(session.now, opening)
    ask(session, "waits")
    assert [record.prompt for record in session.history.flush()] == ["waits"]
    opening.works = True
    assert session.history.flush() == []
    assert [turn.prompt for turn in stored()] == ["waits"]


_EXIT = """
import sqlite3, sys, threading, time
from cc_jupyter.conversation.store import FILE, Store, database
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.core.paths import data_folder
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
database.BUSY_S = 0.05
session = Session()
ask = lambda prompt: session.run(session.prepare(PromptSpec(prompt, model=MODEL)), NullRenderer())
ask("first")
holder = sqlite3.connect(data_folder() / FILE, isolation_level=None, check_same_thread=False)
holder.execute("BEGIN IMMEDIATE")
print(ask("waits").notices[-1])
if RELEASE:
    holder.rollback()
"""


@pytest.mark.parametrize("release", [True, False])
def test_at_exit_a_turn_that_waits_is_saved_or_its_loss_is_named(session, release):
    code = _EXIT.replace("MODEL", repr(MODEL)).replace("RELEASE", str(release))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "1 turn not saved yet: another program" in run.stdout
    prompts = [turn.prompt for turn in stored()]
    assert prompts == (["first", "waits"] if release else ["first"])
    assert ("1 turn could not be saved" in run.stderr) is not release


@pytest.mark.parametrize("how", ["removed", "with its parts", "replaced"])
def test_a_history_that_is_removed_or_replaced_gets_all_later_turns(session, how):
    path = data_folder() / FILE
    ask(session, "before")
    if how == "replaced":
        other = Store(path.with_name("other.db"))
        other.close()
        path.with_name("other.db").replace(path)
    else:
        path.unlink()
    if how != "removed":
        for part in path.parent.glob(f"{FILE}-*"):
            part.unlink()
    first, second = ask(session, "after"), ask(session, "later")
    assert any("removed or replaced" in notice for notice in first.notices)
    assert not any("removed or replaced" in notice for notice in second.notices)
    assert [turn.prompt for turn in stored()] == ["after", "later"]
    thread = History(session.now).load_thread("default", "")
    assert [slot.turn.prompt for slot in thread.slots if slot.turn] == ["after", "later"]


def test_a_rewind_while_an_answer_streams_keeps_the_answer(session, provider):
    script = scripted.openai_stream(["half ", "there"])
    provider.play(*script[:3], scripted.wait("go"), *script[3:])
    replies = []
    asking = threading.Thread(target=lambda: replies.append(ask(session, "one")))
    asking.start()
    wait_until(lambda: bool(session.conversations.thread().slots))
    session.conversations.thread().rewind(1)
    provider.gate("go").set()
    asking.join()
    assert replies[0].text == "half there"
    assert session.conversations.thread().slots == ()
    assert [(turn.answer, turn.position) for turn in stored()] == [("half there", None)]


def test_a_disk_that_fails_during_an_answer_gives_a_notice_under_it(session, provider, monkeypatch):
    monkeypatch.setattr(recorder, "PARTIAL_S", 0.01)
    session.history = History(session.now, Failing())
    provider.play(*scripted.openai_stream(["a ", "b ", "c "], pause_s=0.03))
    assert any("the disk is full" in notice for notice in ask(session).notices)


GRID = "9" * 32
IN_CELL = {"turn_key": TurnKey("n", "a", 0), "notebook": "n"}


def ask_in_grid(session, prompt, sample, **options):
    prepared = session.prepare(PromptSpec(prompt, **({"model": MODEL} | IN_CELL | options)))
    place = prepared.thread.open_slot(prepared.spec.turn_key)
    in_grid = prepared._replace(grid=GRID, sample=sample, place=place)
    return session.run(in_grid, NullRenderer())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MODEL, Parameters(temperature=0.5, stop=("END",), extra={"seed": 7})),
        (CLAUDE, Parameters(temperature=0.5, max_tokens=64_000, stop=("END",), extra={"seed": 7})),
    ],
)
def test_a_turn_is_stored_with_the_request_that_was_sent(session, provider, model, expected):
    session.choices["temperature"] = 0.5
    parameters = Parameters(stop=("END",), extra={"seed": 7})
    reply = ask_in_grid(session, "Why?", 3, model=model, parameters=parameters)
    (turn,) = stored()
    sent = provider.requests[-1]
    assert turn.options == expected
    assert turn.request_key == request_key(turn.endpoint, sent.body)
    assert (turn.sample, turn.grid, turn.replayed_from) == (3, GRID, None)
    assert turn.reply.provenance == reply.provenance
    (version,) = session.conversations.thread().slots[0].versions
    assert (version.model, version.options, version.group) == (model, expected, GRID)
    (loaded,) = History(session.now).load_thread("default", "n").slots[0].versions
    assert loaded == version


def test_the_samples_of_equal_requests_are_stored_and_single_requests_have_no_grid(session):
    for _ in range(2):
        ask(session, once=True)
    assert [(turn.sample, turn.grid) for turn in stored()] == [(0, None), (1, None)]
    assert len({turn.request_key for turn in stored()}) == 1


def test_a_parameter_that_the_provider_limits_is_stored_as_it_was_sent_in_the_end(
    session, provider
):
    provider.play(scripted.error(400, "max_tokens: 500 > 100, which is the maximum allowed"))
    ask(session, parameters=Parameters(max_tokens=500))
    (turn,) = stored()
    assert turn.options == Parameters(max_tokens=100)
    assert turn.request_key == request_key(turn.endpoint, provider.requests[-1].body)


def test_a_key_in_an_option_is_not_stored(session):
    ask(session, parameters=Parameters(extra={"user": f"name {scripted.KEY}", "n_ctx": 5}))
    (turn,) = stored()
    assert turn.options.extra == {"user": "name [key]", "n_ctx": 5}


def test_a_kernel_killed_in_the_middle_of_a_grid_leaves_one_turn_with_an_active_answer(
    session, provider
):
    provider.play(scripted.error(400))
    provider.play(scripted.answer("snow"))
    provider.play(*scripted.openai_stream(["half"])[:-3])
    provider.play(scripted.answer("rain"))
    for sample, topic in enumerate(("hail", "snow", "wind", "rain")):
        ask_in_grid(session, topic, sample)
    thread = History(session.now).load_thread("default", "n")
    (slot,) = thread.slots
    assert [each.prompt for each in slot.versions] == ["hail", "snow", "wind", "rain"]
    assert [each.failed for each in slot.versions] == [True, False, True, False]
    assert slot.turn.answer == "snow"
    found = History(session.now).grid_turns(GRID, on_disk=True)
    assert [each.sample for each in found] == [0, 1, 2, 3]
    assert thread.context(TurnKey("n", "b", 0)).messages[-1].text == "snow"


def test_answers_of_a_grid_that_still_grow_are_versions_too(session, provider, monkeypatch):
    """So that a kernel that dies leaves what had arrived of each."""
    monkeypatch.setattr(recorder, "PARTIAL_S", 0.05)
    for word in ("one", "two"):
        half = scripted.openai_stream([f"{word} ", "and "] + ["more "] * 3, pause_s=0.06)
        provider.play(*half[:6], scripted.wait("rest"), *half[6:])
    asking = [
        threading.Thread(target=ask_in_grid, args=(session, "grow", sample)) for sample in range(2)
    ]
    for each in asking:
        each.start()
    try:
        wait_until(lambda: len(stored()) == 2 and all(each.answer for each in stored()))
        ids = {each.id for each in stored()}
        wait_until(lambda: versions_on_disk() == ids)
    finally:
        provider.gate("rest").set()
        for each in asking:
            each.join()
    assert versions_on_disk() == ids
    assert all(each.finished for each in stored())


def versions_on_disk():
    """Return the ids of the versions of the only turn, as another process sees them."""
    store = Store(data_folder() / FILE)
    conversation_id = store.all_turns()[0].conversation_id
    (place,) = store.load_conversation(conversation_id).places
    store.close()
    return set(place.versions)


def test_answers_that_end_while_another_is_written_are_written_together(session, monkeypatch):
    """One transaction costs as much as writing the turn in it, and a grid has many turns."""
    begun, may_write, together = threading.Event(), threading.Event(), []
    save = Store.save

    def watched(store, turn, conversation, place, earlier=()):
        together.append(1 + len(earlier))
        begun.set()
        assert may_write.wait(10)
        save(store, turn, conversation, place, earlier)

    monkeypatch.setattr(Store, "save", watched)
    prompts = [f"question {number}" for number in range(5)]
    asking = [threading.Thread(target=ask_in_grid, args=(session, each, 0)) for each in prompts]
    for each in asking:
        each.start()
    try:
        assert begun.wait(10)
        wait_until(lambda: len(session.history._finished) == len(prompts) - together[0])
    finally:
        may_write.set()
        for each in asking:
            each.join()
    assert len(together) == 2
    assert sum(together) == len(prompts)
    assert {turn.prompt for turn in stored()} == set(prompts)
    assert not session.history.unsaved()
