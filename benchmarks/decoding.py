"""Decode the bytes of a stream to text, without a network: ours and other libraries."""

from __future__ import annotations

import json
from time import process_time
from typing import TYPE_CHECKING

import anthropic
import httpx
import httpx_sse
import openai
from figures import Figure, in_turn, median
from support.provider import prose
from support.provider.burst import parse, stream
from support.provider.script import Body

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.sse import frame
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.events import TextDelta

try:
    import httpx2 as sdk_httpx  # what the SDKs of 2026 are built on
except ImportError:
    sdk_httpx = httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cc_jupyter.core.messages import ApiPath

_COUNT = 20_000
_NETWORK_CHUNK = 16 * 1024
_HUGE, _LARGE, _PIECE = 16_000_000, 1_000_000, 1_000
_STREAM_HEADERS = {"content-type": "text/event-stream"}


def run(*, quick: bool) -> list[Figure]:
    """Measure."""
    rounds = 2 if quick else 9
    figures = []
    for endpoint, model, sdk in (
        ("/chat/completions", f"test/burst-{_COUNT}", _openai),
        ("/messages", f"claude-test-burst-{_COUNT}", _anthropic),
    ):
        figures += _tokens(rounds, endpoint, model, sdk)
    return [*figures, *_huge(rounds)]


def _tokens(
    rounds: int, endpoint: ApiPath, model: str, sdk: Callable[[bytes], str]
) -> list[Figure]:
    asked = parse(model)
    assert asked is not None
    raw = b"".join(b"".join(s.pieces) for s in stream(asked, 9) if isinstance(s, Body))
    large, events = _cut(raw, _NETWORK_CHUNK), [e + b"\n\n" for e in raw.split(b"\n\n")[:-1]]
    payloads = [e.partition(b"data: ")[2].decode().strip() for e in events]
    payloads = [data for data in payloads if data != "[DONE]"]
    samples = in_turn(
        rounds,
        _timed(lambda: _ours(endpoint, large)),
        _timed(lambda: _ours(endpoint, events)),
        _timed(lambda: _framing(large), checked=False),
        _timed(lambda: _framing(events), checked=False),
        _timed(lambda: _parsing(payloads), checked=False),
        _timed(lambda: sdk(raw)),
    )
    ours, single, framing, framing_single, parsing, typed = [
        [1e6 * s / _COUNT for s in row] for row in samples
    ]
    name = f"SSE bytes to text, a token ({endpoint})"
    alone = "httpx-sse alone, no JSON"
    whose = f"the {sdk.__name__[1:]} SDK"
    return [
        Figure(name, "us", ours, framing, 10, 8, remark=alone),
        Figure(name, "us", ours, parsing, 10, 8, remark="json.loads alone, no framing"),
        Figure(name, "us", ours, typed, 10, 8, remark=whose),
        Figure(f"{name}, each event its own chunk", "us", single, framing_single, 25, remark=alone),
        Figure(f"{name}, each event its own chunk", "us", single, typed, 25, remark=whose),
    ]


def _huge(rounds: int) -> list[Figure]:
    huge, large = _one_event(_HUGE), _one_event(_LARGE)
    ours, sse, smaller = in_turn(
        rounds,
        _timed(lambda: _ours("/chat/completions", huge), checked=False),
        _timed(lambda: _framing(huge), checked=False),
        _timed(lambda: _ours("/chat/completions", large), checked=False),
    )
    name, alone = "one 16 MB event in 1 kB pieces", "httpx-sse alone, no JSON"
    growth = [median(ours) / median(smaller)]
    return [
        Figure(name, "s", ours, sse, 0.1, 0.03, remark=alone),
        Figure("the same: growth from 1 MB to 16 MB", "x", growth, aim=16),
    ]


def _timed(decode: Callable[[], str], *, checked: bool = True) -> Callable[[], float]:
    def measure() -> float:
        start_s = process_time()
        text = decode()
        taken_s = process_time() - start_s
        assert not checked or text == "".join(prose(_COUNT))
        return taken_s

    return measure


def _ours(endpoint: ApiPath, chunks: list[bytes]) -> str:
    reader = AnswerReader(WIRE_FORMATS[endpoint].decoder())
    events: list[object] = []
    frame(chunks, lambda part: events.extend(reader.read(part)))
    return "".join([event.text for event in events if type(event) is TextDelta])


def _framing(chunks: list[bytes]) -> str:
    body = _Chunks(chunks)
    response = httpx.Response(200, headers=_STREAM_HEADERS, stream=body)
    return "".join(event.data[:1] for event in httpx_sse.EventSource(response).iter_sse())


class _Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def _parsing(payloads: list[str]) -> str:
    return "".join(type(json.loads(payload)).__name__[:1] for payload in payloads)


def _openai(raw: bytes) -> str:
    client = openai.OpenAI(api_key="k", http_client=_http(raw))
    said = [{"role": "user", "content": "Hello"}]
    chunks = client.chat.completions.create(model="m", messages=said, stream=True)
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def _anthropic(raw: bytes) -> str:
    client = anthropic.Anthropic(api_key="k", http_client=_http(raw))
    said = [{"role": "user", "content": "Hello"}]
    events = client.messages.create(model="m", messages=said, max_tokens=9, stream=True)
    return "".join(e.delta.text for e in events if e.type == "content_block_delta")


def _http(raw: bytes) -> object:
    def answer(_: object) -> object:
        return sdk_httpx.Response(200, headers=_STREAM_HEADERS, content=raw)

    return sdk_httpx.Client(transport=sdk_httpx.MockTransport(answer))


def _one_event(size: int) -> list[bytes]:
    start, end = b'data: {"choices":[{"index":0,"delta":{"content":"', b'"}}]}\n\n'
    return _cut(start + b"x" * (size - len(start) - len(end)) + end, _PIECE)


def _cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]
