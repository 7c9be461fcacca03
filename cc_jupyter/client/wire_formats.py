"""The wire: bodies out, events in, without I/O. One module a dialect, one door for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.client.bodies.encode import encode_chat, encode_messages
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.client.decoder import Decoder
    from cc_jupyter.core.messages import ApiPath, Request


class WireFormat(NamedTuple):
    """One dialect: how a request is written and how its answer is read."""

    encode: Callable[[Request], dict[str, Any]]
    decoder: Callable[[Callable[[str], str]], Decoder]
    """Makes the reader of one answer from a function that removes secrets."""


def _chat_decoder(clean: Callable[[str], str] = redact) -> Decoder:
    from cc_jupyter.client.openai import OpenAIDecoder  # noqa: PLC0415  the first cell loads little before it sends

    return OpenAIDecoder(clean)


def _messages_decoder(clean: Callable[[str], str] = redact) -> Decoder:
    from cc_jupyter.client.anthropic import AnthropicDecoder  # noqa: PLC0415  the first cell loads little before it sends

    return AnthropicDecoder(clean)


WIRE_FORMATS: dict[ApiPath, WireFormat] = {
    "/chat/completions": WireFormat(encode_chat, _chat_decoder),
    "/messages": WireFormat(encode_messages, _messages_decoder),
}
