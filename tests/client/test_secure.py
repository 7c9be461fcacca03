"""TLS and proxies: who is trusted, who is asked, and what a proxy gets to see."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import truststore
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

from cc_jupyter.client import proxy as proxies
from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.errors import ConfigError, ConnectError
from cc_jupyter.core.messages import Message, Request

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


BEHIND = {
    "a second response": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother",
    "half a response": b"HTTP/1.1 200",
    "a CRLF": b"\r\n",
}


class InRecords(PlainServer):
    """Speaks TLS, and puts something behind its first answer: in one record, or in the next.

    Both records go out by one call, so they arrive together.
    """

    def __init__(self, certificate: Path, behind: bytes, *, is_one_record: bool) -> None:
        self.prompts: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._behind = behind
        self._is_one_record = is_one_record
        super().__init__(self._talk)

    def _talk(self, connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(step: Any) -> Any:
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    return step()
                connection.sendall(outgoing.read())
                data = connection.recv(65536)
                incoming.write(data) if data else incoming.write_eof()

        until_done(tls.do_handshake)
        while data := until_done(lambda: tls.read(65536)):
            *_, body = data.partition(b"\r\n\r\n")
            self.prompts.append(body or until_done(lambda: tls.read(65536)))
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(self.prompts[-1])
            answer += self.prompts[-1]
            behind = self._behind if len(self.prompts) == 1 else b""
            for record in [answer + behind] if self._is_one_record else [answer, behind]:
                if record:
                    tls.write(record)
            connection.sendall(outgoing.read())


@pytest.mark.parametrize("what", BEHIND)
@pytest.mark.parametrize("is_one_record", [False, True])
@pytest.mark.parametrize("way", ["direct", "http", "https"])
@pytest.mark.usefixtures("named")
def test_bytes_behind_an_answer_in_tls_are_nobodys_answer(  # noqa: PLR0917  the table's columns
    way, is_one_record, what, certificate, transport, monkeypatch
):
    """A proxy with TLS of its own has a second layer, which reads ahead."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        InRecords(certificate, BEHIND[what], is_one_record=is_one_record) as server,
        ConnectProxy() as proxy,
        TlsFront(proxy.port, certificate) as secured,
    ):
        port = {"http": proxy.port, "https": secured.port}.get(way)
        if port:
            monkeypatch.setenv("HTTPS_PROXY", f"{way}://localhost:{port}")
        prompts = [b"the first prompt", b"the second prompt", b"the third prompt"]
        for prompt in prompts:
            address = f"https://{HOST}:{server.port}/v1/x"
            assert exchange_bytes(transport, post(address, prompt)) == (200, prompt)
    assert server.prompts == prompts
    assert len(server.connections) == 2


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("begun", [b"", b"H", b"HTTP/1.1 200 OK\r\ncontent-"])
def test_an_orderly_goodbye_of_tls_is_no_answer_and_one_byte_is(
    begun, version, certificate, transport, monkeypatch
):
    """The goodbye is bytes too. Without it or behind it, a reused connection died unanswered."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.minimum_version = context.maximum_version = version
    prompts: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection.dup(), server_side=True) as secured:
            while data := secured.recv(65536):
                prompts.append(data.rpartition(b"\r\n\r\n")[2] or secured.recv(65536))
                if len(prompts) == 2:
                    secured.sendall(begun)
                    secured.settimeout(0.2)
                    with contextlib.suppress(OSError):
                        secured.unwrap()  # says goodbye, and waits for the other side's
                    return
                secured.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with PlainServer(serve) as server:
        address = f"https://localhost:{server.port}/v1/x"
        assert exchange_bytes(transport, post(address, b"first")) == (200, b"fine")
        if begun:
            with pytest.raises(ConnectError, match="was lost"):
                exchange_bytes(transport, post(address, b"second"))
            assert prompts == [b"first", b"second"]
        else:
            assert exchange_bytes(transport, post(address, b"second")) == (200, b"fine")
            assert prompts == [b"first", b"second", b"second"]


PLAIN_TALK = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    "a banner": b"220 smtp.example ESMTP\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "nothing": b"",
}


@pytest.mark.parametrize("what", PLAIN_TALK)
def test_what_is_no_tls_on_a_tls_port_is_an_error_and_hears_no_key(what, transport):
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(PLAIN_TALK[what])
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            heard.append(data)

    with PlainServer(serve) as server:
        with pytest.raises(ConnectError) as error:
            exchange_bytes(transport, post(f"https://localhost:{server.port}/v1/x", PROMPT))
        said = (
            "EOF" if what == "nothing" else "what answers there is not TLS (wrong version number)"
        )
        assert str(error.value).startswith(f"no connection to localhost:{server.port}: {said}")
        assert "_ssl.c" not in str(error.value)
        assert "http:// or https://" in (error.value.hint or "")
    assert KEY.encode() not in b"".join(heard)


def test_tls_on_a_port_asked_in_plain_is_an_error(transport):
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")  # an alert: protocol version
        connection.shutdown(socket.SHUT_WR)

    with PlainServer(serve) as server, pytest.raises(ConnectError) as error:
        exchange_bytes(transport, post(f"http://localhost:{server.port}/v1/x"))
    assert "was lost: what came is not HTTP/1.1 (illegal" in str(error.value)
    assert "http:// or https://" in (error.value.hint or "")


# ── certificates, heard at the next request


def test_a_certificate_named_later_counts_from_the_next_request_on(
    untrusted, named, certificate, transport, monkeypatch
):
    for _ in range(2):
        with pytest.raises(ConnectError, match="could not be verified"):
            exchange_bytes(transport, post(url(untrusted)))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert exchange_bytes(transport, post(url(untrusted))) == (200, b"fine")
        monkeypatch.delenv("SSL_CERT_FILE")


@pytest.mark.usefixtures("named")
def test_a_file_that_was_mended_counts_from_the_next_request_on(
    untrusted, certificate, transport, monkeypatch, tmp_path
):
    place = tmp_path / "company.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(place))
    with pytest.raises(ConfigError, match="No such file"):
        transport.send(post(url(untrusted)))
    place.write_bytes(certificate.read_bytes())
    assert exchange_bytes(transport, post(url(untrusted))) == (200, b"fine")


@pytest.mark.usefixtures("named")
def test_a_folder_of_certificates_is_heard(
    untrusted, certificate, transport, monkeypatch, tmp_path
):
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(certificate.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert exchange_bytes(transport, post(url(untrusted))) == (200, b"fine")


@pytest.mark.usefixtures("named")
def test_certificates_of_another_route_end_what_was_kept(
    untrusted, certificate, provider, transport, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    exchange_bytes(transport, post(url(untrusted)))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConnectError, match="could not be verified"):
        exchange_bytes(transport, post(url(untrusted)))
    assert len(provider.requests) == 1


UNREADABLE = {
    "a missing file": ("SSL_CERT_FILE", "missing.pem", "No such file or directory"),
    "a file that holds none": ("SSL_CERT_FILE", "rubbish.pem", "it holds no certificate in PEM"),
    "an empty file": ("SSL_CERT_FILE", "empty.pem", "it holds no certificate in PEM"),
    "a folder for a file": ("SSL_CERT_FILE", "folder", ""),
    "a missing folder": ("SSL_CERT_DIR", "missing", "No such file or directory"),
    "a file for a folder": ("SSL_CERT_DIR", "empty.pem", "Not a directory"),
    "text that is no path": ("SSL_CERT_FILE", "x" * 5_000, "File name too long"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_certificates_that_cannot_be_read_are_named(what, transport, monkeypatch, tmp_path):
    (tmp_path / "rubbish.pem").write_text("no certificate")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "folder").mkdir()
    variable, name, said = UNREADABLE[what]
    place = tmp_path / name
    monkeypatch.setenv(variable, str(place))
    with pytest.raises(ConfigError) as error:
        transport.send(post(f"https://{HOST}/v1/x"))
    assert str(error.value).startswith(f"{variable} is {place}, which cannot be read: {said}")
    assert variable in (error.value.hint or "")


def test_certificates_do_not_matter_to_plain_http(provider, transport, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    provider.always(OK)
    call = post(f"{provider.base_url}/v1/chat/completions")
    assert exchange_bytes(transport, call) == (200, b"fine")


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.usefixtures("named")
def test_the_systems_own_trust_store_is_asked_where_there_is_one(
    trusted, untrusted, certificate, transport, monkeypatch
):
    """As on macOS and Windows; the certificates of the environment count beside it."""
    monkeypatch.setattr(proxies, "_HAS_OWN_TRUST_STORE", True)
    proxies._tls_context.cache_clear()
    made = []
    make = truststore.SSLContext
    monkeypatch.setattr(truststore, "SSLContext", lambda kind: made.append(kind) or make(kind))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert exchange_bytes(transport, post(url(untrusted))) == (200, b"fine")
    else:
        with pytest.raises(ConnectError, match="could not be verified"):
            exchange_bytes(transport, post(url(untrusted)))
    assert len(made) == 1
    proxies._tls_context.cache_clear()


@pytest.mark.parametrize("is_installed", [False, True])
@pytest.mark.parametrize("has_own", [False, True])
def test_the_systems_trust_store_is_offered_where_it_would_help(has_own, is_installed, monkeypatch):
    monkeypatch.setattr(proxies, "_HAS_OWN_TRUST_STORE", has_own)
    found = object() if is_installed else None
    monkeypatch.setattr(proxies.importlib.util, "find_spec", lambda _: found)
    offered = "pip install 'cc-jupyter[system-trust]'" in proxies.certificate_hint()
    assert offered is (has_own and not is_installed)
    assert "set SSL_CERT_FILE" in proxies.certificate_hint()


def test_without_truststore_openssl_decides(monkeypatch):
    monkeypatch.setitem(sys.modules, "truststore", None)
    monkeypatch.setattr(proxies, "_HAS_OWN_TRUST_STORE", True)
    assert type(proxies._system_context()) is ssl.SSLContext


def test_a_python_without_certificates_takes_those_that_come_with_httpx(monkeypatch, tmp_path):
    for name in ("truststore",):
        monkeypatch.setitem(sys.modules, name, None)
    nothing = ssl.DefaultVerifyPaths(None, None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert proxies._system_context().get_ca_certs()


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


@pytest.mark.parametrize(
    "bypass",
    [HOST, ".test", "test", "*", "*.test", "a.example, provider.test", "a.example provider.test"],
)
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
        (b"HTTP/1.1 407 Login\r\n\r\n", "the proxy refused .*: 407 Proxy Authentication Required$"),
        (b"HTTP/1.1 599 Blocked\r\n\r\n", "the proxy refused .*: 599$"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://login.test/\r\n\r\n", "refused .*: 302 Found"),
        (
            b"HTTP/1.1 511 Login first\r\n\r\n<html>",
            "refused .*: 511 Network Auth.* Required$",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Log in!</html>", "no connection to .*: "),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no connection to .*: "),
        (b"hello", "the connection to .* was lost"),
        (b"<html>Log in!</html>", "the connection to .* was lost"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "the connection to .* was lost"),
        (b"HTTP/1.1 403 " + b"x" * 200_000, "the connection to .* was lost"),
    ],
)
def test_a_proxy_that_refuses_is_named(answer, said, front, transport, monkeypatch):
    with ConnectProxy(refuse=answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match=said) as error:
            exchange_bytes(transport, post(url(front)))
    assert "https_proxy and NO_PROXY" in (error.value.hint or "")
    assert "Log in" not in str(error.value)
    assert front.connections == []


ECHOES = {
    "the password": ("proxyname:pa55%3Aw%2Frd", "pa55:w/rd"),
    "the name and the password": ("proxyname:pa55%3Aw%2Frd", "proxyname:pa55:w/rd"),
    "the header": ("proxyname:pa55%3Aw%2Frd", "cHJveHluYW1lOnBhNTU6dy9yZA=="),
    "as it stands in the address": ("proxyname:pa55%3Aw%2Frd", "pa55%3Aw%2Frd"),
    "a password of three characters": ("proxyname:x9y", "x9y"),
    "a password with an accent": ("proxyname:pa55w%C3%B6rd", "pa55w\u00f6rd"),
    "a name that is a token": ("t0ken-for-proxy", "t0ken-for-proxy"),
    "another case": ("proxyname:pa55word", "PA55WORD"),
}


@pytest.mark.parametrize("what", ECHOES)
def test_a_proxy_that_repeats_its_login_is_not_quoted(what, front, transport, monkeypatch):
    login, echo = ECHOES[what]
    answer = f"HTTP/1.1 407 no {echo} here\r\nx: {echo}\r\n\r\n{echo}".encode()
    with ConnectProxy(refuse=answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{login}@127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError) as error:
            exchange_bytes(transport, post(url(front)))
    host = f"{HOST}:{front.port}"
    said = f"the proxy refused the connection to {host}: 407 Proxy Authentication Required"
    assert str(error.value) == said
    assert error.value.__cause__ is error.value.__context__ is None


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        f"Bearer {KEY}",
        KEY.replace("_", "%5f"),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        KEY.encode().hex(),
        f"{'long ' * 95}{KEY}",
    ],
)
def test_a_key_in_the_reason_of_a_proxy_is_not_quoted(echo, transport, monkeypatch):
    key = Key(KEY, "the test")
    endpoint = Endpoint(f"https://{HOST}/provider/v1", key, HOST)
    request = Request("m", "/chat/completions", (Message("user", "hi"),))
    with ConnectProxy(refuse=f"HTTP/1.1 403 no {echo} here\r\n\r\n".encode()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match="the proxy refused") as error:
            list(RequestStream(transport, request, endpoint, Limits(max_retries=0)))
    shown = f"{error.value!r} {error.value} {error.value.hint}"
    assert not any(KEY[at : at + 8] in shown for at in range(len(KEY) - 7))
    assert echo not in shown
    assert str(error.value) == f"the proxy refused the connection to {HOST}: 403 Forbidden"


def test_a_long_reason_of_a_proxy_is_one_short_line(front, transport, monkeypatch):
    answer = b"HTTP/1.1 403 " + b"very \x1b[31m\x07 " * 2_000 + b"long\r\n\r\n"
    with ConnectProxy(refuse=answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError) as error:
            exchange_bytes(transport, post(url(front)))
    assert len(str(error.value)) < 700
    assert "\x1b" not in str(error.value)


def test_a_proxy_that_is_set_later_counts_from_the_next_request_on(
    front, named, provider, transport, monkeypatch
):
    exchange_bytes(transport, post(url(front)))
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        exchange_bytes(transport, post(url(front)))
        assert len(proxy.heads) == 1
        monkeypatch.setenv("NO_PROXY", HOST)
        exchange_bytes(transport, post(url(front)))
        assert len(proxy.heads) == 1
    assert [record.connection for record in provider.requests] == [1, 2, 3]


def test_an_ipv6_host_is_named_to_a_proxy_in_brackets(transport, monkeypatch):
    with ConnectProxy(refuse=b"HTTP/1.1 403 No\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match=r"to \[2001:db8::1\]:8443: 403 Forbidden"):
            exchange_bytes(transport, post("https://[2001:db8::1]:8443/v1/x"))
        (head,) = proxy.heads
    assert head.startswith("CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n")


def test_a_proxy_that_says_nothing_is_given_up_like_a_connection(front, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.trace_hook.CONNECT_TIMEOUT_S", 0.1)
    silent = threading.Event()
    with PlainServer(lambda _: silent.wait(5)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match=r"no connection to .* within"):
            exchange_bytes(transport, post(url(front)))
        silent.set()


def test_a_proxy_that_answers_byte_by_byte_is_given_up_too(front, transport, monkeypatch):
    """Each byte comes in time, and the answer never does."""
    monkeypatch.setattr("cc_jupyter.client.trace_hook.CONNECT_TIMEOUT_S", 0.2)

    def trickle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            connection.sendall(b"y")
            time.sleep(0.02)

    with PlainServer(trickle) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectError, match=r"no connection to .* within"):
            exchange_bytes(transport, post(url(front)))


def test_an_open_way_outlives_the_limit_for_opening_it(front, proxy, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.trace_hook.CONNECT_TIMEOUT_S", 0.2)
    for _ in range(2):
        assert exchange_bytes(transport, post(url(front))) == (200, b"fine")
        time.sleep(0.3)
    assert len(proxy.heads) == 1
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_a_certificate_of_a_proxy_that_nobody_knows_is_not_laid_to_the_provider(
    front, certificate, transport, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    with ConnectProxy() as inner, TlsFront(inner.port, certificate) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
        with pytest.raises(ConnectError, match=r"certificate of .* or of its proxy could not"):
            exchange_bytes(transport, post(url(front)))
        assert inner.heads == []


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
        "http://user:pa55/word@proxy.test",
        "http://user:pa55#word@proxy.test",
        "http://user:pa55word@pro xy.test",
        "http://user:pa55word@proxy.test:99999",
        "socks5://user:pa55word@proxy.test",
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
