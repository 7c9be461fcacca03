"""Why an answer ended: section 9 of provider-api.md, every word, as a stream and in one piece."""

from __future__ import annotations

import json

import pytest
from support.recordings import ENDPOINTS, events_of, outcome_of, read_chunks

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.wire_formats import WIRE_FORMATS

OPENAI = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
}
ANTHROPIC = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "pause_turn": "unknown",
}
LEAKED = {
    "eos": "stop",
    "end_turn": "stop",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "FINISH_REASON_STOP": "stop",
    "eos_token": "stop",
    "end": "stop",
    "COMPLETE": "stop",
    "completed": "stop",
    "model_length": "length",
    "max_output_tokens": "length",
    "sensitive": "content_filter",
    "content-filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "BLOCKLIST": "content_filter",
    "ERROR_TOXIC": "content_filter",
    "OTHER": "unknown",
    "FINISH_REASON_UNSPECIFIED": "unknown",
    "a word to come": "unknown",
}
CASES = [
    *(("openai", word, reason) for word, reason in {**OPENAI, **LEAKED}.items()),
    *(("anthropic", word, reason) for word, reason in {**ANTHROPIC, **LEAKED}.items()),
]
every_word = pytest.mark.parametrize(("wire", "word", "reason"), CASES)


def sse(*bodies: object) -> bytes:
    return "".join(f"data: {json.dumps(body)}\n\n" for body in bodies).encode()


def streamed(wire: str, word: object) -> bytes:
    if wire == "openai":
        choice = {"index": 0, "delta": {}, "finish_reason": word}
        return sse({"choices": [{"delta": {"content": "Hi"}}]}, {"choices": [choice]})
    text = {"type": "text_delta", "text": "Hi"}
    return sse(
        {"type": "content_block_delta", "index": 0, "delta": text},
        {"type": "message_delta", "delta": {"stop_reason": word}},
        {"type": "message_stop"},
    )


def whole(wire: str, word: object) -> bytes:
    if wire == "openai":
        message = {"role": "assistant", "content": "Hi"}
        return json.dumps({"choices": [{"message": message, "finish_reason": word}]}).encode()
    content = [{"type": "text", "text": "Hi"}]
    return json.dumps({"type": "message", "content": content, "stop_reason": word}).encode()


@pytest.mark.parametrize("body", [streamed, whole], ids=["stream", "whole"])
@every_word
def test_section_9(wire, word, reason, body):
    outcome = outcome_of(events_of(ENDPOINTS[wire], [body(wire, word)]))
    assert (outcome.text, outcome.stop, outcome.word) == ("Hi", reason, word)


@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize("word", [7, ["stop"], {"a": 1}, True, 1.5])
def test_a_reason_that_is_no_word_is_an_unknown_reason(wire, word):
    outcome = outcome_of(events_of(ENDPOINTS[wire], [streamed(wire, word)]))
    assert (outcome.text, outcome.stop) == ("Hi", "unknown")


@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize("word", ["error", "ERROR"])
def test_the_word_error_is_an_error(wire, word):
    outcome = outcome_of(events_of(ENDPOINTS[wire], [streamed(wire, word)]))
    assert (outcome.text, outcome.stop, outcome.code) == ("Hi", "error", word)


FAILURES = {
    "network_error": "the provider lost its connection to the model (network_error)",
    "NETWORK_ERROR": "the provider lost its connection to the model (NETWORK_ERROR)",
    "insufficient_system_resource": "the provider ran out of capacity",
    "engine_overloaded": "the provider ran out of capacity",
    "abort": "the provider broke the answer off (abort)",
    "aborted": "the provider broke the answer off (aborted)",
    "cancelled": "the provider broke the answer off (cancelled)",
    "timeout": "the provider ran out of time (timeout)",
    "server_error": "the provider failed within the answer (server_error)",
    "MALFORMED_FUNCTION_CALL": "the model wrote a tool call that nothing can read",
}


@pytest.mark.parametrize("body", [streamed, whole], ids=["stream", "whole"])
@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize("word", FAILURES)
def test_an_answer_that_broke_off_fails_and_keeps_its_text(wire, word, body):
    outcome = outcome_of(events_of(ENDPOINTS[wire], [body(wire, word)]))
    assert (outcome.text, outcome.stop, outcome.code) == ("Hi", "error", word)
    assert outcome.error.startswith(FAILURES[word])


def empty(wire: str, word: str) -> bytes:
    if wire == "openai":
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        return sse({"choices": [{"delta": {}, "finish_reason": word}], "usage": usage})
    return sse(
        {"type": "message_delta", "delta": {"stop_reason": word}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    )


@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("stop", "the model ended it by itself (stop); the provider counts 3 output tokens"),
        ("end_turn", "the model ended it by itself (end_turn)"),
        ("tool_calls", "the model asked for a tool (tool_calls)"),
        ("OTHER", "it ended for an unknown reason (OTHER)"),
        ("pause_turn", "it ended for an unknown reason (pause_turn)"),
    ],
)
def test_an_empty_answer_says_why(wire, word, why):
    outcome = outcome_of(events_of(ENDPOINTS[wire], [empty(wire, word)]))
    assert outcome.stop == "error"
    start = "the answer is empty: neither text nor reasoning came; "
    assert outcome.error.startswith(f"{start}{why}")


def reader_after(wire: str, *bodies: object) -> AnswerReader:
    reader = AnswerReader(WIRE_FORMATS[ENDPOINTS[wire]].decoder())
    read_chunks(reader, [sse(*bodies)])
    return reader


def test_after_the_reason_nothing_more_need_be_waited_for():
    text = {"choices": [{"delta": {"content": "Hi"}}]}
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    assert not reader_after("openai", text).stopped
    assert reader_after("openai", text, end).stopped
    assert not reader_after("openai", text, end).done
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert reader_after("anthropic", delta).stopped
    assert not reader_after("anthropic", delta).done
    assert reader_after("anthropic", delta, {"type": "message_stop"}).done


def test_a_reason_beside_text_does_not_mean_that_the_answer_is_over():
    # litellm#2195, gcli2api#403: relays of Gemini write it into every chunk
    chunk = {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert not reader_after("openai", chunk).stopped
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    assert reader_after("openai", chunk, end).stopped
    assert not reader_after("openai", end, chunk).stopped


@pytest.mark.parametrize(
    ("body", "began"),
    [
        (b"", False),
        (b": ping\n\n\r\n", False),
        (b"data: : ping\n\n", False),
        (b"event: ping\n\n", False),
        (b'data: {"choices": []}\n\n', True),
        (b"data: no JSON\n\n", True),
        (b" <html>", True),
        (b'{"choices"', True),
    ],
)
def test_an_answer_has_begun_when_anything_of_it_has_come(body, began):
    reader = AnswerReader(WIRE_FORMATS[ENDPOINTS["openai"]].decoder())
    read_chunks(reader, [body])
    assert reader.began is began
