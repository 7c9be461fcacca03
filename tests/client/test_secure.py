"""TLS and proxies: who is trusted, who is asked, and what a proxy gets to see."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted
from support.plain_server import (
    PlainServer,
    exchange_bytes,
    post,
    reader_threads,
    until_head,
    wait_until,
)
from support.provider import KEY
from support.tls import HOST, ConnectProxy, TlsFront, make_certificate

from cc_jupyter.core.errors import ConfigError, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK = scripted.http(200, "fine", content_type="text/plain")
PROMPT = b"the prompt that nobody on the way may read"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), HOST, "localhost", "127.0.0.1")


@pytest.fixture
def untrusted(provider, certificate) -> Iterator[TlsFront]:
    """Return the provider behind TLS with a certificate that nobody trusts."""
    provider.always(OK)
    with TlsFront(provider.port, certificate) as front:
        yield front


@pytest.fixture
def front(untrusted, certificate, monkeypatch) -> TlsFront:
    """Return the provider behind TLS, trusted as a company's certificate is."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return untrusted


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test's host name lead to this machine, as a name server would."""
    lookup = socket.getaddrinfo

    def known(host: Any, *args: Any, **options: Any) -> Any:
        return lookup("127.0.0.1" if host == HOST else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", known)


def url(front: TlsFront, host: str = HOST) -> str:
    return f"https://{host}:{front.port}/provider/v1/chat/completions"


# ── TLS


@pytest.mark.parametrize("host", [HOST, "localhost", "127.0.0.1"])
def test_a_certificate_named_by_ssl_cert_file_is_trusted(host, front, named, transport):
    assert exchange_bytes(transport, post(url(front, host))) == (200, b"fine")


def test_a_certificate_nobody_knows_is_refused_in_clear_words(
    untrusted, named, provider, transport
):
    with pytest.raises(ConnectError) as error:
        exchange_bytes(transport, post(url(untrusted)))
    assert str(error.value).startswith(
        f"the certificate of {HOST}:{untrusted.port} could not be verified: "
    )
    assert "self-signed certificate" in str(error.value)
    assert "SSL_CERT_FILE" in (error.value.hint or "")
    assert provider.requests == []


def test_a_certificate_of_another_host_is_refused(front, transport, monkeypatch, provider):
    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **more: lookup("127.0.0.1", *rest))
    with pytest.raises(ConnectError, match=r"could not be verified.*Hostname mismatch"):
        exchange_bytes(transport, post(url(front, "other.test")))
    assert provider.requests == []


def test_https_to_a_port_without_tls_is_an_error(transport):
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with PlainServer(serve) as server:
        with pytest.raises(ConnectError) as error:
            exchange_bytes(transport, post(f"https://localhost:{server.port}/v1/x"))
        assert str(error.value).startswith(f"no connection to localhost:{server.port}: ")
        assert "wrong version number" in str(error.value)


def test_a_connection_with_tls_is_kept_and_sent_again_when_it_dies(front, provider, transport):
    call = post(url(front, "localhost"))
    for _ in range(5):
        exchange_bytes(transport, call)
    provider.play(scripted.cut())
    assert exchange_bytes(transport, call) == (200, b"fine")
    assert [record.connection for record in provider.requests] == [1, 1, 1, 1, 1, 1, 2]


def test_leaving_a_stream_with_tls_is_seen_at_once(front, provider, transport):
    provider.play(*scripted.openai_stream("one")[:3], scripted.hang())
    incoming = transport.send(post(url(front, "localhost")))
    until_head(incoming)
    now_s = time.perf_counter()
    incoming.close()
    provider.requests[0].wait_until_over()
    assert (provider.requests[0].client_left_s or 0) - now_s < 0.1
    wait_until(lambda: not reader_threads(), 0.5)


# ── proxies


@pytest.fixture
def proxy(monkeypatch) -> Iterator[ConnectProxy]:
    with ConnectProxy() as opened:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{opened.port}")
        yield opened


def test_a_proxy_is_used_by_connect_only_and_reads_neither_key_nor_prompt(
    front, proxy, provider, transport
):
    for _ in range(3):
        assert exchange_bytes(transport, post(url(front), PROMPT)) == (200, b"fine")
    (head,) = proxy.heads  # and the tunnel is kept
    assert head.startswith(f"CONNECT {HOST}:{front.port} HTTP/1.1\r\nHost: {HOST}:{front.port}\r\n")
    passed = b"".join(proxy.carried)
    assert passed[:1] == b"\x16"  # TLS from its first byte
    for secret in (KEY.encode(), PROMPT, b"Bearer"):
        assert secret not in head.encode() + passed
    assert provider.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert provider.requests[0].body == PROMPT


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_a_proxy_is_named_as_everywhere(variable, form, front, transport, monkeypatch):
    with ConnectProxy() as proxy:
        monkeypatch.setenv(variable, form.format(proxy.port))
        assert exchange_bytes(transport, post(url(front))) == (200, b"fine")
        assert len(proxy.heads) == 1


def test_the_variable_for_http_is_none_for_https(front, named, transport, monkeypatch):
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        exchange_bytes(transport, post(url(front)))
        assert proxy.heads == []


@pytest.mark.parametrize("bypass", [HOST, ".test", "test", "*", "a.example, provider.test"])
@pytest.mark.usefixtures("named")
def test_no_proxy_is_honoured(bypass, front, proxy, transport, monkeypatch):
    monkeypatch.setenv("NO_PROXY", bypass)
    assert exchange_bytes(transport, post(url(front))) == (200, b"fine")
    assert proxy.heads == []


def test_no_proxy_may_name_a_port(front, proxy, transport, monkeypatch):
    monkeypatch.setenv("NO_PROXY", f"{HOST}:1")
    exchange_bytes(transport, post(url(front)))
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_loopback_never_goes_through_a_proxy(host, front, proxy, transport, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert exchange_bytes(transport, post(url(front, host))) == (200, b"fine")
    assert proxy.heads == []


@pytest.mark.usefixtures("named")
def test_plain_http_never_goes_through_a_proxy_wherever_it_goes(
    proxy, provider, transport, monkeypatch
):
    provider.always(OK)
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    call = post(f"http://{HOST}:{provider.port}/provider/v1/chat/completions")
    assert exchange_bytes(transport, call) == (200, b"fine")
    assert proxy.heads == []


def test_a_proxys_login_goes_to_the_proxy_and_no_further(front, provider, transport, monkeypatch):
    with ConnectProxy(login="user:p@ss:w") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss%3Aw@127.0.0.1:{proxy.port}")
        assert exchange_bytes(transport, post(url(front))) == (200, b"fine")
    assert "proxy-authorization" not in provider.requests[0].headers


def test_a_proxy_that_speaks_tls_itself_is_used(front, certificate, transport, monkeypatch):
    with ConnectProxy() as inner, TlsFront(inner.port, certificate) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
        for _ in range(2):
            assert exchange_bytes(transport, post(url(front), PROMPT)) == (200, b"fine")
        assert len(inner.heads) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            "the proxy refused .*: 403 Forbidden",
        ),
        (b"HTTP/1.1 407 Login\r\n\r\n", "the proxy refused .*: 407 Login"),
        (b"hello", "the connection to .* was lost"),
    ],
)
def test_a_proxy_that_refuses_is_named(answer, said, front, transport, monkeypatch):
    with ConnectProxy(refuse=answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match=said):
            exchange_bytes(transport, post(url(front)))
    assert front.connections == []


def test_a_proxy_that_says_nothing_is_given_up_like_a_connection(front, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.trace_hook.CONNECT_TIMEOUT_S", 0.1)
    silent = threading.Event()
    with PlainServer(lambda _: silent.wait(5)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match=r"no connection to .* within"):
            exchange_bytes(transport, post(url(front)))
        silent.set()


def test_a_proxy_that_is_not_there_says_so(front, transport, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(ConnectError, match=r"no connection to .*: Connection refused"):
        exchange_bytes(transport, post(url(front)))


@pytest.mark.parametrize(
    "value",
    [
        "ftp://proxy.test:21",
        "http://",
        "http://user:pa55word",
        "http://user:pa55word@proxy.test:pa55word",
        "socks4://proxy.test",
        "http://[::1",
    ],
)
def test_a_proxy_that_cannot_be_used_is_a_setting_to_mend(value, transport, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match="the proxy from the environment cannot be used") as error:
        transport.send(post(f"https://{HOST}/v1/x"))
    assert "NO_PROXY" in (error.value.hint or "")
    assert "pa55word" not in f"{error.value} {error.value.hint}"


def test_leaving_a_stream_behind_a_proxy_is_seen_at_once(front, proxy, provider, transport):
    provider.play(*scripted.openai_stream("one")[:3], scripted.hang())
    incoming = transport.send(post(url(front)))
    until_head(incoming)
    now_s = time.perf_counter()
    incoming.close()
    provider.requests[0].wait_until_over()
    assert (provider.requests[0].client_left_s or 0) - now_s < 0.1


def test_leaving_while_a_proxy_thinks_ends_the_way(front, transport, monkeypatch):
    gone_s: list[float] = []

    def think(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass
        gone_s.append(time.perf_counter())

    with PlainServer(think) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        incoming = transport.send(post(url(front)))
        wait_until(lambda: bool(proxy.connections))
        assert incoming.connecting
        now_s = time.perf_counter()
        incoming.close()
        wait_until(lambda: bool(gone_s))
        assert gone_s[0] - now_s < 0.1


# ── as a user meets it: a process of its own, its environment alone


def test_a_new_process_goes_by_its_environment_alone(front, certificate, provider, tmp_path):
    code = """
        import json, sys, time
        from cc_jupyter import ask
        print(json.dumps([str(ask("hello", model="m", max_retries=0)), "httpx" in sys.modules]))
        time.sleep(0.2)  # on a busy machine the reader may need a moment to end
    """
    provider.always(scripted.answer("Hello"))
    provider.models.append({"id": "m"})
    with ConnectProxy() as proxy:
        names = {
            "CMD_BASE_URL": f"https://{HOST}:{front.port}/provider",
            "CMD_API_KEY": KEY,
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(certificate),
        }
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            env={**os.environ, **names},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert json.loads(ran.stdout) == ["Hello", True]
        assert len(proxy.heads) == 1
