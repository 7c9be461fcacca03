"""The local model with its engine: a real child, real weights, real streams on both wires.

`cc-jupyter local setup` must have run. `CMD_JUPYTER_TEST_WEIGHTS` names weights elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cc_jupyter.client.local import model as local
from cc_jupyter.core import paths as folders
from cc_jupyter.core.errors import ConfigError

ROOT = Path(__file__).parents[2]
# read on import, while the user's own folders are still known: each test gets others
WEIGHTS = Path(os.environ.get("CMD_JUPYTER_TEST_WEIGHTS") or local.weights_path())

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="no xllamacpp"),
    pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"no weights at {WEIGHTS}"),
]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX's")
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Return each test folders of its own that hold the real weights, and end what it started."""
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(tmp_path / "cc"))
    folders.make_private(folders.cache_folder())
    local.weights_path().symlink_to(WEIGHTS)
    yield
    local.stop()


@pytest.fixture
def server():
    started = local.LocalServer.start()
    yield started
    started.stop()


def post(server, path, body, **headers):
    """Return the status and the text of an answer."""
    at = urlsplit(server.url)
    with contextlib.closing(http.client.HTTPConnection(at.netloc, timeout=60)) as connection:
        headers = {"Content-Type": "application/json", **headers}
        connection.request("POST", at.path + path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def authorized(server):
    return {"Authorization": f"Bearer {server.key}"}


def ask(server, path, prompt, **fields):
    """Return the parsed `data:` lines of a streamed answer."""
    body = {
        "model": local.MODEL_ID,
        "stream": True,
        "max_tokens": 40,
        "temperature": 0,  # the same words each time
        "messages": [{"role": "user", "content": prompt}],
        **fields,
    }
    status, text = post(server, path, body, **authorized(server))
    assert status == 200, text
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def chat(server, prompt="Say hello.", **fields):
    options = {"include_usage": True}
    return ask(server, "/v1/chat/completions", prompt, stream_options=options, **fields)


def text_of(chunks):
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def exists(pid):
    """Say whether the process is there and no zombie."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(done, limit_s=10.0):
    end_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)


@contextlib.contextmanager
def python(script, *arguments):
    """Run a helper in a process group of its own; what is left of it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


# ── answers


def test_chat_completions_streams_text_and_usage(server):
    chunks = chat(server)
    assert "hello" in text_of(chunks).lower()
    assert len(chunks) > 3
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert chunks[0]["model"] == local.MODEL_ID


def test_messages_streams_text_and_usage(server):
    events = ask(server, "/v1/messages", "Say hello.")
    kinds = [event["type"] for event in events]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert "hello" in "".join(delta["text"] for delta in deltas).lower()
    assert [e for e in events if e["type"] == "message_delta"][-1]["usage"]["output_tokens"] > 0


def test_the_defaults_keep_it_from_going_round_in_circles(server):
    at = urlsplit(server.url)
    with contextlib.closing(http.client.HTTPConnection(at.netloc, timeout=60)) as connection:
        connection.request("GET", f"{at.path}/props", headers=authorized(server))
        props = json.loads(connection.getresponse().read())
    defaults = props["default_generation_settings"]["params"]
    assert (defaults["temperature"], defaults["repeat_penalty"]) == pytest.approx((0.2, 1.1))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/slots"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_key_nothing_is_answered(server, path, headers):
    status, _text = post(server, path, {"messages": []}, **headers)
    assert status == 401


def test_it_listens_on_loopback_only(server):
    assert urlsplit(server.url).hostname == "127.0.0.1"


@linux
def test_the_key_is_in_no_command_line_and_no_environment(server):
    process = Path(f"/proc/{server.pid}")
    assert server.key.encode() not in (process / "cmdline").read_bytes()
    assert server.key.encode() not in (process / "environ").read_bytes()


def test_the_engine_prints_nothing(capfd):
    started = local.LocalServer.start()
    chat(started)
    started.stop()
    assert capfd.readouterr() == ("", "")


# ── starting


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} cannot be used: "):
            local.LocalServer.start(port)


def test_a_port_that_is_none_is_named():
    with pytest.raises(ConfigError, match="port 70000 cannot be used: ports go from 0 to 65535"):
        local.LocalServer.start(70000)


def test_the_asked_port_is_used_and_free_again_afterwards():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for _time in range(2):
        started = local.LocalServer.start(port)
        chat(started, max_tokens=2)
        started.stop()
        assert started.url == f"http://127.0.0.1:{port}/provider"


def test_missing_weights_name_the_command_that_fetches_them():
    local.weights_path().unlink()
    with pytest.raises(ConfigError, match="weights of SmolLM2-135M-Instruct") as caught:
        local.running()
    assert caught.value.hint == "run `cc-jupyter local setup` to download them"


def test_a_child_that_dies_at_the_start_says_why():
    local.weights_path().unlink()
    local.weights_path().touch()
    os.truncate(local.weights_path(), 98_362_432)
    with pytest.raises(ConfigError, match=r"did not start: .*GGUF") as caught:
        local.running()
    assert len(caught.value._render_traceback_()) == 2


def test_a_module_of_the_user_does_not_get_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('the user wrote a json.py')")
    monkeypatch.chdir(tmp_path)
    assert local.running().alive()


# ── one server per process


def test_running_gives_the_same_server():
    notices: list[str] = []
    assert local.running(notices.append) is local.running(notices.append)
    assert notices == []


def test_a_killed_server_is_replaced_and_the_user_told():
    notices: list[str] = []
    first = local.running(notices.append)
    os.kill(first.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    wait_until(lambda: not first.alive())
    second = local.running(notices.append)
    assert "hello" in text_of(chat(second)).lower()
    assert second.pid != first.pid
    assert notices == ["the local model had stopped and was restarted"]


def test_stop_ends_it_at_once():
    server = local.running()
    before_s = time.monotonic()
    assert local.stop() is True
    assert time.monotonic() - before_s < 2
    assert not server.alive()
    assert local.stop() is False


def test_status_shows_all_three():
    server = local.running()
    assert local.status() == local.Status(local.status().engine, local.weights_path(), server)


START = (
    "import sys, time, os, signal\n"
    "from cc_jupyter.client.local import model as local\n"
    "server = local.running()\n"
)
TELL = "print(server.pid, flush=True)\n"


@linux
def test_it_ends_with_its_process():
    with python(START + TELL) as helper:
        pid = int(helper.stdout.readline())
        assert helper.wait() == 0
        assert helper.stderr.read() == ""
        wait_until(lambda: not exists(pid))


@linux
def test_it_ends_when_its_parent_is_killed():
    with python(START + TELL + "time.sleep(60)") as helper:
        pid = int(helper.stdout.readline())
        assert exists(pid)
        helper.kill()
        helper.wait()
        wait_until(lambda: not exists(pid))


@linux
def test_it_ends_when_its_parent_is_killed_though_a_fork_holds_the_pipe():
    forking = "if os.fork() == 0: time.sleep(60)\n"
    with python(START + forking + TELL + "time.sleep(60)") as helper:
        pid = int(helper.stdout.readline())
        helper.kill()
        helper.wait()
        wait_until(lambda: not exists(pid))


@posix
def test_a_fork_uses_its_parents_server_and_does_not_end_it():
    forking = (
        "child = os.fork()\n"
        "if child == 0: sys.exit(0 if local.running() is server else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert local.running() is server\n"
        "print('as it was')"
    )
    with python(START + forking) as helper:
        assert helper.communicate() == ("as it was\n", "")


@posix
def test_an_interrupt_of_the_kernel_leaves_it_running():
    waiting = (
        "try:\n    print('waiting', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt: print(server.alive())"
    )
    with python(START + waiting) as helper:
        assert helper.stdout.readline() == "waiting\n"
        os.killpg(helper.pid, signal.SIGINT)
        assert helper.communicate() == ("True\n", "")


# ── the program

CLI = "import sys; from cc_jupyter import cli; sys.exit(cli.main(sys.argv[1:]))"


def status_of_the_program():
    with python(CLI, "local", "status") as done:
        return done.communicate()[0]


@posix
def test_start_serves_all_processes_until_control_c():
    with python(CLI, "local", "start") as program:
        url = program.stdout.readline().split()[-1]
        assert "CMD_BASE_URL=local" in program.stdout.readline()
        server = local.running()
        assert (server.url, server.pid) == (url, program.pid)
        assert "hello" in text_of(chat(server)).lower()
        assert f"server   {url} (pid {program.pid})" in status_of_the_program()
        os.killpg(program.pid, signal.SIGINT)
        assert program.communicate() == ("The local model has stopped.\n", "")
        assert program.returncode == 0
    assert not (folders.data_folder() / "local-server.json").exists()
    assert "server   not running" in status_of_the_program()


@posix
def test_a_kernel_starts_its_own_when_the_shared_one_has_ended():
    notices: list[str] = []
    with python(CLI, "local", "start") as program:
        program.stdout.readline()
        shared = local.running(notices.append)
        program.send_signal(signal.SIGINT)
        program.communicate()
    own = local.running(notices.append)
    assert own.url != shared.url
    assert notices == ["the local model had stopped and was restarted"]


@posix
def test_stop_ends_a_server_started_elsewhere():
    with python(CLI, "local", "start") as program:
        program.stdout.readline()
        with python(CLI, "local", "stop") as stopper:
            assert stopper.communicate() == ("The local model has stopped.\n", "")
        program.communicate()
        assert program.returncode == 0


@posix
def test_a_second_start_names_the_first():
    with python(CLI, "local", "start") as program:
        url = program.stdout.readline().split()[-1]
        with python(CLI, "local", "start") as second:
            _out, said = second.communicate()
        assert said == (
            f"cc-jupyter: a local server already runs at {url}\n"
            "Hint: `cc-jupyter local stop` stops it\n"
        )
        assert second.returncode == 1


def test_start_on_a_taken_port_fails_without_a_traceback():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with python(CLI, "local", "start", "--port", port) as program:
            out, said = program.communicate()
    assert out == ""
    assert said.startswith(f"cc-jupyter: port {port} cannot be used: ")
    assert len(said.splitlines()) == 2
    assert program.returncode == 1


def test_setup_with_the_weights_in_place_downloads_nothing():
    with python(CLI, "local", "setup") as program:
        out, said = program.communicate()
    assert out == f"{local.weights_path()} exists, and its checksum is correct\n"
    assert (said, program.returncode) == ("", 0)
