"""Finished rows: kept by server, request and sample, found in bulk, forgotten by name."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from support.store.samples import COST, NOON

from cc_jupyter.conversation.records import FinishedRow
from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import UNKNOWN_COST

HERE, THERE = "https://here/v1", "https://there/v1"


def key(number):
    return hashlib.sha256(str(number).encode()).digest()


def row(number, sample=0, **fields):
    common = {"text": f"answer {number}", "answered_at": NOON, "model": "m", "stop_reason": "stop"}
    return FinishedRow(key(number), sample, **(common | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"usage": Usage(100, 20, 3, 4, 5), "cost": COST, "run": "r", "name": "labels"},
        {"cost": UNKNOWN_COST, "reading": "failed", "stop_reason": "length", "text": "ü \x00 \n"},
    ],
)
def test_a_row_comes_back_as_it_was(store, fields):
    store.save_rows(HERE, [row(1, **fields)])
    assert store.find_rows(HERE, [key(1), key(2)]) == [row(1, **fields)]


def test_rows_are_kept_by_server_and_sample_and_the_last_answer_counts(store):
    later = row(1, text="later", answered_at=NOON + timedelta(days=1))
    store.save_rows(HERE, [row(1), row(1, sample=1, text="other")])
    store.save_rows(THERE, [row(1, text="there")])
    store.save_rows(HERE, [later])
    assert {each.sample: each.text for each in store.find_rows(HERE, [key(1)])} == {
        0: "later",
        1: "other",
    }
    assert [each.text for each in store.find_rows(THERE, [key(1)])] == ["there"]
    assert store.find_rows("https://nowhere/v1", [key(1)]) == []


def test_more_keys_than_one_statement_takes_are_all_found(store):
    store.save_rows(HERE, [row(number) for number in range(1_300)])
    found = store.find_rows(HERE, [key(number) for number in range(-100, 1_300)])
    assert {each.text for each in found} == {f"answer {number}" for number in range(1_300)}


def test_rows_are_forgotten_by_name_or_all(store):
    store.save_rows(HERE, [row(1, name="a"), row(2, name="a"), row(3, name="b", text="secret")])
    assert store.row_names() == {"a": 2, "b": 1}
    assert store.forget_rows("a") == 2
    assert store.row_names() == {"b": 1}
    assert store.forget_rows() == 1
    assert b"secret" not in store.path.read_bytes()


def test_forgetting_everything_forgets_rows(store):
    store.save_rows(HERE, [row(1)])
    store.forget_everything()
    assert store.find_rows(HERE, [key(1)]) == []
