"""Rounds of tools as they are sent: to the byte what the official SDKs send for the same messages.

The SDKs are the real clients; the scripted provider takes down their bodies. The messages are
written as the vendors document them: OpenAI guide "Function calling", Claude platform pages "Tool
use" and "Extended thinking with tool use" (read 2026-11-30).
"""

from __future__ import annotations

import base64
import json

import anthropic
import openai
import pytest
from support.provider import KEY, answer
from support.tools import MODELS, check_rules

from cc_jupyter.client.client import encode_body
from cc_jupyter.core.messages import (
    INTERRUPTED,
    Image,
    Message,
    Reasoning,
    Request,
    ToolCall,
    ToolResult,
    ToolSpec,
)

CHAT, CLAUDE = "/chat/completions", "/messages"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LOOKUP = ToolSpec("lookup", "Return the customers of a city. «Ü» 😀", SCHEMA)
PNG = b"\x89PNG\r\n\x1a\n"
FIGURE = Image("image/png", PNG, None, "fig")
THOUGHT = {"type": "thinking", "thinking": "I must look.", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "ZGF0YQ=="}


def request(endpoint, *messages, model=None, **fields):
    return Request(model or MODELS[endpoint], endpoint, messages, **fields)


def sent(endpoint, *messages, model=None, **fields):
    fields = {"tools": (LOOKUP,)} | fields
    body = json.loads(encode_body(request(endpoint, *messages, model=model, **fields)))
    check_rules(body)
    return body


def call(id_="call_1", arguments='{"city": "Rome"}', name="lookup", extra=""):
    return ToolCall(id_, name, arguments, extra)


def round_of(endpoint, calls, results, *, before=(), model=None):
    model = model or MODELS[endpoint]
    text = "".join(part for part in before if isinstance(part, str))
    return (
        Message("assistant", text, parts=(*before, *calls), model=model),
        Message("tool", "", results=tuple(results)),
    )


USER = Message("user", "Who in Rome has not paid?")
TWO = [call(), call("call_2", '{"city":"Pisa"}')]
RESULTS = [
    ToolResult("call_1", ("['Ada']",)),
    ToolResult("call_2", ("KeyError: 'Pisa'",), is_error=True),
]


def test_chat_sends_what_the_openai_sdk_sends(provider):
    provider.always(provider_answer())
    reasoning = (
        Reasoning("reasoning", "I must look."),
        Reasoning("reasoning_details", '[{"type":"reasoning.text","text":"I must look."}]'),
    )
    rounds = round_of(CHAT, TWO, RESULTS, before=("Let me look.", *reasoning))
    ours = request(CHAT, USER, *rounds, Message("user", "And now?"), tools=(LOOKUP,), system="Be.")
    client = openai.OpenAI(base_url=f"{provider.base_url}/v1", api_key=KEY, max_retries=0)
    with client:
        stream = client.chat.completions.create(
            model=MODELS[CHAT],
            messages=[
                {"role": "system", "content": "Be."},
                {"role": "user", "content": USER.text},
                {
                    "role": "assistant",
                    "content": "Let me look.",
                    "reasoning": "I must look.",
                    "reasoning_details": [{"type": "reasoning.text", "text": "I must look."}],
                    "reasoning_content": "I must look.",
                    "tool_calls": [
                        {
                            "id": each.id,
                            "type": "function",
                            "function": {"name": "lookup", "arguments": each.arguments_json},
                        }
                        for each in TWO
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "['Ada']"},
                {"role": "tool", "tool_call_id": "call_2", "content": "KeyError: 'Pisa'"},
                {"role": "user", "content": "And now?"},
            ],
            stream=True,
            stream_options={"include_usage": True},
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "lookup",
                        "description": LOOKUP.description,
                        "parameters": SCHEMA,
                    },
                }
            ],
        )
        list(stream)
    assert_same_bytes(encode_body(ours), provider.posts[-1])


def test_messages_sends_what_the_anthropic_sdk_sends(provider):
    provider.always(provider_answer())
    kept = (
        Reasoning("thinking", json.dumps(THOUGHT)),
        Reasoning("redacted_thinking", json.dumps(HIDDEN)),
    )
    results = [ToolResult("call_1", ("A figure:", FIGURE)), RESULTS[1]]
    rounds = round_of(CLAUDE, TWO, results, before=(*kept, "Let me look."))
    cached = {"cache_control": {"type": "ephemeral"}}
    ours = request(
        CLAUDE, USER, *rounds, Message("user", "And now?"), tools=(LOOKUP,), system="Be."
    )
    client = anthropic.Anthropic(base_url=provider.base_url, api_key=KEY, max_retries=0)
    with client:
        stream = client.messages.create(
            model=MODELS[CLAUDE],
            max_tokens=8192,
            messages=[
                {"role": "user", "content": [{"type": "text", "text": USER.text, **cached}]},
                {
                    "role": "assistant",
                    "content": [
                        THOUGHT,
                        HIDDEN,
                        {"type": "text", "text": "Let me look."},
                        *(
                            {
                                "type": "tool_use",
                                "id": each.id,
                                "name": "lookup",
                                "input": json.loads(each.arguments_json),
                            }
                            for each in TWO
                        ),
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_1",
                            "content": [
                                {"type": "text", "text": "A figure:"},
                                {
                                    "type": "image",
                                    "source": {
                                        "type": "base64",
                                        "media_type": "image/png",
                                        "data": base64.b64encode(PNG).decode(),
                                    },
                                },
                            ],
                        },
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_2",
                            "content": "KeyError: 'Pisa'",
                            "is_error": True,
                        },
                        {"type": "text", "text": "And now?", **cached},
                    ],
                },
            ],
            system=[{"type": "text", "text": "Be.", **cached}],
            stream=True,
            tools=[
                {"name": "lookup", "description": LOOKUP.description, "input_schema": SCHEMA},
            ],
        )
        list(stream)
    assert_same_bytes(encode_body(ours), provider.posts[-1])


def provider_answer():
    return answer("Ada.")


def assert_same_bytes(ours, record):
    """Check that each member of two bodies is the same to the byte; SDKs order members anyhow."""
    mine, theirs = json.loads(ours), record.json
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert json.dumps(value) == json.dumps(theirs[name])


@pytest.mark.parametrize("endpoint", [CHAT, CLAUDE])
@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        ("{}", {}),
        ('{"city": "Ro', {"INVALID_JSON": '{"city": "Ro'}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('{"a": NaN}', {"INVALID_JSON": '{"a": NaN}'}),
        ('{"a": "\\ud83d"}', None),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(endpoint, arguments, given):
    rounds = round_of(endpoint, [call(arguments=arguments)], [ToolResult("call_1", ("no",))])
    message = sent(endpoint, USER, *rounds)["messages"][1]
    if endpoint == CLAUDE:
        found = message["content"][0]["input"]
    else:
        found = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert given is None or found == given


@pytest.mark.parametrize("endpoint", [CHAT, CLAUDE])
def test_ids_are_valid_and_unique_in_the_whole_conversation(endpoint):
    ids = ["functions.lookup:0", "", "x" * 80, "call_1"]
    rounds = round_of(endpoint, [call(each) for each in ids], [ToolResult(i, ("r",)) for i in ids])
    sent(endpoint, USER, *rounds, Message("user", "again"), *rounds)


@pytest.mark.parametrize("endpoint", [CHAT, CLAUDE])
@pytest.mark.parametrize("name", ["", "functions.lookup", "n" * 100, "löök up"])
def test_an_invented_name_becomes_a_valid_one(endpoint, name):
    sent(endpoint, USER, *round_of(endpoint, [call(name=name)], [ToolResult("call_1", ("no",))]))


@pytest.mark.parametrize("endpoint", [CHAT, CLAUDE])
def test_a_call_without_a_result_says_that_it_was_interrupted(endpoint):
    rounds = round_of(endpoint, TWO, RESULTS[:1])
    assert INTERRUPTED in json.dumps(sent(endpoint, USER, *rounds, Message("user", "go on")))
    assert INTERRUPTED in json.dumps(sent(endpoint, USER, rounds[0], Message("user", "go on")))


@pytest.mark.parametrize("endpoint", [CHAT, CLAUDE])
def test_reasoning_of_another_model_is_not_sent(endpoint):
    kept = (
        Reasoning("thinking", json.dumps(THOUGHT)),
        Reasoning("reasoning", "I must look."),
        Reasoning("reasoning_content", "I must look."),
        Reasoning("reasoning_details", '[{"text": "I must look."}]'),
    )
    extra = '{"extra_content": {"google": {"thought_signature": "c2ln"}}}'
    rounds = round_of(endpoint, [call(extra=extra)], RESULTS[:1], before=kept, model="another")
    text = json.dumps(sent(endpoint, USER, *rounds))
    assert "I must look." not in text
    assert "c2ln" not in text


def test_a_signature_of_a_call_goes_back_to_its_model():
    extra = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    model = "google/gemini-3.8-flash"
    rounds = round_of(CHAT, [call(extra=json.dumps(extra))], RESULTS[:1], model=model)
    found = sent(CHAT, USER, *rounds, model=model)["messages"][1]["tool_calls"][0]
    assert found["extra_content"] == extra["extra_content"]


@pytest.mark.parametrize(
    ("model", "has_it"),
    [("deepseek/deepseek-v4-flash", True), ("moonshotai/Kimi-K3", True), ("gpt-6-luna", False)],
)
def test_models_that_want_reasoning_back_get_at_least_an_empty_one(model, has_it):
    rounds = round_of(CHAT, [call()], RESULTS[:1], model="gpt-5.4")
    message = sent(CHAT, USER, *rounds, model=model)["messages"][1]
    assert message.get("reasoning_content") == ("" if has_it else None)


def test_images_of_results_follow_in_a_message_of_the_user_in_the_chat_format():
    rounds = round_of(CHAT, [call()], [ToolResult("call_1", ("A figure:", FIGURE))])
    *_, result, shown = sent(CHAT, USER, *rounds)["messages"]
    assert result["content"] == "A figure:\n[image: fig]"
    assert [each["type"] for each in shown["content"]] == ["text", "image_url"]


def test_a_request_without_tools_defines_those_of_its_calls_and_permits_none():
    rounds = round_of(CLAUDE, [call()], RESULTS[:1])
    body = sent(CLAUDE, USER, *rounds, Message("user", "go on"), tools=())
    assert body["tools"] == [{"name": "lookup", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}
    assert "tools" not in sent(CHAT, USER, *rounds, Message("user", "go on"), tools=())
