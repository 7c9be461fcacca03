"""Stream events: one closed union between the wire formats and everything that reads answers.

A stream is any number of deltas, usage reports, notices and waits, then exactly one `Stop` or
`Error`. A request that is refused before the first event raises instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

StopReason: TypeAlias = Literal[
    "stop", "length", "tool_call", "content_filter", "interrupted", "error", "unknown"
]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the model's reasoning, which is not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next piece of a tool call that the model asks for; no tool is ever run."""

    index: int
    """The number of the call in this answer, from 0."""
    name: str
    """The tool's name in the first piece; empty in later ones."""
    arguments: str
    """The next piece of the JSON text of its arguments."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of this request so far: running totals, so the last report counts.

    `None` means "not reported", never zero.
    """

    input_tokens: int | None = None
    """The whole prompt, cache reads and writes included, whatever the wire counts."""
    output_tokens: int | None = None
    """The whole completion, reasoning included."""
    cache_read_tokens: int | None = None
    """The share of `input_tokens` that the provider read from its cache."""
    cache_write_tokens: int | None = None
    """The share of `input_tokens` that the provider wrote to its cache."""
    reasoning_tokens: int | None = None
    """The share of `output_tokens` spent on reasoning."""


NO_USAGE = Usage()
USAGE_FIELDS = tuple(field.name for field in fields(Usage))
"""The token counts by name; every table, file and sum that lists them uses this list."""
MAX_TOKENS = 10**12
"""A larger count cannot be true. Millions of counts up to this can still be added up."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The answer ended normally."""

    reason: StopReason
    word: str | None = None
    """The provider's own word for the reason; `None` if it sent none."""


@dataclass(frozen=True, slots=True)
class Error:
    """The answer broke off; what was received before stays."""

    message: str
    """What happened, in one sentence."""
    code: str | None = None
    """The provider's own code or type."""
    provider_message: str | None = None
    """What the provider wrote."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know: a retry, a repair, a value that was cut."""

    text: str
    is_usage_doubtful: bool = False
    """Whether it reports token counts that cannot be true."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing new has arrived; the renderer may show for how long."""

    phase: Literal["connecting", "first text", "more text", "retry"]
    silent_s: float
    """Seconds since the last byte, or since the request was sent."""


StreamEvent: TypeAlias = (
    TextDelta | ReasoningDelta | ToolCallDelta | Usage | Stop | Error | Notice | Waiting
)
