"""Size, depth and number: linear in time, bounded in memory, a clear error beyond."""

from __future__ import annotations

import itertools
import json
import time
import tracemalloc
from collections import deque

import pytest
from support.recordings import ENDPOINTS, events_of, outcome_of, read_chunks

from cc_jupyter.client import sse
from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.sse import MAX_EVENT_BYTES, EventBatch, frame
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.events import Error, Stop, TextDelta

KB, MB = 2**10, 2**20
CHAT = ENDPOINTS["openai"]
TOO_LARGE = "one event of the answer is over 16 MB"
DONE = b"data: [DONE]\n\n"


def text_event(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n".encode()


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def seconds_for(chunks: list[bytes]) -> float:
    reader = AnswerReader(WIRE_FORMATS[CHAT].decoder())
    start_s = time.process_time()
    frame(chunks, lambda part: deque(reader.read(part), maxlen=0))
    return time.process_time() - start_s


# ── very long lines (whole tool arguments, images), section 15


def test_a_very_long_line_is_read():
    text = "x" * (15 * MB)
    outcome = outcome_of(events_of(CHAT, [*in_pieces(text_event(text), 65_536), DONE]))
    assert outcome.text == text


def endless(unit: bytes, size: int = 65_536) -> itertools.repeat[bytes]:
    return itertools.repeat((unit * (size // len(unit) + 1))[:size])


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"data: ", b"x"),
        (b": comment ", b"x"),
        (b"unknown-field", b"x"),
        (b"event: ", b"x"),
        (b"", b": a comment\n"),
        (b"", b"id: 1\n"),
        (b"", b"unknown: 1\n"),
        (b"", b"event: x\n"),
        (b"", b"data\n"),
        (b"", b"data:\n"),
        (b"", b"data: xy\n"),
    ],
    ids=repr,
)
def test_an_endless_event_is_a_clear_error_and_takes_bounded_memory(monkeypatch, start, unit):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 256 * KB)  # the real one takes a minute to trace
    reader = AnswerReader(WIRE_FORMATS[CHAT].decoder())
    tracemalloc.start()
    try:
        events = _until_done(reader, itertools.chain([start], endless(unit, 4 * KB)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert events == [Error(TOO_LARGE)]
    assert peak < 8 * 256 * KB


def _until_done(reader, chunks):
    events = read_chunks(reader, chunks)
    assert reader.done
    return events


def test_an_endless_document_is_a_clear_error():
    reader = AnswerReader(WIRE_FORMATS[CHAT].decoder())
    events = _until_done(reader, endless(b'{"a": '))
    assert events == [Error("the answer is one document of over 16 MB")]


def test_endless_blank_lines_before_an_answer_take_no_memory():
    reader = AnswerReader(WIRE_FORMATS[CHAT].decoder())
    chunks = itertools.chain(itertools.islice(endless(b"\n"), 100), [text_event("Hi")])
    assert read_chunks(reader, chunks) == [TextDelta("Hi")]


@pytest.mark.parametrize("unit", [b" ", b"\t", b" \n", b"\r", b"\xef\xbb\xbf"], ids=repr)
def test_endless_blanks_before_an_answer_are_bounded(monkeypatch, unit):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 256 * KB)
    tracemalloc.start()
    try:
        frame(itertools.islice(endless(unit, 4 * KB), 1_000), lambda _: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 256 * KB


def framed(chunks):
    """Return all batches of a stream."""
    batches = []
    frame(chunks, batches.append)
    assert all(isinstance(batch, EventBatch) for batch in batches)
    return batches


def test_comments_with_blank_lines_may_go_on_for_ever():
    batches = framed(itertools.islice(endless(b": ping\n\n"), 270))
    assert not any(batch.events or batch.is_too_large for batch in batches)
    assert len(batches) >= 270  # each chunk is a sign of life


@pytest.mark.parametrize("size", [1_000, 65_536, 40 * MB])
def test_what_came_before_an_event_that_is_too_large_is_kept(size):
    body = text_event("Hi") + b"data: " + b"x" * (17 * MB) + b"\n\n" + text_event("no") + DONE
    outcome = outcome_of(events_of(CHAT, in_pieces(body, size)))
    assert (outcome.text, outcome.error) == ("Hi", TOO_LARGE)


def test_the_limit_is_met_at_the_same_byte_however_the_event_is_cut():
    body = b"data: " + b"x" * (MAX_EVENT_BYTES - 6)
    for chunks in ([body + b"\n\n"], [body, b"\n\n"], [*in_pieces(body, MB), b"\n", b"\n"]):
        batches = framed(chunks)
        assert sum(len(batch.events) for batch in batches) == 1
        assert not any(batch.is_too_large for batch in batches)
    for chunks in ([body + b"x\n\n"], [body, b"x"], [body, b"", b"x\n\n"]):
        batches = framed(chunks)
        assert not any(batch.events for batch in batches)
        assert [batch.is_too_large for batch in batches][-1]


# ── linear in time


def test_a_16_mb_event_in_1_kb_pieces_is_read_in_linear_time():
    small, large = (text_event("x" * (size * MB)) for size in (4, 15))
    seconds_for(in_pieces(small, 1_000))
    small_s = min(seconds_for(in_pieces(small, 1_000)) for _ in range(3))
    large_s = min(seconds_for(in_pieces(large, 1_000)) for _ in range(3))
    assert large_s < 10 * small_s  # 3.75 times the bytes; a quadratic reader takes 14 times
    assert large_s < 1.0


def test_100_000_tiny_events_are_read_in_linear_time():
    body = text_event("x") * 100_000
    events = in_pieces(body, 65_536)
    few_s = min(seconds_for(events[: len(events) // 10]) for _ in range(3))
    all_s = seconds_for(events)
    assert all_s < 40 * few_s
    assert all_s < 10.0


@pytest.mark.parametrize(
    "unit",
    [
        "\n",
        " ",
        "<",
        "\ud83d",
        "</thin",
        "漢",
    ],
    ids=repr,
)
@pytest.mark.parametrize("start", ["", "<think>", "Hi"], ids=repr)
def test_20_000_odd_deltas_are_read_in_linear_time(start, unit):
    body = text_event(start) + text_event(unit) * 20_000
    assert seconds_for(in_pieces(body, 65_536)) < 5.0


def test_20_000_tool_calls_are_read_in_linear_time():
    calls = [
        {"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}}
        for n in range(20_000)
    ]
    chunks = [
        f"data: {json.dumps({'choices': [{'delta': {'tool_calls': [call]}}]})}\n\n".encode()
        for call in calls
    ]
    assert seconds_for(chunks) < 5.0


# ── JSON that no reader likes

PATHOLOGICAL = {
    "nested too deeply": "[" * 100_000,
    "nested too deeply, closed": "[" * 100_000 + "]" * 100_000,
    "an integer of 5,000 digits": "9" * 5_000,
}


@pytest.mark.parametrize("value", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_an_event_that_cannot_be_read_is_left_out(value):
    body = text_event("Hel") + f'data: {{"a": {value}}}\n\n'.encode() + text_event("lo") + DONE
    outcome = outcome_of(events_of(CHAT, [body]))
    assert outcome.text == "Hello"
    assert outcome.notices == ("left out one event of the answer that could not be read",)


DEEP_OPENAI = """\
{"choices": [{"index": DEEP, "delta": {}, "finish_reason": DEEP}], "usage": DEEP}
{"choices": [{"delta": {"content": DEEP, "reasoning_details": [{"type": DEEP, "text": DEEP}]}}]}
{"choices": [{"delta": {"content": [{"text": DEEP, "thinking": DEEP}], "refusal": DEEP}}]}
{"choices": [{"delta": {"tool_calls": [{"index": DEEP, "id": DEEP, "function": {"name": DEEP}}]}}]}
{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": DEEP}}]}}]}
{"usage": {"prompt_tokens": DEEP, "completion_tokens_details": DEEP}}
{"error": {"message": DEEP, "code": DEEP, "type": DEEP, "rateLimit": DEEP}}"""
DEEP_ANTHROPIC = """\
{"type": "content_block_start", "index": DEEP, "content_block": {"type": DEEP}}
{"type": "content_block_start", "content_block": {"type": "tool_use", "name": DEEP, "input": DEEP}}
{"type": "content_block_delta", "index": DEEP, "delta": {"type": DEEP}}
{"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": DEEP}}
{"type": "content_block_stop", "index": DEEP}
{"type": "message_delta", "delta": {"stop_reason": DEEP, "stop_details": DEEP}, "usage": DEEP}
{"type": DEEP}"""


@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_json_of_every_depth_is_read_or_left_out(wire, opening, closing):
    bodies = {"openai": DEEP_OPENAI, "anthropic": DEEP_ANTHROPIC}[wire]
    for depth in (*range(1, 100, 10), *range(100, 800, 50), *range(800, 1100, 9)):
        deep = opening * depth + "1" + closing * depth
        lines = bodies.replace("DEEP", deep).split("\n")
        stream = "".join(f"data: {line}\n\n" for line in lines)
        events = events_of(ENDPOINTS[wire], [stream.encode()])
        assert isinstance(events[-1], Stop | Error)


@pytest.mark.parametrize("wire", ENDPOINTS)
@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", "9" * 4_000, "-1", "0.5", '"7"', "true", "[]", "{}"]
)
def test_an_impossible_count_is_unknown_and_said(wire, value):
    usage = {
        "openai": f'{{"prompt_tokens": 9, "completion_tokens": {value}}}',
        "anthropic": f'{{"input_tokens": 9, "output_tokens": {value}}}',
    }[wire]
    bodies = {
        "openai": '{"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}],'
        ' "usage": U}',
        "anthropic": '{"type": "message", "content": [{"type": "text", "text": "Hi"}],'
        ' "stop_reason": "end_turn", "usage": U}',
    }
    body = f"data: {bodies[wire].replace('U}', usage + '}')}\n\n".encode()
    outcome = outcome_of(events_of(ENDPOINTS[wire], [body]))
    assert outcome.usage == {"input": 9}
    assert outcome.notices == ("the provider reported impossible token counts",)


def test_a_count_written_with_a_point_is_a_count():
    usage = {"prompt_tokens": 9.0, "completion_tokens": 3.0}
    body = json.dumps({"choices": [{"message": {"content": "Hi"}}], "usage": usage}).encode()
    outcome = outcome_of(events_of(CHAT, [body]))
    assert outcome.usage == {"input": 9, "output": 3}
    assert outcome.notices == ()
