"""Nothing runs without `--allow` or an explicit yes to the question that shows it.

The tests try to make it run: with lines that look like a yes, names that look like an allowed one,
and functions that change after they were shown.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cc_jupyter import tool
from cc_jupyter.core.messages import ToolCall, ValueLimits
from cc_jupyter.core.steps import CallPlace
from cc_jupyter.tools.consent import Consent
from cc_jupyter.tools.question import question_text
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.tool import tool_for
from cc_jupyter.tools.tool_run import ToolRun
from cc_jupyter.tools.toolbox import Toolbox
from cc_jupyter.tools.trace_view import NullTrace

ran: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


def save(path: str) -> None:
    ran.append(("save", path))


def Save(path: str) -> None:  # noqa: N802  the attack
    ran.append(("Save", path))


@tool(name="save_")
def other(path: str) -> None:
    ran.append(("save_", path))


def evil(path: str) -> None:
    ran.append(("evil", path))


alias = save
FUNCTIONS = (save, Save, other)
TOOLS = {each: tool_for(each, each.__name__) for each in FUNCTIONS}
LOOKS_LIKE_SAVE = [
    "Save",
    "save_",
    "SAVE",
    "\u0455ave",
    "save ",
    " save",
    "save\u200b",
    "s\u0430ve",
    "",
]
NO_ANSWERS = [
    *("", " ", "\n", "\t", "yes", "yy", "y y", "y\ny", "y;y", "-y", "y/s/f", "Run save? y", "1"),
    *("\uff59", "\u017f", "\u1e9b", "\u0443", "\u028f", "y\u200b", "\u200by", "\x1b[Ay", "y\x00"),
]
ANSWERS = ["y", "Y", " y ", "y\r", "s", "f", "n", "q", "e"]
LINES = st.lists(st.sampled_from([*NO_ANSWERS, *ANSWERS, 'path="c"', "path=..."]), max_size=12)
CALLS = st.lists(
    st.tuples(st.sampled_from(["save", *LOOKS_LIKE_SAVE]), st.sampled_from(["a", "b"])), max_size=6
)


class Person:
    """Answers with lines, then closes the input; notes what each answer was for."""

    def __init__(self, lines=()):
        self.lines = list(lines)
        self.asked = None
        self.answered: list[tuple[str, str, str]] = []

    def show(self, question):
        self.asked = question

    def read(self, prompt):
        if not self.lines:
            raise EOFError
        line = self.lines.pop(0)
        line = line() if callable(line) else line
        if prompt.startswith("Run "):
            path = self.asked.arguments.given.get("path")
            self.answered.append((self.asked.tool.name, path, line))
        return line


def run_of(person, functions=FUNCTIONS, allowed=()):
    toolbox = Toolbox(TOOLS.get(each) or tool_for(each, each.__name__) for each in functions)
    consent = Consent(toolbox.allowed(allowed), person)
    return ToolRun(toolbox, consent, Runner(ValueLimits()), NullTrace())


def call(run, name, path="a"):
    return run.answer(ToolCall("1", name, json.dumps({"path": path})), CallPlace())


def permits(answered, name, path):
    """Return whether answers so far let a call run; the last one is about this very call."""
    plain = [(about, of, line.strip().lower()) for about, of, line in answered]
    return (
        (plain[-1:] == [(name, path, "y")])
        or (name, path, "s") in plain
        or any((about, line) == (name, "f") for about, _, line in plain)
    )


@settings(deadline=None)
@given(calls=CALLS, lines=LINES, allowed=st.lists(st.sampled_from(["save", "Save"]), max_size=1))
def test_whatever_runs_was_allowed_by_its_name_or_by_a_yes_to_this_call(calls, lines, allowed):
    ran.clear()
    person = Person(lines)
    run = run_of(person, allowed=allowed)
    for name, path in calls:
        before = len(ran)
        call(run, name, path)
        for of, at in ran[before:]:
            assert of == name
            assert name in allowed or permits(person.answered, of, at)
        assert len(ran) - before <= 1


@pytest.mark.parametrize("line", NO_ANSWERS)
def test_a_line_that_looks_like_a_yes_runs_nothing_nor_do_many_of_them(line):
    record = call(run_of(Person([line] * 5)), "save")
    assert (ran, record.state) == ([], "refused")


@pytest.mark.parametrize("name", LOOKS_LIKE_SAVE)
def test_allowing_a_name_allows_no_name_that_looks_like_it(name):
    record = call(run_of(Person(), allowed=["save"]), name)
    assert ran == []
    assert record.state in ("refused", "not run")


def test_an_alias_has_the_name_of_its_function_and_no_other():
    run = run_of(Person(), [alias], allowed=["save"])
    call(run, "alias")
    assert ran == []
    call(run, "save")
    assert ran == [("save", "a")]


def test_a_function_that_is_redefined_after_the_question_is_not_what_runs(monkeypatch):
    def redefine():
        monkeypatch.setitem(globals(), "save", evil)
        return "y"

    call(run_of(Person([redefine])), "save")
    assert ran == [("save", "a")]


@pytest.mark.parametrize("yes", ["y", "s", "f"])
def test_a_function_that_changes_while_the_question_is_open_is_asked_about_again(yes):
    def victim(path: str) -> None:
        ran.append(("victim", path))

    def change():
        victim.__code__ = new.__code__
        return yes

    def new(path: str) -> None:
        ran.append(("new", path))

    person = Person([change])
    record = call(run_of(person, [victim]), "victim")
    assert (ran, record.state) == ([], "refused")
    assert "has changed" in question_text(person.asked)
    assert call(run_of(Person([yes]), [victim]), "victim").state == "ok"


@pytest.mark.parametrize("yes", ["s", "f"])
def test_a_yes_for_later_calls_ends_when_the_function_changes(yes):
    def victim(path: str) -> None:
        ran.append(("victim", path))

    def new(path: str) -> None:
        ran.append(("new", path))

    run = run_of(Person([yes]), [victim])
    call(run, "victim")
    call(run, "victim")
    victim.__code__ = new.__code__
    assert call(run, "victim").state == "refused"
    assert ran == [("victim", "a"), ("victim", "a")]


@pytest.mark.parametrize("lines", [(), ("e",), ("n",), ("e", 'path="b"'), ("", "", "")])
def test_an_input_that_is_closed_at_any_line_runs_nothing(lines):
    run = run_of(Person(lines))
    assert call(run, "save").state == "refused"
    assert ran == []
    assert "--allow save" in run.consent_error.hint


def test_changed_arguments_need_a_yes_of_their_own():
    run = run_of(Person(["e", 'path="b"']))
    call(run, "save")
    assert ran == []
    person = Person(["s", "e", 'path="b"', "n", ""])
    run = run_of(person)
    call(run, "save", "a")
    call(run, "save", "c")
    call(run, "save", "b")
    assert ran == [("save", "a")]
