"""`%cmd continue` on a turn with tools: its steps stay, and the next request follows them."""

from __future__ import annotations

import json
import signal
from decimal import Decimal

import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter
from support import provider as scripted
from support.provider import ToolCall, answer
from support.tools import MODELS, check_rules, continued_turn, next_body, run_turn

from cc_jupyter.client.errors import provider_errors
from cc_jupyter.core.errors import OptionError
from cc_jupyter.session.session import Session

BOTH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
MESSAGES = {
    MODELS["/chat/completions"]: TypeAdapter(ChatCompletionMessageParam),
    MODELS["/messages"]: TypeAdapter(MessageParam),
}


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.01)
    opened = Session()
    yield opened
    opened.transport.close()


ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


def lookup(city: str) -> str:
    """Return who owes."""
    ran.append(city)
    return f"nobody in {city}"


def stops(city: str) -> str:
    """Stop the cell."""
    signal.raise_signal(signal.SIGINT)
    return city


def call(city="Rome", id="c1", name="lookup"):  # noqa: A002  the wire's
    return ToolCall(name, {"city": city}, id)


def play(provider, *answers):
    for each in answers:
        provider.play(each)


def check_sent(provider, session, model):
    """Check every request, and the next one, by the vendors' rules and the SDKs' types."""
    bodies = [*(record.json for record in provider.requests), next_body(session, model)]
    for body in bodies:
        check_rules(body)
        for message in body["messages"]:
            MESSAGES[model].validate_json(json.dumps(message))


@BOTH
@pytest.mark.parametrize("functions", [(), (lookup,)], ids=["without tools", "with tools"])
@pytest.mark.parametrize("finish", ["length", None])
def test_a_cut_last_answer_goes_on_and_the_steps_stay(session, provider, model, functions, finish):
    thought = {"reasoning": "I must look."}
    play(
        provider,
        answer("Look.", calls=[call()], **thought),
        answer("Half of ", finish=finish, reasoning="hm"),
        answer("an answer.", reasoning="rest"),
    )
    run_turn(session, "who?", [lookup], model=model)
    reply = continued_turn(session, functions, model=model)
    assert (reply.error, reply.text, ran) == (None, "Half of an answer.", ["Rome"])
    assert [step.text for step in reply.steps] == ["Look.", "Half of ", "an answer."]
    assert [len(step.calls) for step in reply.steps] == [1, 0, 0]
    check_sent(provider, session, model)
    (slot,) = session.conversations.thread(None).slots
    assert [len(turn.steps) for turn in slot.versions] == [2, 3]
    assert slot.turn.answer == "Half of an answer."
    later = json.dumps(next_body(session, model))
    places = [later.index(each) for each in ("nobody", "Half", "cut off", "an answer")]
    assert places == sorted(places)


@BOTH
def test_a_turn_stopped_at_max_steps_goes_on_with_its_tools(session, provider, model):
    play(
        provider,
        answer("", calls=[call("Rome", "a")]),
        answer("", calls=[call("Pisa", "b")]),
        answer("", calls=[call("Pisa", "c")]),
        answer("None in Pisa."),
    )
    first = run_turn(session, "who?", [lookup], model=model, max_steps=2)
    assert any("%cmd continue --tools" in notice for notice in first.notices)
    reply = continued_turn(session, [lookup], model=model, max_steps=2)
    assert (reply.error, reply.text, ran) == (None, "None in Pisa.", ["Rome", "Pisa"])
    states = [record.state for step in reply.steps for record in step.calls]
    assert states == ["ok", "interrupted", "ok"]
    assert len(reply.steps) == 4
    assert "Calls that were not run" in json.dumps(provider.requests[2].json["messages"][-1])
    assert provider.requests[2].json["tools"]
    check_sent(provider, session, model)


@BOTH
def test_without_tools_the_model_answers_from_the_results_it_has(session, provider, model):
    play(provider, answer("Look.", calls=[call()]), answer("None."))
    run_turn(session, "who?", [lookup], model=model, max_steps=1)
    reply = continued_turn(session, (), model=model)
    assert (reply.error, reply.text, ran) == (None, "None.", [])
    assert [step.text for step in reply.steps] == ["Look.", "None."]
    assert "no function can be called" in json.dumps(provider.requests[1].json["messages"][-1])
    check_sent(provider, session, model)


@BOTH
def test_a_call_that_nothing_offers_runs_nothing(session, provider, model):
    play(provider, answer("", calls=[call()]), answer("", calls=[call()]), answer("I cannot."))
    run_turn(session, "who?", [lookup], model=model, max_steps=1)
    reply = continued_turn(session, (), model=model)
    assert (reply.error, reply.text, ran) == (None, "I cannot.", [])
    assert "no tool named lookup" in reply.steps[1].calls[0].result.text
    check_sent(provider, session, model)


@BOTH
def test_an_interrupted_turn_goes_on_and_nothing_runs_twice(session, provider, model):
    calls = [call("Rome", "a"), call("Pisa", "b", "stops"), call("Bari", "c")]
    play(provider, answer("Look.", calls=calls), answer("Done."))
    first = run_turn(session, "who?", [lookup, stops], model=model)
    assert isinstance(first.error, KeyboardInterrupt)
    reply = continued_turn(session, [lookup], model=model)
    assert (reply.error, reply.text, ran) == (None, "Done.", ["Rome"])
    states = [record.state for record in reply.steps[0].calls]
    assert states == ["ok", "interrupted", "interrupted"]
    check_sent(provider, session, model)


@BOTH
def test_a_continuation_that_fails_can_be_continued_itself(session, provider, model):
    refused = scripted.http(400, {"error": {"message": "no", "type": "invalid_request_error"}})
    play(provider, answer("", calls=[call()]), answer("One ", finish="length"), refused)
    run_turn(session, "who?", [lookup], model=model)
    failed = continued_turn(session, (), model=model)
    assert (failed.text, failed.error is None) == ("One ", False)
    play(provider, answer("two ", finish="length"), answer("three."))
    assert continued_turn(session, (), model=model).text == "One two "
    reply = continued_turn(session, (), model=model)
    assert (reply.error, reply.text) == (None, "One two three.")
    check_sent(provider, session, model)


@BOTH
def test_the_steps_before_it_were_paid_once(session, provider, model):
    play(provider, answer("", calls=[call()]), answer("One ", finish="length"), answer("two."))
    first = run_turn(session, "who?", [lookup], model=model)
    reply = continued_turn(session, (), model=model)
    assert [step.cost.usd for step in reply.steps] == [0, 0, reply.cost_usd]
    spent = sum((each.cost.usd for each in session.replies), Decimal(0))
    assert spent == first.cost_usd + reply.cost_usd


@BOTH
def test_the_history_has_all_steps_with_the_bodies_that_were_sent(session, provider, model):
    play(provider, answer("", calls=[call()]), answer("One ", finish="length"), answer("two."))
    run_turn(session, "who?", [lookup], model=model)
    session.conversations.put(session.history.load_thread("default", ""))  # as after a restart
    reply = continued_turn(session, (), model=model)
    stored = session.history.reading().turn(reply.provenance.turn_id)
    assert [(step.text, step.asked) for step in stored.steps] == [
        (step.text, step.asked) for step in reply.steps
    ]
    assert stored.steps[2].asked
    bodies = session.history.step_bodies(stored)
    assert [json.loads(body) for body in bodies] == [each.json for each in provider.requests]


@BOTH
def test_the_trace_shows_the_calls_of_the_whole_turn(session, provider, model):
    play(
        provider,
        answer("", calls=[call("Rome", "a")]),
        answer("", calls=[call("Pisa", "b")]),
        answer("", calls=[call("Bari", "c")]),
        answer("None."),
    )
    run_turn(session, "who?", [lookup], model=model, max_steps=2)
    shown = []
    continued_turn(session, [lookup], model=model, shown=shown)
    assert [json.loads(record.call.arguments_json)["city"] for record in shown] == [
        "Rome",
        "Pisa",
        "Bari",
    ]


@BOTH
def test_a_complete_turn_is_not_continued_and_tools_are_not_added(session, provider, model):
    play(provider, answer("", calls=[call()]), answer("Done."), answer("Half", finish="length"))
    run_turn(session, "who?", [lookup], model=model)
    with pytest.raises(OptionError, match="complete"):
        continued_turn(session, [lookup], model=model)
    run_turn(session, "plain", (), model=model, new=True)
    with pytest.raises(OptionError, match="without tools"):
        continued_turn(session, [lookup], model=model)
    assert len(provider.requests) == 3
