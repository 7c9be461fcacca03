"""Sends one request, reads its answer as events, and repeats it where that is safe.

Every way a request can end becomes events or one exception. A request that was refused, or that
failed before a response began, raises and may be sent again, after a pause or with one repair that
is announced. Once a 2xx head has arrived nothing is sent again, for the answer is being paid for: a
broken one ends in an `Error` event, or raises if no part of it came.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cc_jupyter.client.bodies.structured_output import (
    fall_back,
    rules_out_forced_tool,
    tool_call_as_text,
)
from cc_jupyter.client.sse import EventBatch
from cc_jupyter.client.transport import (
    TIMED_OUT,
    HttpRequest,
    Interrupted,
    Item,
    ResponseEnd,
    ResponseStart,
)
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.errors import ConnectError, ProviderError
from cc_jupyter.core.events import Error, Notice, Retry, StreamEvent, Waiting
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import date

    from cc_jupyter.cassettes.tape import Replay
    from cc_jupyter.client.decoder import AnswerReader
    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.client.errors.provider_errors import Refusal
    from cc_jupyter.client.event_redaction import EventRedactor
    from cc_jupyter.client.transport import ResponseReader, Transport
    from cc_jupyter.core.messages import Parameters, Request, ResponseFormat


TICK_S = 0.036
"""How often a waiting reader wakes up: the pace at which a screen may be drawn."""
_TRAILER_TIMEOUT_S = 2.0  # after the reason for the end is known, for usage and the end mark
_REFUSAL_S = 3.0  # for the body of a refusal; the status alone says enough
_MAX_REFUSAL_BYTES = 2**20


class Limits(NamedTuple):
    """When to give up: the number of retries and the read timeout."""

    max_retries: int = 2
    idle_timeout_s: float = 300.0
    max_answer_mb: float = 64.0
    """The most text of one answer: it is held in memory several times."""
    gives_up_on_429: bool = False
    """Whether a refusal for too many requests ends it: who runs many requests sends it again."""


class AnswerStream(Protocol):
    """One request and its answer, sent by this process (`RequestStream`) or by a worker."""

    replay: Replay | None
    record_problem: str | None
    sample: int | None
    requests_sent: int
    answer_format: ResponseFormat | None
    parameters: Parameters
    body: bytes
    body_sha256: str

    @property
    def arrived_s(self) -> float | None:
        """When the last event arrived at its recording, in seconds; `None`: it is not replayed."""

    def wake(self) -> None:
        """Make the iteration raise `KeyboardInterrupt`; for any thread and signal handlers."""

    def clock(self) -> float:
        """Return the time by `time.monotonic`; while events are read, the time they came."""

    def __iter__(self) -> Generator[StreamEvent, None, None]:  # noqa: PYI058  it is closed
        """Send the request and yield the events of its answer."""


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal


def repair_request(
    refusal: Refusal, request: Request, first: Request
) -> tuple[Request, str] | None:
    """Return the repaired request and its notice; `None`: nothing can be repaired.

    Parameters
    ----------
    request
        The one that was refused.
    first
        The original request; what differs from it has been repaired already.
    """
    ceiling = refusal.max_tokens_ceiling
    if ceiling and request.parameters == first.parameters:
        parameters = dataclasses.replace(request.parameters, max_tokens=ceiling)
        notice = f"max_tokens lowered to {ceiling:,}, the most the model takes"
        return request._replace(parameters=parameters), notice
    form = request.answer_format
    if form is None or form != first.answer_format:
        return None
    thinking = rules_out_forced_tool(request.parameters, request.tools)
    form = fall_back(form, request.endpoint, refusal.error, thinking=thinking)
    if form is None:
        return None
    return request._replace(answer_format=form), form.notice


class RequestStream:
    """One request and its answer: iterate to send and read it; `wake` interrupts.

    Parameters
    ----------
    zdr
        Ask for zero data retention; a request with it is never repeated without it.
    number
        Numbers the request among equal ones, by its digest; called once, before it is sent. What
        is sent again, repaired or not, has the same number.
    price_date
        The date of the model's prices, for a recording.
    """

    def __init__(  # noqa: PLR0913  what one request needs
        self,
        transport: Transport,
        request: Request,
        target: Endpoint,
        limits: Limits,
        *,
        zdr: bool = False,
        number: Callable[[str], int] | None = None,
        price_date: date | None = None,
    ) -> None:
        self._transport = transport
        self._request = request
        self._endpoint = target
        self._limits = limits
        self._zdr = zdr
        self._number = number
        self._price_date = price_date
        self._attempts = 0  # how often the body was sent
        self._waited_s: float | None = None  # before the next attempt
        self.replay: Replay | None = None
        """The recorded response that the last attempt brought; `None`: it was sent."""
        self.record_problem: str | None = None
        """Why the answer could not be recorded; `None`: it was, or need not be."""
        self.sample: int | None = None
        """The number of the request among equal ones; `None`: not numbered, or not sent yet."""
        self._incoming: ResponseReader | None = None
        self._redactor: EventRedactor | None = None  # of the answer, once it has begun
        self._interrupted = False
        self._is_accepted = False  # a 2xx head has arrived
        self._has_resent = False  # silently, because a reused connection died
        self.requests_sent = 0
        """How many requests were sent to the server, repeats of every kind included."""
        self.answer_format = request.answer_format
        """The format of the last request: a refusal may fall back to a weaker one."""
        self.parameters = request.parameters
        """The parameters of the last request: a refusal may change or remove one."""
        self.body = b""
        """The body of the last request sent."""
        self.body_sha256 = ""
        """The digest of `body`."""

    @property
    def arrived_s(self) -> float | None:
        """When the last event arrived at its recording, in seconds; `None`: it is not replayed."""
        return None if self._incoming is None else self._incoming.arrived_s

    def wake(self) -> None:
        """Make the iteration raise `KeyboardInterrupt`; for any thread and signal handlers."""
        self._interrupted = True
        incoming = self._incoming  # the iteration may drop it at any moment
        if incoming is not None:
            incoming.wake()

    def clock(self) -> float:
        """Return the time by `time.monotonic`: events are read when they come."""
        return monotonic()

    def __iter__(self) -> Generator[StreamEvent, None, None]:
        """Send the request and yield the events of its answer.

        Raises
        ------
        ProviderError
            The request was refused, or no answer came.
        KeyboardInterrupt
            `wake` was called.
        """
        request, tries = self._request, 0
        failure: ProviderError
        while True:
            try:
                yield from self._attempt(request)
            except ConnectError as error:
                error.args = (redact(str(error), self._endpoint.secrets),)
                failure = error
                is_final = self._is_accepted or error.code == TIMED_OUT
                wait_s = None if is_final else self._recorded_wait_s(_backoff_s(tries))
            except _RefusedError as refused:
                repair = None
                if self._limits.max_retries and not self._is_accepted:
                    repair = repair_request(refused.refusal, request, self._request)
                if repair is not None:
                    request, notice = repair
                    self.answer_format = request.answer_format
                    self.parameters = request.parameters
                    yield Notice(notice)
                    continue
                failure = refused.refusal.error
                wait_s = None
                if self._is_left_to_others(refused.refusal):
                    raise failure from None
                if not self._is_accepted:
                    wait_s = self._recorded_wait_s(_pause_s(refused.refusal, tries))
            else:
                return
            if wait_s is None or tries >= self._limits.max_retries:
                raise failure
            tries += 1
            silent = ", after one silent repeat" if self._has_resent else ""
            attempt = f"try {tries} of {self._limits.max_retries}{silent}"
            text = f"{failure}; sent again after {wait_s:.1f} s ({attempt})"
            yield Notice(text, retry=Retry(failure.status, wait_s, self.replay is not None))
            yield from self._pause(wait_s)
            self._waited_s = wait_s

    def _is_left_to_others(self, refusal: Refusal) -> bool:
        """Return whether there were too many requests, and who runs them sends this one again."""
        is_too_many = refusal.retryable and refusal.error.status == HTTPStatus.TOO_MANY_REQUESTS
        if not (is_too_many and self._limits.gives_up_on_429 and self.replay is None):
            return False
        _pause_s(refusal, 0)  # adds the hint to a long wait
        refusal.error.is_too_many = True
        return True

    def _recorded_wait_s(self, wait_s: float | None) -> float | None:
        """Return the pause of the recording, which was drawn at random, in place of a new one."""
        if wait_s is None or self.replay is None or self.replay.next_wait_s is None:
            return wait_s
        return self.replay.next_wait_s

    def _attempt(self, request: Request) -> Iterator[StreamEvent]:
        self._raise_if_interrupted()
        sent_s = monotonic()
        finished = False
        self._incoming = incoming = self._transport.send(self._http_request(request))
        self.replay = incoming.replay
        self._attempts += 1
        try:
            if self._interrupted:  # the interrupt came before there was a reader to wake
                incoming.wake()
            head = yield from self._response_start(incoming, sent_s)
            self._is_accepted = head.status // 100 == 2  # noqa: PLR2004
            if head.status != HTTPStatus.OK:  # the one status with an answer
                raise _RefusedError((yield from self._refusal(head, incoming)))
            from cc_jupyter.client.token_counts import with_header_cost  # noqa: PLC0415  the first cell loads little before it sends

            form = request.answer_format
            events = with_header_cost(head.headers, self._answer(head, incoming))
            yield from tool_call_as_text(events) if form and form.mode == "tool" else events
            finished = True
        finally:
            incoming.close(drain=finished)
            self._incoming = None
            has_secret = self._redactor is not None and self._redactor.has_found
            self.record_problem = incoming.save_recording(has_secret=has_secret)
            self.requests_sent += incoming.sends
            self._has_resent = self._has_resent or incoming.sends > 1

    def _response_start(
        self, incoming: ResponseReader, sent_s: float
    ) -> Generator[StreamEvent, None, ResponseStart]:
        """Wait for the response to begin and return its `ResponseStart`."""
        while True:
            item = incoming.receive(TICK_S)
            match item:
                case ResponseStart():
                    return item
                case None:
                    yield Waiting(
                        "connecting" if incoming.connecting else "first text",
                        monotonic() - sent_s,
                    )
                case Interrupted():
                    raise KeyboardInterrupt
                case ResponseEnd(error=error):
                    raise error or ConnectError("the server closed without an answer")
                case bytes() | EventBatch():
                    raise AssertionError("a body before its head")

    def _refusal(
        self, head: ResponseStart, incoming: ResponseReader
    ) -> Generator[StreamEvent, None, Refusal]:
        """Read why it was refused, without waiting for a body that trickles or hangs."""
        from cc_jupyter.client.errors.provider_errors import classify  # noqa: PLC0415  only a refusal needs it
        from cc_jupyter.client.errors.retry_after import server_time  # noqa: PLC0415  as above

        now = self.replay.answered_at if self.replay else datetime.now(UTC)
        body = bytearray()
        began_s = monotonic()
        while len(body) < _MAX_REFUSAL_BYTES and (waited_s := monotonic() - began_s) < _REFUSAL_S:
            item = incoming.receive(TICK_S)
            match item:
                case bytes():
                    body += item
                case None:
                    yield Waiting("first text", waited_s)
                case Interrupted():
                    raise KeyboardInterrupt
                case _:  # the end, cut or not
                    break
        return classify(
            head.status,
            head.headers,
            bytes(body),
            model=self._request.model,
            secrets=self._endpoint.secrets,
            now=server_time(head.headers, now),
            served_by=self._endpoint.served_by,
        )

    def _answer(self, head: ResponseStart, incoming: ResponseReader) -> Iterator[StreamEvent]:
        from cc_jupyter.client.decoder import AnswerReader  # noqa: PLC0415  the first cell loads little before it sends
        from cc_jupyter.client.errors.endings import text_bytes, too_long  # noqa: PLC0415  as above
        from cc_jupyter.client.errors.retry_after import server_time  # noqa: PLC0415  as above
        from cc_jupyter.client.event_redaction import EventRedactor  # noqa: PLC0415  as above

        secrets = self._endpoint.secrets
        self._redactor = redactor = EventRedactor(secrets)
        decoder = WIRE_FORMATS[self._request.endpoint].decoder(lambda text: redact(text, secrets))
        decoder.keeps_reasoning = bool(self._request.tools)
        now = datetime.now(UTC)
        reader = AnswerReader(decoder, secrets, server_time(head.headers, now) - now)
        last_byte_s = last_event_s = monotonic()  # the last byte; the last event yielded
        stopped_s = math.inf  # when the reason for the end was known
        came_bytes = 0
        while True:
            item = incoming.receive(TICK_S)
            now_s = monotonic()
            if isinstance(item, bytes | EventBatch):
                last_byte_s = now_s
                if self._interrupted:
                    incoming.close()  # accept nothing more; what has arrived is still read
                for event in redactor.redacted(reader.read(item)):
                    last_event_s = now_s
                    yield event
                    came_bytes += text_bytes(event)
                    if came_bytes > self._limits.max_answer_mb * 1e6:
                        incoming.close()
                        yield from redactor.rest()
                        yield too_long(self._limits.max_answer_mb)
                        return
            elif item is not None:
                yield from self._on_transport_item(reader, redactor, item)
            stopped_s = min(stopped_s, now_s) if reader.stopped else math.inf
            if now_s - stopped_s > _TRAILER_TIMEOUT_S:
                yield from redactor.redacted(reader.close())
            if reader.done:
                return
            if now_s - last_event_s >= TICK_S:  # also while there is nothing but keep-alives
                last_event_s = now_s
                yield Waiting("more text" if reader.began else "first text", now_s - last_byte_s)

    def _on_transport_item(
        self, reader: AnswerReader, redactor: EventRedactor, item: Item
    ) -> Iterator[StreamEvent]:
        match item:
            case Interrupted():
                yield from redactor.rest()
                raise KeyboardInterrupt
            case ResponseEnd(error=error):
                yield from self._end(reader, redactor, error)
            case _:
                raise AssertionError(f"{item!r} within the answer")

    def _end(
        self, reader: AnswerReader, redactor: EventRedactor, error: BaseException | None
    ) -> Iterator[StreamEvent]:
        """Yield the last events: the body ended as announced, or the network cut it."""
        if error is not None and not isinstance(error, ConnectError):
            raise error  # a bug of ours, from the reader's thread
        if error is not None and not reader.began:
            raise error
        for event in redactor.redacted(reader.close()):
            if isinstance(event, Error) and error is not None and event.code is None:
                # names the connection that was lost, and how
                yield dataclasses.replace(event, message=str(error))
            else:
                yield event

    def _http_request(self, request: Request) -> HttpRequest:
        body = encode_body(request)
        if body != self.body:  # a repaired request is another one
            self._attempts, self._waited_s = 0, None
        self.body = body
        self.body_sha256 = hashlib.sha256(body).hexdigest()
        if self.sample is None and self._number is not None:
            self.sample = self._number(f"{request.endpoint} {self.body_sha256}")
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # a compressing proxy holds a stream back (provider-api.md, section 15)
            "Accept-Encoding": "identity",
            "User-Agent": f"cc_jupyter/{__version__}",
        }
        if not self._endpoint.is_keyless:
            headers["Authorization"] = f"Bearer {self._endpoint.key.value}"
        if request.endpoint == "/messages":
            headers["anthropic-version"] = "2023-06-01"
        if self._zdr:
            headers["x-cmd-zdr"] = "1"
        return HttpRequest(
            "POST",
            f"{self._endpoint.api_root}{request.endpoint}",
            headers,
            body,
            idle_timeout_s=self._limits.idle_timeout_s,
            as_events=True,
            resend_on_dead_connection=self._limits.max_retries > 0 and not self._has_resent,
            sample=self.sample,
            endpoint=request.endpoint,
            attempt=self._attempts,
            waited_s=self._waited_s,
            price_date=self._price_date.isoformat() if self._price_date else None,
            served_by=self._endpoint.served_by,
            can_send=not self._endpoint.is_keyless,
        )

    def _pause(self, wait_s: float) -> Iterator[StreamEvent]:
        """Wait for `wait_s` seconds, with events to draw and open to interrupts."""
        if self.replay is not None:
            wait_s = wait_s / self.replay.speed if self.replay.speed else 0.0
        start_s = monotonic()
        while (waited_s := monotonic() - start_s) < wait_s:
            self._raise_if_interrupted()
            yield Waiting("retry", waited_s)
            sleep(min(TICK_S, wait_s - waited_s))

    def _raise_if_interrupted(self) -> None:
        """Raise `KeyboardInterrupt` if `wake` was called while nothing was being received."""
        if self._interrupted:
            raise KeyboardInterrupt


def _backoff_s(tries: int) -> float:
    from cc_jupyter.client.errors.provider_errors import backoff_s  # noqa: PLC0415  only a failure needs it

    return backoff_s(tries)


def _pause_s(refusal: Refusal, tries: int) -> float | None:
    from cc_jupyter.client.errors.provider_errors import pause_s  # noqa: PLC0415  only a refusal needs it

    return pause_s(refusal, tries)


def encode_body(request: Request) -> bytes:
    """Return the body exactly as it is sent."""
    body = WIRE_FORMATS[request.endpoint].encode(request)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
