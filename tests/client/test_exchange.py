"""One request and its answer: what is sent again and what never is, and how an answer ends."""

from __future__ import annotations

import hashlib
import itertools
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted
from support.plain_server import (
    CLAUDE,
    MODEL,
    Blackhole,
    chat,
    collect,
    exchange,
    items,
    open_sockets,
    reader_threads,
    text_of,
    wait_until,
)
from support.provider import Provider

from cc_jupyter.client.errors import provider_errors
from cc_jupyter.client.transport import TIMED_OUT
from cc_jupyter.core.errors import (
    AuthError,
    ConnectError,
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)
from cc_jupyter.core.events import Error, Notice, Stop, TextDelta, Usage, Waiting

if TYPE_CHECKING:
    from cc_jupyter.core.events import StreamEvent

GOOD = scripted.answer(["Hel", "lo"])
BOTH = pytest.mark.parametrize("model", [MODEL, CLAUDE])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses of our own choosing be short."""
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.01)


def notices(events: list[StreamEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


def answered(events: list[StreamEvent]) -> bool:
    return isinstance(events[-1], Stop) and text_of(events) == "Hello"


# ── what is sent again


AGAIN: dict[str, tuple[Any, ...]] = {
    "a cut before any byte": (scripted.cut(),),
    "a reset before any byte": (scripted.reset(),),
    "a cut head": (scripted.raw("HTTP/1.1 200 OK\r\ncontent-"), scripted.cut()),
    "no HTTP": (scripted.raw("hello\r\n\r\n"), scripted.cut()),
    "408": (scripted.error(408),),
    "429 without a window": (scripted.error(429),),
    "500": (scripted.error(500),),
    "502 as HTML": (scripted.error(502, body="<html>bad</html>", content_type="text/html"),),
    "503 without a body": (scripted.error(503, body=""),),
    "504": (scripted.error(504),),
    "520": (scripted.error(520),),
    "529": (scripted.error(529),),
}


@BOTH
@pytest.mark.parametrize("what", AGAIN)
@pytest.mark.usefixtures("quick")
def test_what_broke_before_the_first_event_is_sent_again_and_said(what, model, provider, transport):
    provider.play(*AGAIN[what])
    provider.play(*AGAIN[what])
    provider.play(GOOD)
    events, error = collect(exchange(provider, transport, model))
    assert error is None
    assert answered(events)
    assert len(provider.posts) == 3
    said = notices(events)
    assert [notice.rpartition("(")[2] for notice in said] == ["try 1 of 2)", "try 2 of 2)"]
    assert all("; sent again after 0.0 s" in notice for notice in said)
    assert len({record.body for record in provider.posts}) == 1


@pytest.mark.parametrize("what", AGAIN)
@pytest.mark.parametrize("max_retries", [0, 1, 3])
@pytest.mark.usefixtures("quick")
def test_it_is_sent_again_as_often_as_was_permitted_and_then_fails(
    what, max_retries, provider, transport
):
    provider.always(*AGAIN[what])
    events, error = collect(exchange(provider, transport, max_retries=max_retries))
    assert isinstance(error, (ConnectError, StatusError))
    assert len(provider.posts) == 1 + max_retries
    assert len(notices(events)) == max_retries


@pytest.mark.usefixtures("quick")
def test_a_refused_connection_is_tried_again(transport):
    with Provider() as provider:
        pass
    events, error = collect(exchange(provider, transport))
    assert isinstance(error, ConnectError)
    assert str(error).endswith("Connection refused")
    assert len(notices(events)) == 2


NEVER: dict[str, tuple[Any, type[StatusError]]] = {
    "400": (scripted.error(400), StatusError),
    "an unknown model": (scripted.error(400, code="unsupported_model"), ModelError),
    "401": (scripted.error(401), AuthError),
    "402": (scripted.error(402), CreditError),
    "403": (scripted.error(403, code="upgrade_required"), PlanError),
    "404": (scripted.error(404), StatusError),
    "405": (scripted.error(405), StatusError),
    "413": (scripted.error(413, body=""), StatusError),
    "422": (scripted.error(422, code="cmd_zdr_no_providers"), ModelError),
    "418": (scripted.error(418), StatusError),
    "301": (scripted.http(301, "", {"location": "https://evil.example/"}), StatusError),
    "204": (scripted.http(204, ""), StatusError),
    "a used-up window": (
        scripted.error(
            429,
            body={
                "error": {
                    "message": "wait",
                    "code": "RATE_LIMITED",
                    "rateLimit": {"window": "fiveHour", "reset": 4_000_000_000},
                }
            },
        ),
        RateLimitError,
    ),
    "a 500 that says the credits are used up": (
        scripted.error(500, "Insufficient credits"),
        CreditError,
    ),
}


@BOTH
@pytest.mark.parametrize("what", NEVER)
def test_a_final_refusal_is_never_sent_again(what, model, provider, transport):
    answer, kind = NEVER[what]
    provider.always(answer)
    events, error = collect(exchange(provider, transport, model, max_retries=5))
    assert type(error) is kind
    assert len(provider.posts) == 1
    assert notices(events) == []


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://evil.test/v1", "https://evil.test/v1"),
        ("https://user:pa55word@evil.test/v1?token=pa55word#pa55word", "https://evil.test/v1"),
        ("//user:pa55word@evil.test/", "https://evil.test/"),
        ("/login?next=pa55word", "/login"),
        ("javascript:x", "javascript:x"),
        ("", "elsewhere"),
        ("?pa55word", "elsewhere"),
    ],
)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_a_redirect_is_a_final_error_that_names_where_it_leads(status, location, said, transport):
    with Provider() as provider:
        provider.always(scripted.http(status, "", {"location": location}))
        events, error = collect(exchange(provider, transport, max_retries=5))
        assert len(provider.posts) == 1
    assert notices(events) == []
    assert str(error) == f"the server redirects to {said} ({status})"
    assert "nothing was sent there" in (error.hint or "")


def broken_chunk(size: str) -> tuple[Any, ...]:
    head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return (scripted.raw(f"{head}{size}\r\nrubbish"), scripted.pause(0.05), scripted.cut())


ACCEPTED: dict[str, tuple[Any, ...]] = {
    "a cut before the first event": (scripted.head(), scripted.cut()),
    "a reset before the first event": (scripted.head(), scripted.pause(0.05), scripted.reset()),
    "a cut after a comment": (scripted.head(), scripted.body(": hi\n\n"), scripted.cut()),
    "a cut within the first event": (scripted.head(), scripted.body("data: {"), scripted.cut()),
    "a chunk whose size is no number": broken_chunk("xyz"),
    "a chunk that is too short": broken_chunk("ffff"),
    "an encoding that cannot be read": (
        scripted.head(200, {"content-encoding": "br"}),
        scripted.body(b"\x8b\x0a\x80 brotli, or so it says \x00\x01"),
    ),
    "gzip that breaks": (
        scripted.head(200, {"content-encoding": "gzip"}),
        scripted.body(b"\x1f\x8b\x08" + b"\xff" * 40),
    ),
    "a body shorter than announced": (
        scripted.raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"),
        scripted.cut(),
    ),
    "201": (scripted.http(201, "{}"),),
    "202 with a pause": (scripted.http(202, "", {"retry-after": "0"}),),
    "204": (scripted.http(204, ""),),
    "206": (scripted.http(206, "{}"),),
    "a 2xx that names a ceiling": (
        scripted.http(207, '{"error": {"message": "max_tokens: 500 > 100, the maximum"}}'),
    ),
}


@BOTH
@pytest.mark.parametrize("what", ACCEPTED)
@pytest.mark.parametrize("is_reused", [False, True])
@pytest.mark.usefixtures("quick")
def test_once_the_server_accepted_nothing_is_sent_again(
    is_reused, what, model, provider, transport
):
    before = 0
    if is_reused:
        provider.play(GOOD)
        collect(exchange(provider, transport, model))
        before = 1
    provider.always(*ACCEPTED[what])
    asked = exchange(provider, transport, model, max_retries=5, max_tokens=500)
    events, error = collect(asked)
    assert isinstance(error, (ConnectError, StatusError)) or isinstance(events[-1], Error)
    assert notices(events) == []
    assert len(provider.posts) == before + 1
    assert asked.requests_sent == 1


def test_an_encoding_that_cannot_be_read_is_named(provider, transport):
    provider.always(*ACCEPTED["an encoding that cannot be read"])
    _, error = collect(exchange(provider, transport))
    assert f"127.0.0.1:{provider.port} is compressed in a way that cannot be read: br" in str(error)


# ── how often it was sent


REPEATS: dict[str, tuple[tuple[Any, ...], int, list[str]]] = {
    "an answer": ((GOOD,), 1, []),
    "a refusal": ((scripted.error(400),), 1, []),
    "a dead connection, once": ((scripted.cut(), GOOD), 2, []),
    "a dead connection, then a 503": (
        (scripted.cut(), scripted.error(503), GOOD),
        3,
        ["try 1 of 2, after one silent repeat)"],
    ),
    "a dead connection every time": (
        (scripted.cut(),) * 9,
        4,
        ["try 1 of 2, after one silent repeat)", "try 2 of 2, after one silent repeat)"],
    ),
    "a reset every time": (
        (scripted.reset(),) * 9,
        4,
        ["try 1 of 2, after one silent repeat)", "try 2 of 2, after one silent repeat)"],
    ),
    "a 503 every time": ((scripted.error(503),) * 9, 3, ["try 1 of 2)", "try 2 of 2)"]),
}


@pytest.mark.parametrize("what", REPEATS)
@pytest.mark.usefixtures("quick")
def test_repeats_are_bounded_and_counted_truthfully(what, provider, transport):
    """Several connections are kept and each of them dies, yet there is one silent repeat."""
    provider.always(scripted.wait("go"), *scripted.http(200, "fine"))
    kept = [transport.send(chat(provider)) for _ in range(3)]
    provider.wait_for_requests(3)
    provider.gate("go").set()
    for incoming in kept:
        list(items(incoming))
        incoming.close()
    provider.clear()
    answers, count, said = REPEATS[what]
    for answer in answers:
        provider.play(answer)
    asked = exchange(provider, transport)
    events, _ = collect(asked)
    assert len(provider.posts) == asked.requests_sent == count
    assert [notice.rpartition("(")[2] for notice in notices(events)] == said


def test_a_request_that_reached_no_server_is_not_counted(transport, monkeypatch):
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.01)
    with Provider() as provider:
        pass
    asked = exchange(provider, transport)
    collect(asked)
    assert asked.requests_sent == 0


@BOTH
def test_after_the_first_event_nothing_is_sent_again(model, provider, transport):
    provider.play(*scripted.openai_stream(["Hel"])[:3], scripted.cut())
    if model == CLAUDE:
        provider.clear()
        provider.play(*scripted.anthropic_stream(["Hel"])[:5], scripted.reset())
    events, error = collect(exchange(provider, transport, model))
    assert error is None
    assert isinstance(events[-1], Error)
    assert "the connection to 127.0.0.1" in events[-1].message
    assert "was lost" in events[-1].message
    assert len(provider.posts) == 1
    assert notices(events) == []


def test_a_silent_provider_is_not_asked_twice(provider, transport):
    provider.always(scripted.hang())
    events, error = collect(exchange(provider, transport, idle_timeout_s=0.3))
    assert isinstance(error, ConnectError)
    assert error.code == TIMED_OUT
    assert len(provider.wait_for_requests(1)) == 1
    assert notices(events) == []
    assert events[-1].phase == "first text"


def test_a_dead_kept_connection_is_replaced_without_a_word(provider, transport):
    provider.always(GOOD)
    collect(exchange(provider, transport))
    provider.play(scripted.cut())
    events, error = collect(exchange(provider, transport))
    assert (error, notices(events)) == (None, [])
    assert [record.connection for record in provider.posts] == [1, 1, 2]


def test_with_no_retries_nothing_at_all_is_repeated(provider, transport):
    """Not a dead connection, not a 503, not the repair of a ceiling."""
    provider.always(GOOD)
    collect(exchange(provider, transport))
    for answer in (scripted.cut(), scripted.error(503), ceiling(500, 100)):
        provider.play(answer)
        before = len(provider.posts)
        events, error = collect(exchange(provider, transport, max_retries=0, max_tokens=500))
        assert isinstance(error, (ConnectError, StatusError))
        assert len(provider.posts) == before + 1
        assert notices(events) == []


# ── pauses


@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({"retry-after": "0"}, 0, 0.9),
        ({"retry-after": "0.15"}, 0.15, 0.9),
        ({"retry-after-ms": "150"}, 0.15, 0.9),
        ({"retry-after": "rubbish"}, 0, 0.9),
        ({"retry-after": "-5"}, 0, 0.9),
        ({}, 0, 0.9),
    ],
)
@pytest.mark.usefixtures("quick")
def test_the_pause_the_provider_asks_for_is_kept(headers, least_s, most_s, provider, transport):
    provider.play(scripted.error(429, headers=headers))
    provider.play(GOOD)
    collect(exchange(provider, transport))
    first, second = provider.posts
    assert least_s <= second.received_s - first.received_s < most_s


def test_a_date_to_come_back_at_is_kept(provider, transport):
    at = datetime.now(UTC) + timedelta(seconds=1.2)  # the header has whole seconds
    provider.play(scripted.error(503, headers={"retry-after": format_datetime(at, usegmt=True)}))
    provider.play(GOOD)
    events, _ = collect(exchange(provider, transport))
    assert answered(events)
    assert provider.posts[1].received_s - provider.posts[0].received_s < 2.5


SERVER_CLOCKS = pytest.mark.parametrize("ahead", [timedelta(days=-30), timedelta(hours=1)], ids=str)


@SERVER_CLOCKS
def test_a_date_to_come_back_at_is_meant_by_the_servers_clock(ahead, provider, transport):
    now = datetime.now(UTC) + ahead
    dates = {"date": now, "retry-after": now + timedelta(seconds=45)}
    headers = {name: format_datetime(at, usegmt=True) for name, at in dates.items()}
    provider.play(scripted.error(429, headers=headers))
    _, error = collect(exchange(provider, transport))
    assert isinstance(error, RateLimitError)
    assert error.retry_after_s == 45


@SERVER_CLOCKS
def test_a_time_in_a_stream_is_meant_by_the_servers_clock(ahead, provider, transport):
    now = datetime.now(UTC) + ahead
    again = f"{now + timedelta(seconds=45):%Y-%m-%dT%H:%M:%SZ}"
    date = {"date": format_datetime(now, usegmt=True)}
    message = {"error": {"message": f"Overloaded, try again at {again}", "code": 529}}
    provider.play(scripted.head(200, date), scripted.sse(message))
    events, _ = collect(exchange(provider, transport))
    assert isinstance(events[-1], Error)
    assert events[-1].retry_after_s == pytest.approx(45, abs=15)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_of_more_than_half_a_minute_is_shown_and_not_slept(status, provider, transport):
    provider.always(scripted.error(status, headers={"retry-after": "31"}))
    start_s = time.monotonic()
    _, error = collect(exchange(provider, transport))
    assert time.monotonic() - start_s < 1
    assert isinstance(error, StatusError)
    assert error.retry_after_s == 31
    assert "asks to wait 31 s" in (error.hint or "")
    assert len(provider.posts) == 1


def test_our_own_pauses_double_with_jitter_and_stay_bounded():
    for tries, longest_s in ((0, 0.5), (1, 1), (2, 2), (3, 4), (10, 30), (10_000, 30)):
        pauses = {provider_errors.backoff_s(tries) for _ in range(200)}
        assert longest_s / 2 <= min(pauses) < max(pauses) <= longest_s
        assert len(pauses) > 100


def test_a_waiting_request_says_so_all_the_time_and_can_be_interrupted(provider, transport):
    provider.always(scripted.error(503, headers={"retry-after": "20"}))
    asked = exchange(provider, transport)
    waits: list[float] = []

    def interrupt(event: StreamEvent) -> None:
        if isinstance(event, Waiting) and event.phase == "retry":
            waits.append(time.monotonic())
            if len(waits) == 3:
                asked.wake()

    _, error = collect(asked, interrupt)
    assert type(error) is KeyboardInterrupt
    assert time.monotonic() - waits[2] < 0.5
    assert len(provider.posts) == 1


def test_an_interrupt_between_two_tries_sends_nothing_more(provider, transport):
    provider.always(scripted.error(503, headers={"retry-after": "0"}))
    asked = exchange(provider, transport)
    _, error = collect(asked, lambda event: isinstance(event, Notice) and asked.wake())
    assert type(error) is KeyboardInterrupt
    assert len(provider.posts) == 1


def test_an_interrupt_before_the_start_sends_nothing_at_all(provider, transport, monkeypatch):
    monkeypatch.setattr(transport, "send", lambda _: pytest.fail("it was sent"))
    asked = exchange(provider, transport)
    asked.wake()
    events, error = collect(asked)
    assert (events, type(error)) == ([], KeyboardInterrupt)
    assert provider.posts == []


# ── the one repair


def ceiling(asked: int, most: int) -> Any:
    return scripted.error(
        400, f"max_tokens: {asked} > {most}, which is the maximum allowed number of output tokens"
    )


@BOTH
def test_a_ceiling_the_provider_names_is_used_once_and_said(model, provider, transport):
    provider.play(ceiling(500, 100))
    provider.play(GOOD)
    events, error = collect(exchange(provider, transport, model, max_tokens=500))
    assert error is None
    assert answered(events)
    assert [record.json["max_tokens"] for record in provider.posts] == [500, 100]
    assert notices(events) == ["max_tokens lowered to 100, the most the model takes"]


def test_a_second_ceiling_is_an_error(provider, transport):
    provider.play(ceiling(500, 100))
    provider.always(ceiling(100, 50))
    _, error = collect(exchange(provider, transport, max_tokens=500))
    assert isinstance(error, StatusError)
    assert len(provider.posts) == 2


@pytest.mark.usefixtures("quick")
def test_the_repair_is_not_counted_as_a_retry_and_outlives_one(provider, transport):
    provider.play(scripted.error(503))
    provider.play(ceiling(500, 100))
    provider.play(GOOD)
    events, error = collect(exchange(provider, transport, max_retries=1, max_tokens=500))
    assert error is None
    assert answered(events)
    provider.play(ceiling(500, 100))
    provider.play(scripted.error(503))
    provider.play(GOOD)
    collect(exchange(provider, transport, max_retries=1, max_tokens=500))
    limits = [record.json["max_tokens"] for record in provider.posts]
    assert limits == [500, 500, 100, 500, 100, 100]


# ── what is sent


@BOTH
@pytest.mark.parametrize("zdr", [False, True])
def test_the_headers_are_these_and_no_others(model, zdr, provider, transport):
    provider.play(GOOD)
    collect(exchange(provider, transport, model, zdr=zdr))
    (record,) = provider.posts
    host, agent = f"127.0.0.1:{provider.port}", record.headers["user-agent"]
    assert record.headers == {
        "host": host,
        "authorization": f"Bearer {scripted.KEY}",
        "content-type": "application/json",
        "content-length": str(len(record.body)),
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": agent,
        **({"anthropic-version": "2023-06-01"} if model == CLAUDE else {}),
        **({"x-cmd-zdr": "1"} if zdr else {}),
    }
    assert agent.startswith("cc_jupyter/")


@pytest.mark.usefixtures("quick")
def test_a_request_for_zero_data_retention_is_never_repeated_without_it(provider, transport):
    provider.play(GOOD)
    provider.play(scripted.cut())  # the silent one
    provider.play(scripted.error(503))
    provider.play(ceiling(500, 100))
    provider.play(scripted.error(529))
    provider.play(GOOD)
    collect(exchange(provider, transport))
    collect(exchange(provider, transport, zdr=True, max_tokens=500))
    marks = [record.headers.get("x-cmd-zdr") for record in provider.posts]
    assert marks == [None, "1", "1", "1", "1", "1"]


def test_the_fingerprint_is_of_the_body_as_it_was_sent(provider, transport):
    provider.play(ceiling(500, 100))
    provider.play(GOOD)
    asked = exchange(provider, transport, prompt="ü {x} $y \u2028 🙂", max_tokens=500)
    collect(asked)
    assert asked.body_sha256 == hashlib.sha256(provider.posts[-1].body).hexdigest()
    assert provider.posts[-1].json["messages"][-1]["content"] == "ü {x} $y \u2028 🙂"


# ── how an answer ends


def lasted_s(events_of: Any) -> tuple[list[StreamEvent], float]:
    start_s = time.monotonic()
    events, error = collect(events_of)
    assert error is None
    return events, time.monotonic() - start_s


def held(*steps: Any) -> tuple[Any, ...]:
    return (*steps, scripted.hang())


@BOTH
def test_a_server_that_holds_the_line_after_the_end_mark_does_not_hold_the_cell(
    model, provider, transport
):
    build = scripted.anthropic_stream if model == CLAUDE else scripted.openai_stream
    provider.play(*held(*build(["Hel", "lo"])))
    events, took_s = lasted_s(exchange(provider, transport, model))
    assert answered(events)
    assert any(isinstance(event, Usage) for event in events)
    assert took_s < 0.5
    provider.requests[0].wait_until_over()


@pytest.mark.parametrize("usage", ["auto", None])
@pytest.mark.parametrize("pings", [False, True])
def test_after_the_reason_for_the_end_a_held_line_costs_two_seconds_at_most(
    usage, pings, provider, transport, monkeypatch
):
    monkeypatch.setattr("cc_jupyter.client.client._TRAILER_TIMEOUT_S", 0.2)
    steps = scripted.openai_stream(["Hel", "lo"], usage=usage, done=False)
    ping = [step for _ in range(300) for step in (scripted.pause(0.01), scripted.body(":\n\n"))]
    provider.play(*held(*steps, *(ping if pings else ())))
    events, took_s = lasted_s(exchange(provider, transport))
    assert answered(events)
    assert 0.2 <= took_s < 1
    assert any(isinstance(event, Usage) for event in events) is (usage == "auto")


def test_usage_that_comes_a_second_after_the_reason_is_still_read(provider, transport):
    steps = scripted.openai_stream(["Hel", "lo"])
    provider.play(*steps[:-2], scripted.pause(1.0), *held(*steps[-2:]))
    events, _ = lasted_s(exchange(provider, transport))
    assert any(isinstance(event, Usage) for event in events)


def test_a_connection_is_kept_after_an_answer_that_ended_well(provider, transport):
    provider.always(GOOD)
    for _ in range(10):
        collect(exchange(provider, transport))
    assert {record.connection for record in provider.posts} == {1}


@pytest.mark.parametrize("form", ["trickles", "hangs", "is cut"])
def test_a_refusal_whose_body_never_ends_is_told_by_its_status(
    form, provider, transport, monkeypatch
):
    monkeypatch.setattr("cc_jupyter.client.client._REFUSAL_S", 0.3)
    drops = [step for _ in range(200) for step in (scripted.body(" "), scripted.pause(0.05))]
    more = {"trickles": drops, "hangs": [scripted.hang()], "is cut": [scripted.cut()]}[form]
    provider.play(scripted.head(401, content_type="application/json"), *more)
    start_s = time.monotonic()
    events, error = collect(exchange(provider, transport))
    assert time.monotonic() - start_s < 1
    assert type(error) is AuthError
    assert "refused the key (401)" in str(error)
    if form == "hangs":
        assert sum(isinstance(event, Waiting) for event in events) >= 4


def test_what_came_of_a_refusal_that_hangs_is_still_read(provider, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.client._REFUSAL_S", 0.2)
    body = '{"error": {"message": "gone", "code": "unsupported_model"}}'
    provider.play(scripted.head(400), scripted.body(body), scripted.hang())
    _, error = collect(exchange(provider, transport))
    assert type(error) is ModelError


def test_an_interrupt_ends_the_reading_of_a_refusal(provider, transport):
    provider.play(scripted.head(503), scripted.hang())
    asked = exchange(provider, transport)
    start_s = time.monotonic()

    def interrupt(event: StreamEvent) -> None:
        if isinstance(event, Waiting) and provider.posts and provider.posts[0].status == 503:
            asked.wake()

    _, error = collect(asked, interrupt)
    assert type(error) is KeyboardInterrupt
    assert time.monotonic() - start_s < 1


# ── silence


def test_a_stalled_stream_tells_how_long_nothing_came_until_it_is_given_up(provider, transport):
    provider.play(*scripted.openai_stream(["Hel"])[:3], scripted.hang())
    events, error = collect(exchange(provider, transport, idle_timeout_s=0.5))
    assert error is None
    silent_s = [event.silent_s for event in events if isinstance(event, Waiting)][-8:]
    assert {event.phase for event in events if isinstance(event, Waiting)} <= {
        "connecting",
        "first text",
        "more text",
    }
    assert silent_s == sorted(silent_s)
    assert silent_s[-1] > 0.4
    assert isinstance(events[-1], Error)
    assert "sent nothing for 0.5 s" in events[-1].message
    assert text_of(events) == "Hel"


def test_pings_count_as_life_and_leave_the_screen_its_moments(provider, transport):
    ping = [step for _ in range(60) for step in (scripted.pause(0.01), scripted.body(":\n\n"))]
    steps = scripted.openai_stream(["Hel", "lo"])
    provider.play(*steps[:3], *ping, *steps[3:])
    events, error = collect(exchange(provider, transport, idle_timeout_s=0.3))
    assert error is None
    assert answered(events)
    waits = [event for event in events if isinstance(event, Waiting)]
    assert len(waits) >= 8  # 0.6 s of pings, a tick each 36 ms
    assert max(wait.silent_s for wait in waits if wait.phase == "more text") < 0.3


def test_while_a_connection_is_made_it_says_so(transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.client.trace_hook.CONNECT_TIMEOUT_S", 0.2)
    with Blackhole() as blackhole:
        events, error = collect(exchange(blackhole, transport, max_retries=0))
    assert isinstance(error, ConnectError)
    assert {event.phase for event in events if isinstance(event, Waiting)} == {"connecting"}


# ── interrupts, as the session gives them


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_interrupt_keeps_the_text_that_came_and_ends_the_connection(after, provider, transport):
    steps = scripted.openai_stream(list("abcdefgh"), pause_s=0.02)
    provider.play(*steps[: 2 + 2 * after], scripted.hang())
    asked = exchange(provider, transport)
    woken_s: list[float] = []

    def interrupt(event: StreamEvent) -> None:
        said.append(event)
        if len(text_of(said)) == after and isinstance(event, (Waiting, TextDelta)):
            woken_s.append(time.perf_counter())
            asked.wake()

    said: list[StreamEvent] = []
    came, error = collect(asked, interrupt)
    assert type(error) is KeyboardInterrupt
    assert time.perf_counter() - woken_s[0] < 0.1
    assert text_of(came) == "abcdefgh"[:after]
    provider.requests[0].wait_until_over()
    assert (provider.requests[0].client_left_s or 0) - woken_s[0] < 0.1


def test_an_interrupt_amid_a_burst_ends_the_connection_first_and_keeps_all_that_came(
    provider, transport
):
    event = scripted.sse({"choices": [{"index": 0, "delta": {"content": "x"}}]})
    provider.play(*[scripted.body(event.pieces[0] * 5)] * 50_000, scripted.hang())
    asked = exchange(provider, transport)
    closed: list[bool] = []

    def interrupt(event: StreamEvent) -> None:
        if closed:
            time.sleep(0.0001)  # a screen that takes its time over what has come
            closed.append(asked._incoming._closed)
        elif isinstance(event, TextDelta):
            # much has come by then that was not shown yet
            wait_until(lambda: len(provider.requests[0].sent_s) > 2_000)
            wait_until(lambda: asked._incoming._items.qsize() > 3)
            closed.append(False)
            asked.wake()

    came, error = collect(asked, interrupt)
    assert type(error) is KeyboardInterrupt
    assert closed[-1]  # while what had come was still being shown
    assert 0 < len(text_of(came)) < 250_000
    provider.requests[0].wait_until_over()
    assert provider.requests[0].client_left_s is not None


def test_leaving_the_iteration_ends_the_connection(provider, transport):
    provider.play(*scripted.openai_stream(["Hel"])[:3], scripted.hang())
    events = iter(exchange(provider, transport))
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()
    now_s = time.perf_counter()
    provider.requests[0].wait_until_over()
    assert (provider.requests[0].client_left_s or 0) - now_s < 0.1


# ── everything at once


@pytest.mark.usefixtures("quick")
def test_whatever_goes_wrong_an_answer_ends_in_one_way_and_leaves_nothing(provider, transport):
    stream = scripted.openai_stream(["Hel", "lo"])
    faults = [
        (GOOD,),
        *AGAIN.values(),
        *((answer,) for answer, _ in NEVER.values()),
        *((*stream[:cut], scripted.cut()) for cut in range(1, len(stream))),
        *((*stream[:cut], scripted.reset()) for cut in range(1, len(stream))),
        (scripted.head(), scripted.body("<html>")),
        (scripted.head(), scripted.body("data: {\n\n")),
    ]
    collect(exchange(provider, transport))
    sockets = open_sockets()
    for fault, max_retries in itertools.product(faults, (0, 1)):
        provider.play(*fault)
        events, error = collect(exchange(provider, transport, max_retries=max_retries))
        ends = [event for event in events if isinstance(event, (Stop, Error))]
        assert len(ends) == (0 if error else 1)
        assert error is None or isinstance(error, (ConnectError, StatusError))
    wait_until(lambda: not reader_threads())
    wait_until(lambda: open_sockets() <= sockets)
