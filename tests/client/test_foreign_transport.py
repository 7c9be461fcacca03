"""A transport that is not ours: whatever answers httpx requests can take the network's place."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from support import provider as scripted
from support.plain_server import (
    LONG_S,
    MODEL,
    chat,
    collect,
    exchange_bytes,
    items,
    post,
    reader_threads,
    request,
    text_of,
    until_head,
    wait_until,
)
from support.provider import KEY

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.client.errors import provider_errors
from cc_jupyter.client.transport import ResponseEnd, ResponseStart, Transport
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.errors import ConnectError, RateLimitError
from cc_jupyter.core.events import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDPOINT = Endpoint("https://recorded.example/v1", Key(KEY, "test"), "recorded.example")


def event(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n".encode()


END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


class Recorded(httpx.BaseTransport):
    """Answers from memory, and notes what it was asked."""

    def __init__(self, *answers: Callable[[], httpx.Response]) -> None:
        self._answers = iter(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        self.requests.append(request)
        return next(self._answers)()


class Paced(httpx.SyncByteStream):
    """Says pieces at their recorded pace, then nothing more; `close` ends the wait."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self._closed = threading.Event()
        self.closed_by: list[threading.Thread] = []

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if self._closed.wait(0.005):
                return
            yield piece
        self._closed.wait(LONG_S)

    def close(self) -> None:
        self.closed_by.append(threading.current_thread())
        self._closed.set()


def answer(*pieces: bytes, status: int = 200, **headers: str) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(
        status, headers=headers, stream=httpx.ByteStream(b"".join(pieces))
    )


def ask(inner: httpx.BaseTransport, max_retries: int = 2) -> RequestStream:
    limits = Limits(max_retries, LONG_S)
    return RequestStream(Transport(inner), request(MODEL), ENDPOINT, limits)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pauses be short; at the end every reader must have ended by itself."""
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.01)
    yield
    wait_until(lambda: not reader_threads())


@pytest.mark.parametrize(
    "make",
    [
        answer(event("Hel"), event("lo"), END),
        lambda: httpx.Response(200, content=event("Hel") + event("lo") + END),
        lambda: httpx.Response(200, json={"choices": [{"message": {"content": "Hello"}}]}),
    ],
)
def test_an_answer_comes_from_it_and_nothing_from_the_network(make):
    inner = Recorded(make)
    asked = ask(inner)
    events, error = collect(asked)
    assert (text_of(events), error) == ("Hello", None)
    (sent,) = inner.requests
    assert str(sent.url) == "https://recorded.example/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-length"] == str(len(inner.bodies[0]))
    assert json.loads(inner.bodies[0])["model"] == MODEL
    assert asked.requests_sent == 1


def test_an_interrupt_closes_its_stream_from_the_cells_thread_and_ends_within_100_ms():
    stream = Paced(event("Hel"), event("lo"))
    inner = Recorded(lambda: httpx.Response(200, stream=stream))
    asked = ask(inner)
    woken_s: list[float] = []

    def wake() -> None:
        time.sleep(0.1)
        woken_s.append(time.perf_counter())
        asked.wake()

    waker = threading.Thread(target=wake)
    waker.start()
    events, error = collect(asked)
    wait_until(lambda: not reader_threads(), 0.1)
    took_s = time.perf_counter() - woken_s[0]
    waker.join()
    assert type(error) is KeyboardInterrupt
    assert text_of(events) == "Hello"
    assert took_s < 0.1
    assert stream.closed_by[0] is threading.current_thread()


def test_leaving_before_it_answers_drops_the_answer_unread():
    asked, go = threading.Event(), threading.Event()
    stream = Paced(event("late"))

    class Slow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.set()
            go.wait(LONG_S)
            return httpx.Response(200, stream=stream)

    incoming = Transport(Slow()).send(post("https://recorded.example/v1/x"))
    assert asked.wait(LONG_S)
    assert not incoming.connecting  # it may have sent everything
    incoming.close()
    go.set()
    (end,) = items(incoming)
    assert isinstance(end, ResponseEnd)
    assert stream.closed_by


def test_nothing_is_handed_to_it_for_a_call_that_was_left(monkeypatch):
    inner = Recorded(answer(b"fine"))
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    call = post("https://recorded.example/v1/x")
    incoming = Transport(inner).send(call)
    incoming.close()
    incoming._run(call)
    assert (inner.requests, incoming.sends) == ([], 0)


def failing(error: Exception) -> Callable[[], httpx.Response]:
    def fail() -> httpx.Response:
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.ReadError("[Errno 104] Connection reset by peer"),
        httpx.WriteError("[Errno 32] Broken pipe"),
    ],
)
def test_its_failure_is_never_repeated_silently(error):
    inner = Recorded(failing(error), failing(error), answer(event("Hello"), END))
    asked = ask(inner)
    events, raised = collect(asked)
    assert (text_of(events), raised) == ("Hello", None)
    said = [event.text for event in events if isinstance(event, Notice)]
    assert [notice.rpartition("(")[2] for notice in said] == ["try 1 of 2)", "try 2 of 2)"]
    assert asked.requests_sent == len(inner.requests) == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "no connection to recorded.example"),
        (httpx.ConnectTimeout("timed out"), "no connection to recorded.example within"),
        (httpx.ReadTimeout("timed out"), "recorded.example sent nothing for"),
        (
            httpx.UnsupportedProtocol("no such scheme"),
            "the connection to recorded.example was lost",
        ),
    ],
)
def test_its_failures_are_said_in_the_same_words(error, said):
    with pytest.raises(ConnectError, match=said):
        exchange_bytes(Transport(Recorded(failing(error))), post("https://recorded.example/v1/x"))


def test_what_is_no_failure_of_the_network_is_raised_as_it_is():
    with pytest.raises(LookupError, match="no such recording"):
        collect_or_raise(ask(Recorded(failing(LookupError("no such recording")))))


def collect_or_raise(asked: RequestStream) -> None:
    _, error = collect(asked)
    if error is not None:
        raise error


def test_a_refusal_is_read_as_ever():
    body = b'{"error": {"message": "slow down", "code": "RATE_LIMITED"}}'
    _, error = collect(ask(Recorded(answer(body, status=429)), max_retries=0))
    assert isinstance(error, RateLimitError)


def test_a_stream_that_breaks_keeps_what_came():
    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield event("Hel")
            raise httpx.ReadError("[Errno 104] Connection reset by peer")

    events, _ = collect(ask(Recorded(lambda: httpx.Response(200, stream=Breaking()))))
    assert text_of(events) == "Hel"
    assert "was lost: Connection reset by peer" in str(events[-1])


class Passing(httpx.BaseTransport):
    """Wraps a transport, as a recorder does: `extensions` go through untouched."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.seen: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.url.path)
        return self._inner.handle_request(request)


@pytest.fixture
def wrapped() -> Iterator[Passing]:
    with httpx.HTTPTransport() as inner:
        yield Passing(inner)


def test_a_wrapper_of_the_network_works_and_its_connection_is_kept_by_itself(wrapped, provider):
    provider.always(scripted.http(200, "fine"))
    transport = Transport(wrapped)
    for _ in range(3):
        assert exchange_bytes(transport, chat(provider)) == (200, b"fine")
    assert [record.connection for record in provider.requests] == [1, 1, 1]
    assert wrapped.seen == ["/provider/v1/chat/completions"] * 3


def test_an_interrupt_ends_a_read_through_a_wrapper(wrapped, provider):
    provider.play(*scripted.openai_stream("one")[:3], scripted.hang())
    incoming = Transport(wrapped).send(chat(provider))
    until_head(incoming)
    now_s = time.perf_counter()
    incoming.close()
    wait_until(lambda: not reader_threads(), 0.1)
    assert (provider.requests[0].client_left_s or 0) - now_s < 0.1


def test_a_reused_connection_of_a_wrapper_is_not_known_well_enough_to_repeat_silently(
    wrapped, provider
):
    provider.play(scripted.http(200, "fine"))
    provider.always(scripted.cut())
    transport = Transport(wrapped)
    exchange_bytes(transport, chat(provider))
    with pytest.raises(ConnectError, match="was lost"):
        exchange_bytes(transport, chat(provider))
    assert len(provider.posts) == 2


def test_what_a_wrapper_reports_is_counted_as_it_was(wrapped):
    """It calls the hook, so a request that reached no server is known."""
    with scripted.Provider() as gone:
        pass
    incoming = Transport(wrapped).send(chat(gone))
    (end,) = items(incoming)
    assert "Connection refused" in str(end.error)
    assert (incoming.sends, incoming.connecting) == (0, True)


def test_it_is_shared_by_threads_and_never_closed():
    closed = []

    class Watched(Recorded):
        def close(self) -> None:
            closed.append(self)

    inner = Watched(*[answer(b"fine")] * 20)
    transport = Transport(inner)
    readers = [transport.send(post("https://recorded.example/v1/x")) for _ in range(20)]
    for incoming in readers:
        start, body, end = items(incoming)
        assert (type(start), body, end.error) == (ResponseStart, b"fine", None)
    transport.close()
    assert closed == []


def test_an_asynchronous_answer_is_a_mistake_that_is_named():
    class Async(httpx.AsyncByteStream):
        pass

    with pytest.raises(TypeError, match="answered with an asynchronous stream"):
        exchange_bytes(
            Transport(Recorded(lambda: httpx.Response(200, stream=Async()))),
            post("https://recorded.example/v1/x"),
        )
