"""Sends one request, reads its answer as events, and repeats it where that is safe.

Every way a request can end becomes events or one exception. A request that was refused, or that
failed before any part of an answer arrived, raises and may be sent again, after a pause or with one
repair that is announced. After the first event nothing is sent again: a broken answer ends in an
`Error` event.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.provider_errors import Refusal, classify
from cc_jupyter.client.structured_output import fall_back, is_thinking, tool_call_as_text
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
from cc_jupyter.core.events import Error, Notice, StreamEvent, Waiting
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.client.provider_errors import Refusal
    from cc_jupyter.client.transport import ResponseReader, Transport
    from cc_jupyter.core.messages import Request


LONGEST_WAIT_S = 30.0
"""A provider that asks for a longer pause gets none: the user decides."""
_FIRST_BACKOFF_S = 0.5


def backoff_s(tries: int) -> float:
    """Double with each try, between half and all of it, so that many cells spread out."""
    longest_s: float = min(_FIRST_BACKOFF_S * 2 ** min(tries, 10), LONGEST_WAIT_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret


def pause_s(refusal: Refusal, tries: int) -> float | None:
    """Return the pause before the next try after a refusal; `None`: there must be none.

    A refusal whose pause is too long gets the hint to wait.
    """
    if not refusal.retryable:
        return None
    asked_s = refusal.error.retry_after_s
    if asked_s is None:
        return backoff_s(tries)
    if asked_s <= LONGEST_WAIT_S:
        return asked_s
    refusal.error.hint = f"the provider asks to wait {asked_s:.0f} s; run the cell again then"
    return None


def repair_request(
    refusal: Refusal, request: Request, first: Request
) -> tuple[Request, str] | None:
    """Return the request to send once more and what to say of it; `None`: nothing can be repaired.

    Parameters
    ----------
    request
        The one that was refused.
    first
        The one it came from; what differs from it was repaired already.
    """
    ceiling = refusal.max_tokens_ceiling
    if ceiling and request.parameters == first.parameters:
        parameters = dataclasses.replace(request.parameters, max_tokens=ceiling)
        said = f"max_tokens lowered to {ceiling:,}, the most the model takes"
        return dataclasses.replace(request, parameters=parameters), said
    form = request.answer_format
    if form is None or form != first.answer_format:
        return None
    thinking = is_thinking(request.parameters.effort, request.parameters.extra)
    form = fall_back(form, request.endpoint, refusal.error, thinking=thinking)
    if form is None:
        return None
    return dataclasses.replace(request, answer_format=form), form.notice


TICK_S = 0.036
"""How often a waiting reader looks up: the pace at which a screen may be drawn."""
_SETTLE_S = 2.0  # after the reason for the end is known, for usage and the end mark
_REFUSAL_S = 3.0  # for the body of a refusal; the status alone says enough
_MOST_REFUSAL_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What is borne before giving up."""

    max_retries: int = 2
    idle_timeout_s: float = 300.0


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal


class RequestStream:
    """Iterate to send the request and read its answer; `wake` interrupts, `close` leaves.

    Parameters
    ----------
    zdr
        Ask for zero data retention; a request with it is never repeated without it.
    """

    def __init__(
        self,
        transport: Transport,
        request: Request,
        target: Endpoint,
        limits: Limits,
        *,
        zdr: bool = False,
    ) -> None:
        self._transport = transport
        self._request = request
        self._target = target
        self._limits = limits
        self._zdr = zdr
        self._incoming: ResponseReader | None = None
        self._interrupted = False
        self.answer_format = request.answer_format
        """As it was last asked for: a refusal weakens it."""
        self.body = b""
        """The last one sent."""
        self.body_sha256 = ""
        """Of it."""

    def wake(self) -> None:
        """Make the iteration raise `KeyboardInterrupt`; for any thread and signal handlers."""
        self._interrupted = True
        incoming = self._incoming  # the iteration may drop it at any moment
        if incoming is not None:
            incoming.wake()

    def __iter__(self) -> Generator[StreamEvent, None, None]:
        """Send the request and give the events of its answer.

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
                failure = error
                wait_s = None if error.code == TIMED_OUT else backoff_s(tries)
            except _RefusedError as refused:
                again = None
                if self._limits.max_retries:
                    again = repair_request(refused.refusal, request, self._request)
                if again is not None:
                    request, said = again
                    self.answer_format = request.answer_format
                    yield Notice(said)
                    continue
                failure = refused.refusal.error
                wait_s = pause_s(refused.refusal, tries)
            else:
                return
            if wait_s is None or tries >= self._limits.max_retries:
                raise failure
            tries += 1
            of = f"try {tries} of {self._limits.max_retries}"
            yield Notice(f"{failure}; sent again after {wait_s:.1f} s ({of})")
            yield from self._pause(wait_s)

    def _attempt(self, request: Request) -> Iterator[StreamEvent]:
        self._heed()
        sent_s = monotonic()
        finished = False
        self._incoming = incoming = self._transport.send(self._call(request))
        try:
            if self._interrupted:  # it came before there was anything to wake
                incoming.wake()
            head = yield from self._head(incoming, sent_s)
            if head.status != 200:  # noqa: PLR2004  the one status with an answer
                raise _RefusedError((yield from self._refusal(head, incoming)))
            form, events = request.answer_format, self._answer(incoming)
            yield from tool_call_as_text(events) if form and form.mode == "tool" else events
            finished = True
        finally:
            incoming.close(drain=finished)
            self._incoming = None

    def _head(
        self, incoming: ResponseReader, sent_s: float
    ) -> Generator[StreamEvent, None, ResponseStart]:
        """Wait for the response to begin; returns its `ResponseStart`."""
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
                case bytes():
                    raise AssertionError("bytes before the head")

    def _refusal(
        self, head: ResponseStart, incoming: ResponseReader
    ) -> Generator[StreamEvent, None, Refusal]:
        """Read why it was refused; a body that trickles or hangs is not waited for."""
        body = bytearray()
        began_s = monotonic()
        while len(body) < _MOST_REFUSAL_BYTES and (waited_s := monotonic() - began_s) < _REFUSAL_S:
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
            secrets=(self._target.key.value,),
            now=datetime.now(UTC),
        )

    def _answer(self, incoming: ResponseReader) -> Iterator[StreamEvent]:
        reader = AnswerReader(WIRE_FORMATS[self._request.endpoint].decoder())
        heard_s = told_s = monotonic()  # the last byte; the last event given
        stopped_s = math.inf  # when the reason for the end was known
        while True:
            item = incoming.receive(TICK_S)
            now_s = monotonic()
            if isinstance(item, bytes):
                heard_s = now_s
                if self._interrupted:
                    incoming.close()  # nothing more may come; what has come is still read
                for event in self._clean(reader.read(item)):
                    told_s = now_s
                    yield event
            elif item is not None:
                yield from self._over(reader, item)
            stopped_s = min(stopped_s, now_s) if reader.stopped else math.inf
            if now_s - stopped_s > _SETTLE_S:
                yield from self._clean(reader.close())
            if reader.done:
                return
            if now_s - told_s >= TICK_S:  # also while there is nothing but keep-alives
                told_s = now_s
                yield Waiting("more text" if reader.began else "first text", now_s - heard_s)

    def _over(self, reader: AnswerReader, item: Item) -> Iterator[StreamEvent]:
        match item:
            case Interrupted():
                raise KeyboardInterrupt
            case ResponseEnd(error=error):
                yield from self._end(reader, error)
            case _:
                raise AssertionError(f"{item!r} amid the answer")

    def _end(self, reader: AnswerReader, error: BaseException | None) -> Iterator[StreamEvent]:
        """Return what the end of the body tells: it ended as announced, or the network cut it."""
        if error is not None and not isinstance(error, ConnectError):
            raise error  # a bug of ours, from the reader's thread
        if error is not None and not reader.began:
            raise error
        for event in self._clean(reader.close()):
            if isinstance(event, Error) and error is not None and event.code is None:
                yield Error(str(error))  # it says which connection was lost, and how
            else:
                yield event

    def _clean(self, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
        """Take secrets out of what the provider said went wrong."""
        secrets = (self._target.key.value,)
        for event in events:
            if isinstance(event, Error):
                said = (event.message, event.code, event.provider_message)
                message, code, words = (text and redact(text, secrets) for text in said)
                yield Error(message or "", code, words)
            elif isinstance(event, Notice):
                yield Notice(redact(event.text, secrets))
            else:
                yield event

    def _call(self, request: Request) -> HttpRequest:
        self.body = body = encode_body(request)
        self.body_sha256 = hashlib.sha256(body).hexdigest()
        headers = {
            "Authorization": f"Bearer {self._target.key.value}",
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # a compressing proxy holds a stream back (provider-api.md, section 15)
            "Accept-Encoding": "identity",
            "User-Agent": f"cc_jupyter/{__version__}",
        }
        if request.endpoint == "/messages":
            headers["anthropic-version"] = "2023-06-01"
        if self._zdr:
            headers["x-cmd-zdr"] = "1"
        return HttpRequest(
            "POST",
            f"{self._target.api_root}{request.endpoint}",
            headers,
            body,
            idle_timeout_s=self._limits.idle_timeout_s,
            resend_on_dead_connection=self._limits.max_retries > 0,
        )

    def _pause(self, wait_s: float) -> Iterator[StreamEvent]:
        """Wait, drawing and interruptible."""
        start_s = monotonic()
        while (waited_s := monotonic() - start_s) < wait_s:
            self._heed()
            yield Waiting("retry", waited_s)
            sleep(min(TICK_S, wait_s - waited_s))

    def _heed(self) -> None:
        """Stop where an interrupt has come that nobody was waiting to be woken by."""
        if self._interrupted:
            raise KeyboardInterrupt


def encode_body(request: Request) -> bytes:
    """Return the body exactly as it is sent."""
    body = WIRE_FORMATS[request.endpoint].encode(request)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
