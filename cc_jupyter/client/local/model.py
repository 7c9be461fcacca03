"""The local model: a small model on this machine, for a first cell without a key.

This module decides which server is used, and starts, finds and stops it. Requests go through the
same transport as all others, since the server speaks the Provider API. `weights` has its weights.
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
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.client.local import DISPLAY_NAME, MODEL_ID
from cc_jupyter.client.local.process import Child, start_child
from cc_jupyter.client.local.weights import SETUP, SMOLLM2, setup, weights_path
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder, make_private, write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


__all__ = [
    "DISPLAY_NAME",
    "MODEL_ID",
    "LocalServer",
    "Status",
    "register",
    "registered",
    "running",
    "setup",
    "status",
    "stop",
    "unregister",
    "weights_path",
]

_ENGINE = "xllamacpp"
_ANSWER_LIMIT_S = 5.0
"""An idle server answers in a millisecond; on busy cores it may have to wait."""
_STOP_LIMIT_S = 5.0


@dataclass(eq=False)
class LocalServer:
    """A running server: our own child, or one that `cc-jupyter local start` registered."""

    url: str
    """The base URL, such as `http://127.0.0.1:39307/provider`."""
    key: str = field(repr=False)
    pid: int
    """The process to stop: our child, or the program that registered the server."""
    _child: Child | None = field(default=None, repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)

    @classmethod
    def start(cls, port: int = 0) -> LocalServer:
        """Start a server as a child of this process and wait until it listens.

        Parameters
        ----------
        port
            The port; 0 selects a free one.

        Raises
        ------
        ConfigError
            The engine or the weights are missing, the port is in use, or the child died.
        """
        _check_ready(port)
        key = secrets.token_urlsafe(32)
        weights = str(SMOLLM2.path)
        child = start_child({"weights": weights, "port": port, "key": key, "name": MODEL_ID})
        server = cls(child.url, key, child.process.pid, child)
        atexit.register(server.stop)
        return server

    def alive(self) -> bool:
        """Return whether the server accepts requests."""
        if self._child is None:
            return _answers(self.url, self.key)
        # a fork cannot wait for its parent's child, so check the port
        if self._owner == os.getpid() and self._child.ended():
            return False
        return _listens(self.url)

    def stop(self) -> None:
        """Stop the server, if it is ours or registered; a fork does not stop its parent's."""
        if self._child is None:
            if self.alive():  # otherwise the pid may belong to another program
                with contextlib.suppress(ProcessLookupError):  # it may end at this moment
                    os.kill(self.pid, signal.SIGTERM)
                _wait_until(lambda: not _listens(self.url))
            unregister()
        elif self._owner == os.getpid():
            atexit.unregister(self.stop)
            self._child.end()


@dataclass(frozen=True, slots=True)
class Status:
    """The parts of the local model that are installed or running."""

    engine: str | None
    """The version of the engine; `None` if not installed."""
    weights: Path | None
    """`None` if missing or incomplete."""
    server: LocalServer | None
    """The server this process uses, else a registered one; `None` if none answers."""


class _Current:
    """The one server that this process uses, and its lock."""

    def __init__(self) -> None:
        self.server: LocalServer | None = None
        self.renew_lock()

    def renew_lock(self) -> None:
        """Replace the lock after a fork: the thread that held it is not in the new process."""
        self.lock = threading.Lock()


_current = _Current()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_current.renew_lock)


def running(notify: Callable[[str], None] = lambda _text: None) -> LocalServer:
    """Return a server: the one in use, a registered one, or a new one.

    Parameters
    ----------
    notify
        Receives a notice if the server in use had died and was replaced.

    Raises
    ------
    ConfigError
        The server cannot be started; see `LocalServer.start`.
    """
    with _current.lock:
        old = _current.server
        if old is not None and old.alive():
            return old
        if old is not None:
            old.stop()
        new = registered() or LocalServer.start()
        _current.server = new
        if old is not None:
            notify("the local model had stopped and was restarted")
        return new


def stop() -> bool:
    """Stop the server this process uses, else a registered one; return whether one was running."""
    with _current.lock:
        server, _current.server = _current.server or registered(), None
        if server is None:
            return False
        was_alive = server.alive()
        server.stop()
        return was_alive


def status() -> Status:
    """Return the current status without starting anything."""
    server = _current.server
    if server is None or not server.alive():
        server = registered()
    return Status(_engine_version(), SMOLLM2.path if SMOLLM2.present else None, server)


def register(server: LocalServer) -> None:
    """Let other processes of this user find a server, until this process ends.

    Raises
    ------
    ConfigError
        The data folder cannot be written to.
    """
    folder = make_private(data_folder())
    try:
        state = {"url": server.url, "key": server.key, "pid": os.getpid()}
        write_private(_state_path(), json.dumps(state))
    except OSError as error:
        raise ConfigError(
            f"the server cannot be registered in {folder}: {error.strerror}",
            hint="set CMD_JUPYTER_HOME to a folder you can write to",
        ) from error


def unregister() -> None:
    """Remove the entry of the registered server."""
    _state_path().unlink(missing_ok=True)


def registered() -> LocalServer | None:
    """Return the registered server, if it answers."""
    try:
        state = json.loads(_state_path().read_text(encoding="utf-8"))
        server = LocalServer(str(state["url"]), str(state["key"]), int(state["pid"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None  # no file, or not in this version's format
    return server if server.alive() else None


def _state_path() -> Path:
    return data_folder() / "local-server.json"


def _engine_version() -> str | None:
    try:
        return importlib.metadata.version(_ENGINE)
    except importlib.metadata.PackageNotFoundError:
        return None


def _check_ready(port: int) -> None:
    """Raise errors that can be found before a process is started."""
    if _engine_version() is None:
        raise ConfigError(
            f"the local model needs {_ENGINE}, which is not installed",
            hint="pip install 'cc-jupyter[local]'",
        )
    if not SMOLLM2.present:
        raise ConfigError(
            f"the weights of {DISPLAY_NAME} are not in {SMOLLM2.path.parent}",
            hint=f"run `{SETUP}` to download them",
        )
    if port != 0:
        _check_free(port)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        if os.name == "posix":  # elsewhere this option would share a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "ports go from 0 to 65535"
            hint = "choose another port, or omit it to use a free one"
            raise ConfigError(f"port {port} cannot be used: {reason}", hint=hint) from error


def _listens(url: str) -> bool:
    """Return whether the port accepts connections; the system answers, even on busy cores."""
    at = urlsplit(url)
    try:
        with socket.create_connection((at.hostname or "", at.port or 0), _ANSWER_LIMIT_S):
            return True
    except TimeoutError:
        return True
    except OSError:
        return False


def _answers(url: str, key: str) -> bool:
    """Return whether the server at `url` is on this machine and accepts `key`."""
    at = urlsplit(url)
    if at.scheme != "http" or at.hostname != "127.0.0.1":
        return False
    try:
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=_ANSWER_LIMIT_S)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {key}"}
            connection.request("GET", f"{at.path}/health", headers=headers)
            return connection.getresponse().status == http.client.OK
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _wait_until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _STOP_LIMIT_S
    while not done() and time.monotonic() < end_s:
        time.sleep(0.05)
