"""How each wire format writes rounds of tool calls and results, whatever model made them.

A conversation may have changed its model, or was cut anywhere, so nothing is taken on trust: ids
and names become valid and unique, arguments that are not an object are wrapped, a call without a
result gets one, and reasoning goes back to the model that it came from and to no other.

Sources (read 2026-11-30): OpenAI API reference, "Chat Completions", and guide "Function calling";
Claude platform pages "Tool use", "Handle tool calls", "Extended thinking", "Fine-grained tool
streaming" (`INVALID_JSON`); provider-api.md, sections 10 and 12.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.bodies.image_limits import (
    anthropic_image_part,
    message_content,
    openai_image_part,
)
from cc_jupyter.client.tool_rounds.offer import name_to_send
from cc_jupyter.core.messages import INTERRUPTED, Image, Reasoning, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.core.messages import Message, Request


_INVALID = "INVALID_JSON"
_CHAT_ID_CHARS = 40
"""OpenAI refuses longer ids in messages."""
_MESSAGES_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]+")
_WANT_REASONING_BACK = ("deepseek/", "moonshotai/")
"""Models that refuse a message with calls and without `reasoning_content`, if only an empty one
(provider-api.md, section 10; Moonshot AI, "Use Kimi K2 thinking model", read 2026-11-30)."""


class _Ids:
    """Ids as they are sent: valid, and unique in the whole conversation."""

    def __init__(self, *, for_messages: bool) -> None:
        self._for_messages = for_messages
        self._used: set[str] = set()

    def of_round(self, calls: tuple[ToolCall, ...]) -> list[str]:
        return [self._next(call.id) for call in calls]

    def _next(self, given: str) -> str:
        if self._for_messages:
            fits = bool(_MESSAGES_ID.fullmatch(given))
        else:
            fits = 0 < len(given) <= _CHAT_ID_CHARS
        base = given if fits else _NOT_IN_AN_ID.sub("_", given)[: _CHAT_ID_CHARS - 8] or "call"
        number, id_ = 1, base
        while id_ in self._used:
            number += 1
            id_ = f"{base[: _CHAT_ID_CHARS - 8]}_{number}"
        self._used.add(id_)
        return id_


def openai_messages(request: Request) -> list[dict[str, Any]]:
    """Return the messages of a `/chat/completions` body, without the system prompt."""
    ids = _Ids(for_messages=False)
    wants_reasoning = _wants_reasoning(request)
    written: list[dict[str, Any]] = []
    for message, results in _rounds(request):
        if not message.parts:
            content = message_content(message.text, message.images, openai_image_part)
            written.append({"role": message.role, "content": content})
            continue
        of_calls = ids.of_round(message.calls)
        text = "\n\n".join(part for part in message.parts if isinstance(part, str))
        if not text and not of_calls:
            continue
        answer: dict[str, Any] = {"role": "assistant", "content": text or None}
        answer |= _chat_reasoning(message, request.model, wanted=wants_reasoning)
        if of_calls:
            own = message.model == request.model
            answer["tool_calls"] = [
                _chat_call(call, id_, own=own)
                for call, id_ in zip(message.calls, of_calls, strict=True)
            ]
        written.append(answer)
        images: list[Image] = []
        for result, id_ in zip(results, of_calls, strict=True):
            written.append({"role": "tool", "tool_call_id": id_, "content": result.text})
            images += (each for each in result.content if isinstance(each, Image))
        if images:  # a tool's message holds text only
            written.append({"role": "user", "content": _shown_images(images)})
    return written


def anthropic_messages(request: Request) -> list[dict[str, Any]]:
    """Return the messages of a `/messages` body; a prompt after results joins their message."""
    ids = _Ids(for_messages=True)
    written: list[dict[str, Any]] = []
    open_results: list[dict[str, Any]] | None = None
    for message, results in _rounds(request):
        if not message.parts:
            content = message_content(message.text, message.images, anthropic_image_part)
            if open_results is not None and message.role == "user":
                open_results += _blocks(content)
            else:
                written.append({"role": message.role, "content": content})
            open_results = None
            continue
        of_calls = ids.of_round(message.calls)
        blocks = _answer_blocks(message, of_calls, own=message.model == request.model)
        if not blocks:
            continue
        written.append({"role": "assistant", "content": blocks})
        open_results = None
        if of_calls:
            open_results = [
                _result_block(result, id_) for result, id_ in zip(results, of_calls, strict=True)
            ]
            written.append({"role": "user", "content": open_results})
    return written


def _rounds(request: Request) -> Iterator[tuple[Message, tuple[ToolResult, ...]]]:
    """Yield each message that is not the results of another, with one result for each call."""
    messages = request.messages
    for at, message in enumerate(messages):
        if message.role == "tool":
            continue
        following = messages[at + 1] if at + 1 < len(messages) else None
        given = following.results if following is not None and following.role == "tool" else ()
        missing = message.calls[len(given) :]
        cut = (ToolResult(call.id, (INTERRUPTED,), is_error=True) for call in missing)
        yield message, (*given[: len(message.calls)], *cut)


def _wants_reasoning(request: Request) -> bool:
    """Return whether the model wants `reasoning_content` in all its messages with calls."""
    return request.model.startswith(_WANT_REASONING_BACK) or any(
        isinstance(part, Reasoning) and part.kind == "reasoning_content"
        for message in request.messages
        if message.model == request.model
        for part in message.parts
    )


def _chat_reasoning(message: Message, model: str, *, wanted: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if message.model == model:
        for part in message.parts:
            if isinstance(part, Reasoning) and part.kind == "reasoning_details":
                kept[part.kind] = json.loads(part.value)
            elif isinstance(part, Reasoning) and part.kind in ("reasoning", "reasoning_content"):
                kept[part.kind] = part.value
    if wanted and message.calls:
        kept.setdefault("reasoning_content", kept.get("reasoning", ""))
    return kept


def _chat_call(call: ToolCall, id_: str, *, own: bool) -> dict[str, Any]:
    arguments = call.arguments_json
    if call.arguments is None:
        arguments = json.dumps({_INVALID: arguments}, ensure_ascii=False)
    function = {"name": name_to_send(call.name), "arguments": arguments.strip() or "{}"}
    extra = json.loads(call.extra_json) if call.extra_json and own else {}
    return {"id": id_, "type": "function", "function": function} | extra


def _shown_images(images: list[Image]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for image in images:
        parts += ({"type": "text", "text": image.marker}, openai_image_part(image))
    return parts


def _answer_blocks(message: Message, ids: list[str], *, own: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    next_id = iter(ids)
    for part in message.parts:
        if isinstance(part, str):
            if part.strip():  # the API refuses blank texts
                blocks.append({"type": "text", "text": part})
        elif isinstance(part, ToolCall):
            given = part.arguments
            if given is None:
                given = {_INVALID: part.arguments_json}
            name = name_to_send(part.name)
            blocks.append({"type": "tool_use", "id": next(next_id), "name": name, "input": given})
        elif own and part.kind in ("thinking", "redacted_thinking"):
            blocks.append(json.loads(part.value))
    # a message cannot end in thinking
    return blocks if any(block["type"] in ("text", "tool_use") for block in blocks) else []


def _result_block(result: ToolResult, id_: str) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": id_}
    parts = [
        {"type": "text", "text": each} if isinstance(each, str) else anthropic_image_part(each)
        for each in result.content
        if each != ""
    ]
    if len(parts) == 1 and parts[0]["type"] == "text":
        block["content"] = parts[0]["text"]
    elif parts:
        block["content"] = parts
    return block | ({"is_error": True} if result.is_error else {})


def _blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
