"""The output of a run: few updates, few bytes, one static output at the end."""

from __future__ import annotations

import io

import pytest
from support.screens import Clock, Screen

from cc_jupyter.session.live_output import MAX_UPDATES_PER_S, SPARE_BYTES, LineOutput, LiveOutput


def bundle(size):
    return {"text/plain": "x" * size}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def screen():
    return Screen()


@pytest.mark.parametrize("is_urgent", [True, False], ids=["first tokens", "more text"])
@pytest.mark.parametrize("tick_s", [0.005, 0.05, 0.1, 0.13])
def test_no_second_has_more_updates_than_allowed(tick_s, is_urgent, clock, screen):
    output = LiveOutput(screen, now=clock)
    output.expect(10**9)
    times = []
    for _ in range(int(10 / tick_s)):
        if output.is_due(urgent=is_urgent):
            output.show(bundle(10))
            times.append(clock.now_s)
        clock.now_s += tick_s
    output.finish(bundle(10), {})
    times.append(clock.now_s)
    assert len(times) > 25
    for start in times:
        assert sum(start <= each < start + 1 for each in times) <= MAX_UPDATES_PER_S


def test_the_first_tokens_of_a_column_do_not_wait_for_their_turn(clock, screen):
    output = LiveOutput(screen, now=clock)
    output.show(bundle(10))
    clock.now_s += 0.1
    assert not output.is_due()
    assert output.is_due(urgent=True)


@pytest.mark.parametrize("received_per_s", [0, 100, 20_000], ids=["nothing", "slow", "fast"])
@pytest.mark.parametrize("wanted", [500, 5_000, 50_000])
def test_all_bytes_stay_within_four_times_the_final_output_and_a_spare(
    wanted, received_per_s, clock, screen
):
    output, received = LiveOutput(screen, now=clock), 0
    for _ in range(1_200):
        received += received_per_s // 20
        output.expect(received)
        if output.is_due():
            output.show(bundle(min(wanted, max(200, output.room_bytes))))
        clock.now_s += 0.05
    output.finish(bundle(received), {})
    assert output.sent_bytes <= 4 * received + SPARE_BYTES + 2_000
    assert len(screen.sent) > 20


def test_updates_become_rarer_while_nothing_new_arrives(clock, screen):
    output, times = LiveOutput(screen, now=clock), []
    for _ in range(4_000):
        if output.is_due():
            output.show(bundle(2_000))
            times.append(clock.now_s)
        clock.now_s += 0.05
    assert times[1] - times[0] < 0.3
    assert times[-1] - times[-2] > 2


def test_the_end_replaces_the_updates_and_brings_the_metadata(clock, screen):
    output = LiveOutput(screen, now=clock)
    output.show(bundle(10))
    assert list(screen.outputs.values()) == [(bundle(10), {"cc_jupyter": {"unfinished": True}})]
    output.finish({"text/plain": "the end"}, {"cc_jupyter": 1})
    assert list(screen.outputs.values()) == [({"text/plain": "the end"}, {"cc_jupyter": 1})]


def test_a_run_that_ends_before_its_first_update_has_one_output(clock, screen):
    LiveOutput(screen, now=clock).finish({"text/plain": "the end"}, {})
    assert len(screen.sent) == len(screen.outputs) == 1


def test_the_end_is_kept_for_a_page_that_has_lost_it(clock, screen):
    kept = []
    output = LiveOutput(screen, now=clock, keep=lambda *final: kept.append(final))
    output.show(bundle(10))
    assert kept == []
    output.finish({"text/plain": "the end"}, {"cc_jupyter": 1})
    assert kept == [({"text/plain": "the end"}, {"cc_jupyter": 1})]


def test_a_front_end_without_updates_gets_lines_and_the_end_once():
    out = io.StringIO()
    output = LineOutput(out)
    assert not output.is_due(urgent=True)
    output.line("1 of 2 · m\n· done\x1b[2J")
    output.show({"text/plain": "never printed"})
    output.finish({"text/plain": "the end\x1b]52;c;eA==\x07", "text/html": "<b>"}, {})
    assert out.getvalue() == "1 of 2 · m · done␛[2J\nthe end␛]52;c;eA==␇\n"


def test_a_terminal_that_lacks_a_character_shows_the_others():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    LineOutput(out).finish({"text/plain": "≠ differs"}, {})
    assert out.buffer.getvalue() == b"? differs\n"
