"""`%cmd login` and `logout` in a real kernel that asks, and in a terminal; the key is nowhere."""

from __future__ import annotations

import json
import os
import stat
import sys
from queue import Empty

import pexpect
import pytest
from support.kernel_harness import CELL_LIMIT_S
from support.kernel_notebook import MODEL, Notebook
from support.private_environment import private_environment
from support.provider import KEY, Provider, answer, cut, error, hang

pytestmark = pytest.mark.kernel

WRONG = "user_wrong_0123456789abcdef"
STOP = "\0stop"
"""The answer of somebody who presses the stop button."""
LOGIN = '{"apiKey": "user_cli_0123456789", "openai": {"key": "x"},  "ü": [1, null]}\n'
MEMORY = """
import keyring, keyring.backend
class Memory(keyring.backend.KeyringBackend):
    priority, entries = 5, {}
    def get_password(self, service, username):
        return self.entries.get((service, username))
    def set_password(self, service, username, password):
        self.entries[service, username] = password
    def delete_password(self, service, username):
        del self.entries[service, username]
keyring.set_keyring(Memory())
"""


@pytest.fixture(scope="module")
def one_notebook(tmp_path_factory):
    """Return a kernel without a key in its environment."""
    with Notebook(tmp_path_factory.mktemp("login"), {"CMD_API_KEY": ""}) as opened:
        yield opened


@pytest.fixture
def notebook(notebook):
    """Return a notebook whose base URL counts as the provider's own host, and no key is stored."""
    origin = notebook.provider.base_url.removesuffix("/provider")
    notebook.check(
        "import keyring, keyring.core, cc_jupyter.config.base_url\n"
        f"cc_jupyter.config.base_url._DEFAULT_ORIGIN = {origin!r}\n"
        "keyring.core._keyring_backend = None"
    )
    key_file(notebook).unlink(missing_ok=True)
    return notebook


def key_file(notebook):
    return notebook.folder / "cc_jupyter" / "data" / "key"


def talk(notebook, code, *answers):
    """Run a cell and answer its questions; give what it came to, and the questions."""
    kernel = notebook.kernel
    request = kernel.start(code, allow_stdin=True)
    asked = []
    for said in answers:
        asked.append(kernel.client.get_stdin_msg(timeout=CELL_LIMIT_S)["content"])
        if said == STOP:
            kernel.interrupt()
        else:
            kernel.client.input(said)
    run = kernel.collect(request)
    with pytest.raises(Empty):  # it asked nothing more
        kernel.client.get_stdin_msg(timeout=0)
    return run, asked


def said_in(run):
    """Return all that a front end gets of a cell but its own code."""
    messages = [each["content"] for each in run.messages if each["msg_type"] != "execute_input"]
    return json.dumps([messages, run.reply], default=str)


# ── login


def test_login_asks_unseen_checks_with_one_free_request_and_stores_in_a_private_file(notebook):
    run, asked = talk(notebook, "%cmd login", f" {KEY}\n", "y", "yes")
    assert run.status == "ok", run.error
    assert [each["password"] for each in asked] == [True, False, False]
    assert "Command Code Studio" in asked[0]["prompt"]
    assert "ling-3.1-flash:free at 127.0.0.1" in asked[1]["prompt"]
    assert "free according to the price table of 2" in asked[1]["prompt"]
    assert "There is no system keyring. Store the key in a file that" in asked[2]["prompt"]
    (post,) = notebook.posts
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert post.json["model"] == "inclusionai/ling-3.1-flash:free"
    assert post.json["max_tokens"] == 16
    assert key_file(notebook).read_text() == f"{KEY}\n"
    if os.name == "posix":
        assert stat.S_IMODE(key_file(notebook).stat().st_mode) == 0o600
        assert stat.S_IMODE(key_file(notebook).parent.stat().st_mode) == 0o700
    (text,) = run.texts
    assert "stored in" in text
    assert "the provider accepts it" in text
    notebook.check("%%cmd\nhello")
    assert notebook.posts[-1].headers["authorization"] == f"Bearer {KEY}"
    assert "from the key file" in notebook.check("%cmd").texts[0]


def test_the_key_is_nowhere_after_a_login(notebook):
    told = [
        talk(notebook, "%cmd login", WRONG, "y")[0],
        notebook.run("%tb"),
        notebook.run(
            "import sys, traceback\n"
            "print(*traceback.TracebackException.from_exception(\n"
            "    sys.last_value, capture_locals=True).format())"
        ),
        talk(notebook, "card = %cmd login", WRONG, "n", "y")[0],
        notebook.run("print(card, In, Out, _ih, dir(), vars())"),
        notebook.run("%history"),
        notebook.run("%cmd doctor"),
        talk(notebook, "%cmd login", f"{WRONG} {WRONG}")[0],
        notebook.run(
            "print(*traceback.TracebackException.from_exception(\n"
            "    sys.last_value, capture_locals=True).format())"
        ),
    ]
    assert [each.status for each in told].count("error") == 2
    for run in told:
        assert WRONG not in said_in(run)
        assert WRONG[5:] not in said_in(run)
    assert WRONG not in notebook.kernel.log
    holding = [
        path
        for path in notebook.folder.rglob("*")
        if path.is_file() and WRONG.encode() in path.read_bytes()
    ]
    assert holding == [key_file(notebook)]


def test_a_wrong_key_is_stored_nowhere_and_nothing_more_is_asked(notebook):
    run, _ = talk(notebook, "%cmd login", WRONG, "y")
    assert run.error_name == "AuthError"
    assert "refused the key" in run.error_lines[0]
    assert run.error_lines[1].endswith("; nothing was stored")
    assert len(run.error_lines) == 2
    assert len(notebook.posts) == 1
    assert not key_file(notebook).exists()


def test_nothing_is_sent_unless_it_is_agreed_to(notebook):
    run, _ = talk(notebook, "%cmd login", KEY, "", "y")
    assert notebook.provider.requests == []
    assert "skipped" in run.texts[0]
    assert key_file(notebook).exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([error(503)], "the provider failed (503)"),
        ([error(403, code="upgrade_required")], "(403)"),
        ([error(429)], "(429)"),
        ([cut()], "was lost"),
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_a_check_that_says_nothing_is_told_and_made_once(notebook, script, said, keep):
    notebook.provider.play(*script)
    run, asked = talk(notebook, "%cmd login", KEY, "y", *(["y", "y"] if keep else ["n"]))
    assert "The check did not test the key" in asked[2]["prompt"]
    assert said in asked[2]["prompt"]
    assert key_file(notebook).exists() is keep
    assert ("failed: " if keep else "nothing was stored") in run.texts[0]
    assert len(notebook.posts) == 1


@pytest.mark.parametrize("typed", ["", "  ", "\x04"])
def test_an_empty_answer_stores_nothing(notebook, typed):
    run, _ = talk(notebook, "%cmd login", typed)
    assert run.texts == ["no key was entered; nothing was stored"]
    assert not key_file(notebook).exists()


@pytest.mark.parametrize("before", [[], [KEY], [KEY, "n"]])
def test_an_interrupt_at_any_question_stores_nothing_and_says_so(notebook, before):
    run, _ = talk(notebook, "%cmd login", *before, STOP)
    assert run.error_name == "KeyboardInterrupt"
    assert run.error_lines == ["KeyboardInterrupt: stopped; nothing was stored"]
    assert not key_file(notebook).exists()


def test_an_interrupt_during_the_check_stores_nothing_and_says_so(notebook):
    notebook.provider.play(hang())
    kernel = notebook.kernel
    request = kernel.start("%cmd login", allow_stdin=True)
    for said in (KEY, "y"):
        kernel.client.get_stdin_msg(timeout=CELL_LIMIT_S)
        kernel.client.input(said)
    notebook.provider.wait_for_requests(1)
    kernel.interrupt()
    run = kernel.collect(request)
    assert run.error_lines == ["KeyboardInterrupt: stopped; nothing was stored"]
    notebook.posts[0].wait_until_over()
    assert not key_file(notebook).exists()


def test_who_declines_the_file_is_told_the_other_way(notebook):
    run, _ = talk(notebook, "%cmd login", KEY, "n", "n")
    assert run.texts == ["nothing was stored; you can set CMD_API_KEY in the environment instead"]
    assert not key_file(notebook).exists()


def test_a_keyring_is_taken_without_asking_and_an_older_file_goes(notebook):
    talk(notebook, "%cmd login", WRONG, "n", "y")
    notebook.check(MEMORY)
    run, asked = talk(notebook, "%cmd login", KEY, "n")
    assert len(asked) == 2
    assert "stored in the system keyring (" in run.texts[0]
    assert not key_file(notebook).exists()
    notebook.check("%%cmd\nhello")
    assert notebook.posts[-1].headers["authorization"] == f"Bearer {KEY}"
    assert "key removed" in notebook.check("%cmd logout").texts[0]
    assert notebook.value("list(Memory.entries)") == []
    notebook.fail("%%cmd\nhello", "ConfigError")


def test_a_keyring_that_refuses_leads_to_the_file(notebook):
    notebook.check(MEMORY + "Memory.set_password = lambda *_: None")
    _, asked = talk(notebook, "%cmd login", KEY, "n", "y")
    assert asked[2]["prompt"].startswith("The keyring (")
    assert key_file(notebook).exists()


def test_a_variable_that_comes_first_is_named(notebook):
    notebook.check("import os; os.environ['COMMANDCODE_API_KEY'] = 'user_env_0123456789'")
    run, _ = talk(notebook, "%cmd login", KEY, "n", "y")
    assert "the key from COMMANDCODE_API_KEY takes precedence" in run.texts[0]


def test_another_host_is_told_apart_and_gets_no_request(notebook):
    notebook.check("cc_jupyter.config.base_url._DEFAULT_ORIGIN = 'https://api.commandcode.ai'")
    run, asked = talk(notebook, "%cmd login", KEY, "n", "y")
    assert "at api.commandcode.ai (free" in asked[1]["prompt"]
    assert "it is sent only to api.commandcode.ai; the base URL is 127.0.0.1" in run.texts[0]
    assert notebook.provider.requests == []
    notebook.fail("%%cmd\nhello", "ConfigError")


def test_where_nobody_can_be_asked_the_error_names_the_other_way(notebook):
    run = notebook.fail("%cmd login", "ConfigError")
    assert "no key can be entered here" in run.error_lines[0]
    assert "set CMD_API_KEY" in run.error_lines[1]
    assert len(run.error_lines) == 2


@pytest.mark.parametrize(
    ("command", "takes"),
    [("login", "no arguments"), ("logout", "no arguments"), ("doctor", "only --check")],
)
def test_a_key_on_the_line_is_refused_and_not_repeated(notebook, command, takes):
    run = notebook.fail(f"%cmd {command} odd-letters-of-a-key", "OptionError")
    assert f"takes {takes} on its line" in run.error_lines[0]
    assert "create a new one" in run.error_lines[1]
    assert "odd-letters" not in said_in(run)


# ── logout, and what is left alone


def test_logout_removes_what_login_stored_and_says_what_is_left(notebook):
    login = notebook.folder / "home" / ".commandcode" / "auth.json"
    login.parent.mkdir(exist_ok=True)
    login.write_text(LOGIN, encoding="utf-8")
    stat_before = login.stat()
    try:
        talk(notebook, "%cmd login", KEY, "n", "y")
        notebook.check("import os; os.environ['COMMAND_CODE_API_KEY'] = 'user_env_0123456789'")
        card = notebook.check("%cmd logout").texts[0]
        assert not key_file(notebook).exists()
        assert "removed" in card
        assert "COMMAND_CODE_API_KEY, the CLI's login, which %cmd logout never removes" in card
        assert "did not exist" in notebook.check("%cmd logout").texts[0]
        notebook.check("%cmd doctor")
        assert login.read_bytes() == LOGIN.encode()
        assert login.stat().st_mtime_ns == stat_before.st_mtime_ns
    finally:
        login.unlink()


# ── doctor


def test_the_doctor_shows_a_table_and_gives_rows(notebook):
    talk(notebook, "%cmd login", KEY, "n", "y")
    (output,) = notebook.check("%cmd doctor").outputs
    assert "<table>" in output.data["text/html"]
    assert "from the key file" in output.data["text/html"]
    assert "a kernel" in output.text
    assert KEY not in json.dumps(output.data)
    assert notebook.posts == []
    notebook.check("rows = %cmd doctor")
    told = {row["check"]: row["state"] for row in notebook.value("list(rows)")}
    assert (told["key"], told["base URL"], told["data folder"]) == ("ok", "ok", "ok")


# ── in a terminal


def test_in_a_terminal_the_key_is_not_echoed(tmp_path):
    with Provider() as provider:
        provider.play(answer("Hi."))
        environment = private_environment(tmp_path) | {
            "CMD_BASE_URL": provider.base_url,
            "CMD_MODEL": MODEL,
            "TERM": "dumb",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        child = pexpect.spawn(
            sys.executable,
            [
                "-m",
                "IPython",
                "--no-banner",
                "--colors=NoColor",
                "--no-confirm-exit",
                "--simple-prompt",
                "--ext=cc_jupyter",
            ],
            env=environment,
            cwd=str(tmp_path),
            encoding="utf-8",
            timeout=CELL_LIMIT_S,
            dimensions=(50, 200),
        )
        prompt = r"In \[\d+\]: "
        child.expect(prompt)
        origin = provider.base_url.removesuffix("/provider")
        child.sendline(
            f"import cc_jupyter.config.base_url as b; b._DEFAULT_ORIGIN = {origin!r}",
        )
        child.expect(prompt)
        child.sendline("%cmd login")
        child.expect("is not shown as you type\\): ")
        child.waitnoecho()
        child.sendline(KEY)
        shown = ""
        for _ in range(2):
            child.expect(r"\[y/N\] ")
            shown += child.before
            child.sendline("y")
        child.expect(prompt)
        shown += child.before
        child.sendline("%cmd login")
        child.expect("is not shown as you type\\): ")
        child.waitnoecho()
        child.sendintr()
        child.expect(prompt)
        assert "KeyboardInterrupt: stopped; nothing was stored" in child.before
        child.close(force=True)
        assert "the provider accepts it" in shown
        assert KEY not in shown
        assert (tmp_path / "cc_jupyter" / "data" / "key").read_text() == f"{KEY}\n"
        (post,) = provider.posts
        assert post.headers["authorization"] == f"Bearer {KEY}"
