"""The line of a recording: what goes in comes out, and its schema describes it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.cassettes import AT, recording

import cc_jupyter.cassettes
from cc_jupyter.cassettes.recording import (
    SCHEMA_VERSION,
    RecordedResponse,
    cut_between_characters,
    kept_headers,
    parse_line,
    request_of,
    to_line,
)
from cc_jupyter.core.errors import CassetteError

SCHEMA = json.loads(
    (Path(cc_jupyter.cassettes.__file__).parent / "cassette_schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
RESPONSES = {
    "answer": RecordedResponse(200, {"content-type": "text/plain"}, ((0, b"a"), (5, b"b")), 6),
    "other line ends": RecordedResponse(200, {}, ((0, "\u2028\u0085\x0b\x00\r\n".encode()),), 1),
    "no body": RecordedResponse(503, {}, (), 3),
    "no UTF-8": RecordedResponse(200, {}, ((1, b"\xff\xfe"), (2, b"ok")), 3),
    "characters": RecordedResponse(200, {}, ((1, "日本".encode()), (2, "é😀".encode())), 3),
    "escaped": RecordedResponse(200, {}, ((1, b'"\\\x7f\x1f'), (2, 'é"\\日'.encode())), 3),
    "empty piece": RecordedResponse(200, {}, ((1, b""), (2, "é".encode())), 3),
    "cut": RecordedResponse(200, {}, ((1, b"a"),), 3, ("ReadError", "[Errno 104] reset")),
    "left": RecordedResponse(200, {}, ((1, b"a"),), 3, was_left=True),
    "never began": RecordedResponse(None, {}, (), 3, ("ConnectError", "refused")),
    "after a pause": RecordedResponse(200, {}, ((1, b"a"),), 3, waited_s=0.73),
}


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_what_is_written_is_read_and_fits_the_schema(response):
    before = dataclasses.replace(recording(), responses=(response, response))
    line = to_line(before)
    assert line.count(b"\n") == 1
    assert parse_line(line, "a, line 1,") == before
    VALIDATOR.validate(json.loads(line))
    assert request_of(line) == ("/chat/completions", before.body)


def test_the_schema_is_one_and_has_the_version_that_is_written():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SCHEMA_VERSION
    first = list(json.loads(to_line(recording())))[:3]
    assert first == ["request_key", "sample", "schema"]


def test_the_time_is_kept_to_the_millisecond():
    assert parse_line(to_line(recording()), "").recorded_at == AT


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["é".encode()[:1], "é".encode()[1:]], [b"", "é".encode()]),
        ([b"a" + "😀".encode()[:3], "😀".encode()[3:] + b"b"], [b"a", "😀b".encode()]),
        (["日".encode(), "本".encode()], ["日".encode(), "本".encode()]),
        ([b"ab", b"c"], [b"ab", b"c"]),
        ([b"a\xff", b"b"], [b"a\xff", b"b"]),
        ([b"a\xe6\x97"], [b"a\xe6\x97"]),
    ],
)
def test_a_cut_never_divides_a_character(pieces, whole):
    cut = cut_between_characters([*enumerate(pieces)])
    assert cut == [*enumerate(whole)]


def test_only_headers_that_matter_are_kept():
    headers = {
        "Content-Type": "text/event-stream",
        "Retry-After": "3",
        "X-Trace-Id": "t",
        "x-ratelimit-remaining-requests": "0",
        "anthropic-ratelimit-tokens-reset": "1",
        "x-litellm-response-cost": "0.1",
        "Set-Cookie": "session=secret",
        "Server": "nginx",
        "Authorization": "Bearer x",
    }
    assert list(kept_headers(headers)) == [
        *("content-type", "retry-after", "x-trace-id", "x-ratelimit-remaining-requests"),
        *("anthropic-ratelimit-tokens-reset", "x-litellm-response-cost"),
    ]


BROKEN = {
    b"<<<<<<< HEAD\n": "is a conflict mark of git",
    b"=======\n": "is a conflict mark of git",
    b">>>>>>> main\n": "is a conflict mark of git",
    b"not JSON\n": "is no recording",
    b'{"sample":0}\n': "is no recording",
    to_line(recording())[:200] + b"\n": "is cut off",
    to_line(recording()).replace(b'"schema":1', b'"schema":2'): "has format 2",
    to_line(recording()).replace(b'"ended_ms"', b'"endedms":}{"'): "cannot be read",
    to_line(recording()).replace(b'"sizes":[5]', b'"sizes":[4]'): "do not add up",
    to_line(recording()).replace(b'"responses"', b'"response"'): "KeyError",
}


@pytest.mark.parametrize(("line", "said"), BROKEN.items(), ids=BROKEN.values())
def test_a_broken_line_is_one_error_that_names_it(line, said):
    with pytest.raises(CassetteError) as caught:
        parse_line(line, "demo.cassette.jsonl, line 3,")
    assert str(caught.value).startswith("demo.cassette.jsonl, line 3, ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
