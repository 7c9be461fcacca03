"""What a terminal is sent: Markdown drawn where it is a real one, the text as it is elsewhere."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest

from cc_jupyter.core.events import ReasoningDelta, TextDelta, Waiting
from cc_jupyter.core.reply import Reply
from cc_jupyter.render import terminal
from cc_jupyter.render.plain import TextRenderer, printer
from cc_jupyter.render.terminal import TerminalRenderer

TEXT = "# Head\n\nSome **bold** text.\n\n```python\nx = 1\n```\n"


class Screen(io.StringIO):
    """A stream that says that it is a terminal, or that it is none."""

    encoding = "utf-8"

    def __init__(self, *, real):
        super().__init__()
        self._real = real

    def isatty(self):
        return self._real


@pytest.fixture(autouse=True)
def colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(terminal, "monotonic", lambda: now[0])
    return now


def shown(out, text=TEXT, **how):
    renderer = printer(out, "m", **{"reasoning": True, "markdown": True, **how})
    for word in text.split(" "):
        renderer.show(TextDelta(f"{word} " if not text.endswith(word) else word))
    renderer.finish(Reply(text, "", "m", "stop"))
    return out.getvalue()


def test_in_a_pipe_it_is_the_text_to_the_letter_though_colours_could_be_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(Screen(real=False)).startswith(f"{TEXT}m · in ?")
    assert "\x1b" not in shown(Screen(real=False))


@pytest.mark.parametrize(
    ("term", "how"), [("dumb", {}), ("xterm-256color", {"markdown": False})], ids=str
)
def test_a_terminal_that_cannot_draw_or_shall_not_gets_the_text(monkeypatch, term, how):
    monkeypatch.setenv("TERM", term)
    assert shown(Screen(real=True), **how).startswith(TEXT)


def test_a_real_terminal_draws_markdown():
    drawn = shown(Screen(real=True))
    assert "\x1b[1mbold\x1b[0m" in drawn
    assert "**bold**" not in drawn
    assert "```" not in drawn.rpartition("Head")[2]


@pytest.mark.parametrize("reasoning", [True, False])
def test_thinking_is_named_where_it_is_not_shown(clock, reasoning):
    out = Screen(real=True)
    renderer = TerminalRenderer(out, label="m", reasoning=reasoning)
    for _ in range(60):
        renderer.show(ReasoningDelta("hm "))
        clock[0] += 0.05
    assert ("m · 2 s · thinking" in out.getvalue()) != reasoning
    assert ("hm hm" in out.getvalue()) == reasoning
    renderer.finish(Reply("", "hm", "m", "stop"))


def test_a_stall_is_told_below_the_unfinished_text_which_stays(clock):
    out = Screen(real=True)
    renderer = TerminalRenderer(out, label="m")
    renderer.show(TextDelta("So far"))
    clock[0] += 12
    before = len(out.getvalue())
    renderer.show(Waiting("more text", 12.0))
    assert "So far" in out.getvalue()[before:]
    assert "no data for 12 s" in out.getvalue()[before:]
    renderer.finish(Reply("So far", "", "m", "stop"))
    assert out.getvalue().rstrip().count("So far") >= 2


def test_the_plain_screen_prints_the_tail_without_more_text(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("cc_jupyter.render.plain.monotonic", lambda: now[0])
    out = Screen(real=False)
    renderer = TextRenderer(out)
    renderer.show(TextDelta("One"))
    renderer.show(TextDelta(" two"))
    assert out.getvalue() == "One"
    now[0] += 0.04
    renderer.show(Waiting("more text", 0.04))
    assert out.getvalue() == "One two"


@pytest.mark.parametrize("real", [True, False])
def test_what_is_found_out_about_an_answer_is_printed_below_it(real):
    out = Screen(real=real)
    renderer = printer(out, "m", reasoning=True, markdown=True)
    reply = Reply("an answer", "", "m", "stop", notices=("early",))
    renderer.show(TextDelta("an answer"))
    renderer.finish(reply)
    before = len(out.getvalue())
    renderer.revise(reply, "m did not\npass")
    renderer.revise(dataclasses.replace(reply, notices=("early", "m passed")))
    added = out.getvalue()[before:]
    plain = re.sub(r"\x1b\[\d+m", "", added)
    assert plain == "[m did not pass]\n[m passed]\n"
