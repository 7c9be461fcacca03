"""Stream events: one closed union between the wire formats and everything that reads answers.

A stream is any number of deltas, usage reports, notices and waits, then exactly one `Stop` or
`Error`. A request that is refused before the first event raises instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cc_jupyter.core.record import Record, set_field

if TYPE_CHECKING:
    from decimal import Decimal

    from cc_jupyter.core.messages import Image

StopReason: TypeAlias = Literal[
    "stop", "length", "tool_call", "content_filter", "interrupted", "error", "unknown"
]


class TextDelta(Record):
    """The next piece of the answer."""

    text: str

    def __init__(self, text: str) -> None:  # one for each token
        set_field(self, "text", text)


class ReasoningDelta(Record):
    """The next piece of the model's reasoning, which is not part of the answer."""

    text: str

    def __init__(self, text: str) -> None:  # one for each token
        set_field(self, "text", text)


class ToolCallDelta(Record):
    """The next piece of a tool call that the model asks for; no tool is ever run."""

    index: int
    """The number of the call in this answer, from 0."""
    name: str
    """The tool's name in the first piece; empty in later ones."""
    arguments: str
    """The next piece of the JSON text of its arguments."""


class OutputImage(Record):
    """An image that the model made."""

    image: Image


class Source(Record):
    """A page or a document that the answer refers to."""

    title: str
    """One line; may be empty."""
    url: str
    """An http or https address; empty for a document of the prompt."""


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
    hour_cache_write_tokens: int | None = None
    """The share of `cache_write_tokens` that the cache keeps for an hour, at a higher rate."""
    longest_prompt_tokens: int | None = None
    """The longest prompt, where `input_tokens` adds up several; `None`: there is one."""
    unpriced: tuple[str, ...] | None = None
    """What is billed and has no listed rate, in words: `2 web search requests`, `fast mode`."""
    provider_usd: Decimal | None = None
    """The cost that the provider itself reports, in US dollars."""
    doubt: str | None = None
    """How the report contradicts itself; `None`: it does not."""
    estimated: tuple[str, ...] | None = None
    """The counts that are our own estimates, by field name."""

    @property
    def reported(self) -> Usage:
        """The usage without our own estimates."""
        unknown: dict[str, Any] = dict.fromkeys(self.estimated or ())
        return replace(self, estimated=None, **unknown) if unknown else self


NO_USAGE = Usage()
USAGE_FIELDS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    "reasoning_tokens",
)
"""The token counts by name; every table, file and sum that lists them uses this list."""
MAX_TOKENS = 10**12
"""A larger count cannot be true. Millions of counts up to this can still be added up."""


class Stop(Record):
    """The answer ended normally."""

    reason: StopReason
    word: str | None = None
    """The provider's own word for the reason; `None` if it sent none."""


class Error(Record):
    """The answer broke off; what was received before stays."""

    message: str
    """What happened, in one sentence."""
    code: str | None = None
    """The provider's own code or type."""
    provider_message: str | None = None
    """What the provider wrote."""
    retry_after_s: float | None = None
    """Seconds to wait before trying again, if the provider named them."""


class Retry(Record):
    """A request failed and is sent again."""

    status: int | None
    """The HTTP status of the refusal; `None`: no answer came."""
    wait_s: float
    """The pause before it is sent again."""
    replayed: bool = False
    """Whether a cassette repeats what happened, so that nobody is asked to wait."""


class Notice(Record):
    """Something the user should know: a retry, a repair, a value that was cut."""

    text: str
    names_content: bool = False
    """Whether it names a part of the answer that cannot be shown: the answer is not empty."""
    retry: Retry | None = None
    """Why and when the request is sent again; `None`: it is not."""


class Waiting(Record):
    """Nothing new has arrived; the renderer may show for how long."""

    phase: Literal["connecting", "first text", "more text", "retry"]
    silent_s: float
    """Seconds since the last byte, or since the request was sent."""


StreamEvent: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | OutputImage
    | Source
    | Usage
    | Stop
    | Error
    | Notice
    | Waiting
)
