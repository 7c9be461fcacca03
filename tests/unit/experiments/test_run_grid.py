"""A grid that is run against a real server: interrupts lose nothing, and failures are explained."""

from __future__ import annotations

import signal
import types

import pytest
from support import provider as scripted
from support.plain_server import MODEL, reader_threads, wait_until

from cc_jupyter.core.messages import TurnKey
from cc_jupyter.experiments.grid_page import grid_bundle
from cc_jupyter.experiments.plan import make_plan
from cc_jupyter.experiments.run_grid import NullGridView, failure, run_grid
from cc_jupyter.prompt.builder import PromptBuilder
from cc_jupyter.prompt.options import parse_cell_line
from cc_jupyter.session.run_limits import RunLimits
from cc_jupyter.session.session import Session


@pytest.fixture
def session(provider, monkeypatch):
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    opened = Session()
    opened.choices["max_retries"] = 0
    yield opened
    opened.transport.close()
    opened.history.close()
    wait_until(lambda: not reader_threads())


class Interrupting(NullGridView):
    """Interrupts at a call of the view, as impatient users do, and notes what it is shown."""

    def __init__(self, **times):
        self.times, self.shown = times, []

    def draw(self):
        self._interrupt("draw")

    def finish(self, grid):
        self._interrupt("finish")
        self.shown.append(grid)

    def _interrupt(self, call):
        for _ in range(self.times.pop(call, 0)):
            signal.raise_signal(signal.SIGINT)


def run(session, line, view=None, text="hello", **names):
    options = parse_cell_line(f"-m {MODEL} {line}")
    shell = types.SimpleNamespace(user_ns=names, history_manager=None)
    key = TurnKey("n", "a", 0)
    cell = types.SimpleNamespace(notebook="n", token=object(), turn_key=lambda: key)
    settings = session.settings()
    plan = make_plan(
        options,
        text,
        builder=PromptBuilder(shell, {}, settings.value_limits),
        cell=cell,
        preparer=session.preparer,
        settings=settings,
    )
    limits = RunLimits(options.max_usd, options.max_requests)
    return run_grid(session, plan, view or NullGridView(), limits)


@pytest.mark.parametrize("interrupts", [1, 2, 3])
def test_an_interrupt_of_the_final_drawing_loses_no_answer(session, provider, interrupts):
    provider.always(scripted.answer("whole"))
    view = Interrupting(finish=interrupts)
    made = run(session, "-n 3", view)
    assert made.is_interrupted
    assert view.shown == ([made.grid] if interrupts < 3 else []), "the third ends the drawing"
    assert [reply.text for reply in made.grid] == ["whole"] * 3
    assert failure(made, "g") is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_third_interrupt_waits_no_longer_and_keeps_the_answers(session, provider):
    provider.always((*scripted.openai_stream(["part"])[:3], scripted.hang()))
    view = Interrupting(draw=3)
    made = run(session, "-n 2", view)
    assert made.is_interrupted
    assert view.shown == [made.grid]
    assert all(isinstance(reply.error, KeyboardInterrupt) for reply in made.grid)
    assert made.failed == (0, 1), "they can be sent again"


@pytest.mark.parametrize(
    ("line", "answer", "words"),
    [
        ("-n 2", scripted.error(429, "slow down"), ["2 of 2 requests failed (429 twice)", "retry"]),
        ("-n 2 --max-usd 0", None, ["(over budget twice)", "raise it: --max-usd 0.01"]),
        ("-n 2 -> g: int", scripted.answer("three"), ["(wrong type twice)", "%cmd retry"]),
        ("-n 1", scripted.openai_stream(["part"])[:2], ["(broken answer once)", "%cmd retry"]),
    ],
)
def test_an_error_says_in_words_why_and_what_to_do(session, provider, line, answer, words):
    if answer is not None:
        provider.always(answer)
    made = run(session, line)
    error = failure(made, "g")
    assert all(each in f"{error}; {error.hint}" for each in words)
    assert "_cmd.text" not in grid_bundle(made.grid)["text/plain"], "which is another answer"


def test_a_key_in_a_prompt_is_not_shown(session, provider):
    provider.always(scripted.answer("ok"))
    made = run(session, "--vary x=values", text="say {{ x }}", values=[scripted.KEY, "b"])
    assert any(scripted.KEY.encode() in record.body for record in provider.posts)
    for shown in grid_bundle(made.grid).values():
        assert "say [key]" in shown
        assert scripted.KEY not in shown
