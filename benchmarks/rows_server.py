"""A provider that answers every prompt with one word after a pause: `rows_server.py PAUSE_S`.

It prints its port. One thread serves all connections, so that it takes little of the machine.
"""

from __future__ import annotations

import asyncio
import json
import sys

_CHUNK = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_DELTAS = (
    {"role": "assistant", "content": ""},
    {"content": '{"value": '},
    {"content": '"positive"}'},
)


def _event(**fields: object) -> bytes:
    return f"data: {json.dumps({**_CHUNK, **fields})}\n\n".encode()


def _answer() -> bytes:
    events = [
        *(
            _event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
            for delta in _DELTAS
        ),
        _event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        _event(choices=[], usage={"prompt_tokens": 30, "completion_tokens": 5}),
        b"data: [DONE]\n\n",
    ]
    body = b"".join(events)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    return b"%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (head, len(body), body)


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    answer = _answer()
    pause_s = 0.0

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not end or len(rest) < length:
            return
        self._received = rest[length:]
        asyncio.get_running_loop().call_later(self.pause_s, self._send)

    def _send(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self.answer)


async def _serve(pause_s: float) -> None:
    _Connection.pause_s = pause_s
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
