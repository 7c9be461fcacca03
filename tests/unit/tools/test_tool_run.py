"""The calls of one turn: each gets a record and a line, and runs only if that is allowed."""

from __future__ import annotations

import io
import json
import re

import pandas as pd
import pytest
from support.screens import Clock, Screen

from cc_jupyter import tool
from cc_jupyter.core.messages import ToolCall, ToolResult, ValueLimits
from cc_jupyter.core.steps import CallPlace, CallRecord, Step
from cc_jupyter.core.terminal import safe_line
from cc_jupyter.session.live_output import LiveOutput
from cc_jupyter.tools.consent import Consent
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.tool import tool_for
from cc_jupyter.tools.tool_run import ToolRun
from cc_jupyter.tools.toolbox import Toolbox
from cc_jupyter.tools.trace import RunningCall, trace_bundle, trace_line, trace_rows
from cc_jupyter.tools.trace_view import CellAsker, NullTrace, PageTrace, TextTrace

RAN = []


def lookup(city: str) -> pd.DataFrame:
    RAN.append(city)
    return pd.DataFrame({"name": ["a", "b", "c"]})


def save(path: str) -> None:
    RAN.append(path)
    raise ValueError("disk full")


@pytest.fixture(autouse=True)
def _nothing_ran():
    RAN.clear()


TOOLBOX = Toolbox([tool_for(lookup, "lookup"), tool_for(save, "save")])


def tool_run(view=None, *, allowed=(), asker=None):
    return ToolRun(TOOLBOX, Consent(allowed, asker), Runner(ValueLimits()), view or NullTrace())


def call(name="lookup", arguments='{"city": "Rome"}', number=1):
    return ToolCall(f"call_{number}", name, arguments)


def test_an_allowed_call_runs_and_its_record_says_what_came_of_it():
    record = tool_run(allowed=["lookup"]).answer(call(), CallPlace())
    assert RAN == ["Rome"]
    assert record.state == "ok"
    assert record.result.call_id == "call_1"
    assert "| name" in record.result.text
    assert record.source == 'lookup(city="Rome")'
    assert record.detail == "allowed by --allow"
    assert re.fullmatch(r'1 ✓ lookup\(city="Rome"\) → 3 rows · \d+ ms', trace_line(1, record))


@pytest.mark.parametrize(
    ("given", "state", "text", "line"),
    [
        (call("lokup"), "not run", "Did you mean lookup?", "there is no such tool"),
        (call(arguments="{"), "not run", "not JSON", "the arguments do not fit"),
        (call(arguments="{}"), "not run", "city: field required", "the arguments do not fit"),
        (call("save", '{"path": "a"}'), "refused", "needs the user's consent", "refused: the call"),
    ],
)
def test_a_call_that_may_not_or_cannot_run_is_answered_and_nothing_runs(given, state, text, line):
    record = tool_run(allowed=["lookup"]).answer(given, CallPlace())
    assert RAN == []
    assert record.state == state
    assert record.result.is_error
    assert text in record.result.text
    assert line in trace_line(1, record)
    assert " ms" not in trace_line(1, record)


def test_a_function_that_raises_is_an_error_of_the_call_and_not_of_the_cell():
    record = tool_run(allowed=["save"]).answer(call("save", '{"path": "a"}'), CallPlace())
    assert record.state == "error"
    assert record.result == ToolResult("call_1", ("ValueError: disk full",), is_error=True)
    assert "in save" in record.detail


def test_the_error_at_the_end_names_every_missing_option():
    run = tool_run()
    assert run.consent_error is None
    run.answer(call(), CallPlace())
    run.answer(call("save", '{"path": "a"}'), CallPlace())
    assert "lookup, save" in str(run.consent_error)
    assert "--allow lookup --allow save" in run.consent_error.hint
    assert RAN == []


class Answers:
    def __init__(self, *lines):
        self.lines = list(lines)

    def __call__(self, prompt):
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line


def asked_run(*lines, view):
    return tool_run(view, asker=CellAsker(lambda: view, Answers(*lines)))


def page():
    screen = Screen()
    return screen, PageTrace(LiveOutput(screen, now=Clock()), pause=lambda _: None)


def test_the_question_is_on_the_page_before_the_answer_and_a_line_after_it():
    screen, view = page()
    seen = []
    run = tool_run(
        view, asker=CellAsker(lambda: view, lambda _: (seen.append(screen.html), "y")[1])
    )
    run.answer(call(), CallPlace(1, 1, 1, 8))
    run.end()
    assert "The model asks to run lookup" in seen[0]
    assert "Rome" in seen[0]
    assert len(screen.outputs) == 1
    assert "asks to run" not in screen.html
    ((bundle, _),) = screen.outputs.values()
    assert re.fullmatch(r'1 ✓ lookup\(city="Rome"\) → 3 rows · \d+ ms', bundle["text/plain"])
    assert "allowed once" in screen.html


def test_a_saved_question_has_what_a_page_needs_to_answer_it():
    screen, view = page()
    seen = []

    def read(_):
        ((display_id, (_, metadata)),) = screen.outputs.items()
        seen.append((display_id, metadata))
        return ["n", "no"][len(seen) - 1]

    run = tool_run(view, asker=CellAsker(lambda: view, read))
    run.answer(call(), CallPlace())
    assert [metadata["cc_jupyter"] for _, metadata in seen] == [{"unfinished": True}] * 2
    abouts = [metadata["cc_jupyter_question"] for _, metadata in seen]
    assert [about["display_id"] for about in abouts] == [display_id for display_id, _ in seen]
    prompts = [about["prompt"] for about in abouts]
    assert prompts == ["Run lookup? y/s/f/e/n/q: ", "Reason for the model (Enter: none): "]
    ((_, metadata),) = screen.outputs.values()
    assert metadata == {"cc_jupyter": {"unfinished": True}}
    run.end()
    ((_, metadata),) = screen.outputs.values()
    assert metadata == {}


def test_a_page_has_time_to_draw_a_question_and_more_for_a_long_one():
    pauses = []
    view = PageTrace(LiveOutput(Screen(), now=Clock()), pause=pauses.append)
    run = asked_run("q", "q", view=view)
    run.answer(call(), CallPlace())
    run.answer(call("save", json.dumps({"path": "x" * 40_000})), CallPlace())
    short_s, long_s = pauses
    assert 0.3 < short_s < 0.4
    assert 1.0 < long_s < 1.5


def test_a_model_learns_that_the_user_changed_its_call():
    screen, view = page()
    record = asked_run("e", 'city="Milan"', "y", view=view).answer(call(), CallPlace())
    assert RAN == ["Milan"]
    assert record.result.text.startswith('[the user changed the call to lookup(city="Milan")]\n')
    assert record.source == 'lookup(city="Milan")'
    assert record.call.arguments_json == '{"city": "Rome"}'
    assert 'the model\'s: {"city": "Rome"}' in record.detail
    assert screen.outputs


def test_q_ends_the_run_and_a_stop_in_the_question_interrupts_it():
    _, view = page()
    run = asked_run("q", view=view)
    assert run.answer(call(), CallPlace()).state == "refused"
    assert run.has_ended
    run = asked_run(KeyboardInterrupt(), view=view)
    record = run.answer(call(), CallPlace())
    assert (record.state, record.result.text) == ("interrupted", "interrupted")
    assert not run.has_ended
    assert RAN == []


def test_a_terminal_gets_the_question_and_a_line_for_each_call():
    out = io.StringIO()
    view = TextTrace(lambda: out)
    run = asked_run("y", "n", "not now", view=view)
    run.answer(call(), CallPlace(1, 2, 1, 8))
    run.answer(call("save", '{"path": "a\\u001b[2J"}'), CallPlace(2, 2, 1, 8))
    run.end()
    text = out.getvalue()
    assert text.index("The model asks to run lookup") < text.index("1 ✓ lookup")
    assert "2 \N{EN DASH} save(" in text
    assert "the user refused this call: not now" in text
    assert "\x1b" not in text


def record(number=1, state="ok", text="result", source='f(a="x")', detail="", **more):
    given = ToolCall(f"c{number}", "f", "{}")
    return CallRecord(
        given, ToolResult(given.id, (text,)), state, "3 rows", source, 0.012, detail, **more
    )


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (record(), '1 ✓ f(a="x") → 3 rows · 12 ms'),
        (record(state="error"), '1 ✗ f(a="x") → 3 rows · 12 ms'),
        (record(state="refused"), '1 \N{EN DASH} f(a="x") → 3 rows'),
        (record(state="running"), '1 … f(a="x") → 3 rows · 12 ms'),
        (record(replayed=True), '1 ✓ f(a="x") → 3 rows · 12 ms · replayed'),
        (record(source='f(\n    a="x",\n    b=[\n        1,\n    ],\n)'), '1 ✓ f(a="x", b=[1]) → '),
        (record(source=f'f(a="{"x" * 200}")'), f'1 ✓ f(a="{"x" * 40}…) → 3 rows'),
        (record(source="f(a=user_4711secretkey0815)"), "1 ✓ f(a=[key]) → 3 rows"),
    ],
)
def test_a_call_is_one_line(given, line):
    assert trace_line(1, given).startswith(line)
    assert safe_line(trace_line(1, given)) == trace_line(1, given)


def test_details_are_folded_escaped_and_in_the_limit():
    attack = "<script>\x1b[2J</pre>$x$"
    records = [record(number, text=attack, detail=attack) for number in range(5)]
    html = trace_bundle(records)["text/html"]
    assert html.count("<details>") == 5
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "$" not in html
    long = [record(number, text="x" * 20_000) for number in range(200)]
    html = trace_bundle(long)["text/html"]
    assert len(html) < 400_000
    assert "of 20,000 characters; %cmd trace has the rest" in html


def test_many_calls_are_folded_under_a_line_that_counts_them():
    records = [record(number, "ok" if number % 2 else "error") for number in range(20)]
    bundle = trace_bundle(records)
    assert bundle["text/plain"].startswith("20 calls: 10 error, 10 ok · 240 ms\n1 ✗ f")
    assert bundle["text/html"].startswith("<details><summary")


def test_a_running_call_is_the_last_line():
    bundle = trace_bundle([record()], RunningCall("g(b=1)"))
    assert bundle["text/plain"].endswith("\n2 … g(b=1) · running")


def test_two_hundred_calls_draw_few_updates():
    screen, clock = Screen(), Clock()
    view = PageTrace(LiveOutput(screen, now=clock), pause=lambda _: None)
    run = tool_run(view, allowed=["lookup"])
    for number in range(200):
        clock.now_s += 0.01
        run.answer(call(number=number), CallPlace())
    run.end()
    assert len(screen.sent) < 15
    ((bundle, _),) = screen.outputs.values()
    sent = sum(len(text) for each in screen.sent for text in each.values())
    assert sent <= 4 * sum(map(len, bundle.values())) + 100_000
    assert bundle["text/plain"].count("✓ lookup") == 200


def test_rows_have_every_call_with_its_step():
    steps = [
        Step("m", ("text", record().call), (record(),)),
        Step("m", (record(2).call,), (record(2, "error", detail="Traceback"),)),
    ]
    rows = trace_rows(steps)
    assert [(row["call"], row["step"], row["state"]) for row in rows] == [
        (1, 1, "ok"),
        (2, 2, "error"),
    ]
    assert rows[1]["detail"] == "Traceback"
    assert rows[0]["seconds"] == 0.012


def test_a_blocked_function_is_said_on_the_page():
    screen, view = page()
    view.started("f()")
    view.blocked("stop received, but it cannot be interrupted; waits for its return")
    assert (
        "1 … f() · stop received, but it cannot be interrupted; waits for its return" in screen.html
    )


def test_prints_of_a_tool_stay_where_they_are(capsys):
    @tool(name="talks")
    def talks() -> int:
        print("hello")
        return 1

    run = ToolRun(
        Toolbox([tool_for(talks, "talks")]), Consent(["talks"]), Runner(ValueLimits()), NullTrace()
    )
    assert run.answer(call("talks", ""), CallPlace()).result.text == "1"
    assert capsys.readouterr().out == "hello\n"
