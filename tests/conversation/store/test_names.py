"""The names of stored threads, as completion reads them: nothing is created, moved or awaited."""

from __future__ import annotations

import dataclasses
import sqlite3
from datetime import timedelta

import pytest
from support.store.samples import NOON, conversation, turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.conversation.store.queries import thread_names
from cc_jupyter.core.errors import StoreError


def keep(store, name, *, answered=True, days=0):
    said = turn()
    if answered:
        store.save(said, None, None)
    record = conversation((said,), name=name)
    store.save_conversation(dataclasses.replace(record, started_at=NOON + timedelta(days=days)))


def test_the_threads_last_begun_come_first_each_name_once(store):
    keep(store, "old", days=1)
    keep(store, "new", days=3)
    keep(store, "both", days=0)
    keep(store, "both", days=2)
    assert thread_names(store.path) == ("new", "both", "old")


def test_a_thread_without_an_answer_is_left_out(store):
    keep(store, "empty", answered=False)
    assert thread_names(store.path) == ()


def test_what_another_connection_wrote_is_seen_while_it_is_open_and_after(store):
    keep(store, "a")
    assert thread_names(store.path) == ("a",)
    store.close()
    assert thread_names(store.path) == ("a",)


def test_no_file_is_made(tmp_path):
    with pytest.raises(StoreError):
        thread_names(tmp_path / "history.db")
    assert not list(tmp_path.glob("history*"))


def test_a_broken_file_stays_where_it_is(tmp_path):
    path = tmp_path / "history.db"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError):
        thread_names(path)
    assert [each.name for each in tmp_path.glob("history*")] == ["history.db"]


def test_a_writer_does_not_keep_it_waiting_and_a_lock_is_an_error_at_once(store):
    keep(store, "a")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert thread_names(store.path) == ("a",)
    other.execute("ROLLBACK")
    store.close()
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="another program has locked"):
        thread_names(store.path)
    other.close()


def test_a_name_with_signs_of_an_address_in_its_path_is_opened(tmp_path):
    opened = Store(tmp_path / "a folder?#%41" / "history.db")
    keep(opened, "a")
    assert thread_names(opened.path) == ("a",)
    opened.close()
