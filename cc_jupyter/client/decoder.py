"""Turns the bytes of a 200 response into events, whatever form the body has.

The request asks for a stream; the answer may be a stream, one JSON document, one JSON error or an
HTML page, and the content type does not tell which (provider-api.md, section 15). The first byte
does. Only a stop reason proves that an answer is complete, not the end of the bytes
(provider-api.md, section 9).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from cc_jupyter.client.errors.endings import CUT
from cc_jupyter.client.errors.error_body import error_words, has_error, parse_refusal, read_envelope
from cc_jupyter.client.errors.retry_after import reset_of, retry_after_s
from cc_jupyter.client.parsing import TextTemplate, parse_json
from cc_jupyter.client.sse import BEFORE_ANY_FORM, MAX_EVENT_BYTES
from cc_jupyter.core.events import Error, Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cc_jupyter.client.errors.error_body import Envelope
    from cc_jupyter.client.sse import BodyPart, EventBatch
    from cc_jupyter.core.events import Stop, StreamEvent


class Decoder(Protocol):
    """Folds the JSON of one answer into events; keeps what spans several of them."""

    keeps_reasoning: bool
    """Whether to yield the parts of the reasoning that go back to the model with tool results."""

    @property
    def spoke(self) -> bool:
        """Whether any text, thinking or tool call has come."""

    @property
    def stopped(self) -> bool:
        """Whether the reason for the end is known; usage may still follow."""

    @property
    def finished(self) -> bool:
        """Whether nothing more can follow."""

    def plain_text(self, body: dict[str, Any]) -> str:
        """Return the text of an object that holds nothing else and continues the text before it.

        Nearly all objects do. Empty: it may hold anything, even an error; `decode` reads it.
        """

    def add_text(self, text: str) -> Iterable[StreamEvent]:
        """Return the events of the plain text of one object, or of several in a row."""

    def decode(self, name: str, body: dict[str, Any]) -> Iterable[StreamEvent]:
        """Return the events of one JSON object; `name` is the server-sent event's own."""

    def rest(self) -> Iterable[StreamEvent]:
        """Return what was held back: half a character, half a tag, a doubt about the figures."""

    def ending(self, *, end_seen: bool) -> Stop | Error:
        """Return the one event that ends the answer; `end_seen`: the provider marked the end."""


STREAM_ERROR = "the provider reported a stream error"

_DONE = "[DONE]"
_NO_JSON = object()
"""In place of the body of an event that is no JSON."""
_MAX_START_BYTES = 4_096


class AnswerReader:
    """Reads one answer: `read` each part of its body, then `close`.

    The events given end with exactly one `Stop` or `Error`; after it nothing more is given.

    Parameters
    ----------
    ahead
        By how much the server's clock is ahead of this machine's.
    """

    def __init__(
        self,
        decoder: Decoder,
        secrets: tuple[str, ...] = (),
        ahead: timedelta = timedelta(),
    ) -> None:
        self._decoder = decoder
        self._ahead = ahead
        self._template = TextTemplate(decoder.plain_text)
        # to redact before a message is cut; a function, since a traceback shows what objects hold
        self._secrets: Callable[[], tuple[str, ...]] = lambda: secrets
        self._start = b""  # of the body: shown if nothing in it is part of an answer
        self._document: bytearray | None = None  # the body so far, if it is no stream
        self._understood = False
        self._lost = 0  # events that were no JSON
        self._first_lost: str | None = None  # the first of them, as far as it is fit to show
        self._other: dict[str, Any] = {}  # the last event of no known shape: it may say why
        self.done = False
        """Whether the answer's last event was given."""

    @property
    def began(self) -> bool:
        """Whether anything of an answer has come; from then on nothing is sent again."""
        return self._understood or self._lost > 0 or self._document is not None

    @property
    def stopped(self) -> bool:
        """Whether only usage or the end mark can still come."""
        return self._decoder.stopped

    def read(self, part: BodyPart) -> Iterator[StreamEvent]:
        """Return the events that a part of the body completes."""
        if self.done:
            return
        if not self._understood and len(self._start) < _MAX_START_BYTES:
            self._start += (part if isinstance(part, bytes) else part.start)[:_MAX_START_BYTES]
        if not isinstance(part, bytes):
            yield from self._batch(part)
            return
        if self._document is None:
            self._document = bytearray()
        self._document += part
        if len(self._document) > MAX_EVENT_BYTES:
            yield from self._fail(f"the answer is one document of over {MAX_EVENT_BYTES >> 20} MB")

    def close(self) -> Iterator[StreamEvent]:
        """Return what the end of the body completes; here a missing end shows."""
        if self.done:
            return
        if self._document is not None:
            yield from self._whole(
                self._document.lstrip(BEFORE_ANY_FORM).decode("utf-8", "replace")
            )
        if not self.done:
            yield from self._end(end_seen=False)

    def _batch(self, batch: EventBatch) -> Iterator[StreamEvent]:
        texts: list[str] = []  # of plain events in a row, which are one event of ours
        for name, data in batch.events:
            if name != "error" and (text := self._template.text_in(data)):
                texts.append(text)
                continue
            try:
                body = parse_json(data)
            except ValueError:
                body = _NO_JSON
            if type(body) is dict and name != "error" and (text := self._decoder.plain_text(body)):
                self._template.learn(data, text)
                texts.append(text)
                continue
            self._template.forget()
            if texts:
                yield from self._plain(texts)
            if body is _NO_JSON:
                yield from self._read_non_json(name, data.strip(), cut=batch.is_cut)
            else:
                yield from self._event(name, body)
            if self._decoder.finished and not self.done:
                yield from self._end(end_seen=True)
            if self.done:
                return
        if texts:
            yield from self._plain(texts)
        if batch.is_too_large:
            yield from self._fail(f"one event of the answer is over {MAX_EVENT_BYTES >> 20} MB")

    def _plain(self, texts: list[str]) -> Iterable[StreamEvent]:
        self._understood = True
        text = "".join(texts)
        texts.clear()
        return self._decoder.add_text(text)

    def _event(self, name: str, body: object) -> Iterable[StreamEvent]:
        if name == "error" or (isinstance(body, dict) and has_error(body)):
            return self._error(STREAM_ERROR, name, body)
        if not isinstance(body, dict):
            return ()
        self._understood = True
        if "choices" not in body and "type" not in body:
            self._other = body
        return self._decoder.decode(name, body)

    def _read_non_json(self, name: str, text: str, *, cut: bool) -> Iterable[StreamEvent]:
        if text == _DONE:
            return self._end(end_seen=True)
        if name == "error":
            return self._error(STREAM_ERROR, name, text)
        # not the keep-alives that a relay wrapped into data; nor a cut event, which is no broken
        # one and shows as a missing end
        if text and not text.startswith(":") and not cut:
            self._first_lost = self._first_lost if self._lost else self._readable(text)
            self._lost += 1
        return ()

    def _whole(self, text: str) -> Iterator[StreamEvent]:
        """Read a body that is one document."""
        try:
            body = parse_json(text)
        except ValueError as error:
            message = _no_document(text, error)
            yield from self._fail(message, None if message == CUT else self._readable(text))
            return
        if isinstance(body, list):  # some upstreams wrap an error so
            body = body[0] if body else None
        if not isinstance(body, dict):
            body = {}
        if has_error(body):
            yield from self._error("the server answered with an error", "", body)
            return
        self._understood = True
        yield from self._decoder.decode("message", body)
        if self._decoder.spoke or self._decoder.stopped:
            yield from self._end(end_seen=True)
        else:
            yield from self._fail_with(
                "the server answered with JSON that is no answer",
                read_envelope(body, self._secrets()),
            )

    def _error(self, sentence: str, name: str, body: object) -> Iterator[StreamEvent]:
        """End with the provider's error; text in the same event is part of the answer."""
        self._understood = True
        if isinstance(body, dict):
            yield from self._decoder.decode(name, body)
        envelope = read_envelope(body, self._secrets())
        if envelope.code and envelope.kind and envelope.code != envelope.kind:
            sentence = f"{sentence} ({envelope.kind})"
        yield from self._fail_with(sentence, envelope)

    def _fail_with(self, sentence: str, envelope: Envelope) -> Iterator[StreamEvent]:
        """End with an error that the provider has worded."""
        now = datetime.now(UTC) + self._ahead
        yield from self._fail(
            sentence,
            envelope.message,
            code=envelope.code or envelope.kind,
            # the headers of a 200 are written before anything went wrong
            retry_after_s=retry_after_s(200, {}, envelope, reset_of(envelope, now), now),
        )

    def _fail(
        self,
        sentence: str,
        provider_message: str | None = None,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> Iterator[StreamEvent]:
        self.done = True
        yield from self._decoder.rest()
        yield Error(sentence, code, provider_message, retry_after_s)

    def _readable(self, text: str) -> str | None:
        """Return the words of a text that is not JSON, fit to show."""
        return parse_refusal(text.encode(), self._secrets()).message

    def _unframed(self) -> str | None:
        """Return the words of a body that holds no event, only lines without `data:`."""
        lines = self._start.decode("utf-8", "replace").splitlines()
        framed = ("data", "event", "id", "retry", ":")
        return self._readable("\n".join(line for line in lines if not line.startswith(framed)))

    def _end(self, *, end_seen: bool) -> Iterator[StreamEvent]:
        if self._lost and not self._decoder.spoke:
            yield from self._fail("the answer is not JSON", self._first_lost)
            return
        if not self._understood and not end_seen:
            yield from self._fail(
                "the server ended the stream before an answer came", self._unframed()
            )
            return
        self.done = True
        yield from self._decoder.rest()
        if self._lost:
            which = "one event" if self._lost == 1 else f"{self._lost:,} events"
            yield Notice(f"left out {which} of the answer that could not be read")
        ending = self._decoder.ending(end_seen=end_seen)
        if isinstance(ending, Error) and ending.message == CUT:
            ending = replace(ending, provider_message=error_words(self._other, self._secrets()))
        yield ending


def _no_document(text: str, error: ValueError) -> str:
    """Return the error for a document that is cut, or that is not JSON at all."""
    if text.startswith("<"):
        return "the server answered with a web page in place of a stream"
    text = text.rstrip()
    if text[-1] not in "}]" or getattr(error, "pos", 0) >= len(text):
        return CUT
    return "the server answered with something that is no JSON in place of a stream"
