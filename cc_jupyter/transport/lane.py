"""One connection and its socket: httpcore, the engine of httpx, with a hand on its network.

httpx cannot be told what network to use, and costs 45 ms and 107 modules more in the first cell
(httpx 0.28.1, httpcore 1.0.9, measured 2026-11-23). The hand is needed three times over: nothing
ends a blocked `recv` but shutting its socket down (1 ms, measured 2026-11-22); nothing may be sent
for a call that was closed; and a dead connection is silent only until its first byte.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpcore

from cc_jupyter.transport.call import CONNECT_TIMEOUT_S, Call, Head
from cc_jupyter.transport.route import build_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEAD = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_PIECE_BYTES = 2**16
_UNPACKED_BYTES = 2**20


class AbandonedError(Exception):
    """The call was closed; nothing more is sent for it."""


class Lane:
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

    def exchange(self, call: Call) -> Iterator[Head | bytes]:
        """Send a call and give its response.

        Fails with httpcore's exceptions, and with `AbandonedError` once the lane was shut.
        """
        with contextlib.closing(self._open(call)) as response:
            yield Head(response.status, _by_name(response.headers))
            yield from _unpacked(response)

    def shut(self) -> None:
        """End what is under way, from any thread and at once; the lane is of no use afterwards."""
        self._network.shut()

    def close(self) -> None:
        """Close the connection; nobody may be using it."""
        self._pool.close()

    def _open(self, call: Call) -> httpcore.Response:
        self._network.begin()
        try:
            return self._send(call)
        except _DEAD:
            if self._network.fresh or self._network.answered or not call.resend_on_dead_connection:
                raise
        return self._send(call)

    def _send(self, call: Call) -> httpcore.Response:
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
    """Give the body, unpacked if a proxy packed it although nobody asked for that."""
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
