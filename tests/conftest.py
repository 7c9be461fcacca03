"""What holds for every test: a home of its own, no keys, no network, a provider on loopback."""

from __future__ import annotations

import gc
import ipaddress
import itertools
import os
import re
import socket
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from support.private_environment import is_foreign, private_folders
from support.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from support.kernel_notebook import Notebook

_FOLDER_NUMBERS = itertools.count()

# how long an example takes depends on the machine
hypothesis.settings.register_profile("cc_jupyter", hypothesis.settings.default)
hypothesis.settings.load_profile("cc_jupyter")


def pytest_configure(config: pytest.Config) -> None:
    """Leave the modules of the package as they are; pytest rewrites those of plugins, which it is.

    To rewrite them takes time, and CPython 3.11 sometimes fails when several threads parse modules
    at once ("AST constructor recursion depth mismatch"), as rows on a Dask cluster would.
    """
    hook: Any = config.pluginmanager.rewrite_hook
    hook._must_rewrite.discard("cc_jupyter")  # there is no public way


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from the tests, which stay until the end.

    While they are collected, it would go through all of them many times.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return each process whole files, since a file shares its kernel; browser tests one by one.

    They come last and take seconds each, so that all processes end together.
    """
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415  only `make test` needs it

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            is_browser = nodeid.startswith("tests/browser/")
            return nodeid if is_browser else str(super()._split_scope(nodeid))

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests were run a second time: each is a fault, of the product or of the test."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"failed at first: {report.nodeid}", sep="_")
        terminalreporter.line(report.longreprtext)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new folder; unlike pytest's own, creating it does not list all earlier ones."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    path = tmp_path_factory.getbasetemp() / f"{name}-{next(_FOLDER_NUMBERS)}"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the settings, keys, history and keyring of whoever runs the tests out of them."""
    for name in filter(is_foreign, list(os.environ)):
        monkeypatch.delenv(name)
    for name, value in private_folders(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Fail a test that reaches for another machine, or asks for its address.

    Processes that a test starts are not guarded.
    """
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def guarded_connect(sock: socket.socket, address: Any) -> None:
        _refuse_foreign(sock, address)
        connect(sock, address)

    def guarded_connect_ex(sock: socket.socket, address: Any) -> int:
        _refuse_foreign(sock, address)
        return connect_ex(sock, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host and not _is_address(host) and not _is_loopback(host):
            pytest.fail(f"the test asked for the address of {host!r}")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Return a started provider; it hangs up on everyone when the test is over."""
    with Provider() as started:
        yield started


@pytest.fixture(scope="session")
def one_notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """Return a kernel and its provider to all tests, since to start one takes a second."""
    from support.kernel_notebook import Notebook  # noqa: PLC0415  most tests start no kernel

    with Notebook(tmp_path_factory.mktemp("notebook")) as opened:
        yield opened


@pytest.fixture
def notebook(one_notebook: Notebook) -> Iterator[Notebook]:
    """Return a notebook as after a restart; what is written to its working directory fails."""
    one_notebook.afresh()
    yield one_notebook
    assert not list(one_notebook.workdir.iterdir())


def _refuse_foreign(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
        sock.close()  # nobody else does: what is raised is no `OSError`
        pytest.fail(f"the test reached for {address!r}")


def _is_loopback(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _is_address(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
