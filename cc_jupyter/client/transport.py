"""Sends one HTTP request and returns its bytes, interruptible at any moment.

A thread reads each response into a queue. The cell's thread waits on that queue, so it can draw,
notice silence and be interrupted, even while a host name is resolved. A connection serves one
request at a time and is kept for the next; every network failure becomes one `ConnectError`.

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
"""The code of a `ConnectError` after silence: the request may be at work, and is not sent again."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, ready to go."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)  # the key is in it
    body: bytes = field(default=b"", repr=False)
    idle_timeout_s: float = 300.0
    """The longest silence borne; any byte starts it anew, and there is no limit for the whole."""
    resend_on_dead_connection: bool = True
    """Whether to send once more, silently, when a kept connection dies before any byte came."""


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
    """Nothing came from the wire: somebody asked the waiting thread to look up."""


Item: TypeAlias = ResponseStart | bytes | ResponseEnd | Interrupted


_NETWORK = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    zlib.error,
)


def explain(error: BaseException, call: HttpRequest) -> BaseException:
    """Word a failure of the network; a failure that is a bug stays as it is."""
    if not isinstance(error, _NETWORK):
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
            reason = str(error).partition(": ")[0]  # what follows are bytes as they came
            message = f"the connection to {host} was lost: {reason}"
            hint = "run the cell again"
        case _:
            message = f"the connection to {host} was lost: {_reason(error)}"
            hint = "run the cell again"
    return ConnectError(message, hint=hint, code=code)


def _reason(error: Exception) -> str:
    """Return the system's words without its numbers: `[Errno 111] …` and `[SSL: …] …`."""
    text = str(error) or type(error).__name__
    return text.partition("] ")[2] or text


_DEAD = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_PIECE_BYTES = 2**16
_UNPACKED_BYTES = 2**20


class AbandonedError(Exception):
    """The call was closed; nothing more is sent for it."""


class Connection:
    """A pool of one connection to one origin; carries one call at a time.

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
        """Whether nothing of the call under way has been sent yet."""
        return not self._network.sending

    def exchange(self, call: HttpRequest) -> Iterator[ResponseStart | bytes]:
        """Send a call and give its response.

        Fails with httpcore's exceptions, and with `AbandonedError` once the lane was shut.
        """
        with contextlib.closing(self._open(call)) as response:
            yield ResponseStart(response.status, _by_name(response.headers))
            yield from _unpacked(response)

    def shut(self) -> None:
        """End what is under way, from any thread and at once; the lane is of no use afterwards."""
        self._network.shut()

    def close(self) -> None:
        """Close the connection; nobody may be using it."""
        self._pool.close()

    def _open(self, call: HttpRequest) -> httpcore.Response:
        self._network.begin()
        try:
            return self._send(call)
        except _DEAD:
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
    """The system's network, for one call at a time, with its one socket in hand."""

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        self.fresh = False
        """Whether this call made the connection it uses."""
        self.sending = False
        """Whether anything was sent for this call."""
        self.answered = False
        """Whether any byte has come for it."""
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
        """Know the stream's socket; close it at once if the call was closed meanwhile."""
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
            if not isinstance(
                sock, ssl.SSLSocket
            ):  # the handshake takes the socket out of our hand
                self._socket = stack.enter_context(sock.dup())
            secured = stream.start_tls(context, host, CONNECT_TIMEOUT_S)
            return self.hold(secured, preparing=False)

    def shut(self) -> None:
        self._shut = True
        if self._socket is not None:
            # not the `shutdown` of an SSLSocket: it drops the encryption first, and a thread that
            # is just sending would go on in the clear
            with contextlib.suppress(OSError):  # closed already, which is what we want
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Stream(httpcore.NetworkStream):
    """A connection that notes the first byte each way, and is held also through a handshake."""

    def __init__(
        self, network: _Network, stream: httpcore.NetworkStream, *, preparing: bool
    ) -> None:
        self._network = network
        self._stream = stream
        self._preparing = preparing  # the way through a proxy is being made

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
        # in pieces: one large write copies all the rest after each `send`, holding every thread up
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


def _unpacked(response: httpcore.Response) -> Iterator[bytes]:
    """Return the body, unpacked if a proxy packed it although nobody asked for that."""
    packing = _by_name(response.headers).get("content-encoding", "").strip().lower()
    if packing in ("", "identity"):
        yield from response.iter_stream()
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise httpcore.RemoteProtocolError("the answer is packed in a way nobody asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as its head says
    for packed in response.iter_stream():
        while packed:
            if piece := unpacker.decompress(packed, _UNPACKED_BYTES):
                yield piece
            packed = unpacker.unconsumed_tail  # noqa: PLW2901  the rest of the same chunk


_MOST_IDLE_LANES = 8  # of one origin
_GRACE_S = 0.05  # after an answer's last event, for the end of its body


class Transport:
    """Sends calls and keeps their connections; for use from any thread, and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[Connection]] = defaultdict(list)
        self._pid = os.getpid()
        weakref.finalize(self, _close_idle, self._idle)  # at the latest when the process ends

    def send(self, call: HttpRequest) -> ResponseReader:
        """Start a call; its response is read in the background.

        Raises
        ------
        ConfigError
            The proxy that the environment names cannot be used.
        """
        parts = urlsplit(call.url)
        return ResponseReader(self, self._take(f"{parts.scheme}://{parts.netloc}"), call)

    def close(self) -> None:
        """Close the connections that wait for a next request."""
        with self._lock:
            _close_idle(self._idle)

    def give_back(self, lane: Connection) -> None:
        """Keep a lane whose response was read to its end."""
        with self._lock:
            idle = self._idle[lane.origin]
            if len(idle) < _MOST_IDLE_LANES:
                idle.append(lane)
                return
        lane.close()

    def _take(self, origin: str) -> Connection:

        if self._pid != os.getpid():  # a fork: these sockets are its parent's, and so was the lock
            self._pid, self._lock = os.getpid(), threading.Lock()
            self.close()
        with self._lock:
            if self._idle[origin]:
                return self._idle[origin].pop()
        return Connection(origin)


def _close_idle(idle: dict[str, list[Connection]]) -> None:
    for lanes in idle.values():
        while lanes:
            lanes.pop().close()


class ResponseReader:
    """One call under way: `receive` its items until `End`, then `close`."""

    def __init__(self, transport: Transport, lane: Connection, call: HttpRequest) -> None:
        self._transport = transport
        self._lane = lane
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._lock = threading.Lock()  # who has the lane: this call, or the next one already
        self._closed = False
        self._reading = True
        self._ended = False
        self._pid = os.getpid()
        # the call, and with it the key, is nowhere kept: it is gone when the thread is
        self._thread = threading.Thread(
            target=self._run, args=(call,), name="cc_jupyter reader", daemon=True
        )
        try:
            self._thread.start()  # which waits for the thread, and may be interrupted meanwhile
        except BaseException:
            self.close()
            raise

    @property
    def connecting(self) -> bool:
        """Whether nothing of the request has been sent yet."""
        return self._lane.connecting

    def receive(self, timeout_s: float) -> Item | None:
        """Return the next item, or `None` when none came within `timeout_s` seconds."""
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            return None
        self._ended = self._ended or isinstance(item, ResponseEnd)
        return item

    def wake(self) -> None:
        """Make a waiting `receive` give a `Interrupted`; safe from a signal handler."""
        self._items.put(Interrupted())

    def close(self, *, drain: bool = False) -> None:
        """Leave the response; the connection ends now unless the body is at its end.

        Parameters
        ----------
        drain
            Wait a moment for the end of the body, so that the connection can be kept.
        """
        if self._pid != os.getpid():  # a fork's copy: the connection is its parent's
            return
        if drain and not self._ended:
            self._thread.join(_GRACE_S)
        with self._lock:
            self._closed = True
            if self._reading:
                self._lane.shut()

    def _run(self, call: HttpRequest) -> None:
        error: BaseException | None = None
        try:
            for item in self._lane.exchange(call):
                self._items.put(item)
        except BaseException as caught:  # noqa: BLE001  the cell's thread raises it
            error = explain(caught, call)
        with self._lock:
            kept = error is None and not self._closed
            self._reading = False
        if kept:
            self._transport.give_back(self._lane)
        else:
            self._lane.close()
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
                    assert error is not None  # noqa: S101  told by the case above
                    raise error
                case Interrupted():
                    continue
                case None:
                    raise ConnectError(f"{call.url} did not answer within {timeout_s:.0f} s")
            if len(body) > most_bytes:
                raise ConnectError(f"{call.url} sent more than {most_bytes >> 20} MB")
    finally:
        incoming.close()
