"""The browser protocol, as a page of JupyterLab speaks it to a real kernel."""

from __future__ import annotations

import json

import pytest
from support.comm_page import REPLIES, Page, make_subshell
from support.kernel_notebook import MODEL, halves
from support.provider import KEY, answer, hang, openai_stream

import cc_jupyter

pytestmark = pytest.mark.kernel

UNLOAD = "%unload_ext cc_jupyter"
LOAD = "%load_ext cc_jupyter"


@pytest.fixture
def comm(notebook):
    """Return a page that has said hello; without a subshell, as in an older JupyterLab."""
    opened = Page(notebook.kernel)
    assert opened.open() is not None
    return opened


@pytest.fixture(scope="module")
def subshell(one_notebook):
    """Return a thread of the kernel for comms, as JupyterLab makes one for each target."""
    return make_subshell(one_notebook.kernel)


@pytest.fixture
def busy_page(notebook, subshell):
    """Return a page whose messages are handled beside a running cell."""
    opened = Page(notebook.kernel, subshell)
    assert opened.open() is not None
    return opened


def say(notebook, text, cell_id, prompt="hello", line="%%cmd"):
    """Run a prompt that gets this answer."""
    notebook.provider.play(answer(text))
    return notebook.check(f"{line}\n{prompt}", cell_id)


# ── the handshake


def test_hello_is_answered_with_the_version(notebook):
    hello = Page(notebook.kernel).open()
    assert hello == {
        "v": 1,
        "type": "hello",
        "id": "hello-0",
        "body": {"version": cc_jupyter.__version__},
    }


def test_a_page_of_another_version_hears_which_one_this_is_and_nothing_else(notebook):
    page = Page(notebook.kernel)
    assert page.open(v=2)["v"] == 1
    assert page.send({"v": 2, "type": "get_state", "id": "1", "body": {"notebook": ""}}) == []
    assert page.send({"v": 1, "type": "get_state", "id": "1", "body": {"notebook": ""}}) == []


def test_what_nobody_understands_is_ignored(comm):
    good = {"v": 1, "type": "get_state", "id": "1", "body": {"notebook": ""}}
    for odd in (
        {**good, "type": "make_coffee"},
        {**good, "v": 2},
        {**good, "v": "1"},
        {**good, "id": 7},
        {"type": "get_state"},
        [],
        None,
        "get_state",
    ):
        assert comm.send(odd) == [], odd
    newer = {**good, "later": True, "body": {"notebook": "", "later": True}}
    assert comm.send(newer)[0]["type"] == "state"


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("set_model", {}, "`model` must be a text, not None"),
        (
            "set_model",
            {"model": "a b"},
            "`model` must be one word that is not an option, not 'a b'",
        ),
        ("set_model", {"model": "--save"}, "`model` must be one word"),
        ("set_thread", {"thread": ""}, "`thread` must be a text"),
        ("set_order", {"notebook": "n", "cells": "c1"}, "`cells` must be a list of texts"),
        ("fork", {"thread": "default", "turn": True, "name": "x"}, "`turn` must be a number"),
        ("stop", {}, "`cell_id` must be a text"),
        ("get_estimate", {"notebook": "", "cell_id": "c", "line": 1, "text": ""}, "`line` must be"),
        ("get_estimate", {"notebook": "", "cell_id": "c", "line": "", "text": ""}, "no grid"),
    ],
)
def test_what_is_written_wrongly_is_refused_in_words(comm, kind, body, said):
    assert said in comm.refused(kind, **body)


def test_a_kernel_without_the_extension_closes_and_shows_nothing(notebook):
    notebook.check(UNLOAD)
    page = Page(notebook.kernel)
    assert page.open() is None
    assert page.is_closed
    # ipykernel logs it, and JupyterLab shows that nowhere: it belongs to no cell
    assert page.printed in ("", "No such comm target registered: cc_jupyter\n")


def test_unloading_closes_what_is_open_and_loading_again_opens_anew(notebook, comm):
    run = notebook.check(UNLOAD)
    assert len(run.of_type("comm_close")) == 1
    assert comm.send({"v": 1, "type": "get_state", "id": "1", "body": {}}) == []
    notebook.check(LOAD)
    again = Page(notebook.kernel)
    again.open()
    assert again.ask("get_state", notebook="")["thread"] == "default"


def test_a_page_that_goes_away_leaves_nothing_open(notebook, comm):
    assert notebook.value("len(get_ipython().kernel.comm_manager.comms)") >= 1
    before = notebook.value("len(get_ipython().kernel.comm_manager.comms)")
    comm.close()
    assert notebook.value("len(get_ipython().kernel.comm_manager.comms)") == before - 1
    assert notebook.check(UNLOAD).of_type("comm_close") == []


def test_loading_loads_nothing_of_the_kernels_side(tmp_path, notebook):
    notebook.check("import sys")
    loaded = "[m for m in sys.modules if m.startswith('cc_jupyter.frontend.')]"
    notebook.check(f"%unload_ext cc_jupyter\nfor m in {loaded}: del sys.modules[m]")
    notebook.check("del sys.modules['cc_jupyter.magics.extension']")
    notebook.check(LOAD)
    assert sorted(notebook.value(loaded)) == [
        "cc_jupyter.frontend.kernel_status",
        "cc_jupyter.frontend.target",
    ]


def test_asking_where_one_stands_makes_no_file(notebook, comm):
    comm.ask("get_state", notebook="")
    comm.ask("get_tree", notebook="")
    comm.ask("get_usage", notebook="")
    assert not list((notebook.folder / "cc_jupyter" / "data").glob("history.db*"))


def test_two_pages_are_answered_each_on_its_own_comm(notebook, comm):
    other = Page(notebook.kernel)
    other.open()
    comm.ask("set_thread", thread="aside")
    assert other.ask("get_state", notebook="")["thread"] == "aside"
    other.close()
    assert comm.ask("get_state", notebook="")["thread"] == "aside"


def test_messages_are_no_cells_to_the_hooks_of_the_user(notebook, comm):
    notebook.check(
        "_called = []\n"
        "_hook = lambda *_: _called.append(1)\n"
        "get_ipython().events.register('post_execute', _hook)"
    )
    before = notebook.value("len(_called)")
    for _ in range(3):
        comm.ask("get_state", notebook="")
    after = notebook.value("len(_called)")
    notebook.check("get_ipython().events.unregister('post_execute', _hook)")
    assert after == before + 1  # the cell that asked


# ── where one stands


def test_a_new_notebook_stands_at_nothing(comm):
    state = comm.ask("get_state", notebook="a.ipynb")
    assert state == {
        "model": MODEL,
        "short_name": "deepseek-v4-flash",
        "model_from": "CMD_MODEL",
        "thread": "default",
        "tokens_in": "0",
        "tokens_out": "0",
        "cost": "$0",
        "sums_of": "session",
        "budget_left": None,
        "running": None,
        "cells": {},
    }


def test_without_a_model_nothing_is_made_up(notebook, comm):
    notebook.check("import os; del os.environ['CMD_MODEL']")
    state = comm.ask("get_state", notebook="")
    assert (state["model"], state["short_name"], state["model_from"]) == (None, None, None)


def test_the_state_says_what_the_usage_lines_said(notebook, comm):
    notebook.provider.play(answer("one", usage={"prompt_tokens": 1200, "completion_tokens": 30}))
    notebook.provider.play(answer("two", usage={"prompt_tokens": 1300, "completion_tokens": 40}))
    first = notebook.check("%%cmd\nhello", "c1")
    second = notebook.check("%%cmd\nmore", "c2")
    assert "in 1,200 · out 30" in first.texts[1]
    state = comm.ask("get_state", notebook="")
    assert (state["tokens_in"], state["tokens_out"]) == ("2,500", "70")
    costs = [run.texts[1].split(" · ")[3] for run in (first, second)]
    assert [state["cells"][cell]["cost"] for cell in ("c1", "c2")] == costs
    assert state["cells"]["c1"] == {
        "thread": "default",
        "turn": 1,
        "turn_id": first.outputs[0].metadata["cc_jupyter"]["turn_id"],
        "model": MODEL,
        "cost": costs[0],
        "versions": 1,
        "active": 1,
        "stale": False,
        "reasons": [],
        "order_differs": False,
        "cut": False,
        "last": False,
    }
    assert state["cells"]["c2"]["last"] is True


def test_what_was_not_reported_stays_unknown_in_the_sums(notebook, comm):
    notebook.provider.play(answer("one", usage=None))
    notebook.check("%%cmd\nhello", "c1")
    state = comm.ask("get_state", notebook="")
    assert (state["tokens_in"], state["tokens_out"]) == ("0 + ?", "0 + ?")
    assert state["cost"] == "1 request of unknown cost"
    assert state["cells"]["c1"]["cost"] == "?"


def test_a_cell_counts_as_cut_when_its_answer_was(notebook, comm):
    notebook.provider.play(answer("and then", finish="length"))
    notebook.check("%%cmd\nhello", "c1")
    assert comm.ask("get_state", notebook="")["cells"]["c1"]["cut"] is True


def test_what_is_left_of_a_budget_is_told(notebook, comm):
    notebook.check("%cmd budget 0.50")
    assert comm.ask("get_state", notebook="")["budget_left"] == "$0.5000 of $0.5000 per session"
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    notebook.provider.play(answer("one", usage=usage))
    notebook.check("%%cmd\nhello", "c1")
    state = comm.ask("get_state", notebook="")
    assert state["budget_left"].endswith(" of $0.5000 per session")
    assert not state["budget_left"].startswith("$0.5000")


def test_a_named_notebook_counts_what_earlier_kernels_spent(notebook, comm):
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'n.ipynb'")
    say(notebook, "one", "c1")
    mine = comm.ask("get_state", notebook="n.ipynb")
    notebook.check(
        "from cc_jupyter.session.session import shared_session as _s\n"
        "_s().history.close()\n"
        "_s().history = type(_s().history)(_s().now)\n"
        "_s().started_at = _s().now()"
    )
    later = Page(notebook.kernel)
    later.open()
    whole = later.ask("get_state", notebook="n.ipynb")
    assert (whole["sums_of"], whole["tokens_in"]) == ("notebook", mine["tokens_in"])
    assert later.ask("get_usage", notebook="n.ipynb")["total"]["requests"] == 0


# ── wishes


def test_the_chosen_model_is_the_one_that_is_asked(notebook, comm):
    assert comm.ask("set_model", model="claude-sonnet-5")["said"] == "model claude-sonnet-5"
    state = comm.ask("get_state", notebook="")
    assert (state["model"], state["model_from"]) == ("claude-sonnet-5", "this session")
    notebook.check("%%cmd\nhello")
    assert notebook.body["model"] == "claude-sonnet-5"
    shown = notebook.check("%config CmdMagics.model").shown
    assert "claude-sonnet-5" in "".join(each.text for each in shown)


def test_a_model_that_is_to_stay_is_in_the_settings_file(notebook, comm):
    comm.ask("set_model", model="claude-sonnet-5", save=True)
    config = next((notebook.folder / "cc_jupyter").rglob("config.toml"))
    assert 'model = "claude-sonnet-5"' in config.read_text()
    config.unlink()


def test_a_conversation_that_is_chosen_goes_on(notebook, comm):
    say(notebook, "one", "c1")
    comm.ask("set_thread", thread="aside")
    say(notebook, "two", "c2", "elsewhere")
    assert notebook.said == ["elsewhere"]
    comm.ask("set_thread", thread="default")
    say(notebook, "three", "c3", "on")
    assert notebook.said == ["hello", "one", "on"]


def test_a_fork_shares_everything_up_to_its_turn(notebook, comm):
    for number, cell in enumerate(("c1", "c2", "c3"), 1):
        say(notebook, f"answer {number}", cell, f"question {number}")
    said = comm.ask("fork", thread="default", turn=2, name="bolder")["said"]
    assert said == "thread bolder, a fork of default with 2 turns"
    say(notebook, "other", "c4", "otherwise")
    assert notebook.said == ["question 1", "answer 1", "question 2", "answer 2", "otherwise"]
    tree = comm.ask("get_tree", notebook="")
    assert tree["current"] == "bolder"
    (root,) = tree["threads"]
    (fork,) = root["forks"]
    assert [each["prompt"] for each in root["turns"]] == [f"question {n}" for n in (1, 2, 3)]
    assert (fork["name"], fork["shared"]) == ("bolder", 2)
    assert [each["cell_id"] for each in fork["turns"]] == ["c1", "c2", "c4"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"thread": "defualt", "turn": 1, "name": "x"}, "no thread 'defualt' in this session"),
        ({"thread": "default", "turn": 9, "name": "x"}, "there is no turn 9"),
        (
            {"thread": "default", "turn": 1, "name": "default"},
            "a thread named 'default' already exists",
        ),
    ],
)
def test_a_fork_that_cannot_be_is_refused(notebook, comm, body, said):
    say(notebook, "one", "c1")
    assert said in comm.refused("fork", **body)
    assert comm.ask("get_state", notebook="")["thread"] == "default"


def test_conversations_of_earlier_kernels_are_in_the_tree_until_they_are_back(notebook, comm):
    say(notebook, "one", "c1")
    forget = (
        "from cc_jupyter.conversation.thread import Conversations\n"
        "from cc_jupyter.session.session import shared_session as _s\n"
        "_s().conversations = Conversations()"
    )
    notebook.check(forget)
    stored = comm.ask("get_tree", notebook="")["threads"]
    assert [(each["name"], each["live"]) for each in stored] == [("default", False)]
    assert stored[0]["turns"][0]["prompt"] == "hello"
    comm.ask("set_thread", thread="default")
    (back,) = comm.ask("get_tree", notebook="")["threads"]
    assert (back["live"], back["turns"][0]["answer"]) == (True, "one")


# ── answers


def test_versions_are_told_compared_and_chosen(notebook, comm):
    say(notebook, "a red house", "c1")
    first = say(notebook, "a blue house", "c1")
    say(notebook, "a door", "c2", "and then")
    versions = comm.ask("get_versions", notebook="", cell_id="c1")
    assert [each["answer"] for each in versions["versions"]] == ["a red house", "a blue house"]
    assert (versions["turn"], versions["active"]) == (1, 2)
    assert {each["prompt"] for each in versions["versions"]} == {notebook.said[0]}
    pieces = comm.ask("get_diff", notebook="", cell_id="c1", before=1, after=2)["pieces"]
    assert [(each["kind"], each["text"]) for each in pieces] == [
        ("=", "a "),
        ("-", "red"),
        ("+", "blue"),
        ("=", " house"),
    ]
    shown = comm.ask("get_answer", notebook="", cell_id="c1")["outputs"]
    assert [each["data"] for each in shown] == [each.data for each in first.outputs]
    chosen = comm.ask("choose_version", notebook="", cell_id="c1", version=1)
    assert (chosen["version"], chosen["markdown"]) == (1, "a red house")
    assert chosen["outputs"][0]["data"]["text/plain"] == "a red house"
    state = comm.ask("get_state", notebook="")
    assert state["cells"]["c1"]["active"] == 1
    assert state["cells"]["c2"]["reasons"] == ["an earlier turn changed"]
    say(notebook, "a window", "c3", "what else")
    assert notebook.said[:2] == ["hello", "a red house"]


def test_the_outputs_of_an_answer_are_to_the_byte_what_the_cell_shows(notebook, comm):
    script = openai_stream(["It is **so**."], reasoning=["I think ", "hard"])
    notebook.provider.play(script)
    run = notebook.check("%%cmd\nhello", "c1")
    shown = comm.ask("get_answer", notebook="", cell_id="c1")["outputs"]
    ours = [each["metadata"] for each in shown]
    theirs = [each.metadata for each in run.outputs]
    assert len(shown) == 3
    assert [each["data"] for each in shown[1:]] == [each.data for each in run.outputs[1:]]
    assert "I think hard" in shown[0]["data"]["text/html"]
    assert ours == theirs


def test_code_blocks_come_apart_and_as_one_cell(notebook, comm):
    say(notebook, "So:\n\n```python\na = 1\n```\n\nor\n\n```\nb = 2\n```\n", "c1")
    told = comm.ask("get_answer", notebook="", cell_id="c1")
    assert told["code"] == ["a = 1\n", "b = 2\n"]
    assert told["one_cell"] == "# block 1 of 2\na = 1\n\n# block 2 of 2\nb = 2"


GRID = "%%cmd -m deepseek/deepseek-v4-flash -n 2\nhello"


def test_a_grid_is_shown_again_as_its_cell_has_shown_it(notebook, comm):
    notebook.provider.always(answer("a house"))
    run = notebook.check(GRID, "c1")
    shown = comm.ask("get_answer", notebook="", cell_id="c1")["outputs"]
    assert [(each["data"], each["metadata"]) for each in shown] == [
        (each.data, each.metadata) for each in run.outputs
    ]


def test_of_a_grid_whose_kernel_has_ended_all_answers_in_the_history_are_shown(notebook, comm):
    notebook.provider.always(answer("a house"))
    notebook.check(GRID, "c1")
    notebook.check(RESTART)
    notebook.check(
        "from cc_jupyter.session.execution import execution_context as _c\n"
        "_c(get_ipython())._final_outputs.clear()"
    )
    shown = comm.ask("get_answer", notebook="", cell_id="c1")["outputs"]
    texts = [each["data"]["text/plain"] for each in shown]
    assert texts[0] == "The kernel that ran this grid has ended. The history has 2 answers of it:"
    assert texts[1::2] == ["a house"] * 2
    assert all(text.startswith("deepseek-v4-flash · in ") for text in texts[2::2])


RESTART = (
    "from cc_jupyter.session.session import shared_session as _s\n"
    "_s().conversations = type(_s().conversations)()"
)
"""Makes the session forget its conversations, as a restart does."""


def test_an_answer_of_an_earlier_session_is_shown_and_brought_back(notebook, comm):
    first = say(notebook, "one", "c1")
    say(notebook, "two", "c2")
    notebook.check(RESTART)
    assert comm.ask("get_state", notebook="")["cells"] == {}
    told = comm.ask("get_answer", notebook="", cell_id="c1")
    assert (told["version"], told["finished"], told["markdown"]) == (None, True, "one")
    assert [each["data"] for each in told["outputs"]] == [each.data for each in first.outputs]
    comm.ask("bring_back", notebook="", cell_id="c1", turn_id=told["turn_id"])
    cells = comm.ask("get_state", notebook="")["cells"]
    assert {cell: body["turn"] for cell, body in cells.items()} == {"c1": 1, "c2": 2}
    assert cells["c1"]["turn_id"] == told["turn_id"]
    say(notebook, "three", "c3", "more")
    assert notebook.said == ["hello", "one", "hello", "two", "more"]


@pytest.mark.parametrize("given", ["its id", "its cell"])
def test_a_turn_that_was_rewound_is_brought_back(notebook, comm, given):
    run = say(notebook, "one", "c1")
    turn_id = run.outputs[0].metadata["cc_jupyter"]["turn_id"]
    say(notebook, "two", "c2")
    notebook.check("%cmd rewind 2")
    comm.ask(
        "bring_back", notebook="", cell_id="c1", turn_id=turn_id if given == "its id" else None
    )
    say(notebook, "three", "c3", "more")
    assert notebook.said == ["hello", "one", "more"]
    said = comm.refused("bring_back", notebook="", cell_id="c9", turn_id="f" * 32)
    assert "the history does not have this answer" in said


def test_deleted_cells_are_left_out(notebook, comm):
    say(notebook, "one", "c1", "first")
    say(notebook, "two", "c2", "second")
    told = comm.ask("leave_out", notebook="", cell_id="c2", cells=["c1", "unknown"])
    assert told["said"] == "1 turn left out of default"
    assert comm.ask("get_state", notebook="")["cells"]["c2"]["stale"] is True
    say(notebook, "three", "c3", "third")
    assert notebook.said == ["second", "two", "third"]


def test_the_page_order_is_used_from_then_on(notebook, comm):
    say(notebook, "two", "c2", "second")
    say(notebook, "one", "c1", "first")
    comm.ask("set_order", notebook="", cells=["c1", "c2", "c3"])
    comm.ask("use_page_order", notebook="")
    cells = comm.ask("get_state", notebook="")["cells"]
    assert not any(cell["order_differs"] for cell in cells.values())
    say(notebook, "three", "c3", "third")
    assert notebook.said == ["first", "one", "second", "two", "third"]


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("get_answer", {"cell_id": "none"}, "no answer in this session"),
        ("get_versions", {"cell_id": "none"}, "no answer in this session"),
        ("choose_version", {"cell_id": "c1", "version": 2}, "no version 2 with an answer"),
        ("get_diff", {"cell_id": "c1", "before": 1, "after": 3}, "the cell has no version 3"),
    ],
)
def test_answers_that_are_not_there_are_refused(notebook, comm, kind, body, said):
    say(notebook, "one", "c1")
    assert said in comm.refused(kind, notebook="", **body)


def test_past_prompts_are_found_whole(notebook, comm):
    prompt = "Tell me everything about the archaeopteryx. " * 5
    say(notebook, "it had feathers", "c1", prompt)
    (found,) = comm.ask("search", text="archaeopteryx feathers")["turns"]
    assert found["prompt"] == prompt
    assert (found["cell_id"], found["thread"], found["model"]) == ("c1", "default", MODEL)
    assert comm.ask("search", text="  ")["turns"] == []
    notebook.check("import os; os.environ['CMD_HISTORY'] = 'off'")
    assert "the history is off" in comm.refused("search", text="archaeopteryx")


def test_saved_prompts_are_listed_and_deleted(notebook, comm):
    notebook.check("topic = 'rain'")
    say(notebook, "wet", "c1", "about {{ topic }}")
    notebook.check("%cmd save weather")
    (saved,) = comm.ask("list_prompts")["prompts"]
    assert saved == {
        "name": "weather",
        "is_project": False,
        "text": "about {{ topic }}",
        "needs": ["topic"],
        "options": "",
        "cost": saved["cost"],
        "problem": None,
    }
    assert saved["cost"]
    assert comm.ask("remove_prompt", name="weather")["said"] == "deleted @weather"
    assert comm.ask("list_prompts")["prompts"] == []
    assert "no saved prompt @weather" in comm.refused("remove_prompt", name="weather")
    assert "is not the name" in comm.refused("remove_prompt", name="../weather")


def test_usage_is_told_by_model_and_as_a_line_that_never_falls(notebook, comm):
    say(notebook, "one", "c1")
    say(notebook, "two", "c2", line="%%cmd -m claude-sonnet-5")
    usage = comm.ask("get_usage", notebook="")
    assert sorted(row["model"] for row in usage["rows"]) == ["claude-sonnet-5", MODEL]
    assert usage["total"]["requests"] == 2
    spent = [point["usd"] for point in usage["points"]]
    assert spent == sorted(spent)
    assert spent[0] > 0


def test_models_are_told_with_prices_and_only_asked_for_when_wished(notebook, comm):
    for path in (notebook.folder / "cc_jupyter" / "cache").glob("models-*.json"):
        path.unlink()  # other tests may have shown models
    notebook.check("from cc_jupyter.session.session import shared_session as _shared")
    notebook.check("_shared().models._lists.clear()")
    told = comm.ask("list_models")
    assert notebook.provider.requests == []
    assert told["fresh"] is False
    rows = {row["id"]: row for row in told["rows"]}
    assert told["current"] == MODEL
    assert rows[MODEL]["input"].startswith("$")
    fresh = comm.ask("refresh_models")
    assert [each.path for each in notebook.provider.requests] == ["/provider/v1/models"]
    assert fresh["fresh"] is True


def test_favourites_come_first_then_the_models_used_last_in_every_list(notebook, comm):
    comm.ask("set_model", model="claude-sonnet-5")
    comm.ask("mark_model", model=MODEL, on=True)
    rows = comm.ask("list_models")["rows"]
    assert [(row["id"], row["group"]) for row in rows[:2]] == [
        (MODEL, "favourite"),
        ("claude-sonnet-5", "recent"),
    ]
    comm.ask("mark_model", model=MODEL, on=False)
    assert "favourite" not in [row["group"] for row in comm.ask("list_models")["rows"]]


# ── what changed


def test_the_order_on_the_page_marks_cells_that_ran_in_another(notebook, comm):
    say(notebook, "two", "c2", "second")
    say(notebook, "one", "c1", "first")
    assert comm.ask("set_order", notebook="a.ipynb", cells=["c0", "c1", "c2"])["said"] == ""
    cells = comm.ask("get_state", notebook="a.ipynb")["cells"]
    assert {name: cell["order_differs"] for name, cell in cells.items()} == {
        "c1": True,
        "c2": True,
    }
    comm.ask("set_order", notebook="a.ipynb", cells=["c2", "c1"])
    cells = comm.ask("get_state", notebook="a.ipynb")["cells"]
    assert not any(cell["order_differs"] for cell in cells.values())


def test_an_answer_on_a_changed_variable_is_stale_and_its_refresh_has_a_price(notebook, comm):
    notebook.check("number = 1")
    say(notebook, "one", "c1", "is {{ number }} odd?")
    say(notebook, "two", "c2", "sure?")
    assert comm.ask("get_refresh_plan", notebook="a.ipynb") == {"cells": [], "cost": "$0"}
    notebook.check("number = 2")
    cell = comm.ask("get_state", notebook="a.ipynb")["cells"]["c1"]
    assert (cell["stale"], cell["reasons"]) == (True, ["`number` changed"])
    plan = comm.ask("get_refresh_plan", notebook="a.ipynb")
    assert [(each["cell_id"], each["reasons"]) for each in plan["cells"]] == [
        ("c1", ["`number` changed"]),
        ("c2", ["an earlier cell runs again"]),
    ]
    assert plan["cost"] == "~<$0.0001"
    assert len(notebook.posts) == 2


# ── beside a running cell


@pytest.fixture
def running(notebook, busy_page):
    """Return a cell that has half an answer and waits for the rest, and where its run is kept."""
    say(notebook, "one", "c1", "before")
    before, _ = halves(openai_stream(["half ", "an answer", " never"]), " never")
    notebook.provider.play(before, hang())
    request = notebook.kernel.start("%%cmd\nhello", "c2")
    run = notebook.kernel.follow(request, until=lambda run: "half an answer" in run.texts)
    yield request, run
    if not run.reply:
        notebook.kernel.interrupt()
        notebook.kernel.follow(request, run)


def test_the_state_counts_while_an_answer_comes(busy_page, running):
    for _ in range(3):  # answers do not bring the next message to the busy shell
        state = busy_page.ask("get_state", notebook="")
    told = state["running"]
    assert (told["cell_id"], told["thread"], told["model"]) == ("c2", "default", MODEL)
    assert told["tokens"].startswith("~")
    assert int(told["tokens"][1:]) > 0


def test_stop_ends_a_cell_exactly_as_an_interrupt(notebook, busy_page, running):
    request, run = running
    assert busy_page.ask("stop", cell_id="c2") == {"stopped": True}
    notebook.kernel.follow(request, run, limit_s=10)
    assert (run.status, run.error_name) == ("error", "KeyboardInterrupt")
    assert run.error_lines == ["KeyboardInterrupt: stopped; the text received is saved"]
    assert run.texts[0] == "half an answer"
    assert "interrupted" in run.texts[1]
    record = notebook.posts[-1]
    record.wait_until_over()
    assert record.client_left_s is not None
    assert notebook.value("[_cmd.text, _cmd.stop_reason]") == ["half an answer", "interrupted"]
    assert busy_page.ask("get_state", notebook="")["cells"]["c2"]["cut"] is True
    say(notebook, "fine", "c3", "go on")
    assert notebook.said == ["before", "one", "hello", "half an answer", "go on"]


def test_stop_finds_a_cell_that_asks_once(notebook, busy_page):
    before, _ = halves(openai_stream(["half ", "an answer", " never"]), " never")
    notebook.provider.play(before, hang())
    request = notebook.kernel.start("%%cmd --once\nhello", "c1")
    run = notebook.kernel.follow(request, until=lambda run: "half an answer" in run.texts)
    assert busy_page.ask("stop", cell_id="c1") == {"stopped": True}
    notebook.kernel.follow(request, run, limit_s=10)
    assert run.error_lines == ["KeyboardInterrupt: stopped; the text received is saved"]


def test_stop_ends_a_python_stream(notebook, busy_page):
    before, _ = halves(openai_stream(["half ", "an answer", " never"]), " never")
    notebook.provider.play(before, hang())
    code = "import cc_jupyter as cc\nfor event in cc.stream('hello'):\n    print(event)"
    request = notebook.kernel.start(code, "c1")
    run = notebook.kernel.follow(request, until=lambda run: "an answer" in run.streams)
    assert busy_page.ask("stop", cell_id="c1") == {"stopped": True}
    notebook.kernel.follow(request, run, limit_s=10)
    assert run.error_name == "KeyboardInterrupt"


def test_where_nothing_is_under_way_that_is_said(busy_page):
    assert busy_page.ask("get_state", notebook="")["running"] is None
    assert busy_page.ask("stop", cell_id="c1") == {"stopped": False}


def test_stop_of_another_cell_stops_nothing(busy_page, running):
    assert busy_page.ask("stop", cell_id="c1") == {"stopped": False}
    assert busy_page.ask("get_state", notebook="")["running"]["cell_id"] == "c2"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("choose_version", {"notebook": "", "cell_id": "c1", "version": 1}),
        ("fork", {"thread": "default", "turn": 1, "name": "bolder"}),
    ],
)
def test_a_conversation_in_which_a_cell_runs_is_left_alone(busy_page, running, kind, body):
    assert "a cell is running in the thread default" in busy_page.refused(kind, **body)


def test_what_only_the_next_cell_sees_may_be_set_while_one_runs(busy_page, running):
    busy_page.ask("set_model", model="claude-sonnet-5")
    busy_page.ask("set_thread", thread="aside")
    busy_page.ask("set_order", notebook="", cells=["c1", "c2"])
    state = busy_page.ask("get_state", notebook="")
    assert (state["model"], state["thread"]) == ("claude-sonnet-5", "aside")
    assert state["running"]["thread"] == "default"


def test_variables_are_left_alone_while_a_cell_runs(notebook, busy_page):
    notebook.check("number = 1")
    say(notebook, "one", "c1", "is {{ number }} odd?")
    notebook.check("number = 2")
    assert busy_page.ask("get_state", notebook="")["cells"]["c1"]["stale"] is True
    request = notebook.kernel.start(
        "number = 1\nprint('now', flush=True)\ninput_ = __import__("
        "'threading').Event()\ninput_.wait(20)"
    )
    run = notebook.kernel.follow(request, until=lambda run: "now" in run.streams)
    during = busy_page.ask("get_state", notebook="")["cells"]["c1"]
    refused = busy_page.refused("get_refresh_plan", notebook="")
    notebook.kernel.interrupt()
    notebook.kernel.follow(request, run)
    assert during["reasons"] == ["`number` changed"]  # as it was seen last
    assert "a cell is running" in refused
    assert busy_page.ask("get_state", notebook="")["cells"]["c1"]["reasons"] == []


# ── secrets


def test_no_answer_to_any_question_holds_a_key(notebook, comm):
    odd = "Zm9vYmFyYmF6"  # a key of no shape that anybody knows
    notebook.check(f"import os; os.environ['CMD_API_KEY'] = {odd!r}")
    told = f"my keys are {KEY} and {odd}"
    say(notebook, told, "c1", told)
    say(notebook, told + " too", "c1", told)
    notebook.check("%cmd save keys")
    bodies = {
        "get_state": {"notebook": ""},
        "list_prompts": {},
        "remove_prompt": {"name": "keys"},
        "list_models": {},
        "refresh_models": {},
        "get_tree": {"notebook": ""},
        "get_usage": {"notebook": ""},
        "search": {"text": "keys"},
        "get_versions": {"notebook": "", "cell_id": "c1"},
        "get_diff": {"notebook": "", "cell_id": "c1", "before": 1, "after": 2},
        "choose_version": {"notebook": "", "cell_id": "c1", "version": 1},
        "get_answer": {"notebook": "", "cell_id": "c1"},
        "leave_out": {"notebook": "", "cell_id": "c1", "cells": ["c2"]},
        "bring_back": {"notebook": "", "cell_id": "c1", "turn_id": None},
        "use_page_order": {"notebook": ""},
        "get_refresh_plan": {"notebook": ""},
        "get_estimate": {"notebook": "", "cell_id": "c1", "line": "-n 2", "text": told},
        "set_order": {"notebook": "", "cells": ["c1"]},
        "set_model": {"model": "claude-sonnet-5"},
        "mark_model": {"model": "claude-sonnet-5", "on": True},
        "fork": {"thread": "default", "turn": 1, "name": "bolder"},
        "set_thread": {"thread": "default"},
        "stop": {"cell_id": "c1"},
    }
    assert set(bodies) == set(REPLIES) - {"hello"}
    for kind, body in bodies.items():
        said = json.dumps(comm.ask(kind, **body))
        assert KEY not in said, kind
        assert odd not in said, kind
    assert KEY not in comm.refused("set_model", model=f"{KEY} x")
