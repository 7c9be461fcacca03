"""Consent in a real kernel: questions are answered through the protocol, or by no one."""

from __future__ import annotations

import json
import sqlite3
from queue import Empty

import pytest
from support.kernel_harness import CELL_LIMIT_S
from support.provider import ToolCall, answer

pytestmark = pytest.mark.kernel

TOOLS = '''
ran = []

def save(path: str, text: str = "") -> str:
    """Write a text to a file."""
    ran.append((path, text))
    print("saving", path)
    return "saved"

def loop() -> None:
    """Never return."""
    ran.append("loop")
    while True:
        pass

def ask(question: str) -> str:
    """Ask the user."""
    return input(question)

async def fetch(url: str) -> str:
    """Fetch a page."""
    print("fetching", url)
    return "page"
'''
CALL = ToolCall("save", {"path": "a.txt", "text": "x"})
OTHER = ToolCall("save", {"path": "b.txt"}, "call_0002")


@pytest.fixture
def tools(notebook):
    notebook.check(TOOLS)
    return notebook


class Asked:
    """A cell that runs and asks."""

    def __init__(self, notebook, code):
        self.kernel = notebook.kernel
        self.request = self.kernel.start(code, "cell", allow_stdin=True)
        self.run = None
        self.questions = 0

    def question(self):
        """Return the next prompt, with everything on the screen at that time."""
        message = self.kernel.client.get_stdin_msg(timeout=CELL_LIMIT_S)
        self.asked_at = message["header"]["date"]
        self.questions += 1
        self.run = self.kernel.follow(self.request, self.run, until=self._shows_question)
        return message["content"]["prompt"]

    def _shows_question(self, run):
        metadata = [each["content"].get("metadata", {}) for each in run.messages]
        prompts = [each.get("cc_jupyter_question", {}).get("prompt", "") for each in metadata]
        return sum(prompt.startswith("Run ") for prompt in prompts) == self.questions

    def next_prompt(self):
        """Return the next prompt of the same question."""
        return self.kernel.client.get_stdin_msg(timeout=CELL_LIMIT_S)["content"]["prompt"]

    def answer(self, line):
        self.kernel.client.input(line)

    def end(self):
        self.run = self.kernel.follow(self.request, self.run)
        return self.run


def ask(notebook, *scripts, options="--tools save"):
    play(notebook, *(scripts or (answer("", calls=[CALL]), answer("Done."))))
    return Asked(notebook, f"%%cmd {options} -> done\nSave it.")


def play(notebook, *scripts):
    for script in scripts:
        notebook.provider.play(script)


def results(notebook):
    """Return what the model got for its calls."""
    return [each["content"] for each in notebook.body["messages"] if each["role"] == "tool"]


def test_y_runs_the_call_and_the_question_becomes_a_line(tools):
    cell = ask(tools)
    assert cell.question() == "Run save? y/s/f/e/n/q: "
    asked = "".join(cell.run.texts)
    assert 'save(path="a.txt", text="x")' in asked
    assert "call 1 of 1 · step 1 of at most 8 · <$0.0001 so far" in asked
    (shown,) = [each for each in cell.run.messages if "asks to run" in json.dumps(each["content"])]
    assert shown["header"]["date"] <= cell.asked_at
    cell.answer("y")
    run = cell.end()
    assert run.status == "ok"
    texts = "\n".join(run.texts)
    assert "asks to run" not in texts
    assert '1 ✓ save(path="a.txt", text="x") → "saved" · ' in texts
    assert run.streams == "saving a.txt\n"
    assert tools.value("ran") == [["a.txt", "x"]]
    assert tools.value("done") == "Done."
    assert results(tools) == ["saved"]
    assert len([each for each in run.outputs if "✓ save" in each.text]) == 1


def test_neither_an_empty_line_nor_a_word_runs_it_and_each_asks_again(tools):
    cell = ask(tools)
    for line in ("", "yes", "\n"):
        cell.question()
        cell.answer(line)
    cell.question()
    cell.answer("n")
    assert cell.next_prompt() == "Reason for the model (Enter: none): "
    cell.answer("wrong folder")
    assert cell.end().status == "ok"
    assert tools.value("ran") == []
    assert results(tools) == ["the user refused this call: wrong folder"]


def test_changed_arguments_run_and_the_model_reads_what_ran(tools):
    cell = ask(tools)
    cell.question()
    cell.answer("e")
    assert cell.next_prompt().startswith("Arguments to change")
    cell.answer('path="b.txt"')
    cell.question()
    assert 'save(path="b.txt", text="x")' in "".join(cell.run.texts)
    cell.answer("y")
    cell.end()
    assert tools.value("ran") == [["b.txt", "x"]]
    assert results(tools)[0].startswith(
        '[the user changed the call to save(path="b.txt", text="x")]'
    )


def test_q_keeps_the_text_and_sends_nothing_more(tools):
    cell = ask(tools, answer("Here is the list.", calls=[CALL]))
    cell.question()
    cell.answer("q")
    run = cell.end()
    assert tools.value("ran") == []
    assert len(tools.posts) == 1
    assert "Here is the list." in "\n".join(run.texts)


def test_f_is_asked_once_for_the_run_and_again_in_the_next(tools):
    calls = [ToolCall("save", {"path": name}, name) for name in ("a", "b", "c")]
    cell = ask(tools, answer("", calls=calls), answer("Done."))
    cell.question()
    cell.answer("f")
    assert cell.end().status == "ok"
    assert [path for path, _ in tools.value("ran")] == ["a", "b", "c"]
    again = ask(tools)
    again.question()
    again.answer("q")
    again.end()


def test_forty_kilobytes_are_on_the_screen_in_full_before_the_question(tools):
    lines = [f"line {number}: <b>{'x' * 40}</b>" for number in range(700)]
    call = ToolCall("save", {"path": "a.txt", "text": "\n".join(lines)})
    cell = ask(tools, answer("", calls=[call]), answer("Done."))
    cell.question()
    text = "".join(cell.run.texts)
    assert all(line in text for line in lines)
    (html,) = [each.data["text/html"] for each in cell.run.outputs if "asks" in each.text]
    assert html.count("&lt;b&gt;") == 700
    cell.answer("y")
    cell.end()
    assert tools.value("len(ran[0][1])") == len("\n".join(lines))


def test_where_no_one_can_answer_nothing_runs_and_the_cell_names_the_option(tools):
    play(tools, answer("", calls=[CALL, OTHER]), answer("I could not."))
    run = tools.fail("%%cmd --tools save -> done\nSave it.", "OptionError", "cell")
    assert "add --allow save to the cell" in "\n".join(run.error_lines)
    assert tools.value("ran") == []
    assert "needs the user's consent" in results(tools)[0]
    assert tools.value("_cmd.text") == "I could not."
    with pytest.raises(Empty):
        tools.kernel.client.get_stdin_msg(timeout=0)


def test_a_stop_in_the_question_ends_the_cell_and_runs_nothing(tools):
    cell = ask(tools)
    cell.question()
    tools.kernel.interrupt()
    run = cell.end()
    assert (run.status, run.error_name) == ("error", "KeyboardInterrupt")
    assert tools.value("ran") == []
    assert "asks to run" not in "\n".join(run.texts)
    assert "interrupted" in "\n".join(run.texts)


def test_answers_typed_ahead_and_too_often_run_nothing(tools):
    for _ in range(3):
        tools.kernel.client.input("y")
    tools.check("assert get_ipython().kernel.stdin_socket.poll(30_000)")  # they have arrived
    cell = ask(tools)
    cell.question()
    cell.answer("n")
    assert cell.next_prompt() == "Reason for the model (Enter: none): "
    cell.answer("")
    assert cell.end().status == "ok"
    assert tools.value("ran") == []


def test_an_end_of_the_input_is_a_refusal_and_the_cell_names_the_option(tools):
    cell = ask(tools)
    cell.question()
    cell.answer("\x04")
    run = cell.end()
    assert (run.status, run.error_name) == ("error", "OptionError")
    assert "add --allow save to the cell" in run.error
    assert tools.value("ran") == []


def test_a_tool_that_asks_where_no_one_can_answer_is_an_error_of_the_call(tools):
    play(tools, answer("", calls=[ToolCall("ask", {"question": "Which city?"})]), answer("Done."))
    tools.check("%%cmd --tools ask --allow ask -> done\nAsk.", "cell")
    assert tools.value("done") == "Done."
    assert "does not support input requests" in results(tools)[0]


STOPS_AT_THE_QUESTION = """
import os, signal

def stop_at_the_question(message):
    if "cc_jupyter_question" in message["content"].get("metadata", {}):
        publisher.unregister_hook(stop_at_the_question)
        os.kill(os.getpid(), signal.SIGINT)  # as jupyter_client does
    return message

publisher = get_ipython().display_pub
publisher.register_hook(stop_at_the_question)
"""


def test_a_stop_before_the_line_to_type_in_ends_the_cell_and_asks_for_nothing(tools):
    tools.check(STOPS_AT_THE_QUESTION)
    run = ask(tools).end()
    assert (run.status, run.error_name) == ("error", "KeyboardInterrupt")
    assert tools.value("ran") == []
    assert len(tools.posts) == 1
    assert "asks to run" not in "\n".join(run.texts)
    assert "interrupted" in "\n".join(run.texts)
    with pytest.raises(Empty):
        tools.kernel.client.get_stdin_msg(timeout=0)


def test_a_stop_ends_a_function_that_never_returns(tools):
    play(tools, answer("", calls=[ToolCall("loop", {})]), answer("Done."))
    request = tools.kernel.start("%%cmd --tools loop --allow loop\nLoop.", "cell")
    run = tools.kernel.follow(request, until=lambda run: "loop()" in "".join(run.texts))
    tools.kernel.interrupt()
    run = tools.kernel.follow(request, run)
    assert (run.status, run.error_name) == ("error", "KeyboardInterrupt")
    assert "1 ✗ loop() → interrupted" in "\n".join(run.texts)
    assert len(tools.posts) == 1


WRITE = """
import sqlite3

def write(path: str) -> str:
    'Write into a database.'
    with sqlite3.connect(path, timeout=60) as db:
        print("waits")
        db.execute("create table t (x)")
    return "written"
"""


def test_a_function_blocked_in_c_says_at_once_that_it_waits_and_ends_on_return(tools, tmp_path):
    path = str(tmp_path / "a.db")
    other = sqlite3.connect(path)
    other.execute("begin exclusive")  # sqlite waits for it in C, where no signal ends the waiting
    tools.check(WRITE)
    play(tools, answer("", calls=[ToolCall("write", {"path": path})]), answer("Done."))
    request = tools.kernel.start("%%cmd --tools write --allow write\nWrite.", "cell")
    run = tools.kernel.follow(request, until=lambda run: "waits" in run.streams)
    tools.kernel.interrupt()
    run = tools.kernel.follow(request, run, until=lambda run: "stop received" in "".join(run.texts))
    assert "it cannot be interrupted; waits for its return" in "".join(run.texts)
    other.close()
    run = tools.kernel.follow(request, run)
    assert (run.status, run.error_name) == ("error", "KeyboardInterrupt")
    assert "interrupted" in "\n".join(run.texts)
    assert len(tools.posts) == 1


def test_a_tool_may_ask_the_user_itself(tools):
    call = ToolCall("ask", {"question": "Which city? "})
    cell = ask(tools, answer("", calls=[call]), answer("Done."), options="--tools ask --allow ask")
    assert cell.next_prompt() == "Which city? "
    cell.answer("Rome")
    assert cell.end().status == "ok"
    assert results(tools) == ["Rome"]


def test_an_async_tool_runs_and_prints_into_its_cell(tools):
    play(tools, answer("", calls=[ToolCall("fetch", {"url": "u"})]), answer("Done."))
    run = tools.check("%%cmd --tools fetch --allow fetch\nFetch.", "cell")
    assert run.streams == "fetching u\n"
    assert results(tools) == ["page"]
