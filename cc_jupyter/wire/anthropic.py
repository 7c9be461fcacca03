"""The Anthropic Messages dialect.

Sources: Claude platform pages "Messages", "Streaming messages", "Stop reasons" (read 2026-11-22);
what the gateway really sends: provider-api.md, sections 8 to 11 and 15.
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
from cc_jupyter.wire.text import Mender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.messages import Request

STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "stop": "stop",
    "max_tokens": "length",
    "length": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "refusal": "content_filter",
    "content_filter": "content_filter",
}
"""`pause_turn` and any new word are "unknown"."""

DEFAULT_MAX_TOKENS = 8_192
LARGEST_MAX_TOKENS = 64_000


def encode(request: Request) -> dict[str, Any]:
    """Build the JSON body of a streamed request.

    `max_tokens` is mandatory here: the caller fills it in from the model's ceiling, and the
    fallback only serves models without a known one.
    """
    parameters = request.parameters
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": parameters.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": [{"role": m.role, "content": m.text} for m in request.messages],
        "stream": True,
    }
    optional = {
        "system": request.system or None,
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "stop_sequences": list(parameters.stop) or None,
        "output_config": {"effort": parameters.effort} if parameters.effort else None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    return with_extra(body, parameters.extra)


class AnthropicDecoder:
    """Folds the events of one answer into ours."""

    def __init__(self) -> None:
        self._text = Mender()
        self._reasoning = Mender()
        self._usage: dict[str, Any] = {}
        self._calls: dict[object, int] = {}  # the block's index -> the call's
        self._word: str | None = None
        self._ended = False

    @property
    def stopped(self) -> bool:
        """Whether the reason for the end is known."""
        return self._word is not None

    @property
    def finished(self) -> bool:
        """Whether nothing more can follow."""
        return self._ended

    def decode(self, name: str, body: dict[str, Any]) -> Iterator[StreamEvent]:
        """Give the events of one server-sent event; kinds this module does not know give none."""
        match body.get("type") or name:
            case "content_block_delta":
                yield from self._delta(body.get("index"), body.get("delta"))
            case "content_block_start":
                yield from self._block(body.get("index"), body.get("content_block"))
            case "message_start":
                yield from self._counts(member(body, "message", "usage"), first=True)
            case "message_delta":
                self._stop(body.get("delta"))
                yield from self._counts(body.get("usage"))
            case "message_stop":
                self._ended = True
            case "message":
                yield from self._whole(body)
            case _:  # pings, block ends, and kinds that are new
                pass

    def flush(self, *, end_seen: bool) -> Iterator[StreamEvent]:
        """Give what was held back, then how the answer ended."""
        if rest := self._text.flush():
            yield TextDelta(rest)
        if self._word is None and not (end_seen or self._ended):
            yield Error("the connection was lost before the answer was finished")
        else:
            yield Stop(STOP_REASONS.get((self._word or "").casefold(), "unknown"), self._word)

    def _whole(self, body: dict[str, Any]) -> Iterator[StreamEvent]:
        """Read an answer that came in one piece although a stream was asked for."""
        content = body.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            yield from self._block(index, block)
        self._stop(body)
        yield from self._counts(body.get("usage"))
        self._ended = True

    def _stop(self, delta: object) -> None:
        word = member(delta, "stop_reason")
        if word:
            self._word = str(word)

    def _block(self, index: object, block: object) -> Iterator[StreamEvent]:
        match member(block, "type"):
            case "text":
                yield from self._piece("text", member(block, "text"))
            case "thinking":
                yield from self._piece("reasoning", member(block, "thinking"))
            case "tool_use":
                self._calls[str(index)] = len(self._calls)
                given = member(block, "input")
                arguments = _json(given) if given else ""
                yield ToolCallDelta(
                    len(self._calls) - 1, str(member(block, "name") or ""), arguments
                )
            case _:  # redacted thinking, server tools, and kinds that are new
                pass

    def _delta(self, index: object, delta: object) -> Iterator[StreamEvent]:
        match member(delta, "type"):
            case "text_delta":
                yield from self._piece("text", member(delta, "text"))
            case "thinking_delta":
                yield from self._piece("reasoning", member(delta, "thinking"))
            case "input_json_delta":
                arguments = member(delta, "partial_json")
                if isinstance(arguments, str) and arguments:
                    call = self._calls.setdefault(str(index), len(self._calls))
                    yield ToolCallDelta(call, "", arguments)
            case _:  # signatures, citations, and kinds that are new
                pass

    def _piece(self, kind: str, piece: object) -> Iterator[StreamEvent]:
        if not isinstance(piece, str) or not piece:
            return
        if kind == "text":
            if text := self._text.mend(piece):
                yield TextDelta(text)
        elif text := self._reasoning.mend(piece):
            yield ReasoningDelta(text)

    def _counts(self, usage: object, *, first: bool = False) -> Iterator[StreamEvent]:
        """Overwrite the counts given here and keep the others: every report is a running total.

        The output count of `message_start` is no count of the answer, which has not begun: if
        the stream breaks, it must not be shown as one.
        """
        if not isinstance(usage, dict):
            return
        known = {name: value for name, value in usage.items() if value is not None}
        if first:
            known.pop("output_tokens", None)
        self._usage |= known
        yield _usage(self._usage)


def _usage(usage: dict[str, Any]) -> Usage:
    """Count the whole prompt: on this wire `input_tokens` leaves out what the cache served."""
    uncached = count(usage.get("input_tokens"))
    read = count(usage.get("cache_read_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    output_tokens = count(usage.get("output_tokens"))
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        output_tokens=output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=part(
            member(usage, "output_tokens_details", "thinking_tokens"), output_tokens
        ),
    )


def _json(value: object) -> str:
    import json  # noqa: PLC0415  only a whole answer with a tool call needs it

    return json.dumps(value, ensure_ascii=False)
