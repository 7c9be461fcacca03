"""A turn with tools: its requests, what ends it, what it costs, and what the history keeps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal

import pytest
from support import provider as scripted
from support.provider import Tokens, ToolCall, answer
from support.tools import MODELS, check_rules, next_body, prepared_turn, run_turn

from cc_jupyter.client.errors import provider_errors
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import INTERRUPTED
from cc_jupyter.render.base import NullRenderer
from cc_jupyter.session.session import Session
from cc_jupyter.session.tapes import cassette_in_use, chosen
from cc_jupyter.usage.budget import Budget

BOTH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    monkeypatch.setattr(provider_errors, "_FIRST_BACKOFF_S", 0.01)
    opened = Session()
    yield opened
    opened.transport.close()


ran: list[object] = []


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


def lookup(city: str) -> list[str]:
    """Return the customers of a city."""
    ran.append(city)
    return ["Ada", "Bob"]


def save(names: list[str]) -> str:
    """Save a list."""
    ran.append(names)
    return "saved"


def play(provider, *answers):
    for each in answers:
        provider.play(each)


def call(name="lookup", arguments=None, id="call_0001"):  # noqa: A002  the wire's
    return ToolCall(name, {"city": "Rome"} if arguments is None else arguments, id=id)


@BOTH
def test_the_answer_follows_the_results_and_the_reply_is_the_sum(session, provider, model):
    play(
        provider,
        answer("Let me look.", calls=[call()], usage=Tokens(100, 10)),
        answer("", calls=[call("save", {"names": ["Ada"]}, "b")], usage=Tokens(200, 20)),
        answer("Saved.", usage=Tokens(300, 30)),
    )
    reply = run_turn(session, "who?", [lookup, save], model=model)
    assert reply.error is None
    assert reply.text == "Saved."
    assert ran == ["Rome", ["Ada"]]
    assert [step.text for step in reply.steps] == ["Let me look.", "", "Saved."]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (600, 60)
    assert reply.cost_usd == sum((step.cost.usd for step in reply.steps), Decimal(0)) > 0
    assert sum((each.cost.usd for each in session.replies), Decimal(0)) == reply.cost_usd
    assert reply.stop_reason == "stop"
    assert len(provider.requests) == 3
    for record in provider.requests:
        check_rules(record.json)
        assert record.json["tools"]
        assert "tool_choice" not in record.json


@BOTH
def test_the_turn_is_one_version_and_continues_the_conversation(session, provider, model):
    play(provider, answer(calls=[call()], texts=""), answer("Two."))
    run_turn(session, "who?", [lookup], model=model)
    (slot,) = session.conversations.thread(None).slots
    assert len(slot.versions) == 1
    body = next_body(session, model)
    check_rules(body)
    assert len(body["messages"]) == 5
    assert "Ada" in json.dumps(body)


@BOTH
def test_the_history_keeps_the_steps(session, provider, model):
    play(provider, answer("Look.", reasoning="hm", calls=[call()]), answer("Two.", reasoning="so"))
    reply = run_turn(session, "who?", [lookup], model=model)
    stored = session.history.reading().turn(reply.provenance.turn_id)
    assert stored.answer == "Two."
    assert [step.parts for step in stored.steps] == [step.parts for step in reply.steps]
    assert [step.calls for step in stored.steps] == [step.calls for step in reply.steps]
    assert [step.cost for step in stored.steps] == [step.cost for step in reply.steps]
    assert stored.usage.input_tokens == reply.usage.input_tokens
    bodies = session.history.step_bodies(stored)
    assert [json.loads(body) for body in bodies] == [each.json for each in provider.requests]
    thread = session.history.load_thread("default", "")
    assert (
        thread.slots[0].turn.messages == session.conversations.thread(None).slots[0].turn.messages
    )


@BOTH
def test_several_calls_of_one_answer_are_answered_in_order(session, provider, model):
    calls = [call(arguments={"city": f"city {at}"}, id=f"c{at}") for at in range(3)]
    play(provider, answer("", calls=calls), answer("Done."))
    run_turn(session, "who?", [lookup], model=model)
    assert ran == ["city 0", "city 1", "city 2"]
    check_rules(provider.requests[1].json)


@BOTH
def test_reasoning_goes_back_unmodified_and_to_no_other_model(session, provider, model):
    play(
        provider,
        answer("", reasoning=["I must ", "look."], calls=[call()]),
        answer("Two.", reasoning="so"),
    )
    run_turn(session, "who?", [lookup], model=model)
    sent = provider.requests[1].json["messages"][1]
    if model == MODELS["/messages"]:
        thought = {"type": "thinking", "thinking": "I must look."}
        assert sent["content"][0] == thought | {"signature": sent["content"][0]["signature"]}
        assert sent["content"][0]["signature"]
    else:
        assert sent["reasoning"] == sent["reasoning_content"] == "I must look."
        assert sent["reasoning_details"][0]["text"] == "I must look."
    later = next_body(session, model)["messages"]
    assert later[1] == sent
    for other in ("claude-haiku-5-5", "gpt-5.4-mini", "moonshotai/Kimi-K2.5"):
        text = json.dumps(next_body(session, other))
        assert "I must look." not in text
        assert "signature" not in text
        check_rules(next_body(session, other))


@BOTH
def test_a_tool_that_nobody_allows_does_not_run_and_the_cell_says_which(session, provider, model):
    play(provider, answer("", calls=[call()]), answer("I could not."))
    reply = run_turn(session, "who?", [lookup], model=model, allow=())
    assert ran == []
    assert isinstance(reply.error, OptionError)
    assert "lookup" in str(reply.error)
    assert "--allow lookup" in reply.error.hint
    assert reply.text == "I could not."
    assert reply.steps[0].calls[0].state == "refused"


@BOTH
def test_q_ends_the_turn_with_the_text_so_far(session, provider, model):
    play(provider, answer("So far.", calls=[call(), call(id="b", arguments={"city": "Pisa"})]))
    reply = run_turn(session, "who?", [lookup], model=model, allow=(), answers=["q"])
    assert reply.error is None
    assert (reply.text, ran, len(provider.requests)) == ("So far.", [], 1)
    assert reply.tool_calls == ()
    body = next_body(session, model)
    check_rules(body)
    assert "ended by the user" in json.dumps(body)


@BOTH
def test_the_limit_of_steps_ends_the_turn(session, provider, model):
    for at in range(3):
        provider.play(answer("", calls=[call(arguments={"city": str(at)}, id=f"c{at}")]))
    reply = run_turn(session, "who?", [lookup], model=model, max_steps=2)
    assert ran == ["0"]
    assert len(provider.requests) == 2
    assert any("--max-steps" in notice for notice in reply.notices)
    check_rules(next_body(session, model))


@BOTH
def test_the_same_call_three_times_ends_the_turn(session, provider, model):
    for at in range(4):
        provider.play(answer("", calls=[call(id=f"c{at}")]))
    reply = run_turn(session, "who?", [lookup], model=model)
    assert ran == ["Rome", "Rome"]
    assert len(provider.requests) == 3
    assert any("three times" in notice for notice in reply.notices)
    check_rules(next_body(session, model))


@BOTH
def test_a_429_after_a_result_is_sent_again_and_nothing_runs_twice(session, provider, model):
    busy = scripted.http(429, {"error": {"message": "busy", "type": "rate_limit_error"}})
    play(provider, answer("", calls=[call()]), busy, answer("Two."))
    reply = run_turn(session, "who?", [lookup], model=model)
    assert (reply.text, ran, len(provider.requests)) == ("Two.", ["Rome"], 3)
    assert provider.requests[1].json == provider.requests[2].json


@BOTH
def test_a_refusal_after_a_result_keeps_the_steps(session, provider, model):
    refused = scripted.http(400, {"error": {"message": "no", "type": "invalid_request_error"}})
    play(provider, answer("Look.", calls=[call()]), refused)
    reply = run_turn(session, "who?", [lookup], model=model)
    assert reply.error is not None
    assert reply.text == "Look."
    assert reply.cost_usd == reply.steps[0].cost.usd
    check_rules(next_body(session, model))
    assert "Ada" in json.dumps(next_body(session, model))


@BOTH
def test_a_stop_in_a_function_ends_the_turn_and_the_rest_is_interrupted(session, provider, model):
    def stops(city: str) -> str:
        signal.raise_signal(signal.SIGINT)
        return city

    calls = [ToolCall("stops", {"city": "a"}, "a"), ToolCall("stops", {"city": "b"}, "b")]
    play(provider, answer("Look.", calls=calls))
    reply = run_turn(session, "who?", [stops], model=model)
    assert isinstance(reply.error, KeyboardInterrupt)
    assert reply.stop_reason == "interrupted"
    assert [each.state for each in reply.steps[0].calls] == ["interrupted", "interrupted"]
    body = next_body(session, model)
    check_rules(body)
    assert json.dumps(body).count(INTERRUPTED) == 2


def test_a_budget_holds_at_every_step(session, provider):
    play(provider, answer("Look.", calls=[call()], usage=Tokens(1_000_000, 1_000_000)), answer("x"))
    session.budget_guard.budget = Budget(Decimal("0.5"))
    reply = run_turn(session, "who?", [lookup], model=MODELS["/chat/completions"])
    assert isinstance(reply.error, OptionError)
    assert (reply.text, ran, len(provider.requests)) == ("Look.", ["Rome"], 1)
    check_rules(next_body(session, MODELS["/chat/completions"]))


@BOTH
def test_the_key_in_a_result_is_sent_nowhere(session, provider, model):
    def leak() -> str:
        """Return what it should not."""
        return f"the key is {scripted.KEY}!"

    play(provider, answer("", calls=[call("leak", {})]), answer("Done."))
    reply = run_turn(session, "who?", [leak], model=model)
    assert scripted.KEY not in json.dumps(provider.requests[1].json)
    assert scripted.KEY not in repr(reply)


@BOTH
def test_more_calls_than_are_run_get_a_result_each(session, provider, model):
    calls = [call(arguments={"city": str(at)}, id=f"c{at}") for at in range(200)]
    play(provider, answer("", calls=calls), answer("Done."))
    reply = run_turn(session, "who?", [lookup], model=model)
    assert len(ran) == 128
    assert len(reply.steps[0].calls) == 200
    check_rules(provider.requests[1].json)


@BOTH
def test_a_thread_may_change_its_model_in_the_middle(session, provider, model):
    other = next(each for each in MODELS.values() if each != model)
    play(provider, answer("", calls=[call()]), answer("Two."))
    run_turn(session, "who?", [lookup], model=model)
    play(provider, answer("", calls=[call(arguments={"city": "Pisa"})]), answer("None."))
    run_turn(session, "and Pisa?", [lookup], model=other)
    for record in provider.requests:
        check_rules(record.json)
    check_rules(next_body(session, model))


def test_without_tools_nothing_of_them_is_imported():
    code = (
        "import sys, cc_jupyter.session.session;"
        "print([m for m in sys.modules if m.startswith('cc_jupyter.tools')"
        " or m in ('cc_jupyter.core.steps', 'cc_jupyter.session.tool_turns.loop')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@BOTH
def test_a_replayed_turn_runs_no_function_and_needs_no_key(
    session, provider, model, tmp_path, monkeypatch
):
    path = tmp_path / "t.cassette.jsonl"
    calls = [call(), call(id="b", arguments={"city": "Pisa"})]
    play(provider, answer("Look.", calls=calls), answer("Two."))
    with cassette_in_use(session, chosen("record", str(path), None)):
        sent = run_turn(session, "who?", [lookup], model=model)
    ran.clear()
    monkeypatch.delenv("CMD_API_KEY")
    with cassette_in_use(session, chosen("replay", str(path), None)):
        reply = run_turn(session, "who?", [lookup], model=model, new=True, allow=())
    assert (reply.error, reply.text, ran, len(provider.requests)) == (None, "Two.", [], 2)
    assert [each.replayed for each in reply.steps[0].calls] == [True, True]
    results = [each.result.content for each in sent.steps[0].calls]
    assert [each.result.content for each in reply.steps[0].calls] == results
    assert reply.billed.usd == 0
    assert reply.cost_usd == sent.cost_usd


@BOTH
def test_results_count_as_recorded_while_their_request_is_in_the_cassette(
    session, provider, model, tmp_path
):
    path = tmp_path / "t.cassette.jsonl"
    play(provider, answer("Look.", calls=[call()]), answer("Two."), answer("Three."))
    with cassette_in_use(session, chosen("auto", str(path), None)):
        for execution in ("first", "second"):
            reply = run_turn(session, "who?", [lookup], model=model, once=True, execution=execution)
            assert (reply.text, ran, len(provider.requests)) == ("Two.", ["Rome"], 2)
        first, _ = path.read_text().splitlines()
        path.write_text(f"{first}\n")
        reply = run_turn(session, "who?", [lookup], model=model, once=True, execution="third")
    assert (reply.text, ran, len(provider.requests)) == ("Three.", ["Rome", "Rome"], 3)


@BOTH
@pytest.mark.parametrize("answers", [["Ada", "Bob"], ["Eve"]])
def test_live_tools_run_and_say_where_they_differ(session, provider, model, tmp_path, answers):
    path = tmp_path / "t.cassette.jsonl"
    play(provider, answer("Look.", calls=[call()]), answer("Two."))
    with cassette_in_use(session, chosen("record", str(path), None)):
        run_turn(session, "who?", [lookup], model=model)

    def lookup_now(city):
        ran.append(city)
        return answers

    lookup_now.__annotations__ = lookup.__annotations__
    lookup_now.__doc__, lookup_now.__name__ = lookup.__doc__, "lookup"
    ran.clear()
    with cassette_in_use(session, chosen("replay", str(path), None)):
        prepared = prepared_turn(session, "who?", [lookup_now], model=model, new=True)
        reply = session.run(prepared._replace(live_tools=True), NullRenderer())
    assert (reply.error, reply.text, ran) == (None, "Two.", ["Rome"])
    differs = answers == ["Eve"]
    assert any("differently" in notice for notice in reply.notices) is differs
    assert ("differs" in reply.steps[0].calls[0].shown) is differs
