"""Votes on grids: what is stored is found again, taken back, and forgotten with its answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.store.samples import NOON, conversation, turn

from cc_jupyter.conversation.records import Ballot, BallotAnswer, prompt_digest, text_digest
from cc_jupyter.conversation.store import Store
from cc_jupyter.core.errors import StoreError
from cc_jupyter.core.text import new_id

FIRST, SECOND = "1" * 32, "2" * 32


def answer(grid: str = FIRST, label: str = "m · t 0", **fields: object) -> BallotAnswer:
    options = {"model": "m", "temperature": 0.0, "topic": "réseau"}
    common = {"options": options, "turn_id": new_id(), "answer_sha256": text_digest(label)}
    return BallotAnswer(grid, label, **(common | fields))


def ballot(*answers: BallotAnswer, choice: object = 0, **fields: object) -> Ballot:
    common = {
        "id": new_id(),
        "voted_at": NOON,
        "prompt_id": prompt_digest("Why?", None),
        "seed": 2**63 - 1,
    }
    return Ballot(
        answers=answers or (answer(), answer(label="n")), choice=choice, **common | fields
    )


@pytest.mark.parametrize("choice", [0, 1, 5, "tie", "all bad", "skip"])
def test_a_vote_is_found_again_as_it_was(store, choice):
    given = ballot(choice=choice, note="kürzer", mode="open", counts=False, swapped_of="3" * 32)
    store.add_ballot(given)
    reopened = Store(store.path)
    assert reopened.ballots() == [given]
    assert type(reopened.ballots()[0].choice) is type(choice)
    reopened.close()


def test_votes_are_listed_by_grid_in_the_order_of_voting(store):
    first, second = ballot(), ballot(answer(SECOND))
    both = ballot(answer(FIRST), answer(SECOND), voted_at=NOON - timedelta(days=1))
    for each in (first, second, both):
        store.add_ballot(each)
    assert store.ballots(FIRST) == [first, both]
    assert store.ballots(SECOND) == [second, both]
    assert store.ballots("9" * 32) == []
    assert store.ballots() == [first, second, both]
    assert both.grids == (FIRST, SECOND)


def test_the_last_vote_on_a_grid_is_taken_back(store):
    first, last, other = ballot(), ballot(), ballot(answer(SECOND))
    for each in (first, last, other):
        store.add_ballot(each)
    assert store.undo_ballot(FIRST) == last
    assert store.ballots() == [first, other]
    assert store.undo_ballot(FIRST) == first
    assert store.undo_ballot(FIRST) is None
    assert store.ballots() == [other]


def test_a_vote_is_stored_once(store):
    given = ballot()
    store.add_ballot(given)
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_ballot(given)
    assert store.ballots() == [given]


def test_no_key_is_stored_with_a_vote(store):
    key = "sk-abcdefgh12345678"
    store.add_ballot(ballot(answer(label=key, options={"system": f"use {key}"}), note=key))
    (found,) = store.ballots()
    assert (found.note, found.answers[0].label) == ("[key]", "[key]")
    assert found.answers[0].options == {"system": "use [key]"}
    assert all(key.encode() not in part.read_bytes() for part in store.path.parent.iterdir())


def test_half_a_character_costs_no_vote(store):
    store.add_ballot(ballot(answer(label="a\ud800", options={"x": "\ud800"}), note="b\udfff"))
    (found,) = store.ballots()
    assert (found.note, found.answers[0].label) == ("b?", "a?")
    assert found.answers[0].options == {"x": "\ud800"}


@pytest.mark.parametrize("forget", ["turn", "conversation", "everything"])
def test_a_vote_is_forgotten_with_its_answers(store, forget):
    forgotten = turn(conversation_id="c" * 32)
    store.save(forgotten, None, None)
    store.save_conversation(conversation((forgotten,)))
    gone = ballot(answer(turn_id=forgotten.id), answer(), note="zanzibar-4711")
    other = ballot()
    for each in (gone, other):
        store.add_ballot(each)
    match forget:
        case "turn":
            store.forget_turn(forgotten.id)
        case "conversation":
            store.forget_conversation("c" * 32)
        case "everything":
            store.forget_everything()
    assert store.ballots() == ([] if forget == "everything" else [other])
    assert all(b"zanzibar" not in part.read_bytes() for part in store.path.parent.iterdir())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("Why?", None), ("Why?", None), True),
        (("Why?", None), ("Why?", ""), False),
        (("Why?", "short"), ("Why?short", None), False),
        (("\ud800", None), ("\ud801", None), False),
    ],
)
def test_prompts_can_be_compared_without_being_stored(first, second, same):
    assert (prompt_digest(*first) == prompt_digest(*second)) is same
