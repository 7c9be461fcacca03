"""Answers in the format of `POST /v1/messages`.

Source: provider-api.md, sections 8 and 9.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .script import Body, Framing, Script, Step, head, http, pause, sse
from .spoken import Texts, Tokens, ToolCall, Usage, deltas, tool_calls, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ID = "msg_01TestProvider0000000001"
MODEL = "claude-sonnet-5"
SIGNATURE = "EqQBCkYIARgCKkB0ZXN0LXNpZ25hdHVyZQ=="


def anthropic_stream(
    texts: Texts = "Hello",
    *,
    reasoning: Texts = (),
    calls: Iterable[ToolCall | Mapping[str, Any]] = (),
    usage: Usage = "auto",
    finish: str | None = "auto",
    stop_sequence: str | None = None,
    done: bool = True,
    pause_s: float = 0.0,
    model: str = MODEL,
    framing: Framing = "chunked",
) -> Script:
    """Stream an answer, one step for each event.

    Parameters
    ----------
    texts, reasoning
        The deltas; reasoning is a `thinking` block before the text.
    calls
        Tool calls, each a block after the text.
    usage
        In `message_start` and `message_delta`; `None` leaves both out.
    finish
        `stop_reason` to the letter; `auto` is `end_turn` or `tool_use`; `None` leaves
        `message_delta` out.
    stop_sequence
        The one that was met.
    done
        Whether `message_stop` is sent.
    pause_s
        Seconds before each delta.
    model, framing
        What `message_start` says; how the body ends.
    """
    said, thought, asked = deltas(texts), deltas(reasoning), tool_calls(calls)
    reported = usage_of(said, thought, asked) if usage == "auto" else usage
    steps: list[Step] = [head(framing=framing), _start(model, reported), event("ping")]
    for index, (block, pieces) in enumerate(_blocks(said, thought, asked)):
        steps.append(event("content_block_start", index=index, content_block=block))
        for piece in pieces:
            if pause_s:
                steps.append(pause(pause_s))
            steps.append(event("content_block_delta", index=index, delta=piece))
        steps.append(event("content_block_stop", index=index))
    if finish is not None:
        ending = {"stop_reason": _finish(finish, asked), "stop_sequence": stop_sequence}
        counts = {} if reported is None else {"usage": usage_json(reported)}
        steps.append(event("message_delta", delta=ending, **counts))
    if done:
        steps.append(event("message_stop"))
    return tuple(steps)


def anthropic_json(
    texts: Texts = "Hello",
    *,
    reasoning: Texts = (),
    calls: Iterable[ToolCall | Mapping[str, Any]] = (),
    usage: Usage = "auto",
    finish: str | None = "auto",
    stop_sequence: str | None = None,
    model: str = MODEL,
) -> Script:
    """Return the same answer in one piece."""
    said, thought, asked = deltas(texts), deltas(reasoning), tool_calls(calls)
    content: list[dict[str, Any]] = []
    if thought:
        text = "".join(thought)
        content.append({"type": "thinking", "thinking": text, "signature": SIGNATURE})
    if said:
        content.append({"type": "text", "text": "".join(said)})
    content += [_tool_block(call, _parsed(call)) for call in asked]
    answer = _message(model, content) | {
        "stop_reason": finish and _finish(finish, asked),
        "stop_sequence": stop_sequence,
    }
    if usage is not None:
        reported = usage_of(said, thought, asked) if usage == "auto" else usage
        answer["usage"] = usage_json(reported)
    return http(200, answer)


def event(kind: str, **fields: object) -> Body:
    """Return one event; its name is both the SSE `event` and the JSON `type`."""
    return sse({"type": kind, **fields}, kind)


def usage_json(usage: Tokens | Mapping[str, Any]) -> dict[str, Any]:
    """Count as Anthropic does: cache reads and writes stand beside the input."""
    if not isinstance(usage, Tokens):
        return dict(usage)
    counts: dict[str, Any] = {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def _start(model: str, usage: Tokens | Mapping[str, Any] | None) -> Body:
    message = _message(model, []) | {"stop_reason": None, "stop_sequence": None}
    if isinstance(usage, Tokens):  # the first count knows the prompt only
        first = Tokens(usage.input, 1, usage.cached, usage.cache_write)
        message["usage"] = usage_json(first)
    elif usage is not None:
        message["usage"] = dict(usage)
    return event("message_start", message=message)


def _message(model: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": ID,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
    }


def _blocks(
    said: tuple[str, ...], thought: tuple[str, ...], calls: tuple[ToolCall, ...]
) -> Iterable[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return each block as it begins, and its deltas."""
    if thought:
        pieces = [{"type": "thinking_delta", "thinking": text} for text in thought]
        pieces.append({"type": "signature_delta", "signature": SIGNATURE})
        yield {"type": "thinking", "thinking": "", "signature": ""}, pieces
    if said:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in said]
    for call in calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in call.pieces]
        yield _tool_block(call, {}), pieces


def _tool_block(call: ToolCall, arguments: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _parsed(call: ToolCall) -> object:
    try:
        return json.loads(call.json)
    except ValueError:  # cut arguments cannot be said in this format
        return {}


def _finish(finish: str, calls: tuple[ToolCall, ...]) -> str:
    if finish != "auto":
        return finish
    return "tool_use" if calls else "end_turn"
