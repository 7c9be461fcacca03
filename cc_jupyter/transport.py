"""The only module that knows httpx: one request out, its bytes back, interruptible at any moment.

Each response is read by a thread of its own into a queue. The cell's thread waits on that queue,
so it can draw, notice silence and be interrupted at any time, also while a name is looked up.
`httpx` closes nothing under a blocked `recv`; shutting the socket down does, in a millisecond
(measured 2026-11-22), so every connection's socket is known: a *lane* is one client with one
connection, used for one request at a time and kept for the next.
"""

from __future__ import annotations

import functools
import os
import socket
import ssl
import threading
import urllib.request
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from cc_jupyter.errors import ConfigError, ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

CONNECT_TIMEOUT_S = 10.0
TIMED_OUT = "timed_out"
"""The code of a `ConnectError` after silence: the request may be at work, and is not sent again."""
KEEP_ALIVE_S = 120.0
_CONNECTED = ("connect_tcp.complete", "start_tls.complete")
_BEFORE_SENDING = ("connection.", "proxy.", "http11.send_request_headers")
_GRACE_S = 0.05  # after an answer's last event, for the end of its body


@dataclass(frozen=True, slots=True)
class Call:
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
class Head:
    """The response began."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class End:
    """The response is over."""

    error: BaseException | None
    """What cut it off; `None`: it ended as announced."""


class Wake:
    """Nothing came from the wire: somebody asked the waiting thread to look up."""


Item: TypeAlias = Head | bytes | End | Wake


class _AbandonedError(Exception):
    """The call was closed before it was sent."""


class _Lane:
    """One client with at most one connection, whose socket is known."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.client = _client(origin)
        self.socket: socket.socket | None = None

    def shut(self) -> None:
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already, which is what we want
                self.socket = None


class Transport:
    """Sends calls and keeps their connections; for use from any thread, and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[_Lane]] = defaultdict(list)
        self._pid = os.getpid()

    def send(self, call: Call) -> Incoming:
        """Start a call; its response is read in the background."""
        parts = urlsplit(call.url)
        return Incoming(self, self._take(f"{parts.scheme}://{parts.netloc}"), call)

    def close(self) -> None:
        """Close the connections that wait for a next request."""
        with self._lock:
            lanes = [lane for idle in self._idle.values() for lane in idle]
            self._idle.clear()
        for lane in lanes:
            lane.client.close()

    def give_back(self, lane: _Lane) -> None:
        """Keep a lane whose response was read to its end."""
        with self._lock:
            self._idle[lane.origin].append(lane)

    def _take(self, origin: str) -> _Lane:
        with self._lock:
            if self._pid != os.getpid():  # a fork shares its parent's sockets: leave them alone
                self._pid = os.getpid()
                self._idle.clear()
            if self._idle[origin]:
                return self._idle[origin].pop()
        return _Lane(origin)


class Incoming:
    """One call under way: `receive` its items until `End`, then `close`."""

    def __init__(self, transport: Transport, lane: _Lane, call: Call) -> None:
        self._transport = transport
        self._lane = lane
        self._call = call
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._lock = threading.Lock()  # who has the lane: this call, or the next one already
        self._closed = False
        self._reading = True
        self._ended = False
        self._fresh = False  # whether this call made the connection it uses
        self._thread = threading.Thread(target=self._run, name="cc_jupyter reader", daemon=True)
        self._thread.start()

    def receive(self, timeout_s: float) -> Item | None:
        """Give the next item, or `None` when none came within `timeout_s` seconds."""
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            return None
        self._ended = self._ended or isinstance(item, End)
        return item

    def wake(self) -> None:
        """Make a waiting `receive` give a `Wake`; safe from a signal handler."""
        self._items.put(Wake())

    def close(self, *, drain: bool = False) -> None:
        """Leave the response; the connection ends now unless the body is at its end.

        Parameters
        ----------
        drain
            Wait a moment for the end of the body, so that the connection can be kept.
        """
        if drain and not self._ended:
            self._thread.join(_GRACE_S)
        with self._lock:
            self._closed = True
            if self._reading:
                self._lane.shut()

    def _run(self) -> None:
        complete = False
        error: BaseException | None = None
        try:
            with closing(self._open()) as response:
                for chunk in response.iter_bytes():
                    self._items.put(chunk)
            complete = True
        except _AbandonedError:
            pass
        except BaseException as caught:  # noqa: BLE001  the cell's thread raises it
            error = _explain(caught, self._call)
        with self._lock:
            kept = complete and not self._closed
            self._reading = False
        if kept:
            self._transport.give_back(self._lane)
        else:
            self._lane.client.close()
        self._items.put(End(error))

    def _open(self) -> httpx.Response:
        import httpx  # noqa: PLC0415  50 ms that loading the extension must not cost

        try:
            return self._exchange()
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if self._fresh or self._closed or not self._call.resend_on_dead_connection:
                raise
        return self._exchange()

    def _exchange(self) -> httpx.Response:
        call, client = self._call, self._lane.client
        limits = dict.fromkeys(("read", "write"), call.idle_timeout_s)
        request = client.build_request(
            call.method,
            call.url,
            headers=dict(call.headers),
            content=call.body,
            extensions={
                "timeout": {"connect": CONNECT_TIMEOUT_S, "pool": CONNECT_TIMEOUT_S, **limits},
                "trace": self._trace,
            },
        )
        response = client.send(request, stream=True)
        self._items.put(
            Head(response.status_code, {k.lower(): v for k, v in response.headers.items()})
        )
        return response

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn the socket of a new connection; stop before anything is sent for a closed call."""
        stream = info.get("return_value")
        if stream is not None and event.endswith(_CONNECTED):
            self._fresh = True
            self._lane.socket = stream.get_extra_info("socket")
        if self._closed and event.startswith(_BEFORE_SENDING):
            raise _AbandonedError


def _client(origin: str) -> httpx.Client:
    import httpx  # noqa: PLC0415  50 ms that loading the extension must not cost

    secure = origin.startswith("https://")
    try:
        return httpx.Client(
            verify=_tls_context() if secure else False,
            trust_env=False,  # it would send plain http through a proxy, and read ~/.netrc
            proxy=_proxy(origin) if secure else None,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE_S),
        )
    except (ValueError, ImportError) as error:
        raise ConfigError(
            f"the proxy from the environment cannot be used: {error}",
            hint="set https_proxy to http://host:port, or NO_PROXY to go without",
        ) from None


def _proxy(origin: str) -> str | None:
    """Give the proxy the environment names for an https origin, heeding NO_PROXY."""
    host = urlsplit(origin).hostname or ""
    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies_environment()
    return proxies.get("https") or proxies.get("all")


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Make the context once: it costs 18 ms. OpenSSL itself heeds SSL_CERT_FILE."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not any((paths.cafile, paths.capath, context.get_ca_certs())):
        import certifi  # noqa: PLC0415  comes with httpx, for Pythons without a system store

        context.load_verify_locations(certifi.where())
    return context


def _explain(error: BaseException, call: Call) -> BaseException:
    """Word a failure of the network; a failure that is a bug stays as it is."""
    import httpx  # noqa: PLC0415  loaded by now

    if not isinstance(error, httpx.TransportError):
        return error
    host = urlsplit(call.url).netloc.rpartition("@")[2]
    hint = "check the network and the base URL (%cmd status)"
    code = None
    match error:
        case httpx.ConnectTimeout():
            message = f"no connection to {host} within {CONNECT_TIMEOUT_S:.0f} s"
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            message = f"the certificate of {host} could not be verified"
            hint = "behind a company proxy, set SSL_CERT_FILE to its certificate"
        case httpx.ConnectError():
            message = f"no connection to {host}: {_reason(error)}"
        case httpx.ProxyError():
            message = f"the proxy refused the way to {host}: {error}"
            hint = "check https_proxy and NO_PROXY"
        case httpx.ReadTimeout():
            message = f"{host} sent nothing for {call.idle_timeout_s:.0f} s"
            hint = "CMD_IDLE_TIMEOUT_S sets how long to wait"
            code = TIMED_OUT
        case _:
            message = f"the connection to {host} was lost: {_reason(error)}"
            hint = "run the cell again"
    return ConnectError(message, hint=hint, code=code)


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.partition("] ")[2] or text


def fetch(
    transport: Transport, call: Call, *, timeout_s: float, most_bytes: int
) -> tuple[int, bytes]:
    """Give status and body of a small document, within `timeout_s` seconds over all.

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
                case Head():
                    status = item.status
                case bytes():
                    body += item
                case End(error=None):
                    return status, bytes(body)
                case End(error=error):
                    assert error is not None  # noqa: S101  told by the case above
                    raise error
                case Wake():
                    continue
                case None:
                    raise ConnectError(f"{call.url} did not answer within {timeout_s:.0f} s")
            if len(body) > most_bytes:
                raise ConnectError(f"{call.url} sent more than {most_bytes >> 20} MB")
    finally:
        incoming.close()
