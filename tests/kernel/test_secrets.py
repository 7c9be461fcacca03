"""The key is nowhere, and nothing leaves the machine but what the user asks for."""

from __future__ import annotations

import base64
import html
import json
import os
import stat

import pytest
from support.kernel_notebook import CLAUDE, MODEL, Notebook
from support.provider import KEY, ToolCall, answer, error, head, http, openai_stream, sse

pytestmark = pytest.mark.kernel

TELLING = {"type": "error", "error": {"type": "x", "message": f"key {KEY} is wrong"}}
LOOKS = (
    "%%cmd -m MODEL\nhello",
    "_cmd",
    "print(repr(_cmd), repr(_cmd.error), vars(_cmd.error) if _cmd.error else '')",
    """
import traceback as t
if _cmd.error:
    print(*t.TracebackException.from_exception(_cmd.error, capture_locals=True).format())
""",
    "%tb",
    "%cmd",
    "%cmd ask --dry-run hello",
    """
import cc_jupyter.session.session as s
session = s.shared_session()
print(session.settings(), vars(session), session.replies)
""",
    """
import cc_jupyter as cc
try:
    print(repr(cc.ask('hello')))
except cc.CcError as error:
    print(repr(error), vars(error))
""",
)
"""Cells that show what there is to show of a request and its end."""
SCRIPTS = {
    "an answer": [answer("fine")],
    "a refusal that repeats it": [error(401, f"Bearer {KEY} is wrong")],
    "a code that repeats it": [error(400, f"no {KEY}", code=KEY)],
    "a page that repeats it": [error(400, body=f"<html>{KEY}</html>", content_type="text/html")],
    "a stream that repeats it": [head(), sse(TELLING)],
    "a broken answer": [openai_stream(["half"])[:-3]],
    "a redirect": [http(302, "", {"location": f"http://127.0.0.1:9/?key={KEY}"})],
    "rubbish": [head(), sse(f"no json {KEY}")],
}


@pytest.fixture(scope="module")
def one_notebook(tmp_path_factory):
    """Return a kernel in which no other test has typed the key."""
    with Notebook(tmp_path_factory.mktemp("secrets")) as opened:
        yield opened


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_the_key_is_nowhere(notebook, script, model):
    said = []
    notebook.provider.play(*script)
    for code in LOOKS:
        run = notebook.run(code.replace("MODEL", model))
        said += [m["content"] for m in run.messages if m["msg_type"] != "execute_input"]
        said.append(run.reply)
    assert notebook.posts
    text = json.dumps(said, default=str)
    assert KEY not in text
    assert KEY[5:] not in text
    assert KEY not in notebook.kernel.log


def test_the_key_is_in_no_file(notebook):
    notebook.check("%%cmd\nhello")
    notebook.check("%cmd models --refresh")
    found = [
        path
        for path in notebook.folder.rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert found == []


def test_the_key_goes_to_one_host_only_no_redirect_is_followed(notebook):
    target = f"http://localhost:{notebook.provider.port}/provider/v1/chat/completions"
    for status in (301, 302, 307, 308):
        notebook.forget()
        notebook.provider.play(http(status, "", {"location": target}))
        run = notebook.fail("%%cmd\nhello", "StatusError")
        assert "redirects to" in run.error_lines[0]
        assert len(notebook.provider.requests) == 1


def test_a_proxy_of_the_environment_never_sees_plain_http(notebook):
    notebook.check(
        "import os\n"
        "for n in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):\n"
        "    os.environ[n] = 'http://127.0.0.1:9'"
    )
    run = notebook.run("%%cmd\nhello")
    notebook.check(
        "for n in list(os.environ):\n    if n.lower().endswith('_proxy'): del os.environ[n]"
    )
    assert run.status == "ok", run.error


def test_a_project_file_cannot_say_where_the_key_goes(notebook):
    project = notebook.workdir / "pyproject.toml"
    try:
        for line in ('base_url = "http://127.0.0.1:9"', 'key_env = "X"', "allow_http = true"):
            project.write_text(f"[tool.cc_jupyter]\n{line}\n")
            run = notebook.fail("%%cmd\nhello", "ConfigError")
            assert "may not set" in run.error_lines[0]
            assert len(run.error_lines) == 2
        project.write_text('[tool.cc_jupyter]\nmodle = "x"\n')
        run = notebook.fail("%%cmd\nhello", "ConfigError")
        assert "unknown setting modle" in run.error_lines[0]
        assert "did you mean model" in run.error_lines[1]
        project.write_text(f'[tool.cc_jupyter]\nmax_tokens = 33\nmodel = "{CLAUDE}"\n')
        notebook.check("%%cmd\nhello")
        assert notebook.body["max_tokens"] == 33
        assert notebook.body["model"] == MODEL  # CMD_MODEL comes before the project
    finally:
        project.unlink()
    assert len(notebook.posts) == 1


def test_no_telemetry_nothing_leaves_the_machine_but_the_request(notebook):
    notebook.check(
        "import sys\n"
        "seen, on = [], [True]\n"
        "EVENTS = ('socket.connect', 'socket.getaddrinfo', 'socket.sendto',\n"
        "          'subprocess.Popen', 'os.system', 'webbrowser.open')\n"
        "def hook(event, args, seen=seen, on=on, EVENTS=EVENTS):\n"  # it outlives the names
        "    if on[0] and event in EVENTS: seen.append(repr(args[1:]))\n"
        "sys.addaudithook(hook)"
    )
    notebook.check("%%cmd\nhello")
    notebook.check("%cmd ask why?")
    notebook.check("%cmd")
    notebook.run("%%cmd -x\nhello")
    notebook.check("on[0] = False")
    seen = notebook.value("seen")
    assert all("127.0.0.1" in args for args in seen), seen
    assert len(notebook.provider.requests) == 2


def test_the_working_directory_stays_clean(notebook):
    notebook.check("%%cmd -> answer\nhello")
    notebook.check("%cmd models --refresh")
    notebook.run("%%cmd -m no/such-model\nhello")
    notebook.run('%%cmd -n 2 --check "answer" -> g\nhello')
    for command in ("save hello", "prompts", "cassette", "vote g", "votes", "versions"):
        notebook.check(f"%cmd {command}")
    notebook.check("%%cmd @hello")
    assert list(notebook.workdir.iterdir()) == []


@pytest.fixture
def project(notebook):
    """The folder of the notebook as a project, empty again afterwards."""
    (notebook.workdir / "pyproject.toml").touch()
    yield notebook.workdir
    for path in sorted(notebook.workdir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("cassette record kept.cassette.jsonl", "kept.cassette.jsonl"),
        ("save hello --project", "hello.md"),
    ],
)
def test_a_file_next_to_the_notebook_is_asked_for_and_named(notebook, project, command, name):
    notebook.check("%%cmd\nhello")
    run = notebook.check(f"%cmd {command}")
    notebook.check("%%cmd\nhello again")
    notebook.check("%cmd cassette off")
    written = {path.name for path in project.rglob("*") if path.is_file()}
    assert written == {"pyproject.toml", name}
    assert name in " ".join(run.texts)


SPELLED = {
    "plain": KEY,
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of a header": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "HTML": "".join(f"&#{ord(letter)};" for letter in KEY),
    "URL": "".join(f"%{ord(letter):02X}" for letter in KEY),
    "JSON": "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    "hexadecimal": KEY.encode().hex(),
}
SINKS = (
    "_cmd",
    "print(_cmd); print(repr(_cmd), _cmd.reasoning, _cmd.tool_calls, _cmd.stop_word)",
    "import pprint; pprint.pprint(_cmd)",
    "%cmd history",
    "%cmd search word",
    "%cmd sent",
    "%cmd sent --as curl",
    "%cmd usage --by turn",
    "%cmd versions",
    "%cmd export out.md --overwrite",
    "%cmd export out.json --overwrite",
    "%cmd export out.ipynb --overwrite",
    "print(open('out.md').read(), open('out.json').read(), open('out.ipynb').read())",
    "%cmd doctor",
)


@pytest.mark.parametrize("form", SPELLED.values(), ids=SPELLED)
def test_a_key_that_the_server_echoes_reaches_no_sink(one_notebook, form):
    notebook = one_notebook
    cut = len(form) // 3
    split = [f"word {form[:cut]}", form[cut : 2 * cut], f"{form[2 * cut :]} end"]
    tool = ToolCall(f"tool {form}", json.dumps({"a": form}))
    scripts = [
        [openai_stream(split, reasoning=f"hm {form}", finish=f"stop {form}")],
        [openai_stream(list(f"word {form} end"))],
        [openai_stream([], calls=[tool], finish="tool_calls")],
        [openai_stream(["half"])[:-3], sse({"error": {"message": f"no {form}", "code": form}})],
        [error(400, message=f"no {form}")],
        [error(401, body=f"<html><title>{form}</title></html>", content_type="text/html")],
    ]
    said = []
    for script in scripts:
        notebook.provider.play(*script)
        for code in ("%%cmd --once\nhello", *SINKS):
            run = notebook.run(code)
            said += [m["content"] for m in run.messages if m["msg_type"] != "execute_input"]
            said.append(run.reply)
    text = json.dumps(said, default=str)
    assert "[key]" in text
    for spelled in (form, KEY, json.dumps(form)[1:-1], html.escape(form)):
        assert spelled not in text
    for path in notebook.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert form.encode() not in data, path
            assert KEY.encode() not in data, path
    for exported in notebook.workdir.glob("out.*"):
        exported.unlink()


def test_a_secret_in_the_base_url_is_shown_nowhere(notebook):
    secret = "9f8e7d6c5b4a39281706"
    notebook.check("%%cmd\nhello")
    notebook.check("import os; old = os.environ['CMD_BASE_URL']")
    notebook.check(f"os.environ['CMD_BASE_URL'] = 'http://127.0.0.1:9/{secret}/v1'")
    looks = ("%cmd", "%cmd ask --dry-run hello", "%cmd doctor", "%cmd sent --as curl",
             "%cmd sent --as python", "%cmd models", "%cmd models --refresh", "%%cmd\nhello",
             "%cmd use nobody/knows-it")  # fmt: skip
    runs = [notebook.run(code) for code in looks]
    notebook.check("os.environ['CMD_BASE_URL'] = old")
    said = json.dumps(
        [m["content"] for run in runs for m in run.messages if m["msg_type"] != "execute_input"]
    )
    assert secret not in said
    assert "/[key]/v1" in runs[0].texts[0]
    assert "/[key]/v1" in said.replace(runs[0].texts[0], "")


def test_the_status_names_a_project_that_asks_for_less_than_the_user(notebook):
    project = notebook.workdir / "pyproject.toml"
    notebook.check("%config CmdMagics.zdr = True")
    config = notebook.value(
        "str(__import__('cc_jupyter.core.paths').core.paths.config_folder() / 'config.toml')"
    )
    notebook.check(
        f"import pathlib; own = pathlib.Path({config!r}); own.parent.mkdir(0o700, exist_ok=True, "
        "parents=True); own.write_text('budget_usd = 5\\nmax_retries = 1\\n')"
    )
    try:
        project.write_text("[tool.cc_jupyter]\nbudget_usd = 500\nmax_retries = 0\n")
        status = notebook.check("%cmd").texts[0]
    finally:
        project.unlink()
        notebook.check("own.unlink(); own.parent.rmdir()")
        notebook.check("%config CmdMagics.zdr = False")
    lines = dict(line.split(None, 1) for line in status.splitlines() if " " in line)
    assert "budget_usd = 5 (" in lines["stricter"]
    assert "pyproject.toml asks for less and is not followed" in lines["stricter"]
    assert lines["project"].startswith("max_retries = 0, from ")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_files_are_private(notebook):
    notebook.check("%cmd models --refresh")
    made = list((notebook.folder / "cc_jupyter").rglob("*"))
    assert made
    for path in [notebook.folder / "cc_jupyter", *made]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    "command", ["history", "history --full", "versions", "threads", "thread", "sent", "search tell"]
)
def test_a_key_typed_in_a_prompt_is_in_no_list_of_turns(notebook, command):
    notebook.check(f"%%cmd\ntell me about {KEY}", cell_id="c1")
    notebook.check("%%cmd\ntell me more", cell_id="c1")
    run = notebook.check(f"%cmd {command}")
    assert KEY not in str([output.data for output in run.outputs])
