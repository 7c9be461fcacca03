"""What holds for every input: nothing raises, cuts change nothing, text comes out as it went in."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.recordings import ENDPOINTS, events_of, load_recordings, outcome_of

from cc_jupyter.client.errors.error_body import parse_refusal
from cc_jupyter.client.parsing import replace_surrogates, sanitize_message
from cc_jupyter.client.reasoning_marks import ReasoningSplitter
from cc_jupyter.client.sse import frame
from cc_jupyter.core.events import (
    USAGE_FIELDS,
    Error,
    Notice,
    ReasoningDelta,
    Stop,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

both_wires = pytest.mark.parametrize("wire", ENDPOINTS)
often = settings(max_examples=100)

# ── inputs: noise, lines of a stream, and JSON in the words of the wire

WORDS = [
    word
    for words_of_a_line in (
        "choices delta message content role index id tool_calls function name arguments text",
        "function_call finish_reason stop refusal reasoning reasoning_content reasoning_details",
        "summary type usage prompt_tokens completion_tokens total_tokens prompt_tokens_details",
        "cached_tokens completion_tokens_details reasoning_tokens error code statusCode",
        "request_id thinking content_block content_block_start content_block_delta",
        "content_block_stop message_start message_delta message_stop ping tool_use input",
        "text_delta thinking_delta input_json_delta partial_json stop_reason end_turn",
        "stop_details explanation input_tokens output_tokens cache_read_input_tokens",
        "cache_creation_input_tokens cache_creation output_tokens_details thinking_tokens",
        "rateLimit window reset <think> </think> [DONE] null",
    )
    for word in words_of_a_line.split()
]
words = st.sampled_from(WORDS)
numbers = st.integers() | st.floats() | st.just(10**300)
leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=5)
bodies = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
documents = bodies.map(json.dumps) | bodies.map(lambda body: json.dumps(body, indent=1))
recorded = st.sampled_from([one.body for one in load_recordings()])
lines = st.one_of(
    documents.map(lambda text: f"data: {text}".encode()),
    words.map(lambda word: f"event: {word}".encode()),
    st.sampled_from([b"data", b"data:", b"data: [DONE]", b": ping", b"id: 1", b"retry: 1", b""]),
    st.binary(max_size=8),
)
ends = st.sampled_from([b"\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\r", b"\r\n", b""])
streams = st.lists(st.tuples(lines, ends), max_size=8).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)
heads = st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef", b"\r\n", b" {", b"<"])
anything = st.one_of(
    st.binary(max_size=60),
    streams,
    documents.map(str.encode),
    st.tuples(heads, streams).map(b"".join),
    st.tuples(recorded, st.integers(0, 2_000), st.binary(max_size=3)).map(
        lambda mix: mix[0][: mix[1]] + mix[2] + mix[0][mix[1] :]
    ),
)
places = st.lists(st.integers(0, 2_000), max_size=6)


def cut(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(body)) for place in at), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def strings(event: StreamEvent) -> list[str | None]:
    match event:
        case TextDelta(text) | ReasoningDelta(text) | Notice(text):
            return [text]
        case ToolCallDelta(_, name, arguments):
            return [name, arguments]
        case Stop(_, word):
            return [word]
        case Error(message, code, said):
            return [message, code, said]
        case _:
            return []


# ── nothing raises


def check_the_ending(wire: str, body: bytes, at: list[int]) -> None:
    events = events_of(ENDPOINTS[wire], cut(body, at))
    last = len(events) - 1
    assert [n for n, event in enumerate(events) if isinstance(event, Stop | Error)] == [last]
    for event in events:
        for text in strings(event):
            (text or "").encode()  # no half of a character is left
        assert not isinstance(event, TextDelta | ReasoningDelta) or event.text
        assert not isinstance(event, Usage) or all(
            getattr(event, name) is None or 0 <= getattr(event, name) <= 3 * 10**12
            for name in USAGE_FIELDS
        )


def check_the_cut(wire: str, body: bytes, at: list[int]) -> None:
    endpoint = ENDPOINTS[wire]
    assert outcome_of(events_of(endpoint, cut(body, at))) == outcome_of(events_of(endpoint, [body]))


@both_wires
@often
@given(body=anything, at=places)
@example(body=b"", at=[])
@example(body=b"\xef\xbb\xbf", at=[1, 2])
@example(body=b"data: " + b"[" * 100_000, at=[7])
@example(body=b"{" * 100_000, at=[7])
def test_any_bytes_end_in_exactly_one_last_event(wire, body, at):
    check_the_ending(wire, body, at)


@both_wires
@often
@given(body=anything, at=places)
def test_any_cut_gives_the_same_reply(wire, body, at):
    check_the_cut(wire, body, at)


@often
@given(body=st.binary() | streams | anything, at=places)
def test_any_cut_gives_the_same_frames(body, at):
    def frames(chunks):
        parts = []
        frame(chunks, parts.append)
        document = b"".join(part for part in parts if isinstance(part, bytes))
        batches = [part for part in parts if not isinstance(part, bytes)]
        events = [(event, batch.is_cut) for batch in batches for event in batch.events]
        return document, events, any(batch.is_too_large for batch in batches)

    assert frames(cut(body, at)) == frames([body])


@often
@given(body=st.binary() | documents.map(str.encode))
def test_any_refusal_is_read(body):
    envelope = parse_refusal(body)
    assert (envelope.message or "").isprintable()


@often
@given(text=st.text(st.characters()))
def test_words_to_show_are_one_printable_line(text):
    line = sanitize_message(text) or ""
    assert line.isprintable()
    assert len(line) <= 501


# ── text in, text out

pieces = st.lists(st.text(st.characters(), min_size=1), min_size=1, max_size=6)


def openai_stream(deltas: list[str], *, ascii_only: bool) -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": {"content": delta}}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return to_sse(chunks, ascii_only=ascii_only)


def anthropic_stream(deltas: list[str], *, ascii_only: bool) -> bytes:
    events: list[object] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": delta}}
        for delta in deltas
    ]
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    return to_sse([*events, {"type": "message_stop"}], ascii_only=ascii_only)


def to_sse(bodies: list[object], *, ascii_only: bool) -> bytes:
    text = "".join(f"data: {json.dumps(body, ensure_ascii=ascii_only)}\n\n" for body in bodies)
    return text.encode("utf-8", "replace")


STREAMS = {"openai": openai_stream, "anthropic": anthropic_stream}


@both_wires
@often
@given(deltas=pieces, at=places)
@example(deltas=["\ud83d", "\ude00"], at=[])
@example(deltas=["a\ud83d"], at=[])
@example(deltas=["\u2028\u2029\x85\x1c\x0b\x0c\x00\ufeff\x7f"], at=[])
@example(deltas=["\ufeff"], at=[])
def test_text_comes_out_as_it_went_in(wire, deltas, at):
    body = STREAMS[wire](deltas, ascii_only=True)
    outcome = outcome_of(events_of(ENDPOINTS[wire], cut(body, at)))
    assert outcome.text == replace_surrogates("".join(deltas))
    assert outcome.stop == "stop"


@both_wires
@often
@given(deltas=st.lists(st.text(), min_size=1, max_size=6), at=places)
@example(deltas=["a\u2028b\u0085c\x1cd\x00e", "漢😀"], at=[])
def test_text_written_without_escapes_comes_out_as_it_went_in(wire, deltas, at):
    body = STREAMS[wire](deltas, ascii_only=False)
    outcome = outcome_of(events_of(ENDPOINTS[wire], cut(body, at)))
    assert outcome.text == "".join(deltas)


@both_wires
@often
@given(deltas=pieces)
@example(deltas=["a\ud83d"])
def test_thinking_and_arguments_come_out_as_they_went_in(wire, deltas):
    if wire == "openai":
        chunks: list[object] = [
            {
                "choices": [
                    {
                        "delta": {
                            "reasoning": delta,
                            "tool_calls": [{"index": 0, "function": {"arguments": delta}}],
                        }
                    }
                ]
            }
            for delta in deltas
        ]
    else:
        chunks = [
            {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use"}}
        ]
        for delta in deltas:
            thinking = {"type": "thinking_delta", "thinking": delta}
            chunks.append({"type": "content_block_delta", "index": 0, "delta": thinking})
            arguments = {"type": "input_json_delta", "partial_json": delta}
            chunks.append({"type": "content_block_delta", "index": 1, "delta": arguments})
    outcome = outcome_of(events_of(ENDPOINTS[wire], [to_sse(chunks, ascii_only=True)]))
    assert outcome.reasoning == replace_surrogates("".join(deltas))
    assert outcome.calls == (("", replace_surrogates("".join(deltas))),)


# ── thinking between tags

TAGGED = re.compile(r"\A\s{0,64}<think>[\r\n]*(.*?)(?:</think>[\r\n]*(.*))?\Z", re.DOTALL)
fragments = st.sampled_from(
    ["<think>", "</think>", "<", "</", "<thi", "nk>", "think>", "\n", " ", "a", "é", "</think", ">"]
)


@often
@given(
    text=st.lists(fragments, max_size=10).map("".join),
    opening=st.sampled_from(["", "<think>", " \n<think>\n"]),
    at=st.lists(st.integers(0, 60), max_size=8),
)
def test_think_tags_are_found_wherever_they_are_cut(text, opening, at):
    text = opening + text
    edges = [0, *sorted(min(place, len(text)) for place in at), len(text)]
    splitter = ReasoningSplitter()
    found = [
        piece
        for start, end in itertools.pairwise(edges)
        for piece in splitter.split(text[start:end])
    ]
    found += splitter.flush()
    tagged = TAGGED.match(text)
    thought, said = (tagged[1], tagged[2] or "") if tagged else ("", text)
    assert "".join(piece for kind, piece in found if kind == "reasoning") == thought
    assert "".join(piece for kind, piece in found if kind == "text") == said


@pytest.mark.parametrize("blanks", [0, 1, 64, 65, 1000])
def test_many_blanks_before_a_tag_make_it_text(blanks):
    text = " " * blanks + "<think>Hm.</think>Hi"
    whole_text = list(ReasoningSplitter().split(text))
    splitter = ReasoningSplitter()
    bytewise = [piece for letter in text for piece in splitter.split(letter)]
    for found in (whole_text, bytewise):
        thought = "".join(piece for kind, piece in found if kind == "reasoning")
        assert thought == ("Hm." if blanks <= 64 else "")
