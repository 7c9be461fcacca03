"""What lists show of a turn: kept once it is finished, read anew until then."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cc_jupyter.conversation.records import TurnRecord
from cc_jupyter.conversation.turns import Turn
from cc_jupyter.core.money import Cost
from cc_jupyter.frontend.conversations import TurnSummaryCache
from cc_jupyter.session.session import Session

TURN = Turn("hello", "")


def record(usd: str, *, finished: bool) -> TurnRecord:
    return TurnRecord(
        id=TURN.id,
        prompt="hello",
        model="deepseek/deepseek-v4-flash",
        endpoint="/chat/completions",
        sent_at=datetime(2026, 11, 30, tzinfo=UTC),
        cost=Cost(Decimal(usd), "reported", None),
        finished=finished,
    )


@pytest.fixture
def session():
    opened = Session()
    yield opened
    opened.history.close()


def test_the_cost_of_a_turn_with_steps_is_that_of_all_once_it_is_finished(session):
    cache = TurnSummaryCache()
    session.history.save(record("0.25", finished=False), None, on_disk=True)
    assert cache.of(TURN, session.history).cost == "$0.2500"
    session.history.save(record("0.75", finished=True), None, on_disk=True)
    assert cache.of(TURN, session.history).cost == "$0.7500"


def test_a_finished_turn_is_read_once(session, monkeypatch):
    cache = TurnSummaryCache()
    session.history.save(record("0.25", finished=True), None, on_disk=True)
    first = cache.of(TURN, session.history)
    monkeypatch.setattr(type(session.history), "record", lambda *_: pytest.fail("read again"))
    assert cache.of(TURN, session.history) == first
