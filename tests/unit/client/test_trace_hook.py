"""The hook that follows a connection, in the corners that no server of the tests can reach."""

from __future__ import annotations

import socket
import threading
import time
import types
from typing import TYPE_CHECKING

import httpx
import pytest

from cc_jupyter.client import trace_hook
from cc_jupyter.client.trace_hook import AbandonedError, TraceHook
from cc_jupyter.client.transport import Connection, HttpRequest, explain

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(5)
        yield left, right


def stream_of(sock: socket.socket) -> object:
    return types.SimpleNamespace(get_extra_info=lambda _: sock)


def connected(sock: socket.socket) -> TraceHook:
    hook = TraceHook()
    hook.begin(5)
    hook("socks.connect_tcp.started", {})
    hook("socks.connect_tcp.complete", {"return_value": stream_of(sock)})
    return hook


def test_a_socks_proxy_that_says_nothing_is_given_up(pair, monkeypatch):
    """httpcore waits for it without a limit."""
    monkeypatch.setattr(trace_hook, "CONNECT_TIMEOUT_S", 0.05)
    hook = connected(pair[0])
    hook("socks.setup_socks5_connection.started", {})
    assert pair[0].recv(1) == b""


@pytest.mark.parametrize("end", ["complete", "failed"])
def test_a_socks_proxy_that_answers_is_left_alone(end, pair, monkeypatch):
    monkeypatch.setattr(trace_hook, "CONNECT_TIMEOUT_S", 0.05)
    hook = connected(pair[0])
    hook("socks.setup_socks5_connection.started", {})
    hook(f"socks.setup_socks5_connection.{end}", {})
    time.sleep(0.1)
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


class SocksSteps(httpx.BaseTransport):
    """Goes the way of `httpx.HTTPTransport` to a SOCKS proxy, which then answers nothing useful."""

    def __init__(self, sock: socket.socket, error: Exception) -> None:
        self._sock = sock
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        trace = request.extensions["trace"]
        trace("socks.connect_tcp.started", {})
        trace("socks.connect_tcp.complete", {"return_value": stream_of(self._sock)})
        trace("socks.setup_socks5_connection.started", {})
        self._sock.recv(1)  # ended by the hook, or by the other side
        trace("socks.setup_socks5_connection.failed", {"exception": self._error})
        raise self._error


@pytest.mark.parametrize("is_silent", [False, True])
@pytest.mark.parametrize(
    "error",
    [ValueError("Malformed reply"), AssertionError(), httpx.ReadError("closed"), EOFError()],
)
def test_a_socks_proxy_that_answers_badly_is_a_failure_of_the_network(
    error, is_silent, pair, monkeypatch
):
    """Errors of socksio are none of httpx's, and httpcore asserts what a proxy answers."""
    monkeypatch.setattr(trace_hook, "CONNECT_TIMEOUT_S", 0.05)
    if not is_silent:
        pair[1].close()
    connection = Connection(SocksSteps(pair[0], error), is_foreign=False)
    request = HttpRequest("GET", "https://a.test/", {})
    kinds = (httpx.ConnectTimeout,) if is_silent else (httpx.ProxyError, httpx.ReadError)
    with pytest.raises(kinds) as raised:
        connection.exchange(request, lambda _: None)
    said = str(explain(raised.value, request))
    assert ("within" if is_silent else "a.test") in said
    assert connection.connecting
    assert connection.sends == 0


@pytest.mark.parametrize("step", ["connection.connect_tcp", "http11.send_request_headers"])
def test_nothing_starts_for_an_abandoned_request(step, pair):
    hook = connected(pair[0])
    hook.abandon()
    request = types.SimpleNamespace(method=b"POST")
    with pytest.raises(AbandonedError):
        hook(f"{step}.started", {"request": request})


def test_it_raises_nowhere_else(pair):
    """Elsewhere httpcore would not clean up after it."""
    hook = connected(pair[0])
    hook.abandon()
    for step in ("send_request_body", "receive_response_headers", "receive_response_body"):
        for point in ("started", "complete", "failed"):
            hook(f"http11.{step}.{point}", {})
    for point in ("started", "complete", "failed"):
        hook(f"http11.response_closed.{point}", {})
    hook("connection.connect_tcp.complete", {"return_value": stream_of(pair[0])})
    hook("connection.start_tls.failed", {})


def test_a_connection_made_for_an_abandoned_request_is_ended(pair):
    hook = TraceHook()
    hook.begin(5)
    hook("connection.connect_tcp.started", {})
    assert not hook.abandon()  # there is no socket yet
    hook("connection.connect_tcp.complete", {"return_value": stream_of(pair[0])})
    assert pair[1].recv(1) == b""


def test_a_socket_that_tls_detaches_is_reached_all_the_same(pair):
    left, right = pair
    hook = connected(left)
    hook("connection.start_tls.started", {})
    number = left.detach()
    assert hook.abandon()
    assert right.recv(1) == b""
    hook("connection.start_tls.failed", {})
    socket.close(number)


@pytest.mark.parametrize(
    ("record", "is_goodbye"),
    [
        (b"\x15\x03\x03\x00\x02", True),  # an alert in the clear, and in TLS 1.2
        (b"\x15", True),
        (b"\x17\x03\x03\x00\x13", True),  # an alert in TLS 1.3
        (b"\x17\x03\x03\x00\x14", False),
        (b"\x17\x03\x03\x01\x13", False),
        (b"\x17\x03\x03", False),
        (b"\x16\x03\x03\x00\x13", False),
        (b"HTTP/", False),
    ],
)
def test_a_goodbye_of_tls_is_known_by_its_record(record, is_goodbye):
    assert trace_hook._is_goodbye(record) is is_goodbye


STEPS = [
    "connection.connect_tcp.started",
    "connection.connect_tcp.complete",
    "http11.send_request_headers.started",
    "http11.receive_response_headers.started",
]


def test_httpx_reports_the_steps_that_the_hook_relies_on(provider):
    """This fails if httpx or httpcore renames them; see the ranges in pyproject.toml."""
    seen: list[str] = []

    def note(step: str, info: dict[str, object]) -> None:
        seen.append(step)
        if step == "connection.connect_tcp.complete":
            stream = info["return_value"]
            assert isinstance(stream.get_extra_info("socket"), socket.socket)  # type: ignore[attr-defined]
        if step == "http11.send_request_headers.started":
            assert info["request"].method == b"GET"  # type: ignore[attr-defined]

    with httpx.HTTPTransport() as transport:
        request = httpx.Request("GET", f"{provider.base_url}/v1/models", extensions={"trace": note})
        transport.handle_request(request).read()
    assert [step for step in seen if step in STEPS] == STEPS
