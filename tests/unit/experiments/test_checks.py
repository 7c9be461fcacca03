"""`--check EXPR`: what is refused before sending, what a check sees, and how its result reads."""

from __future__ import annotations

import functools
import re
import signal
import threading
import time
from dataclasses import dataclass
from decimal import Decimal

import pytest

from cc_jupyter.core.errors import BrokenCheckError, CheckError, OptionError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.reply import Reply
from cc_jupyter.experiments.checks import Checks, error_of, error_of_many
from cc_jupyter.session.in_flight import InterruptGuard

COST = Cost(Decimal("0.25"), "reported", None)
TEXT = "A long answer. " * 20 + "The end."


def reply_of(text: str = TEXT, cost: Cost = COST) -> Reply:
    return Reply(text, "", "m", "stop", usage=Usage(input_tokens=7, output_tokens=312), cost=cost)


def results(*expressions: str, text: str = TEXT, value: object = None, **names: object):
    checks = Checks(expressions, names, {})
    return checks.evaluate(reply_of(text), text if value is None else value)


def message(expression: str, **names: object) -> str:
    (result,) = results(expression, **names)
    assert "\n" not in result.message
    return result.message


def why(expression: str, **names: object) -> str:
    """Return the values that a false check shows."""
    text = message(expression, **names)
    start = f"the check {expression} is false"
    assert text.startswith(start)
    return text[len(start) :].removeprefix(": ")


# before anything is sent


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("len(answer < 100", "'(' was never closed, at `(answer < 100`"),
        ("len(answer) < ", "invalid syntax, at its end"),
        ("answer = 'yes'", "at `= 'yes'`"),
        ("assert answer", "invalid syntax, at `assert answer`"),
        ("await f()", "'await' outside function, at `await f()`"),
        ("answer yes", "invalid syntax, at `yes`"),
        ("", "the check is empty"),
        ("  ", "the check is empty"),
        ("answer\0", "null bytes"),
        ("-" * 100_000 + "1", "is not a Python expression"),
        ("answr == 'yes'", "the name answr in the check `answr == 'yes'` is unknown"),
        ("all(w in answer for w in wrds)", "the name wrds in the check"),
        ("(lambda x: x + y)(1)", "the name y in the check"),
    ],
)
def test_a_check_that_cannot_run_is_refused_with_its_place(expression, shown):
    with pytest.raises(OptionError) as caught:
        Checks([expression], {"words": ["a"]}, {})
    assert shown in str(caught.value)
    assert caught.value.hint
    lines = caught.value._render_traceback_()
    assert len(lines) == 2
    assert all(len(line) < 300 for line in lines)


def test_close_names_are_suggested():
    with pytest.raises(OptionError) as caught:
        Checks(["answr"], {}, {})
    assert caught.value.hint == "did you mean answer?"


@pytest.mark.parametrize(
    "expression",
    [
        "[x for x in (1, 2) if x > y]",
        "(n := len(answer)) and n > 3",
        "(lambda a, *b, c=1: a)(1)",
        "{k: v for k, v in zip('ab', 'cd')}",
        "get_length(answer)",
        "len(text) > 20",
    ],
)
def test_names_that_are_defined_somewhere_are_not_refused(expression):
    assert len(Checks([expression], {"get_length": len}, {"y": 1}, names=["text"])) == 1


# what a check sees


@pytest.mark.parametrize(
    "expression",
    [
        "answer == reply.text == value",
        "usage.output_tokens == 312",
        "cost_usd == 0.25 and isinstance(cost_usd, float)",
        "limit == 3",
        "[limit for _ in answer][0] == 3",
        "re.search('(?i)the END', answer)",
    ],
)
def test_a_check_sees_the_answer_and_the_names_of_the_user(expression):
    (result,) = results(expression, limit=3, re=re)
    assert result.passed is True
    assert result.message == ""


def test_the_answer_precedes_the_names_of_the_user_and_locals_precede_globals():
    checks = Checks(
        ["answer != 'mine'", "x == 2", "text == 'row'"],
        {"answer": "mine", "x": 1},
        {"x": 2},
        names=["text"],
    )
    assert [r.passed for r in checks.evaluate(reply_of(), "", {"text": "row"})] == [True] * 3


def test_an_unknown_cost_is_none_and_a_typed_value_is_the_value():
    checks = Checks(["cost_usd is None", "value['n'] == 3"], {}, {})
    found = checks.evaluate(reply_of(cost=UNKNOWN_COST), {"n": 3})
    assert [result.passed for result in found] == [True, True]


def test_a_check_leaves_no_name_behind_and_sees_what_changed_since():
    names: dict[str, object] = {"limit": 1}
    checks = Checks(["(found := limit) > 1"], names, {})
    assert checks.evaluate(reply_of(), "")[0].passed is False
    names["limit"] = 2
    assert checks.evaluate(reply_of(), "")[0].passed is True
    assert names == {"limit": 2}


def test_one_text_is_one_check():
    assert Checks("len(answer) > 1", {}, {}).expressions == ("len(answer) > 1",)


# why a check is false


@dataclass
class City:
    name: str
    people: int


class Loud:
    """Says when anything of it runs."""

    def __len__(self):
        raise AssertionError

    @property
    def size(self):
        raise AssertionError

    def __eq__(self, other):
        raise AssertionError

    __hash__ = None

    def __repr__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("len(answer) < 100", "len(answer) = 308"),
        ("len(answer) < limit", "len(answer) = 308, limit = 100"),
        (
            "answer == 'yes'",
            "answer = 'A long answer. A long answ...er. A long answer. The end.'",
        ),
        ("'yes' in short", "short = 'no'"),
        ("short.startswith('y')", "short = 'no'"),
        ("not short", "short = 'no'"),
        ("short == 'no' and len(short) > 5", "len(short) = 2"),
        ("call(short) and limit > 5 and limit > 200", "limit = 100"),
        ("short == 'a' or limit == 1", "short = 'no', limit = 100"),
        ("usage.output_tokens < 100", "usage.output_tokens = 312"),
        ("reply.usage.input_tokens > limit", "reply.usage.input_tokens = 7, limit = 100"),
        ("reply.code", ""),
        ("cost_usd < 0.01", "cost_usd = 0.25"),
        ("city.people > limit", "city.people = 3, limit = 100"),
        ("city == None", "city = City(name='Rome', people=3)"),
        ("row['n'] == items[1]", "row['n'] = 1, items[1] = 2"),
        ("any(x > limit for x in items)", "limit = 100, items = [1, 2]"),
        ("(n := len(short)) > 5", "len(short) = 2"),
        ("(lambda limit: limit > 5)(len(short))", "len(short) = 2"),
        ("False", ""),
        ("never()", ""),
        ("a + b + c + d + e + f == 1", "a = 0, b = 0, c = 0, d = 0, e = 0"),
        ("a == 1 == a == 1", "a = 0"),
        ("f'{short}' == 'yes'", "short = 'no'"),
    ],
)
def test_a_false_check_shows_the_values_in_it(expression, values):
    names = {
        "limit": 100,
        "short": "no",
        "city": City("Rome", 3),
        "row": {"n": 1},
        "items": [1, 2],
        "call": lambda text: True,
        "never": lambda: False,
        **dict.fromkeys("abcdef", 0),
    }
    assert why(expression, **names) == values


def test_a_number_too_long_to_be_written_is_named():
    assert why("huge == 1", huge=10**5000).startswith("huge = <int")  # more since CPython 3.14


def test_the_code_of_the_user_is_not_called_a_second_time():
    calls = []

    def check(*values):
        calls.append(values)
        return False

    (result,) = results(
        "check(len(answer), loud, check) or check(1) > 3",
        check=check,
        loud=Loud(),
    )
    assert len(calls) == 2
    assert result.message.endswith("is false: len(answer) = 308, loud = <Loud>")
    assert why("loud is None and loud.size and len(loud)", loud=Loud()) == "loud = <Loud>"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("api_key == 1", {"api_key": "correct horse battery"}),
        ("text == 1", {"text": "the key is user_0123456789abcdefghij, they said"}),
        ("text == 1", {"text": "x" * 40 + " user_0123456789abcdefghij " + "x" * 5000}),
        ("text == 1", {"text": "0123-the-key-456"}),
        ("row == 1", {"row": {"password": "correct horse"}}),
        ("row['password'] == 1", {"row": {"password": "correct horse battery"}}),
        ("city == 1", {"city": City("sk-0123456789abcdefghij", 1)}),
    ],
)
def test_no_secret_is_shown(expression, names):
    checks = Checks([expression], names, {}, secrets=["0123-the-key-456"])
    (result,) = checks.evaluate(reply_of(), "")
    for part in ("0123", "ghij", "horse", "456"):
        assert part not in result.message


def test_a_message_is_bounded():
    names = {f"name_{number}" * 20: "long\n" * 1000 for number in range(9)}
    (result,) = results(" == 1 or ".join(names) + " == 1", **names)
    assert result.passed is False
    assert len(result.message) < 900
    assert "\n" not in result.message


# checks that raise, or say nothing


def broken_helper(text):
    return text.nothing


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("1 / 0", "the check 1 / 0 raised ZeroDivisionError: division by zero"),
        ("value['n']", "raised TypeError: string indices must be integers"),
        ("helper(answer)", "raised AttributeError: 'str' object has no attribute 'nothing' (line "),
        ("helper(answer)", "of test_checks.py: return text.nothing)"),
        ("helper", "is a function, not its result"),
        ("answer.isdigit", "is a function, not its result"),
        ("str", "is a class, which is always true"),
        ("(x for x in answer)", "is a generator, which is always true"),
        ("later()", "is a coroutine, which is never awaited"),
        ("truthless", "is neither true nor false: its value is of type Frame"),
    ],
)
def test_a_check_that_raises_is_broken_and_not_false(expression, shown):
    async def later():
        return True

    class Frame:
        __bool__ = functools.partialmethod(int, "no truth")

        def all(self): ...

    (result,) = results(expression, helper=broken_helper, later=later, truthless=Frame())
    assert result.passed is None
    assert shown in result.message
    assert result.hint


@pytest.mark.parametrize("library", ["pandas", "numpy", "polars"])
def test_a_value_without_a_truth_is_explained(library):
    module = pytest.importorskip(library)
    series = getattr(module, "Series", None) or module.array
    (result,) = results("found > 1", found=series([1, 2]))
    assert result.passed is None
    assert "the check found > 1 is neither true nor false: its value is of type " in result.message
    assert result.hint == "add .all() or .any() to the comparison"


def test_each_check_that_raises_is_shown_once_with_its_exception():
    checks = Checks(["1 / 0", "value[9]", "True"], {}, {})
    rows = [checks.evaluate(reply_of(), "text") for _ in range(3)]
    assert [[result.passed for result in row] for row in rows] == [[None, None, True]] * 3
    assert [result.expression for result in checks.broken] == ["1 / 0", "value[9]"]
    assert [type(result.error) for result in rows[0]] == [ZeroDivisionError, IndexError, type(None)]
    assert rows[1][0].error is None


# what a check prints


def test_what_a_check_prints_is_shown_once(capsys):
    checks = Checks(["print('hello') or True", "print(answer)"], {}, {})
    for text in ("a", "b", "a", "b"):
        checks.evaluate(reply_of(text), text)
    assert capsys.readouterr().out == "hello\na\nb\n"


def test_what_a_check_prints_for_ever_new_answers_is_bounded(capsys):
    checks = Checks(["print(answer)"], {}, {})
    for number in range(100):
        checks.evaluate(reply_of(str(number)), "")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "more output of the check `print(answer)` is not shown"


def test_other_threads_print_while_a_check_runs(capsys):
    def elsewhere():
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        print("checked")

    checks = Checks(["elsewhere()"], {"elsewhere": elsewhere}, {})
    for _ in range(2):
        checks.evaluate(reply_of(), "")
    assert capsys.readouterr().out == "from a thread\nchecked\nfrom a thread\n"


# interrupts


def test_an_interrupt_ends_a_check_that_loops_and_names_it_also_within_a_guard():
    woken = []

    def loop():
        threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            pass

    checks = Checks(["loop()"], {"loop": loop}, {})
    with InterruptGuard(lambda: woken.append(1)) as guard:
        handler = signal.getsignal(signal.SIGINT)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            checks.evaluate(reply_of(), "")
        assert time.monotonic() - start < 5
        assert signal.getsignal(signal.SIGINT) == handler
        assert guard.count == 0
    assert caught.value.__notes__ == ["the check `loop()` was running"]
    assert not woken


# errors of cells


def test_the_error_of_a_single_answer():
    reply = reply_of("no")
    checks = Checks(["answer == 'yes'", "len(answer) > 9", "True"], {}, {})
    error = error_of(checks.evaluate(reply, "no"), reply)
    assert isinstance(error, CheckError)
    assert str(error) == (
        "the check answer == 'yes' is false: answer = 'no';"
        " the check len(answer) > 9 is false: len(answer) = 2"
    )
    assert error.reply is reply
    assert error_of(Checks(["True"], {}, {}).evaluate(reply, ""), reply) is None
    many = Checks([f"answer == {number}" for number in range(5)], {}, {})
    assert str(error_of(many.evaluate(reply, ""), reply)).endswith("; and 2 more checks failed")


def test_a_check_that_raised_precedes_one_that_is_false():
    reply = reply_of("no")
    error = error_of(Checks(["False", "1 / 0"], {}, {}).evaluate(reply, ""), reply)
    assert isinstance(error, BrokenCheckError)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert error.reply is reply


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([(True, True), (True, None)], None),
        ([(), ()], None),
        ([(False, True)], "1 of 1 answer failed a check: a > 1 (1)"),
        (
            [(False, False), (True, False), (True, True)],
            "2 of 3 answers failed a check: a > 1 (1), b (2)",
        ),
    ],
)
def test_the_error_of_many_answers_counts(rows, shown):
    error = error_of_many(["a > 1", "b"], rows)
    assert (None if error is None else str(error)) == shown


def test_a_check_that_is_given_twice_is_refused():
    with pytest.raises(OptionError, match="the check `answer` is given twice"):
        Checks(["answer", "value", " answer "], {}, {})


def test_an_error_in_a_check_shows_no_key():
    key = "0123-the-key-456"
    checks = Checks(["{}[answer]"], {}, {}, secrets=[key])
    (result,) = checks.evaluate(reply_of(f"bad {key}"), None)
    assert result.message == "the check {}[answer] raised KeyError: 'bad [key]'"
