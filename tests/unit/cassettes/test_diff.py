"""The nearest recorded request, and what differs: in a line, and word by word."""

from __future__ import annotations

import base64

import pytest
from support.cassettes import key

from cc_jupyter.cassettes.cassette import RecordedRequest
from cc_jupyter.cassettes.diff import nearest_request
from cc_jupyter.cassettes.images import IMAGE_PREFIX, named_by_hash
from cc_jupyter.commands.cassette import difference_text


def body(*contents: object, **fields: object) -> dict[str, object]:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(contents)]
    return {"model": "m", "messages": messages, "stream": True} | fields


def recorded(number: int, asked: dict[str, object]) -> RecordedRequest:
    return RecordedRequest(key(number), 0, "/chat/completions", asked)


ASKED = body("Tell me about glaciers in Iceland", temperature=0.2)
CASES = {
    "a parameter": (body("Tell me about glaciers in Iceland", temperature=1), "temperature: "),
    "a new parameter": (body("Tell me about glaciers in Iceland"), "temperature: {+0.2+}"),
    "a parameter less": (ASKED | {"top_p": 0.5}, "top_p: [-0.5-]"),
    "the model": (ASKED | {"model": "n"}, "model: [-n-]{+m+}"),
    "a word": (
        body("Tell me about volcanoes in Iceland", temperature=0.2),
        "message 1 (user): Tell me about [-volcanoes-]{+glaciers+} in Iceland",
    ),
    "a blank": (
        body("Tell me about  glaciers in Iceland", temperature=0.2),
        "message 1 (user): Tell me about[-  -]{+ +}glaciers in Iceland",
    ),
    "a message more": (
        body("Tell me about glaciers in Iceland", "They are", "Go on", temperature=0.2),
        "message 2 (assistant): [-They are-]\nmessage 3 (user): [-Go on-]",
    ),
}


@pytest.mark.parametrize(("other", "said"), CASES.values(), ids=CASES)
def test_what_differs_is_shown_word_by_word(other, said):
    unlike = recorded(1, body("Write a sonnet", model="x"))
    near = nearest_request("/chat/completions", ASKED, [unlike, recorded(2, other)])
    assert near is not None
    assert near.recorded.request_key == key(2)
    shown = difference_text(near)
    assert said in shown
    assert "<" in shown._repr_html_()
    assert near.summary.startswith(("('Tell me about", "('Go on')"))


def test_what_is_no_part_of_the_key_does_not_differ():
    blocks = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    asked = body(blocks) | {"stream": False, "stream_options": {"include_usage": True}}
    near = nearest_request("/chat/completions", asked, [recorded(1, body("Hi"))])
    assert near is not None
    assert near.differences == ()


def test_nothing_recorded_is_nothing_near():
    assert nearest_request("/messages", ASKED, []) is None


@pytest.mark.parametrize(
    "wire",
    [
        lambda data: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        lambda data: {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": data},
        },
    ],
)
def test_a_large_image_is_named_by_its_hash_and_a_small_one_stays(wire):
    pixels = bytes(range(256)) * 400
    large, small = (base64.b64encode(data).decode() for data in (pixels, pixels[:1000]))
    named, images = named_by_hash(body([wire(large), wire(small)]))
    (name,) = images
    assert images == {name: pixels}
    assert name.endswith(".png")
    text = str(named)
    assert IMAGE_PREFIX + name in text
    assert large not in text
    assert small in text
    near = nearest_request("/chat/completions", named, [recorded(1, named)])
    assert near is not None
    assert near.differences == ()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("word 73?", "word 73"),
        ("word 29 and more", "word 29"),
        ("words 57", "word 57"),
        ("word", "word 0"),
    ],
)
def test_of_many_requests_with_other_texts_the_one_with_equal_ends_is_the_nearest(asked, expected):
    rows = [recorded(number, body(f"word {number}")) for number in range(100)]
    near = nearest_request("/chat/completions", body(asked), rows)
    assert near.recorded.body["messages"][-1]["content"] == expected
