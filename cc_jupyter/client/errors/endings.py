"""Why an answer ended, by the provider's word: one table for both wire formats.

What each reason means for the user:

| reason | success | text | name after `->` | history |
|---|---|---|---|---|
| `stop` | yes | shown | bound | complete |
| `tool_call` | yes | shown | bound | complete; the call is named, not run |
| `length` | yes | shown, marked as cut | bound | `%cmd continue` goes on |
| `content_filter` | yes | shown, marked as refused | bound if there is text | complete |
| `unknown` | yes | shown, with the provider's word | bound | `%cmd continue` goes on |
| a failure | no, `StreamError` | shown | not bound | kept, with the error |

Only a reason proves that an answer is complete, not the end of the bytes (provider-api.md,
section 9).

Sources: OpenAI API reference, "The chat completion chunk object"; Claude platform page "Stop
reasons"; Gemini API reference, "FinishReason"; DeepSeek ("insufficient_system_resource"), Z.ai
("sensitive", "network_error"), Mistral ("model_length"), Cohere ("COMPLETE", "ERROR_TOXIC") and
Bedrock ("guardrail_intervened") references; vLLM and SGLang sources ("abort"); Hugging Face TGI
("eos_token"); all read 2026-11-30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.client.parsing import as_text, sanitize_message
from cc_jupyter.core.events import Error, ReasoningDelta, Stop, TextDelta, ToolCallDelta
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.events import StopReason, StreamEvent


CUT = "the connection was lost before the answer was finished"
_BY_REASON: dict[StopReason, tuple[str, ...]] = {
    "stop": (
        "stop",
        "stop_sequence",
        "end",
        "end_turn",
        "end_of_turn",
        "eos",
        "eos_token",
        "eos_found",
        "complete",
        "completed",
        "done",
        "finish",
        "finished",
    ),
    "length": (
        "length",
        "max_length",
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "max_new_tokens",
        "model_length",
        "model_context_window_exceeded",
        "context_window_exceeded",
    ),
    "tool_call": ("tool_call", "tool_calls", "tool_use", "function_call", "function_calls"),
    "content_filter": (
        "content_filter",
        "content_filtered",
        "refusal",
        "safety",
        "sensitive",
        "recitation",
        "prohibited_content",
        "blocklist",
        "spii",
        "image_safety",
        "guardrail_intervened",
        "error_toxic",
    ),
}
_REASONS: dict[str, StopReason] = {
    word: reason for reason, words in _BY_REASON.items() for word in words
}
"""By the folded word: upstreams write `STOP` and `MAX_TOKENS`. All others are "unknown"."""
_FAILURES = {
    "error": "the provider reported a stream error",
    "network_error": "the provider lost its connection to the model",
    "insufficient_system_resource": "the provider ran out of capacity",
    "engine_overloaded": "the provider ran out of capacity",
    "overloaded": "the provider ran out of capacity",
    "abort": "the provider broke the answer off",
    "aborted": "the provider broke the answer off",
    "cancel": "the provider broke the answer off",
    "canceled": "the provider broke the answer off",
    "cancelled": "the provider broke the answer off",
    "failed": "the provider failed within the answer",
    "failure": "the provider failed within the answer",
    "server_error": "the provider failed within the answer",
    "internal_error": "the provider failed within the answer",
    "model_error": "the provider failed within the answer",
    "timeout": "the provider ran out of time",
    "time_limit": "the provider ran out of time",
    "malformed_function_call": "the model wrote a tool call that nothing can read",
}
"""Words for an answer that broke off, whatever came of it before."""

_EMPTY_BECAUSE: dict[StopReason, str] = {
    "stop": "the model ended it by itself",
    "length": "the limit of tokens was reached first",
    "tool_call": "the model asked for a tool",
    "content_filter": "the model or a filter refused to answer",
}


def stop_word(value: object, clean: Callable[[str], str] = redact) -> str | None:
    """Return the provider's word for the reason, without secrets; `None` for an empty one."""
    word = sanitize_message(clean(as_text(value)))
    return None if word is None or word.casefold() in ("null", "none") else word


def stop_event(
    word: str | None, *, end_seen: bool, called: bool, refused: bool = False
) -> Stop | Error:
    """Return the last event of an answer.

    Parameters
    ----------
    word
        The provider's reason, if any came.
    end_seen
        Whether the provider marked the end, or the body is whole by itself.
    called
        Whether the model called a tool: Gemini then says `STOP`, and OpenAI `stop` where one tool
        was forced.
    refused
        Whether the model's text was marked as a refusal.
    """
    if word is None and not end_seen:
        return Error(CUT)
    folded = (word or "").casefold().replace("-", "_").replace(" ", "_")
    folded = folded.removeprefix("finish_reason_")
    if failure := _FAILURES.get(folded):
        return Error(failure if folded == "error" else f"{failure} ({word})", code=word)
    if refused:
        return Stop("content_filter", word or "refusal")
    reason = _REASONS.get(folded, "unknown")
    return Stop("tool_call" if called and reason == "stop" else reason, word)


def emptiness(reason: StopReason, word: str | None, output_tokens: int | None = None) -> str:
    """Return why an answer has no text, in words."""
    why = _EMPTY_BECAUSE.get(reason, "it ended for an unknown reason")
    if word:
        why = f"{why} ({word})"
    if output_tokens:
        why = f"{why}; the provider counts {pluralize(output_tokens, 'output token')}"
    return f"the answer is empty: neither text nor reasoning came; {why}"


def text_bytes(event: StreamEvent) -> int:
    """Return the size of the text in an event: the answer, the thinking or a tool's arguments."""
    match event:
        case TextDelta(text) | ReasoningDelta(text):
            pass
        case ToolCallDelta(_, name, arguments):
            text = name + arguments
        case _:
            return 0
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def too_long(limit_mb: float) -> Error:
    """Return the event that ends an answer over the limit; what came stays."""
    return Error(
        f"the answer is longer than {limit_mb:g} MB and was ended; max_answer_mb in config.toml"
        " allows more",
        code="answer_too_long",
    )
