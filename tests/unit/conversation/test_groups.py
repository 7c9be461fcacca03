"""The answers of a grid: one turn, one group of versions, one of them active."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.store.samples import NOON, turn

from cc_jupyter.conversation.records import (
    conversation_record,
    thread_from_record,
    turn_from_record,
)
from cc_jupyter.conversation.thread import Thread
from cc_jupyter.conversation.turns import Turn
from cc_jupyter.core.messages import Parameters, TurnKey

FIRST, SECOND = "1" * 32, "2" * 32


def slot_of(thread: Thread, cell: str = "a") -> int:
    return thread.open_slot(TurnKey("n", cell, 0))


def answer(text: str, group: str | None = FIRST, **fields: object) -> Turn:
    return Turn("Why?", text, group=group, id=text or "empty", **fields)


def broken(text: str, group: str | None = FIRST) -> Turn:
    return answer(text, group, failed=True)


def answers(thread: Thread) -> list[str]:
    return [each.answer for each in thread.slots[0].versions]


def active(thread: Thread) -> str | None:
    found = thread.slots[0].turn
    return None if found is None else found.answer


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([answer("b"), answer("a")], "b"),
        ([broken("half"), answer("a"), answer("b")], "a"),
        ([answer(""), answer("a")], "a"),
        ([broken("half"), answer("")], None),
        ([answer("old", None), broken("half")], "old"),
        ([answer("old", None), answer("a"), answer("b")], "a"),
        ([answer("a"), answer("b"), answer("c", SECOND), answer("d", SECOND)], "c"),
        ([answer("a"), broken("half", SECOND)], "a"),
        ([answer("a"), broken("half", None)], "half"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_a_kernel_that_dies_in_the_middle_leaves_an_active_answer(turns, expected):
    thread = Thread("t")
    place = slot_of(thread)
    for each in turns:
        thread.record(place, each)
    assert active(thread) == expected
    assert len(thread.slots) == 1


@pytest.mark.parametrize(
    ("turns", "order", "versions", "expected"),
    [
        ([answer("b"), answer("a")], ["a", "b"], ["a", "b"], "a"),
        ([answer("b"), broken("a")], ["a", "b"], ["a", "b"], "b"),
        ([answer("b"), answer("")], ["empty", "b"], ["", "b"], "b"),
        ([broken("b"), broken("a")], ["a", "b"], ["a", "b"], None),
        ([answer("old", None), answer("b"), answer("a")], ["a", "b"], ["old", "a", "b"], "a"),
        ([answer("old", None), broken("b"), broken("a")], ["a", "b"], ["old", "a", "b"], "old"),
        # `a` failed and was sent again
        ([broken("a?"), answer("b"), answer("a")], ["a", "b"], ["a", "b", "a?"], "a"),
        (
            [answer("y", SECOND), answer("x", SECOND), answer("b"), answer("a")],
            ["a", "b"],
            ["y", "x", "a", "b"],
            "a",
        ),
        ([answer("a")], [], ["a"], "a"),
        ([answer("a")], ["gone"], ["a"], "a"),
    ],
)
def test_a_finished_grid_is_in_the_order_of_its_plan(turns, order, versions, expected):
    thread = Thread("t")
    place = slot_of(thread)
    for each in turns:
        thread.record(place, each)
    thread.arrange(place, order)
    assert answers(thread) == versions
    assert active(thread) == expected


def test_equal_answers_are_different_versions():
    """The samples of a grid are often equal."""
    thread = Thread("t")
    place = slot_of(thread)
    turns = [Turn("Why?", "Because.", group=FIRST) for _ in range(3)]
    for each in turns:
        thread.record(place, each)
    thread.choose(place, 1)
    thread.arrange(place, [turns[2].id, turns[0].id, turns[1].id])
    assert thread.slots[0].turn.id == turns[1].id
    assert thread.slots[0].active == 2
    thread.forget(turns[2].id)
    assert thread.slots[0].turn.id == turns[1].id


@pytest.mark.parametrize(
    ("failed", "expected"), [([], "a"), (["a"], "b"), (["a", "b"], "b"), (["b"], "a")]
)
def test_an_answer_that_does_not_fit_its_type_is_active_only_if_no_other_is_usable(
    failed, expected
):
    thread = Thread("t")
    place = slot_of(thread)
    # `a?` did not fit and was asked for again; it is not part of the plan
    for each in (answer("b"), answer("a?"), answer("a")):
        thread.record(place, each)
    thread.arrange(place, ["a", "b"], failed=failed)
    assert active(thread) == expected


def test_what_the_user_chose_while_a_grid_ran_stays_active():
    thread = Thread("t")
    place = slot_of(thread)
    thread.record(place, answer("old", None))
    thread.record(place, answer("c"))
    thread.record(place, answer("b"))
    thread.choose(place, 2)
    thread.record(place, answer("a"))
    thread.arrange(place, ["a", "b", "c"])
    assert answers(thread) == ["old", "a", "b", "c"]
    assert active(thread) == "b"
    thread.record(place, answer("again", SECOND))
    assert active(thread) == "again"


@pytest.mark.parametrize("earlier", ["chosen", "continued"])
def test_another_version_chosen_while_a_grid_ran_is_not_replaced(earlier):
    thread = Thread("t")
    place = slot_of(thread)
    thread.record(place, answer("old", None))
    thread.record(place, answer("b"))
    if earlier == "chosen":
        thread.choose(place, 0)
    else:
        thread.record(place, answer("old and more", None))
    kept = active(thread)
    thread.record(place, answer("a"))
    thread.arrange(place, ["a", "b"])
    assert active(thread) == kept != "a"


def test_later_cells_continue_from_the_active_answer_with_its_prompt_and_system_prompt():
    thread = Thread("t")
    place = slot_of(thread)
    one = Turn("the dog", "der Hund", "in German", group=FIRST)
    two = Turn("the cat", "le chat", "in French", group=FIRST)
    thread.record(place, two)
    thread.record(place, one)
    thread.arrange(place, [one.id, two.id])
    for version, each in enumerate((one, two)):
        thread.choose(place, version)
        context = thread.context(TurnKey("n", "b", 0))
        assert [message.text for message in context.messages] == [each.prompt, each.answer]
        assert context.system == each.system


def test_later_turns_become_stale_once_per_change_of_the_active_answer(monkeypatch):
    thread = Thread("t")
    place = slot_of(thread)
    thread.record(place, answer("old", None))
    thread.record(slot_of(thread, "b"), Turn("later", "x"))
    computed = []
    compute = thread._make_stale
    monkeypatch.setattr(
        thread, "_make_stale", lambda *given: computed.append(given) or compute(*given)
    )
    names = [f"{number}" for number in range(18)]
    assert thread.record(place, answer("7")) == [1]
    thread.slots[1].stale = False
    assert [thread.record(place, answer(name)) for name in names if name != "7"] == [[]] * 17
    assert not thread.slots[1].stale
    assert thread.arrange(place, names) == [1]
    assert thread.slots[1].stale
    assert len(computed) == 2
    assert thread.arrange(place, names) == []


def test_answers_that_finish_at_the_same_time_are_one_group():
    thread, names = Thread("t"), [f"{number:03}" for number in range(200)]
    place = slot_of(thread)
    shuffled = random.Random(5).sample(names, len(names))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: thread.record(place, answer(name)), shuffled))
    assert thread.slots[0].turn.group == FIRST
    thread.arrange(place, names)
    assert answers(thread) == names
    assert active(thread) == "000"


@pytest.mark.parametrize(
    ("forgotten", "expected"), [("a", "b"), ("b", "a"), ("half", "a"), ("none", "a")]
)
def test_forgetting_one_answer_of_a_grid(forgotten, expected):
    thread = Thread("t")
    place = slot_of(thread)
    for each in (answer("a"), answer("b"), broken("half")):
        thread.record(place, each)
    thread.forget(forgotten)
    assert active(thread) == expected
    assert forgotten not in answers(thread)


def test_a_group_is_the_same_after_it_was_stored():
    options = Parameters(temperature=0.0, stop=("END",), extra={"seed": 7})
    records = [
        turn("Why?", "a", grid=FIRST, options=options, model="x"),
        turn("Why?", "half", grid=FIRST, error="StreamError: cut", system="short"),
        turn("Why?", "cut", grid=FIRST, finished=False),
    ]
    thread = Thread("t")
    place = slot_of(thread)
    for each in records:
        thread.record(place, turn_from_record(each))
    loaded = thread_from_record(
        conversation_record(thread, "n", NOON), {each.id: each for each in records}
    )
    first, second, third = loaded.slots[0].versions
    assert (first.model, first.options, first.group, first.failed) == ("x", options, FIRST, False)
    assert (second.options, second.system, second.failed, third.failed) == (
        None,
        "short",
        True,
        True,
    )
    assert loaded.slots[0].versions == thread.slots[0].versions
    assert active(loaded) == "a"
    loaded.record(0, answer("again", SECOND))
    assert active(loaded) == "again"
