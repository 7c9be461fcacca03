"""The rows of section 15 that only a connection can show; its neighbours have the rest of them.

There too: pings that count as life, a silence that is told before it is given up, an interrupt,
a line that is held after the end.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest
from support import provider as scripted
from support.provider import KEY, Provider
from support.recordings import outcome_of

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.client.transport import Transport
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.messages import Message, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.core.messages import ApiPath

CHAT, CLAUDE = "deepseek/deepseek-v4-flash", "claude-sonnet-5"
SAID = {CHAT: scripted.openai_stream, CLAUDE: scripted.anthropic_stream}
both_wires = pytest.mark.parametrize("model", [CHAT, CLAUDE])


@pytest.fixture
def transport() -> Iterator[Transport]:
    opened = Transport()
    yield opened
    opened.close()


def ask(provider: Provider, transport: Transport, model: str, idle_timeout_s: float = 5.0):
    endpoint: ApiPath = "/messages" if model == CLAUDE else "/chat/completions"
    target = Endpoint(f"{provider.base_url}/v1", Key(KEY, "test"), "127.0.0.1")
    request = Request(model, endpoint, (Message("user", "Hi"),))
    limits = Limits(max_retries=0, idle_timeout_s=idle_timeout_s)
    return outcome_of(RequestStream(transport, request, target, limits))


def body_of(model: str) -> bytes:
    steps = SAID[model](["Hel", "lo"])
    return b"".join(piece for step in steps[1:] for piece in step.pieces)


@both_wires
@pytest.mark.parametrize(
    "content_type", [None, "text/html", "application/json", "text/plain", "application/x-ndjson"]
)
def test_a_wrong_or_missing_content_type_is_not_looked_at(provider, transport, model, content_type):
    provider.play(scripted.head(content_type=content_type), scripted.body(body_of(model)))
    outcome = ask(provider, transport, model)
    assert (outcome.text, outcome.stop, outcome.error) == ("Hello", "stop", None)


@both_wires
def test_a_whole_answer_called_a_stream_is_read(provider, transport, model):
    whole = {CHAT: scripted.openai_json, CLAUDE: scripted.anthropic_json}[model]("Hello")
    provider.play(scripted.head(), *whole[1:])
    assert ask(provider, transport, model).text == "Hello"


@both_wires
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_stream_is_unpacked_though_none_was_asked_for(
    provider, transport, model, encoding
):
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](body_of(model))
    head = scripted.head(headers={"content-encoding": encoding})
    provider.play(head, scripted.pieces(packed, 7))
    assert ask(provider, transport, model).text == "Hello"
    assert provider.requests[0].headers["accept-encoding"] == "identity"


def test_a_long_silence_before_the_first_token_is_borne():
    assert 120.0 <= Limits().idle_timeout_s <= 300.0


@both_wires
def test_a_silent_connection_ends_after_the_idle_limit_and_the_text_stays(
    provider, transport, model
):
    steps = SAID[model](["Hel", "lo"])
    provider.play(steps[:-3], scripted.hang())
    outcome = ask(provider, transport, model, idle_timeout_s=0.3)
    assert outcome.text.startswith("Hel")
    assert outcome.stop == "error"
    assert "sent nothing for 0.3 s" in (outcome.error or "")


@both_wires
@pytest.mark.parametrize("last", [scripted.cut, scripted.reset])
def test_a_line_that_breaks_after_the_reason_does_not_break_the_answer(
    provider, transport, model, last
):
    provider.play(SAID[model](["Hel", "lo"], done=False), scripted.pause(0.05), last())
    outcome = ask(provider, transport, model)
    assert (outcome.text, outcome.stop, outcome.error) == ("Hello", "stop", None)
