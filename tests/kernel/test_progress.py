"""How far an answer is, as the kernel tells it of its own accord to pages that listen."""

from __future__ import annotations

import time

import pytest
from support.comm_page import Page, make_subshell
from support.kernel_notebook import MODEL, halves
from support.provider import answer, hang, openai_stream, prose, wait

pytestmark = pytest.mark.kernel

CELL = "%%cmd\nhello"
PYTHON = "import cc_jupyter as cc\n"
LIMIT_S = 30.0


@pytest.fixture
def ear(notebook):
    """Return a comm that listens, beside one that has said hello."""
    assert Page(notebook.kernel).open() is not None
    return listening(notebook)


def listening(notebook):
    made = Page(notebook.kernel)
    made.listen()
    return made


def pausing(notebook):
    """Have the next answer pause after its half until the gate `rest` is set."""
    before, after = halves(openai_stream(["half ", "an answer", " and the rest"]), " and the rest")
    notebook.provider.play(before, wait("rest"), after)


def everything(notebook, request, each=lambda _: None):
    """Return all that the kernel says, whatever caused it, until an execution has ended."""
    found, deadline_s = [], time.monotonic() + LIMIT_S
    while True:
        left_s = max(0.1, deadline_s - time.monotonic())
        message = notebook.kernel.client.get_iopub_msg(timeout=left_s)
        found.append(message)
        each(found)
        ended = message["content"].get("execution_state") == "idle"
        if ended and message["parent_header"].get("msg_id") == request:
            return found


def test_it_is_told_while_an_answer_pauses_and_the_kernel_stays_busy(notebook, ear):
    def go_on(messages):
        if len(ear.heard(messages)) >= 4:
            notebook.provider.gate("rest").set()

    pausing(notebook)
    request = notebook.kernel.start(CELL, "c2")
    messages = everything(notebook, request, go_on)
    heard = ear.heard(messages)
    first, *during, last = heard
    assert first == {**first, "cell_id": "c2", "thread": "default", "model": MODEL, "tokens": "~0"}
    assert [int(each["tokens"][1:]) > 0 for each in during[-2:]] == [True, True]
    elapsed_s = [each["elapsed_s"] for each in (first, *during)]
    assert elapsed_s == sorted(elapsed_s)
    assert last is None
    states = [each for each in messages if each["msg_type"] == "status"]
    assert [each["content"]["execution_state"] for each in states] == ["busy", "idle"]
    assert {each["parent_header"]["msg_id"] for each in messages} == {request}


def test_a_question_beside_a_cell_leaves_the_kernel_busy(notebook):
    page = Page(notebook.kernel, make_subshell(notebook.kernel))
    assert page.open() is not None
    pausing(notebook)
    request = notebook.kernel.start(CELL, "c1")
    run = notebook.kernel.follow(request, until=lambda run: "half an answer" in run.texts)
    page.ask("get_state", notebook="")
    notebook.kernel.unread.clear()
    notebook.provider.gate("rest").set()
    messages = everything(notebook, request)
    states = [each for each in messages if each["msg_type"] == "status"]
    assert {each["parent_header"]["msg_id"] for each in states} == {request}
    assert [each["content"]["execution_state"] for each in states] == ["busy", "idle"]
    assert run.texts[0] == "half an answer"


def test_a_question_between_cells_says_nothing_of_cells(notebook):
    page = Page(notebook.kernel, make_subshell(notebook.kernel))
    assert page.open() is not None
    page.ask("get_state", notebook="")
    request = notebook.kernel.start("1 + 1")
    states = [each for each in everything(notebook, request) if each["msg_type"] == "status"]
    assert [each["parent_header"]["msg_id"] for each in states] == [request] * 2


def test_what_is_shown_is_the_same_as_without(notebook):
    runs = []
    for number in range(2):
        if number:
            listening(notebook)
        notebook.provider.play(answer("fine"))
        runs.append(notebook.check(CELL))
    without, along = runs
    assert without.of_type("comm_msg") == []
    assert len(along.of_type("comm_msg")) >= 2
    assert along.texts[0] == without.texts[0] == "fine"
    kinds = [[each.kind for each in run.shown] for run in runs]
    assert kinds[0] == kinds[1]
    assert along.display_count == without.display_count


def test_nothing_is_sent_to_a_page_that_only_asks(notebook):
    assert Page(notebook.kernel).open() is not None
    notebook.provider.play(answer("fine"))
    assert notebook.check(CELL).of_type("comm_msg") == []


def test_a_burst_is_as_few_messages_as_without(notebook, ear):
    run = notebook.run("%%cmd -m test/burst-20000\nhello", limit_s=60)
    assert run.texts[0] == "".join(prose(20_000))
    heard = ear.heard(run.messages)
    assert len(run.messages) - len(heard) <= 40
    assert heard[0] is not None
    assert heard[-1] is None


def test_a_page_is_stopped_through_its_other_comm(notebook):
    subshell = make_subshell(notebook.kernel)
    page = Page(notebook.kernel, subshell)
    assert page.open() is not None
    ear = Page(notebook.kernel, subshell)
    ear.listen()
    before, _ = halves(openai_stream(["half ", "an answer", " never"]), " never")
    notebook.provider.play(before, hang())
    request = notebook.kernel.start(CELL, "c1")
    run = notebook.kernel.follow(request, until=lambda run: len(ear.heard(run.messages)) >= 3)
    assert page.ask("stop", cell_id="c1") == {"stopped": True}
    notebook.kernel.follow(request, run, limit_s=10)
    assert run.error_lines == ["KeyboardInterrupt: stopped; the text received is saved"]
    assert ear.heard(run.messages)[-1] is None


def test_a_refused_request_ends_it_too(notebook, ear):
    notebook.check("import os; os.environ['CMD_MAX_RETRIES'] = '0'")
    notebook.provider.play(hang())
    request = notebook.kernel.start(CELL, "c1")
    run = notebook.kernel.follow(request, until=lambda run: bool(ear.heard(run.messages)))
    notebook.kernel.interrupt()
    notebook.kernel.follow(request, run)
    assert run.error_name == "KeyboardInterrupt"
    assert ear.heard(run.messages)[-1] is None


@pytest.mark.parametrize(
    "code",
    [
        "list(cc.stream('hello'))",
        "t = __import__('threading').Thread(target=cc.ask, args=('hello',)); t.start(); t.join()",
    ],
    ids=["stream", "thread"],
)
def test_it_is_told_of_what_python_asks_in_whatever_thread(notebook, ear, code):
    notebook.provider.play(answer("fine"))
    heard = ear.heard(notebook.check(PYTHON + code).messages)
    assert heard[0]["model"] == MODEL
    assert heard[-1] is None


def test_two_pages_hear_the_same_and_one_that_goes_away_takes_nothing_along(notebook, ear):
    other = listening(notebook)
    notebook.provider.play(answer("fine"))
    messages = notebook.check(CELL).messages
    assert len(ear.heard(messages)) == len(other.heard(messages)) >= 2
    other.close()
    notebook.provider.play(answer("fine"))
    messages = notebook.check(CELL).messages
    assert other.heard(messages) == []
    assert len(ear.heard(messages)) >= 2


def test_unloading_ends_it_and_loading_anew_begins_without_anybody(notebook, ear):
    assert len(notebook.check("%unload_ext cc_jupyter").of_type("comm_close")) == 2
    notebook.check("%load_ext cc_jupyter")
    notebook.provider.play(answer("fine"))
    assert notebook.check(CELL).of_type("comm_msg") == []


def test_another_version_is_told_nothing_and_neither_is_a_comm_that_asks(notebook):
    newer = Page(notebook.kernel)
    newer.listen(v=2)
    asker = Page(notebook.kernel)
    assert asker.open() is not None
    assert asker.send({"v": 1, "type": "listen", "id": "listen-0", "body": {}}) == []
    notebook.provider.play(answer("fine"))
    assert notebook.check(CELL).of_type("comm_msg") == []


def test_pages_that_went_without_a_word_are_not_told_for_ever(notebook):
    ears = [listening(notebook) for _ in range(10)]
    notebook.provider.play(answer("fine"))
    messages = notebook.check(CELL).messages
    assert [bool(each.heard(messages)) for each in ears] == [False] * 2 + [True] * 8
