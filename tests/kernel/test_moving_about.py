"""Going back, aside and on: threads, versions, forks, and what a restart brings back."""

from __future__ import annotations

import json

import pytest
from kernel.test_conversations import say
from support.provider import answer, openai_stream

pytestmark = pytest.mark.kernel

BOTH = pytest.mark.parametrize("model", ["deepseek/deepseek-v4-flash", "claude-sonnet-5"])


def rows(notebook, line):
    """Return the rows of a command, as a program gets them."""
    notebook.check(f"shown = %cmd {line}")
    return json.loads(notebook.kernel.value("__import__('json').dumps(list(shown), default=str)"))


def test_history_lists_what_was_said(notebook):
    say(notebook, "one", "1", "a")
    say(notebook, "two", "2", "b")
    say(notebook, "one again", "1b", "a")
    shown = rows(notebook, "history")
    assert [(row["turn"], row["prompt"], row["answer"]) for row in shown] == [
        (1, "one again", "1b"),
        (2, "two", "2"),
    ]
    assert [row["versions"] for row in shown] == [2, 1]
    assert [row["marks"] for row in shown] == ["", "stale"]
    assert {row["model"] for row in shown} == {"deepseek/deepseek-v4-flash"}


def test_history_says_where_cells_have_no_ids(notebook):
    say(notebook, "one", "1")
    assert "in the order of execution" in notebook.check("%cmd history").texts[-1]
    notebook.check("%cmd new")
    say(notebook, "one", "1", "a", "--thread other")
    notebook.check("%cmd thread other")
    assert "in the order of execution" not in notebook.check("%cmd history").texts[-1]


def test_rewind_takes_turns_back_and_deletes_nothing(notebook):
    for number in "1234":
        say(notebook, f"q{number}", f"a{number}", number)
    card = notebook.check("%cmd rewind 2").texts[-1]
    assert "2 turns" in card
    assert say(notebook, "next", "x", "n") == ["q1", "a1", "q2", "a2", "next"]
    assert [row["thread"] for row in rows(notebook, "search q4")] == ["default"]


def test_a_rewound_cell_that_runs_again_comes_last(notebook):
    for cell in "abc":
        say(notebook, cell, cell.upper(), cell)
    notebook.check("%cmd rewind 2")
    say(notebook, "c", "C", "c")
    assert say(notebook, "b", "B", "b") == ["a", "A", "c", "C", "b"]


def test_a_fork_shares_the_past_and_leaves_the_other_thread_alone(notebook):
    say(notebook, "one", "1", "a")
    notebook.check("%cmd fork bold")
    assert say(notebook, "bolder", "2b", "b") == ["one", "1", "bolder"]
    notebook.check("%cmd thread default")
    assert say(notebook, "calmer", "2c", "c") == ["one", "1", "calmer"]
    run = notebook.fail("%cmd fork bold", "OptionError")
    assert "a thread named 'bold' already exists" in run.error


def test_a_cell_run_again_in_a_fork_changes_the_fork_alone(notebook):
    say(notebook, "one", "1", "a")
    notebook.check("%cmd fork bold")
    say(notebook, "uno", "1b", "a")
    assert say(notebook, "next", "x", "b") == ["uno", "1b", "next"]
    notebook.check("%cmd thread default")
    assert say(notebook, "next", "x", "c") == ["one", "1", "next"]


def test_versions_and_their_words_compared(notebook):
    say(notebook, "one", "the red fox", "a")
    say(notebook, "one", "the blue fox", "a")
    shown = rows(notebook, "versions")
    assert [(row["version"], row["answer"], row["active"]) for row in shown] == [
        (1, "the red fox", ""),
        (2, "the blue fox", "yes"),
    ]
    diff = notebook.check("%cmd diff 1 2").texts[-1]
    assert "red" in diff
    assert "blue" in diff
    assert notebook.value("str(_)") == "the [-red-]{+blue+} fox"


def test_an_earlier_version_can_count_again(notebook):
    say(notebook, "one", "first", "a")
    say(notebook, "one", "second", "a")
    say(notebook, "two", "x", "b")
    notebook.check("%cmd versions 1 --use 1")
    assert say(notebook, "next", "y", "c") == ["one", "first", "two", "x", "next"]
    assert [row["marks"] for row in rows(notebook, "history")] == ["", "stale", ""]
    run = notebook.fail("%cmd versions 1 --use 3", "OptionError")
    assert "has no version 3" in run.error


@BOTH
def test_continue_carries_a_cut_answer_on_in_the_same_turn(notebook, model):
    notebook.provider.play(answer("Once upon", finish="length"))
    notebook.check(f"%%cmd -m {model}\na story", "a")
    notebook.provider.play(answer(" a time."))
    run = notebook.check("%cmd continue", "b")
    assert "Once upon a time." in run.texts
    assert notebook.value("_cmd.text") == "Once upon a time."
    assert notebook.body["model"] == model
    assert [each["role"] for each in notebook.body["messages"]] == ["user", "assistant", "user"]
    assert say(notebook, "and then?", "x", "c", f"-m {model}")[:2] == [
        "a story",
        "Once upon a time.",
    ]


def test_continue_says_when_there_is_nothing_to_go_on_with(notebook):
    assert "has no answer to continue" in notebook.fail("%cmd continue", "OptionError").error
    say(notebook, "one", "1", "a")
    assert "is complete" in notebook.fail("%cmd continue", "OptionError").error


def test_a_restart_begins_empty_and_a_stored_thread_comes_back(notebook):
    say(notebook, "one", "1", "a", "--thread poem")
    say(notebook, "two", "2", "b", "--thread poem")
    notebook.restart()
    assert say(notebook, "fresh", "x", "c", "--thread prose") == ["fresh"]
    card = notebook.check("%cmd thread poem").texts[-1]
    assert "2 turns" in card
    assert "loaded from the history" in card
    assert say(notebook, "three", "3", "d") == ["one", "1", "two", "2", "three"]


def test_restart_and_run_all_sends_exactly_what_the_notebook_says(notebook):
    def run_all():
        return [say(notebook, f"{cell}?", f"{cell}!", cell) for cell in "abc"]

    first = run_all()
    notebook.restart()
    assert run_all() == first


def test_a_cell_of_a_thread_that_came_back_replaces_its_turn(notebook):
    say(notebook, "one", "1", "a", "--thread poem")
    say(notebook, "two", "2", "b", "--thread poem")
    notebook.restart()
    notebook.check("%cmd thread poem")
    assert say(notebook, "uno", "1b", "a") == ["uno"]
    assert say(notebook, "three", "3", "c") == ["uno", "1b", "two", "2", "three"]


def test_threads_lists_live_and_stored_ones(notebook):
    say(notebook, "a poem about ice", "1", "a", "--thread ice")
    notebook.restart()
    say(notebook, "hello", "1", "b")
    shown = {row["thread"]: row for row in rows(notebook, "threads")}
    assert shown["default"]["state"] == "current"
    assert shown["ice"]["state"] == "stored"
    assert shown["ice"]["begins"] == "a poem about ice"
    assert shown["ice"]["turns"] == 1


def test_search_finds_words_of_prompts_and_answers(notebook):
    say(notebook, "how do glaciers move", "They creep downhill.", "a")
    found = rows(notebook, "search glaciers")
    assert found[-1]["turn"] == 1
    assert "glaciers" in found[-1]["found"]
    assert "*" not in found[-1]["found"]
    assert rows(notebook, "search creep")
    assert rows(notebook, 'search "quotes - and * NEAR( signs') == []


def test_forget_really_removes(notebook):
    say(notebook, "my secret is zanzibar", "kept safe", "a")
    say(notebook, "two", "2", "b")
    assert "1 turn" in notebook.check("%cmd forget turn 1").texts[-1]
    assert say(notebook, "three", "3", "c") == ["two", "2", "three"]
    data = notebook.folder / "cc_jupyter" / "data"
    for path in data.rglob("*"):
        assert path.is_dir() or b"zanzibar" not in path.read_bytes(), path
    assert rows(notebook, "search zanzibar") == []
    assert "deleted 2 turns" in notebook.check("%cmd forget everything").texts[-1]
    assert say(notebook, "four", "4", "d") == ["four"]


def test_a_history_that_is_off_leaves_nothing_on_disk(notebook):
    notebook.check("import os; os.environ['CMD_HISTORY'] = 'off'")
    say(notebook, "my secret is timbuktu", "1", "a")
    say(notebook, "two", "2", "b")
    assert [row["prompt"] for row in rows(notebook, "history")] == ["my secret is timbuktu", "two"]
    for path in (notebook.folder / "cc_jupyter").rglob("*"):
        assert path.is_dir() or b"timbuktu" not in path.read_bytes(), path
    assert "the history is off" in notebook.fail("%cmd search secret", "ConfigError").error


@pytest.mark.parametrize("ending", ["md", "json", "ipynb"])
def test_export_writes_the_thread_to_a_named_file(notebook, ending, tmp_path):
    say(notebook, "one", "the first answer", "a")
    path = tmp_path / f"thread.{ending}"
    notebook.check(f"%cmd export {path}")
    assert "the first answer" in path.read_text(encoding="utf-8")
    run = notebook.fail(f"%cmd export {path}", "OptionError")
    assert "exists" in run.error
    notebook.check(f"%cmd export {path} --overwrite")


def test_a_partial_answer_is_on_disk_while_it_streams(notebook):
    notebook.provider.play(openai_stream(["half"])[:-3])
    notebook.fail("%%cmd\nbroken", "StreamError", "a")
    notebook.restart()
    notebook.check("%cmd thread default")
    assert say(notebook, "next", "x", "b") == ["broken", "half", "next"]


def test_a_broken_history_is_told_once_and_the_answers_still_show(notebook):
    data = notebook.folder / "cc_jupyter" / "data"
    notebook.check(
        "from cc_jupyter.session.session import shared_session as s; s().history.close()"
    )
    for path in data.glob("history.db*"):
        path.unlink()
    (data / "history.db").write_bytes(b"this is no database" * 1000)
    notebook.provider.play(answer("shown"))
    run = notebook.check("%%cmd\none", "a")
    assert "shown" in run.texts
    assert "history" in run.texts[-1]
    assert list(data.glob("history.db.broken-*"))
    notebook.provider.play(answer("shown too"))
    assert "history" not in notebook.check("%%cmd\ntwo", "b").texts[-1]


# ── what happens to cells


def test_a_copied_cell_is_a_turn_of_its_own_at_the_end(notebook):
    say(notebook, "one", "1", "a")
    say(notebook, "two", "2", "b")
    assert say(notebook, "one", "1c", "copy-of-a") == ["one", "1", "two", "2", "one"]


def test_a_moved_cell_keeps_its_place(notebook):
    for cell in "ab":
        say(notebook, cell, cell.upper(), cell)
    # only the order on the page has changed: the ids are what they were
    assert say(notebook, "b", "B2", "b") == ["a", "A", "b"]
    assert say(notebook, "a", "A2", "a") == ["a"]


def test_the_upper_half_of_a_split_cell_keeps_the_turn(notebook):
    say(notebook, "first half\nsecond half", "1", "a")
    assert say(notebook, "first half", "1a", "a") == ["first half"]
    assert say(notebook, "second half", "1b", "new-id") == ["first half", "1a", "second half"]


def test_two_notebooks_on_one_kernel_share_the_default_thread(notebook):
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'one.ipynb'")
    say(notebook, "one", "1", "same-id")
    notebook.check("os.environ['JPY_SESSION_NAME'] = 'two.ipynb'")
    assert say(notebook, "two", "2", "same-id") == ["one", "1", "two"]
    assert say(notebook, "apart", "3", "other", "--thread two") == ["apart"]
    shown = {row["notebook"] for row in rows(notebook, "search one")}
    assert shown == {"one.ipynb"}


def test_a_stored_thread_of_this_notebook_comes_before_those_of_others(notebook):
    for name in ("mine", "theirs"):
        notebook.check(f"import os; os.environ['JPY_SESSION_NAME'] = '{name}.ipynb'")
        say(notebook, f"of {name}", "1", "a")
        notebook.restart()
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'mine.ipynb'")
    notebook.check("%cmd thread default")
    assert say(notebook, "next", "2", "b") == ["of mine", "1", "next"]


def test_a_thread_of_another_notebook_comes_only_by_an_explicit_choice(notebook):
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'drafts/theirs.ipynb'")
    say(notebook, "a secret", "1", "a")
    notebook.restart()
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'mine.ipynb'")
    card = notebook.check("%cmd thread default").texts[-1]
    assert "drafts/theirs.ipynb has a thread of this name" in card
    assert "%cmd thread default --from drafts/theirs.ipynb" in card
    assert say(notebook, "mine", "2", "b") == ["mine"]
    run = notebook.fail("%cmd thread default --from theirs.ipynb", "OptionError")
    assert "this session already has a thread 'default'" in run.error
    notebook.restart()
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'other.ipynb'")
    run = notebook.fail("%cmd thread default --from nowhere.ipynb", "OptionError")
    assert "mine.ipynb, drafts/theirs.ipynb" in run.error
    card = notebook.check("%cmd thread default --from theirs.ipynb").texts[-1]
    assert "loaded from drafts/theirs.ipynb" in card
    assert say(notebook, "next", "3", "c") == ["a secret", "1", "next"]


def test_forgetting_a_thread_leaves_those_of_other_notebooks(notebook):
    for name in ("mine", "theirs"):
        notebook.check(f"import os; os.environ['JPY_SESSION_NAME'] = '{name}.ipynb'")
        say(notebook, f"of {name}", "1", "a")
        notebook.restart()
    notebook.check("import os; os.environ['JPY_SESSION_NAME'] = 'mine.ipynb'")
    notebook.check("%cmd thread default")
    say(notebook, "of mine too", "2", "b")
    assert "2 turns" in notebook.check("%cmd forget thread default").texts[-1]
    assert rows(notebook, "search mine") == []
    assert [row["notebook"] for row in rows(notebook, "search theirs")] == ["theirs.ipynb"]
    run = notebook.fail("%cmd forget thread nonsense", "OptionError")
    assert "there is no thread" in run.error


def test_what_was_rewound_forked_and_chosen_is_so_after_a_restart(notebook):
    say(notebook, "one", "first", "a")
    say(notebook, "one", "second", "a")
    say(notebook, "two", "2", "b")
    notebook.check("%cmd fork aside")
    notebook.check("%cmd thread default")
    notebook.check("%cmd rewind")
    notebook.check("%cmd versions 1 --use 1")
    notebook.restart()
    notebook.check("%cmd thread default")
    assert [row["marks"] for row in rows(notebook, "history")] == [""]
    notebook.check("%cmd versions 1 --use 2")  # also before anything was said again
    notebook.check("%cmd versions 1 --use 1")
    assert say(notebook, "next", "x", "c") == ["one", "first", "next"]
    notebook.check("%cmd thread aside")
    assert say(notebook, "next", "y", "d") == ["one", "second", "two", "2", "next"]
