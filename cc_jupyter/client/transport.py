"""Sends one HTTP request and returns its bytes, interruptible at any moment.

A thread reads each response into a queue. The cell's thread waits on that queue, so it can draw,
notice silence and be interrupted, even while a host name is resolved. A connection serves one
request at a time and is reused for the next; every network failure becomes one `ConnectError`.

It uses httpcore, the engine of httpx, with its own network backend, for three reasons: nothing ends
a blocked `recv` except shutting its socket down (1 ms, measured 2026-11-22); nothing may be sent
for a request that was closed; and a dead connection is silent only until its first byte. httpx
itself costs 45 ms and 107 modules more in the first cell (httpx 0.28.1, httpcore 1.0.9, measured
2026-11-23).
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import weakref
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import httpcore

from cc_jupyter.client.proxy import build_pool
from cc_jupyter.core.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


CONNECT_TIMEOUT_S = 10.0
TIMED_OUT = "timed_out"
"""The code of a `ConnectError` after silence: that request may be at work, and is not resent."""
_NETWORK_ERRORS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    zlib.error,
)
_DEAD_CONNECTION_ERRORS = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_PIECE_BYTES = 2**16
_UNPACKED_BYTES = 2**20
_MAX_IDLE_CONNECTIONS = 8  # of one origin
_DRAIN_TIMEOUT_S = 0.05  # after an answer's last event, for the end of its body


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, ready to go."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)  # the key is in it
    body: bytes = field(default=b"", repr=False)
    idle_timeout_s: float = 300.0
    """Read timeout between two bytes. There is no overall limit."""
    resend_on_dead_connection: bool = True
    """Whether to send once more, silently, when a reused connection dies before any byte comes."""


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """The response began."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class ResponseEnd:
    """The response is over."""

    error: BaseException | None
    """What cut it off; `None`: it ended as announced."""


class Interrupted:
    """No item from the wire: `ResponseReader.wake` asked the waiting thread to stop waiting."""


Item: TypeAlias = ResponseStart | bytes | ResponseEnd | Interrupted


def explain(error: BaseException, call: HttpRequest) -> BaseException:
    """Turn a network failure into a `ConnectError`; return any other exception unchanged."""
    if not isinstance(error, _NETWORK_ERRORS):
        return error
    host = urlsplit(call.url).netloc
    hint = "check the network and the base URL (%cmd status)"
    code = None
    match error:
        case httpcore.ConnectTimeout():
            message = f"no connection to {host} within {CONNECT_TIMEOUT_S:.0f} s"
        case httpcore.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            message = f"the certificate of {host} could not be verified: {_reason(error)}"
            hint = "behind a company proxy, set SSL_CERT_FILE to its certificate"
        case httpcore.ConnectError():
            message = f"no connection to {host}: {_reason(error)}"
        case httpcore.ProxyError():
            message = f"the proxy refused the way to {host}: {_reason(error)}"
            hint = "check https_proxy and NO_PROXY"
        case httpcore.ReadTimeout():
            message = f"{host} sent nothing for {call.idle_timeout_s:g} s"
            hint = "CMD_IDLE_TIMEOUT_S sets how long to wait"
            code = TIMED_OUT
        case httpcore.WriteTimeout():
            message = f"{host} took nothing of the request for {call.idle_timeout_s:g} s"
            code = TIMED_OUT
        case httpcore.ProtocolError():
            reason = str(error).partition(": ")[0]  # raw bytes of the response follow
            message = f"the connection to {host} was lost: {reason}"
            hint = "run the cell again"
        case _:
            message = f"the connection to {host} was lost: {_reason(error)}"
            hint = "run the cell again"
    return ConnectError(message, hint=hint, code=code)


def _reason(error: Exception) -> str:
    """Return the system's message without its prefix: `[Errno 111] …` or `[SSL: …] …`."""
    text = str(error) or type(error).__name__
    return text.partition("] ")[2] or text


class AbandonedError(Exception):
    """The request was closed; nothing more is sent for it."""


class Connection:
    """A pool of one connection to one origin; carries one request at a time.

    Raises
    ------
    ConfigError
        The proxy that the environment names cannot be used.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._network = _Network(secure=origin.startswith("https://"))
        self._pool = build_pool(origin, self._network)

    @property
    def connecting(self) -> bool:
        """Whether nothing of the current request has been sent yet."""
        return not self._network.sending

    def exchange(self, call: HttpRequest) -> Iterator[ResponseStart | bytes]:
        """Send a request and yield its response.

        Fails with httpcore's exceptions, and with `AbandonedError` after `shut`.
        """
        with contextlib.closing(self._open(call)) as response:
            yield ResponseStart(response.status, _by_name(response.headers))
            yield from _decompressed(response)

    def shut(self) -> None:
        """End the current request at once, from any thread; the connection is unusable then."""
        self._network.shut()

    def close(self) -> None:
        """Close the connection; it must be idle."""
        self._pool.close()

    def _open(self, call: HttpRequest) -> httpcore.Response:
        self._network.begin()
        try:
            return self._send(call)
        except _DEAD_CONNECTION_ERRORS:
            if self._network.fresh or self._network.answered or not call.resend_on_dead_connection:
                raise
        return self._send(call)

    def _send(self, call: HttpRequest) -> httpcore.Response:
        parts = urlsplit(call.url)
        headers = {"Host": parts.netloc, **call.headers}
        if call.body:
            headers["Content-Length"] = str(len(call.body))
        timeouts = {
            "connect": CONNECT_TIMEOUT_S,
            "pool": CONNECT_TIMEOUT_S,
            "read": call.idle_timeout_s,
            "write": call.idle_timeout_s,
        }
        url = httpcore.URL(
            scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=parts.path
        )
        return self._pool.handle_request(
            httpcore.Request(
                call.method,
                url,
                headers=list(headers.items()),
                content=call.body,
                extensions={"timeout": timeouts},
            )
        )


class _Network(httpcore.SyncBackend):
    """The system's network, for one request at a time, with access to its one socket."""

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        self.fresh = False
        """Whether this request opened the connection it uses."""
        self.sending = False
        """Whether anything was sent for this request."""
        self.answered = False
        """Whether any byte of its response has arrived."""
        self._socket: socket.socket | None = None
        self._shut = False

    def begin(self) -> None:
        self.fresh = self.sending = self.answered = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        if self._shut:
            raise AbandonedError
        self.fresh = True
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return self.hold(stream, preparing=self.secure)

    def hold(self, stream: httpcore.NetworkStream, *, preparing: bool) -> httpcore.NetworkStream:
        """Remember the stream's socket; close it at once if the request was closed meanwhile."""
        self._socket = stream.get_extra_info("socket")
        if self._shut:
            stream.close()
            raise AbandonedError
        return _Stream(self, stream, preparing=preparing)

    def start_tls(
        self, stream: httpcore.NetworkStream, context: ssl.SSLContext, host: str | None
    ) -> httpcore.NetworkStream:
        sock = stream.get_extra_info("socket")
        with contextlib.ExitStack() as stack:
            if not isinstance(sock, ssl.SSLSocket):  # the handshake detaches the socket
                self._socket = stack.enter_context(sock.dup())
            secured = stream.start_tls(context, host, CONNECT_TIMEOUT_S)
            return self.hold(secured, preparing=False)

    def shut(self) -> None:
        self._shut = True
        if self._socket is not None:
            # not the `shutdown` of an SSLSocket: it drops the encryption first, and a thread that
            # is sending would continue unencrypted
            with contextlib.suppress(OSError):  # already closed
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Stream(httpcore.NetworkStream):
    """A stream that records the first byte each way and stays reachable through a handshake."""

    def __init__(
        self, network: _Network, stream: httpcore.NetworkStream, *, preparing: bool
    ) -> None:
        self._network = network
        self._stream = stream
        self._preparing = preparing  # a tunnel through a proxy is being opened

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._preparing:
            return self._prepare(max_bytes)
        data = self._stream.read(max_bytes, timeout)
        self._network.answered = self._network.answered or bool(data)
        return data

    def _prepare(self, max_bytes: int) -> bytes:
        try:
            return self._stream.read(max_bytes, CONNECT_TIMEOUT_S)
        except httpcore.ReadTimeout:
            raise httpcore.ConnectTimeout("the proxy does not answer") from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._network.sending = not self._preparing
        # in pieces: one large write copies the rest after each `send` and blocks every thread
        for start in range(0, len(buffer), _PIECE_BYTES):
            self._stream.write(buffer[start : start + _PIECE_BYTES], timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  httpcore's signature; the limit is ours
    ) -> httpcore.NetworkStream:
        return self._network.start_tls(self._stream, ssl_context, server_hostname)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  httpcore's signature
        return self._stream.get_extra_info(info)


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _decompressed(response: httpcore.Response) -> Iterator[bytes]:
    """Yield the body, decompressed if a proxy compressed it although the request forbids that."""
    encoding = _by_name(response.headers).get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response.iter_stream()
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpcore.RemoteProtocolError("the answer has an unsupported content encoding")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    for packed in response.iter_stream():
        while packed:
            if piece := unpacker.decompress(packed, _UNPACKED_BYTES):
                yield piece
            packed = unpacker.unconsumed_tail  # noqa: PLW2901  the rest of the same chunk


class Transport:
    """Sends requests and reuses their connections; for use from any thread, and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[Connection]] = defaultdict(list)
        self._pid = os.getpid()
        weakref.finalize(self, _close_idle, self._idle)  # at the latest when the process ends

    def send(self, call: HttpRequest) -> ResponseReader:
        """Start a request; its response is read in the background.

        Raises
        ------
        ConfigError
            The proxy that the environment names cannot be used.
        """
        parts = urlsplit(call.url)
        return ResponseReader(self, self._take(f"{parts.scheme}://{parts.netloc}"), call)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            _close_idle(self._idle)

    def give_back(self, connection: Connection) -> None:
        """Reuse a connection whose response was read to its end."""
        with self._lock:
            idle = self._idle[connection.origin]
            if len(idle) < _MAX_IDLE_CONNECTIONS:
                idle.append(connection)
                return
        connection.close()

    def _take(self, origin: str) -> Connection:
        if self._pid != os.getpid():  # a fork: these sockets and the lock belong to its parent
            self._pid, self._lock = os.getpid(), threading.Lock()
            self.close()
        with self._lock:
            if self._idle[origin]:
                return self._idle[origin].pop()
        return Connection(origin)


def _close_idle(idle: dict[str, list[Connection]]) -> None:
    for connections in idle.values():
        while connections:
            connections.pop().close()


class ResponseReader:
    """One request in progress: `receive` its items until `ResponseEnd`, then `close`."""

    def __init__(self, transport: Transport, connection: Connection, call: HttpRequest) -> None:
        self._transport = transport
        self._connection = connection
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._lock = threading.Lock()  # guards who owns the connection: this request or the next
        self._closed = False
        self._reading = True
        self._ended = False
        self._pid = os.getpid()
        # the request, and with it the key, is not stored: it goes away with the thread
        self._thread = threading.Thread(
            target=self._run, args=(call,), name="cc_jupyter reader", daemon=True
        )
        try:
            self._thread.start()  # waits for the thread, and may be interrupted meanwhile
        except BaseException:
            self.close()
            raise

    @property
    def connecting(self) -> bool:
        """Whether nothing of the request has been sent yet."""
        return self._connection.connecting

    def receive(self, timeout_s: float) -> Item | None:
        """Return the next item, or `None` when none came within `timeout_s` seconds."""
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            return None
        self._ended = self._ended or isinstance(item, ResponseEnd)
        return item

    def wake(self) -> None:
        """Make a waiting `receive` return `Interrupted`; safe from a signal handler."""
        self._items.put(Interrupted())

    def close(self, *, drain: bool = False) -> None:
        """Leave the response; the connection ends now unless the body is at its end.

        Parameters
        ----------
        drain
            Wait a moment for the end of the body, so that the connection can be reused.
        """
        if self._pid != os.getpid():  # a fork's copy: the connection belongs to its parent
            return
        if drain and not self._ended:
            self._thread.join(_DRAIN_TIMEOUT_S)
        with self._lock:
            self._closed = True
            if self._reading:
                self._connection.shut()

    def _run(self, call: HttpRequest) -> None:
        error: BaseException | None = None
        try:
            for item in self._connection.exchange(call):
                self._items.put(item)
        except BaseException as caught:  # noqa: BLE001  the cell's thread raises it
            error = explain(caught, call)
        with self._lock:
            reusable = error is None and not self._closed
            self._reading = False
        if reusable:
            self._transport.give_back(self._connection)
        else:
            self._connection.close()
        self._items.put(ResponseEnd(error))


def fetch(
    transport: Transport, call: HttpRequest, *, timeout_s: float, most_bytes: int
) -> tuple[int, bytes]:
    """Return status and body of a small document, within `timeout_s` seconds over all.

    Raises
    ------
    ConnectError
        No answer, a broken one, or one over `most_bytes`.
    """
    incoming = transport.send(call)
    deadline = monotonic() + timeout_s
    status, body = 0, bytearray()
    try:
        while True:
            item = incoming.receive(max(0.0, deadline - monotonic()))
            match item:
                case ResponseStart():
                    status = item.status
                case bytes():
                    body += item
                case ResponseEnd(error=None):
                    return status, bytes(body)
                case ResponseEnd(error=error):
                    assert error is not None  # noqa: S101  the case above has no error
                    raise error
                case Interrupted():
                    continue
                case None:
                    raise ConnectError(f"{call.url} did not answer within {timeout_s:.0f} s")
            if len(body) > most_bytes:
                raise ConnectError(f"{call.url} sent more than {most_bytes >> 20} MB")
    finally:
        incoming.close()
