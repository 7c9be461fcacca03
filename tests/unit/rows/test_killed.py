"""A run over rows that is killed with -9, again and again: what was paid for is not paid again."""

from __future__ import annotations

from support import provider as scripted
from support.row_kernels import KilledRuns
from support.rows_runs import (
    FaultyProvider,
    highest_in_flight,
    most_over_limit,
    paid,
    prompt,
    right_answer,
)

_ROWS = 1_000
_CONCURRENCY = 16


def test_killed_twice_all_rows_are_right_and_only_those_in_flight_are_paid_again(
    provider, monkeypatch
):
    faults = FaultyProvider(0.01)
    provider.always(faults)
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", scripted.KEY)
    runs = KilledRuns(provider, _ROWS, _CONCURRENCY)
    runs.kill_at(300)
    runs.kill_at(650)
    answers = runs.finish(most_runs=6)  # cut answers are failures, which the next run sends again
    assert answers == [right_answer(prompt(number)) for number in range(_ROWS)]
    times_paid = paid(provider.posts)
    twice = {text for text, times in times_paid.items() if times > 1} - faults.cut
    assert len(twice) <= 2 * _CONCURRENCY, "those in flight at the two kills"
    assert max(times_paid.values()) <= 3
    assert highest_in_flight(provider.posts) <= _CONCURRENCY
    assert all(most_over_limit(requests, _CONCURRENCY) <= 0 for requests in runs.requests)
