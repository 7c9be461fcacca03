"""Framing: which bytes are which events, when they are delivered, and what is no stream at all."""

from __future__ import annotations

import pytest

from cc_jupyter.client.sse import MAX_START_BYTES, EventBatch, ServerSentEvent, frame


def parts_of(chunks):
    parts = []
    frame(chunks, parts.append)
    return parts


def events_of(*chunks: bytes) -> list[tuple[str, str]]:
    return [tuple(event) for batch in parts_of(chunks) for event in batch.events]


def marked(*chunks: bytes) -> list[tuple[ServerSentEvent, bool]]:
    """Return the events, and whether the end of the body cut each."""
    return [(event, batch.is_cut) for batch in parts_of(chunks) for event in batch.events]


UNICODE = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
A, B, DONE = '{"a": 1}', '{"b": [2]}', "[DONE]"
FRAMES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    # what the standard says
    "two events": (f"data: {A}\n\ndata: {B}\n\n", [("", A), ("", B)]),
    "a name": (f"event: ping\ndata: {A}\n\n", [("ping", A)]),
    "a name after the data": (f"data: {A}\nevent: ping\n\n", [("ping", A)]),
    "the name of an event without one": (f"event: message\ndata: {A}\n\n", [("", A)]),
    "a name holds for one event": (f"event: x\ndata: {A}\n\ndata: {B}\n\n", [("x", A), ("", B)]),
    "several lines of data": ("data: a\ndata: b\n\n", [("", "a\nb")]),
    "JSON over several lines": ("data: {\ndata:  1\ndata: }\n\n", [("", "{\n 1\n}")]),
    "no blank after the colon": (f"data:{A}\n\n", [("", A)]),
    "two blanks after the colon": ("data:  a\n\n", [("", " a")]),
    "CRLF": (f"data: {A}\r\n\r\ndata: {B}\r\n\r\n", [("", A), ("", B)]),
    "CR": (f"data: {A}\r\rdata: {B}\r\r", [("", A), ("", B)]),
    "all three line ends": ("data: a\r\ndata: b\rdata: c\n\r\n", [("", "a\nb\nc")]),
    "comments": (f": hi\n\n:\n\ndata: {A}\n: within\n\n", [("", A)]),
    "id and retry": (f"id: 1\nretry: 5\ndata: {A}\n\nid: 2\n\n", [("", A)]),
    "an id with a NUL": (f"id: \0\ndata: {A}\n\n", [("", A)]),
    "a name alone": ("event: ping\n\n", []),
    "empty data": ("data\n\ndata:\n\nevent: x\ndata:\n\n", []),
    "unknown fields": (f"foo: bar\nfoo\ndata: {A}\n\n", [("", A)]),
    "other line ends of Unicode": (f"data: {UNICODE}\n\n", [("", UNICODE)]),
    # what real servers do
    "a byte order mark": (f"\ufeffdata: {A}\n\n", [("", A)]),
    "blank lines in front": (f"\r\n\n\ndata: {A}\n\n", [("", A)]),
    "a mark and blank lines in front": (f"\ufeff\n\ndata: {A}\n\n", [("", A)]),
    "many blank lines between": (f"data: {A}\n\n\n\n\ndata: {B}\n\n", [("", A), ("", B)]),
    "no blank line at the end": (f"data: {A}\n\ndata: {B}\n", [("", A), ("", B)]),
    "no line end at the end": (f"data: {A}\n\ndata: {B}", [("", A), ("", B)]),
    "one newline between": (
        f"data: {A}\ndata: {B}\ndata: {DONE}\n",
        [("", A), ("", B), ("", DONE)],
    ),
    "one CRLF between": (f"data: {A}\r\ndata: {B}\r\n", [("", A), ("", B)]),
    "one newline, names": (
        f"event: x\ndata: {A}\nevent: y\ndata: {B}\n",
        [("x", A), ("y", B)],
    ),
    "one newline, no blank after the colon": (f"data:{A}\ndata:{B}\n", [("", A), ("", B)]),
    "one newline, then half an event": (f"data: {A}\ndata: {B[:4]}", [("", A), ("", B[:4])]),
    "JSON without a field": (f"data: {A}\n\n{B}\n\n", [("", A), ("", B)]),
    "JSON without a field, one newline": (f"data: {A}\n{B}\n", [("", A), ("", B)]),
    "JSON without a field, over lines": (
        f'data: {A}\n\n{{\n "error": 1\n}}\n\n',
        [("", A), ("", '{\n "error": 1\n}')],
    ),
    "JSON without a field after a name": (f"event: error\n{A}\n\n", [("error", A)]),
    "JSON without a field at the end": (f"data: {A}\n\n{B}", [("", A), ("", B)]),
}


@pytest.mark.parametrize("what", FRAMES)
def test_events_are_these_wherever_the_bytes_are_cut(what):
    text, expected = FRAMES[what]
    body = text.encode()
    assert events_of(body) == expected
    for at in range(len(body) + 1):
        assert events_of(body[:at], body[at:]) == expected, at
        for end in range(at, min(at + 9, len(body))):
            assert marked(body[:at], body[at:end], body[end:]) == marked(body), (at, end)
    assert events_of(*(body[at : at + 1] for at in range(len(body)))) == expected


def test_broken_utf8_is_replaced():
    assert events_of(b"data: a\xffb\n\ndata: caf\xc3\n\n") == [("", "a\ufffdb"), ("", "caf\ufffd")]


@pytest.mark.parametrize(
    "start", [b"{", b"[", b"<", b"\n {", b"\xef\xbb\xbf<", b"  [1", b"\r\n\t<"]
)
def test_a_document_is_delivered_as_its_bytes(start):
    parts = parts_of([start, b"data: no event\n\n", b"end"])
    bytes_alone = b"".join(part for part in parts if isinstance(part, bytes))
    assert bytes_alone.lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(
        start.lstrip(b"\xef\xbb\xbf\r\n\t ")
    )
    assert bytes_alone.endswith(b"data: no event\n\nend")
    assert not any(isinstance(part, EventBatch) and part.events for part in parts)


def test_each_chunk_is_one_batch_delivered_before_the_next_is_read():
    seen: list[object] = []

    def chunks():
        for number in range(4):
            seen.append(f"read {number}")
            yield f"data: {number}\n\ndata: and {number}\n\n".encode()

    frame(chunks(), lambda batch: seen.append([event.data for event in batch.events]))
    assert seen == [
        step for n in range(4) for step in (f"read {n}", [f"{n}", f"and {n}"])
    ]  # fmt: skip


@pytest.mark.parametrize("chunk", [b"\n", b": ping\n\n", b":", b"event: ping\n\n", b"\xef", b" "])
def test_a_chunk_without_an_event_is_a_sign_of_life(chunk):
    parts = parts_of([b"data: a\n\n", chunk, b"\n\ndata: b\n\n"])
    assert len(parts) == 3
    assert parts[1].events == []


def test_blank_lines_before_the_first_event_are_signs_of_life():
    assert [part.events for part in parts_of([b"\n", b"\r\n", b" "])][:3] == [[], [], []]


@pytest.mark.parametrize(
    ("body", "is_cut"),
    [(b"data: a\n\n", False), (b"data: a\n", True), (b"data: a", True), (b"data: a\n\n: b", True)],
)
def test_an_event_that_the_end_completes_is_marked(body, is_cut):
    assert parts_of([body])[-1].is_cut is is_cut


def test_what_came_before_a_break_is_delivered_and_the_break_is_raised():
    def chunks():
        yield b"data: a\n\ndata: b"
        raise ConnectionResetError

    parts: list[EventBatch] = []
    with pytest.raises(ConnectionResetError):
        frame(chunks(), parts.append)
    assert [batch.events for batch in parts] == [
        [ServerSentEvent("", "a")],
        [ServerSentEvent("", "b")],
    ]
    assert [batch.is_cut for batch in parts] == [False, True]


def test_the_start_of_a_body_can_be_quoted():
    body = b"upstream connect error\n" + b"x" * 9_000
    parts = parts_of([body[at : at + 1_000] for at in range(0, len(body), 1_000)])
    assert b"".join(batch.start for batch in parts) == body[:MAX_START_BYTES]
