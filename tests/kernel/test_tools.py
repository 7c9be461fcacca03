"""Tools in a kernel: what is asked, run, shown, sent and kept."""

from __future__ import annotations

import json

import pytest
from support.kernel_notebook import WIRES
from support.provider import ToolCall, answer

pytestmark = pytest.mark.kernel

LOOKUP = '''
ran = []

def lookup(city: str) -> list[str]:
    """Return the customers in a city who have not paid."""
    ran.append(city)
    return ["Ada", "Bob"]
'''


@pytest.mark.parametrize("model", WIRES.values())
def test_an_allowed_tool_runs_and_its_result_is_in_the_next_request(notebook, model):
    notebook.check(LOOKUP)
    asked = answer("Let me look.", calls=[ToolCall("lookup", {"city": "Rome"})])
    notebook.provider.play(asked)
    notebook.provider.play(answer("Ada and Bob."))
    run = notebook.check(f"%%cmd -m {model} --tools lookup --allow lookup -> who\nWho owes?")
    assert notebook.value("ran") == ["Rome"]
    assert notebook.value("who") == "Ada and Bob."
    assert len(notebook.posts) == 2
    trace = next(each for each in run.texts if "lookup" in each)
    assert trace.startswith('1 \N{CHECK MARK} lookup(city="Rome") \N{RIGHTWARDS ARROW} 2 items')
    assert len(run.texts) == 3
    assert "Let me look." not in "".join(run.texts)
    assert notebook.value("[step.text for step in _cmd.steps]") == ["Let me look.", "Ada and Bob."]
    assert "lookup" in notebook.check("%cmd trace").texts[0]
    assert "tool_calls" not in notebook.check("%cmd sent --step 1").texts[0]


def play_round(notebook, *answers, **arguments):
    call = ToolCall("lookup", {"city": "Rome"} | arguments)
    for each in (answer("", calls=[call]), *answers):
        notebook.provider.play(each)


@pytest.mark.parametrize("model", WIRES.values())
def test_a_typed_answer_may_use_tools_and_is_corrected_once(notebook, model):
    notebook.check(LOOKUP)
    play_round(notebook, answer("two"), answer('{"value": 2}'))
    notebook.check(f"%%cmd -m {model} --tools lookup --allow lookup -> n: int\nHow many?")
    assert notebook.value("n") == 2
    assert notebook.value("ran") == ["Rome"]
    assert notebook.value("[len(step.calls) for step in _cmd.steps]") == [1, 0]
    notebook.check(f"%%cmd -m {model}\nand now?")
    assert "Ada" in str(notebook.body)


def test_a_question_about_an_error_may_use_tools(notebook):
    notebook.check(LOOKUP)
    notebook.fail("1 / 0", "ZeroDivisionError")
    play_round(notebook, answer("Divide by two."))
    run = notebook.check("%cmd explain --tools lookup --allow lookup")
    assert notebook.value("ran") == ["Rome"]
    assert "Divide by two." in run.texts
    notebook.provider.play(answer("", calls=[ToolCall("lookup", {"city": "Pisa"})]))
    notebook.provider.play(answer("```python\n1 / 2\n```"))
    notebook.check("%cmd fix --tools lookup --allow lookup")
    assert notebook.value("ran") == ["Rome", "Pisa"]


@pytest.mark.parametrize("model", WIRES.values())
def test_continue_goes_on_with_the_calls_of_a_stopped_turn(notebook, model, tmp_path):
    notebook.check(LOOKUP)
    again = answer("", calls=[ToolCall("lookup", {"city": "Pisa"})])
    play_round(notebook, again, answer("Bob."))
    notebook.check(f"%%cmd -m {model} --tools lookup --allow lookup --max-steps 1\nWho?", "a")
    run = notebook.check("%cmd continue --tools lookup --allow lookup", "b")
    assert notebook.value("ran") == ["Pisa"]
    assert "Bob." in run.texts
    trace = next(each for each in run.texts if "lookup" in each)
    assert [line.split(" ")[:3] for line in trace.splitlines()] == [
        ["1", "\N{BALLOT X}", "lookup"],
        ["2", "\N{CHECK MARK}", 'lookup(city="Pisa")'],
    ]
    assert notebook.value("[len(step.calls) for step in _cmd.steps]") == [1, 1, 0]
    assert "2 calls in 3 requests" in "".join(notebook.check("%cmd trace").texts)
    assert "Go on" in notebook.check("%cmd sent --step 2").texts[0]
    notebook.check(f"%cmd export {tmp_path}/talk.json")
    places = json.loads((tmp_path / "talk.json").read_text())["places"]
    assert [len(each["steps"]) for each in places[0]["versions"]] == [1, 3]


def test_a_grid_runs_allowed_tools_on_the_thread_of_the_cell(notebook):
    notebook.check(f"{LOOKUP}\nimport threading\nhome = threading.get_ident()\nthreads = set()")
    notebook.check(
        "def here() -> str:\n    'Say where.'\n    threads.add(threading.get_ident())\n"
        "    return 'here'"
    )
    notebook.provider.always(grid_answer)
    notebook.check("%%cmd --tools here --allow here -n 3 -> g\nWhere?")
    assert notebook.value("[str(each) for each in g]") == ["Here."] * 3
    assert notebook.value("threads == {home}") is True
    assert notebook.value("[len(each.steps) for each in g]") == [2] * 3


def grid_answer(record):
    has_result = any(each["role"] == "tool" for each in record.json["messages"])
    return (answer("Here.") if has_result else answer("", calls=[ToolCall("here")]))(record)


def test_a_grid_refuses_tools_that_would_ask(notebook):
    notebook.check(LOOKUP)
    run = notebook.fail("%%cmd --tools lookup -n 2\nWho?", "OptionError")
    assert "--allow lookup" in run.error
    assert notebook.posts == []


def test_python_calls_run_allowed_functions_only(notebook):
    notebook.check(LOOKUP)
    play_round(notebook, answer("Two."))
    notebook.check(
        "import cc_jupyter as cc\nr = cc.ask('Who?', tools=[lookup], allow='lookup', max_steps=3)"
    )
    assert notebook.value("(r.text, len(r.steps), ran)") == ["Two.", 2, ["Rome"]]
    play_round(notebook, answer("None."))
    run = notebook.fail("cc.ask('Who?', tools=[lookup])", "OptionError")
    assert "--allow lookup" in run.error
    assert notebook.value("ran") == ["Rome"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--param tools=[]", "--tools"),
        ('--param tool_choice="any"', "tools of --tools"),
        ("--param functions=[]", "--tools"),
        ("--allow lookup", "needs functions"),
        ("--max-steps 3", "needs functions"),
        ("--tools nothing_here", "nothing_here"),
        ("--tools lookup --allow save", "--allow save"),
        ("--tools lookup --max-steps 0", "--max-steps"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_sent(notebook, line, words):
    notebook.check(LOOKUP)
    run = notebook.fail(f"%%cmd {line}\nWho?", "OptionError")
    assert words in run.error
    assert notebook.posts == []
