"""The OpenAI Chat Completions dialect, and what its many relatives make of it.

Sources: OpenAI API reference, "Chat Completions" (read 2026-11-22); what upstreams behind the
gateway really send: provider-api.md, sections 7, 9, 10 and 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.events import (
    Error,
    ReasoningDelta,
    Stop,
    StopReason,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from cc_jupyter.wire.body import count, member, part, with_extra
from cc_jupyter.wire.text import Mender, ThinkSplitter, joined_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.messages import Request

STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
}
"""By the folded word, since upstreams leak their own spellings (`STOP`, `MAX_TOKENS`, `eos`)."""


def encode(request: Request) -> dict[str, Any]:
    """Build the JSON body of a streamed request."""
    parameters = request.parameters
    # `system`, not `developer`: several upstreams reject the latter (provider-api.md, section 7)
    messages = [{"role": "system", "content": request.system}] if request.system else []
    messages += [{"role": message.role, "content": message.text} for message in request.messages]
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
    return with_extra(body, parameters.extra)


class OpenAIDecoder:
    """Folds the chunks of one answer into events."""

    def __init__(self) -> None:
        self._text = Mender()
        self._reasoning = Mender()
        self._think = ThinkSplitter()
        self._calls: dict[object, int] = {}  # the provider's index or id -> ours
        self._word: str | None = None
        self._refused = False

    @property
    def stopped(self) -> bool:
        """Whether the reason for the end is known; usage may still follow."""
        return self._word is not None

    @property
    def finished(self) -> bool:
        """Whether nothing more can follow; only `[DONE]` says so here, and the reader sees it."""
        return False

    def decode(self, name: str, body: dict[str, Any]) -> Iterator[StreamEvent]:  # noqa: ARG002  this dialect does not name its events
        """Give the events of one chunk."""
        choice = _first_choice(body)
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            yield from self._delta(delta)
        if isinstance(choice.get("text"), str):  # the older completions form, sent by some relays
            yield from self._content(choice["text"])
        if choice.get("finish_reason"):
            self._word = str(choice["finish_reason"])
        if isinstance(body.get("usage"), dict):
            yield _usage(body["usage"])

    def flush(self, *, end_seen: bool) -> Iterator[StreamEvent]:
        """Give what was held back, then how the answer ended; `end_seen`: there was a `[DONE]`."""
        for kind, text in self._think.flush():
            yield ReasoningDelta(text) if kind == "reasoning" else TextDelta(text)
        if rest := self._text.flush():
            yield TextDelta(rest)
        if self._word is None and not end_seen:
            yield Error("the connection was lost before the answer was finished")
        elif self._word is not None and self._word.casefold() == "error":
            yield Error("the provider reported a stream error", code="error")
        elif self._refused:
            yield Stop("content_filter", self._word or "refusal")
        else:
            reason = STOP_REASONS.get((self._word or "").casefold(), "unknown")
            yield Stop(reason, self._word)

    def _delta(self, delta: dict[str, Any]) -> Iterator[StreamEvent]:
        reasoning = _reasoning(delta)
        if reasoning and (text := self._reasoning.mend(reasoning)):
            yield ReasoningDelta(text)
        content = delta.get("content")
        if content:
            yield from self._content(content if type(content) is str else joined_text(content))
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            self._refused = True
            yield from self._content(delta["refusal"])
        if delta.get("tool_calls") or delta.get("function_call"):
            yield from self._tool_calls(delta)

    def _content(self, content: str) -> Iterator[StreamEvent]:
        text = self._text.mend(content)
        if self._think.settled:
            if text:
                yield TextDelta(text)
            return
        for kind, piece in self._think.split(text):
            yield ReasoningDelta(piece) if kind == "reasoning" else TextDelta(piece)

    def _tool_calls(self, delta: dict[str, Any]) -> Iterator[StreamEvent]:
        calls = delta.get("tool_calls") or [{"function": delta.get("function_call")}]
        for call in calls if isinstance(calls, list) else []:
            function = member(call, "function")
            if not isinstance(function, dict):
                continue
            arguments = function.get("arguments")
            yield ToolCallDelta(
                self._call_index(call),
                str(function.get("name") or ""),
                arguments if isinstance(arguments, str) else "",
            )

    def _call_index(self, call: dict[str, Any]) -> int:
        """Tell which call a piece belongs to; `index` or `id` may be missing in any of them."""
        key = call.get("index")
        if key is None and call.get("id"):
            key = call["id"]
        if (
            key is None
        ):  # a piece without a sign: a name opens a call, all else goes on with the last
            opens = bool(member(call, "function", "name")) or not self._calls
            key = ("unnamed", len(self._calls)) if opens else next(reversed(self._calls))
        key = key if isinstance(key, (str, int, tuple)) else str(key)
        return self._calls.setdefault(key, len(self._calls))


def _first_choice(body: dict[str, Any]) -> dict[str, Any]:
    choices = body.get("choices")
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and choice.get("index") in (None, 0):
                return choice
    return {}


def _reasoning(delta: dict[str, Any]) -> str:
    """Take the first of the three spellings: two of them often carry the same text."""
    for field in ("reasoning", "reasoning_content"):
        value = delta.get(field)
        if isinstance(value, str) and value:
            return value
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    pieces = [member(entry, "text") or member(entry, "summary") for entry in details]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _usage(usage: dict[str, Any]) -> Usage:
    input_tokens = count(usage.get("prompt_tokens"))
    output_tokens = count(usage.get("completion_tokens"))
    details = usage.get("prompt_tokens_details")
    reasoning = member(usage, "completion_tokens_details", "reasoning_tokens")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=part(member(details, "cached_tokens"), input_tokens),
        cache_write_tokens=part(member(details, "cache_write_tokens"), input_tokens),
        reasoning_tokens=part(reasoning, output_tokens),
    )
