"""`-> NAME` and `_cmd`: what a cell leaves behind, and what it never touches."""

from __future__ import annotations

import pytest
from support.provider import answer, error, openai_stream

pytestmark = pytest.mark.kernel


def test_the_name_holds_the_text(notebook):
    notebook.provider.play(answer("forty-two"))
    run = notebook.check("%%cmd -> reply\nhello")
    assert notebook.value("reply") == "forty-two"
    assert notebook.value("type(reply).__name__") == "str"
    assert run.texts[0] == "forty-two"


def test_an_arrow_in_quotes_is_text(notebook):
    notebook.check("%%cmd -s 'a -> b' -> reply\nhello")
    assert notebook.body["messages"][0]["content"] == "a -> b"
    assert notebook.value("bool(reply)") is True


def test_the_cell_itself_returns_nothing(notebook):
    run = notebook.check("%%cmd\nhello")
    assert not run.of_type("execute_result")
    number = notebook.value("len(In) - 2")
    assert notebook.value(f"{number} in Out") is False


@pytest.mark.parametrize(
    ("cell", "ename"),
    [
        ("%%cmd -> kept\nhello", "StatusError"),
        ("%%cmd --max-tokens 0 -> kept\nhello", "OptionError"),
        ("%%cmd -> kept\n{{ unknown_name }}", "OptionError"),
        ("%%cmd --key-env NO_SUCH_KEY -> kept\nhello", "ConfigError"),
    ],
)
def test_a_failure_keeps_the_old_value_and_says_so(notebook, cell, ename):
    notebook.provider.play(error(418, "I am a teapot"))
    notebook.check("kept = 'old'")
    run = notebook.fail(cell, ename)
    assert notebook.value("kept") == "old"
    if "--max-tokens 0" not in cell:  # there the line itself could not be read
        assert run.error_lines[-1].endswith("kept keeps its old value")
    assert len(run.error_lines) <= 2


def test_a_failure_without_an_old_value_says_that_nothing_was_bound(notebook):
    notebook.provider.play(error(418, "I am a teapot"))
    run = notebook.fail("%%cmd -> fresh\nhello", "StatusError")
    assert run.error.endswith("fresh was not bound")
    assert notebook.value("'fresh' in globals()") is False


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (answer((), reasoning="hmm"), "only reasoning"),
        (answer((), calls=[{"name": "look", "arguments": "{}"}]), "tool_call"),
        (answer((), finish="content_filter"), "content_filter"),
    ],
)
def test_an_answer_without_text_binds_nothing(notebook, script, said):
    notebook.check("kept = 'old'")
    notebook.provider.play(script)
    run = notebook.fail("%%cmd -> kept\nhello", "StreamError")
    assert said in run.error_lines[0]
    assert run.error_lines[1].endswith("kept keeps its old value")
    assert notebook.value("kept") == "old"


def test_a_broken_answer_binds_nothing_and_is_kept_in_the_last_reply(notebook):
    notebook.check("kept = 'old'")
    notebook.provider.play(openai_stream(["half an ans"])[:-3])
    run = notebook.fail("%%cmd -> kept\nhello", "StreamError")
    assert "kept keeps its old value" in run.error
    assert notebook.value("[kept, _cmd.text, _cmd.stop_reason]") == ["old", "half an ans", "error"]


def test_the_last_reply_is_set_after_a_refusal(notebook):
    notebook.check("%%cmd\nhello")
    notebook.provider.play(error(401))
    notebook.fail("%%cmd\nhello", "AuthError")
    assert notebook.value("[_cmd.text, type(_cmd.error).__name__, _cmd.error.status]") == [
        "",
        "AuthError",
        401,
    ]


def test_the_last_reply_stays_when_nothing_was_sent(notebook):
    notebook.check("%%cmd\nhello")
    before = notebook.value("id(_cmd)")
    notebook.fail("%%cmd\n{{ unknown_name }}", "OptionError")
    notebook.check("%%cmd --dry-run\nhello")
    assert notebook.value("id(_cmd)") == before


def test_the_last_reply_shows_its_text_as_markdown(notebook):
    notebook.provider.play(answer("**bold**"))
    notebook.check("%%cmd\nhello")
    (shown,) = notebook.check("_cmd").outputs
    assert shown.data == {"text/markdown": "**bold**", "text/plain": "**bold**"}


def test_the_namespace_holds_nothing_but_the_last_reply_and_the_name(notebook):
    notebook.check("before = set(globals())")
    notebook.check("%%cmd -> asked_for\nhello")
    notebook.check("r = %cmd ask why?")
    new = notebook.value("sorted(n for n in set(globals()) - before if n.strip('_i0123456789'))")
    assert new == ["_cmd", "asked_for", "before", "r"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-> 2x", "`2x` after `->` is not the name of a variable"),
        ("->", "`->` needs the name of a variable"),
        ("-> a b", "`a b` after `->` is not the name of a variable"),
        ("-> class", "`class` after `->` is not the name of a variable"),
    ],
)
def test_what_is_no_name_is_refused_before_anything_is_sent(notebook, line, said):
    run = notebook.fail(f"%%cmd {line}\nhello", "OptionError")
    assert said in run.error_lines[0]
    assert not notebook.posts
