"""Replays recorded responses in place of the network, and records what the network sends.

`CassetteTransport` wraps any `httpx.BaseTransport`. It passes `request.extensions` on untouched and
reads the sample from there; a client that sets none is counted from 0 for the life of the
transport. `client.transport` uses the same two functions around its own connections.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from cc_jupyter.cassettes.recording import (
    RecordedResponse,
    cut_between_characters,
    kept_headers,
)
from cc_jupyter.cassettes.secrets import clean_pieces
from cc_jupyter.cassettes.tape import Asked
from cc_jupyter.client.content_encoding import UnreadableEncodingError, decompress
from cc_jupyter.client.endpoint import NO_KEY
from cc_jupyter.config.credentials import KEY_VARIABLES
from cc_jupyter.core.errors import ConnectError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.request_key import SampleCounter, request_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cc_jupyter.cassettes.recording import Piece
    from cc_jupyter.cassettes.tape import Replay, Tape
    from cc_jupyter.client.transport import HttpRequest
    from cc_jupyter.core.messages import ApiPath


API_PATHS: tuple[ApiPath, ...] = ("/chat/completions", "/messages")
_KEY_HEADERS = ("authorization", "x-api-key", "proxy-authorization")
_ENDS_HERE = "the recording ends here: the answer was not read to its end"


class Recorder:
    """Records the response to one request: collects it while it passes, then saves it.

    Parameters
    ----------
    saves_itself
        Whether the end of the response saves it; else `save` does, once the answer was read.
    """

    def __init__(self, tape: Tape, asked: Asked, *, saves_itself: bool = False) -> None:
        self._tape = tape
        self._asked = asked
        self._saves_itself = saves_itself
        self._is_saved = False
        self._take = _Take((), None)

    def send(self, inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        """Send a request by another transport and collect its response."""
        # a new one each time: a reused connection that died is replaced silently
        take = self._take = _Take(tuple(_keys(request)), request.extensions.get("trace"))
        try:
            response = inner.handle_request(request)
        except httpx.TransportError as error:
            take.fail(error)
            self._finished()
            raise
        if not isinstance(response.stream, httpx.SyncByteStream):
            return response  # the caller refuses it
        headers = response.headers.copy()
        encoding = headers.pop("content-encoding", "")
        take.begin(response.status_code, headers)
        return httpx.Response(
            response.status_code,
            headers=headers,
            stream=_RecordingStream(response.stream, encoding, take, self._finished),
            extensions=response.extensions,
        )

    def save(self, *, is_spread: bool | None) -> None:
        """Save the response, once.

        Parameters
        ----------
        is_spread
            Whether the decoded answer held a secret; `None`: nobody has looked.

        Raises
        ------
        CassetteError
            The cassette cannot be written.
        """
        take = self._take
        if self._is_saved or not take.has_begun:
            return
        self._is_saved = True
        response = take.response(self._asked.waited_s, is_spread=is_spread)
        self._tape.record(self._asked, response, take.secrets(), take.sent_at)

    def _finished(self) -> None:
        if self._saves_itself:
            self.save(is_spread=None)


class _Take:
    """What one sending brings, as it passes."""

    def __init__(self, keys: tuple[str, ...], hook: object) -> None:
        # a function, so that no object holds a secret that a traceback could show
        self.secrets: Callable[[], tuple[str, ...]] = lambda: keys
        self._hook = hook
        self.sent_at = datetime.now(UTC)
        self._sent_s = monotonic()
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._pieces: list[Piece] = []
        self._failure: tuple[str, str] | None = None
        self._ended_ms: int | None = None
        self._was_left = False

    @property
    def has_begun(self) -> bool:
        """Whether a response began, or the network failed before."""
        return self._status is not None or self._failure is not None

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """Take the beginning of the response."""
        self._status = status
        kept = kept_headers(headers)
        self._headers = {name: redact(value, self.secrets()) for name, value in kept.items()}

    def add(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append((self._passed_ms(), data))

    def fail(self, error: Exception) -> None:
        """Take note that the network cut the response off, or that none began."""
        if self._ended_ms is None and not self._was_abandoned:
            self._failure = (type(error).__name__, redact(str(error), self.secrets()))
        self.end(was_left=False)

    def end(self, *, was_left: bool) -> None:
        """Take note that the response is over."""
        if self._ended_ms is None:
            self._ended_ms, self._was_left = self._passed_ms(), was_left or self._was_abandoned

    def response(self, waited_s: float | None, *, is_spread: bool | None) -> RecordedResponse:
        """Return what came, without secrets."""
        self.end(was_left=True)  # unless it is over
        pieces = cut_between_characters(self._pieces)
        return RecordedResponse(
            self._status,
            self._headers,
            tuple(clean_pieces(pieces, self.secrets(), is_spread=is_spread)),
            self._ended_ms or 0,
            self._failure,
            self._was_left,
            waited_s,
        )

    @property
    def _was_abandoned(self) -> bool:
        """Whether our own side has ended the connection."""
        return bool(getattr(self._hook, "abandoned", False))

    def _passed_ms(self) -> int:
        return round(1000 * (monotonic() - self._sent_s))


def look_up(tape: Tape, request: HttpRequest) -> tuple[Replay | None, Recorder | None]:
    """Return the recorded response to a request, or what records the one that will come.

    Raises
    ------
    CassetteError
        It is not recorded and must not be sent; or the cassette cannot be used.
    ConnectError
        It is no prompt, and nothing may be sent.
    """
    if request.endpoint is None or request.sample is None:
        if tape.mode == "replay":
            raise ConnectError(  # as without a network: whoever asks has another source
                f"{request.method} {urlsplit(request.url).path} was not sent: the cassette"
                f" {tape.cassette.shown} answers every request",
                hint="%cmd cassette off sends requests again",
            )
        return None, None
    asked = Asked(
        request_key(request.endpoint, request.body),
        request.sample,
        request.endpoint,
        request.body,
        request.attempt,
        request.waited_s,
        request.price_date,
        request.served_by,
        request.can_send,
    )
    replay = tape.find(asked)
    return replay, None if replay is not None else Recorder(tape, asked)


class ReplayTransport(httpx.BaseTransport):
    """Answers with one recorded response."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.arrived_ms = 0
        """When the last piece of the body arrived at its recording, from its sending on."""

    def _arrive(self, at_ms: int) -> None:
        self.arrived_ms = at_ms

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002  any
        """Return the recorded response, or raise the recorded failure."""
        response = self._replay.response
        if response.status is None:
            raise _failure(response)
        return httpx.Response(
            response.status,
            headers=dict(response.headers),
            stream=_ReplayStream(response, self._replay.speed, self._arrive),
        )


class CassetteTransport(httpx.BaseTransport):
    """Wraps a transport: recorded requests are replayed, the others are sent and recorded.

    Parameters
    ----------
    inner
        Sends what is not recorded; it is never called in the mode `replay`.
    """

    def __init__(self, inner: httpx.BaseTransport, tape: Tape) -> None:
        self._inner = inner
        self._tape = tape
        self._samples = SampleCounter()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Replay or send a request.

        Raises
        ------
        CassetteError
            In the mode `replay` it is not recorded; or the cassette cannot be used.
        """
        endpoint = next((path for path in API_PATHS if request.url.path.endswith(path)), None)
        if endpoint is None or request.method != "POST":
            return self._inner.handle_request(request)
        body = request.read()
        key = request_key(endpoint, body)
        given = request.extensions.get("cc_jupyter", {})
        sample = given.get("sample")
        if sample is None:
            sample = self._samples.number(None, key)
        asked = Asked(key, sample, endpoint, body, given.get("attempt", 0), given.get("waited_s"))
        replay = self._tape.find(asked)
        if replay is not None:
            return ReplayTransport(replay).handle_request(request)
        if self._tape.read_only_path is not None:
            return self._inner.handle_request(request)
        return Recorder(self._tape, asked, saves_itself=True).send(self._inner, request)

    def close(self) -> None:
        """Close the wrapped transport."""
        self._inner.close()


class _RecordingStream(httpx.SyncByteStream):
    """The body of a response, decoded and recorded as it passes."""

    def __init__(
        self,
        inner: httpx.SyncByteStream,
        encoding: str,
        take: _Take,
        finished: Callable[[], None],
    ) -> None:
        self._inner = inner
        self._encoding = encoding
        self._take = take
        self._finished = finished
        self._reader: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        self._reader = threading.get_ident()
        try:
            for data in decompress(self._inner, self._encoding):
                self._take.add(data)
                yield data
        except (httpx.TransportError, UnreadableEncodingError) as error:
            self._take.fail(error)
            raise
        self._take.end(was_left=False)

    def close(self) -> None:
        """End the response; another thread that reads it takes note of the end itself."""
        self._inner.close()
        if self._reader in (None, threading.get_ident()):
            self._take.end(was_left=True)
            self._finished()


class _ReplayStream(httpx.SyncByteStream):
    """A recorded body, at once or at the recorded pace; `close` ends a wait from any thread."""

    def __init__(
        self, response: RecordedResponse, speed: float | None, arrive: Callable[[int], None]
    ) -> None:
        self._response = response
        self._speed = speed
        self._arrive = arrive
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        start_s = monotonic()
        for at_ms, piece in self._response.body:
            if self._has_closed_by(start_s, at_ms):
                return
            self._arrive(at_ms)
            yield piece
        if self._has_closed_by(start_s, self._response.ended_ms):
            return
        if self._response.failure is not None or self._response.was_left:
            raise _failure(self._response)

    def close(self) -> None:
        """End the response."""
        self._closed.set()

    def _has_closed_by(self, start_s: float, at_ms: int) -> bool:
        """Wait for a recorded moment; return whether the stream was closed before."""
        if self._speed is None:
            return self._closed.is_set()
        due_s = start_s + at_ms / 1000 / self._speed
        return self._closed.wait(max(0.0, due_s - monotonic()))


def _failure(response: RecordedResponse) -> Exception:
    """Return the exception with which a recorded response was cut off."""
    if response.failure is None:
        return httpx.ReadError(_ENDS_HERE)
    name, message = response.failure
    if name == UnreadableEncodingError.__name__:
        return UnreadableEncodingError(message)
    kind = getattr(httpx, name, None)
    if not (isinstance(kind, type) and issubclass(kind, httpx.TransportError)):
        kind = httpx.ReadError
    failure: httpx.TransportError = kind(message)
    return failure


def _keys(request: httpx.Request) -> Iterator[str]:
    """Yield the keys that no file may contain: those of the request, and of the environment."""
    for name in _KEY_HEADERS:
        value = request.headers.get(name, "").rpartition(" ")[2]
        if value != NO_KEY.value:
            yield value
    for variable in KEY_VARIABLES:
        if value := os.environ.get(variable, "").strip():
            yield value
