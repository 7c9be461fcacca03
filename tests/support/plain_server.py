"""What the tests of the transport and the exchange share: calls, targets, plain servers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from cc_jupyter.client.client import Limits, RequestStream
from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.client.transport import HttpRequest, ResponseEnd, ResponseStart
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.events import TextDelta
from cc_jupyter.core.messages import Message, Parameters, Request
from support.provider import KEY, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cc_jupyter.client.transport import Item, ResponseReader, Transport
    from cc_jupyter.core.events import StreamEvent

MODEL = "deepseek/deepseek-v4-flash"
CLAUDE = "claude-sonnet-5"
LONG_S = 10.0


def post(url: str, body: bytes = b'{"model": "m"}', **fields: Any) -> HttpRequest:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    return HttpRequest("POST", url, headers, body, **fields)


def chat(provider: Provider, **fields: Any) -> HttpRequest:
    return post(f"{provider.base_url}/v1/chat/completions", **fields)


def items(incoming: ResponseReader, limit_s: float = LONG_S) -> Iterator[Item]:
    """Return all items to the end, that one included."""
    deadline = time.monotonic() + limit_s
    while True:
        item = incoming.receive(max(0.0, deadline - time.monotonic()))
        assert item is not None, f"nothing came within {limit_s} s"
        yield item
        if isinstance(item, ResponseEnd):
            return


def exchange_bytes(transport: Transport, call: HttpRequest) -> tuple[int | None, bytes]:
    """Send a call and give status and body; raise what it ended with."""
    incoming = transport.send(call)
    status, body = None, b""
    for item in items(incoming):
        match item:
            case ResponseStart(status=came):
                status = came
            case bytes():
                body += item
            case ResponseEnd(error=error) if error is not None:
                raise error
    incoming.close()
    return status, body


def until_head(incoming: ResponseReader) -> ResponseStart:
    """Wait for the response to begin."""
    for item in items(incoming):
        if isinstance(item, ResponseStart):
            return item
    raise AssertionError("no head")


def target_of(provider: Provider | Blackhole, key: str = KEY) -> Endpoint:
    return Endpoint(f"{provider.base_url}/v1", Key(key, "test"), f"127.0.0.1:{provider.port}")


def request(model: str = MODEL, prompt: str = "Hi", **parameters: Any) -> Request:
    endpoint = "/messages" if model.startswith("claude-") else "/chat/completions"
    return Request(model, endpoint, (Message("user", prompt),), parameters=Parameters(**parameters))


def exchange(
    provider: Provider | Blackhole,
    transport: Transport,
    model: str = MODEL,
    *,
    max_retries: int = 2,
    idle_timeout_s: float = LONG_S,
    zdr: bool = False,
    **parameters: Any,
) -> RequestStream:
    if model.startswith("claude-"):
        parameters.setdefault("max_tokens", 100)
    limits = Limits(max_retries, idle_timeout_s)
    asked = request(model, **parameters)
    return RequestStream(transport, asked, target_of(provider), limits, zdr=zdr)


def collect(
    events: RequestStream, each: Callable[[StreamEvent], object] = lambda _: None
) -> tuple[list[StreamEvent], BaseException | None]:
    """Return all events, and what ended them; `each` is called with every event as it comes."""
    came: list[StreamEvent] = []
    try:
        for event in events:
            came.append(event)
            each(event)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the test looks at it
        return came, error
    return came, None


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def wait_until(condition: Callable[[], bool], limit_s: float = 5.0) -> float:
    """Wait for something and give how long it took."""
    start_s = time.perf_counter()
    while not condition():
        waited_s = time.perf_counter() - start_s
        assert waited_s < limit_s, f"not within {limit_s} s"
        time.sleep(0.001)
    return time.perf_counter() - start_s


def reader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "cc_jupyter reader"]


def open_sockets(port: int | None = None) -> int:
    """Count this process's sockets, or its connections from and to one port.

    In a long run of tests a process holds sockets of other tests too, until their owners are
    collected: whoever wants none left names the port.
    """
    import psutil  # noqa: PLC0415  few tests count

    sockets = psutil.Process().net_connections("inet")
    if port is None:
        return len(sockets)
    return sum(port in (s.laddr.port, s.raddr.port) for s in sockets if s.raddr)


class PlainServer:
    """A listener whose connections a function serves, one thread each: what speaks no HTTP."""

    def __init__(self, serve: Callable[[socket.socket], object], *, backlog: int = 16) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._serve(connection)


class Blackhole:
    """A port that lets no connection be made: its queue is full and nobody accepts."""

    def __enter__(self) -> Self:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._fillers = [socket.socket() for _ in range(8)]
        for filler in self._fillers:
            filler.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", self.port))
        time.sleep(0.02)
        self.base_url = f"http://127.0.0.1:{self.port}"
        return self

    def let_in(self) -> bytes:
        """Accept whoever comes within a tenth of a second, and give all they say."""
        for filler in self._fillers:
            filler.close()
        self._listener.settimeout(0.1)
        said = b""
        with contextlib.suppress(TimeoutError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(ConnectionResetError):
                    connection.settimeout(1)
                    said += connection.recv(65536)
        return said

    def __exit__(self, *exc: object) -> None:
        for filler in self._fillers:
            filler.close()
        self._listener.close()
