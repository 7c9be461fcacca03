"""Answers in the format of `POST /v1/chat/completions`.

Source: provider-api.md, sections 7, 9 and 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .models import CREATED, Spelling
from .script import Framing, Script, Step, head, http, pause, sse
from .spoken import Texts, Tokens, ToolCall, Usage, deltas, tool_calls, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ID = "gen-1790000000-0001"
MODEL = "deepseek/deepseek-v4-flash"


def openai_stream(
    texts: Texts = "Hello",
    *,
    reasoning: Texts = (),
    spelling: Spelling = "reasoning_content",
    calls: Iterable[ToolCall | Mapping[str, Any]] = (),
    usage: Usage = "auto",
    finish: str | None = "auto",
    done: bool = True,
    pause_s: float = 0.0,
    model: str = MODEL,
    framing: Framing = "chunked",
) -> Script:
    """Stream an answer, one step for each event.

    Parameters
    ----------
    texts, reasoning
        The deltas; reasoning comes first.
    spelling
        Where reasoning stands.
    calls
        Tool calls, after the text.
    usage
        The chunk before `[DONE]`; `None` leaves it out.
    finish
        `finish_reason` to the letter; `auto` is `stop` or `tool_calls`; `None` leaves the
        finishing chunk out.
    done
        Whether `[DONE]` is sent.
    pause_s
        Seconds before each delta.
    model, framing
        What the chunks say; how the body ends.
    """
    said, thought, asked = deltas(texts), deltas(reasoning), tool_calls(calls)
    pieces = [
        *(spell(text, spelling) for text in thought),
        *({"content": text} for text in said),
        *(piece for index, call in enumerate(asked) for piece in _call_deltas(index, call)),
    ]
    steps: list[Step] = [head(framing=framing)]
    steps.append(sse(chunk(model, [_choice({"role": "assistant", "content": ""})])))
    for piece in pieces:
        if pause_s:
            steps.append(pause(pause_s))
        steps.append(sse(chunk(model, [_choice(piece)])))
    if finish is not None:
        steps.append(sse(chunk(model, [_choice({}, _finish(finish, asked))])))
    if usage is not None:
        reported = usage_of(said, thought, asked) if usage == "auto" else usage
        steps.append(sse(chunk(model, []) | {"usage": usage_json(reported)}))
    if done:
        steps.append(sse("[DONE]"))
    return tuple(steps)


def openai_json(
    texts: Texts | None = "Hello",
    *,
    reasoning: Texts = (),
    spelling: Spelling = "reasoning_content",
    calls: Iterable[ToolCall | Mapping[str, Any]] = (),
    usage: Usage = "auto",
    finish: str | None = "auto",
    model: str = MODEL,
) -> Script:
    """Return the same answer in one piece; `None` as text is `content: null`."""
    said, thought, asked = deltas(texts or ()), deltas(reasoning), tool_calls(calls)
    message: dict[str, Any] = {"role": "assistant", "content": texts and "".join(said)}
    if thought:
        message |= spell("".join(thought), spelling)
    if asked:
        message["tool_calls"] = [_call_json(call) for call in asked]
    choice = {"index": 0, "message": message, "finish_reason": finish and _finish(finish, asked)}
    answer = chunk(model, [choice]) | {"object": "chat.completion"}
    if usage is not None:
        reported = usage_of(said, thought, asked) if usage == "auto" else usage
        answer["usage"] = usage_json(reported)
    return http(200, answer)


def chunk(model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the envelope of a streamed event."""
    return {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "choices": choices,
    }


def usage_json(usage: Tokens | Mapping[str, Any]) -> dict[str, Any]:
    """Count as OpenAI does: cached tokens are a share of the prompt."""
    if not isinstance(usage, Tokens):
        return dict(usage)
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def spell(text: str, spelling: Spelling) -> dict[str, Any]:
    """Put a piece of reasoning where one family of models puts it."""
    as_text = [{"type": "reasoning.text", "text": text, "index": 0}]
    as_summary = [{"type": "reasoning.summary", "summary": text, "index": 0}]
    match spelling:
        case "reasoning":
            return {"reasoning": text}
        case "reasoning_content":
            return {"reasoning_content": text}
        case "reasoning_details":
            return {"reasoning_details": as_text}
        case "deepseek":
            return {"reasoning": text, "reasoning_details": as_text}
        case "openai":
            return {"reasoning": text, "reasoning_details": as_summary}


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _finish(finish: str, calls: tuple[ToolCall, ...]) -> str:
    if finish != "auto":
        return finish
    return "tool_calls" if calls else "stop"


def _call_deltas(index: int, call: ToolCall) -> list[dict[str, Any]]:
    first = {"index": index} | _call_json(ToolCall(call.name, "", call.id))
    rest = [{"index": index, "function": {"arguments": piece}} for piece in call.pieces]
    return [{"tool_calls": [piece]} for piece in (first, *rest)]


def _call_json(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.json}
    return {"id": call.id, "type": "function", "function": function}
