"""One call and its connection: kept, re-used, dead, refused, redirected, compressed, forked."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import threading
import time
import zlib

import pytest
from support import provider as scripted
from support.plain_server import (
    Blackhole,
    PlainServer,
    chat,
    exchange_bytes,
    items,
    open_sockets,
    post,
    reader_threads,
    until_head,
    wait_until,
)
from support.provider import KEY, Provider

from cc_jupyter.client.transport import (
    TIMED_OUT,
    HttpRequest,
    ResponseEnd,
    ResponseStart,
    Transport,
    fetch,
)
from cc_jupyter.core.errors import ConnectError

OK = scripted.http(200, "fine", content_type="text/plain")


def connections(provider: Provider) -> list[int]:
    return [record.connection for record in provider.requests]


# ── kept connections


def test_ten_calls_share_one_connection(provider, transport):
    provider.always(OK)
    for _ in range(10):
        assert exchange_bytes(transport, chat(provider)) == (200, b"fine")
    assert connections(provider) == [1] * 10


def test_calls_at_the_same_time_have_connections_of_their_own_and_keep_them(provider, transport):
    for asked in (3, 6):
        gate = f"{asked} are there"  # the first is under way until the last has come
        provider.always(scripted.wait(gate), *OK)
        calls = [transport.send(chat(provider)) for _ in range(3)]
        provider.wait_for_requests(asked)
        provider.gate(gate).set()
        for incoming in calls:
            assert [type(item) for item in items(incoming)][-1] is ResponseEnd
            incoming.close()
    assert sorted(set(connections(provider))) == [1, 2, 3]


def test_only_a_few_idle_connections_are_kept(provider, transport):
    provider.always(scripted.wait("go"), *OK)
    calls = [transport.send(chat(provider)) for _ in range(12)]
    provider.wait_for_requests(12)
    provider.gate("go").set()
    for incoming in calls:
        assert len(list(items(incoming))) == 3
    wait_until(lambda: provider.open_connections == 8)


def test_a_refused_request_keeps_its_connection(provider, transport):
    provider.play(scripted.error(429))
    provider.play(OK)
    assert exchange_bytes(transport, chat(provider))[0] == 429
    exchange_bytes(transport, chat(provider))
    assert connections(provider) == [1, 1]


def test_a_response_that_was_left_takes_its_connection_along(provider, transport):
    provider.play(*scripted.openai_stream("one")[:3], scripted.hang())
    provider.play(OK)
    incoming = transport.send(chat(provider))
    until_head(incoming)
    incoming.close()
    assert exchange_bytes(transport, chat(provider)) == (200, b"fine")
    assert connections(provider) == [1, 2]


def test_a_server_that_hung_up_between_two_calls_is_called_anew(provider, transport):
    provider.always(OK)
    exchange_bytes(transport, chat(provider))
    provider.drop_idle_connections()
    assert exchange_bytes(transport, chat(provider)) == (200, b"fine")
    assert connections(provider) == [1, 2]


def test_closing_the_transport_closes_its_connections(provider, transport):
    provider.always(OK)
    exchange_bytes(transport, chat(provider))
    transport.close()
    wait_until(lambda: provider.open_connections == 0)
    assert exchange_bytes(transport, chat(provider)) == (200, b"fine")


# ── one silent re-send


@pytest.mark.parametrize("end", [scripted.cut(), scripted.reset()])
def test_a_kept_connection_that_dies_before_any_byte_is_sent_again_once_and_silently(
    end, provider, transport
):
    provider.play(OK)
    provider.play(end)
    provider.play(OK)
    exchange_bytes(transport, chat(provider))
    assert exchange_bytes(transport, chat(provider, body=b"second")) == (200, b"fine")
    assert connections(provider) == [1, 1, 2]
    assert [record.body for record in provider.requests[1:]] == [b"second"] * 2


def test_it_is_sent_again_once_and_no_more(provider, transport):
    provider.play(OK)
    provider.always(scripted.cut())
    exchange_bytes(transport, chat(provider))
    with pytest.raises(ConnectError, match="was lost: Server disconnected"):
        exchange_bytes(transport, chat(provider))
    assert connections(provider) == [1, 1, 2]


@pytest.mark.parametrize("end", [scripted.cut(), scripted.reset()])
def test_a_fresh_connection_that_dies_is_an_error(end, provider, transport):
    provider.always(end)
    with pytest.raises(ConnectError, match="was lost"):
        exchange_bytes(transport, chat(provider))
    assert len(provider.requests) == 1


def test_where_nothing_may_be_repeated_a_dead_connection_is_an_error(provider, transport):
    provider.play(OK)
    provider.always(scripted.cut())
    exchange_bytes(transport, chat(provider))
    with pytest.raises(ConnectError, match="was lost"):
        exchange_bytes(transport, chat(provider, resend_on_dead_connection=False))
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    "begun",
    ["H", "HTTP/1.1 200 OK\r\ncontent-", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "<html>"],
)
@pytest.mark.parametrize("end", [scripted.cut(), scripted.reset()])
def test_after_the_first_byte_nothing_is_sent_again(begun, end, provider, transport):
    provider.play(OK)
    # the pause lets the byte through before a reset throws it away
    provider.play(scripted.raw(begun), scripted.pause(0.05), end)
    provider.always(OK)
    exchange_bytes(transport, chat(provider))
    with pytest.raises(ConnectError, match="was lost"):
        exchange_bytes(transport, chat(provider))
    assert len(provider.requests) == 2


# ── where nothing is sent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_neither_key_nor_prompt_goes_there(status, provider, transport):
    with Provider() as elsewhere:
        location = {"location": f"{elsewhere.base_url}/v1/chat/completions"}
        provider.play(scripted.http(status, "", location))
        provider.play(scripted.http(status, "", location))
        incoming = transport.send(chat(provider, body=b"the prompt"))
        head, *_, end = items(incoming)
        incoming.close()
        assert (head.status, end.error) == (status, None)
        assert head.headers["location"] == location["location"]
        assert elsewhere.requests == []
        assert elsewhere.open_connections == 0


@pytest.mark.parametrize(
    "location",
    ["javascript:x", "//", "http://[bad", "http://user:pass@127.0.0.1:1/", "/", "", "\x80", "a b"],
)
def test_a_redirect_to_anywhere_is_a_status_and_no_address_is_read(location, provider, transport):
    for status in (300, 302, 304, 305, 308):
        provider.play(scripted.http(status, "", {"location": location}))
        assert exchange_bytes(transport, chat(provider)) == (status, b"")
    assert len(provider.requests) == 5


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_reached_and_named_in_brackets(transport):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        host = f"[::1]:{listener.getsockname()[1]}"
        incoming = transport.send(post(f"http://{host}/v1/x"))
        connection, _ = listener.accept()
        with connection:
            assert f"\r\nHost: {host}\r\n" in connection.recv(65536).decode()
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            assert [type(item) for item in items(incoming)] == [ResponseStart, ResponseEnd]


# ── failures in words


def test_a_refused_connection_says_so(transport):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectError) as error:
        exchange_bytes(transport, post(f"http://127.0.0.1:{port}/v1/x"))
    assert str(error.value) == f"no connection to 127.0.0.1:{port}: Connection refused"
    assert "check the network and the base URL" in (error.value.hint or "")
    assert (error.value.status, error.value.code) == (None, None)


def test_an_unknown_host_says_so(transport, monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConnectError) as error:
        exchange_bytes(transport, post("https://nowhere.example/v1/x"))
    assert str(error.value) == "no connection to nowhere.example: Name or service not known"


def test_a_server_that_does_not_accept_is_given_up(transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.trace_hook.CONNECT_TIMEOUT_S", 0.1)
    with Blackhole() as hole, pytest.raises(ConnectError, match=r"no connection to .* within"):
        exchange_bytes(transport, post(f"http://127.0.0.1:{hole.port}/v1/x"))


def test_a_silent_server_is_given_up_after_the_idle_limit(provider, transport):
    provider.play(scripted.hang())
    with pytest.raises(ConnectError) as error:
        exchange_bytes(transport, chat(provider, idle_timeout_s=0.1))
    assert str(error.value) == f"127.0.0.1:{provider.port} sent nothing for 0.1 s"
    assert error.value.code == TIMED_OUT
    assert "CMD_IDLE_TIMEOUT_S" in (error.value.hint or "")


def test_a_server_that_takes_nothing_is_given_up_after_the_idle_limit(transport):
    seen = threading.Event()
    with PlainServer(lambda _: seen.wait(5)) as server:
        call = post(f"http://127.0.0.1:{server.port}/v1/x", bytes(64 * 2**20), idle_timeout_s=0.1)
        with pytest.raises(ConnectError, match="accepted no data") as error:
            exchange_bytes(transport, call)
        seen.set()
    assert error.value.code == TIMED_OUT


@pytest.mark.parametrize(
    "answer",
    [
        b"220 smtp.example ESMTP\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 999999 X\r\n\r\n",
        b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",  # HTTP/2's greeting
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),  # its settings
        b"HTTP/2 200 OK\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000,
    ],
)
def test_what_is_no_http_is_an_error(answer, transport):
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)

    with PlainServer(serve) as server, pytest.raises(ConnectError, match="was lost"):
        exchange_bytes(transport, post(f"http://127.0.0.1:{server.port}/v1/x"))


def test_a_body_cut_short_is_an_error_after_what_came(provider, transport):
    provider.play(scripted.body("some"), scripted.cut())
    incoming = transport.send(chat(provider))
    _, *body, end = items(incoming)
    assert b"".join(body) == b"some"
    assert isinstance(end.error, ConnectError)


def test_an_early_answer_to_a_body_that_is_not_read_is_seen(provider, transport):
    answer = scripted.http(413, "too large", content_type="text/plain")
    provider.play(scripted.before_reading(), *answer)
    assert exchange_bytes(transport, chat(provider, body=bytes(8 * 2**20)))[0] == 413


@pytest.mark.parametrize("value", [f"{KEY}\nx: y", f"{KEY}\r\n", f"{KEY}\0", f"{KEY}é"])
def test_a_header_that_http_does_not_allow_is_not_quoted(value, provider, transport):
    call = HttpRequest("POST", f"{provider.base_url}/v1/x", {"Authorization": value}, b"{}")
    with pytest.raises(ConnectError, match="a header that HTTP does not allow") as error:
        exchange_bytes(transport, call)
    assert KEY not in f"{error.value} {error.value.__cause__} {error.value.__context__}"
    assert provider.requests == []


# ── time


def test_any_byte_starts_the_idle_limit_anew_and_there_is_no_other(provider, transport):
    pings = [step for _ in range(12) for step in (scripted.body(":\n"), scripted.pause(0.05))]
    provider.play(*pings, scripted.body("end"))
    start_s = time.monotonic()
    status, body = exchange_bytes(transport, chat(provider, idle_timeout_s=0.3))
    assert (status, body) == (200, b":\n" * 12 + b"end")
    assert time.monotonic() - start_s > 0.5


def test_a_fetch_has_a_limit_for_the_whole(provider, transport):
    drops = [step for _ in range(100) for step in (scripted.body("x"), scripted.pause(0.02))]
    provider.play_models(*drops)
    call = HttpRequest("GET", f"{provider.base_url}/v1/models", {})
    with pytest.raises(ConnectError, match="did not answer within"):
        fetch(transport, call, timeout_s=0.2, most_bytes=1000)
    provider.requests[0].wait_until_over()
    assert provider.requests[0].client_left_s is not None


# ── compression that nobody asked for


TEXT = b"data: one\n\ndata: two\n\n" * 200


def raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


READABLE = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "its old name": ("x-gzip", gzip.compress(TEXT)),
    "in capitals": ("GZIP ", gzip.compress(TEXT)),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "deflate without zlib's header": ("deflate", raw_deflate(TEXT)),
    "identity": ("identity", TEXT),
    "two gzip members": ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    "a member for each byte": (
        "gzip",
        b"".join(gzip.compress(TEXT[at : at + 1]) for at in range(len(TEXT))),
    ),
    "padding after the member": ("gzip", gzip.compress(TEXT) + bytes(7)),
    "padding between members": (
        "gzip",
        gzip.compress(TEXT[:9]) + bytes(3) + gzip.compress(TEXT[9:]),
    ),
    "without its end": ("gzip", gzip.compress(TEXT)[:-8]),
    "packed twice": ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
    "packed in two ways": ("deflate, gzip", gzip.compress(zlib.compress(TEXT))),
    "identity beside gzip": ("identity, gzip", gzip.compress(TEXT)),
    "deflate that is gzip": ("deflate", gzip.compress(TEXT)),
    "gzip that is deflate": ("gzip", zlib.compress(TEXT)),
    "br that is gzip": ("br", gzip.compress(TEXT)),
    "gzip that is plain text": ("gzip", TEXT),
    "br that is plain text": ("br", TEXT),
    "zstd that is plain text": ("zstd", TEXT),
    "a charset for an encoding": ("utf-8", TEXT),
    "packed without a label": ("", gzip.compress(TEXT)),
    "identity that is gzip": ("identity", gzip.compress(TEXT)),
}


@pytest.mark.parametrize("what", READABLE)
@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_a_compressed_answer_is_unpacked_however_it_is_labelled_and_cut(
    what, size, provider, transport
):
    label, packed = READABLE[what]
    provider.play(scripted.head(200, {"content-encoding": label}), *scripted.pieces(packed, size))
    assert exchange_bytes(transport, chat(provider)) == (200, TEXT)


@pytest.mark.parametrize(
    "begun",
    [
        b": ping\n\n",
        b'{"error": 1}',
        b"<html>",
        b"event: ping\n\n",
        b"data: control characters: \x00\x1b[m\n\n",
        "no healthy upstream, désolé".encode(),
    ],
)
def test_a_plain_body_under_a_wrong_label_is_read_as_text(begun, provider, transport):
    provider.play(scripted.head(200, {"content-encoding": "br"}), scripted.body(begun))
    assert exchange_bytes(transport, chat(provider)) == (200, begun)


@pytest.mark.parametrize("label", ["gzip", "deflate", "br", "zstd"])
def test_a_sentence_under_a_wrong_label_is_read_as_text(label, provider, transport):
    """As some gateways label their own errors with the encoding of what they stand in for."""
    words = b"upstream connect error or disconnect/reset before headers"
    provider.play(scripted.head(503, {"content-encoding": label}), *scripted.pieces(words, 5))
    assert exchange_bytes(transport, chat(provider)) == (503, words)


def test_two_headers_of_an_encoding_are_one_list(provider, transport):
    packed = gzip.compress(gzip.compress(TEXT))
    head = b"HTTP/1.1 200 OK\r\n" + b"content-encoding: gzip\r\n" * 2
    provider.play(scripted.raw(head + b"content-length: %d\r\n\r\n" % len(packed) + packed))
    assert exchange_bytes(transport, chat(provider)) == (200, TEXT)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_packed_megabyte_of_nothing_stays_in_pieces(packing, provider, transport):
    packed = {"gzip": gzip, "deflate": zlib}[packing].compress(bytes(64 * 2**20))
    provider.play(scripted.head(200, {"content-encoding": packing}), scripted.body(packed))
    incoming = transport.send(chat(provider))
    sizes = [len(item) for item in items(incoming) if isinstance(item, bytes)]
    assert (sum(sizes), max(sizes)) == (64 * 2**20, 2**20)


BROTLI = bytes.fromhex("8b0a806461746120666f722062726f746c69") + bytes(range(20))
ZSTD = bytes.fromhex("28b52ffd0458") + bytes(range(40))


UNREADABLE = {
    "broken gzip": ("gzip", b"\x1f\x8b\x08" + b"\xff" * 40, "gzip: "),
    "no gzip": ("gzip", b"plain", "gzip: incorrect header check"),
    "rubbish behind gzip": ("gzip", gzip.compress(TEXT) + b"x", "gzip: incorrect header check"),
    "no deflate": ("deflate", b"\xff\xfe\xfd\xfc" * 8, "deflate: "),
    "brotli": ("br", BROTLI, "br"),
    "zstd": ("zstd", ZSTD, "zstd"),
    "compress": ("compress", b"\x1f\x9d\x90" + bytes(range(20)), "compress"),
    "brotli of gzip": ("gzip, br", BROTLI, "br"),
    "many layers": (", ".join(["gzip"] * 9), gzip.compress(TEXT), "compressed 9 times"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_answer_that_cannot_be_unpacked_is_an_error_that_names_the_encoding(
    what, provider, transport
):
    label, packed, said = UNREADABLE[what]
    provider.play(scripted.head(200, {"content-encoding": label}), scripted.body(packed))
    with pytest.raises(ConnectError, match=f"is compressed in a way that cannot be read: {said}"):
        exchange_bytes(transport, chat(provider))


# ── after a fork


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_makes_connections_of_its_own_and_its_parents_go_on(provider, transport):
    provider.always(OK)
    for incoming in [transport.send(chat(provider)) for _ in range(2)]:
        list(items(incoming))
    provider.play(*scripted.openai_stream("one")[:3], scripted.wait("go"), scripted.body("end"))
    streaming = transport.send(chat(provider))
    until_head(streaming)
    child = os.fork()
    if child == 0:
        os._exit(_in_the_child(transport, provider, streaming))
    assert os.waitpid(child, 0)[1] == 0
    provider.gate("go").set()
    *_, last, end = items(streaming)
    assert (last, end.error) == (b"end", None)
    exchange_bytes(transport, chat(provider))
    *earlier, streamed, in_the_child, afterwards = connections(provider)
    assert {streamed, afterwards} <= set(earlier)
    assert in_the_child not in earlier


def _in_the_child(transport: Transport, provider: Provider, streaming: object) -> int:
    signal.alarm(10)
    streaming.close()  # type: ignore[attr-defined]
    exchange_bytes(transport, chat(provider))
    return 0


# ── nothing is left


def test_two_hundred_calls_leave_no_thread_and_no_socket(provider, transport):
    for number in range(200):
        ends = [OK, (scripted.cut(),), (scripted.reset(),), (scripted.body("x"), scripted.cut())]
        provider.play(*ends[number % 4])
    exchange_bytes(transport, chat(provider, resend_on_dead_connection=False))
    sockets = open_sockets()
    for _ in range(199):
        incoming = transport.send(chat(provider, resend_on_dead_connection=False))
        list(items(incoming))
        incoming.close()
    wait_until(lambda: not reader_threads())
    wait_until(lambda: open_sockets() <= sockets)
