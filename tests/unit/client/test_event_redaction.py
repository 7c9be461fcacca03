"""No event of an answer passes with the key in it, whatever its kind and wherever it is cut."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from decimal import Decimal

import pytest

from cc_jupyter.client.anthropic import AnthropicDecoder
from cc_jupyter.client.event_redaction import EventRedactor
from cc_jupyter.client.openai import OpenAIDecoder
from cc_jupyter.core import events
from cc_jupyter.core.events import (
    Error,
    Notice,
    OutputImage,
    ReasoningDelta,
    ReasoningPart,
    Source,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
    Waiting,
)
from cc_jupyter.core.messages import Image, Reasoning
from cc_jupyter.core.redaction import redact

KEY = "plain-letters-of-a-key-without-a-known-shape-at-all"
SAID = f"it was {KEY}, wasn't it"
CLEAN = "it was [key], wasn't it"
EVENTS = {
    TextDelta: (TextDelta(SAID), TextDelta(CLEAN)),
    ReasoningDelta: (ReasoningDelta(SAID), ReasoningDelta(CLEAN)),
    ToolCallDelta: (
        ToolCallDelta(0, SAID, SAID, SAID, SAID),
        ToolCallDelta(0, CLEAN, CLEAN, CLEAN, ""),
    ),
    OutputImage: (
        OutputImage(Image("", None, f"https://a.example/{KEY}", SAID)),
        OutputImage(Image("", None, "https://a.example/[key]", CLEAN)),
    ),
    Source: (
        Source(SAID, f"https://a.example/?k={KEY}"),
        Source(CLEAN, "https://a.example/?k=[key]"),
    ),
    Usage: (
        Usage(1, 2, unpriced=(SAID,), doubt=SAID, provider_usd=Decimal(1)),
        Usage(1, 2, unpriced=(CLEAN,), doubt=CLEAN, provider_usd=Decimal(1)),
    ),
    Stop: (Stop("stop", SAID), Stop("stop", CLEAN)),
    Error: (Error(SAID, SAID, SAID, 3.0), Error(CLEAN, CLEAN, CLEAN, 3.0)),
    Notice: (Notice(SAID, names_content=True), Notice(CLEAN, names_content=True)),
    Waiting: (Waiting("retry", 1.0), Waiting("retry", 1.0)),
}
"""`ReasoningPart` is in a test of its own: it passes unmodified, or not at all."""


def test_the_table_has_every_kind_of_event():
    assert {*EVENTS, ReasoningPart} == set(typing.get_args(events.StreamEvent))


def test_reasoning_that_goes_back_passes_unmodified_and_without_the_key_or_not_at_all():
    fine = ReasoningPart(Reasoning("thinking", '{"thinking": "sk-looks-like-a-key-0123456789"}'))
    keyed = ReasoningPart(Reasoning("thinking", f'{{"thinking": "{KEY}"}}'))
    redactor = EventRedactor((KEY,))
    assert [*redactor.redacted([fine])] == [fine]
    assert not redactor.has_found
    assert [*redactor.redacted([keyed]), *redactor.rest()] == []
    assert redactor.has_found


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind is not Waiting])
def test_each_text_of_each_event_is_in_the_table(kind):
    for field in dataclasses.fields(kind):
        value = getattr(EVENTS[kind][0], field.name)
        if "str" in field.type and field.name not in ("reason", "phase", "estimated"):
            assert KEY in str(value)


@pytest.mark.parametrize(
    ("event", "expected"), EVENTS.values(), ids=lambda each: type(each).__name__
)
def test_the_key_is_removed_from_each_kind_of_event(event, expected):
    redactor = EventRedactor((KEY,))
    assert [*redactor.redacted([event]), *redactor.rest()] == [expected]


def test_an_event_of_a_new_kind_does_not_pass():
    @dataclasses.dataclass
    class NewEvent:
        text: str

    with pytest.raises(AssertionError):
        list(EventRedactor((KEY,)).redacted([NewEvent(SAID)]))


def clean(text):
    return redact(text, (KEY,))


PADDINGS = (0, 5, 15, 25, 35, 470, 490)
"""Characters before the key, so that each limit of length falls inside it."""
BODIES = {
    "a tier": lambda word: {"usage": {"prompt_tokens": 1, "service_tier": word}},
    "a speed": lambda word: {"usage": {"prompt_tokens": 1, "speed": word}},
    "a use of a tool": lambda word: {"usage": {"prompt_tokens": 1, "server_tool_use": {word: 3}}},
    "a stop word": lambda word: {"choices": [{"delta": {}, "finish_reason": word}]},
    "a part": lambda word: {"choices": [{"delta": {"content": [{"type": word}]}}]},
    "a member": lambda word: {"choices": [{"delta": {word: "content"}}]},
    "a title": lambda word: {
        "citations": [{"title": word, "url": "https://a.example"}],
        "choices": [],
    },
    "a block": lambda word: {"type": "content_block_start", "content_block": {"type": word}},
    "a delta": lambda word: {"type": "content_block_delta", "delta": {"type": word}},
    "a reason": lambda word: {
        "type": "message_delta",
        "delta": {"stop_reason": word, "stop_details": {"explanation": word}},
    },
    "an iteration": lambda word: {
        "type": "message_delta",
        "delta": {},
        "usage": {"input_tokens": 1, "iterations": [{"type": word}]},
    },
    "a search": lambda word: {
        "type": "content_block_start",
        "content_block": {"type": "web_search_tool_result", "content": {"error_code": word}},
    },
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("padding", PADDINGS)
def test_no_part_of_the_key_is_left_where_words_are_cut(body, padding):
    decoder = AnthropicDecoder(clean) if "type" in body("") else OpenAIDecoder(clean)
    word = "x" * padding + KEY + "y" * 600
    came = [*decoder.decode("", body(word)), *decoder.rest(), decoder.ending(end_seen=True)]
    shown = str([*EventRedactor((KEY,)).redacted(came)])
    pieces = (KEY[at : at + 8] for at in itertools.count())
    assert not any(piece in shown for piece in itertools.takewhile(lambda p: len(p) == 8, pieces))
