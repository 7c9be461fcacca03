"""How long a model's answers took, according to the history."""

from __future__ import annotations

from datetime import timedelta

from support.store.samples import NOON, turn

from cc_jupyter.conversation.speeds import speeds, timings_of
from cc_jupyter.core.events import Usage


def timed(model: str, first_s: float, minute: int = 0, **fields):
    fields = {"usage": Usage(100, 50), "duration_s": first_s + 0.5, **fields}
    return turn(
        model=model,
        time_to_first_token_s=first_s,
        sent_at=NOON + timedelta(minutes=minute),
        **fields,
    )


def test_each_model_has_its_own_last_answers(store):
    turns = [timed("a", 1.0 if minute < 5 else 2.0, minute) for minute in range(30)]
    turns += [timed("b", 3.0, -60)]
    for each in turns:
        store.save(each, None, None)
    found = speeds(store.timings())
    assert {name: (each.answers, each.first_token_s) for name, each in found.items()} == {
        "a": (20, 2.0),
        "b": (1, 3.0),
    }
    assert found["b"].tokens_per_s == 100.0


def test_what_broke_or_never_began_is_not_counted(store):
    store.save(timed("a", 1.0, error="StreamError: broken"), None, None)
    store.save(timed("a", 2.0, finished=False), None, None)
    store.save(turn(model="a"), None, None)
    assert store.timings() == []


def test_memory_and_disk_say_the_same(store):
    turns = [timed("a", 1.0, 0), timed("b", 2.0, 1), timed("a", 3.0, 2, error="x"), turn()]
    for each in turns:
        store.save(each, None, None)
    assert store.timings() == timings_of(turns)
