"""Live and replayed are one: events, reply and ledger, whatever the network did to the answer."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support import provider as scripted
from support.plain_server import CLAUDE, MODEL, collect, reader_threads, request, wait_until
from support.provider import KEY
from support.recordings import load_recordings

from cc_jupyter.cassettes.cassette import Cassette, CassetteFile
from cc_jupyter.cassettes.tape import Tape
from cc_jupyter.client.cassette_transport import CassetteTransport
from cc_jupyter.client.cassette_transport.answers import decoded_answer, is_answered, same_answer
from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.client.errors import provider_errors
from cc_jupyter.client.transport import Transport
from cc_jupyter.commands.cassette import CassetteCommand
from cc_jupyter.config.credentials import Key
from cc_jupyter.config.validators import CassetteChoice
from cc_jupyter.core.errors import CassetteError, ConnectError
from cc_jupyter.core.events import Notice, TextDelta, Waiting
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.core.paths import short_path
from cc_jupyter.core.spellings import spellings
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
from cc_jupyter.usage.ledger import add_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply

HELLO = scripted.openai_stream(["Hel", "lo"])
SLOW_DOWN = scripted.http(429, {"error": {"message": "slow down", "code": "RATE_LIMITED"}})
CHARACTER = scripted.sse({"choices": [{"delta": {"content": "日本 😀"}}]}).pieces[0]
STREAMS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "whole": (HELLO,),
    "as one document": (scripted.openai_json("Hello"),),
    "cut": ((*HELLO[:3], scripted.cut()),),
    "reset": ((*HELLO[:3], scripted.reset()),),
    "ended without a reason": (HELLO[:3],),
    "an error in the stream": (
        (*HELLO[:3], scripted.sse({"error": {"code": "overloaded", "message": "try later"}})),
    ),
    "429 then 200": (SLOW_DOWN, HELLO),
    "429 with a time, then 200": (
        scripted.http(429, "busy", {"retry-after": "0.03"}, content_type="text/plain"),
        HELLO,
    ),
    "no connection, then 200": ((scripted.cut(),), HELLO),
    "refused": (scripted.error(403, "not in your plan", code="upgrade_required"),),
    "refused three times": (SLOW_DOWN, SLOW_DOWN, SLOW_DOWN),
    "a page": (scripted.http(502, "<html>Bad gateway", content_type="text/html"),) * 3,
    "a character between two chunks": (
        (*(scripted.body(CHARACTER[at : at + 1]) for at in range(len(CHARACTER))), HELLO[1:]),
    ),
    "broken UTF-8": (
        (*HELLO[:2], scripted.body(CHARACTER.replace("日".encode(), b"\xff")), *HELLO[2:]),
    ),
    "unknown parts": (
        (*HELLO[:3], scripted.sse({"type": "from.the.future", "x": [1]}), *HELLO[3:]),
    ),
    "gzip": (
        scripted.http(
            200,
            gzip.compress(b"".join(step.pieces[0] for step in HELLO[1:])),
            {"content-encoding": "gzip"},
            content_type="text/event-stream",
        ),
    ),
    "silent": ((*HELLO[:3], scripted.hang()),),
    "held after the end": ((*HELLO, scripted.hang()),),
    "nothing": ((scripted.head(),),),
}


@pytest.fixture
def provider(provider, monkeypatch) -> Iterator[scripted.Provider]:
    """Return the provider, set up for sessions; at the end every reader must have ended."""
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.02)
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    monkeypatch.setenv("CMD_IDLE_TIMEOUT_S", "10")
    yield provider
    wait_until(lambda: not reader_threads())


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "demo.cassette.jsonl"


def opened(path: Path, mode: str, speed: float | None = None) -> Session:
    session = Session()
    session.choices["cassette"] = CassetteChoice(mode, str(path), speed)
    return session


def ask(session: Session, prompt: str = "Hi", **options: Any) -> tuple[list[StreamEvent], Reply]:
    """Return all events but the waits, and the reply."""
    prepared = session.prepare(PromptSpec(prompt, **({"model": MODEL} | options)))
    events, _ = collect(session.stream(prepared))
    (reply,) = session.replies[-1:]
    session.history.flush()
    return [event for event in events if not isinstance(event, Waiting)], reply


def alike(events: list[StreamEvent]) -> list[StreamEvent]:
    """Return events without what says that they are replayed, and with neighbouring texts joined.

    Live, the end of a text that could be the beginning of the key waits for the next event; whoever
    replays knows no key.
    """
    joined: list[StreamEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            joined[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, Notice) and event.retry is not None:
            retry = dataclasses.replace(event.retry, replayed=False)
            joined.append(dataclasses.replace(event, retry=retry))
        else:
            joined.append(event)
    return joined


def shown(reply: Reply) -> dict[str, Any]:
    """Return all of a reply that does not say when it came, or that it was replayed."""
    fields = {each.name: getattr(reply, each.name) for each in dataclasses.fields(reply)}
    for name in ("time_to_first_token_s", "duration_s", "provenance"):
        del fields[name]
    error = fields.pop("error")
    kept = (reply.provenance.request_key, reply.provenance.sample, reply.provenance.request_sha256)
    return fields | {"error": (type(error), str(error), getattr(error, "hint", None)), "kept": kept}


def ledger(session: Session) -> dict[str, Any]:
    """Return the sums of a session, without the money, which a replay does not cost."""
    ids = [reply.provenance.turn_id for reply in session.replies]
    (row,) = add_up(filter(None, map(session.history.record, ids)), "model")
    figures = dataclasses.asdict(row)
    for name in ("reported_usd", "estimated_usd", "unknown_cost"):
        del figures[name]
    return figures


def check_alike(provider, path, monkeypatch, **options: Any) -> Reply:
    live = opened(path, "record")
    events, reply = ask(live, **options)
    sent = len(provider.posts)
    assert sent
    monkeypatch.delenv("CMD_API_KEY")
    replay = opened(path, "replay")
    again, replayed = ask(replay, **options)
    assert alike(again) == alike(events)
    assert shown(replayed) == shown(reply)
    assert ledger(replay) == ledger(live)
    assert len(provider.posts) == sent
    assert (reply.replayed, replayed.replayed) == (False, True)
    assert replayed.provenance.served_by == "replay"
    assert replayed.provenance.replayed_from == "demo.cassette.jsonl"
    assert (replayed.billed.usd, replayed.cost) == (0, reply.cost)
    return replayed


@pytest.mark.parametrize("scripts", STREAMS.values(), ids=STREAMS)
def test_a_stream_is_replayed_as_it_was_live(provider, path, monkeypatch, scripts):
    if scripts is STREAMS["silent"]:
        monkeypatch.setenv("CMD_IDLE_TIMEOUT_S", "0.4")
    for script in scripts:
        provider.play(*script) if isinstance(script, tuple) else provider.play(script)
    check_alike(provider, path, monkeypatch)


def test_an_interrupted_answer_keeps_its_text(provider, path, monkeypatch):
    provider.play(*HELLO[:3], scripted.hang())
    session = opened(path, "record")
    prepared = session.prepare(PromptSpec("Hi", model=MODEL))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  the event comes in between
        for event in (events := session.stream(prepared)):
            if isinstance(event, TextDelta):
                events.throw(KeyboardInterrupt)
    assert session.replies[-1].stop_reason == "interrupted"
    monkeypatch.delenv("CMD_API_KEY")
    _, reply = ask(opened(path, "replay"))
    assert (reply.text, reply.stop_reason) == ("Hel", "error")
    assert "the recording ends here" in str(reply.error)
    # with a key, what failed is sent again
    monkeypatch.setenv("CMD_API_KEY", KEY)
    provider.play(*HELLO)
    _, reply = ask(opened(path, "auto"))
    assert (reply.text, reply.replayed) == ("Hello", False)
    assert is_answered(Cassette(path).find(reply.provenance.request_key, 0))


def test_a_lowered_ceiling_is_two_requests_of_one_sample(provider, path, monkeypatch):
    said = "max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens"
    provider.play(scripted.error(400, said), HELLO)
    reply = check_alike(provider, path, monkeypatch, parameters=Parameters(max_tokens=9000))
    assert reply.notices == ("max_tokens lowered to 4,096, the most the model takes",)
    assert [sample for _, sample in CassetteFile(path).names()] == [0, 0]


def test_an_equal_answer_leaves_the_file_byte_for_byte_and_another_replaces_it(provider, path):
    provider.play(*HELLO)
    ask(opened(path, "record"))
    before = path.read_bytes()
    provider.play(*scripted.openai_stream(["H", "ell", "o"]))  # cut elsewhere
    ask(opened(path, "record"))
    assert path.read_bytes() == before
    provider.play(*scripted.openai_stream("Goodbye"))
    ask(opened(path, "record"))
    assert path.read_bytes() != before
    (name,) = CassetteFile(path).names()
    assert decoded_answer(CassetteFile(path).find(*name)).text == "Goodbye"


def test_a_refusal_does_not_cost_a_recorded_answer(provider, path):
    provider.play(*HELLO)
    ask(opened(path, "record"))
    before = path.read_bytes()
    provider.play(scripted.error(401, "Invalid key"))
    ask(opened(path, "record"))
    assert path.read_bytes() == before


def test_equal_requests_are_samples(provider, path, monkeypatch):
    for word in ("one", "two", "three"):
        provider.play(*scripted.openai_stream(word))
    live = opened(path, "record")
    assert [ask(live, once=True)[1].text for _ in range(3)] == ["one", "two", "three"]
    monkeypatch.delenv("CMD_API_KEY")
    replay = opened(path, "replay")
    assert [ask(replay, once=True)[1].text for _ in range(3)] == ["one", "two", "three"]
    _, reply = ask(replay, once=True)
    assert str(reply.error).endswith("has no sample 3 of this request, only samples 0, 1, 2")
    assert (reply.cost_usd, reply.replayed) == (0, False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompt": "Say  hello"}, "differs in message 1 (user) (white space only)"),
        ({"prompt": "Say goodbye"}, "differs in message 1 (user)"),
        ({"parameters": Parameters(temperature=0.5)}, "differs in temperature (0.2, now 0.5)"),
        ({"parameters": Parameters()}, "differs in temperature (0.2, now none)"),
        (
            {"model": "deepseek/deepseek-v4-pro"},
            "in model (deepseek/deepseek-v4-flash, now",
        ),
        ({"system": "Be brief."}, "differs in message 1"),
    ],
)
def test_a_miss_names_the_nearest_request_and_sends_nothing(
    provider, path, monkeypatch, asked, said
):
    options = {"prompt": "Say hello", "parameters": Parameters(temperature=0.2)}
    provider.play(*HELLO)
    ask(opened(path, "record"), **options)
    ask(opened(path, "record"), "Something else altogether, about glaciers")
    monkeypatch.delenv("CMD_API_KEY")
    _, reply = ask(opened(path, "replay"), **(options | asked))
    assert isinstance(reply.error, CassetteError)
    assert said in str(reply.error)
    assert "\n" not in str(reply.error)
    assert "%cmd cassette diff" in reply.error.hint
    assert len(provider.posts) == 2


def test_auto_replays_what_is_there_and_records_the_rest(provider, path, monkeypatch):
    provider.always(*HELLO)
    assert not ask(opened(path, "auto"), "one")[1].replayed
    assert ask(opened(path, "auto"), "one")[1].replayed
    assert not ask(opened(path, "auto"), "two")[1].replayed
    assert len(provider.posts) == 2
    monkeypatch.delenv("CMD_API_KEY")
    assert ask(opened(path, "auto"), "two")[1].replayed
    _, reply = ask(opened(path, "auto"), "three")
    assert isinstance(reply.error, CassetteError)
    assert len(provider.posts) == 2


def test_a_failure_is_replayed_where_nothing_can_be_sent_and_sent_again_where_it_can(
    provider, path, monkeypatch
):
    provider.play(scripted.error(403, "not in your plan", code="upgrade_required"))
    ask(opened(path, "auto"))
    monkeypatch.delenv("CMD_API_KEY")
    assert "not in your plan" in str(ask(opened(path, "auto"))[1].error)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    provider.play(*HELLO)
    assert ask(opened(path, "auto"))[1].text == "Hello"


def test_replay_looks_up_no_key(provider, path, monkeypatch):
    provider.always(*HELLO)
    ask(opened(path, "record"))
    monkeypatch.delenv("CMD_API_KEY")

    def looked_up(*_: object, **__: object) -> None:
        pytest.fail("a key was looked up")

    monkeypatch.setattr("cc_jupyter.client.endpoint.find_key", looked_up)
    monkeypatch.setattr("cc_jupyter.client.local.model.running", looked_up)
    for mode in ("replay", "auto"):
        assert ask(opened(path, mode))[1].text == "Hello"
    session = opened(path, "replay")
    session.choices["base_url"] = "local"
    assert ask(session)[1].text == "Hello"


def test_an_unknown_model_is_looked_up_nowhere(provider, path, monkeypatch):
    provider.always(*HELLO)
    ask(opened(path, "record"), model="new/model")
    asked = len(provider.requests)
    monkeypatch.setenv("CMD_BASE_URL", "https://api.commandcode.ai/provider/v1")
    assert ask(opened(path, "replay"), model="new/model")[1].text == "Hello"
    assert "differs in model" in str(ask(opened(path, "replay"), model="newer/model")[1].error)
    assert len(provider.requests) == asked


def test_a_replay_costs_no_budget(provider, path, monkeypatch):
    usage = scripted.Tokens(1_000_000, 1_000_000)
    provider.always(*scripted.openai_stream("Hello", usage=usage))
    _, reply = ask(opened(path, "record"))
    monkeypatch.delenv("CMD_API_KEY")
    session = opened(path, "replay")
    session.choices["budget_usd"] = Decimal("0.001")
    _, replayed = ask(session)
    assert replayed.error is None
    assert replayed.cost_usd == reply.cost_usd > 0
    record = session.history.record(replayed.provenance.turn_id)
    assert (record.cost.usd, record.served_by) == (0, "replay")
    assert ledger(session)["requests"] == 1


class Late(httpx.SyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            time.sleep(0.05)
            yield piece


class Foreign(httpx.BaseTransport):
    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        word = {"choices": [{"delta": {"content": f"answer {len(self.sent)}"}}]}
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        events = [f"data: {json.dumps(each)}\n\n".encode() for each in (word, end)]
        return httpx.Response(200, stream=Late(*events))


ENDPOINT = Endpoint("https://recorded.example/v1", Key(KEY, "test"), "recorded.example")


def tape(path: Path, mode: Any, speed: float | None = None) -> Tape:
    return Tape(mode, Cassette(path), same_answer, is_answered, speed)


def stream(transport: httpx.BaseTransport) -> RequestStream:
    return RequestStream(Transport(transport), request(MODEL), ENDPOINT, Limits(0, 5.0))


def words(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_it_wraps_any_transport_and_counts_the_requests_of_a_client_that_does_not(path):
    inner = Foreign()
    recording = CassetteTransport(inner, tape(path, "record"))
    for number in (1, 2):
        assert words(collect(stream(recording))[0]) == f"answer {number}"
    replaying = CassetteTransport(Foreign(), tape(path, "replay"))
    for number in (1, 2):
        assert words(collect(stream(replaying))[0]) == f"answer {number}"
    assert len(inner.sent) == 2
    with pytest.raises(CassetteError, match="has no sample 2"):
        replaying.handle_request(inner.sent[0])


def test_recorded_speed_takes_its_time_and_an_interrupt_ends_it_at_once(path):
    collect(stream(CassetteTransport(Foreign(), tape(path, "record"))))
    took_s = {}
    for speed in (None, 1.0, 4.0):
        start_s = time.perf_counter()
        events, _ = collect(stream(CassetteTransport(Foreign(), tape(path, "replay", speed))))
        took_s[speed] = time.perf_counter() - start_s
        assert words(events) == "answer 1"
    assert took_s[1.0] >= 0.09
    assert took_s[4.0] >= 0.02
    asked = stream(CassetteTransport(Foreign(), tape(path, "replay", 0.01)))
    waker = threading.Timer(0.1, asked.wake)
    waker.start()
    start_s = time.perf_counter()
    _, error = collect(asked)
    wait_until(lambda: not reader_threads())
    assert type(error) is KeyboardInterrupt
    assert time.perf_counter() - start_s < 2.0  # the recording would take ten seconds


class Bodies(httpx.BaseTransport):
    """Answers with one body, cut into small pieces."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        cuts = range(0, len(self._body), 37)
        return httpx.Response(200, stream=Pieces([self._body[at : at + 37] for at in cuts]))


class Pieces(httpx.SyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


@pytest.mark.parametrize("recording", load_recordings(), ids=lambda one: one.name)
def test_every_body_of_the_wire_tests_is_replayed_as_it_was_live(path, recording):
    model = MODEL if recording.wire == "openai" else CLAUDE
    asked = request(model, max_tokens=100)
    outcomes = []
    for mode in ("record", "replay"):
        wrapped = CassetteTransport(Bodies(recording.body), tape(path, mode))
        live = RequestStream(Transport(wrapped), asked, ENDPOINT, Limits(0, 5.0))
        events, error = collect(live)
        wait_until(lambda: not reader_threads())
        outcomes.append(([event for event in events if not isinstance(event, Waiting)], str(error)))
    assert outcomes[0] == outcomes[1]


ECHOES = {
    "plain": [f"the key is {KEY}"],
    "over two events": [f"the key is {KEY[:9]}", f"{KEY[9:]} indeed"],
    "letter by letter": list(f"key {KEY} end"),
    "broken lines": [f"{KEY[:7]}\n{KEY[7:]}"],
    "in base64": [base64.b64encode(f"Bearer {KEY}".encode()).decode()],
    "escaped": ["".join(f"\\u{ord(letter):04x}" for letter in KEY)],
}


@pytest.mark.parametrize("texts", ECHOES.values(), ids=ECHOES)
def test_a_recorded_session_contains_no_key_in_any_spelling(provider, path, monkeypatch, texts):
    provider.play(
        scripted.head(200, {"x-trace-id": KEY}),
        *scripted.openai_stream(texts)[1:],
        scripted.body(f": {KEY}\n\n"),
    )
    provider.play(scripted.error(400, f"the key {KEY} is wrong"))
    live = opened(path, "record")
    _, reply = ask(live, f"Is {KEY} a key?")
    ask(live, "Another")
    text = path.read_text("utf-8")
    assert spellings(KEY).replace(text, "[key]") == text
    monkeypatch.delenv("CMD_API_KEY")
    replay = opened(path, "replay")
    _, replayed = ask(replay, f"Is {KEY} a key?")
    assert replayed.text == reply.text
    assert "[key]" in replayed.text
    for name in CassetteFile(path).names():
        found = CassetteFile(path).find(*name)
        joined = "".join((decoded_answer(found).text, str(found.body)))
        assert spellings(KEY).replace(joined, "[key]") == joined


def test_what_cannot_be_saved_is_said_and_costs_no_answer(provider, path, monkeypatch):
    provider.play(*HELLO)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    session = opened(path, "record")
    monkeypatch.setattr("cc_jupyter.cassettes.cassette.CassetteFile._append", full)
    reply = session.run(session.prepare(PromptSpec("Hi", model=MODEL)), NullRenderer())
    assert (reply.text, reply.error) == ("Hello", None)
    assert "not recorded: " in reply.notices[-1]
    assert reply.notices[-1].endswith("cannot be written: No space left on device")


@pytest.mark.parametrize("damage", ["conflict", "read-only", "folder", "link"])
def test_nothing_is_sent_that_cannot_be_recorded(provider, path, damage):
    provider.play(*HELLO)
    ask(opened(path, "record"))
    match damage:
        case "conflict":
            path.write_bytes(b"<<<<<<< HEAD\n" + path.read_bytes())
        case "read-only":
            path.chmod(0o444)
        case "folder":
            path.unlink()
            path.mkdir()
        case "link":
            path.rename(path.with_name("other"))
            path.symlink_to(path.with_name("other"))
    _, reply = ask(opened(path, "record"), "more")
    assert isinstance(reply.error, CassetteError)
    assert reply.cost_usd == 0
    assert len(provider.posts) == 1


@pytest.mark.parametrize("is_made_by", ["file", "folder"])
def test_auto_goes_on_with_a_read_only_cassette_and_says_so_once(
    provider, path, monkeypatch, is_made_by
):
    provider.play(*HELLO)
    ask(opened(path, "record"))
    before = path.read_bytes()
    if is_made_by == "file":
        path.chmod(0o444)
    else:  # as on a file system that is mounted so
        access = os.access
        monkeypatch.setattr(os, "access", lambda name, mode: mode != os.W_OK and access(name, mode))
    session = opened(path, "auto")
    _, known = ask(session)
    assert (known.text, known.replayed, known.notices) == ("Hello", True, ())
    provider.always(*HELLO)
    replies = [ask(session, prompt)[1] for prompt in ("more", "and more")]
    assert [(each.text, each.error, each.replayed) for each in replies] == [
        ("Hello", None, False)
    ] * 2
    assert replies[0].notices == (f"not recorded: {short_path(path)} is read-only",)
    assert replies[1].notices == ()
    assert path.read_bytes() == before


def test_the_command_says_that_a_read_only_cassette_records_nothing_new(provider, path):
    provider.play(*HELLO)
    ask(opened(path, "record"))
    path.chmod(0o444)
    session = Session()
    said = str(CassetteCommand(session).cassette("auto", str(path)))
    assert said.startswith("recorded answers come from ")
    assert said.endswith(f"; {short_path(path)} is read-only, new ones are not saved")
    provider.play(*HELLO)
    assert ask(session, "more")[1].notices == ()


def test_a_wrapped_transport_goes_on_with_a_read_only_cassette(provider, path):
    provider.always(*HELLO)
    ask(opened(path, "record"))
    path.chmod(0o444)
    before = path.read_bytes()
    tape = opened(path, "auto").tape()
    with httpx.Client(transport=CassetteTransport(httpx.HTTPTransport(), tape)) as client:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi, Claude"}]}
        response = client.post(f"{provider.base_url}/chat/completions", json=body)
    assert response.status_code == 200
    assert path.read_bytes() == before


@pytest.mark.parametrize("speed", [None, 20.0])
def test_a_replayed_answer_has_the_times_of_its_recording(provider, path, speed):
    provider.play(*scripted.openai_stream(["one", " two", " three"], pause_s=0.2))
    ask(opened(path, "record"))
    _, reply = ask(opened(path, "replay", speed))
    (recording,) = (CassetteFile(path).find(*name) for name in CassetteFile(path).names())
    assert reply.duration_s == recording.last.ended_ms / 1000
    assert 0.19 < reply.time_to_first_token_s < 0.5 < reply.duration_s


def test_a_server_that_is_not_there_is_recorded_and_asked_again(provider, path, monkeypatch):
    with scripted.Provider() as gone:
        monkeypatch.setenv("CMD_BASE_URL", gone.base_url)
    events, reply = ask(opened(path, "record"))
    assert isinstance(reply.error, ConnectError)
    again, replayed = ask(opened(path, "replay"))
    assert (alike(again), str(replayed.error)) == (alike(events), str(reply.error))
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    provider.play(*HELLO)
    assert ask(opened(path, "auto"))[1].text == "Hello"
