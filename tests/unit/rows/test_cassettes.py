"""Rows with a cassette: what is sent, what is replayed for nothing, what a changed row says."""

from __future__ import annotations

import pytest
from support.rows import echo, prompt_of, raised, run, texts

from cc_jupyter.core.errors import RowsError
from cc_jupyter.rows.view import final_bundle, first_line
from cc_jupyter.session.tapes import chosen


@pytest.fixture
def use(session, provider, tmp_path, monkeypatch):
    """Return what chooses the mode of the cassette; the history is off."""
    provider.always(echo)
    monkeypatch.setenv("CMD_HISTORY", "off")

    def choose(mode):
        session.choices["cassette"] = chosen(mode, str(tmp_path / "rows.cassette.jsonl"), None)

    return choose


def shown(ended):
    return final_bundle(ended.run.progress, "r")["text/plain"]


def answers(ended):
    return [row["answer"] for row in ended.result]


def test_what_is_recorded_is_replayed_for_nothing_without_a_limit(session, provider, use):
    use("record")
    first = run(session, texts(4))
    run(session, texts(4))
    assert len(provider.posts) == 8, "record sends each time"
    use("replay")
    replayed_from = session.now()
    session.choices["refuse_above_usd"] = 0
    again = run(session, texts(4))
    assert answers(again) == answers(first) == [f"word {number}" for number in range(4)]
    assert len(provider.posts) == 8
    assert "4 replayed for $0 (was <$0.0001)" in shown(again)
    assert first_line(again.run.progress) == "4 rows · 4 from the cassette · 0 requests to send"
    assert again.reply.replayed
    assert again.run.progress.spent_usd == 0
    recorded_at = [row["answered_at"] for row in again.result.meta]
    assert max(recorded_at) < replayed_from


def test_a_changed_row_of_a_replay_fails_alone_and_names_the_nearest(session, provider, use):
    use("record")
    data = [{"text": each} for each in ("alpha", "beta", "gamma")]
    run(session, data)
    use("replay")
    data[2] = {"text": "gammas"}
    ended = run(session, data)
    assert answers(ended) == ["word alpha", "word beta", None]
    path = session.tape().cassette.shown
    assert ended.result.meta[2]["error"] == (
        f"CassetteError: {path} does not contain this request; the nearest one ('word gamma')"
        " differs in message 1 (user)"
    )
    assert "1 failed (not recorded 1)" in shown(ended)
    assert "2 replayed for $0" in shown(ended)
    advice = (
        "%cmd cassette auto sends and records what is missing; %cmd cassette diff shows what"
        " differs in the last of these"
    )
    assert shown(ended).endswith(advice)
    error = raised(session, data, on_error="raise")
    assert isinstance(error, RowsError)
    assert error.hint == advice
    assert len(provider.posts) == 3


def test_auto_sends_and_pays_for_what_is_missing_alone(session, provider, use):
    use("record")
    run(session, texts(3))
    use("auto")
    ended = run(session, texts(5), max_requests=2)
    assert answers(ended) == [f"word {number}" for number in range(5)]
    assert sorted(map(prompt_of, provider.posts[3:])) == ["word 3", "word 4"]
    assert "3 replayed for $0 (was <$0.0001) · <$0.0001" in shown(ended)
    assert 0 < ended.run.progress.spent_usd < 2 * ended.run.progress.replayed_usd
    run(session, texts(5), max_usd="0.0000000001")
    assert len(provider.posts) == 5


def test_a_preview_that_is_replayed_projects_the_bill_of_the_others(session, use):
    use("record")
    first = run(session, texts(20), preview=5)
    assert first.run.progress.projected_usd > 0
    assert [label for label, _ in first.run.progress.shown] == sorted(
        label for label, _ in first.run.progress.shown
    )
    use("auto")
    again = run(session, texts(20), preview=5)
    assert again.run.progress.spent_usd == 0
    assert again.run.progress.projected_usd == pytest.approx(
        first.run.progress.spent_usd * 3, rel=0.25
    )


def test_many_misses_are_compared_with_the_nearest_only_as_long_as_it_is_fast(
    session, use, monkeypatch
):
    use("record")
    run(session, texts(10))
    use("replay")
    monkeypatch.setattr("cc_jupyter.cassettes.tape._COMPARED", 25)
    errors = [row["error"] for row in run(session, texts(10), "other {{ text }}").result.meta]
    assert sum("the nearest one" in error for error in errors) == 3
    assert all("does not contain this request" in error for error in errors)
    monkeypatch.setattr("cc_jupyter.cassettes.tape._BURST_S", 0.0)
    ended = run(session, texts(1), "other {{ text }}")
    assert "the nearest one" in ended.result.meta[0]["error"]
