"""Control sequences are shown, not obeyed, whatever text ends on a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from IPython.lib.pretty import pretty

from cc_jupyter.core.display import Card, Diff, Table, TextOutput, word_diff
from cc_jupyter.core.errors import CcError, ConfigError, OptionError, StatusError, StreamError
from cc_jupyter.core.events import Notice, TextDelta
from cc_jupyter.core.messages import ToolCall
from cc_jupyter.core.money import Cost
from cc_jupyter.core.reply import Reply
from cc_jupyter.core.terminal import safe_line, safe_terminal
from cc_jupyter.render.plain import TextRenderer
from cc_jupyter.render.usage_line import usage_bundle, usage_line

SEQUENCES = {
    "OSC 52, writes the clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "OSC 8, a link that lies": "\x1b]8;;http://evil\x1b\\\\text\x1b]8;;\x1b\\\\",
    "OSC 0, the window title": "\x1b]0;title\x07",
    "CSI, clears the screen": "\x1b[2J",
    "C1 CSI": "\x9b2J",
    "C1 OSC": "\x9d52;c;eA==\x9c",
    "DCS": "\x1bP+q544e\x1b\\\\",
    "backspaces that overwrite": "secret\x08\x08\x08",
    "a carriage return that overwrites": "shown\rhidden",
    "shift out": "\x0e",
    "delete": "\x7f",
    "right-to-left override": "\u202egnp.exe",
    "isolates": "\u2066x\u2069",
    "half a character": "\ud83d",
}
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
WHOLE = Reply("text", "", "a/model", "stop", cost=Cost(Decimal(0), "reported", None))


def plain_screen(text: str) -> str:
    out = io.StringIO()
    renderer = TextRenderer(out)
    renderer.show(Notice(f"notice {text}"))
    renderer.show(TextDelta(f"answer {text}"))
    renderer.finish(replace(WHOLE, text=text))
    return out.getvalue()


def lines(error: CcError) -> str:
    return "\n".join(error._render_traceback_())


SINKS = {
    "table in a terminal": lambda text: pretty(Table([{"a": text, "b": 1}], text)),
    "printed table": lambda text: str(Table([{"a": text}], text)),
    "caption of an empty table": lambda text: str(Table([], text)),
    "list in a table": lambda text: str(Table([{"a": [text, text]}])),
    "card in a terminal": lambda text: pretty(Card(model=text)),
    "printed card": lambda text: str(Card(model=text)),
    "text output": lambda text: pretty(TextOutput(text)),
    "diff": lambda text: pretty(Diff(f"+{text}", text)),
    "word diff": lambda text: pretty(word_diff("old", text)),
    "reply in a terminal": lambda text: pretty(replace(WHOLE, text=text)),
    "repr of a reply": lambda text: repr(
        replace(WHOLE, text=text, stop_word=text, tool_calls=(ToolCall(text, text, text),))
    ),
    "tool name in the usage line": lambda text: usage_line(
        replace(WHOLE, stop_reason="tool_call", tool_calls=(ToolCall("", text, ""),))
    ),
    "stop word in the usage line": lambda text: usage_line(
        replace(WHOLE, stop_reason="unknown", stop_word=text)
    ),
    "code of a broken answer in the usage line": lambda text: usage_line(
        replace(WHOLE, stop_reason="error", error=StreamError("cut", code=text))
    ),
    "model in the usage line": lambda text: usage_line(replace(WHOLE, model=text)),
    "notice in the usage line": lambda text: usage_line(replace(WHOLE, notices=(text,))),
    "usage line as an output": lambda text: usage_bundle(replace(WHOLE, model=text))["text/plain"],
    "message of an error": lambda text: lines(OptionError(text)),
    "hint of an error": lambda text: lines(ConfigError("x", hint=text)),
    "words of an error": lambda text: str(StatusError(text)),
    "plain screen": plain_screen,
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
@pytest.mark.parametrize("sink", SINKS.values(), ids=SINKS)
def test_no_sequence_reaches_a_terminal(sink, sequence):
    assert not STEERS.search(sink(f"before {sequence} after"))


@pytest.mark.parametrize("sink", SINKS.values(), ids=SINKS)
def test_ordinary_text_is_shown_as_it_is(sink):
    assert "Žluťoučký 漢字 😀 <b>" in sink("Žluťoučký 漢字 😀 <b>")


@pytest.mark.parametrize("name", ["table in a terminal", "card in a terminal"])
def test_a_value_with_lines_stays_in_its_cell(name):
    assert "one two three" in SINKS[name]("one\ntwo\r\nthree")


def test_lines_and_tabs_stay_where_text_has_lines():
    assert safe_terminal("a\r\nb\n\tc") == "a\nb\n\tc"
    assert safe_line("a\r\nb\n\tc \x1b") == "a b c ␛"


def test_thousands_of_tool_calls_make_a_short_line():
    calls = tuple(ToolCall("call_0", "tool" * 100, "{}") for _ in range(20_000))
    line = usage_line(replace(WHOLE, stop_reason="tool_call", tool_calls=calls))
    assert len(line) < 600
    assert "and for 19,997 more tools, not run" in line
