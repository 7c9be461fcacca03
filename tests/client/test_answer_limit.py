"""An answer without an end is ended: what came stays, and nothing is sent again."""

from __future__ import annotations

import json

import pytest
from support import provider as scripted
from support.plain_server import request, target_of

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.reply_builder import ReplyBuilder

PIECE = "word " * 200
"""A thousand bytes."""
ENDLESS = {
    "text": scripted.openai_stream([PIECE] * 40),
    "thinking": scripted.openai_stream(["x"], reasoning=[PIECE] * 40),
    "letters of three bytes": scripted.openai_stream(["漢" * 400] * 40),
    "arguments of a tool": scripted.openai_stream(
        [], calls=[scripted.ToolCall("t", json.dumps({"a": PIECE * 40}))]
    ),
}


def reply_of(provider, transport, limit_mb):
    limits = Limits(max_retries=2, max_answer_mb=limit_mb)
    builder = ReplyBuilder()
    for event in RequestStream(transport, request(), target_of(provider), limits):
        builder.add(event)
    return builder.build("a/model")


@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_over_the_limit_is_ended_and_keeps_what_came(provider, transport, script):
    provider.play(script)
    reply = reply_of(provider, transport, 0.005)
    assert str(reply.error).startswith("the answer is longer than 0.005 MB and was ended")
    assert "max_answer_mb" in str(reply.error)
    assert reply.error.code == "answer_too_long"
    assert reply.stop_reason == "error"
    came = reply.text + reply.reasoning + "".join(call.arguments_json for call in reply.tool_calls)
    assert 4_900 < len(came.encode()) < 45_000
    assert len(provider.posts) == 1


@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_below_the_limit_is_whole(provider, transport, script):
    provider.play(script)
    assert reply_of(provider, transport, 0.2).error is None


def test_the_next_request_gets_its_own_answer(provider, transport):
    provider.play(ENDLESS["text"])
    assert reply_of(provider, transport, 0.005).error is not None
    provider.play(scripted.openai_stream(["fine"]))
    assert reply_of(provider, transport, 0.005).text == "fine"


def test_the_limit_is_64_mb_unless_it_is_set():
    assert Limits().max_answer_mb == 64
