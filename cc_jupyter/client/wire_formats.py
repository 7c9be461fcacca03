"""The wire: bodies out, events in, without I/O. One module a dialect, one door for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.client.anthropic import AnthropicDecoder
from cc_jupyter.client.anthropic import encode as encode_anthropic
from cc_jupyter.client.openai import OpenAIDecoder
from cc_jupyter.client.openai import encode as encode_openai

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.client.decoder import Decoder
    from cc_jupyter.core.messages import ApiPath, Request


class WireFormat(NamedTuple):
    """One dialect: how a request is written and how its answer is read."""

    encode: Callable[[Request], dict[str, Any]]
    decoder: Callable[[Callable[[str], str]], Decoder]
    """Makes the reader of one answer from a function that removes secrets."""


WIRE_FORMATS: dict[ApiPath, WireFormat] = {
    "/chat/completions": WireFormat(encode_openai, OpenAIDecoder),
    "/messages": WireFormat(encode_anthropic, AnthropicDecoder),
}
