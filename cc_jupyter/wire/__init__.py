"""The wire: bodies out, events in, without I/O. One module a dialect, one door for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cc_jupyter.wire.anthropic import AnthropicDecoder
from cc_jupyter.wire.anthropic import encode as encode_anthropic
from cc_jupyter.wire.openai import OpenAIDecoder
from cc_jupyter.wire.openai import encode as encode_openai

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cc_jupyter.core.events import Error, Stop, StreamEvent
    from cc_jupyter.core.messages import Endpoint, Request


class Decoder(Protocol):
    """Folds the JSON of one answer into events; keeps what spans several of them."""

    @property
    def spoke(self) -> bool:
        """Whether any text, thinking or tool call has come."""

    @property
    def stopped(self) -> bool:
        """Whether the reason for the end is known; usage may still follow."""

    @property
    def finished(self) -> bool:
        """Whether nothing more can follow."""

    def decode(self, name: str, body: dict[str, Any]) -> Iterable[StreamEvent]:
        """Give the events of one JSON object; `name` is the server-sent event's own."""

    def rest(self) -> Iterable[StreamEvent]:
        """Give what was held back: half a character, half a tag, a doubt about the figures."""

    def ending(self, *, end_seen: bool) -> Stop | Error:
        """Give the one event that ends the answer; `end_seen`: the provider marked the end."""


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One dialect: how a request is written and how its answer is read."""

    encode: Callable[[Request], dict[str, Any]]
    decoder: Callable[[], Decoder]


WIRE_FORMATS: dict[Endpoint, WireFormat] = {
    "/chat/completions": WireFormat(encode_openai, OpenAIDecoder),
    "/messages": WireFormat(encode_anthropic, AnthropicDecoder),
}
