"""The embedded default: a small model on this machine, for a first cell without a key.

This module starts, finds and ends the server. What is said to it is left to the transport, since
it speaks the Provider API; the weights it needs are `weights`, the program it runs `local_server`.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import importlib.metadata
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cc_jupyter.errors import ConfigError
from cc_jupyter.folders import data_folder, make_private
from cc_jupyter.weights import SETUP, SMOLLM2
from cc_jupyter.weights import setup as setup
from cc_jupyter.weights import weights_path as weights_path

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_ID = "smollm2-135m-instruct"
DISPLAY_NAME = "SmolLM2-135M-Instruct"

_ENGINE = "xllamacpp"
_PROGRAM = Path(__file__).with_name("local_server.py")
_ANSWER_LIMIT_S = 5.0
"""An idle server answers in a millisecond; on busy cores it may have to wait for one."""
_STOP_LIMIT_S = 5.0


@dataclass(eq=False)
class LocalServer:
    """A running server: one of our own, or one that `cc-jupyter local start` registered."""

    url: str
    """The base URL, such as `http://127.0.0.1:39307/provider`."""
    key: str = field(repr=False)
    pid: int
    """The process to end: our child, or the program that registered it."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)

    @classmethod
    def start(cls, port: int = 0) -> LocalServer:
        """Start a server as a child of this process; it listens when this returns.

        Parameters
        ----------
        port
            0 takes any free one.

        Raises
        ------
        ConfigError
            The engine or the weights are missing, the port is taken, or the child died.
        """
        _check_ready(port)
        orders = {
            "weights": str(SMOLLM2.path),
            "port": port,
            "key": secrets.token_urlsafe(32),
            "name": MODEL_ID,
        }
        with tempfile.TemporaryFile() as log:
            process = _launch(log)
            try:
                url = _hand_over(process, orders, log)
            except BaseException:
                _end(process)
                raise
        server = cls(url, orders["key"], process.pid, process)
        atexit.register(server.stop)
        return server

    def alive(self) -> bool:
        """Say whether it takes requests."""
        if self._process is None:
            return _answers(self.url, self.key)
        # a fork cannot wait for its parent's child, but the port tells as much
        if self._owner == os.getpid() and self._process.poll() is not None:
            return False
        return _listens(self.url)

    def stop(self) -> None:
        """End it, if it is ours or registered; a fork leaves its parent's alone."""
        if self._process is None:
            if self.alive():  # else the pid may be another program's by now
                os.kill(self.pid, signal.SIGTERM)
                _wait_until(lambda: not _listens(self.url))
            unregister()
        elif self._owner == os.getpid():
            atexit.unregister(self.stop)
            _end(self._process)


@dataclass(frozen=True, slots=True)
class Status:
    """What of the local model is there."""

    engine: str | None
    """The engine's version; `None`: not installed."""
    weights: Path | None
    """`None`: not there, or not whole."""
    server: LocalServer | None
    """The one this process uses, else a registered one; `None`: none answers."""


class _Kept:
    """The one server this process uses, and the lock that keeps it one."""

    def __init__(self) -> None:
        self.server: LocalServer | None = None
        self.lock = threading.Lock()

    def forked(self) -> None:
        """Take a new lock: the thread that held the old one is not in this process."""
        self.lock = threading.Lock()


_kept = _Kept()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.forked)


def running(notify: Callable[[str], None] = lambda _text: None) -> LocalServer:
    """Give the server of this process: the one in use, a registered one, or a new one.

    Parameters
    ----------
    notify
        Takes a sentence when the server in use had died and another takes its place.

    Raises
    ------
    ConfigError
        As `LocalServer.start`.
    """
    with _kept.lock:
        old = _kept.server
        if old is not None and old.alive():
            return old
        if old is not None:
            _kept.server = None
            old.stop()
        _kept.server = registered() or LocalServer.start()
        if old is not None:
            notify("the local model had stopped; it was started again")
        return _kept.server


def stop() -> bool:
    """End the server this process uses, else a registered one; say whether there was one."""
    with _kept.lock:
        server, _kept.server = _kept.server or registered(), None
        if server is None or not server.alive():
            return False
        server.stop()
        return True


def status() -> Status:
    """Look what is there; nothing is started."""
    server = _kept.server
    if server is None or not server.alive():
        server = registered()
    return Status(_engine_version(), SMOLLM2.path if SMOLLM2.present else None, server)


def register(server: LocalServer) -> None:
    """Let other processes of this user find `server`, which ends with this process."""
    state = {"url": server.url, "key": server.key, "pid": os.getpid()}
    path = _state_path()
    make_private(path.parent)
    handle, temporary = tempfile.mkstemp(prefix=".local-server-", dir=path.parent)  # 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(state, file)
    Path(temporary).replace(path)


def unregister() -> None:
    """Take the registered server's entry away."""
    _state_path().unlink(missing_ok=True)


def registered() -> LocalServer | None:
    """Give the registered server, if it answers."""
    try:
        state = json.loads(_state_path().read_text(encoding="utf-8"))
        server = LocalServer(str(state["url"]), str(state["key"]), int(state["pid"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None  # none, or half a file of another version
    return server if server.alive() else None


def _state_path() -> Path:
    return data_folder() / "local-server.json"


def _engine_version() -> str | None:
    try:
        return importlib.metadata.version(_ENGINE)
    except importlib.metadata.PackageNotFoundError:
        return None


def _check_ready(port: int) -> None:
    """Raise for what can be known before a process is started."""
    if _engine_version() is None:
        raise ConfigError(
            f"the local model needs {_ENGINE}, which is not installed",
            hint="pip install 'cc-jupyter[local]'",
        )
    if not SMOLLM2.present:
        raise ConfigError(
            f"the weights of {DISPLAY_NAME} are not in {SMOLLM2.path.parent}", hint=SETUP
        )
    with socket.socket() as probe:
        if os.name == "posix":  # elsewhere this option would share a port that is taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "ports go from 0 to 65535"
            raise ConfigError(
                f"port {port} cannot be used: {reason}",
                hint="leave the port out to take any free one",
            ) from error


def _launch(log: IO[bytes]) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    flags |= getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(  # noqa: S603  our own program, no shell
        # by its path: `-m` would look into the user's working directory first
        [sys.executable, "-P", str(_PROGRAM)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # Ctrl-C and the kernel's interrupt go to whole process groups
        start_new_session=True,
        creationflags=flags,
    )


def _hand_over(process: subprocess.Popen[bytes], orders: dict[str, Any], log: IO[bytes]) -> str:
    """Give the child its orders (the key is on no command line), and get its URL."""
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it is dead already; then there is no answer
        process.stdin.write(json.dumps(orders).encode() + b"\n")
    with process.stdout as answers:
        answer = answers.readline()
    if answer:
        return str(json.loads(answer)["url"])
    code = process.wait()
    log.seek(0)
    raise ConfigError(
        f"the local model did not start: {_reason(log.read(65536).decode(errors='replace'), code)}",
        hint=f"`{SETUP}` checks the weights; `pip install -U {_ENGINE}` renews the engine",
    )


def _reason(log: str, code: int) -> str:
    """Find the line of a child's log that says most."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    # llama.cpp marks its errors with a lone E, and the first is the cause of the others
    marked = [line.partition(" E ")[2].strip() for line in lines if " E " in line]
    found = marked[0] if marked else lines[-1] if lines else ""
    return found[:200] or f"its process ended with code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child: its stdin closes, and what does not go by itself is killed."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(url: str) -> bool:
    """Say whether anything takes connections there; the system answers, even on busy cores."""
    at = urlsplit(url)
    try:
        with socket.create_connection((at.hostname or "", at.port or 0), _ANSWER_LIMIT_S):
            return True
    except TimeoutError:
        return True
    except OSError:
        return False


def _answers(url: str, key: str) -> bool:
    """Say whether the server at `url` is on this machine and knows `key`."""
    at = urlsplit(url)
    if at.scheme != "http" or at.hostname != "127.0.0.1":
        return False
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=_ANSWER_LIMIT_S)
    with contextlib.closing(connection):
        try:
            headers = {"Authorization": f"Bearer {key}"}
            connection.request("GET", f"{at.path}/health", headers=headers)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _wait_until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _STOP_LIMIT_S
    while not done() and time.monotonic() < end_s:
        time.sleep(0.05)
