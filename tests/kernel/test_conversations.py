"""Threads: what a cell sends of what was said, above all when it runs again."""

from __future__ import annotations

import pytest
from support.provider import answer, error, openai_stream

pytestmark = pytest.mark.kernel


def say(notebook, prompt, text, cell_id=None, line=""):
    """Run a cell whose answer is known; give what was sent."""
    notebook.provider.play(answer(text))
    notebook.check(f"%%cmd {line}\n{prompt}", cell_id)
    return notebook.said


def test_a_cell_continues_the_thread(notebook):
    assert say(notebook, "one", "1") == ["one"]
    assert say(notebook, "two", "2") == ["one", "1", "two"]
    assert say(notebook, "three", "3") == ["one", "1", "two", "2", "three"]


def test_roles_alternate_on_both_wires(notebook):
    for model in ("deepseek/deepseek-v4-flash", "claude-sonnet-5"):
        say(notebook, "one", "1", line=f"-m {model} --thread {model[:3]}")
        assert say(notebook, "two", "2", line=f"-m {model} --thread {model[:3]}") == [
            *("one", "1", "two")
        ]
        roles = [message["role"] for message in notebook.body["messages"]]
        assert roles == ["user", "assistant", "user"]


def test_a_model_of_the_other_wire_continues_the_same_thread(notebook):
    say(notebook, "one", "1")
    assert say(notebook, "two", "2", line="-m claude-sonnet-5") == ["one", "1", "two"]
    assert say(notebook, "three", "3") == ["one", "1", "two", "2", "three"]


def test_a_cell_run_again_replaces_its_turn_and_later_turns_are_still_sent(notebook):
    say(notebook, "one", "1", "a")
    say(notebook, "two", "2", "b")
    say(notebook, "three", "3", "c")
    assert say(notebook, "two again", "2b", "b") == ["one", "1", "two again"]
    assert say(notebook, "four", "4", "d") == [
        *["one", "1"],
        *["two again", "2b"],
        *["three", "3"],
        "four",
    ]


def test_a_cell_run_many_times_is_one_turn(notebook):
    for number in range(3):
        assert say(notebook, f"one {number}", "1", "a") == [f"one {number}"]
    assert say(notebook, "two", "2", "b") == ["one 2", "1", "two"]


def test_cells_count_in_the_order_in_which_they_first_ran(notebook):
    say(notebook, "below", "1", "second-on-the-page")
    assert say(notebook, "above", "2", "first-on-the-page") == ["below", "1", "above"]


def test_without_cell_ids_every_execution_appends(notebook):
    say(notebook, "one", "1")
    assert say(notebook, "one", "1") == ["one", "1", "one"]
    assert say(notebook, "one", "1") == ["one", "1", "one", "1", "one"]


def test_a_cell_run_again_without_an_answer_keeps_its_old_turn(notebook):
    say(notebook, "one", "1", "a")
    notebook.provider.play(error(401))
    notebook.fail("%%cmd\none, worse", "AuthError", "a")
    assert say(notebook, "two", "2", "b") == ["one", "1", "two"]


def test_a_cell_run_again_that_breaks_off_replaces_its_turn_by_what_came(notebook):
    say(notebook, "one", "1", "a")
    notebook.provider.play(openai_stream(["half"])[:-3])
    notebook.fail("%%cmd\none again", "StreamError", "a")
    assert say(notebook, "two", "2", "b") == ["one again", "half", "two"]


def test_an_empty_answer_is_never_sent_as_history(notebook):
    notebook.provider.play(answer((), reasoning="only thinking"))
    notebook.check("%%cmd\none", "a")
    notebook.provider.play(error(401))
    notebook.fail("%%cmd\ntwo", "AuthError", "b")
    assert say(notebook, "three", "3", "c") == ["three"]


def test_each_request_of_an_execution_has_its_own_turn(notebook):
    loop = "for n in range(2):\n    %cmd ask number {{ n }}{{ mark }}"
    notebook.check("mark = '?'")
    notebook.check(loop, "a")
    notebook.check("mark = '!'")
    notebook.provider.play(answer("A0"))
    notebook.provider.play(answer("A1"))
    notebook.check(loop, "a")
    assert notebook.said == ["number 0!", "A0", "number 1!"]
    assert say(notebook, "next", "x", "b") == ["number 0!", "A0", "number 1!", "A1", "next"]


def test_a_dry_run_before_a_request_does_not_change_its_turn(notebook):
    notebook.check("%cmd ask --dry-run zero\n%cmd ask one", "a")
    notebook.check("%cmd ask uno", "a")
    assert say(notebook, "next", "x", "b")[::2] == ["uno", "next"]


def test_once_sends_no_history_and_leaves_none(notebook):
    say(notebook, "one", "1", "a")
    assert say(notebook, "aside", "x", "b", "--once") == ["aside"]
    assert say(notebook, "two", "2", "c") == ["one", "1", "two"]


def test_new_starts_the_thread_anew(notebook):
    say(notebook, "one", "1", "a")
    assert say(notebook, "fresh", "x", "b", "--new") == ["fresh"]
    assert say(notebook, "two", "2", "c") == ["fresh", "x", "two"]
    assert say(notebook, "fresh again", "x", "b", "--new") == ["fresh again"]
    assert say(notebook, "three", "3", "d") == ["fresh again", "x", "two", "2", "three"]


def test_an_earlier_cell_run_again_after_a_new_start_sends_what_stood_before_it(notebook):
    say(notebook, "one", "1", "a")
    say(notebook, "two", "2", "b")
    say(notebook, "fresh", "x", "c", "--new")
    assert say(notebook, "two again", "2b", "b") == ["one", "1", "two again"]


def test_a_cell_that_no_longer_says_new_sends_what_stood_before_it(notebook):
    say(notebook, "one", "1", "a")
    say(notebook, "two", "2", "b", "--new")
    assert say(notebook, "two", "2", "b") == ["one", "1", "two"]


def test_threads_are_apart(notebook):
    say(notebook, "one", "1", "a")
    assert say(notebook, "other", "x", "b", "--thread side") == ["other"]
    assert say(notebook, "more", "y", "c", "--thread side") == ["other", "x", "more"]
    assert say(notebook, "two", "2", "d") == ["one", "1", "two"]


def test_the_new_command_starts_anew_and_can_name_a_thread(notebook):
    say(notebook, "one", "1", "a")
    notebook.check("%cmd new")
    assert say(notebook, "two", "2", "b") == ["two"]
    notebook.check("%cmd new side")
    assert say(notebook, "three", "3", "c") == ["three"]
    assert say(notebook, "four", "4", "d") == ["three", "3", "four"]
    assert say(notebook, "five", "5", "e", "--thread default") == ["two", "2", "five"]
    run = notebook.check("%cmd")
    assert "side" in run.texts[0]


def test_a_restarted_kernel_sends_exactly_what_the_notebook_says(notebook):
    say(notebook, "one", "1", "a")
    notebook.restart()
    assert say(notebook, "one", "1", "a") == ["one"]
    assert say(notebook, "two", "2", "b") == ["one", "1", "two"]


def test_the_turn_and_the_thread_stand_in_the_metadata(notebook):
    def about(line, cell_id):
        run = notebook.check(f"%%cmd {line}\nhello", cell_id)
        found = run.outputs[0].metadata["cc_jupyter"]
        return found["thread"], found["turn"]

    assert about("", "a") == ("default", 1)
    assert about("", "b") == ("default", 2)
    assert about("", "a") == ("default", 1)
    assert about("--thread side", "c") == ("side", 1)
    assert about("--once", "d") == (None, None)


def test_a_python_call_joins_a_thread_and_runs_again_in_its_place(notebook):
    notebook.check("import cc_jupyter as cc")
    notebook.check("cc.ask('aside')", "x")
    say(notebook, "one", "1", "a", "--thread t")
    notebook.provider.play(answer("2"))
    notebook.check("reply = cc.ask('two', thread='t')", "b")
    assert notebook.said == ["one", "1", "two"]
    notebook.provider.play(answer("2b"))
    notebook.check("reply = cc.ask('two again', thread='t')", "b")
    assert notebook.said == ["one", "1", "two again"]
    assert say(notebook, "three", "3", "c", "--thread t") == [
        "one",
        "1",
        "two again",
        "2b",
        "three",
    ]


def test_unloading_and_loading_again_keeps_the_thread(notebook):
    say(notebook, "one", "1", "a")
    notebook.check("%reload_ext cc_jupyter")
    assert say(notebook, "two", "2", "b") == ["one", "1", "two"]
