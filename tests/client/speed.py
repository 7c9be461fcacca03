"""How long reading takes, beside other readers of the same bytes: `python tests/client/speed.py`.

One thread, no network: 20,000 tokens in chunks of two sizes, then one event of 15 MB in pieces of
1 kB. CPU time of the best of several runs.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import anthropic
import httpx
import httpx2
import httpx_sse
import openai
from support.recordings import ENDPOINTS

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.sse import frame
from cc_jupyter.client.wire_formats import WIRE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TOKENS = 20_000
_RUNS = 5
_HELLO: list[Any] = [{"role": "user", "content": "Hi"}]


def openai_body() -> bytes:
    chunk = {"id": "gen-1790000000-0001", "object": "chat.completion.chunk", "created": 1789872913}
    chunk |= {"model": "deepseek/deepseek-v4-flash"}
    events = [
        chunk | {"choices": [{"index": 0, "delta": {"content": f" tok{n % 10}"}}]}
        for n in range(_TOKENS)
    ]
    events.append(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return "".join(f"data: {_json(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"


def anthropic_body() -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    message |= {"model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}}
    text = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": text},
    ]
    for n in range(_TOKENS):
        delta = {"type": "text_delta", "text": f" tok{n % 10}"}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events.append({"type": "content_block_stop", "index": 0})
    events.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": _TOKENS}})
    events.append({"type": "message_stop"})
    return "".join(f"event: {one['type']}\ndata: {_json(one)}\n\n" for one in events).encode()


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def large_body() -> bytes:
    event = {"choices": [{"index": 0, "delta": {"content": "x" * (15 * 2**20)}}]}
    return f"data: {_json(event)}\n\ndata: [DONE]\n\n".encode()


def ours(wire: str) -> Callable[[list[bytes]], object]:
    def read(chunks: list[bytes]) -> None:
        reader = AnswerReader(WIRE_FORMATS[ENDPOINTS[wire]].decoder())
        frame(chunks, lambda part: deque(reader.read(part), maxlen=0))
        assert reader.done

    return read


def framing_alone(chunks: list[bytes]) -> None:
    response = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, stream=_Stream(chunks)
    )
    for _ in httpx_sse.EventSource(response).iter_sse():
        pass


class _Stream(httpx.SyncByteStream, httpx2.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def _answer(chunks: list[bytes], library: Any) -> Any:
    headers = {"content-type": "text/event-stream"}
    return library.Client(
        transport=library.MockTransport(
            lambda _: library.Response(200, headers=headers, stream=_Stream(chunks))
        )
    )


def openai_sdk(chunks: list[bytes]) -> None:
    with openai.OpenAI(api_key="k", http_client=_answer(chunks, httpx2)) as client:
        for _ in client.chat.completions.create(model="m", messages=_HELLO, stream=True):
            pass


def anthropic_sdk(chunks: list[bytes]) -> None:
    library = httpx2 if issubclass(anthropic.DefaultHttpxClient, httpx2.Client) else httpx
    with anthropic.Anthropic(api_key="k", http_client=_answer(chunks, library)) as client:
        for _ in client.messages.create(model="m", max_tokens=9, messages=_HELLO, stream=True):
            pass


def seconds(read: Callable[[list[bytes]], object], body: bytes, size: int) -> float:
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    best = float("inf")
    for _ in range(_RUNS):
        start_s = process_time()
        read(chunks)
        best = min(best, process_time() - start_s)
    return best


def main() -> None:
    """Print one line for each reader."""
    chat, claude = openai_body(), anthropic_body()
    readers = {
        "cc_jupyter, chat completions": (ours("openai"), chat),
        "cc_jupyter, messages": (ours("anthropic"), claude),
        "httpx-sse alone, chat completions (no JSON read)": (framing_alone, chat),
        "httpx-sse alone, messages (no JSON read)": (framing_alone, claude),
        "openai SDK": (openai_sdk, chat),
        "anthropic SDK": (anthropic_sdk, claude),
    }
    print("us a token, in chunks of 64 kB and 4 kB")
    for name, (read, body) in readers.items():
        in_large, in_small = (seconds(read, body, size) for size in (65_536, 4_096))
        print(f"{in_large / _TOKENS * 1e6:6.2f} {in_small / _TOKENS * 1e6:6.2f}  {name}")
    print("s for one event of 15 MB in 1 kB pieces")
    for name, read in {"cc_jupyter": ours("openai"), "httpx-sse alone": framing_alone}.items():
        print(f"{seconds(read, large_body(), 1_000):6.3f}         {name}")


if __name__ == "__main__":
    main()
