"""A grid while it runs: what it shows, how soon, how often and in how many bytes."""

from __future__ import annotations

import io
import json
import re
from html import unescape

import pytest
from support import grids
from support.grids import GRID_ID, MODELS, grid, plan, prose, reply
from support.markdown_judges import formulas
from support.screens import Clock, Screen

from cc_jupyter.core.errors import ModelError
from cc_jupyter.core.events import Notice, ReasoningDelta, TextDelta, Usage, Waiting
from cc_jupyter.experiments.grid_view import GridView
from cc_jupyter.session.live_output import SPARE_BYTES, LineOutput, LiveOutput

TICK_S = 0.05


class Stage:
    """A view with its screen and clock; time passes in ticks, as in a run."""

    def __init__(self, a_plan, **options):
        self.clock, self.screen = Clock(), Screen()
        self.output = LiveOutput(self.screen, now=self.clock)
        self.plan = a_plan
        self.view = GridView(a_plan, self.output, now=self.clock, **options)

    def tick(self, times=1):
        for _ in range(times):
            self.view.draw()
            self.clock.now_s += TICK_S

    def start(self, *indexes):
        for index in indexes or range(len(self.plan)):
            self.view.on_started(index)

    def write(self, index, *texts):
        for text in texts:
            self.view.on_event(index, TextDelta(text))

    def end(self, index, a_reply):
        made = grid(self.plan, [a_reply]).answers[index]
        self.view.on_finished(index, made)

    @property
    def text(self):
        """What a person reads now."""
        html = re.sub(r"<style>.*?</style>", "", self.screen.html, flags=re.DOTALL)
        html = html.replace("<span>&#36;</span>", "$")
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_up_to_six_combinations_are_columns_with_their_last_lines():
    stage = Stage(plan())
    stage.start()
    stage.write(1, "The first line\n", "and the last one")
    stage.tick(10)
    assert stage.screen.html.count("<strong>") == 3
    for model in MODELS:
        assert model in stage.text
    assert "sent" in stage.text
    assert "writing · ~7 tok The first line and the last one" in stage.text
    assert "0 of 3 done · 3 running" in stage.text


def test_more_than_six_are_rows():
    stage = Stage(plan(samples=2, model=tuple("abcdefg")))
    stage.start(0, 1, 2)
    stage.write(2, "hello")
    stage.tick(10)
    assert stage.screen.html.count("<tr>") == 7
    assert "b writing · 0 of 2 · ~1 tok hello" in stage.text
    assert "3 running · 11 waiting" in stage.text


def test_of_two_hundred_those_at_work_are_shown():
    stage = Stage(plan(model=tuple(f"m{n}" for n in range(200))))
    stage.start(150, 160)
    stage.tick(10)
    assert stage.screen.html.count("<tr>") == 30
    assert "m150 sent" in stage.text
    assert "and 170 more combinations" in stage.text


def test_the_line_counts_what_is_done_failed_running_and_waiting():
    stage = Stage(plan(samples=2))
    stage.start(0, 1, 2)
    stage.clock.now_s += 4
    stage.end(0, reply("yes"))
    stage.end(1, reply("", error=grids.too_many()))
    stage.tick(10)
    line = "1 of 6 done · 1 failed · 1 running · 3 waiting · $0.0012 · 4 s · about"
    assert line in stage.text
    # 1 s at least for the one at work, and three more one after the other at 4 s each
    assert "about 13 s left" in stage.text
    assert "2 of 2 · 1 failed" in stage.text
    stage.clock.now_s += 9  # what takes so long tells nothing about the rest
    stage.tick(10)
    assert "left" not in stage.text


def test_states_are_words():
    stage = Stage(plan())
    stage.start()
    stage.view.on_event(0, ReasoningDelta("hm"))
    stage.view.on_event(1, Notice("429, sent again in 2 s"))
    stage.view.on_event(2, Waiting("first text", 3.0))
    stage.write(2, "text")
    stage.view.on_event(2, Notice("a repair"))
    stage.write(2, " goes on")
    stage.tick(10)
    for state in ("thinking", "429, sent again in 2 s", "writing"):
        assert state in stage.text
    stage.end(0, reply("done"))
    stage.end(1, reply("", error=KeyboardInterrupt()))
    stage.tick(10)
    assert "✓ done" in stage.text
    assert "✗ interrupted" in stage.text


def test_a_combination_that_cannot_be_sent_says_why_from_the_start():
    stage = Stage(plan(error=ModelError("m takes no images")))
    stage.tick()
    assert "✗ m takes no images" in stage.text
    assert "0 of 3 done · 1 failed · 2 waiting" in stage.text


def test_what_was_answered_before_a_retry_counts_as_done():
    a_plan = plan()
    before = grid(a_plan, ["a", "b", reply("", error=grids.too_many())])
    stage = Stage(a_plan, before=before)
    stage.start(2)
    stage.tick()
    assert "2 of 3 done · 1 running" in stage.text


def test_a_blind_grid_shows_only_how_many_are_done():
    stage = Stage(plan(), is_blind=True)
    stage.start()
    stage.write(0, "I am claude")
    stage.clock.now_s += 2
    stage.end(1, reply("done"))
    stage.tick(10)
    assert re.fullmatch(r"1 of 3 done · 2 running · \d s · about \d s left", stage.text)


def test_a_blind_grid_is_drawn_again_in_the_same_output_when_it_is_revealed():
    stage = Stage(plan(), is_blind=True)
    stage.start()
    stage.tick()
    made = grid(stage.plan, ["a", "b", "c"], is_blind=True)
    stage.view.finish(made)
    assert not any(model in stage.text for model in MODELS)
    made.revealed.reveal()
    assert all(model in stage.text for model in MODELS)
    assert len(stage.screen.outputs) == 1


def test_foreign_text_is_escaped_while_it_arrives():
    image = "<img src=x onerror=alert(1)>"
    stage = Stage(plan(model=(image, "m")))
    stage.start()
    stage.write(0, image, " costs $5 or $6")
    stage.view.on_event(1, Notice(image))
    stage.tick(10)
    assert "<img" not in stage.screen.html
    assert formulas(stage.screen.html) == []


def test_a_column_is_visible_soon_after_its_first_token():
    stage = Stage(plan(samples=3, model=MODELS, temperature=(0.0, 1.0)))
    stage.start()
    arrived, seen = {}, {}
    for step in range(200):
        if step % 3 == 0 and step // 3 < 18:
            arrived[step // 3] = stage.clock.now_s
        for index in arrived:
            stage.write(index, f"w{index}w ")
        stage.tick()
        for index in range(0, 18, 3):
            if index in arrived and f"w{index}w" in stage.text:
                seen.setdefault(index, stage.clock.now_s - TICK_S)
    assert len(seen) == 6
    assert max(seen[index] - arrived[index] for index in seen) <= 0.15


def run(a_plan, tokens, *, tokens_per_s=50):
    """Run all cells of a plan at once; return the stage and the size of the final output."""
    stage = Stage(a_plan)
    stage.start()
    words = prose(tokens).split(" ")
    per_tick = tokens_per_s * TICK_S
    sent = 0.0
    while sent < len(words):
        piece = " ".join(words[int(sent) : int(sent + per_tick)]) + " "
        for index in range(len(a_plan)):
            stage.write(index, piece)
        sent += per_tick
        stage.tick()
    stage.view.finish(grid(a_plan, [reply(prose(tokens))]))
    return stage, len(json.dumps(stage.screen.sent[-1], ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("samples", "models", "tokens"),
    [(6, 3, 500), (1, 18, 500), (3, 6, 2_000), (1, 2, 20), (1, 200, 100), (1, 300, 1_000)],
)
def test_updates_and_bytes_stay_within_their_limits(samples, models, tokens):
    stage, final = run(plan(samples=samples, model=tuple(f"m{n}" for n in range(models))), tokens)
    total = sum(len(json.dumps(each, ensure_ascii=False).encode()) for each in stage.screen.sent)
    duration_s = stage.clock.now_s - 100
    assert total <= 4 * final + SPARE_BYTES
    assert len(stage.screen.sent) <= 10 * duration_s + 2
    assert len(stage.screen.sent) >= min(duration_s, 10)


def test_a_provider_that_hangs_does_not_use_up_the_bytes():
    stage = Stage(plan(samples=3, model=tuple("abcdef")))
    stage.start()
    stage.tick(int(600 / TICK_S))
    assert stage.output.sent_bytes <= SPARE_BYTES
    assert re.search(r"[89] min|10 min", stage.text)  # still counts


def test_nothing_is_drawn_when_nothing_has_changed():
    stage = Stage(plan())
    stage.start()
    stage.tick(10)
    before = len(stage.screen.sent)
    stage.tick(5)
    assert len(stage.screen.sent) == before


def test_the_end_replaces_the_live_output_and_names_the_turns():
    stage = Stage(plan())
    stage.start()
    stage.tick(3)
    stage.view.finish(grid(stage.plan, ["a", "b", "c"]))
    ((bundle, metadata),) = stage.screen.outputs.values()
    assert bundle["text/plain"].startswith("Grid: 3 combinations · 3 answers")
    assert metadata["cc_jupyter"]["grid"] == GRID_ID


def test_a_front_end_without_updates_gets_a_line_for_each_answer():
    out = io.StringIO()
    a_plan = plan(samples=2)
    view = GridView(a_plan, LineOutput(out))
    made = grid(a_plan, ["yes", reply("", error=grids.too_many())])
    for index, answer in enumerate(made.answers[:2]):
        view.on_started(index)
        view.on_event(index, TextDelta("yes"))
        view.draw()
        view.on_finished(index, answer)
    view.finish(made)
    lines = out.getvalue().splitlines()
    assert lines[0] == "1 of 6 · claude-haiku-5-5 · sample 1 · done · $0.0012 · 2.0 s"
    assert lines[1].startswith("2 of 6 · claude-haiku-5-5 · sample 2 · failed · $0")
    assert lines[2].startswith("Grid: 3 combinations x 2 samples")


def test_tokens_that_are_reported_replace_the_estimate():
    stage = Stage(plan())
    stage.start()
    stage.view.on_event(0, Usage(120, 1))
    stage.write(0, "x" * 400)
    stage.tick(10)
    assert "writing · ~100 tok" in stage.text
    stage.end(0, reply("x" * 400))
    stage.tick(10)
    assert "✓ done · 40 tok · $" in stage.text
