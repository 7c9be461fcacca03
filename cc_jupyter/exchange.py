"""One request and its answer, with the few repeats that are safe.

Sends, reads, and turns every way this can end into events or one exception. What was refused, or
broke before anything of an answer came, raises and may be sent again; from the first event on
nothing is sent again, and a broken answer ends in an `Error` event.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from cc_jupyter import __version__
from cc_jupyter.errors import ConnectError
from cc_jupyter.events import Error, Notice, StreamEvent, Waiting
from cc_jupyter.redact import redact
from cc_jupyter.transport import TIMED_OUT, Call, End, Head, Incoming, Transport, Wake
from cc_jupyter.wire import WIRE_FORMATS
from cc_jupyter.wire.answer import AnswerReader
from cc_jupyter.wire.refusal import Refusal, classify

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from cc_jupyter.messages import Request
    from cc_jupyter.target import Target

TICK_S = 0.036
"""How often a waiting reader looks up: the pace at which a screen may be drawn."""
LONGEST_WAIT_S = 30.0
"""A provider that asks for a longer pause gets none: the user decides."""
_FIRST_BACKOFF_S = 0.5
_SETTLE_S = 2.0  # after the reason for the end is known, for usage and the end mark
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


class Exchange:
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
        target: Target,
        limits: Limits,
        *,
        zdr: bool = False,
    ) -> None:
        self._transport = transport
        self._request = request
        self._target = target
        self._limits = limits
        self._zdr = zdr
        self._incoming: Incoming | None = None
        self._interrupted = False
        self.sent = False
        """Whether a request may have left this machine."""
        self.body_sha256 = ""

    def wake(self) -> None:
        """Make the iteration raise `KeyboardInterrupt`; safe from a signal handler."""
        self._interrupted = True
        if self._incoming is not None:
            self._incoming.wake()

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
        while True:
            try:
                yield from self._attempt(request)
            except ConnectError as error:
                if tries >= self._limits.max_retries or error.code == TIMED_OUT:
                    raise
                wait_s = _backoff_s(tries)
                said = str(error)
            except _RefusedError as refused:
                refusal = refused.refusal
                if refusal.max_tokens_ceiling and tries < self._limits.max_retries:
                    ceiling = refusal.max_tokens_ceiling
                    if request is not self._request:  # the one repair was made already
                        raise refusal.error from None
                    request = _with_max_tokens(request, ceiling)
                    yield Notice(f"max_tokens lowered to {ceiling:,}, the most the model takes")
                    continue
                wait_or_none_s = _wait_s(refusal, tries)
                if wait_or_none_s is None or tries >= self._limits.max_retries:
                    raise refusal.error from None
                wait_s = wait_or_none_s
                said = str(refusal.error)
            else:
                return
            tries += 1
            of = f"try {tries} of {self._limits.max_retries}"
            yield Notice(f"{said}; sent again after {wait_s:.1f} s ({of})")
            yield from self._pause(wait_s)

    def _attempt(self, request: Request) -> Iterator[StreamEvent]:
        call = self._call(request)
        self.sent = True
        sent_s = monotonic()
        self._incoming = incoming = self._transport.send(call)
        if self._interrupted:  # it came before there was anything to wake
            incoming.wake()
        finished = False
        try:
            head = yield from self._head(incoming, sent_s)
            if head.status != 200:  # noqa: PLR2004  the one status with an answer
                raise self._refused(head, incoming)
            yield from self._answer(incoming)
            finished = True
        finally:
            incoming.close(drain=finished)
            self._incoming = None

    def _head(self, incoming: Incoming, sent_s: float) -> Generator[StreamEvent, None, Head]:
        """Wait for the response to begin; returns its `Head`."""
        while True:
            item = incoming.receive(TICK_S)
            match item:
                case Head():
                    return item
                case None:
                    yield Waiting("first text", monotonic() - sent_s)
                case Wake():
                    raise KeyboardInterrupt
                case End(error=error):
                    raise error or ConnectError("the server closed without an answer")
                case bytes():
                    raise AssertionError("bytes before the head")

    def _answer(self, incoming: Incoming) -> Iterator[StreamEvent]:
        reader = AnswerReader(WIRE_FORMATS[self._request.endpoint].decoder())
        last_s = monotonic()
        while not reader.done:
            item = incoming.receive(TICK_S)
            match item:
                case bytes():
                    last_s = monotonic()
                    yield from self._clean(reader.read(item))
                case None:
                    silent_s = monotonic() - last_s
                    if reader.stopped and silent_s > _SETTLE_S:
                        yield from reader.close()
                    else:
                        yield Waiting("more text" if reader.began else "first text", silent_s)
                case Wake():
                    raise KeyboardInterrupt
                case End(error=error):
                    yield from self._end(reader, error)
                case Head():
                    raise AssertionError("a second head")

    def _end(self, reader: AnswerReader, error: BaseException | None) -> Iterator[StreamEvent]:
        """Give what the end of the body tells: it ended as announced, or the network cut it."""
        if error is not None and not isinstance(error, ConnectError):
            raise error  # a bug of ours, from the reader's thread
        if error is not None and not reader.began:
            raise error
        for event in self._clean(reader.close()):
            if isinstance(event, Error) and error is not None and event.code is None:
                yield Error(event.message, provider_message=str(error))
            else:
                yield event

    def _clean(self, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
        """Take secrets out of what the provider said went wrong."""
        for event in events:
            if isinstance(event, Error) and event.provider_message:
                said = redact(event.provider_message, (self._target.key.value,))
                yield Error(event.message, event.code, said)
            else:
                yield event

    def _refused(self, head: Head, incoming: Incoming) -> _RefusedError:
        body = bytearray()
        while len(body) < _MOST_REFUSAL_BYTES:
            item = incoming.receive(LONGEST_WAIT_S)
            if isinstance(item, Wake):
                raise KeyboardInterrupt
            if not isinstance(item, bytes):  # the end, cut or not, or a server that hangs
                break
            body += item
        return _RefusedError(
            classify(
                head.status,
                head.headers,
                bytes(body),
                model=self._request.model,
                secrets=(self._target.key.value,),
                now=datetime.now(UTC),
            )
        )

    def _call(self, request: Request) -> Call:
        body = encode_body(request)
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
        return Call(
            "POST",
            f"{self._target.api_root}{request.endpoint}",
            headers,
            body,
            idle_timeout_s=self._limits.idle_timeout_s,
            resend_on_dead_connection=self._limits.max_retries > 0,
        )

    def _pause(self, wait_s: float) -> Iterator[StreamEvent]:
        """Wait, drawing and interruptible."""
        from time import sleep  # noqa: PLC0415  nothing else here sleeps

        start_s = monotonic()
        while (waited_s := monotonic() - start_s) < wait_s:
            if self._interrupted:
                raise KeyboardInterrupt
            yield Waiting("retry", waited_s)
            sleep(min(TICK_S, wait_s - waited_s))
        if self._interrupted:
            raise KeyboardInterrupt


def encode_body(request: Request) -> bytes:
    """Give the body exactly as it is sent."""
    body = WIRE_FORMATS[request.endpoint].encode(request)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _with_max_tokens(request: Request, ceiling: int) -> Request:
    parameters = dataclasses.replace(request.parameters, max_tokens=ceiling)
    return dataclasses.replace(request, parameters=parameters)


def _backoff_s(tries: int) -> float:
    """Double with each try, between half and all of it, so that many cells spread out."""
    longest_s: float = _FIRST_BACKOFF_S * 2**tries
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret


def _wait_s(refusal: Refusal, tries: int) -> float | None:
    """Give the pause before the next try; `None`: there must be none."""
    if not refusal.retryable:
        return None
    asked_s = refusal.error.retry_after_s
    if asked_s is None:
        return _backoff_s(tries)
    if asked_s <= LONGEST_WAIT_S:
        return asked_s
    refusal.error.hint = f"the provider asks to wait {asked_s:.0f} s; run the cell again then"
    return None
