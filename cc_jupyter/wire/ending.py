"""How an answer ended: the words of both dialects, and of upstreams that leak their own.

Sources: OpenAI API reference, "The chat completion chunk object"; Claude platform page "Stop
reasons"; Gemini API reference, "FinishReason" (all read 2026-11-22). Completion is proved by a
word, not by the end of the bytes (provider-api.md, section 9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.events import Error, Stop
from cc_jupyter.wire.body import as_text
from cc_jupyter.wire.text import one_line

if TYPE_CHECKING:
    from cc_jupyter.core.events import StopReason

CUT = "the connection was lost before the answer was finished"
STREAM_ERROR = "the provider reported a stream error"

_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
}
"""By the folded word: upstreams write `STOP` and `MAX_TOKENS`. All others are "unknown"."""


def word_of(value: object) -> str | None:
    """Read the provider's word for the reason; `None` for one that says nothing."""
    word = one_line(as_text(value))
    return None if word is None or word.casefold() in ("null", "none") else word


def ending(
    word: str | None, *, end_seen: bool, called: bool, refused: bool = False
) -> Stop | Error:
    """Give the last event of an answer.

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
    folded = (word or "").casefold()
    if folded == "error":
        return Error(STREAM_ERROR, code="error")
    if refused:
        return Stop("content_filter", word or "refusal")
    reason = _REASONS.get(folded, "unknown")
    return Stop("tool_call" if called and reason == "stop" else reason, word)
