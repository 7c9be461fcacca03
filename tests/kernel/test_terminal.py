"""A real IPython in a pseudo-terminal, and one whose output goes into a pipe."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pexpect
import pytest
from support.kernel_notebook import MODEL, halves
from support.private_environment import private_environment
from support.provider import (
    KEY,
    Provider,
    ToolCall,
    answer,
    error,
    hang,
    openai_stream,
    wait,
)

pytestmark = pytest.mark.kernel

PROMPT = r"In \[\d+\]: "
LIMIT_S = 30


def on_screen(received):
    """Return what stands on a terminal after all redrawing: enough of one for what `rich` sends."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(
        r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\r\n]|[^\x1b\r\n]+", received
    ):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif found := re.fullmatch(r"\x1b\[(\d*)A", piece):
            row = max(0, row - int(found[1] or 1))
        elif piece[0] != "\x1b":
            line = lines[row].ljust(column)
            lines[row] = line[:column] + piece + line[column + len(piece) :]
            column += len(piece)
    return "\n".join(line.rstrip() for line in lines)


class Terminal:
    """An IPython that somebody types into."""

    def __init__(self, provider, folder, term="dumb", *options):
        self.provider = provider
        environment = private_environment(folder) | {
            "CMD_BASE_URL": provider.base_url,
            "CMD_API_KEY": KEY,
            "CMD_MODEL": MODEL,
            "TERM": term,
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        environment.pop("COLUMNS", None)  # who runs the tests may say how wide theirs is
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-banner", "--colors=NoColor", "--no-confirm-exit", *options],
            env=environment,
            cwd=str(folder),
            encoding="utf-8",
            timeout=LIMIT_S,
            dimensions=(50, 120),
        )
        self.child.expect(PROMPT.rstrip())
        if options:
            self.type("%load_ext cc_jupyter")

    def type(self, *lines):
        """Type a cell; give what the terminal shows until the next prompt."""
        for line in lines:
            self.child.sendline(line)
        self.child.expect(PROMPT)
        return self.shown

    @property
    def shown(self):
        """What stands on the screen since the last prompt."""
        return on_screen(self.child.before)

    def stop(self, after):
        """Press Ctrl-C once the terminal shows `after`."""
        self.child.expect(after)
        before = self.child.before + after
        self.child.sendintr()
        self.child.expect(PROMPT)
        return on_screen(before + self.child.before)


@pytest.fixture(scope="module")
def terminal_provider():
    with Provider() as started:
        yield started


@pytest.fixture(scope="module", params=["dumb", "xterm-256color"])
def module_terminal(request, terminal_provider, tmp_path_factory):
    terminal = Terminal(
        terminal_provider, tmp_path_factory.mktemp("term"), request.param, "--simple-prompt"
    )
    yield terminal
    terminal.child.close(force=True)


@pytest.fixture
def terminal(module_terminal):
    module_terminal.provider.clear()
    module_terminal.type("%cmd new")
    return module_terminal


def test_a_cell_shows_its_answer_once_and_a_usage_line(terminal):
    terminal.provider.play(answer("The answer."))
    shown = terminal.type("%%cmd", "hello {x}", "", "")
    assert shown.count("The answer.") == 1
    assert re.search(r"deepseek-v4-flash · in \d+ · out \d+ · \S+ · ", shown)
    assert "Out[" not in shown
    assert terminal.provider.posts[0].json["messages"][-1]["content"].rstrip("\n") == "hello {x}"


def test_text_is_shown_as_it_comes(terminal):
    before, after = halves(openai_stream(["first words", " and more"]), " and more")
    terminal.provider.play(before, wait("more"), after)
    terminal.child.sendline("%cmd ask why?")
    terminal.child.expect("first words")
    terminal.provider.gate("more").set()
    terminal.child.expect(PROMPT)
    assert "and more" in terminal.shown


def test_a_table_fits_the_width_of_the_terminal_and_loses_nothing(terminal):
    shown = terminal.type("%cmd models Flash image >=1m <=$0.6")
    head, row, below = shown.partition("model ")[2].splitlines()[:3]
    assert "window in out cached image" in " ".join(head.split())
    assert not {"name", "note"} & set(head.split())
    assert below.startswith("    name ")
    assert " · endpoint /" in below
    assert max(map(len, (f"model {head}", row, below))) <= 120


SAVE = ("def save(path: str) -> str:", "    return 'saved'", "")


def test_a_tool_is_asked_about_in_full_and_typing_ahead_allows_nothing(terminal):
    terminal.type(*SAVE)
    call = ToolCall("save", {"path": "a\x1b[2J.txt"})
    before, after = halves(openai_stream("", calls=[call]), "tool_calls")
    terminal.provider.play(before, wait("call"), after)
    terminal.provider.play(answer("Then not."))
    for line in ("%%cmd --tools save", "Save it.", "", ""):
        terminal.child.sendline(line)
    while not terminal.provider.posts:
        time.sleep(0.05)
    terminal.child.sendline("y")  # before the question is there
    terminal.provider.gate("call").set()
    terminal.child.expect_exact("Run save? y/s/f/e/n/q: ")
    asked = on_screen(terminal.child.before)
    assert "The model asks to run save" in asked
    assert 'save(path="a\\x1b[2J.txt")' in asked
    assert "refuse, and end here with the text so far" in asked
    terminal.child.sendline("n")
    terminal.child.expect_exact("Reason for the model (Enter: none): ")
    shown = terminal.type("not now")
    assert "the user refused this call: not now" in shown
    assert "Then not." in shown
    assert "saved" not in shown


def test_an_allowed_call_is_one_line_in_a_terminal(terminal):
    terminal.type(*SAVE)
    terminal.provider.play(answer("", calls=[ToolCall("save", {"path": "a.txt"})]))
    terminal.provider.play(answer("Saved it."))
    shown = terminal.type("%%cmd --tools save --allow save", "Save it.", "", "")
    assert re.search(r"1 ✓ save\(path=\"a.txt\"\) → \"saved\" · \d+ ms", shown)
    assert shown.count("Saved it.") == 1


def test_a_bare_line_shows_its_answer_once(terminal):
    terminal.provider.play(answer("The answer."))
    shown = terminal.type("%cmd ask why?")
    assert shown.count("The answer.") == 1
    assert "(shown above)" in shown


def test_a_reply_in_a_variable_shows_its_text_later(terminal):
    terminal.provider.play(answer("The answer."))
    shown = terminal.type("r = %cmd ask why?")
    assert shown.count("The answer.") == 1
    assert "Out[" not in shown
    assert re.search(r"Out\[\d+\]: The answer\.", terminal.type("r"))


def test_a_quiet_line_shows_nothing(terminal):
    terminal.provider.play(answer("The answer."))
    assert "The answer." not in terminal.type("%cmd ask --quiet why?")
    assert "The answer." in terminal.type("_cmd")


def test_ctrl_c_keeps_the_text(terminal):
    before, _ = halves(openai_stream(["half ", "an answer", " never"]), " never")
    terminal.provider.play(before, hang())
    terminal.child.sendline("%cmd ask why?")
    shown = terminal.stop("an answer")
    assert "KeyboardInterrupt: stopped; the text received is saved" in shown
    assert "interrupted" in shown
    assert "Traceback" not in shown
    terminal.provider.posts[0].wait_until_over()
    assert "'half an answer'" in terminal.type("_cmd.text")
    terminal.type("%cmd ask go on")
    said = [each["content"] for each in terminal.provider.posts[-1].json["messages"]]
    assert said == ["why?", "half an answer", "go on"]


def test_an_error_is_two_lines(terminal):
    terminal.provider.play(error(401))
    shown = terminal.type("%cmd ask why?").strip().splitlines()
    assert [line.partition(":")[0] for line in shown if line.startswith(("AuthError", "Hint"))] == [
        "AuthError",
        "Hint",
    ]
    assert "Traceback" not in "".join(shown)


def test_escape_sequences_of_the_model_do_not_reach_the_terminal(terminal):
    terminal.provider.play(answer("one \x1b]0;owned\x07 two \x9b2J three"))
    terminal.child.sendline("%cmd ask why?")
    terminal.child.expect(PROMPT)
    assert "\x1b]0;owned" not in terminal.child.before
    assert "\x9b" not in terminal.child.before
    assert "three" in terminal.child.before


def test_every_execution_appends(terminal):
    for prompt in ("one", "one"):
        terminal.provider.play(answer("1"))
        terminal.type(f"%cmd ask {prompt}")
    said = [each["content"] for each in terminal.provider.posts[-1].json["messages"]]
    assert said == ["one", "1", "one"]


def test_a_cell_is_not_sent_while_it_is_typed_at_a_real_prompt(tmp_path, provider):
    terminal = Terminal(provider, tmp_path, "xterm-256color")  # it draws as one types
    provider.play(answer("The answer."))
    terminal.child.send("%load_ext cc_jupyter\r")
    terminal.child.expect(r"In \[2\]:")
    terminal.child.send("%%cmd\r")
    terminal.child.expect(r"\.\.\.:")
    assert not provider.posts
    terminal.child.send("hello\r")
    terminal.child.expect("hello")
    assert not provider.posts
    terminal.child.send("\r")  # an empty line ends a cell, as with every cell magic
    terminal.child.send("\r")
    terminal.child.expect("The answer.")
    terminal.child.expect("tok|first token")
    terminal.child.close(force=True)
    assert provider.posts[0].json["messages"][-1]["content"].strip() == "hello"


def test_in_jupyter_console_an_answer_is_printed_as_it_comes(tmp_path, provider):
    """It runs in a kernel, yet shows only the first state of a display."""
    environment = private_environment(tmp_path) | {
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
        "TERM": "dumb",
    }
    console = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--simple-prompt", "--no-confirm-exit"],
        env=environment,
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=LIMIT_S,
        dimensions=(50, 120),
    )
    console.expect(r"In \[1\]: ")
    console.sendline("%load_ext cc_jupyter")
    console.expect(r"In \[2\]: ")
    before, after = halves(openai_stream(["The *ans", "wer* is ", "forty-two."]), "forty")
    provider.play(before, wait("more"), after)
    console.sendline("r = %cmd ask why?")
    console.expect(r"The \*answer\* is ")
    provider.gate("more").set()
    console.expect(r"In \[3\]: ")
    assert on_screen(console.before).startswith("forty-two.\ndeepseek-v4-flash · in ")
    provider.play(error(401))
    console.sendline("%cmd ask why?")
    console.expect(r"In \[4\]: ")
    _, *said = on_screen(console.before).strip().splitlines()
    assert [line.partition(":")[0] for line in said] == ["AuthError", "Hint"]
    console.close(force=True)


# ── without a terminal


def run_ipython(provider, folder, *arguments, stdin=None, **more):
    environment = private_environment(folder) | {
        "CMD_BASE_URL": provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", "--ext=cc_jupyter", *arguments],
        env=environment,
        cwd=folder,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )


def test_a_command_in_a_pipe_prints_the_answer(provider, tmp_path):
    provider.play(answer("The answer, 🙂."))
    done = run_ipython(provider, tmp_path, "-c", "r = %cmd ask why?")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The answer, 🙂.\ndeepseek-v4-flash · in ")
    assert "\x1b" not in done.stdout


def test_a_pipe_that_cannot_show_a_letter_does_not_cost_the_answer(provider, tmp_path):
    provider.play(answer("The answer, 🙂."))
    code = "r = %cmd ask why?\nprint(ascii(r.text))"
    done = run_ipython(provider, tmp_path, "-c", code, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert r"'The answer, \U0001f642.'" in done.stdout


def test_a_script_runs_and_a_failure_is_its_exit_status(provider, tmp_path):
    (tmp_path / "script.ipy").write_text("r = %cmd ask why?\nprint(len(r.text))\n%cmd ask --nope\n")
    done = run_ipython(provider, tmp_path, "script.ipy")
    assert "OptionError: `--nope` is not an option" in done.stdout + done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("%cmd usage", None),
        ("%cmd usage;", None),
        ("%cmd usage  # so far", None),
        ("%cmd ask why?\n%cmd usage", None),
        ("get_ipython().run_line_magic('cmd', 'usage')", None),
        ("x = %cmd usage\nprint(type(x).__name__)", "DataFrame"),
        ("if True:\n    x = %cmd usage\nprint(type(x).__name__)", "DataFrame"),
        ("print(type(get_ipython().run_line_magic('cmd', 'usage')).__name__)", "DataFrame"),
    ],
)
def test_a_table_is_a_dataframe_only_where_its_value_is_used(provider, tmp_path, code, kind):
    """`ipython -c` keeps no history of what was typed."""
    done = run_ipython(provider, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert ("this session: " in done.stdout) is (kind is None)
    assert kind is None or done.stdout.strip() == kind
