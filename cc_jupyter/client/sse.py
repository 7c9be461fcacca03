"""Server-sent events out of bytes: httpx-sse frames them, a filter prepares the bytes for it.

The usual events of a model, one line of data each, need none of its care and are framed here in a
fifth of the time; httpx-sse frames everything else.

httpx-sse follows the standard (WHATWG HTML, "Server-sent events", read 2026-11-22). Real servers
do not always (provider-api.md, section 15), and a stream needs bounds. So the filter in front of
it decides by the first byte whether the body is a stream at all, strips a byte order mark and blank
lines before the first event, bounds the size of one event, ends the last event where the body
does, and separates events that a server separates by less than a blank line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import httpx
import httpx_sse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


MAX_EVENT_BYTES = 16 * 2**20
"""Of everything from one blank line to the next, comments and unknown fields included."""
MAX_START_BYTES = 4096
BOM = b"\xef\xbb\xbf"
BEFORE_ANY_FORM = BOM + b" \t\r\n"
"""What may stand before the first byte that tells a stream from a document."""
_DEFAULT_NAME = "message"
_HEADERS = {"content-type": "text/event-stream"}
"""A server's own content type may be wrong or missing; httpx-sse insists on this one."""
_OVERLAP_BYTES = 256
"""How far back a separator that arrives in two chunks may start."""
_PLAIN_EVENT = (  # a text: `re` compiles it once the request is on its way
    rf"(?m)^(?:event: ?(?!{_DEFAULT_NAME}\n)([^ \n][^\n]*)\n)?data:(?: |(?! ))([^\n]+)\n\n"
)
_BETWEEN_OBJECTS = rb"(?<=\})\n(?=(?:event:[^\n]{0,128}\n)?(?:data: ?)?[{\[])"
"""One newline between two JSON values: within one value, `}` is never followed by `{` or `[`."""
_MAX_INDENT_BYTES = 2**16
"""How many blanks may stand before a document; more of them are a stream of nothing."""


class ServerSentEvent(NamedTuple):
    """One event: its name (empty if it has none, or the standard's `message`) and its data."""

    name: str
    data: str


class EventBatch(NamedTuple):
    """The events that one chunk of the body completed; none: the chunk was a sign of life."""

    events: list[ServerSentEvent]
    start: bytes = b""
    """What the chunk brought of the body's first `MAX_START_BYTES`, to quote if nothing else."""
    is_cut: bool = False
    """Whether the body ended before the blank line that ends an event."""
    is_too_large: bool = False
    """Whether the next event is larger than `MAX_EVENT_BYTES`; nothing more is read."""


_SIGN_OF_LIFE = EventBatch([])
BodyPart: TypeAlias = EventBatch | bytes
"""Bytes are a part of a body that is one document, not a stream of events."""


def frame(chunks: Iterable[bytes], deliver: Callable[[BodyPart], None]) -> None:
    """Frame a body cut anywhere; deliver one batch a chunk, or its bytes if it is no stream.

    Broken UTF-8 is replaced, never raised. Memory holds one unfinished event and no more. If the
    body breaks off, what came is delivered before the error is raised.
    """
    chunks = iter(chunks)
    head = _head(chunks, deliver)
    if head.lstrip(BEFORE_ANY_FORM)[:1] in (b"{", b"[", b"<"):
        deliver(head)
        for chunk in chunks:
            deliver(chunk)
        return
    events: list[ServerSentEvent] = []

    def flush(start: bytes = b"", *, is_cut: bool = False, is_too_large: bool = False) -> None:
        if not (events or start or is_cut or is_too_large):
            deliver(_SIGN_OF_LIFE)
            return
        deliver(EventBatch(events.copy(), start, is_cut, is_too_large))
        events.clear()

    stream = _EventBytes(head, chunks, flush, events)
    source = httpx.Response(200, headers=_HEADERS, stream=stream)
    source.encoding = "utf-8"  # or httpx parses the content type as a mail to find a charset
    for event in httpx_sse.EventSource(source).iter_sse():
        if event.data:  # httpx-sse also yields events that have a name or an id alone
            name = event.event if event.event != _DEFAULT_NAME else ""
            events.append(ServerSentEvent(name, event.data))


def _head(chunks: Iterator[bytes], deliver: Callable[[BodyPart], None]) -> bytes:
    """Read up to the first byte, which shows whether it is a stream; drop what precedes it."""
    head = b""
    has_bom_passed = False
    for chunk in chunks:
        head += chunk
        if not has_bom_passed:
            if len(head) < len(BOM) and BOM.startswith(head):
                continue
            head = head.removeprefix(BOM)
            has_bom_passed = True
        head = head.lstrip(b"\r\n")
        if head.lstrip(BEFORE_ANY_FORM) or len(head) > _MAX_INDENT_BYTES:
            break
        deliver(_SIGN_OF_LIFE)
    return head


class _EventBytes(httpx.SyncByteStream):
    """Whole events, as bytes for httpx-sse: when it asks for more, it has framed all before.

    Parameters
    ----------
    events
        Gets the plain events, which httpx-sse does not see.
    """

    def __init__(
        self,
        head: bytes,
        chunks: Iterator[bytes],
        flush: Callable[..., None],
        events: list[ServerSentEvent],
    ) -> None:
        self._events = events
        self._head = head
        self._chunks = chunks
        self._flush = flush
        self._pending = bytearray()  # the event that has not ended yet
        self._line_end = -1  # where its last whole line ends
        self._skip_lf = False  # the last chunk ended in CR: a LF that follows belongs to it
        self._is_too_large = False

    def __iter__(self) -> Iterator[bytes]:
        broken_by: Exception | None = None
        quotable_bytes = MAX_START_BYTES
        try:
            for chunk in self._all_chunks():
                if whole := self._take(chunk):
                    if plain := _plain(whole):
                        self._events += plain
                    else:
                        yield whole
                start = chunk[:quotable_bytes]
                quotable_bytes -= len(start)
                self._flush(start, is_too_large=self._is_too_large)
                if self._is_too_large:
                    return
        except Exception as error:  # noqa: BLE001  raised below, after what came before it
            broken_by = error
        if self._pending:
            yield _with_fields(bytes(self._pending).removesuffix(b"\n")) + b"\n\n"
            self._flush(is_cut=True)
        if broken_by is not None:
            raise broken_by

    def _all_chunks(self) -> Iterator[bytes]:
        yield self._head
        yield from self._chunks

    def _take(self, chunk: bytes) -> bytes:
        """Return the events that a chunk completes; set `_is_too_large` if the next one is."""
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pending = self._pending
        known = len(pending)
        pending += chunk
        if self._line_end + _OVERLAP_BYTES < known and b"\n" not in chunk:
            # within a long line: nothing can end here
            self._is_too_large = len(pending) > MAX_EVENT_BYTES
            return b""
        searched_from = max(0, known - _OVERLAP_BYTES)
        self._separate(searched_from)
        end = pending.rfind(b"\n\n", searched_from) + 2
        whole = b""
        if end >= 2:  # noqa: PLR2004  a blank line was found
            with memoryview(pending) as view:
                whole = self._bounded(bytes(view[:end]))
            del pending[:end]
        self._line_end = pending.rfind(b"\n")
        if len(pending) - pending.endswith(b"\n") > MAX_EVENT_BYTES:
            self._is_too_large = True
        return whole

    def _separate(self, start: int) -> None:
        """Put a blank line between events that one newline separates, or that have no field."""
        pending = self._pending
        if pending.count(b"}\n", start) != pending.count(b"}\n\n", start):
            pending[start:] = re.sub(_BETWEEN_OBJECTS, b"\n\n", pending[start:])

    def _bounded(self, whole: bytes) -> bytes:
        """Return the events up to the first that is too large, each line with its field."""
        is_one_line = whole.find(b"\n") == len(whole) - 2
        is_bare = whole.startswith(b"{") or (not is_one_line and b"\n{" in whole)
        if not is_bare and len(whole) <= MAX_EVENT_BYTES:
            return whole
        events: list[bytes] = []
        for event in whole.removesuffix(b"\n\n").split(b"\n\n"):
            if len(event) > MAX_EVENT_BYTES:
                self._is_too_large = True
                break
            events.append(_with_fields(event) + b"\n\n")
        return b"".join(events)


def _plain(whole: bytes) -> list[ServerSentEvent]:
    """Return the events if each is one line of data, with at most a name before it; else none."""
    text = whole.decode("utf-8", "replace")
    if text.startswith("data:") and text.find("\n") == len(text) - 2:  # one, perhaps of 16 MB
        data = text[5:-2].removeprefix(" ")
        return [ServerSentEvent("", data)] if data else []
    found = re.findall(_PLAIN_EVENT, text)
    lines = 2 * len(found) + sum(1 for name, _ in found if name)
    if text.count("\n") != lines:  # then some line is not part of what was found
        return []
    return [*map(ServerSentEvent._make, found)]


def _with_fields(event: bytes) -> bytes:
    """Make data of JSON that a server put into a stream without `data:`, mostly an error."""
    start = 0 if event.startswith(b"{") else event.find(b"\n{") + 1
    if not start and not event.startswith(b"{"):
        return event
    return event[:start] + b"data: " + event[start:].replace(b"\n", b"\ndata: ")
