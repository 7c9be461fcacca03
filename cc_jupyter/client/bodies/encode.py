"""The bodies of requests in both dialects; reading the answers is in `openai` and `anthropic`.

Sources: OpenAI, "Create chat completion"; Claude platform pages "Messages", "Prompt caching" (read
2026-11-22); what the gateway accepts: provider-api.md, sections 7 to 12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.client.bodies.image_limits import (
    anthropic_image_part,
    message_content,
    openai_image_part,
)
from cc_jupyter.client.bodies.structured_output import (
    anthropic_fields,
    openai_fields,
    with_instruction,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.messages import Message, Request


DEFAULT_MAX_TOKENS = 8_192
LARGEST_MAX_TOKENS = 64_000
_CACHED = {"cache_control": {"type": "ephemeral"}}
"""Marks the end of what is cached for five minutes; at most four marks in a request.

Source: Claude platform, "Prompt caching" (read 2026-11-22); provider-api.md, section 11.
"""


def encode_chat(request: Request) -> dict[str, Any]:
    """Build the JSON body of a streamed `/chat/completions` request."""
    parameters = request.parameters
    # `system`, not `developer`: several upstreams reject the latter (provider-api.md, section 7)
    system = with_instruction(request.system, request.answer_format)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    messages += _chat_messages(request)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "max_tokens": parameters.max_tokens,
        "stop": list(parameters.stop) or None,
        "reasoning_effort": parameters.effort,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if request.tools:
        from cc_jupyter.client.tool_rounds.offer import openai_tools  # noqa: PLC0415  only tools need it

        body["tools"] = openai_tools(request.tools)
    body |= openai_fields(request.answer_format)
    return with_extra(body, parameters.extra)


def encode_messages(request: Request) -> dict[str, Any]:
    """Build the JSON body of a streamed `/messages` request.

    `max_tokens` is mandatory here: the caller fills it in from the model's ceiling, and the
    fallback only serves models without a known one.
    """
    parameters = request.parameters
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": parameters.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": _messages(request),
        "stream": True,
    }
    optional = {
        "system": _system(request),
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "stop_sequences": list(parameters.stop) or None,
        "output_config": {"effort": parameters.effort} if parameters.effort else None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if request.tools or _has_rounds(request):
        from cc_jupyter.client.tool_rounds.offer import anthropic_tools  # noqa: PLC0415  only tools need it

        body |= anthropic_tools(request)
    body = with_extra(body, anthropic_fields(request.answer_format))
    return with_extra(body, parameters.extra)


def _has_rounds(request: Request) -> bool:
    """Return whether the conversation has rounds of tool calls and results."""
    return any(message.parts for message in request.messages)


def _chat_messages(request: Request) -> list[dict[str, Any]]:
    if _has_rounds(request):
        from cc_jupyter.client.tool_rounds.messages import openai_messages  # noqa: PLC0415  only tools need it

        return openai_messages(request)
    return [
        {
            "role": message.role,
            "content": message_content(message.text, message.images, openai_image_part),
        }
        for message in request.messages
    ]


def _messages(request: Request) -> list[dict[str, Any]]:
    """Write the messages; in a thread the last two prompts are marked for the cache.

    The older mark finds what the request before has written, the newer one writes what the next
    one will find. A single prompt is marked nowhere, since nothing may ever read it again, except
    where the part ends that it shares with other requests. The results of tools are prompts too.
    """
    first = request.messages[0]
    if request.shared_chars and len(request.messages) == 1 and not first.images:
        return [_split_message(first, request.shared_chars)]
    if _has_rounds(request):
        from cc_jupyter.client.tool_rounds.messages import anthropic_messages  # noqa: PLC0415  only tools need it

        messages = anthropic_messages(request)
    else:
        messages = [
            {
                "role": message.role,
                "content": message_content(message.text, message.images, anthropic_image_part),
            }
            for message in request.messages
        ]
    prompts = [message for message in messages if message["role"] == "user"]
    for message in prompts[-2:] if len(prompts) > 1 else ():
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        last = blocks[-1]
        if last.get("text") != "":  # an empty block cannot be marked
            message["content"] = [*blocks[:-1], last | _CACHED]
    return messages


def _split_message(message: Message, shared_chars: int) -> dict[str, Any]:
    shared, rest = message.text[:shared_chars], message.text[shared_chars:]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": shared} | _CACHED]
    if rest:
        blocks.append({"type": "text", "text": rest})
    return {"role": message.role, "content": blocks}


def _system(request: Request) -> str | list[dict[str, Any]] | None:
    system = with_instruction(request.system, request.answer_format) or None
    if system is None or len(request.messages) == 1:
        return system
    return [{"type": "text", "text": system} | _CACHED]


def with_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Add the user's own fields; where both are objects their members are joined."""
    joined = dict(body)
    for name, value in extra.items():
        before = joined.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        joined[name] = before | value if both else value
    return joined
