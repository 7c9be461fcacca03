"""Consent: what allows a call, what does not, and what the user reads before."""

from __future__ import annotations

import html as entities
import json
import re

import pytest

from cc_jupyter import tool
from cc_jupyter.core.steps import CallPlace
from cc_jupyter.core.terminal import safe_terminal
from cc_jupyter.tools.consent import UNANSWERED, Consent
from cc_jupyter.tools.question import question_html, question_text
from cc_jupyter.tools.tool import tool_for

PLACE = CallPlace(2, 3, 1, 8, "$0.0012")


def save(path: str, text: str = "", *, overwrite: bool = False) -> None: ...
def lookup(city: str) -> None: ...


SAVE, LOOKUP = tool_for(save, "save"), tool_for(lookup, "lookup")


class Person:
    """Answers with the given lines, and remembers what was on the screen before each."""

    def __init__(self, *lines):
        self.lines = list(lines)
        self.seen = []
        self.prompts = []

    def show(self, question):
        self.seen.append(question)

    def read(self, prompt):
        self.prompts.append(prompt)
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line


def arguments(text='{"path": "a.txt"}', of=SAVE):
    return of.arguments(text)


def ask(person, text='{"path": "a.txt"}', allowed=()):
    return Consent(allowed, person).decide(SAVE, arguments(text), PLACE)


def test_an_allowed_function_runs_without_a_question():
    person = Person()
    assert ask(person, allowed=["save"]).how == "--allow"
    assert person.seen == []


@pytest.mark.parametrize(
    ("line", "how"), [("y", "once"), (" Y ", "once"), ("s", "same call"), ("f", "function")]
)
def test_a_letter_allows_a_call(line, how):
    person = Person(line)
    decision = ask(person)
    assert decision.how == how
    assert decision.runs
    assert not decision.ends
    assert person.prompts == ["Run save? y/s/f/e/n/q: "]


@pytest.mark.parametrize(
    "line", ["", "  ", "yes", "yy", "ja", "1", "да", "y\x00", "Run", "ok", "allow", "\x1b[A", "ÿ"]
)
def test_nothing_but_the_letter_allows_a_call(line):
    person = Person(line, "n", "")
    assert not ask(person).runs
    assert len(person.seen) == 2
    assert person.seen[1].complaint.endswith("is no answer")


def test_each_question_is_shown_before_its_answer_is_read():
    person = Person("", "what?", "e", 'path="b.txt"', "y")
    order = []
    show, read = person.show, person.read
    person.show = lambda question: (order.append("show"), show(question))
    person.read = lambda prompt: (order.append("read"), read(prompt))[1]
    ask(person)
    assert order == ["show", "read", "show", "read", "show", "read", "read", "show", "read"]


def test_once_and_this_call_and_this_function_last_as_long_as_they_say():
    person = Person("y", "s", "f", "y")
    consent = Consent([], person)
    one, other = arguments('{"path": "a", "text": "x"}'), arguments('{"path": "b"}')
    assert consent.decide(SAVE, one, PLACE).how == "once"
    assert consent.decide(SAVE, one, PLACE).how == "same call"
    reordered = arguments('{"text": "x", "path": "a"}')
    assert consent.decide(SAVE, reordered, PLACE).how == "same call"
    assert consent.decide(SAVE, other, PLACE).how == "function"
    assert consent.decide(SAVE, arguments('{"path": "c"}'), PLACE).how == "function"
    assert consent.decide(LOOKUP, arguments('{"city": "Rome"}', LOOKUP), PLACE).how == "once"
    assert len(person.seen) == 4
    assert Consent([], Person("n", "")).decide(SAVE, one, PLACE).how is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["n", "the table is read-only"], "the user refused this call: the table is read-only"),
        (["n", ""], "the user refused this call"),
        (["N", "  "], "the user refused this call"),
    ],
)
def test_a_refusal_carries_the_reason_to_the_model(lines, reason):
    decision = ask(Person(*lines))
    assert (decision.runs, decision.reason, decision.ends) == (False, reason, False)


def test_q_refuses_and_ends():
    decision = ask(Person("q"))
    assert (decision.runs, decision.ends) == (False, True)


def test_changed_arguments_are_shown_in_full_and_asked_about_again():
    person = Person("e", 'path="b.txt", overwrite=True', "y")
    decision = ask(person, '{"path": "a.txt", "text": "x"}')
    assert decision.arguments.values == {"path": "b.txt", "text": "x", "overwrite": True}
    assert decision.changed
    assert person.seen[1].arguments == decision.arguments
    assert 'save(path="b.txt", text="x", overwrite=True)' in question_text(person.seen[1])
    assert "with your arguments" in question_text(person.seen[1])


def test_three_dots_leave_an_argument_out():
    decision = ask(Person("e", "text=...", "y"), '{"path": "a.txt", "text": "x"}')
    assert decision.arguments.given == {"path": "a.txt"}


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "no argument was changed"),
        ("b.txt", "has no names for its values"),
        ("path=open('x')", "is not a literal"),
        ("path=3", "path: input should be a valid string"),
        ("pth='b'", "save has no parameter pth; did you mean path?"),
        ("path=...", "path: field required"),
        ("path={1, 2}", "JSON cannot represent the arguments"),
        ("path=b'x'", "JSON cannot represent the arguments"),
        ("overwrite='yes'", "overwrite: input should be a valid boolean"),
    ],
)
def test_arguments_that_cannot_be_used_are_explained_and_change_nothing(typed, complaint):
    person = Person("e", typed, "n", "")
    assert not ask(person).runs
    assert complaint in person.seen[1].complaint
    assert person.seen[1].arguments == arguments()


@pytest.mark.parametrize("error", [EOFError(), NotImplementedError("no stdin")])
def test_where_input_ends_the_call_is_refused_and_remembered(error):
    consent = Consent([], Person(error))
    decision = consent.decide(SAVE, arguments(), PLACE)
    assert (decision.runs, decision.reason) == (False, UNANSWERED)
    assert consent.missing == ("save",)


def test_where_no_one_can_answer_calls_are_refused_and_remembered_once():
    consent = Consent(["lookup"], None)
    assert consent.decide(LOOKUP, arguments('{"city": "Rome"}', LOOKUP), PLACE).runs
    for _ in range(2):
        assert not consent.decide(SAVE, arguments(), PLACE).runs
    assert consent.missing == ("save",)


def test_an_interrupt_in_the_question_is_a_stop_and_not_an_answer():
    with pytest.raises(KeyboardInterrupt):
        ask(Person(KeyboardInterrupt()))


def question(text='{"path": "a.txt"}', of=SAVE):
    person = Person("q")
    Consent([], person).decide(of, of.arguments(text), PLACE)
    return person.seen[0]


def visible(html):
    return entities.unescape(re.sub(r"<[^>]+>", "", html.replace("<br>", "\n")))


def test_a_question_has_the_function_its_place_every_argument_and_the_price():
    for shown in (question_text(question()), visible(question_html(question()))):
        assert "The model asks to run save" in shown
        assert f"test_consent.py, line {save.__code__.co_firstlineno}" in shown
        assert "call 2 of 3 · step 1 of at most 8 · $0.0012 so far" in shown
        assert 'save(path="a.txt")' in shown
        assert '# by default: text="", overwrite=False' in shown
        for key in "ysfenq":
            assert re.search(rf"(?m)^\s*(.*\)|.*)?{key}\b", shown)


def test_a_question_says_that_a_function_only_reads():
    @tool(reads_only=True)
    def count(city: str) -> int:
        return 1

    made = tool_for(count, "count")
    assert "it changes nothing, says its decorator" in question_text(
        question('{"city": "x"}', made)
    )
    assert "changes nothing" not in question_text(question())


def test_forty_kilobytes_of_arguments_are_in_both_forms_in_full():
    lines = [f"INSERT INTO t VALUES ({number}, 'x & <y>');" for number in range(1_100)]
    text = "\n".join(lines)
    assert len(text) > 40_000
    asked = question(json.dumps({"path": "a.sql", "text": text}))
    for shown in (question_text(asked), visible(question_html(asked))):
        for line in lines:
            assert line in shown


def test_what_a_model_writes_is_shown_and_not_obeyed():
    attack = "</pre><script>alert(1)</script>\x1b[2J\u202e$x^2$\\(y\\)"
    asked = question(json.dumps({"path": attack}))
    text, html = question_text(asked), question_html(asked)
    assert safe_terminal(text) == text
    assert "<script" not in html
    assert "$" not in html
    assert "\u202e" not in html
