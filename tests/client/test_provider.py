"""The scripted provider against the real SDKs: what it plays is what a client sees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import openai
import pytest
from support import provider as scripted
from support.provider import KEY, Provider, Tokens, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

FLASH, CLAUDE = "deepseek/deepseek-v4-flash", "claude-sonnet-5"
HELLO: list[Any] = [{"role": "user", "content": "Say hello to Ada"}]
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture
def chat(provider: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.base_url + "/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(provider: Provider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.base_url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def plain(provider: Provider) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=provider.base_url, headers=headers, trust_env=False) as client:
        yield client


def ask(model: str = FLASH, **fields: object) -> dict[str, Any]:
    return {"model": model, "max_tokens": 1000, "messages": HELLO, **fields}


def stream_chat(client: openai.OpenAI, **fields: Any) -> list[Any]:
    return list(client.chat.completions.create(**ask(stream=True, **fields)))


def stream_claude(client: anthropic.Anthropic, **fields: Any) -> Any:
    with client.messages.stream(**ask(CLAUDE, **fields)) as stream:
        return stream.get_final_message()


# ── chat completions


def test_openai_sdk_reads_a_stream_with_its_reason_and_usage(provider, chat):
    usage = Tokens(12, 3, cached=4, reasoning=1)
    provider.play(scripted.openai_stream(["Hel", "lo"], usage=usage))
    chunks = stream_chat(chat)
    assert [c.choices[0].delta.content for c in chunks[:-1]] == ["", "Hel", "lo", None]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 15
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 4
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 1


def test_openai_sdk_reads_a_whole_answer(provider, chat):
    provider.play(scripted.openai_json("Hello", finish="length"))
    answer = chat.chat.completions.create(**ask())
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (
        "Hello",
        "length",
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 9


@pytest.mark.parametrize(
    ("spelling", "where"),
    [
        ("reasoning", {"reasoning"}),
        ("reasoning_content", {"reasoning_content"}),
        ("reasoning_details", {"reasoning_details"}),
        ("deepseek", {"reasoning", "reasoning_details"}),
        ("openai", {"reasoning", "reasoning_details"}),
    ],
)
def test_reasoning_stands_where_each_family_puts_it(provider, chat, spelling, where):
    provider.play(scripted.openai_stream(["Hi"], reasoning=["Hm"], spelling=spelling))
    delta = stream_chat(chat)[1].choices[0].delta
    assert set(delta.model_extra) == where


def test_openai_sdk_reads_tool_calls(provider, chat):
    calls = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("stop", id="call_0002")]
    provider.play(scripted.openai_stream((), calls=calls))
    provider.play(scripted.openai_json(None, calls=calls))
    choices = [c.choices[0] for c in stream_chat(chat)[:-1]]
    pieces = [piece for choice in choices for piece in choice.delta.tool_calls or ()]
    first = "".join(p.function.arguments for p in pieces if p.index == 0)
    assert json.loads(first) == {"a": 1, "b": 2}
    assert [p.function.name for p in pieces if p.id] == ["add", "stop"]
    assert choices[-1].finish_reason == "tool_calls"
    whole = chat.chat.completions.create(**ask()).choices[0]
    assert whole.message.content is None
    assert [call.id for call in whole.message.tool_calls or ()] == ["call_0001", "call_0002"]


# ── messages


def test_anthropic_sdk_reads_a_stream_with_its_reason_and_usage(provider, claude):
    usage = Tokens(100, 7, cached=60, cache_write=30)
    provider.play(scripted.anthropic_stream(["Hel", "lo"], reasoning=["H", "m"], usage=usage))
    message = stream_claude(claude)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert (message.content[0].thinking, message.content[1].text) == ("Hm", "Hello")
    assert message.content[0].signature
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == 10
    assert message.usage.cache_read_input_tokens == 60
    assert message.usage.cache_creation_input_tokens == 30
    assert message.usage.output_tokens == 7


def test_anthropic_sdk_reads_a_whole_answer(provider, claude):
    provider.play(scripted.anthropic_json("Hello", reasoning="Hm", finish="max_tokens"))
    message = claude.messages.create(**ask(CLAUDE))
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.stop_reason == "max_tokens"


def test_anthropic_sdk_reads_tool_calls(provider, claude):
    call = ToolCall("add", {"a": 1, "b": [2, 3]})
    provider.play(scripted.anthropic_stream(["Wait"], calls=[call]))
    provider.play(scripted.anthropic_json((), calls=[call]))
    for message in (stream_claude(claude), claude.messages.create(**ask(CLAUDE))):
        assert message.content[-1].input == {"a": 1, "b": [2, 3]}
        assert message.stop_reason == "tool_use"


def test_the_stream_has_every_event_of_the_format(provider, plain):
    provider.play(scripted.anthropic_stream(["Hi"]))
    lines = plain.post(MESSAGES, json=ask(CLAUDE)).text.splitlines()
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event")] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


# ── answers that nobody scripted


def test_an_answer_without_a_script_mentions_the_prompt_and_stays_the_same(chat, claude):
    first, again = stream_chat(chat), stream_chat(chat)
    assert len(first) > 10
    assert [c.to_json() for c in first] == [c.to_json() for c in again]
    text = "".join(c.choices[0].delta.content or "" for c in first[:-1])
    assert "Say hello to Ada" in text
    assert text == chat.chat.completions.create(**ask()).choices[0].message.content
    message = stream_claude(claude)
    assert "Say hello to Ada" in message.content[0].text
    assert message.usage.input_tokens == first[-1].usage.prompt_tokens == 8


def test_limits_stop_words_and_thinking_are_obeyed(chat, claude):
    short = stream_chat(chat, max_tokens=16)
    assert short[-2].choices[0].finish_reason == "length"
    assert short[-1].usage.completion_tokens == 16
    assert stream_claude(claude, max_tokens=16).stop_reason == "max_tokens"
    stopped = chat.chat.completions.create(**ask(stop=["This is"])).choices[0]
    assert stopped.message.content == 'You wrote: "Say hello to Ada"\n\n'
    thinking = stream_claude(claude, thinking={"type": "adaptive"})
    assert [block.type for block in thinking.content] == ["thinking", "text"]
    thought = stream_chat(chat, reasoning_effort="high")
    assert thought[1].choices[0].delta.model_extra
    assert thought[-1].usage.completion_tokens_details.reasoning_tokens > 0


def test_json_and_forced_tools_fit_their_schema(chat, claude):
    wish = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    answer = chat.chat.completions.create(**ask(response_format=wish)).choices[0].message
    assert json.loads(answer.content or "") == {"n": 3}
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert stream_claude(claude, output_config=form).content[0].text == '{"n": 3}'
    words = stream_claude(claude, system=f"Answer in JSON by this schema: {json.dumps(SCHEMA)}.")
    assert words.content[0].text == '{"n": 3}'
    tool = {"name": "keep", "description": "Keep n", "input_schema": SCHEMA}
    forced = stream_claude(claude, tools=[tool], tool_choice={"type": "any"})
    assert forced.content[0].input == {"n": 3}


@pytest.mark.parametrize("model", ["test/burst-20000", "claude-test-burst-20000@0ms"])
def test_a_burst_of_20000_tokens_is_sent_in_a_moment(provider, plain, model):
    path = MESSAGES if model.startswith("claude") else CHAT
    response = plain.post(path, json=ask(model, stream=True))
    record = provider.requests[0]
    record.wait_until_over()
    assert record.ended_s - record.received_s < 1.0  # 0.03 s on a quiet machine
    word = '"text_delta"' if path == MESSAGES else '"content"'
    assert response.text.count(word) == 20_000 + (path == CHAT)
    whole = plain.post(path, json=ask(model)).text
    assert "```python" in whole


def test_a_paced_burst_keeps_its_pace(provider, plain):
    plain.post(CHAT, json=ask("test/burst-50@4ms", stream=True))
    sent_s = provider.requests[0].sent_s[1:51]
    assert 0.19 < sent_s[-1] - sent_s[0] < 0.4


# ── refusals


@pytest.mark.parametrize("key", ["user_wrong", ""])
def test_a_wrong_key_is_a_401_in_each_envelope(provider, plain, key):
    for path, envelope in ((CHAT, {"error"}), (MESSAGES, {"type", "error"})):
        answer = plain.post(path, json=ask(), headers={"authorization": key})
        assert (answer.status_code, set(answer.json())) == (401, envelope)
        assert answer.json()["error"]["type"] == "authentication_error"


def test_the_sdks_raise_what_was_refused(provider, chat, claude):
    with pytest.raises(openai.AuthenticationError, match="Authorization"):
        chat.with_options(api_key="user_wrong").chat.completions.create(**ask())
    with pytest.raises(anthropic.AuthenticationError, match="Authorization"):
        claude.with_options(api_key="user_wrong").messages.create(**ask(CLAUDE))
    with pytest.raises(openai.BadRequestError, match="/provider/v1/messages") as wrong_path:
        chat.chat.completions.create(**ask(CLAUDE))
    assert wrong_path.value.code == "unsupported_model"
    with pytest.raises(anthropic.BadRequestError, match="unsupported_model"):
        claude.messages.create(**ask(FLASH))
    provider.play(scripted.error(429, headers={"retry-after": "7"}))
    provider.play(scripted.error(429))
    with pytest.raises(openai.RateLimitError) as too_many:
        chat.chat.completions.create(**ask())
    assert too_many.value.response.headers["retry-after"] == "7"
    with pytest.raises(anthropic.RateLimitError, match="temporarily unavailable"):
        claude.messages.create(**ask(CLAUDE))


@pytest.mark.parametrize(
    ("path", "fields", "status", "text"),
    [
        (CHAT, {"model": "nobody/nothing"}, 400, "unsupported_model"),
        (MESSAGES, {"model": "claude-nothing"}, 400, "unsupported_model"),
        (CHAT, {"messages": []}, 400, "messages"),
        (MESSAGES, {"model": CLAUDE, "max_tokens": None}, 400, "max_tokens"),
        (MESSAGES, {"model": CLAUDE, "max_tokens": 200_000}, 400, "200000 > 128000"),
        (MESSAGES, {"model": CLAUDE, "messages": [*HELLO, {"role": "assistant"}]}, 400, "prefill"),
        ("/v1/responses", {}, 404, "/v1/responses"),
    ],
)
def test_what_the_documentation_forbids_is_refused(plain, path, fields, status, text):
    answer = plain.post(path, json=ask(**fields))
    assert answer.status_code == status
    assert text in answer.text


def test_broken_json_and_a_private_request_without_a_private_provider_are_refused(plain):
    assert plain.post(CHAT, content=b'{"model": ').status_code == 400
    private = plain.post(CHAT, json=ask("xai/grok-4.6"), headers={"x-cmd-zdr": "1"})
    assert (private.status_code, private.json()["error"]["code"]) == (422, "cmd_zdr_no_providers")


def test_models_are_listed_without_a_key(provider, chat):
    listed = httpx.get(provider.base_url + "/v1/models", trust_env=False).json()["data"]
    endpoints = {entry["id"]: entry["supported_endpoints"] for entry in listed}
    assert endpoints[CLAUDE] == ["/messages"]
    assert endpoints[FLASH] == ["/chat/completions", "/responses"]
    assert [model.id for model in chat.models.list()] == list(endpoints)
    assert provider.posts == []
