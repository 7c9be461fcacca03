"""Removed turns leave no trace, whatever was run again, forked or in flight; the rest stays."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest
from support.store.samples import NOON, conversation, turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.core.messages import Image

SECRET = "zanzibar-4711"
HERE, FORK = "c" * 32, "d" * 32


def body(*said: str) -> bytes:
    return json.dumps({"messages": list(said)}, separators=(",", ":")).encode()


def nowhere(store, text=SECRET):
    return all(text.encode() not in path.read_bytes() for path in store.path.parent.iterdir())


@pytest.fixture
def index_is_whole(store):
    """Look at the index of words after the test."""
    yield
    with store._file.writing() as raw:
        raw.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


def rerun(store, length):
    """A cell ran, one after it, then it ran again with a secret, then a third cell."""
    secret = SECRET * length
    old = turn("old", conversation_id=HERE)
    second = turn("second", parent_id=old.id, conversation_id=HERE)
    new = turn(secret, conversation_id=HERE)
    third = turn(
        "third", parent_id=second.id, conversation_id=HERE, body=body(secret, "second", "third")
    )
    for each in (old, second, new, third):
        store.save(each, None, None)
    record = dataclasses.replace(conversation((old, new), (second,), (third,)), id=HERE)
    store.save_conversation(record)
    return new, third, record


@pytest.mark.parametrize("length", [1, 50], ids=["short", "long"])
def test_a_turn_run_again_and_forgotten_is_in_no_later_request(store, length):
    secret, third, record = rerun(store, length)
    assert not nowhere(store)
    assert store.forget_turn(secret.id) == 1
    assert nowhere(store)
    assert store.body(third.id) is None
    assert store.load_conversation(record.id).places[0].versions == record.places[0].versions[:1]


@pytest.mark.parametrize("rewound", [False, True])
def test_a_forgotten_turn_is_in_no_request_of_a_fork(store, rewound):
    secret, _, record = rerun(store, 50)
    places = record.places[1:] if rewound else record.places
    fork = dataclasses.replace(record, id=FORK, forked_from=HERE, places=places)
    store.save_conversation(fork)
    later = turn("later", conversation_id=FORK, body=body(SECRET * 50, "later"))
    store.save(later, None, None)
    store.forget_turn(secret.id)
    assert nowhere(store)
    assert store.turns([later.id]) == {later.id: dataclasses.replace(later, body=None)}


def test_a_fork_of_a_fork_whose_middle_is_gone_is_still_found(store):
    secret, *_ = rerun(store, 50)
    middle = turn("middle", conversation_id=FORK)
    store.save(middle, None, None)
    fork = dataclasses.replace(conversation((middle,)), id=FORK, forked_from=HERE)
    store.save_conversation(fork)
    last = turn("last", conversation_id="e" * 32, body=body(SECRET * 50, "last"))
    store.save(last, None, None)
    store.save_conversation(
        dataclasses.replace(conversation((last,), forked_from=FORK), id="e" * 32)
    )
    store.forget_conversation(FORK)
    store.forget_turn(secret.id)
    assert nowhere(store)


def test_requests_of_other_conversations_and_earlier_ones_stay(store):
    before = turn("before", conversation_id=HERE, body=body("before"))
    elsewhere = turn("elsewhere", conversation_id=FORK, body=body("x" * 300, "elsewhere"))
    store.save(before, None, None)
    secret, *_ = rerun(store, 50)
    store.save(elsewhere, None, None)
    store.forget_turn(secret.id)
    assert store.body(before.id) == before.body
    assert store.body(elsewhere.id) == elsewhere.body


def test_a_turn_that_streams_while_another_is_forgotten_is_found_once(store, index_is_whole):
    streaming = turn("question", "half", finished=False)
    other = turn("other")
    store.save(streaming, None, None)
    store.save(other, None, None)
    store.forget_turn(other.id)
    store.save(dataclasses.replace(streaming, answer="whole", finished=True), None, None)
    assert [found.snippet for found in store.search("whole")] == ["**whole**"]


def test_what_another_kernel_forgot_does_not_stop_this_one(tmp_path):
    """Each has the conversation in memory; what is said next is kept, what is forgotten is not."""
    here, there = Store(tmp_path / "history.db"), Store(tmp_path / "history.db")
    first, second = turn("first"), turn("second", position=0)
    here.save(first, None, None)
    record = conversation((first,))
    here.save_conversation(record)
    there.forget_everything()
    place = dataclasses.replace(record.places[0], versions=(first.id, second.id), active=1)
    here.save(second, record, place)
    (kept,) = there.load_conversation(record.id).places
    assert (kept.versions, kept.active) == ((second.id,), 0)
    there.forget_everything()
    here.save_place(record.id, 0, place)  # of a conversation that is gone
    here.save_conversation(dataclasses.replace(record, places=(place,)))
    (kept,) = there.load_conversation(record.id).places
    assert (kept.versions, kept.active) == ((), -1)
    here.close()
    there.close()


def test_forgetting_everything_removes_broken_files_that_were_put_aside_too(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "history.db"
    for number in range(2):
        path.write_bytes(f"{SECRET} {number} ".encode() * 500)
        Store(path).close()
    (folder / "history.db.broken-20260101-000000-wal").write_bytes(SECRET.encode())
    other = folder / "budgets.json"
    other.write_text("{}")
    store = Store(path)
    assert len(list(folder.glob("*.broken-*"))) == 3
    record = turn(SECRET)
    store.save(record, None, None)
    store.forget_turn(record.id)
    assert len(list(folder.glob("*.broken-*"))) == 3  # one turn is not everything
    assert store.forget_everything() == 0
    assert nowhere(store)
    assert other.exists()
    store.close()


def test_a_long_thread_takes_space_as_its_text_does(store):
    """Each request sends all that was said before; none of it is written twice."""
    messages, size = [], {}
    for number in range(200):
        messages.append({"role": "user", "content": f"{number} " + "word " * 60})
        sent_at = NOON + timedelta(seconds=number)
        data = json.dumps({"messages": messages}, separators=(",", ":")).encode()
        record = turn(body=data, sent_at=sent_at)
        store.save(record, None, None)
        if number in {99, 199}:
            assert store.body(record.id) == data
            store.close()
            size[number] = store.path.stat().st_size
    assert size[199] < 2.3 * size[99]
    assert size[199] < 200 * 4_000


def test_an_image_that_the_model_made_is_kept_with_its_answer_and_goes_with_it(store):
    image = Image("image/png", b"\x89PNG made", None, "image 1")
    earlier = turn("earlier", conversation_id=HERE)
    later = turn("later", parent_id=earlier.id, conversation_id=HERE, answer_images=(image,))
    for each in (earlier, later):
        store.save(each, None, None)
    store.save_conversation(dataclasses.replace(conversation((earlier,), (later,)), id=HERE))
    store.forget_turn(earlier.id)
    assert store.turns([later.id]) == {later.id: later}
    store.forget_turn(later.id)
    assert nowhere(store, "PNG made")
