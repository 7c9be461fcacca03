"""How a cell ends, on both wires: its status, its words, what stays."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from support.kernel_notebook import CLAUDE, MODEL, halves
from support.provider import (
    Tokens,
    answer,
    anthropic_stream,
    body,
    cut,
    error,
    hang,
    head,
    openai_stream,
    pause,
    reset,
    sse,
)

pytestmark = pytest.mark.kernel

CHAT, MESSAGES = "/chat/completions", "/messages"
STREAMS = {CHAT: openai_stream, MESSAGES: anthropic_stream}
MODELS = {CHAT: MODEL, MESSAGES: CLAUDE}
BOTH = pytest.mark.parametrize("wire", [CHAT, MESSAGES])


def cell(wire, line=""):
    return f"%%cmd -m {MODELS[wire]} {line}\nhello"


def last(notebook):
    """Return text, stop reason and the class of the error of the last reply."""
    return notebook.value("[_cmd.text, _cmd.stop_reason, _cmd.error and type(_cmd.error).__name__]")


# ── the ends that succeed


@dataclass(frozen=True)
class End:
    reason: str
    named: str
    """What the usage line says of it."""
    words: dict[str, str]
    """The provider's word, by wire."""


ENDS = [
    End("stop", "", {CHAT: "stop", MESSAGES: "end_turn"}),
    End("stop", "", {CHAT: "STOP", MESSAGES: "stop_sequence"}),
    End("length", "cut at max_tokens", {CHAT: "length", MESSAGES: "max_tokens"}),
    End("length", "the context window is full", {MESSAGES: "model_context_window_exceeded"}),
    End("content_filter", "refused", {CHAT: "content_filter", MESSAGES: "refusal"}),
    End("tool_call", "asked for a tool", {CHAT: "tool_calls", MESSAGES: "tool_use"}),
    End("unknown", "ended for an unknown reason: pause_turn", {MESSAGES: "pause_turn"}),
    End(
        "unknown",
        "ended for an unknown reason: brand_new",
        {CHAT: "brand_new", MESSAGES: "brand_new"},
    ),
]


@pytest.mark.parametrize(
    ("wire", "word", "end"),
    [(wire, word, end) for end in ENDS for wire, word in end.words.items()],
)
def test_an_announced_end_succeeds_and_an_odd_one_is_named(notebook, wire, word, end):
    notebook.provider.play(STREAMS[wire]("some text", finish=word))
    run = notebook.check(cell(wire))
    assert run.texts[0] == "some text"
    assert end.named in run.texts[1]
    if not end.named:
        assert run.texts[1].endswith("first token")
    assert last(notebook) == ["some text", end.reason, None]
    assert run.outputs[0].metadata["cc_jupyter"]["stop_reason"] == end.reason


def test_the_end_mark_without_a_reason_succeeds(notebook):
    notebook.provider.play(openai_stream("all of it", finish=None))
    run = notebook.check(cell(CHAT))
    assert "ended for an unknown reason" in run.texts[1]
    assert last(notebook) == ["all of it", "unknown", None]


def test_a_reason_without_the_end_mark_succeeds(notebook):
    for wire, stream in STREAMS.items():
        notebook.provider.play(stream("all of it", done=False))
        notebook.check(cell(wire))
        assert last(notebook) == ["all of it", "stop", None]


@BOTH
def test_a_tool_call_succeeds_names_the_tool_and_runs_nothing(notebook, wire):
    call = {"name": "delete_everything", "arguments": '{"path": "/"}'}
    notebook.provider.play(STREAMS[wire]((), calls=[call]))
    run = notebook.check(cell(wire))
    assert len(run.outputs) == 1
    assert "asked for the tool delete_everything, not run" in run.texts[0]
    assert run.outputs[0].metadata["cc_jupyter"]["stop_reason"] == "tool_call"
    assert last(notebook) == ["", "tool_call", None]


@BOTH
def test_a_refusal_without_text_succeeds_and_says_so(notebook, wire):
    notebook.provider.play(STREAMS[wire]((), finish="refusal"))
    run = notebook.check(cell(wire))
    assert "refused by the model or a filter" in run.texts[-1]
    assert last(notebook) == ["", "content_filter", None]


@BOTH
def test_reasoning_without_text_succeeds_with_a_notice(notebook, wire):
    notebook.provider.play(STREAMS[wire]((), reasoning=["I think ", "so."]))
    run = notebook.check(cell(wire))
    assert len(run.outputs) == 2
    assert "I think so." in run.texts[0]
    assert "reasoning only, no text" in run.texts[1]
    assert run.outputs[1].metadata["cc_jupyter"]["stop_reason"] == "stop"
    assert last(notebook) == ["", "stop", None]


@BOTH
def test_reasoning_without_text_fails_where_a_name_was_to_be_bound(notebook, wire):
    notebook.provider.play(STREAMS[wire]((), reasoning="I think so."))
    run = notebook.fail(cell(wire, "-> name"), "StreamError")
    assert run.error_lines[0] == "StreamError: the answer has no text, only reasoning"
    assert len(run.error_lines) == 2
    assert "I think so." in run.texts[0]


def test_no_tokens_left_for_text_after_hidden_reasoning_is_a_notice(notebook):
    usage = Tokens(9, 40, reasoning=40)
    notebook.provider.play(openai_stream((), usage=usage, finish="length"))
    run = notebook.check(cell(CHAT))
    assert "cut at max_tokens" in run.texts[-1]
    assert "reasoning only, no text" in run.texts[-1]


# ── the ends that fail, and keep what came


@BOTH
def test_failure_fails_the_cell_and_a_cut_answer_is_kept(notebook, wire):
    notebook.provider.play(
        STREAMS[wire](["half ", "an answer"], finish=None, done=False, usage=None)
    )
    run = notebook.fail(cell(wire), "StreamError")
    assert run.texts[0] == "half an answer"
    assert "connection lost" in run.texts[1]
    assert run.error_lines[0].startswith("StreamError: the connection was lost")
    assert len(run.error_lines) == 2
    assert last(notebook) == ["half an answer", "error", "StreamError"]
    assert notebook.value("_cmd.error.reply.text") == "half an answer"


@BOTH
@pytest.mark.parametrize("breaking", [cut(), reset()], ids=["cut", "reset"])
def test_a_connection_that_breaks_keeps_what_came(notebook, wire, breaking):
    before, _ = halves(STREAMS[wire](["half ", "an answer", " never"]), " never")
    notebook.provider.play(before, pause(0.2), breaking)  # a reset throws away what is unread
    run = notebook.fail(cell(wire), "StreamError")
    assert run.texts[0] == "half an answer"
    assert last(notebook) == ["half an answer", "error", "StreamError"]
    assert len(run.error_lines) == 2


@BOTH
def test_an_error_event_fails_the_cell_and_keeps_what_came(notebook, wire):
    script = STREAMS[wire]("half")[: 3 if wire == CHAT else 5]
    refusal = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    notebook.provider.play(script, sse(refusal, "error" if wire == MESSAGES else None))
    run = notebook.fail(cell(wire), "StreamError")
    assert run.texts[0] == "half"
    assert "Overloaded" in run.error_lines[0]
    assert len(run.error_lines) == 2
    assert last(notebook) == ["half", "error", "StreamError"]


@BOTH
def test_neither_text_nor_reasoning_fails(notebook, wire):
    notebook.provider.play(STREAMS[wire]((), usage=None))
    run = notebook.fail(cell(wire), "StreamError")
    assert "neither text nor reasoning" in run.error_lines[0]
    assert last(notebook) == ["", "error", "StreamError"]


@BOTH
@pytest.mark.parametrize("word", ["stop", "OTHER", "end"])
def test_an_empty_answer_says_why_and_what_it_cost(notebook, wire, word):
    notebook.provider.play(STREAMS[wire]((), finish=word, usage=Tokens(9, 3)))
    run = notebook.fail(cell(wire), "StreamError")
    assert f"({word}); the provider counts 3 output tokens" in run.error_lines[0]
    assert "in 9 · out 3" in run.texts[-1]
    assert "empty answer" in run.texts[-1]


@BOTH
@pytest.mark.parametrize("word", ["network_error", "insufficient_system_resource", "abort"])
def test_an_answer_that_the_provider_breaks_off_fails_and_binds_no_name(notebook, wire, word):
    notebook.provider.play(STREAMS[wire](["half"], finish=word))
    run = notebook.fail(cell(wire, "-> broken_answer"), "StreamError")
    assert run.texts[0] == "half"
    assert f"broken off: {word}" in run.texts[-1]
    assert f"({word})" in run.error_lines[0]
    assert "broken_answer was not bound" in run.error_lines[1]
    assert last(notebook) == ["half", "error", "StreamError"]
    assert notebook.value("'broken_answer' in globals()") is False


@BOTH
def test_a_refused_answer_without_text_binds_no_name_and_says_why(notebook, wire):
    word = "sensitive" if wire == CHAT else "refusal"
    notebook.provider.play(STREAMS[wire]((), finish=word, usage=Tokens(9, 0)))
    run = notebook.fail(cell(wire, "-> refused_answer"), "StreamError")
    assert f"the model or a filter refused to answer ({word})" in run.error_lines[0]
    assert "change the prompt" in run.error_lines[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"message": "model 'x' not found, try pulling it first"},
        {"message": "The model `x` does not exist.", "type": "NotFoundError"},
        {"message": "The API deployment does not exist.", "code": "DeploymentNotFound"},
    ],
    ids=["Ollama", "vLLM", "Azure"],
)
def test_a_missing_model_at_another_host_names_close_ones(notebook, fields):
    notebook.provider.play(error(404, **fields))
    run = notebook.fail("%%cmd -m deepseek/deepseek-v4-flahs\nhello", "ModelError")
    assert fields["message"] in run.error_lines[0]
    assert "did you mean deepseek/deepseek-v4-flash" in run.error_lines[1]


@pytest.mark.parametrize(
    "page",
    ["<html><body>502 Bad Gateway <script>alert(1)</script></body></html>", "gibberish", "[1, 2]"],
)
def test_what_is_no_answer_fails_in_two_lines(notebook, page):
    notebook.provider.play(head(), body(page))
    run = notebook.fail(cell(CHAT), "StreamError")
    assert len(run.error_lines) <= 2
    assert "<script>" not in run.error


# ── what is refused


@dataclass(frozen=True)
class Refused:
    status: int
    ename: str
    fields: dict[str, object]
    said: str


REFUSED = [
    Refused(400, "StatusError", {"message": "temperature: too hot"}, "temperature: too hot"),
    Refused(400, "CreditError", {"message": "Insufficient credits"}, "out of credits"),
    Refused(401, "AuthError", {}, "key"),
    Refused(402, "CreditError", {"message": "insufficient credits"}, "out of credits"),
    Refused(403, "PlanError", {"code": "upgrade_required"}, "Provider API"),
    Refused(403, "PlanError", {"code": "MODEL_NOT_IN_PLAN"}, "plan"),
    Refused(404, "StatusError", {"message": "nothing"}, "no such path"),
    Refused(413, "StatusError", {"body": "<html>too big</html>"}, "too large"),
    Refused(422, "ModelError", {"code": "cmd_zdr_no_providers"}, "zero data retention"),
    Refused(429, "RateLimitError", {"message": "usage limit for your plan"}, "used up"),
]


@BOTH
@pytest.mark.parametrize("refused", REFUSED, ids=lambda each: f"{each.status}-{each.ename}")
def test_an_error_says_what_happened_and_what_to_do_in_two_lines(notebook, wire, refused):
    notebook.provider.play(error(refused.status, **refused.fields))
    run = notebook.fail(cell(wire), refused.ename)
    assert refused.said.lower() in run.error_lines[0].lower()
    assert len(run.error_lines) == 2
    assert run.error_lines[1].startswith("Hint: ")
    assert "Traceback" not in run.error
    assert "\x1b" not in run.error
    assert run.outputs == []
    assert len(notebook.posts) == 1
    assert last(notebook) == ["", "error", refused.ename]


@BOTH
def test_a_server_error_is_tried_again_and_says_so(notebook, wire):
    notebook.provider.play(error(503, headers={"retry-after-ms": "50"}))
    notebook.provider.play(answer("at last"))
    run = notebook.check(cell(wire))
    assert run.texts[0] == "at last"
    assert "sent again" in run.texts[1]
    assert "try 1 of 2" in run.texts[1]
    assert len(notebook.posts) == 2
    assert notebook.posts[0].body == notebook.posts[1].body


def test_a_server_error_that_stays_fails_after_two_more_tries(notebook):
    for _ in range(3):
        notebook.provider.play(error(500, headers={"retry-after-ms": "10"}))
    run = notebook.fail(cell(CHAT), "StatusError")
    assert len(notebook.posts) == 3
    assert len(run.error_lines) == 2
    assert run.outputs == []


def test_no_retry_after_the_first_event(notebook):
    for wire in STREAMS:
        notebook.forget()
        notebook.provider.play(STREAMS[wire]("half")[: 3 if wire == CHAT else 5], cut())
        notebook.fail(cell(wire), "StreamError")
        assert len(notebook.posts) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_no_retry_of_what_is_refused_for_good(notebook, status):
    notebook.provider.play(error(status, "no"))
    assert notebook.run(cell(CHAT)).status == "error"
    assert len(notebook.posts) == 1


def test_a_pause_the_provider_asks_for_is_told_and_not_waited_when_it_is_long(notebook):
    notebook.provider.play(error(429, headers={"retry-after": "3600"}))
    run = notebook.fail(cell(CHAT), "RateLimitError")
    assert "to wait 1 h" in run.error
    assert len(notebook.posts) == 1


def test_no_connection_is_told_in_two_lines(notebook):
    notebook.check(
        "import os, socket\n"
        "with socket.create_server(('127.0.0.1', 0)) as sock:\n"
        "    port = sock.getsockname()[1]\n"
        "old = os.environ['CMD_BASE_URL']\n"
        "os.environ['CMD_BASE_URL'] = f'http://127.0.0.1:{port}'\n"
        "os.environ['CMD_MAX_RETRIES'] = '0'"
    )
    run = notebook.fail(cell(CHAT), "ConnectError")
    notebook.check("os.environ['CMD_BASE_URL'] = old; del os.environ['CMD_MAX_RETRIES']")
    assert "no connection to 127.0.0.1" in run.error_lines[0]
    assert len(run.error_lines) == 2


def test_silence_ends_after_the_time_that_is_set(notebook):
    notebook.check("%config CmdMagics.idle_timeout_s = 0.3")
    notebook.provider.play(openai_stream(["half"])[:3], hang())
    run = notebook.fail(cell(CHAT), "StreamError")
    assert run.texts[0] == "half"
    assert "CMD_IDLE_TIMEOUT_S" in run.error or "sent nothing" in run.error


def test_a_missing_key_is_told_with_what_to_do(notebook):
    notebook.check("import os; key = os.environ.pop('CMD_API_KEY')")
    run = notebook.fail(cell(CHAT), "ConfigError")
    notebook.check("os.environ['CMD_API_KEY'] = key")
    assert "there is no key" in run.error_lines[0]
    assert "CMD_API_KEY" in run.error_lines[1]
    assert "local model" in run.error_lines[1]
    assert not notebook.provider.requests


def test_a_key_with_a_line_break_is_never_sent(notebook):
    notebook.check("import os; key = os.environ['CMD_API_KEY']")
    notebook.check("os.environ['CMD_API_KEY'] = 'user_secret\\nsecond-half'")
    run = notebook.fail(cell(CHAT), "ConfigError")
    notebook.check("os.environ['CMD_API_KEY'] = key")
    assert "line break" in run.error_lines[0]
    assert "second-half" not in run.error
    assert "user_secret" not in run.error
    assert not notebook.provider.requests


def test_plain_http_to_another_machine_is_refused(notebook):
    notebook.check("import os; old = os.environ['CMD_BASE_URL']")
    notebook.check("os.environ['CMD_BASE_URL'] = 'http://api.example.com/v1'")
    run = notebook.fail(cell(CHAT), "ConfigError")
    notebook.check("os.environ['CMD_BASE_URL'] = old")
    assert "plain http" in run.error_lines[0]
    assert len(run.error_lines) == 2


def test_without_a_model_three_cheap_ones_are_named(notebook):
    notebook.check("import os; model = os.environ.pop('CMD_MODEL')")
    run = notebook.fail("%%cmd\nhello", "ConfigError")
    notebook.check("os.environ['CMD_MODEL'] = model")
    assert run.error_lines[0] == "ConfigError: no model is chosen"
    assert run.error_lines[1].partition("cheap ones: ")[2].count(",") == 2
    assert not notebook.provider.requests


def test_an_unknown_model_names_close_ones(notebook):
    run = notebook.fail("%%cmd -m deepseek/deepseek-v4-flahs\nhello", "ModelError")
    assert "deepseek/deepseek-v4-flahs" in run.error_lines[0]
    assert "did you mean deepseek/deepseek-v4-flash" in run.error_lines[1]
    assert len(run.error_lines) == 2


def test_a_bug_keeps_its_traceback(notebook):
    notebook.check(
        "import cc_jupyter.session.session as s\n"
        "real = s.Session.run\n"
        "def broken(*a, **k): raise ValueError('a bug of ours')\n"
        "s.Session.run = broken"
    )
    run = notebook.fail("%%cmd\nhello", "ValueError")
    notebook.check("s.Session.run = real")
    assert "Traceback" in run.error
    assert "a bug of ours" in run.error
