"""Rounds of tools as they arrive: the parts that go back to the model, in order and unmodified."""

from __future__ import annotations

import json

import pytest
from support.recordings import load_recordings, read_chunks

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.messages import Reasoning, ToolCall

RECORDINGS = {each.name: each for each in load_recordings()}
ADD = ToolCall("call_1", "add", '{"n": 3}')
DETAILS = [
    {
        "type": "reasoning.text",
        "text": "I must add.",
        "index": 0,
        "format": "anthropic-claude-v1",
        "signature": "c2ln",
    },
    {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "index": 1},
]
PARTS = {
    "anthropic-tool-use-after-signed-thinking.sse": (
        {"type": "thinking", "thinking": "I must add.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        "I add.",
        ToolCall("toolu_1", "add", '{"n": 3}'),
        {"type": "thinking", "thinking": "And again.", "signature": "bW9yZQ=="},
        ToolCall("toolu_2", "add", "{}"),
    ),
    "anthropic-thinking-cut-before-its-signature.sse": (),
    "anthropic-tool-use-with-invalid-json.sse": (
        "I add.",
        ToolCall("toolu_1", "add", '{"n": "three}'),
    ),
    "openai-tool-calls-after-reasoning-details.sse": (
        ADD,
        Reasoning("reasoning", "I must add."),
        DETAILS,
    ),
    "openai-tool-call-with-a-thought-signature.sse": (
        ADD._replace(extra_json='{"extra_content": {"google": {"thought_signature": "c2ln"}}}'),
    ),
    "openai-tool-calls-after-reasoning-content.sse": (
        "I add.",
        ADD,
        Reasoning("reasoning_content", "I must add."),
    ),
    "openai-tool-call-with-a-late-id.sse": None,
    "openai-tool-calls-all-with-index-0.sse": None,
    "openai-tool-calls-without-an-index.sse": None,
    "openai-tool-calls-without-any-sign.sse": None,
    "anthropic-whole-answer-with-a-tool-call.json": None,
}
"""`None`: each call has an id of its own."""


def parts_of(recording, chunks, *, keeps_reasoning=True):
    decoder = WIRE_FORMATS[recording.endpoint].decoder(lambda text: text)
    decoder.keeps_reasoning = keeps_reasoning
    reader = AnswerReader(decoder)
    builder = ReplyBuilder()
    for event in [*read_chunks(reader, chunks), *reader.close()]:
        builder.add(event)
    return builder.parts()


def comparable(part):
    if isinstance(part, Reasoning) and part.kind not in ("reasoning", "reasoning_content"):
        return json.loads(part.value)
    return part


@pytest.mark.parametrize("name", PARTS)
def test_a_round_gives_its_parts_whole_and_byte_by_byte(name):
    recording = RECORDINGS[name]
    parts = parts_of(recording, [recording.body])
    assert parts == parts_of(recording, [bytes([each]) for each in recording.body])
    if PARTS[name] is not None:
        assert tuple(map(comparable, parts)) == PARTS[name]
    ids = [part.id for part in parts if isinstance(part, ToolCall)]
    assert all(ids)
    assert len({*ids}) == len(ids)


@pytest.mark.parametrize("name", PARTS)
def test_without_tools_no_reasoning_is_kept(name):
    recording = RECORDINGS[name]
    parts = parts_of(recording, [recording.body], keeps_reasoning=False)
    assert not any(isinstance(part, Reasoning) for part in parts)
