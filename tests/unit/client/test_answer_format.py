"""How each wire is asked for JSON, and what is asked when it refuses."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx
import pytest
from support.recordings import events_of

from cc_jupyter.client.bodies.encode import with_extra
from cc_jupyter.client.bodies.structured_output import (
    FormatMemory,
    anthropic_fields,
    fall_back,
    is_schema_refusal,
    is_tool_refusal,
    openai_fields,
    preferred_format,
    rules_out_forced_tool,
    tool_call_as_text,
    with_instruction,
)
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.errors import (
    AuthError,
    CreditError,
    ModelError,
    PlanError,
    RateLimitError,
    StatusError,
)
from cc_jupyter.core.events import Error, Stop, TextDelta, ToolCallDelta, Usage
from cc_jupyter.core.messages import Message, Parameters, Request, ResponseFormat, ToolSpec
from cc_jupyter.prompt.output_types import json_output_type, output_type_for

CHAT, MESSAGES = "/chat/completions", "/messages"
SCHEMA = {
    "type": "object",
    "properties": {"value": {"type": "integer"}},
    "required": ["value"],
    "additionalProperties": False,
}
FORM = ResponseFormat("answer", SCHEMA)


def in_mode(mode: Any, **changes: Any) -> ResponseFormat:
    return dataclasses.replace(FORM, mode=mode, **changes)


def refusal(
    message: str | None, status: int = 400, kind: type[StatusError] = StatusError, code: str = ""
) -> StatusError:
    return kind("refused", status=status, code=code or None, provider_message=message)


# ── what is sent


def test_openai_is_asked_for_a_strict_json_schema():
    assert openai_fields(FORM) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
        }
    }


def test_openai_is_not_asked_to_be_strict_about_a_schema_that_is_not_closed():
    form = preferred_format(output_type_for(dict[str, int]).form, CHAT)
    assert openai_fields(form)["response_format"]["json_schema"]["strict"] is False


def test_claude_is_asked_by_its_output_config():
    assert anthropic_fields(FORM) == {
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}
    }


def test_the_weaker_ways_are_any_object_one_forced_tool_and_words():
    assert openai_fields(in_mode("object")) == {"response_format": {"type": "json_object"}}
    assert anthropic_fields(in_mode("tool")) == {
        "tools": [{"name": "answer", "description": "Give the answer.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "answer"},
    }
    assert openai_fields(in_mode("words")) == anthropic_fields(in_mode("words")) == {}


def test_a_request_without_a_form_is_as_it_was():
    assert openai_fields(None) == anthropic_fields(None) == {}
    assert with_instruction("Be brief.", None) == "Be brief."
    assert with_instruction(None, None) is None


def test_the_effort_and_the_format_share_claudes_output_config():
    body = with_extra({"output_config": {"effort": "low"}}, anthropic_fields(FORM))
    assert body["output_config"].keys() == {"effort", "format"}


@pytest.mark.parametrize("mode", ["schema", "tool"])
def test_where_the_wire_carries_the_schema_the_system_prompt_is_left_alone(mode):
    assert with_instruction("Be brief.", in_mode(mode)) == "Be brief."


@pytest.mark.parametrize("mode", ["object", "words"])
def test_where_it_does_not_the_schema_stands_behind_the_users_own_system_prompt(mode):
    told = with_instruction("Be brief.", in_mode(mode))
    assert told is not None
    assert told.startswith("Be brief.\n\nAnswer with one JSON object that fits the schema below")
    assert told.endswith(json.dumps(SCHEMA))
    assert with_instruction(None, in_mode(mode)) == FORM.instruction


def test_any_object_is_asked_for_with_the_word_that_openai_insists_on():
    form = json_output_type().form
    assert form.instruction == (
        "Answer with one JSON object and nothing else: no explanation, no code fence."
    )


# ── which way first, which after a refusal


@pytest.mark.parametrize(
    ("form", "endpoint", "thinking", "mode"),
    [
        (FORM, CHAT, False, "schema"),
        (FORM, MESSAGES, False, "schema"),
        (FORM, MESSAGES, True, "schema"),
        (in_mode("schema", recursive=True), CHAT, False, "schema"),
        (in_mode("schema", recursive=True), MESSAGES, False, "tool"),
        (in_mode("schema", recursive=True), MESSAGES, True, "words"),
        (in_mode("schema", strict=False), CHAT, False, "schema"),
        (in_mode("schema", strict=False), MESSAGES, False, "tool"),
        (in_mode("schema", strict=False), MESSAGES, True, "words"),
        (json_output_type().form, CHAT, False, "object"),
        (json_output_type().form, MESSAGES, False, "words"),
    ],
)
def test_the_surest_way_that_the_endpoint_takes_comes_first(form, endpoint, thinking, mode):
    assert preferred_format(form, endpoint, thinking=thinking).mode == mode


SCHEMA_REFUSAL = refusal("response_format: unsupported; output_config.format: not permitted")
TOOL_REFUSAL = refusal("Thinking may not be enabled when tool_choice forces tool use.")


@pytest.mark.parametrize(
    ("mode", "endpoint", "thinking", "error", "next_mode"),
    [
        ("schema", CHAT, False, SCHEMA_REFUSAL, "object"),
        ("schema", MESSAGES, False, SCHEMA_REFUSAL, "tool"),
        ("schema", MESSAGES, True, SCHEMA_REFUSAL, "words"),
        ("object", CHAT, False, SCHEMA_REFUSAL, "words"),
        ("tool", MESSAGES, False, TOOL_REFUSAL, "words"),
        ("words", CHAT, False, SCHEMA_REFUSAL, None),
        ("schema", CHAT, False, refusal("prompt is too long"), None),
        ("tool", MESSAGES, False, refusal("prompt is too long"), None),
    ],
)
def test_after_a_refusal_one_weaker_way_is_left(mode, endpoint, thinking, error, next_mode):
    form = fall_back(in_mode(mode), endpoint, error, thinking=thinking)
    assert (form and form.mode) == next_mode
    if form is not None:
        assert "sent again" in form.notice
        assert form.schema == SCHEMA


def test_every_chain_of_refusals_ends():
    for endpoint in (CHAT, MESSAGES):
        form: ResponseFormat | None = preferred_format(FORM, endpoint)
        error = refusal("response_format, output_config.format and tools are not supported")
        modes = []
        while form is not None:
            modes.append(form.mode)
            form = fall_back(form, endpoint, error)
        assert modes[-1] == "words"
        assert len(set(modes)) == len(modes)


def test_a_refused_form_is_not_asked_of_that_model_again_but_of_others():
    known = FormatMemory()
    known.learn("root", "m", FORM, in_mode("tool"))
    known.learn("root", "m", in_mode("tool"), in_mode("words"))
    other = ResponseFormat("answer", {**SCHEMA, "description": "another"})
    assert known.recall("root", "m", FORM) == in_mode("words")
    assert known.recall("root", "m", other) == other
    assert known.recall("root", "n", FORM) == FORM
    assert known.recall("elsewhere", "m", FORM) == FORM
    assert known.recall("root", "m", None) is None


def test_nothing_is_learned_from_a_form_that_was_taken():
    known = FormatMemory()
    known.learn("root", "m", FORM, FORM)
    known.learn("root", "m", None, None)
    assert known.recall("root", "m", FORM) == FORM


@pytest.mark.parametrize(
    ("effort", "extra", "thinking"),
    [
        (None, {}, False),
        ("high", {}, True),
        (None, {"thinking": {"type": "adaptive"}}, True),
        (None, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, True),
        (None, {"thinking": {"type": "disabled"}}, False),
        (None, {"seed": 7}, False),
    ],
)
def test_thinking_effort_and_other_tools_rule_out_a_forced_tool(effort, extra, thinking):
    parameters = Parameters(effort=effort, extra=extra)
    assert rules_out_forced_tool(parameters) is thinking
    assert rules_out_forced_tool(parameters, (ToolSpec("f", "", {"type": "object"}),))


@pytest.mark.parametrize(
    "message",
    [
        "This response_format type is unavailable now",
        (
            "Failed to deserialize the JSON body into the target type: response_format:"
            " response_format.type `json_schema` is unavailable now at line 1 column 1193"
        ),
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this"
            " model."
        ),
        "'response_format.type' must be 'json_schema' or 'text'",
        (
            "Invalid schema for response_format 'answer': In context=('properties', 'a'),"
            " 'additionalProperties' is required to be supplied and to be false."
        ),
        "Unsupported parameter: 'response_format'.",
        "output_config.format: Extra inputs are not permitted",
        "output_config: Extra inputs are not permitted",
        "Schema is too complex for compilation. Try reducing the number of tools.",
        "The compiled grammar is too large, which would cause performance issues.",
        "Invalid JSON payload received. Unknown name at 'generation_config.response_schema'",
        "JSON schema conversion failed: Unrecognized schema",
        "Structured outputs are not supported by this model",
    ],
)
def test_a_refused_format_is_known_by_the_words_met_in_the_wild(message):
    assert is_schema_refusal(refusal(message))
    assert is_schema_refusal(refusal(message, 422))
    assert is_schema_refusal(refusal(message, kind=ModelError))


@pytest.mark.parametrize(
    "error",
    [
        refusal(None),
        refusal(""),
        refusal("max_tokens: 9000 > 8192, which is the maximum allowed"),
        refusal("prompt is too long: 250000 tokens"),
        refusal("unknown model", code="unsupported_model"),
        refusal("messages: text content blocks must be non-empty"),
        refusal("output_config.effort: Input should be 'low', 'medium' or 'high'"),
        refusal(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'
            ' and "output_config.effort" to control thinking behavior.'
        ),
        refusal("response_format is a fine thing"),
        refusal("response_format is not supported", 500),
        refusal("response_format is not supported", 404),
        refusal("response_format is not supported", 403, PlanError),
        refusal("response_format is not supported", 400, CreditError),
        refusal("response_format is not supported", 401, AuthError),
        refusal("response_format is not supported", 429, RateLimitError),
    ],
)
def test_any_other_refusal_is_not_taken_for_one_of_the_format(error):
    assert not is_schema_refusal(error)


@pytest.mark.parametrize(
    ("message", "about_tools"),
    [
        ("Thinking may not be enabled when tool_choice forces tool use.", True),
        ("tool_choice: forced tools are not supported", True),
        ("tools.0.input_schema: invalid", True),
        ("prompt is too long", False),
        ("toolbox is invalid", False),
    ],
)
def test_a_refused_tool_is_known_by_its_words(message, about_tools):
    assert is_tool_refusal(refusal(message)) is about_tools


# ── what comes back


def test_the_arguments_of_the_forced_tool_are_the_text_of_the_answer():
    usage = Usage(input_tokens=3)
    events = [
        TextDelta("So: "),
        ToolCallDelta(0, "answer", ""),
        ToolCallDelta(0, "", '{"val'),
        ToolCallDelta(0, "", 'ue": 3}'),
        ToolCallDelta(1, "answer", '{"value": 4}'),
        usage,
        Stop("tool_call", "tool_use"),
    ]
    assert list(tool_call_as_text(events)) == [
        TextDelta("So: "),
        TextDelta('{"val'),
        TextDelta('ue": 3}'),
        usage,
        Stop("stop", "tool_use"),
    ]


@pytest.mark.parametrize("end", [Stop("length", "max_tokens"), Error("cut")])
def test_another_end_than_the_tool_call_stays_as_it_is(end):
    assert list(tool_call_as_text([ToolCallDelta(0, "answer", "{"), end])) == [TextDelta("{"), end]


def ask(provider: Any, model: str, endpoint: Any, form: ResponseFormat) -> str:
    """Send one request as the encoders will, and give the text of its answer."""
    fields = openai_fields(form) if endpoint == CHAT else anthropic_fields(form)
    request = Request(
        model,
        endpoint,
        (Message("user", "How many?"),),
        with_instruction("Be brief.", form),
        Parameters(max_tokens=500),
    )
    body = with_extra(WIRE_FORMATS[endpoint].encode(request), fields)
    headers = {"Authorization": f"Bearer {provider.key}"}
    response = httpx.post(f"{provider.base_url}/v1{endpoint}", json=body, headers=headers)
    events = events_of(endpoint, [response.content])
    if form.mode == "tool":
        events = list(tool_call_as_text(events))
    assert events[-1] == Stop("stop", events[-1].word)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("kind", [int, list[str], dict[str, int]])
@pytest.mark.parametrize(
    ("model", "endpoint", "mode"),
    [
        ("deepseek/deepseek-v4-flash", CHAT, "schema"),
        ("deepseek/deepseek-v4-flash", CHAT, "words"),
        ("claude-sonnet-5", MESSAGES, "schema"),
        ("claude-sonnet-5", MESSAGES, "tool"),
        ("claude-sonnet-5", MESSAGES, "words"),
    ],
)
def test_either_wire_answers_in_every_mode_with_what_fits(provider, model, endpoint, mode, kind):
    asked = output_type_for(kind)
    form = dataclasses.replace(asked.form, mode=mode)
    assert asked.validate(ask(provider, model, endpoint, form))
