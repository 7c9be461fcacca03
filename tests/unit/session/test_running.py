"""Which listeners are notified of requests in flight, when, and at what cost."""

from __future__ import annotations

import threading

import pytest

from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.core.events import ReasoningDelta, TextDelta
from cc_jupyter.session import in_flight as running
from cc_jupyter.session.in_flight import NOTIFY_INTERVAL_S, InFlightRequests


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(running, "monotonic", made)
    return made


@pytest.fixture
def in_flight():
    return InFlightRequests()


def under_way(in_flight, cell_id="c1"):
    return in_flight.during(
        ReplyBuilder(), lambda: None, cell_id=cell_id, thread="default", model="m"
    )


def listener_of(in_flight):
    """Return what a listener has heard: each time the cells that wait."""
    heard = []
    in_flight.listen(lambda _: heard.append([each.cell_id for each in in_flight.now]))
    return heard


def test_listeners_are_notified_of_start_and_end_immediately(in_flight, clock):
    heard = listener_of(in_flight)
    for _ in range(2):
        with under_way(in_flight):
            pass
    assert heard == [["c1"], [], ["c1"], []]


def test_listeners_are_notified_of_events_at_most_twice_a_second(in_flight, clock):
    heard = listener_of(in_flight)
    with under_way(in_flight):
        for _ in range(1000):
            clock.now_s += NOTIFY_INTERVAL_S / 100
            in_flight.beat()
    assert NOTIFY_INTERVAL_S == 0.5
    assert 1 + 9 <= len(heard) - 1 <= 1 + 10


def test_many_requests_at_once_notify_no_more_often(in_flight, clock):
    heard = listener_of(in_flight)
    with under_way(in_flight, "first"):
        for number in range(50):
            with under_way(in_flight, str(number)):
                in_flight.beat()
    assert heard[0] == ["first"]
    assert heard[-1] == []
    with under_way(in_flight, "a"), under_way(in_flight, "b"):
        before = len(heard)
        with under_way(in_flight, "c"), under_way(in_flight, "d"):
            in_flight.beat()
        assert len(heard) == before


def test_without_a_listener_not_even_the_clock_is_looked_at(in_flight, monkeypatch):
    with under_way(in_flight):
        monkeypatch.setattr(running, "monotonic", None)
        for _ in range(10):
            in_flight.beat()


def test_who_has_left_hears_nothing(in_flight, clock):
    heard = []

    class Ear:
        def hear(self, _changed) -> None:
            heard.append(1)

    ear = Ear()
    in_flight.listen(ear.hear)
    in_flight.leave(ear.hear)
    with under_way(in_flight):
        pass
    assert heard == []


def test_a_choice_outside_the_cells_notifies_immediately(in_flight, clock):
    heard = []
    in_flight.listen(heard.append)
    in_flight.changed()
    with under_way(in_flight):
        in_flight.changed()
    assert heard == [True, False, True, False]


def test_a_failing_listener_is_dropped_and_harms_no_other(in_flight, clock):
    called = []

    def broken(_changed) -> None:
        called.append(1)
        raise RuntimeError("its comm is closed")

    in_flight.listen(broken)
    heard = listener_of(in_flight)
    with under_way(in_flight):
        pass
    assert heard == [["c1"], []]
    assert called == [1]


def test_a_slow_listener_does_not_delay_a_stop(in_flight, clock):
    stopped = []

    def slow(_changed) -> None:
        thread = threading.Thread(target=lambda: stopped.append(in_flight.stop("c1")), daemon=True)
        thread.start()
        thread.join(10)

    in_flight.listen(slow)
    with under_way(in_flight):
        assert stopped == [True]


def test_the_size_of_what_came_is_counted_on_and_leaves_out_how_it_began():
    builder = ReplyBuilder(beginning="what was there")
    assert builder.received_bytes == 0
    said = [ReasoningDelta("hm"), TextDelta("é"), TextDelta("\ud800"), ReasoningDelta("so")]
    sizes = []
    for event in said:
        builder.add(event)
        sizes.append(builder.received_bytes)
    assert sizes == [2, 4, 5, 7]
    assert builder.received_bytes == 7
