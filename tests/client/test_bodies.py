"""What is sent: the JSON bodies of both wires, to the letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cc_jupyter.client.client import encode_body
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.messages import Message, Parameters, Request

if TYPE_CHECKING:
    from cc_jupyter.core.messages import ApiPath

GOLDEN = Path(__file__).parent / "golden"
CHAT: ApiPath = "/chat/completions"
MESSAGES: ApiPath = "/messages"
MODELS = {CHAT: "deepseek/deepseek-v4-flash", MESSAGES: "claude-sonnet-5"}
HELLO = (Message("user", "Say hello to Ada"),)
TALK = (
    Message("user", "Name a prime."),
    Message("assistant", "7"),
    Message("user", "And the next?\nOnly the number, please: {x} $y %z \t “ü” 😀 \u2028"),
)
ALL = Parameters(
    temperature=0.0, top_p=0.9, max_tokens=100, stop=("END", "###"), effort="high"
)  # 0.0 is given, not left out


def encode(endpoint: ApiPath, **fields: Any) -> dict[str, Any]:
    fields = {"messages": HELLO, **fields}
    return WIRE_FORMATS[endpoint].encode(Request(MODELS[endpoint], endpoint, **fields))


@pytest.mark.parametrize(
    ("name", "endpoint", "fields"),
    [
        ("chat-prompt-alone", CHAT, {}),
        ("chat-system-and-history", CHAT, {"messages": TALK, "system": "Be brief."}),
        ("chat-every-parameter", CHAT, {"parameters": ALL}),
        ("messages-prompt-alone", MESSAGES, {}),
        ("messages-system-and-history", MESSAGES, {"messages": TALK, "system": "Be brief."}),
        ("messages-every-parameter", MESSAGES, {"parameters": ALL}),
    ],
)
def test_a_body_is_the_golden_one(name, endpoint, fields):
    golden = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    assert encode(endpoint, **fields) == golden


@pytest.mark.parametrize("endpoint", MODELS)
def test_nothing_is_sent_that_was_not_given(endpoint):
    given_nothing = encode(endpoint, system="", parameters=Parameters(stop=()))
    assert given_nothing == encode(endpoint)
    assert None not in given_nothing.values()


def test_messages_always_have_max_tokens():
    assert encode(MESSAGES)["max_tokens"] == 8_192
    assert encode(MESSAGES, parameters=Parameters(max_tokens=7))["max_tokens"] == 7
    assert "max_tokens" not in encode(CHAT)


def test_chat_always_asks_for_usage():
    assert encode(CHAT)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("endpoint", "extra", "member", "value"),
    [
        (CHAT, {"seed": 7}, "seed", 7),
        (CHAT, {"temperature": 1}, "temperature", 1),
        (CHAT, {"stop": ["X"]}, "stop", ["X"]),
        (CHAT, {"seed": None}, "seed", None),
        (
            CHAT,
            {"stream_options": {"x": {"y": 1}}},
            "stream_options",
            {"include_usage": True, "x": {"y": 1}},
        ),
        (MESSAGES, {"thinking": {"type": "adaptive"}}, "thinking", {"type": "adaptive"}),
        (
            MESSAGES,
            {"output_config": {"format": {"type": "json_schema"}}},
            "output_config",
            {"effort": "high", "format": {"type": "json_schema"}},
        ),
        (MESSAGES, {"output_config": {"effort": "low"}}, "output_config", {"effort": "low"}),
        (MESSAGES, {"max_tokens": 5}, "max_tokens", 5),
    ],
)
def test_a_param_is_added_and_joined_with_what_stands_there(endpoint, extra, member, value):
    parameters = Parameters(effort="high", temperature=0.5, extra=extra)
    assert encode(endpoint, parameters=parameters)[member] == value


def test_a_param_does_not_change_what_the_user_holds():
    extra = {"output_config": {"format": 1}}
    encode(MESSAGES, parameters=Parameters(effort="high", extra=extra))
    assert extra == {"output_config": {"format": 1}}


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_is_typed_is_what_is_sent(text):
    for endpoint, model in MODELS.items():
        request = Request(model, endpoint, (Message("user", text),), system=text)
        body = json.loads(encode_body(request))
        assert body["messages"][-1] == {"role": "user", "content": text}
        assert text in (body.get("system"), body["messages"][0]["content"])
