"""What was spent, what may be spent, and what exactly went out."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from kernel.test_conversations import say
from kernel.test_moving_about import rows
from support.kernel_notebook import CLAUDE, MODEL
from support.provider import KEY, Tokens, answer, anthropic_stream, error, openai_stream

pytestmark = pytest.mark.kernel

LARGE = Tokens(1_000_000, 10_000)
"""So large that every model's price is seen."""


def ask(notebook, usage=LARGE, line="", cell_id=None):
    notebook.provider.play(answer("said", usage=usage))
    return notebook.check(f"%%cmd {line}\nhello", cell_id)


def test_usage_adds_up_the_session_by_model(notebook):
    ask(notebook)
    ask(notebook, line="--once")
    ask(notebook, line=f"-m {CLAUDE} --once")
    notebook.provider.play(error(401))
    notebook.fail("%%cmd\nrefused", "AuthError")
    text = notebook.check("%cmd usage").texts[-1]
    assert "this session" in text
    shown = {row["model"]: row for row in map(dict, rows_of(notebook, "%cmd usage"))}
    assert shown[MODEL]["requests"] == 3
    assert shown[MODEL]["failed"] == 1
    assert shown[CLAUDE]["input_tokens"] == 1_000_000


def rows_of(notebook, line):
    """Return an assigned table as rows."""
    notebook.check(f"shown = {line}")
    assert notebook.value("type(shown).__name__") == "DataFrame"
    return json.loads(notebook.kernel.value("shown.to_json(orient='records', default_handler=str)"))


def test_reported_estimated_and_unknown_are_kept_apart(notebook):
    ask(notebook)
    ask(notebook, line="--zdr --once")
    ask(notebook, usage=None, line="--once")
    text = notebook.check("%cmd usage").texts[-1]
    assert "1 request of unknown cost" in text
    assert " + ~$" in text
    assert "+ ?" in text


def test_interrupted_requests_are_in_the_ledger(notebook):
    notebook.provider.play(openai_stream(["half"])[:-3])
    notebook.fail("%%cmd\nbroken", "StreamError")
    shown = rows_of(notebook, "%cmd usage --by thread")
    assert [(row["thread"], row["requests"], row["failed"]) for row in shown] == [("default", 1, 1)]


def test_usage_looks_further_back_than_a_restart(notebook):
    ask(notebook)
    notebook.restart()
    assert rows_of(notebook, "%cmd usage") == []
    (row,) = rows_of(notebook, "%cmd usage --since all")
    assert row["requests"] == 1
    (row,) = rows_of(notebook, "%cmd usage --by day")
    assert len(row["day"]) == len("2026-01-01")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("usage --by modle", "did you mean model"),
        ("usage --since yesterday", "session, day"),
        ("usage now", "--notebook"),
        ("budget much", "an amount in US dollars"),
        ("budget 1 --per week", "session, day or notebook"),
        ("sent 7", "there is no turn"),
        ("sent --as pdf", "json, curl"),
    ],
)
def test_a_wrong_word_is_told_with_what_there_is(notebook, line, said):
    ask(notebook)
    assert said in notebook.fail(f"%cmd {line}", "OptionError").error


def test_a_plot_of_the_usage_is_a_picture(notebook):
    ask(notebook)
    (shown,) = notebook.check("%cmd usage --plot").outputs
    assert shown.data["image/png"]
    assert "usage of 1 model on 1 day (this session)" in shown.text


def test_a_receipt_is_a_paragraph_for_a_paper(notebook):
    ask(notebook)
    ask(notebook, usage=None)
    text = notebook.check("%cmd receipt").texts[-1]
    for word in (MODEL, "2 requests in 1 conversation", "at the prices of 20", "of unknown cost"):
        assert word in text


# ── budgets


def test_a_budget_holds(notebook):
    """House rule 5: what would pass it is not sent."""
    ask(notebook)
    notebook.forget()
    assert "$0.0001" in notebook.check("%cmd budget 0.0001").texts[-1]
    run = notebook.fail("%%cmd\nhello", "BudgetError")
    assert "would exceed the budget" in run.error
    assert "nothing was sent" in run.error
    assert notebook.posts == []
    notebook.check("%cmd budget off")
    ask(notebook)


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_a_budget_holds_while_an_answer_streams(notebook, model):
    notebook.check("%cmd budget 0.02")
    stream = anthropic_stream if model == CLAUDE else openai_stream
    notebook.provider.play(stream(["word " * 2_000] * 100, pause_s=0.02))
    run = notebook.fail(f"%%cmd -m {model}\nhello", "StreamError", "a")
    assert "exceeds the budget" in run.error
    assert notebook.value("_cmd.text[:10]") == "word word "
    assert notebook.value("len(_cmd.text)") < 100 * 10_000


def test_a_budget_says_from_80_percent_on_how_much_is_used(notebook):
    ask(notebook)
    spent = float(notebook.kernel.value("float(_cmd.cost_usd)"))
    notebook.check(f"%cmd budget {2.2 * spent:.4f}")
    assert "% of the budget" in ask(notebook).texts[-1]


def test_a_budget_of_a_day_holds_over_a_restart(notebook):
    ask(notebook)
    notebook.check("%cmd budget 0.0001 --per day")
    notebook.restart()
    assert "$0.0001" in notebook.check("%cmd budget").texts[-1]
    notebook.fail("%%cmd\nhello", "BudgetError")
    notebook.check("%cmd budget off")
    notebook.restart()
    ask(notebook)


def test_a_budget_cannot_hold_for_a_model_without_a_price(notebook):
    notebook.check("%cmd budget 1")
    run = notebook.fail("%%cmd -m test/burst-5\nhello", "OptionError")
    assert "price of this model is unknown" in run.error


# ── the window


def test_a_prompt_longer_than_the_window_is_not_sent(notebook):
    notebook.check("text = 'word ' * 1_000_000")
    run = notebook.fail("get_ipython().run_cell_magic('cmd', '', text)", "OptionError")
    assert "tokens too long" in run.error
    assert notebook.posts == []


# ── trust


def test_sent_is_what_went_out_to_the_letter(notebook):
    say(notebook, "one {x} $y", "1", "a")
    say(notebook, "two", "2", "b")
    last, first = notebook.posts[-1].body, notebook.posts[-2].body
    notebook.check("shown = %cmd sent")
    assert json.loads(notebook.kernel.value("str(shown)")) == json.loads(last)
    notebook.check("shown = %cmd sent 1")
    assert json.loads(notebook.kernel.value("str(shown)")) == json.loads(first)


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
@pytest.mark.parametrize("form", ["curl", "python"])
def test_sent_as_a_script_sends_the_same_again(notebook, tmp_path, model, form):
    said = "one 'quoted' \"twice\" $HOME `x` \\ {y} \U0001f600\nEND_OF_BODY\n"
    notebook.provider.play(answer("1"))
    notebook.check(f"%%cmd -m {model} --max-tokens 20 -t 0.5 --param seed=7\n{said}.")
    expected = notebook.body
    notebook.check(f"shown = %cmd sent --as {form}")
    script = tmp_path / "script"
    script.write_text(notebook.kernel.value("str(shown)"), encoding="utf-8")
    assert KEY not in script.read_text(encoding="utf-8")
    program = "bash" if form == "curl" else sys.executable
    done = subprocess.run(
        [program, str(script)],
        env={"CMD_API_KEY": KEY, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(notebook.posts) == 2
    assert notebook.body == expected


def test_sent_is_there_after_a_restart_and_by_its_id(notebook):
    say(notebook, "one", "1", "a")
    body = notebook.body
    found = rows(notebook, "search one")[0]["id"]
    notebook.restart()
    notebook.check(f"shown = %cmd sent {found}")
    assert json.loads(notebook.kernel.value("str(shown)")) == body


def test_the_key_is_in_no_history_and_in_nothing_that_was_sent(notebook):
    say(notebook, f"my key is {KEY}", f"your key is {KEY}", "a")
    notebook.check("shown = %cmd sent --as curl")
    assert KEY not in notebook.kernel.value("str(shown)")
    for path in (notebook.folder / "cc_jupyter").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
