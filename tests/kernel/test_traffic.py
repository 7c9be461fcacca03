"""What a streamed answer costs the channel to the front end, as counts; and that nothing is lost.

The answers are those of the scripted provider's burst models, whose text is known.
"""

from __future__ import annotations

import time

import pytest
from support.kernel_notebook import CLAUDE, MODEL, halves
from support.provider import answer, anthropic_stream, openai_stream, prose, tokens, wait

pytestmark = pytest.mark.kernel

CELL = "%%cmd -m {model}\nhello"
LINE = "r = %cmd ask -m {model} hello"
BOTH = pytest.mark.parametrize("code", [CELL, LINE], ids=["cell", "line"])
STREAMS = pytest.mark.parametrize(
    ("model", "stream"), [(MODEL, openai_stream), (CLAUDE, anthropic_stream)]
)


def text_bytes(count):
    return len("".join(prose(count)).encode())


def burst(notebook, code, model):
    run = notebook.run(code.format(model=model), limit_s=60)
    assert run.status == "ok", run.error
    return run


@BOTH
@pytest.mark.parametrize(
    "model", ["test/burst-20000", "test/burst-20000@0ms", "claude-test-burst-20000"]
)
def test_a_burst_of_20000_tokens_is_at_most_40_messages_and_6_times_the_text(notebook, code, model):
    run = burst(notebook, code, model)
    assert len(run.messages) <= 40
    assert run.data_bytes <= 6 * text_bytes(20_000)
    assert run.texts[0] == "".join(prose(20_000))


@BOTH
@pytest.mark.parametrize("count", [2000, 20_000, 60_000])
def test_traffic_grows_linearly_with_the_text(notebook, code, count):
    run = burst(notebook, code, f"test/burst-{count}")
    assert run.texts[0] == "".join(prose(count))
    assert run.data_bytes <= 6 * text_bytes(count) + 20_000


def test_a_paced_answer_is_at_most_31_messages_a_second_and_60_times_the_text(notebook):
    run = burst(notebook, CELL, "test/burst-600@5ms")
    assert len(run.messages) <= 31 * lasted_s(run) + 8
    assert run.data_bytes <= 60 * text_bytes(600)
    assert run.texts[0] == "".join(prose(600))


def test_a_paced_answer_among_other_outputs_is_at_most_31_messages_and_150_kb_a_second(notebook):
    run = burst(notebook, LINE, "test/burst-600@5ms")
    assert len(run.messages) <= 31 * lasted_s(run) + 8
    assert run.data_bytes <= 150_000 * lasted_s(run)
    assert run.texts[0] == "".join(prose(600))


def lasted_s(run):
    return run.arrived_s[-1] - run.arrived_s[0]


@BOTH
@STREAMS
def test_the_first_text_is_shown_at_once(notebook, code, model, stream):
    before, after = halves(stream(["first", " second"]), " second")
    notebook.provider.play(before, wait("second"), after)
    request = notebook.kernel.start(code.format(model=model))
    run = notebook.kernel.follow(request, until=lambda run: run.texts == ["first"], limit_s=5)
    notebook.provider.gate("second").set()
    notebook.kernel.follow(request, run)
    assert run.texts[0] == "first second"


@BOTH
@STREAMS
def test_the_tail_is_shown_while_no_more_comes(notebook, code, model, stream):
    before, after = halves(stream(["one", " two", " three"]), " three")
    notebook.provider.play(before, after[0], wait("more"), after[1:])
    request = notebook.kernel.start(code.format(model=model))
    run = notebook.kernel.follow(
        request, until=lambda run: run.texts == ["one two three"], limit_s=5
    )
    notebook.provider.gate("more").set()
    notebook.kernel.follow(request, run)
    assert run.texts[0] == "one two three"


@BOTH
def test_the_first_reasoning_is_shown_at_once_and_gives_way_to_the_text(notebook, code):
    before, after = halves(openai_stream(["the text"], reasoning=["thinking"]), "the text")
    notebook.provider.play(before, wait("text"), after)
    request = notebook.kernel.start(code.format(model=MODEL))
    run = notebook.kernel.follow(
        request, until=lambda run: any("thinking" in text for text in run.texts), limit_s=5
    )
    notebook.provider.gate("text").set()
    notebook.kernel.follow(request, run)
    assert len(run.texts) == 3
    assert run.texts[1] == "the text"


def test_what_one_waits_for_is_said_and_does_not_stay(notebook):
    for code in (CELL, LINE):
        notebook.provider.play(wait(code), answer("at last"))
        request = notebook.kernel.start(code.format(model=MODEL))
        run = notebook.kernel.follow(request, until=lambda run: bool(run.texts), limit_s=5)
        assert "waiting for the first text" in run.texts[0]
        notebook.provider.gate(code).set()
        notebook.kernel.follow(request, run)
        assert run.texts[0] == "at last"
        assert len(run.texts) == 2


@BOTH
def test_a_slow_reader_loses_nothing_and_sees_the_kernel_idle(notebook, code):
    request = notebook.kernel.start(code.format(model="test/burst-20000"))
    time.sleep(2)  # nobody reads what the kernel says
    run = notebook.kernel.collect(request)
    assert run.status == "ok"
    assert run.texts[0] == "".join(prose(20_000))
    assert run.messages[-1]["content"]["execution_state"] == "idle"


@BOTH
def test_a_code_block_of_20000_tokens_is_settled_as_it_comes(notebook, code):
    lines = [f"total_{n} = step(total_{n}, {n})\n" for n in range(2900)]  # 7 tokens each
    text = "".join(["```python\n", *lines, "```\n"])
    notebook.provider.play(answer(tokens(text)))
    run = burst(notebook, code, MODEL)
    assert run.texts[0] == text
    assert len(run.messages) <= 40
    assert run.data_bytes <= 6 * len(text)


def test_many_answers_in_one_cell_lose_nothing(notebook):
    run = burst(
        notebook, "for _ in range(5):\n    %cmd ask --once -m {model} hello", "test/burst-2000"
    )
    assert run.texts[::2] == ["".join(prose(2000))] * 5
    assert len(run.messages) <= 5 * 25


def test_short_paragraphs_in_a_burst_are_few_messages(notebook):
    notebook.provider.play(answer(["para\n\n"] * 3000))
    run = burst(notebook, CELL, MODEL)
    assert run.texts[0] == "para\n\n" * 3000
    assert len(run.messages) <= 40


@BOTH
def test_one_long_line_is_linear_too(notebook, code):
    for count in (1000, 10_000):
        notebook.provider.play(answer(["word "] * count))
        run = burst(notebook, code, MODEL)
        assert run.texts[0] == "word " * count
        assert run.data_bytes <= 6 * 5 * count + 20_000
