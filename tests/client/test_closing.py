"""Leaving a call at any moment: at once, seen by the server, and nothing is sent afterwards."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import types

import pytest
from support import provider as scripted
from support.plain_server import (
    Blackhole,
    PlainServer,
    chat,
    items,
    post,
    reader_threads,
    until_head,
    wait_until,
)

from cc_jupyter.client.trace_hook import TraceHook
from cc_jupyter.client.transport import ResponseReader, Transport

AT_ONCE_S = 0.05  # on a machine that is busy with other tests; 0.1 ms on a quiet one
SEEN_S = 0.1


def close_at_once(incoming: ResponseReader) -> None:
    start_s = time.perf_counter()
    incoming.close()
    assert time.perf_counter() - start_s < AT_ONCE_S


def left_after(provider, since_s: float) -> float:
    record = provider.requests[-1]
    record.wait_until_over()
    assert record.client_left_s is not None
    return record.client_left_s - since_s


def test_while_the_first_byte_is_awaited(provider, transport):
    provider.play(scripted.hang())
    incoming = transport.send(chat(provider))
    provider.wait_for_requests(1)
    now_s = time.perf_counter()
    close_at_once(incoming)
    assert left_after(provider, now_s) < SEEN_S


def test_while_an_answer_streams(provider, transport):
    provider.play(*scripted.openai_stream(["a", "b"])[:4], scripted.hang())
    incoming = transport.send(chat(provider))
    until_head(incoming)
    now_s = time.perf_counter()
    close_at_once(incoming)
    assert left_after(provider, now_s) < SEEN_S


def test_while_a_burst_is_read(provider, transport):
    provider.play(*[scripted.body(b"x" * 2**16)] * 2000, scripted.hang())
    incoming = transport.send(chat(provider))
    until_head(incoming)
    now_s = time.perf_counter()
    close_at_once(incoming)
    assert left_after(provider, now_s) < SEEN_S


def test_while_a_large_prompt_is_sent(transport):
    taken: list[int] = []
    seen_s: list[float] = []

    def serve(connection: socket.socket) -> None:
        taken.append(len(connection.recv(65536)))
        released.wait(5)
        while data := connection.recv(65536):
            taken.append(len(data))
        seen_s.append(time.perf_counter())

    released = threading.Event()
    with PlainServer(serve) as server:
        call = post(f"http://127.0.0.1:{server.port}/v1/x", bytes(64 * 2**20))
        incoming = transport.send(call)
        wait_until(lambda: bool(taken))
        close_at_once(incoming)
        now_s = time.perf_counter()
        released.set()
        wait_until(lambda: bool(seen_s))
    assert seen_s[0] - now_s < 1  # it takes what the system had in hand, and no more
    assert sum(taken) < 32 * 2**20


def test_while_a_name_is_looked_up(transport, monkeypatch):
    released = threading.Event()
    asked = threading.Event()
    lookup = socket.getaddrinfo

    def slow(*args: object, **options: object) -> object:
        asked.set()
        released.wait(5)
        return lookup(*args, **options)  # type: ignore[arg-type]

    accepted = []
    with PlainServer(accepted.append) as server:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        incoming = transport.send(post(f"http://127.0.0.1:{server.port}/v1/x"))
        assert asked.wait(5)
        assert incoming.connecting
        close_at_once(incoming)
        released.set()
        wait_until(lambda: not reader_threads())
        assert all(connection.recv(1) == b"" for connection in accepted)


def test_while_a_connection_is_made(transport):
    with Blackhole() as blackhole:
        incoming = transport.send(post(f"http://127.0.0.1:{blackhole.port}/v1/x"))
        time.sleep(0.05)
        assert incoming.connecting
        assert incoming.receive(0) is None
        close_at_once(incoming)
        # when the way is free at last, the connection is made and closed, and nothing is sent
        deadline = time.monotonic() + 8
        while reader_threads() and time.monotonic() < deadline:
            assert blackhole.let_in() == b""
        assert not reader_threads()


def test_while_tls_is_agreed_on(transport):
    greetings: list[bytes] = []
    gone_s: list[float] = []

    def serve(connection: socket.socket) -> None:
        greetings.append(connection.recv(65536))
        while connection.recv(65536):
            pass
        gone_s.append(time.perf_counter())

    with PlainServer(serve) as server:
        incoming = transport.send(post(f"https://localhost:{server.port}/v1/x"))
        wait_until(lambda: bool(greetings))
        assert incoming.connecting
        now_s = time.perf_counter()
        close_at_once(incoming)
        wait_until(lambda: bool(gone_s))
        assert gone_s[0] - now_s < SEEN_S
        wait_until(lambda: not reader_threads(), 1.0)
    assert greetings[0][:1] == b"\x16"  # a TLS greeting, and nothing else was ever said
    assert len(greetings) == 1


@pytest.mark.parametrize("delay_s", [0, 0.0002, 0.0005, 0.001, 0.002, 0.005])
def test_at_any_moment_nothing_but_a_whole_request_or_nothing_reaches_a_handler(
    delay_s, provider, transport
):
    provider.always(scripted.hang())
    for _ in range(20):
        incoming = transport.send(chat(provider, body=b"x" * 1000))
        time.sleep(delay_s)
        close_at_once(incoming)
    wait_until(lambda: not reader_threads())
    wait_until(lambda: provider.open_connections == 0)
    assert all(len(record.body) == 1000 for record in provider.requests)


def test_a_call_closed_before_it_began_does_not_even_connect(transport, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = post(f"http://127.0.0.1:{server.getsockname()[1]}/v1/x")
        incoming = transport.send(call)
        close_at_once(incoming)
        incoming._run(call)
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()


def test_closing_twice_and_after_the_end_is_nothing(provider, transport):
    provider.always(scripted.answer("x"))
    incoming = transport.send(chat(provider))
    list(items(incoming))
    for _ in range(3):
        incoming.close(drain=True)
    list(items(transport.send(chat(provider))))
    assert [record.connection for record in provider.requests] == [1, 1]


def test_after_the_last_event_the_end_of_the_body_is_awaited(provider, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.transport._DRAIN_TIMEOUT_S", 5.0)
    provider.always(scripted.body("last"), scripted.pause(0.01))
    for _ in range(2):
        incoming = transport.send(chat(provider))
        until_head(incoming)
        assert incoming.receive(5) == b"last"
        incoming.close(drain=True)
    assert [record.connection for record in provider.requests] == [1, 1]


def test_an_end_that_does_not_come_is_awaited_a_moment_only(provider, transport):
    provider.play(scripted.body("last"), scripted.hang())
    incoming = transport.send(chat(provider))
    until_head(incoming)
    assert incoming.receive(5) == b"last"
    start_s = time.perf_counter()
    incoming.close(drain=True)
    assert 0.05 <= time.perf_counter() - start_s < 0.5
    provider.requests[0].wait_until_over()
    assert provider.requests[0].client_left_s is not None


def test_a_key_is_never_sent_in_the_clear_when_tls_is_torn_down():
    """`SSLSocket.shutdown` drops the encryption first: a thread just sending would go on without.

    So the transport never calls it; if this test fails, Python has changed and may be trusted.
    """
    called = []

    class Watched(ssl.SSLSocket):
        def shutdown(self, how: int) -> None:
            called.append(how)
            super().shutdown(how)

    left, right = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.sslsocket_class = Watched
    with left, right:
        secured = context.wrap_socket(left, do_handshake_on_connect=False)
        hook = TraceHook()
        hook.hold(types.SimpleNamespace(get_extra_info=lambda _: secured))
        assert hook.abandon()
        assert right.recv(1) == b""
        assert secured._sslobj is not None
        secured.close()
    assert called == []


def test_what_is_awaited_can_be_woken(provider, transport):
    provider.play(scripted.hang())
    incoming = transport.send(chat(provider))
    waker = threading.Timer(0.02, incoming.wake)
    waker.start()
    start_s = time.perf_counter()
    assert type(incoming.receive(5)).__name__ == "Interrupted"
    assert time.perf_counter() - start_s < 1
    incoming.close()
    waker.join()


def test_a_transport_has_no_thread_of_its_own():
    before = threading.active_count()
    Transport()
    assert threading.active_count() == before
