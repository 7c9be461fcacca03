"""Follows a connection through httpx, so that a request can be ended and sent again safely.

httpx reports each step to the `trace` request extension, and hands out the network stream
("Request Extensions" and "Response Extensions", httpx 0.28.1, read 2026-11-30). That is all that
is used here: nothing ends a blocked `recv` except shutting its socket down (1 ms, measured
2026-11-22), and only a step's start tells whether anything has been sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping


CONNECT_TIMEOUT_S = 10.0
"""For each of: the TCP connection, the proxy's answer, the TLS handshake."""
_TLS_HEADER_BYTES = 5
_TLS_ALERT = 0x15
_TLS_APPLICATION_DATA = 0x17
_TLS_ENCRYPTED_ALERT_BYTES = 19  # level, description, content type and a tag of 16 (RFC 8446, 5.2)


class AbandonedError(Exception):
    """The request was abandoned; nothing more is sent for it."""


class TraceHook:
    """The `trace` extension of all requests of one connection, one request at a time.

    It raises at the start of connecting and of sending only, where httpcore cleans up after it.
    """

    def __init__(self) -> None:
        self.connected = False
        """Whether this request opened the connection it uses."""
        self.sent = False
        """Whether any of this request was sent."""
        self.sends = 0
        """How many times this request was sent, the silent repeat included."""
        self.answered = False
        """Whether any byte of a response arrived on a reused connection."""
        self.timeouts: dict[str, float] = {}
        """The `timeout` extension of this request; a CONNECT has its own limits."""
        self.abandoned = False
        self.proxy_timed_out = False
        """Whether a proxy took too long to open the way."""
        self.socks_failed = False
        """Whether the talk with a SOCKS proxy failed."""
        self._idle_timeout_s = 0.0
        self._stream: Any = None  # httpcore's network stream
        self._socket: socket.socket | None = None
        self._copy: socket.socket | None = None  # of the socket that a TLS handshake detaches
        self._lock = threading.Lock()  # guards both: a closed socket's number may be reused
        self._watchdog: threading.Timer | None = None

    def begin(self, idle_timeout_s: float) -> None:
        """Start to follow a new request."""
        self.connected = self.sent = self.answered = False
        self.proxy_timed_out = self.socks_failed = False
        self.sends = 0
        self._idle_timeout_s = idle_timeout_s
        self.timeouts = {"connect": CONNECT_TIMEOUT_S, "pool": CONNECT_TIMEOUT_S}
        self._limit_io(idle_timeout_s)

    @property
    def may_resend(self) -> bool:
        """Whether the request went out on a reused connection that died before any byte came."""
        return self.sent and not (self.connected or self.answered or self.abandoned)

    @property
    def has_unread(self) -> bool:
        """Whether TLS has taken bytes off the socket that are still unread.

        TLS within TLS, through a proxy of https, reads ahead into a buffer of httpcore's. No public
        interface shows it; if httpcore's insides change, that counts as unread and a test fails.
        """
        if self._stream is None:
            return False
        tls = self._stream.get_extra_info("ssl_object")
        if isinstance(tls, ssl.SSLObject):
            buffer = getattr(self._stream, "_incoming", None)
            return tls.pending() > 0 or buffer is None or buffer.pending > 0
        return isinstance(tls, ssl.SSLSocket) and tls.pending() > 0

    def abandon(self) -> bool:
        """Send nothing more and end any blocked call; return whether a socket was there to end."""
        with self._lock:
            self.abandoned = True
            return self._shut()

    def raise_if_abandoned(self) -> None:
        """Raise `AbandonedError` after `abandon`."""
        if self.abandoned:
            raise AbandonedError

    def hold(self, stream: Any) -> None:  # noqa: ANN401  httpcore's network stream, untyped in httpx
        """Remember the socket of a network stream."""
        with self._lock:
            self._drop_copy()
            self._stream = stream
            self._socket = stream.get_extra_info("socket")
            if self.abandoned:
                self._shut()

    def release(self) -> None:
        """Forget the socket: the connection is closed."""
        self._stop_watchdog()
        with self._lock:
            self._drop_copy()
            self._stream = self._socket = None

    def __call__(self, step: str, info: Mapping[str, Any]) -> None:
        """Take a report of httpx, such as `connection.connect_tcp.started`."""
        match step.partition(".")[2]:
            case "connect_tcp.started":
                self.raise_if_abandoned()
                self.connected = True
            case "connect_tcp.complete" | "start_tls.complete":
                self.hold(info["return_value"])
            case "start_tls.started":
                self._stop_watchdog()
                self._copy_socket()
            case "start_tls.failed":
                self.release()
            case "setup_socks5_connection.started":
                self._start_watchdog()
            case "setup_socks5_connection.complete":
                self._stop_watchdog()
            case "setup_socks5_connection.failed":
                self._stop_watchdog()
                self.socks_failed = True
            case "send_request_headers.started":
                self._on_send(info["request"])
            case "receive_response_headers.started" if self.sent and not self.connected:
                self.answered = self._any_byte_came()

    def _on_send(self, request: Any) -> None:  # noqa: ANN401  httpcore's request
        self.raise_if_abandoned()
        if request.method == b"CONNECT":
            self._limit_io(CONNECT_TIMEOUT_S)
            self._start_watchdog()
            _bracket_ipv6(request)
            return
        self._limit_io(self._idle_timeout_s)
        self.sent = True
        self.sends += 1

    def _any_byte_came(self) -> bool:
        """Wait for the first byte on a reused connection, without taking it.

        Raises
        ------
        httpx.ReadTimeout
            None came in time.
        """
        sock = self._socket
        if sock is None:  # of a transport that is not ours: better not sent twice
            return True
        sock.settimeout(self._idle_timeout_s)
        try:
            # not the `recv` of an SSLSocket, which knows no flags
            head = socket.socket.recv(sock, _TLS_HEADER_BYTES, socket.MSG_PEEK)
        except TimeoutError:
            raise httpx.ReadTimeout("timed out") from None
        except OSError:
            return False
        return bool(head) and not (isinstance(sock, ssl.SSLSocket) and _is_goodbye(head))

    def _limit_io(self, timeout_s: float) -> None:
        self.timeouts["read"] = self.timeouts["write"] = timeout_s

    def _copy_socket(self) -> None:
        """Keep a way to the connection: the handshake detaches the socket from its number."""
        with self._lock:
            # TLS within TLS, to a proxy of https, leaves the outer socket as it is
            if self._socket is not None and not isinstance(self._socket, ssl.SSLSocket):
                self._socket = self._copy = self._socket.dup()

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def _shut(self) -> bool:
        if self._socket is None:
            return False
        # not the `shutdown` of an SSLSocket: it drops the encryption first, and a thread that
        # is sending would continue unencrypted
        with contextlib.suppress(OSError):  # already closed
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        return True

    def _start_watchdog(self) -> None:
        """Bound the talk with a proxy as a whole: each of its bytes may come just in time.

        httpcore 1.0.9 waits for a SOCKS proxy without any limit.
        """
        self._watchdog = threading.Timer(CONNECT_TIMEOUT_S, self._on_watchdog)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _on_watchdog(self) -> None:
        self.proxy_timed_out = True
        with self._lock:
            self._shut()

    def _stop_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None


def _bracket_ipv6(connect: Any) -> None:  # noqa: ANN401  httpcore's request
    """Write an IPv6 address as a CONNECT needs it (RFC 9110, 9.3.6); httpcore 1.0.9 does not."""
    bare = connect.url.target
    host, _, port = bare.rpartition(b":")
    if b":" in host and not host.startswith(b"["):
        connect.url.target = target = b"[%b]:%b" % (host, port)
        connect.headers = [(name, target if it == bare else it) for name, it in connect.headers]


def _is_goodbye(record: bytes) -> bool:
    """Return whether a TLS record's header can only be that of an alert: the orderly goodbye."""
    if record[0] == _TLS_ALERT:
        return True
    whole = len(record) == _TLS_HEADER_BYTES and record[0] == _TLS_APPLICATION_DATA
    return whole and int.from_bytes(record[3:]) == _TLS_ENCRYPTED_ALERT_BYTES
