"""Bytes of a 200 response to events, whatever form the body really has.

A stream was asked for; what comes may be a stream, one whole JSON answer, one JSON error, or a
page of HTML, and the content type does not tell (provider-api.md, section 15). The first byte does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cc_jupyter.events import Error, Notice
from cc_jupyter.wire.envelope import read_envelope
from cc_jupyter.wire.sse import MAX_EVENT_BYTES, EventTooLargeError, SseDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.events import StreamEvent
    from cc_jupyter.wire import Decoder

_parse = json.JSONDecoder(strict=False).decode  # control characters in strings are met in the wild
_DONE = "[DONE]"


class AnswerReader:
    """Reads one answer: `read` each chunk, then `close`.

    The events given end with exactly one `Stop` or `Error`; after it nothing more is given.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._sse = SseDecoder()
        self._whole: list[bytes] | None = None  # the body so far, if it is no stream
        self._whole_bytes = 0
        self._sniffed = False
        self._broken: str | None = None  # the first event that was no JSON
        self._understood = 0
        self.done = False
        """Whether the answer's last event was given."""

    @property
    def began(self) -> bool:
        """Whether anything of an answer has come; from then on nothing is sent again."""
        return self._understood > 0 or self._broken is not None or self._whole is not None

    @property
    def stopped(self) -> bool:
        """Whether only usage or the end mark can still come."""
        return self._decoder.stopped

    def read(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Give the events that `chunk` completes."""
        if self.done or not chunk:
            return
        if not self._sniffed:
            self._sniff(chunk)
        if self._whole is not None:
            yield from self._collect(chunk)
            return
        try:
            events = self._sse.decode(chunk)
        except EventTooLargeError:
            yield self._error(f"one event of the answer is over {MAX_EVENT_BYTES >> 20} MB")
            return
        for name, data in events:
            yield from self._event(name, data)

    def close(self) -> Iterator[StreamEvent]:
        """Give what the end of the body completes; here a missing end shows."""
        if self.done:
            return
        if self._whole is not None:
            yield from self._whole_body(b"".join(self._whole))
        else:
            for name, data in self._sse.flush():
                yield from self._event(name, data, last=True)
        if not self.done:
            yield from self._end(end_seen=False)

    def _sniff(self, chunk: bytes) -> None:
        """Decide by the first byte: no line of a stream starts with a brace or a bracket."""
        start = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if start:
            self._sniffed = True
            if start in b"{[<":
                self._whole = []

    def _collect(self, chunk: bytes) -> Iterator[StreamEvent]:
        assert self._whole is not None  # noqa: S101  told by the caller
        self._whole.append(chunk)
        self._whole_bytes += len(chunk)
        if self._whole_bytes > MAX_EVENT_BYTES:
            yield self._error(f"the answer is one document of over {MAX_EVENT_BYTES >> 20} MB")

    def _event(self, name: str, data: str, *, last: bool = False) -> Iterator[StreamEvent]:
        if self.done:
            return
        if data == _DONE or data.strip() == _DONE:
            yield from self._end(end_seen=True)
            return
        if not data.strip() or data[0] == ":":  # keep-alives that a relay wrapped into data
            return
        try:
            body = _parse(data)
        except (ValueError, RecursionError):
            if not last:  # a last event without its end is a cut one, and shows as such
                self._broken = self._broken or data
            return
        if isinstance(body, dict):
            yield from self._body(name, body)

    def _body(self, name: str, body: dict[str, Any]) -> Iterator[StreamEvent]:
        self._understood += 1
        if body.get("error") or body.get("type") == "error" or name == "error":
            envelope = read_envelope(body)
            code = envelope.code or envelope.kind
            yield self._error("the provider reported a stream error", code, envelope.message)
            return
        yield from self._decoder.decode(name, body)
        if self._decoder.finished:
            yield from self._end(end_seen=True)

    def _whole_body(self, raw: bytes) -> Iterator[StreamEvent]:
        try:
            body = _parse(raw.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            what = "a web page" if raw.lstrip()[:1] == b"<" else "something that is no JSON"
            yield self._error(f"the server answered with {what} in place of a stream")
            return
        if not isinstance(body, dict):
            yield self._error("the server answered with a JSON list in place of a stream")
            return
        yield from self._body("", body)
        if not self.done:
            yield from self._end(end_seen=False)

    def _end(self, *, end_seen: bool) -> Iterator[StreamEvent]:
        self.done = True
        if self._broken is not None and not self._understood:
            yield Error("the answer is not JSON", provider_message=self._broken[:500])
            return
        if self._broken is not None:
            yield Notice("one event of the answer could not be read and was left out")
        yield from self._decoder.flush(end_seen=end_seen)

    def _error(self, message: str, code: str | None = None, said: str | None = None) -> Error:
        self.done = True
        return Error(message, code=code, provider_message=said)
