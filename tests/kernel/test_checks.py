"""`--check` and `--until-pass` in cells with one answer: what fails, what is bound and shown."""

from __future__ import annotations

import time

import pytest
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import answer, cut, error, openai_stream

pytestmark = pytest.mark.kernel

LAST = "gpt-6-luna"
IN_TURN = f"-m {MODEL},{CLAUDE},{LAST} --until-pass"
BROKEN_OFF = (*openai_stream(["half"])[:-1], cut())


def test_a_true_check_changes_nothing(notebook):
    notebook.provider.play(answer("forty-two"))
    run = notebook.check("%%cmd --check \"'two' in answer\" -> reply\nhello")
    assert notebook.value("reply") == "forty-two"
    assert run.texts[0] == "forty-two"
    assert len(run.texts) == 2


def test_a_false_check_fails_the_cell_and_the_answer_is_bound_and_in_the_thread(
    notebook,
):
    notebook.provider.play(answer("forty-two"))
    run = notebook.fail("%%cmd --check 'len(answer) < 3' -> reply\nhello", "CheckError")
    assert run.error_lines == [
        "CheckError: the check len(answer) < 3 is false: len(answer) = 9",
    ]
    assert run.texts[0] == "forty-two"
    assert notebook.value("[reply, _cmd.text]") == ["forty-two", "forty-two"]
    notebook.check("%%cmd\nand now?")
    assert notebook.said == ["hello", "forty-two", "and now?"]


def test_a_typed_value_is_checked_and_lines_too(notebook):
    notebook.provider.play(answer('{"value": 3}'))
    run = notebook.fail("%%cmd --check 'value > 5' -> n: int\nhello", "CheckError")
    assert run.error == "CheckError: the check value > 5 is false: value = 3"
    assert notebook.value("n") == 3
    notebook.provider.play(answer("short"))
    run = notebook.fail("%cmd ask --check 'len(answer)>9' hello", "CheckError")
    assert run.error == "CheckError: the check len(answer)>9 is false: len(answer) = 5"
    assert notebook.value("_cmd.text") == "short"


def test_what_cannot_be_checked_is_refused_before_anything_is_sent(notebook):
    for check in ("len(answer", "answr", "answer = 1"):
        notebook.fail(f"%%cmd --check '{check}'\nhello", "OptionError")
    run = notebook.fail("%%cmd --check answr -> x\nhello", "OptionError")
    assert "did you mean answer?" in run.error
    assert run.error.endswith("x was not bound")
    assert not notebook.posts


def test_a_check_that_raises_is_an_error_with_the_users_line_and_the_answer_is_bound(notebook):
    notebook.check("def good(text):\n    return text.nothing")
    notebook.provider.play(answer("forty-two"))
    run = notebook.fail("%%cmd --check 'good(answer)' -> reply\nhello", "BrokenCheckError")
    assert run.error_lines[0] == (
        "BrokenCheckError: the check good(answer) raised AttributeError: 'str' object has no"
        " attribute 'nothing' (line 2 of good: return text.nothing)"
    )
    assert len(run.error_lines) == 2
    assert notebook.value("reply") == "forty-two"


def test_what_a_check_prints_is_shown_and_it_sees_the_locals_of_a_function(notebook):
    notebook.provider.play(answer("forty-two"))
    code = "%cmd ask --check \"print(f'limit {limit}') or len(answer)<limit\" hello"
    run = notebook.fail(f"def f(limit):\n    {code}\nf(limit=2)", "CheckError")
    assert run.streams == "limit 2\n"
    assert "limit = 2" in run.error


def test_an_interrupt_ends_a_check_that_loops(notebook):
    notebook.check("import time\ndef loop():\n    print('looping')\n    time.sleep(10)")
    notebook.provider.play(answer("forty-two"))
    request = notebook.kernel.start("%%cmd --check 'loop()' -> reply\nhello")
    run = notebook.kernel.follow(request, until=lambda run: "looping" in run.streams)
    start_s = time.perf_counter()
    notebook.kernel.interrupt()
    run = notebook.kernel.follow(request, run, limit_s=10)
    assert time.perf_counter() - start_s < 5
    assert run.error == "KeyboardInterrupt: stopped; the check `loop()` was running"
    assert notebook.value("[reply, _cmd.text]") == ["forty-two", "forty-two"]


def test_no_code_cell_is_added_for_an_answer_that_fails_its_check(notebook):
    notebook.provider.play(answer("```python\n1\n```"))
    run = notebook.fail("%%cmd -f code --check 'len(answer)<3'\nhello", "CheckError")
    assert not run.reply.get("payload")


# in grids


def test_in_a_grid_a_check_is_a_column_and_the_cell_stays_green(notebook):
    notebook.provider.always(answer("too long"))
    checks = "--check 'print(123) or len(answer) < 5' --check '1/0' --check 'len(answer) > 5'"
    run = notebook.check(f"%%cmd -n 3 {checks} -> g\nhello")
    assert notebook.value("[a.checks for a in g.answers]") == [[False, None, True]] * 3
    assert run.streams.count("123") == 1
    shown = "".join(run.texts)
    assert shown.count("the check 1/0 raised ZeroDivisionError: division by zero") == 1
    run = notebook.fail("%%cmd -n 2 --check 'len(answer)<5' --fail-on-check\nhello", "CheckError")
    assert run.error == "CheckError: 2 of 2 answers failed a check: len(answer)<5 (2)"


def test_an_interrupt_of_a_check_in_a_grid_keeps_the_answers(notebook):
    notebook.check("import time\ndef loop():\n    print('looping')\n    time.sleep(10)")
    notebook.provider.always(answer("yes"))
    request = notebook.kernel.start("%%cmd -n 3 --check 'loop()' -> g\nhello")
    run = notebook.kernel.follow(request, until=lambda run: "looping" in run.streams)
    start_s = time.perf_counter()
    notebook.kernel.interrupt()
    run = notebook.kernel.follow(request, run, limit_s=10)
    assert time.perf_counter() - start_s < 5
    assert run.error_name == "KeyboardInterrupt"
    assert "the check `loop()` was running" in run.error
    assert notebook.value("[r.text for r in g if not r.error][:1]") == ["yes"]
    assert run.streams.count("looping") == 1


# --until-pass


def test_the_next_model_is_asked_until_an_answer_passes(notebook):
    notebook.provider.play(answer("much too long"))
    notebook.provider.play(answer("yes"))
    run = notebook.check(f"%%cmd {IN_TURN} --check 'len(answer) < 5' -> reply\nhello", "c1")
    assert [post.json["model"] for post in notebook.posts] == [MODEL, CLAUDE]
    assert notebook.value("[reply, _cmd.text, _cmd.model]") == ["yes", "yes", CLAUDE]
    first, _, second, usage = run.texts
    assert first == (
        "[deepseek-v4-flash did not pass: the check len(answer) < 5 is false: len(answer) = 13]\n"
        "much too long"
    )
    assert second == "yes"
    assert f"{CLAUDE} passed, model 2 of 3 · all tries cost " in usage
    assert f" · {LAST} alone would have cost ~<$0.0001" in usage
    assert notebook.value("len(_cmd.notices)") == 3


def test_the_tries_are_versions_of_one_turn_and_the_one_that_passed_is_active(notebook):
    notebook.provider.play(answer("much too long"))
    notebook.provider.play(answer("yes"))
    notebook.check(f"%%cmd {IN_TURN} --check 'len(answer) < 5'\nhello")
    notebook.check("%%cmd\nand now?")
    assert notebook.said == ["hello", "yes", "and now?"]
    run = notebook.check("%cmd versions 1")
    assert "much too long" in "".join(run.texts)


@pytest.mark.parametrize(
    "failure",
    [
        *(error(status, "busy") for status in (408, 429, 500, 503)),
        BROKEN_OFF,
        answer("about ten"),
    ],
    ids=["408", "429", "500", "503", "cut", "misfit"],
)
def test_the_next_model_is_asked_after_a_failure_that_is_the_models(notebook, failure):
    notebook.check("import os; os.environ['CMD_MAX_RETRIES'] = '0'")
    notebook.provider.play(failure)
    notebook.provider.play(answer('{"value": 10}'))
    run = notebook.check(f"%%cmd {IN_TURN} -> n: int\nhow many?")
    notebook.check("del os.environ['CMD_MAX_RETRIES']")
    assert [post.json["model"] for post in notebook.posts] == [MODEL, CLAUDE]
    assert notebook.value("n") == 10
    assert "deepseek-v4-flash did not pass: " in run.texts[0]


@pytest.mark.parametrize(
    ("failure", "ename"),
    [
        (error(401, "Invalid API key"), "AuthError"),
        (error(402, "insufficient credits"), "CreditError"),
        (error(429, "usage limit reached"), "RateLimitError"),
        (error(500, "insufficient credits"), "CreditError"),
        (error(400, "no"), "StatusError"),
    ],
)
def test_what_another_model_cannot_help_ends_the_cell(notebook, failure, ename):
    notebook.provider.play(failure)
    notebook.fail(f"%%cmd {IN_TURN} --check answer -> x\nhello", ename)
    assert len(notebook.posts) == 1


def test_a_check_that_raises_ends_the_cell_at_once(notebook):
    notebook.provider.play(answer("yes"))
    notebook.fail(f"%%cmd {IN_TURN} --check '1/0' -> x\nhello", "BrokenCheckError")
    assert len(notebook.posts) == 1
    assert notebook.value("x") == "yes"


def test_when_no_model_passes_the_last_answer_is_bound_and_says_why(notebook):
    notebook.provider.always(answer("too long"))
    run = notebook.fail(f"%%cmd {IN_TURN} --check 'len(answer) < 5' -> x\nhello", "CheckError")
    assert run.error == (
        f"CheckError: none of 3 models passed; the last, {LAST}: the check len(answer) < 5 is"
        " false: len(answer) = 8"
    )
    assert notebook.value("[x, _cmd.model]") == ["too long", LAST]
    assert "none of 3 models passed · all tries cost " in run.texts[-1]
    assert f"{LAST} alone would have cost <$" in run.texts[-1]


def test_the_last_model_may_correct_an_answer_of_the_wrong_type(notebook):
    for text in ("about ten", "nearly ten", "roughly ten", "10"):
        notebook.provider.play(answer(text))
    notebook.check(f"%%cmd {IN_TURN} -> n: int\nhow many?")
    assert [post.json["model"] for post in notebook.posts] == [MODEL, CLAUDE, LAST, LAST]
    assert notebook.value("n") == 10


def test_models_that_cannot_be_asked_in_turn_are_refused_before_anything_is_sent(notebook):
    notebook.check(f"%cmd alias same {MODEL}")
    run = notebook.fail(f"%%cmd -m {MODEL},same --until-pass --check answer\nhi", "OptionError")
    assert "are the same model" in run.error
    run = notebook.fail(f"%%cmd {IN_TURN} --max-requests 2 --check answer\nhi", "OptionError")
    assert "3 requests would be sent" in run.error
    shown = notebook.check(f"%%cmd {IN_TURN} --dry-run --check answer\nhello").texts[0]
    assert f"until an answer passes, asked next: {CLAUDE}, {LAST}" in shown
    assert not notebook.posts
