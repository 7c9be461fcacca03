"""Thinking that a model marks within its text: opened, closed only, and cut anywhere."""

from __future__ import annotations

import itertools
import json
from time import process_time

import pytest
from support.recordings import read_chunks

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.reasoning_marks import split_unopened
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.client.wire_formats import WIRE_FORMATS

PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<mm:think>", "</mm:think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
]
ANALYSIS, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"
START = "<|start|>assistant"


def reply_to(pieces, *, beginning=""):
    """Read a chat stream with these deltas as a cell does."""
    builder = ReplyBuilder(lambda: 0.0, beginning=beginning)
    reader = AnswerReader(WIRE_FORMATS["/chat/completions"].decoder())
    deltas = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    stream = "".join(f"data: {json.dumps(body)}\n\n" for body in (*deltas, end)).encode()
    for event in (*read_chunks(reader, [stream + b"data: [DONE]\n\n"]), *reader.close()):
        builder.add(event)
    reply = builder.build("m")
    assert reply.error is None
    return reply


def cuts(text):
    """Return a text whole, letter by letter, and cut in two at every place."""
    yield [text]
    yield list(text)
    for place in range(1, len(text)):
        yield [text[:place], text[place:]]


OPENED = {
    **{opening: f"{opening}Ada says hi.{closing}Hello" for opening, closing in PAIRS},
    **{f"{o} lines": f"\n{o}\nAda says hi.{c}\r\n\nHello" for o, c in PAIRS},
    "harmony": f"{ANALYSIS}Ada says hi.<|end|>{START}{FINAL}Hello",
    "harmony with a role": f"{START}{ANALYSIS}Ada says hi.<|end|>{START}{FINAL}Hello<|return|>",
    "harmony without a start": f"{ANALYSIS}Ada says hi.<|end|>{FINAL}Hello<|end|>",
    "harmony without an end": f"{ANALYSIS}Ada says hi.{FINAL}Hello",
}
CLOSED = {
    **{closing: f"Ada says hi.{closing}Hello" for _, closing in PAIRS},
    **{f"{closing} lines": f"Ada says hi.\n{closing}\n\nHello" for _, closing in PAIRS},
    "blank before": "Ada says hi. \n</think>\nHello",
    "harmony, prefilled": f"Ada says hi.<|end|>{START}{FINAL}Hello<|return|>",
    "harmony without its tokens": "analysisAda says hi.assistantfinalHello",
}


@pytest.mark.parametrize("text", [*OPENED.values(), *CLOSED.values()], ids=[*OPENED, *CLOSED])
def test_thinking_is_separated_wherever_it_is_cut(text):
    for pieces in cuts(text):
        reply = reply_to(pieces)
        assert (reply.reasoning.strip(), reply.text) == ("Ada says hi.", "Hello"), pieces


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        # paiml/aprender#3930: the prompt's thinking is closed once more
        ("</think>\n\nThe capital is Paris.", "", "The capital is Paris."),
        ("thinking to the end\n</think>\n", "thinking to the end", ""),
        ('Ada, so JSON.\n</think>{"name": "Ada"}', "Ada, so JSON.", '{"name": "Ada"}'),
        ("so. </think>\n\nHello", "so. ", "Hello"),
        ("a `b` c\n```\nx\n```\nso\n</think>\nHello", "a `b` c\n```\nx\n```\nso", "Hello"),
        (f"{FINAL}Hello", "", "Hello"),
        (
            f"{ANALYSIS}one<|end|>{START}<|channel|>commentary<|message|>two<|end|>{START}{FINAL}Hi",
            "one\n\ntwo",
            "Hi",
        ),
        ("<think>never closed", "never closed", ""),
        ("<thinking></thinking>Hello", "", "Hello"),
    ],
)
def test_what_stands_around_a_mark_does_not_matter(text, reasoning, answer):
    reply = reply_to([text])
    assert (reply.reasoning, reply.text) == (reasoning, answer)


ABOUT_MARKS = [
    "Close it with `</think>`.",
    "Close it with </think>.",
    "Close it with </think>",
    "The </think> tag ends it.",
    'It is "</think>" that ends it.',
    "A model (</think>) ends so.",
    "```xml\nthinking\n</think>\n```\nis the form.",
    "~~~\n</think>\n~~~\n",
    "The form is <think>\nhm\n</think>\nand then the answer.",
    "A <think>tag</think> is text.",
    '{"text": "so</think>then"}',
    '"so</think>then"',
    "Use [THINK] and\n[/THINK]\nin the template.",
    "An analysis of the assistantfinal bug",
    f"The mark `{FINAL}` begins it.",
    f"```\n{FINAL}\n```\n",
    "a < b and c > d [1]",
]


@pytest.mark.parametrize("text", ABOUT_MARKS)
def test_text_about_marks_stays_text(text):
    for pieces in cuts(text):
        reply = reply_to(pieces)
        assert (reply.reasoning, reply.text) == ("", text), pieces


def test_thinking_of_its_own_field_comes_first():
    builder = ReplyBuilder(lambda: 0.0)
    reader = AnswerReader(WIRE_FORMATS["/chat/completions"].decoder())
    message = {"reasoning_content": "first", "content": "then\n</think>\nHello"}
    body = {"choices": [{"message": message, "finish_reason": "stop"}]}
    for event in (*read_chunks(reader, [json.dumps(body).encode()]), *reader.close()):
        builder.add(event)
    reply = builder.build("m")
    assert (reply.reasoning, reply.text) == ("first\n\nthen", "Hello")


def test_an_answer_that_is_continued_keeps_its_beginning():
    reply = reply_to(["on we go\n</think>\nlo"], beginning="Hel")
    assert (reply.reasoning, reply.text) == ("on we go", "Hello")


@pytest.mark.parametrize("opening", [pair[0] for pair in PAIRS] + [ANALYSIS, START + ANALYSIS])
def test_a_part_of_an_opening_mark_is_text(opening):
    for end in range(1, len(opening)):
        assert reply_to([opening[:end]]).text == opening[:end]


@pytest.mark.parametrize(
    "text",
    [
        "the </think> tag " * 60_000,
        "`</think>` " * 60_000,
        "x\n" * 200_000 + "</think>" * 20_000,
        "<|end|>" * 100_000 + FINAL + "a",
        "```\n" * 100_000 + "</think>\n" * 9,
    ],
)
def test_hostile_marks_take_linear_time(text):
    start_s = process_time()
    split_unopened(text)
    assert process_time() - start_s < 2


def test_marks_are_found_over_many_pieces():
    letters = list(itertools.chain("word " * 1_000, "\n</think>\n\nHello"))
    assert reply_to(letters).text == "Hello"
