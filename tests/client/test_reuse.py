"""A connection is reused only if its last response ended exactly; no prompt gets another's."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.plain_server import (
    LONG_S,
    MODEL,
    PlainServer,
    collect,
    exchange_bytes,
    items,
    post,
    text_of,
)
from support.plain_server import request as asked_for
from support.provider import KEY

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.config.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"


def whole(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def understated(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that lets `close` send a reset."""

MISBEHAVIOURS: dict[str, tuple[bytes, bytes]] = {
    "a second response": (whole(b"first"), OTHER),
    "a second response in chunks": (whole(b"first"), chunked(b"other")),
    "the same response again": (whole(b"first"), whole(b"first")),
    "three more responses": (whole(b"first"), OTHER * 3),
    "half a response": (whole(b"first"), OTHER[:20]),
    "a response without a length": (whole(b"first"), b"HTTP/1.1 200 OK\r\n\r\nother"),
    "a 408 for a connection that was idle": (whole(b"first"), whole(b"", "408 Request Timeout")),
    "a 100 Continue": (whole(b"first"), b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a CRLF": (whole(b"first"), b"\r\n"),
    "a lone LF": (whole(b"first"), b"\n"),
    "a NUL": (whole(b"first"), b"\0"),
    "a blank": (whole(b"first"), b" "),
    "an HTML comment": (whole(b"first"), b"<!-- served by proxy 7 -->"),
    "the end of chunks that there were not": (whole(b"first"), b"0\r\n\r\n"),
    "a length that is too short": (understated(b"first"), b" and the rest of it"),
    "a length that is one too short": (understated(b"first"), b"."),
    "a CRLF after the last chunk": (chunked(b"first"), b"\r\n"),
    "a second last chunk": (chunked(b"first"), b"0\r\n\r\n"),
    "an event after the last chunk": (chunked(b"first"), b"data: [DONE]\n\n"),
    "a response after the last chunk": (chunked(b"first"), OTHER),
    "a body of a 204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"but this"),
    "a body of a 304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", b"but this"),
    "a TLS alert": (whole(b"first"), b"\x15\x03\x03\x00\x02\x01\x00"),
}


class Misbehaving(PlainServer):
    """Answers the first request with something behind the answer, and each later one with its body.

    Parameters
    ----------
    gap_s
        How long after the answer the rest follows.
    """

    def __init__(self, answer: bytes, behind: bytes, gap_s: float = 0) -> None:
        self.seen: list[tuple[int, bytes]] = []
        self.said_all = threading.Event()
        numbers = itertools.count(1)

        def serve(connection: socket.socket) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = next(numbers)
            while (body := read_body(connection)) is not None:
                self.seen.append((number, body))
                if len(self.seen) > 1:
                    connection.sendall(whole(body))
                elif gap_s:
                    connection.sendall(answer)
                    time.sleep(gap_s)
                    connection.sendall(behind)
                else:
                    connection.sendall(answer + behind)
                self.said_all.set()

        super().__init__(serve)


def read_body(connection: socket.socket) -> bytes | None:
    """Read one request; `None`: the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


@pytest.mark.parametrize("gap_s", [0, 0.01])
@pytest.mark.parametrize("what", MISBEHAVIOURS)
def test_bytes_behind_an_answer_are_nobodys_answer_and_nothing_is_sent_twice(
    what, gap_s, transport
):
    with Misbehaving(*MISBEHAVIOURS[what], gap_s) as server:
        url = f"http://127.0.0.1:{server.port}/v1/x"
        exchange_bytes(transport, post(url, b"the first prompt"))
        assert server.said_all.wait(LONG_S)
        for prompt in (b"the second prompt", b"the third prompt"):
            assert exchange_bytes(transport, post(url, prompt)) == (200, prompt)
    prompts = [b"the first prompt", b"the second prompt", b"the third prompt"]
    assert [body for _, body in server.seen] == prompts
    assert [number for number, _ in server.seen] == [1, 2, 2]


@pytest.mark.parametrize("answer", [whole(b"first"), chunked(b"first")], ids=["length", "chunks"])
def test_an_exact_answer_keeps_its_connection(answer, transport):
    """This fails if httpcore's insides change, so that nobody can tell how an answer ended."""
    with Misbehaving(answer, b"") as server:
        url = f"http://127.0.0.1:{server.port}/v1/x"
        for _ in range(3):
            exchange_bytes(transport, post(url))
    assert [number for number, _ in server.seen] == [1, 1, 1]


ENDINGS = {
    "connection: close": whole(b"first", "200 OK", "connection: close"),
    "HTTP/1.0": whole(b"first").replace(b"1.1", b"1.0", 1),
    "both kinds of length": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n"
    b"transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("what", ENDINGS)
def test_an_answer_that_says_it_is_the_last_is_the_last(what, transport):
    with Misbehaving(ENDINGS[what], b"") as server:
        url = f"http://127.0.0.1:{server.port}/v1/x"
        assert exchange_bytes(transport, post(url, b"one"))[1] == b"first"
        assert exchange_bytes(transport, post(url, b"two")) == (200, b"two")
    assert [body for _, body in server.seen] == [b"one", b"two"]


def stream(text: str) -> bytes:
    chunk = (
        f'{{"choices": [{{"index": 0, "delta": {{"content": "{text}"}}, "finish_reason": null}}]}}'
    )
    end = '{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'
    return f"data: {chunk}\n\ndata: {end}\n\ndata: [DONE]\n\n".encode()


@pytest.mark.parametrize(
    "behind", [whole(stream("other")), chunked(stream("other")), b"\r\n", stream("other")]
)
def test_a_second_prompt_never_gets_what_lay_behind_the_first_answer(behind, transport):
    """As a cell asks: the answer counts as finished before its body ends."""
    answers = iter([chunked(stream("first")) + behind, chunked(stream("second"))])
    prompts: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        while (body := read_body(connection)) is not None:
            prompts.append(body)
            connection.sendall(next(answers))

    with PlainServer(serve) as server:
        target = Endpoint(f"http://127.0.0.1:{server.port}/v1", Key(KEY, "test"), "x")
        for said in ("first", "second"):
            request = asked_for(MODEL, prompt=said)
            events, error = collect(RequestStream(transport, request, target, Limits(2, LONG_S)))
            assert (text_of(events), error) == (said, None)
    assert len(prompts) == 2


BODY = bytes(2**20)
MOMENTS: dict[str, Callable[[socket.socket], object]] = {
    "after the answer": lambda _: None,
    "a moment after the answer": lambda _: time.sleep(0.01),
    "at the first byte of the request": lambda connection: connection.recv(1),
    "within the head": lambda connection: connection.recv(20),
    "after the head": lambda connection: connection.recv(300),
    "within the body": lambda connection: time.sleep(0.01) or connection.recv(2**19),
    "after the request": read_body,
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("body", [b"small", BODY], ids=["small", "large"])
def test_a_server_may_close_a_kept_connection_at_any_moment(body, is_reset, moment, transport):
    """Nothing of an answer came, so it is asked once more, and gets its own answer."""
    prompts: list[bytes] = []
    first = threading.Event()

    def serve(connection: socket.socket) -> None:
        is_first = not first.is_set()
        first.set()
        while (asked := read_body(connection)) is not None:
            prompts.append(asked)
            connection.sendall(whole(b"%d" % len(asked)))
            if is_first:
                MOMENTS[moment](connection)
                if is_reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    connection.close()
                else:
                    connection.shutdown(socket.SHUT_RDWR)
                return

    with PlainServer(serve) as server:
        url = f"http://127.0.0.1:{server.port}/v1/x"
        assert exchange_bytes(transport, post(url, b"first")) == (200, b"5")
        for _ in range(2):
            incoming = transport.send(post(url, body))
            start, answered, end = items(incoming)
            assert (start.status, answered, end.error) == (200, b"%d" % len(body), None)
            assert incoming.sends <= 2
    assert [len(asked) for asked in prompts] == [5, len(body), len(body)]


def test_a_server_that_closes_while_the_next_request_comes_loses_no_answer(transport):
    """Two hundred times, at another moment each time."""
    pauses = itertools.cycle([0, 0.0001, 0.0003, 0.0006, 0.001])

    def serve(connection: socket.socket) -> None:
        if (asked := read_body(connection)) is not None:
            connection.sendall(whole(asked))
            time.sleep(next(pauses))
            connection.shutdown(socket.SHUT_RDWR)

    with PlainServer(serve) as server:
        url = f"http://127.0.0.1:{server.port}/v1/x"
        for number in range(200):
            prompt = b"prompt %d" % number
            assert exchange_bytes(transport, post(url, prompt)) == (200, prompt)
