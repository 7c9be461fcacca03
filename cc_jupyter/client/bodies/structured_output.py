"""Structured output: how each wire format requests it, and the fallback if it is rejected.

The answer is one JSON object. The API's own parameters are tried first; if they are rejected, the
fallback puts the schema into the system prompt, so that the user's prompt is sent unchanged. The
answer is validated by `prompt.output_types`, whatever the server guarantees.

Sources: OpenAI guide "Structured outputs", Claude platform page "Structured outputs" (read
2026-11-22); wording of rejections: provider-api.md, section 14, and the threads named below.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import AuthError, CreditError, PlanError, RateLimitError, StatusError
from cc_jupyter.core.events import Stop, StreamEvent, TextDelta, ToolCallDelta
from cc_jupyter.core.messages import _ANY_OBJECT, ResponseFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cc_jupyter.core.messages import Parameters, ToolSpec


_UNREPAIRABLE = (AuthError, PlanError, CreditError, RateLimitError)
# langchain#29282 has DeepSeek's as a 422; both are final, so nothing was billed
_STATUSES = (400, 422)
_ABOUT_FORM = (
    r"response format|response schema|output format|output config(?!\.effort)|json schema"
    r"|json object|structured output|invalid schema|schema is too complex|compiled grammar"
)
_ABOUT_TOOL = r"tool choice|\btools?\b"
# khoj#1336 (DeepSeek), Portkey-AI/gateway#1570 (Vertex, Bedrock), openai-dotnet#276 (OpenAI),
# anthropic-sdk-python#1185 (Claude: a schema too large), receipt-ocr#20 (LM Studio)
_COMPLAINT = (
    r"not support|n't support|unsupported|unavailable|not available|not permitted|not allowed"
    r"|extra inputs|invalid|unknown|unrecogni[sz]ed|unexpected|must be|should be|is required"
    r"|too (?:large|complex|many|deep)|fail|may not"
)


def openai_fields(form: ResponseFormat | None) -> dict[str, Any]:
    """Return the fields of a `/chat/completions` body that request a response format."""
    if form is None or form.mode in ("tool", "words"):
        return {}
    if form.mode == "object":
        return {"response_format": {"type": "json_object"}}
    asked = {"name": form.name, "strict": form.strict, "schema": form.schema}
    return {"response_format": {"type": "json_schema", "json_schema": asked}}


def anthropic_fields(form: ResponseFormat | None) -> dict[str, Any]:
    """Return the fields of a `/messages` body that request a response format.

    `output_config` may also contain the effort: merge the two, do not overwrite.
    """
    if form is None or form.mode in ("object", "words"):
        return {}
    if form.mode == "schema":
        return {"output_config": {"format": {"type": "json_schema", "schema": form.schema}}}
    tool = {"name": form.name, "description": "Give the answer.", "input_schema": form.schema}
    return {"tools": [tool], "tool_choice": {"type": "tool", "name": form.name}}


def with_instruction(system: str | None, form: ResponseFormat | None) -> str | None:
    """Return the system prompt with the instruction, if the body's fields are not enough.

    OpenAI's `json_object` requires the word JSON in the messages.
    """
    if form is None or form.mode in ("schema", "tool"):
        return system
    return f"{system}\n\n{form.instruction}" if system else form.instruction


def tool_call_as_text(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    """Yield the arguments of the forced tool as the answer's text; further calls are ignored."""
    first: int | None = None
    for event in events:
        match event:
            case ToolCallDelta(index, _, arguments):
                first = index if first is None else first
                if arguments and index == first:
                    yield TextDelta(arguments)
            case Stop("tool_call", word):
                yield Stop("stop", word)
            case _:
                yield event


def rules_out_forced_tool(parameters: Parameters, tools: Sequence[ToolSpec] = ()) -> bool:
    """Return whether a `/messages` request cannot force a tool: it thinks, or offers others."""
    thinking = parameters.extra.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else thinking
    return bool(tools) or parameters.effort is not None or kind not in (None, False, "disabled")


def preferred_format(
    form: ResponseFormat, endpoint: str, *, thinking: bool = False
) -> ResponseFormat:
    """Return the format in the most reliable mode that the endpoint supports.

    Claude accepts only closed schemas without recursion and answers 400 to any other; it has no
    mode for an arbitrary object.
    """
    if endpoint != "/messages":
        return replace(form, mode="object" if form.schema == _ANY_OBJECT else "schema")
    if form.schema == _ANY_OBJECT:
        return replace(form, mode="words")
    if form.strict and not form.recursive:
        return replace(form, mode="schema")
    return replace(form, mode="words" if thinking else "tool")


def fall_back(
    form: ResponseFormat, endpoint: str, error: StatusError, *, thinking: bool = False
) -> ResponseFormat | None:
    """Return the format to try after an error; `None` if the error is not about the format."""
    match form.mode:
        case "schema" if is_schema_refusal(error):
            if endpoint != "/messages":
                return replace(form, mode="object")
            return replace(form, mode="words" if thinking else "tool")
        case "object" if is_schema_refusal(error):
            return replace(form, mode="words")
        case "tool" if is_tool_refusal(error):
            return replace(form, mode="words")
        case _:
            return None


class FormatMemory:
    """The fallback that each model accepted, so that the next request uses it immediately.

    It is in memory only, because the upstreams of a gateway change.
    """

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str, ResponseFormat], ResponseFormat] = {}

    def recall(
        self, api_root: str, model: str, form: ResponseFormat | None
    ) -> ResponseFormat | None:
        """Return the format that the model last accepted instead."""
        while form is not None and (api_root, model, form) in self._taken:
            form = self._taken[api_root, model, form]
        return form

    def learn(
        self, api_root: str, model: str, asked: ResponseFormat | None, taken: ResponseFormat | None
    ) -> None:
        """Record the format that was accepted instead of the requested one."""
        if asked is not None and taken is not None and asked != taken:
            self._taken[api_root, model, asked] = taken


def is_schema_refusal(error: StatusError) -> bool:
    """Return whether the provider says that it does not accept the format or schema.

    The message must contain both a term for it and a complaint, so that no request is repeated on
    a guess.
    """
    return _says(error, _ABOUT_FORM)


def is_tool_refusal(error: StatusError) -> bool:
    """Return whether the provider says that it does not accept a forced tool, as with thinking."""
    return _says(error, _ABOUT_TOOL)


def _says(error: StatusError, subject: str) -> bool:
    if isinstance(error, _UNREPAIRABLE) or error.status not in _STATUSES:
        return False
    text = f"{error.code or ''} {error.message or ''}".casefold().replace("_", " ")
    return bool(re.search(subject, text) and re.search(_COMPLAINT, text))
