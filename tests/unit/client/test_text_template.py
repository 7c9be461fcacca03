"""Events that differ in their text alone are read without their JSON, to the same texts."""

from __future__ import annotations

import json

import pytest

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.parsing import TextTemplate
from cc_jupyter.client.sse import EventBatch, ServerSentEvent
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.events import TextDelta


def event(text, **others):
    return json.dumps({"id": "c-1", **others, "text": text, "role": "assistant"})


def text_of(body):
    """Read what `event` writes; with any other member it is not a text alone."""
    return body["text"] if body.keys() == {"id", "text", "role"} else ""


def learned(data):
    template = TextTemplate(text_of)
    template.learn(data, text_of(json.loads(data)))
    return template


@pytest.mark.parametrize(
    "text", ["word", " blank ", 'a "quote"', "a\\b", "line\nend", "é \u2028 😀", '"', "\\", "{}"]
)
@pytest.mark.parametrize("escaped", [True, False])
def test_a_text_is_found_between_what_does_not_change(text, escaped):
    data = event(text)
    if not escaped:
        data = json.dumps(json.loads(data), ensure_ascii=False)
    assert learned(event("first")).text_in(data) == text


@pytest.mark.parametrize(
    "data",
    {
        "another id": event("word").replace("c-1", "c-2"),
        "one more member": event("word", usage=3),
        "a member behind the text": event("word").replace('"word"', '"word", "error": "no"'),
        "a broken escape": event("word").replace("word", "\\x"),
        "no text": event(""),
        "cut": event("word")[:-4],
        "shorter than what does not change": event("")[:20] + event("")[-10:],
        "something behind": event("word") + "}",
    }.values(),
)
def test_any_other_event_is_left_to_the_parser(data):
    assert learned(event("first")).text_in(data) == ""


def test_a_text_that_another_member_repeats_teaches_nothing():
    assert learned(event("c-1")).text_in(event("word")) == ""


@pytest.mark.parametrize("text", [":", ","])
def test_a_text_that_is_also_found_between_two_strings_teaches_nothing(text):
    def compact(text):
        return json.dumps(json.loads(event(text)), separators=(",", ":"))

    assert learned(compact(text)).text_in(compact("word")) == ""
    assert learned(event("assistant")).text_in(event("word")) == "word"


def test_a_text_written_with_escapes_teaches_nothing():
    assert learned(event("a\nb")).text_in(event("word")) == ""


def test_events_of_which_no_two_are_alike_are_not_learned_for_ever():
    read = []
    template = TextTemplate(lambda body: read.append(body) or text_of(body))
    for number in range(1_000):
        template.learn(event("word").replace("c-1", f"c-{number}"), "word")
    assert len(read) < 10


def chunk(delta, **others):
    return json.dumps({"id": "c-1", "choices": [{"index": 0, "delta": delta, **others}]})


CALL = {"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "data",
    [
        [chunk({"content": text}) for text in ("One", " two", "\n", " 3", "", '"', " é")],
        [chunk({"content": "a"}), chunk({"tool_calls": [CALL]}), chunk({"content": "b"})],
        [chunk({"content": "a"}), chunk({"reasoning": "c."}), chunk({"content": "b"})],
        [*[chunk({"content": "a"})] * 3, chunk({"content": "b"}, finish_reason="stop"), "[DONE]"],
        [chunk({"content": "a"}), "no JSON", chunk({"content": "b"}), ": ping", "[DONE]"],
        [chunk({"content": "<think>"}), *[chunk({"content": "\n"})] * 3, chunk({"content": "x"})],
        [chunk({"content": "\ud83d"}), chunk({"content": "\ude00"}), chunk({"content": "\ud83d"})],
        [
            chunk({"content": "a"}),
            json.dumps({"error": {"message": "no"}}),
            chunk({"content": "b"}),
        ],
    ],
)
def test_events_mean_the_same_one_by_one_in_one_batch_and_read_in_full(data, monkeypatch):
    def read(*batches):
        reader = AnswerReader(WIRE_FORMATS["/chat/completions"].decoder())
        events = [each for batch in batches for each in reader.read(EventBatch(batch))]
        events += reader.close()
        text = "".join(each.text for each in events if isinstance(each, TextDelta))
        return text, [each for each in events if not isinstance(each, TextDelta)]

    events = [ServerSentEvent("", each) for each in data]
    at_once, singly = read(events), read(*([each] for each in events))
    assert at_once == singly
    monkeypatch.setattr(TextTemplate, "text_in", lambda _, __: "")
    assert read(events) == at_once
