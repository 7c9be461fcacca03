"""Sends one HTTP request and returns its response, interruptible at any moment.

A thread reads each response into a queue. The cell's thread waits on that queue, so it can draw,
notice silence and be interrupted, even while a host name is resolved. A connection serves one
request at a time and is reused for the next if its last response ended exactly; every network
failure becomes one `ConnectError`.

It uses the transports of httpx, not its client. Even without following redirects a client builds
the redirected request, keeps cookies and logs each URL (httpx 0.28.1, read 2026-11-30).
"""

from __future__ import annotations

import functools
import http.client
import os
import threading
import weakref
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import field
from operator import attrgetter
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

import httpx

from cc_jupyter.client.content_encoding import UnreadableEncodingError, decompress
from cc_jupyter.client.proxy import (
    Route,
    certificate_hint,
    find_proxy,
    find_route,
    open_transport,
    proxy_secrets,
)
from cc_jupyter.client.sse import BodyPart, EventBatch, frame
from cc_jupyter.client.trace_hook import CONNECT_TIMEOUT_S, TraceHook
from cc_jupyter.core.errors import CassetteError, ConnectError
from cc_jupyter.core.record import Record
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cc_jupyter.cassettes.tape import Replay, Tape
    from cc_jupyter.client.cassette_transport import Recorder, ReplayTransport
    from cc_jupyter.core.messages import ApiPath

TIMED_OUT = "timed_out"
"""The code of a `ConnectError` after silence: that request may be at work, and is not resent."""
_DEAD_CONNECTION_ERRORS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError, UnreadableEncodingError)
_NOT_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "RECORD_LAYER")
"""What OpenSSL 1.1 to 3.5 reports where the other side does not speak TLS."""
_CUT_REASONS = ("Server disconnected", "peer closed")
"""How the reasons of httpcore and h11 begin where a connection ended too early."""
_PIECE_BYTES = 2**16
_MAX_IDLE_CONNECTIONS = 8  # of one route
_RECORD_TIMEOUT_S = 2.0  # after a response that is recorded, for its reader to end
_DRAIN_TIMEOUT_S = 0.05  # after an answer's last event, for the end of its body


class HttpRequest(Record):
    """One HTTP request, ready to go."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)  # the key is in it
    body: bytes = field(default=b"", repr=False)
    idle_timeout_s: float = 300.0
    """Read timeout between two bytes. There is no overall limit."""
    as_events: bool = False
    """Whether the body of a 200 is framed as server-sent events, unless it is a document."""
    resend_on_dead_connection: bool = True
    """Whether to send once more, silently, when a reused connection dies before any byte comes."""
    sample: int | None = None
    """The request's number among equal ones of an execution; a cassette looks it up. `None`: it is
    never recorded."""
    endpoint: ApiPath | None = None
    """The path below the API root, where the body asks for an answer."""
    attempt: int = 0
    """How often the same body was sent before."""
    waited_s: float | None = None
    """The pause before this attempt; `None`: it is the first."""
    price_date: str | None = None
    """The date of the prices, for a recording."""
    served_by: str = "api"
    """Who answers: `api`, `local`, or the host."""
    can_send: bool = True
    """Whether it may go to the network; else only a cassette can answer it."""


class ResponseStart(NamedTuple):
    """The response began."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""


class ResponseEnd(NamedTuple):
    """The response is over."""

    error: BaseException | None
    """What cut it off; `None`: it ended as announced."""


class Interrupted:
    """No item from the wire: `ResponseReader.wake` asked the waiting thread to stop waiting."""


Item: TypeAlias = ResponseStart | BodyPart | ResponseEnd | Interrupted


def explain(error: BaseException, request: HttpRequest) -> BaseException:
    """Turn a network failure into a `ConnectError`; return any other exception unchanged."""
    if not isinstance(error, _FAILURES):
        return error
    host = urlsplit(request.url).netloc
    hint = "check the network and the base URL (%cmd status)"
    code = None
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            message, hint = _connect_failure(error, host, find_proxy(request.url))
        case httpx.ProxyError():
            message = f"the proxy refused the connection to {host}: {_proxy_reason(error)}"
            hint = "check https_proxy and NO_PROXY"
        case httpx.ReadTimeout():
            message = f"{host} sent nothing for {request.idle_timeout_s:g} s"
            hint = "CMD_IDLE_TIMEOUT_S sets how long to wait"
            code = TIMED_OUT
        case httpx.WriteTimeout():
            message = f"{host} accepted no data for {request.idle_timeout_s:g} s"
            code = TIMED_OUT
        case httpx.LocalProtocolError() | httpx.InvalidURL() | UnicodeEncodeError():
            # httpx quotes what it cannot send, and that may be the key
            message = f"the request to {host} has an address or a header that HTTP does not allow"
        case UnreadableEncodingError():
            message = f"the answer of {host} is compressed in a way that cannot be read: {error}"
            hint = "something between here and the provider compresses; none of it was asked for"
        case httpx.ProtocolError():
            message, hint = _protocol_failure(error, host, find_proxy(request.url))
        case _:
            message = f"the connection to {host} was lost: {_reason(error)}"
            hint = "run the cell again"
    return ConnectError(redact(message), hint=hint, code=code)


def _connect_failure(error: Exception, host: str, proxy: str | None) -> tuple[str, str]:
    """Return message and hint for a connection that was not made."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        # both talk TLS then, and nothing in the error tells them apart
        owner = f"{host} or of its proxy" if proxy and proxy.startswith("https:") else host
        message = f"the certificate of {owner} could not be verified: {_reason(error)}"
        return message, certificate_hint()
    if isinstance(error, httpx.ConnectTimeout):
        message = f"no connection to {host} within {CONNECT_TIMEOUT_S:.0f} s"
    elif any(word in text for word in _NOT_TLS):
        message = f"no connection to {host}: what answers there is not TLS ({_reason(error)})"
    else:
        message = f"no connection to {host}: {_reason(error)}"
    if proxy:
        return message, "check the network, https_proxy and NO_PROXY (%cmd doctor)"
    if "ssl" in text.lower():
        return message, "check the base URL: http:// or https://, host and port (%cmd status)"
    return message, "check the network and the base URL (%cmd status)"


def _proxy_reason(error: httpx.ProxyError) -> str:
    """Return a proxy's status with the standard's words for it, or what httpcore says of SOCKS.

    The proxy's own words are ignored, as RFC 9112, section 4, advises: they may repeat the login.
    """
    code = str(error).partition(" ")[0]
    if not code.isdecimal():
        return _reason(error)
    return f"{code} {http.client.responses.get(int(code), '')}".rstrip()


def _protocol_failure(error: httpx.ProtocolError, host: str, proxy: str | None) -> tuple[str, str]:
    """Return message and hint for a response that was cut, or that is not HTTP."""
    reason = str(error).partition(": ")[0].rstrip(".")  # raw bytes of the response follow
    is_cut = reason.startswith(_CUT_REASONS)
    if not is_cut:
        reason = f"what came is not HTTP/1.1 ({reason})"
    hint = "run the cell again"
    if proxy:
        hint += "; if that does not help, check https_proxy and NO_PROXY"
    elif not is_cut:
        hint += "; if that does not help, check the base URL: http:// or https://, host and port"
    return f"the connection to {host} was lost: {reason}", hint


def _reason(error: Exception) -> str:
    """Return the system's message without its prefix, `[Errno 111] ` or `[SSL: …] `, and suffix."""
    from cc_jupyter.client.parsing import sanitize_message  # noqa: PLC0415  only a failure needs it

    text = str(error) or type(error).__name__
    text = (text.partition("] ")[2] or text).partition(" (_ssl.c:")[0]
    text = redact(text, proxy_secrets())
    return sanitize_message(text) or type(error).__name__  # one line, bounded


class Connection:
    """A transport that carries one request at a time, and the hook that follows it.

    Parameters
    ----------
    transport
        `httpx.HTTPTransport` with one connection of this process, or any transport of someone
        else. A foreign one that never calls the hook counts as a new connection over which the
        request was sent. It is never closed here, and its stream's `close` must end a blocked
        `__next__` from another thread.
    """

    def __init__(self, transport: httpx.BaseTransport, *, is_foreign: bool) -> None:
        self._transport = transport
        self._is_foreign = is_foreign
        self._hook = TraceHook()
        self._handed = 0  # how often the transport was given the current request
        self._response: httpx.Response | None = None
        self._recorder: Recorder | None = None

    @property
    def connecting(self) -> bool:
        """Whether nothing of the current request has been sent yet."""
        return not (self._hook.sent or self._is_unobserved)

    @property
    def sends(self) -> int:
        """How many times the current request was sent, the silent repeat included."""
        return self._handed if self._is_unobserved else self._hook.sends

    @property
    def _is_unobserved(self) -> bool:
        """Whether the transport has not called the hook for the current request."""
        return self._is_foreign and not (self._hook.connected or self._hook.sent)

    @property
    def reusable(self) -> bool:
        """Whether the last response ended exactly, with nothing behind it."""
        if not isinstance(self._transport, httpx.HTTPTransport) or self._is_foreign:
            return False
        return not self._hook.has_unread and _ended_exactly(self._transport)

    def exchange(
        self,
        request: HttpRequest,
        deliver: Callable[[Item], None],
        recorder: Recorder | None = None,
    ) -> None:
        """Send a request and deliver its response.

        Fails with httpx's exceptions, and with `AbandonedError` after `shut`.

        Parameters
        ----------
        recorder
            Records the response; `None`: it is not recorded.
        """
        self._hook.begin(request.idle_timeout_s)
        self._handed = 0
        self._recorder = recorder
        response = self._open(request)
        try:
            self._hook.raise_if_abandoned()  # before there was a response to close
            headers = _by_name(response.headers)
            deliver(ResponseStart(response.status_code, headers))
            body = decompress(_stream(response), response.headers.get("content-encoding", ""))
            if request.as_events and response.status_code == 200:  # noqa: PLR2004  the one answer
                frame(body, deliver)
            else:
                for piece in body:
                    deliver(piece)
        finally:
            self._response = None
            response.close()

    def shut(self) -> None:
        """End the current request at once, from any thread; the connection is unusable then."""
        if not self._hook.abandon() and (response := self._response) is not None:
            _stream(response).close()

    def close(self) -> None:
        """Close the connection; it must be idle."""
        self._hook.release()
        if not self._is_foreign:
            self._transport.close()

    def _open(self, request: HttpRequest) -> httpx.Response:
        try:
            return self._send(request)
        except _DEAD_CONNECTION_ERRORS:
            if not (self._hook.may_resend and request.resend_on_dead_connection):
                raise
        return self._send(request)

    def _send(self, request: HttpRequest) -> httpx.Response:
        headers = dict(request.headers)
        if request.body:
            headers["Content-Length"] = str(len(request.body))
        to_send = httpx.Request(
            request.method,
            _parsed_url(request.url),
            headers=headers,
            content=_pieces(request.body) if request.body else None,
            extensions={
                "trace": self._hook,
                "timeout": self._hook.timeouts,
                "cc_jupyter": {
                    "sample": request.sample,
                    "attempt": request.attempt,
                    "waited_s": request.waited_s,
                },
            },
        )
        self._hook.raise_if_abandoned()
        self._handed += 1
        try:
            if self._recorder is None:
                response = self._transport.handle_request(to_send)
            else:
                response = self._recorder.send(self._transport, to_send)
        except Exception as error:  # any, since socksio and httpcore raise their own; raised again
            if (failure := self._proxy_failure(error)) is not None:
                raise failure from None
            raise
        if not isinstance(response.stream, httpx.SyncByteStream):
            raise TypeError("the transport answered with an asynchronous stream")
        self._response = response
        return response

    def _proxy_failure(self, error: Exception) -> httpx.TransportError | None:
        """Return the failure of a proxy that httpx calls something else; `None`: it is no such."""
        is_late = self.connecting and isinstance(error, httpx.ReadTimeout)
        if is_late or self._hook.proxy_timed_out:
            return httpx.ConnectTimeout("the proxy does not answer")
        if self._hook.socks_failed and not isinstance(error, httpx.TransportError):
            # socksio raises its own errors, and httpcore 1.0.9 asserts
            return httpx.ProxyError("it does not speak SOCKS5")
        return None


@functools.lru_cache(maxsize=64)
def _parsed_url(url: str) -> httpx.URL:
    """Parse an address once: it takes as long as the rest of a request of httpx."""
    return httpx.URL(url)


def _pieces(body: bytes) -> Iterator[bytes]:
    """Yield a body in pieces: one large write copies the rest after each `send`."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


def _stream(response: httpx.Response) -> httpx.SyncByteStream:
    """Return a response's body as it was sent, undecoded."""
    # not `iter_raw`: a response that a transport made of bytes counts as read
    return cast("httpx.SyncByteStream", response.stream)  # `_send` checks it


def _by_name(headers: httpx.Headers) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


def _ended_exactly(transport: httpx.HTTPTransport) -> bool:
    """Return whether an idle connection has no unexpected bytes.

    httpcore keeps what a server sent behind a response and reads it as the next one. No public
    interface tells; if httpcore's insides change, no connection is reused and a test fails.
    A new connection with TLS costs 4 ms on loopback (measured 2026-11-30), and two to three round
    trips to a provider far away: worth this look inside.
    """
    try:
        (connection,) = transport._pool.connections  # noqa: SLF001  see above
        unread, _ = attrgetter("_connection._h11_state.trailing_data")(connection)
    except (AttributeError, ValueError):  # ValueError: it is closed already
        return False
    return not unread and connection.is_idle()


class Transport:
    """Sends requests and reuses their connections; for use from any thread, and after a fork.

    Parameters
    ----------
    transport
        Sends everything in place of the network, such as a cassette or a test's double. It is
        shared by all threads, gets the request's `extensions` and must not need them.
    tape
        Returns the cassette in use, which is asked before each request; `None`: there is none.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport | None = None,
        tape: Callable[[], Tape | None] = lambda: None,
    ) -> None:
        self._foreign = transport
        self._tape = tape
        self._lock = threading.Lock()
        self._idle: dict[Route, list[Connection]] = defaultdict(list)
        self._kept = [_MAX_IDLE_CONNECTIONS]
        self._pid = os.getpid()
        weakref.finalize(self, _close_idle, self._idle)  # at the latest when the process ends

    def send(self, request: HttpRequest) -> ResponseReader:
        """Start a request; its response is read in the background.

        Raises
        ------
        ConfigError
            The proxy or the certificates that the environment names cannot be used.
        CassetteError
            The cassette in use does not contain it, or cannot be used.
        """
        tape = self._tape()
        recorder: Recorder | None = None
        if tape is not None:
            from cc_jupyter.client.cassette_transport import ReplayTransport, look_up  # noqa: PLC0415  rarely used

            replay, recorder = look_up(tape, request)
            if replay is not None:
                player = ReplayTransport(replay)
                connection = Connection(player, is_foreign=True)
                return ResponseReader(
                    connection, request, lambda _: None, replay=replay, player=player
                )
        if self._foreign is not None:
            connection = Connection(self._foreign, is_foreign=True)
            return ResponseReader(connection, request, lambda _: None, recorder=recorder)
        parts = urlsplit(request.url)
        route = find_route(f"{parts.scheme}://{parts.netloc}")
        connection = self._take(route)
        return ResponseReader(
            connection, request, lambda used: self._give_back(route, used), recorder=recorder
        )

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            _close_idle(self._idle)

    @contextmanager
    def keeping(self, count: int) -> Iterator[None]:
        """Keep more idle connections within the block: as many requests are in flight at once."""
        with self._lock:
            self._kept.append(count)
        try:
            yield
        finally:
            with self._lock:
                self._kept.remove(count)
                for idle in self._idle.values():
                    while len(idle) > max(self._kept):
                        idle.pop().close()

    def _give_back(self, route: Route, connection: Connection) -> None:
        """Reuse a connection whose response was read to its exact end; close any other."""
        if connection.reusable:
            with self._lock:
                idle = self._idle[route]
                if len(idle) < max(self._kept):
                    idle.append(connection)
                    return
        connection.close()

    def _take(self, route: Route) -> Connection:
        if self._pid != os.getpid():  # a fork: these sockets and the lock belong to its parent
            self._pid, self._lock = os.getpid(), threading.Lock()
            self.close()
        with self._lock:
            _close_idle(
                {
                    other: idle
                    for other, idle in self._idle.items()
                    if other.origin == route.origin and other != route
                }
            )
            if self._idle[route]:
                return self._idle[route].pop()
        return Connection(open_transport(route), is_foreign=False)


def _close_idle(idle: dict[Route, list[Connection]]) -> None:
    for connections in idle.values():
        while connections:
            connections.pop().close()


class ResponseReader:
    """One request in progress: `receive` its items until `ResponseEnd`, then `close`.

    Parameters
    ----------
    replay
        The recorded response that it brings; `None`: it comes from the network.
    player
        Plays that response.
    recorder
        Records the response.
    """

    def __init__(  # noqa: PLR0913  the parts of one request
        self,
        connection: Connection,
        request: HttpRequest,
        give_back: Callable[[Connection], None],
        *,
        replay: Replay | None = None,
        player: ReplayTransport | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.replay = replay
        """The recorded response that it brings; `None`: it comes from the network."""
        self.arrived_s: float | None = None
        """When the last item received arrived at its recording, from the first attempt on."""
        self._player = player
        self._moments_s: deque[float] = deque()
        """The same of each item that waits to be received."""
        self._recorder = recorder
        self._connection = connection
        self._give_back = give_back
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._lock = threading.Lock()  # guards who owns the connection: this request or the next
        self._closed = False
        self._reading = True
        self._ended = False
        self._sends: int | None = None
        self._pid = os.getpid()
        # the request, and with it the key, is not stored: it goes away with the thread
        self._thread = threading.Thread(
            target=self._run, args=(request,), name="cc_jupyter reader", daemon=True
        )
        if replay is not None and replay.speed is None:
            self._run(request)  # it never waits for anything
            return
        try:
            self._thread.start()  # waits for the thread, and may be interrupted meanwhile
        except BaseException:  # an interrupt too: no connection stays open
            self.close()
            raise

    @property
    def connecting(self) -> bool:
        """Whether nothing of the request has been sent yet."""
        return self._connection.connecting

    @property
    def sends(self) -> int:
        """How many times the request was sent so far, the silent repeat included."""
        return self._connection.sends if self._sends is None else self._sends

    def receive(self, timeout_s: float) -> Item | None:
        """Return the next item, or `None` when none came within `timeout_s` seconds."""
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            return None
        self._ended = self._ended or isinstance(item, ResponseEnd)
        if self._moments_s and not isinstance(item, Interrupted):
            self.arrived_s = self._moments_s.popleft()
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
        if drain and not self._ended and self._reading:
            self._thread.join(_DRAIN_TIMEOUT_S)
        with self._lock:
            self._closed = True
            if self._reading:
                self._connection.shut()

    def save_recording(self, *, has_secret: bool) -> str | None:
        """Save the response if it is recorded; return why it could not be saved, if so.

        Parameters
        ----------
        has_secret
            Whether the answer held a secret, in one event or over several.
        """
        if self._recorder is None:
            return None
        self._thread.join(_RECORD_TIMEOUT_S)  # it takes note of the end
        try:
            self._recorder.save(is_spread=has_secret)
        except CassetteError as error:
            return str(error)
        return None

    def _deliver_recorded(self, item: Item) -> None:
        if self._player is not None and self.replay is not None:
            self._moments_s.append(self.replay.began_s + self._player.arrived_ms / 1000)
        self._items.put(item)

    def _run(self, request: HttpRequest) -> None:
        error: BaseException | None = None
        try:
            deliver = self._items.put if self._player is None else self._deliver_recorded
            self._connection.exchange(request, deliver, self._recorder)
        except BaseException as caught:  # noqa: BLE001  the cell's thread raises it
            error = explain(caught, request)
        self._sends = self._connection.sends  # from here on the next request may own it
        with self._lock:
            reusable = error is None and not self._closed
            self._reading = False
        if reusable:
            self._give_back(self._connection)
        else:
            self._connection.close()
        self._items.put(ResponseEnd(error))


def fetch(
    transport: Transport, request: HttpRequest, *, timeout_s: float, most_bytes: int
) -> tuple[int, bytes]:
    """Return status and body of a small document, within `timeout_s` seconds over all.

    Raises
    ------
    ConnectError
        No answer, a broken one, or one over `most_bytes`.
    """
    incoming = transport.send(request)
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
                case EventBatch():
                    raise AssertionError("a document was asked for")
                case ResponseEnd(error=None):
                    return status, bytes(body)
                case ResponseEnd(error=error):
                    assert error is not None  # noqa: S101  the case above has no error
                    raise error
                case Interrupted():
                    continue
                case None:
                    raise ConnectError(f"{request.url} did not answer within {timeout_s:.0f} s")
            if len(body) > most_bytes:
                raise ConnectError(f"{request.url} sent more than {most_bytes >> 20} MB")
    finally:
        incoming.close()
