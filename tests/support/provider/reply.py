"""The answer to a request that was not scripted: the same each time, for any prompt.

It says what it is and what reached it, obeys limits, stop words, wishes for JSON (by parameter or
in the system prompt) and forced tools, and thinks when it is asked to, in the spelling of the
model's family.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import burst
from .chat import openai_json, openai_stream
from .claude import anthropic_json, anthropic_stream
from .models import Spelling, spelling_of
from .prose import tokens
from .refusals import is_messages
from .sample import sample
from .spoken import Texts, Tokens, ToolCall, Usage, count, deltas, tool_calls, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .record import Record
    from .script import Answer, Script
    from .server import Provider

_IN_MESSAGES = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_CODE_WORDS = ("code", "python", "function", "script", "program")
_QUOTED_CHARACTERS = 80
_IMAGE_TOKENS = 256
_ANY_OBJECT = {"properties": {"answer": {"type": "string"}, "number": {"type": "integer"}}}


def answer(
    texts: Texts = "Hello",
    *,
    reasoning: Texts = (),
    spelling: Spelling | None = None,
    calls: Iterable[ToolCall | Mapping[str, Any]] = (),
    usage: Usage = "auto",
    finish: str | None = "auto",
    pause_s: float = 0.0,
) -> Answer:
    """Say this on whichever endpoint is asked, streamed or not, as the request wants it.

    `finish` is a word of the OpenAI wire and is translated; `usage="auto"` counts the prompt too;
    a streamed answer with `finish=None` breaks off without usage and end mark.
    """
    said, thought, asked = deltas(texts), deltas(reasoning), tool_calls(calls)

    def script(record: Record) -> Script:
        request = record.json if isinstance(record.json, dict) else {}
        model = str(request.get("model", "?"))
        counted = usage_of(said, thought, asked) if usage == "auto" else usage
        if usage == "auto" and isinstance(counted, Tokens):
            counted = Tokens(input_tokens(request), counted.output, reasoning=counted.reasoning)
        common: dict[str, Any] = {
            "reasoning": thought,
            "calls": asked,
            "usage": counted,
            "finish": finish,
            "model": model,
        }
        if is_messages(record):
            common["finish"] = _IN_MESSAGES.get(finish, finish) if finish else None
        else:
            common["spelling"] = spelling or spelling_of(model)
        if request.get("stream") is not True:
            build = anthropic_json if is_messages(record) else openai_json
            return build(said, **common)
        if finish is None:
            common |= {"usage": None, "done": False}
        build_stream = anthropic_stream if is_messages(record) else openai_stream
        return build_stream(said, pause_s=pause_s, **common)

    return script


def reply(provider: Provider, record: Record) -> Answer:
    """Return the answer to a request that is in order."""
    request: dict[str, Any] = record.json
    asked_burst = burst.parse(request["model"])
    if asked_burst is not None:
        build = burst.stream if request.get("stream") is True else burst.whole
        return lambda _: build(asked_burst, input_tokens(request))
    tool = _forced_tool(request)
    thought = tokens(_thinking(request)) if _wants_reasoning(request) else []
    if tool is not None:
        return answer((), reasoning=thought, calls=[tool], pause_s=provider.pause_s)
    text, finish = _limited(_text(request), request, len(thought))
    return answer(tokens(text), reasoning=thought, finish=finish, pause_s=provider.pause_s)


def input_tokens(request: dict[str, Any]) -> int:
    """Count the prompt: its words and signs, four for each message, 256 for each image."""
    parts = [request.get("system"), *(m.get("content") for m in request.get("messages", ()))]
    total = sum(4 + count(_plain(part)) + _IMAGE_TOKENS * _images(part) for part in parts if part)
    return total + (count(json.dumps(request["tools"])) if request.get("tools") else 0)


def _text(request: dict[str, Any]) -> str:
    prompt = _last_prompt(request)
    quoted = " ".join(prompt.split())
    if len(quoted) > _QUOTED_CHARACTERS:
        quoted = quoted[: _QUOTED_CHARACTERS - 1] + "…"
    schema = _wanted_schema(request)
    if schema is not None:
        return json.dumps(sample(schema, quoted), ensure_ascii=False)
    text = (
        f'You wrote: "{quoted}"\n\n'
        "This is the scripted provider: it answers every prompt alike, with no model behind it. "
        "What reached it:\n\n" + "\n".join(f"- {line}" for line in _received(request, prompt))
    )
    if any(word in prompt.lower() for word in _CODE_WORDS):
        text += f"\n\nAnd some code:\n\n```python\nprint({quoted!r})\n```"
    return text + "\n"


def _received(request: dict[str, Any], prompt: str) -> Iterable[str]:
    said = request["messages"]
    turns = sum(message.get("role") != "system" for message in said)
    yield f"model: `{request['model']}`"
    yield f"messages: {turns}, the last with {len(prompt.split())} words"
    yield f"system prompt: {'yes' if _system(request).strip() else 'none'}"
    images = sum(_images(message.get("content")) for message in said)
    if images:
        yield f"images: {images}"


def _thinking(request: dict[str, Any]) -> str:
    words = len(_last_prompt(request).split())
    return f"The prompt has {words} words. I only have to say what reached me."


def _last_prompt(request: dict[str, Any]) -> str:
    users = [message for message in request["messages"] if message.get("role") == "user"]
    return _plain(users[-1].get("content")) if users else ""


def _plain(content: Any) -> str:
    if isinstance(content, list):
        texts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if text)
    return content if isinstance(content, str) else ""


def _images(content: Any) -> int:
    if not isinstance(content, list):
        return 0
    kinds = [part.get("type") for part in content if isinstance(part, dict)]
    return sum(kind in ("image", "image_url") for kind in kinds)


def _wants_reasoning(request: dict[str, Any]) -> bool:
    effort = request.get("reasoning_effort") or request.get("output_config", {}).get("effort")
    thinking = request.get("thinking", {}).get("type")
    return effort not in (None, "off") or thinking in ("adaptive", "enabled")


def _wanted_schema(request: dict[str, Any]) -> Any:
    wish = request.get("response_format") or request.get("output_config", {}).get("format") or {}
    match wish:
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return schema
        case {"type": "json_schema", "schema": schema}:
            return schema
        case {"type": "json_object"}:
            return _ANY_OBJECT
        case _:
            return _schema_in_words(_system(request))


def _schema_in_words(system: str) -> Any:
    """Find the schema in a system prompt that asks for JSON; without one, any object will do."""
    if "json" not in system.lower():
        return None
    try:
        schema, _ = json.JSONDecoder().raw_decode(system, system.find("{"))
    except ValueError:
        return _ANY_OBJECT
    return schema if {"type", "properties", "$ref", "anyOf"} & set(schema) else _ANY_OBJECT


def _system(request: dict[str, Any]) -> str:
    said = [m.get("content") for m in request["messages"] if m.get("role") == "system"]
    return "\n".join(_plain(content) for content in (request.get("system"), *said))


def _forced_tool(request: dict[str, Any]) -> ToolCall | None:
    offered = {}
    for tool in request.get("tools") or ():
        function = tool.get("function", tool)
        offered[function["name"]] = function.get("parameters", function.get("input_schema", {}))
    match request.get("tool_choice"):
        case {"function": {"name": name}} | {"type": "tool", "name": name} if name in offered:
            pass
        case "required" | {"type": "any"} if offered:
            name = next(iter(offered))
        case _:
            return None
    return ToolCall(name, sample(offered[name], _last_prompt(request)))


def _limited(text: str, request: dict[str, Any], thought: int) -> tuple[str, str]:
    """Cut `text` at a stop word and at the limit of tokens; say how it ended."""
    stops = request.get("stop") or request.get("stop_sequences") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    limit = request.get("max_tokens") or request.get("max_completion_tokens")
    pieces = tokens(text)
    if limit is not None and thought + len(pieces) > limit:
        return "".join(pieces[: max(0, limit - thought)]), "length"
    return text, "auto"
