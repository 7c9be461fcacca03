"""From a question to its reply over a real socket: cost, fingerprint, a key that never shows."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from types import FrameType, FunctionType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted
from support.plain_server import CLAUDE, MODEL, open_sockets, reader_threads, wait_until
from support.provider import Tokens

from cc_jupyter.client.errors import provider_errors
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.errors import ConnectError, ProviderError, StreamError
from cc_jupyter.core.events import ReasoningDelta, TextDelta
from cc_jupyter.core.messages import PromptSpec
from cc_jupyter.core.money import NOTHING_BILLED, UNKNOWN_COST, Cost
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.render.usage_line import usage_line
from cc_jupyter.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.core.reply import Reply

OFF_PEAK = datetime(2026, 11, 21, 3, tzinfo=UTC)  # a Saturday
PEAK = datetime(2026, 11, 23, 3, tzinfo=UTC)  # a Monday
CHAT = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


@pytest.fixture
def session(provider, monkeypatch) -> Iterator[Session]:
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.01)
    opened = Session(now=lambda: OFF_PEAK)
    yield opened
    opened.transport.close()
    wait_until(lambda: not reader_threads())


def run(session: Session, prompt: str = "hi", **options: Any) -> Reply:
    return session.run(
        session.prepare(PromptSpec(prompt, **({"model": MODEL} | options))), NullRenderer()
    )


# ── what is known of an answer


def test_a_known_model_costs_nothing_but_its_one_request(session, provider):
    run(session)
    assert [(record.method, record.path) for record in provider.requests] == [
        ("POST", "/provider/v1/chat/completions")
    ]


@pytest.mark.parametrize(
    ("now", "usd"),
    [
        (OFF_PEAK, Decimal("0.75")),  # a million in at 0.15, a million out at 0.6
        (PEAK, Decimal("1.50")),
    ],
)
def test_the_cost_is_that_of_the_instant_of_sending(now, usd, provider, session):
    provider.play(scripted.answer("x", usage=Tokens(1_000_000, 1_000_000)))
    session.history.now = lambda: now
    reply = run(session)
    assert (reply.cost_usd, reply.cost.origin) == (usd, "reported")


def test_an_answer_without_usage_has_an_unknown_cost_and_not_zero(session, provider):
    provider.play(scripted.answer("x", usage=None))
    reply = run(session)
    assert (reply.cost_usd, reply.cost.origin) == (None, "unknown")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (None, None)


def test_a_model_without_a_price_has_an_unknown_cost(session, provider):
    provider.models.append({"id": "no/price"})
    reply = run(session, model="no/price")
    assert (reply.cost_usd, reply.usage.input_tokens is None) == (None, False)


def test_with_zero_data_retention_the_cost_is_an_estimate(session, provider):
    reply = run(session, zdr=True)
    assert reply.cost.origin == "estimated"
    assert provider.posts[0].headers["x-cmd-zdr"] == "1"


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_the_fingerprint_of_a_reply_is_that_of_the_body_that_was_answered(model, session, provider):
    provider.play(scripted.error(503))
    reply = run(session, model=model, system="brief", once=True)
    sent = provider.posts[-1].body
    assert reply.provenance.request_sha256 == hashlib.sha256(sent).hexdigest()
    assert scripted.KEY.encode() not in sent


# ── what was refused, and what was stopped

REFUSED = {
    "key": scripted.error(401),
    "body": scripted.error(400, "bad field"),
    "credits": scripted.error(402, "insufficient credits"),
    "plan": scripted.error(403, code="upgrade_required"),
    "model": scripted.error(404, "no such model"),
    "size": scripted.error(413, body=""),
    "retention": scripted.error(422, code="cmd_zdr_no_providers"),
    "window": scripted.error(429, "usage limit for your plan"),
    "busy": scripted.error(503),
    "overloaded": scripted.error(529),
    "page": scripted.error(502, body="<html>bad gateway</html>", content_type="text/html"),
}


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED)
def test_a_refused_request_costs_nothing_and_says_why(
    session, provider, monkeypatch, refusal, model
):
    monkeypatch.setenv("CMD_MAX_RETRIES", "0")
    provider.play(refusal)
    reply = run(session, model=model, thread="t")
    assert (reply.stop_reason, reply.cost, reply.text) == ("error", NOTHING_BILLED, "")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (0, 0)
    assert isinstance(reply.error, ProviderError)
    assert session.replies == [reply]
    assert session.conversations.thread("t").context(None).messages == ()


def test_a_request_that_reached_no_server_costs_nothing(session, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CMD_MAX_RETRIES", "0")
    reply = run(session)
    assert isinstance(reply.error, ConnectError)
    assert reply.cost == NOTHING_BILLED


@pytest.mark.parametrize(
    "script",
    [
        (scripted.error(504),),  # the upstream may have done its work
        (scripted.error(524),),
        (scripted.reset(),),  # after the request was sent
        (scripted.head(), scripted.reset()),
    ],
    ids=["504", "524", "no head", "no event"],
)
def test_a_request_that_may_have_been_answered_has_an_unknown_cost(
    session, provider, monkeypatch, script
):
    monkeypatch.setenv("CMD_MAX_RETRIES", "0")
    provider.play(*script)
    reply = run(session)
    assert isinstance(reply.error, ProviderError)
    assert reply.cost == UNKNOWN_COST


def left_after(session: Session, prompt: str, characters: int, **options: Any) -> Reply:
    """Stop an answer once so much of it has come, as closing the iterator of `cc.stream` does."""
    prepared = session.prepare(PromptSpec(prompt, **({"model": MODEL} | options)))
    events = session.stream(prepared)
    came = 0
    for event in events:
        came += len(event.text) if isinstance(event, TextDelta | ReasoningDelta) else 0
        if came >= characters:
            break
    events.close()
    return session.replies[-1]


def test_a_stopped_answer_is_estimated_and_says_so(session, provider):
    provider.play(scripted.openai_stream(["word " * 8] * 10)[:-2], scripted.hang())
    reply = left_after(session, "x" * 4_000, 400)
    assert (reply.stop_reason, reply.text) == ("interrupted", "word " * 80)
    assert reply.usage.estimated == ("input_tokens", "output_tokens")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1_000, 100)
    # 1000 x 0.15 + 100 x 0.6
    assert (reply.cost_usd, reply.cost.origin) == (Decimal("0.00021"), "estimated")
    assert "in ~1,000 · out ~100 · ~$0.0002 ·" in usage_line(reply)


def test_what_a_stopped_answer_did_report_stays_reported(session, provider):
    usage = Tokens(2_000, 1)
    stream = scripted.anthropic_stream(["word " * 8] * 10, usage=usage)
    provider.play(stream[:-3], scripted.hang())
    reply = left_after(session, "x" * 4_000, 400, model=CLAUDE)
    assert reply.usage.estimated == ("output_tokens",)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2_000, 100)
    assert reply.cost.origin == "estimated"


def test_a_broken_answer_is_estimated_by_what_came(session, provider):
    provider.play(scripted.openai_stream(["word " * 8], reasoning=["hm, " * 10])[:-3])
    reply = run(session)
    assert isinstance(reply.error, StreamError)
    assert reply.usage.output_tokens == 20
    assert reply.cost.origin == "estimated"


def test_estimates_are_not_stored_as_reported_tokens(session, provider):
    provider.play(scripted.openai_stream(["word " * 8])[:-3])
    reply = run(session, thread="t")
    (row,) = session.history.store.ledger("all")
    assert (row.input_tokens, row.output_tokens, row.unknown_tokens) == (0, 0, 1)
    assert (row.reported_usd, row.estimated_usd, row.unknown_cost) == (0, reply.cost_usd, 0)


def test_the_providers_own_cost_is_stored_with_the_listed_price(session, provider):
    provider.play(scripted.answer("x", usage={**CHAT, "cost": 0.0125}))
    reply = run(session, thread="t")
    # 1000 x 0.15 + 100 x 0.6
    own = Cost(Decimal("0.0125"), "reported", None, table_usd=Decimal("0.00021"))
    assert reply.cost == own
    (record,) = session.history.store.turns([reply.provenance.turn_id]).values()
    assert record.cost == own


def test_the_providers_cost_in_a_header_wins(session, provider):
    stream = scripted.openai_stream("x", usage=CHAT)
    header = scripted.head(headers={"x-litellm-response-cost": "0.0125"})
    provider.play(header, *stream[1:])
    reply = run(session)
    assert (reply.cost_usd, reply.cost.origin) == (Decimal("0.0125"), "reported")


def test_what_was_not_priced_is_on_the_line_and_in_the_history(session, provider):
    usage = {**CHAT, "server_tool_use": {"web_search_requests": 2}}
    provider.play(scripted.answer("x", usage=usage))
    reply = run(session, thread="t")
    assert "~$0.0002 (not priced: 2 web search requests)" in usage_line(reply)
    (record,) = session.history.store.turns([reply.provenance.turn_id]).values()
    assert record.cost == reply.cost


# ── the key is nowhere (house rule 7)


SECRET = "odd+shape/of=a~key"
SPLIT = 490
"""Where the provider's message is cut for display: a key over that place must not leave half."""


def echoes() -> dict[str, tuple[Any, ...]]:
    """Return the ways in which a provider or a proxy may say the key back."""
    said = f"key {SECRET} is bad"
    envelope = {"message": said, "type": SECRET, "code": SECRET, "param": SECRET}
    stream = scripted.openai_stream("Hel")[:3]
    return {
        "message": (scripted.error(401, said),),
        "every field": (scripted.error(400, body={"error": envelope, "request_id": SECRET}),),
        "a bare envelope": (scripted.error(500, body=envelope),),
        "a plain string": (scripted.error(403, body={"error": said}),),
        "JSON in JSON": (scripted.error(400, json.dumps({"error": {"message": said}})),),
        "prose": (scripted.error(400, body=said, content_type="text/plain"),),
        "as JSON spells it": (scripted.error(400, json.dumps(said)),),
        "at the cut of a long message": (scripted.error(400, "x" * SPLIT + f" {SECRET} yes"),),
        "HTML": (scripted.error(502, body=f"<html>{said}</html>", content_type="text/html"),),
        "headers": (
            scripted.error(
                503, headers={"x-trace-id": SECRET, "cf-ray": SECRET, "x-other": SECRET}
            ),
        ),
        "a redirect": (
            scripted.http(302, "", {"location": f"https://evil.example/{SECRET}?key={SECRET}"}),
        ),
        "a window": (
            scripted.error(429, body={"error": {"rateLimit": {"window": SECRET, "reset": 1}}}),
        ),
        "a stream's error": (
            scripted.head(),
            scripted.sse({"error": {"message": said, "code": SECRET, "type": SECRET}}),
        ),
        "a stream's error after text": (*stream, scripted.sse({"error": said})),
        "a stream that is no JSON": (scripted.head(), scripted.sse(said)),
        "a whole error": (scripted.http(200, {"error": envelope}),),
        "no HTTP": (scripted.raw(f"{said}\r\n\r\n"), scripted.cut()),
        "a reason phrase": (scripted.raw(f"HTTP/1.1 401 {said}\r\n\r\n"), scripted.cut()),
    }


def reachable(start: object) -> Iterator[tuple[str, object]]:
    """Walk everything that hangs on an object, but for modules, functions and the key itself."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("it", start)]
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (ModuleType, FunctionType, type, Key)):
            continue
        seen.add(id(thing))
        yield path, thing
        if isinstance(thing, dict):
            waiting += [(f"{path}[{name!r:.40}]", value) for name, value in thing.items()]
        elif isinstance(thing, TracebackType):
            ours = "/cc_jupyter/" in thing.tb_frame.f_code.co_filename
            frame = dict(thing.tb_frame.f_locals) if ours else None
            waiting += [(f"{path} > {thing.tb_frame.f_code.co_name}", frame)]
            waiting += [(path, thing.tb_next)]
        elif isinstance(thing, (list, tuple, set, frozenset)):
            waiting += [(f"{path}[{place}]", value) for place, value in enumerate(thing)]
        elif not isinstance(thing, (str, bytes, FrameType)):
            names = [*getattr(thing, "__dict__", ()), *slots_of(thing)]
            if isinstance(thing, BaseException):
                names += ["args", "__cause__", "__context__", "__notes__", "__traceback__"]
            waiting += [(f"{path}.{name}", getattr(thing, name, None)) for name in names]


def slots_of(thing: object) -> list[str]:
    slots = [getattr(kind, "__slots__", ()) for kind in type(thing).__mro__]
    return [name for names in slots for name in ([names] if isinstance(names, str) else names)]


def shown(thing: object) -> str:
    return f"{thing!r} {thing}"


@pytest.mark.parametrize("max_retries", ["0", "1"])
@pytest.mark.parametrize("how", echoes())
def test_the_key_is_nowhere_whatever_the_provider_says_back(
    how, max_retries, session, provider, monkeypatch
):
    monkeypatch.setenv("CMD_API_KEY", SECRET)
    monkeypatch.setenv("CMD_MAX_RETRIES", max_retries)
    provider.always(*echoes()[how])
    plan = session.prepare(PromptSpec("hi", model=MODEL, thread="t"))
    reply = session.run(plan, NullRenderer())
    assert provider.posts[0].headers["authorization"] == f"Bearer {SECRET}"
    assert reply.error is not None
    try:
        raise reply.error
    except ProviderError as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        texts = ["".join(trace.format()), *error._render_traceback_()]
    leaks = [path for path, thing in reachable([reply, plan, session]) if SECRET in shown(thing)]
    assert leaks == []
    # nor a piece of it, at the end of what was cut
    for text in (*texts, str(reply.error), reply.error.hint or "", str(reply.error.message)):
        assert SECRET not in text
        assert SECRET[:8] not in text


def test_the_key_is_not_in_the_traceback_of_a_fault_of_ours(session, provider, monkeypatch):
    """Even with the values of all variables, as IPython shows them in its verbose mode."""
    monkeypatch.setenv("CMD_API_KEY", SECRET)
    provider.play(scripted.answer("x"))

    class Broken:
        def show(self, event: object) -> None:
            raise ZeroDivisionError

        def finish(self, reply: object) -> None:
            """Show nothing."""

    with pytest.raises(ZeroDivisionError) as caught:
        session.run(session.prepare(PromptSpec("hi", model=MODEL)), Broken())
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(trace.format())


def test_the_key_is_in_no_log(session, provider, monkeypatch, caplog):
    monkeypatch.setenv("CMD_API_KEY", SECRET)
    caplog.set_level("DEBUG")
    provider.play(scripted.error(503))
    provider.play(scripted.answer("x"))
    run(session)
    assert "send_request_headers" in caplog.text  # the library does log
    assert SECRET not in caplog.text
    assert "Bearer" not in caplog.text


# ── many at once


def test_eight_threads_share_a_session_without_mixing_anything_up(session, provider):
    """Each thread of Python has a conversation of its own, and sends just that."""
    ready = threading.Barrier(8)

    def work(worker: int) -> list[Reply]:
        ready.wait()
        name = f"thread {worker}"
        return [run(session, f"{worker}/{number}", thread=name) for number in range(50)]

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(work, range(8)))
    for worker, number in itertools.product(range(8), range(50)):
        reply = replies[worker][number]
        assert reply.error is None
        assert f'You wrote: "{worker}/{number}"' in reply.text
        assert reply.provenance.turn == number + 1
    bodies = {record.body for record in provider.posts}
    assert len(bodies) == 400
    for record in provider.posts:
        said = [message["content"] for message in record.json["messages"]]
        worker, number = said[-1].split("/")
        assert said[::2] == [f"{worker}/{before}" for before in range(int(number) + 1)]
    assert len({record.connection for record in provider.posts}) <= 16
    assert len(session.replies) == 400


def test_many_threads_with_faults_leave_nothing_behind(session, provider):
    faults = [
        (scripted.cut(),),
        (scripted.reset(),),
        (*scripted.openai_stream("Hel")[:3], scripted.cut()),
        (scripted.error(503),),
        (scripted.error(400),),
    ]
    for number in range(100):
        provider.play(*(faults[number // 4 % 5] if number % 4 == 0 else (scripted.answer("ok"),)))
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: run(session, once=True), range(100)))
    assert all(reply.error or reply.text for reply in replies)
    wait_until(lambda: not reader_threads())
    session.transport.close()
    wait_until(lambda: open_sockets(provider.port) == 0)
