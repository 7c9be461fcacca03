"""A broken file is quarantined whenever it is noticed, and nothing saved is overwritten."""

from __future__ import annotations

import os
import stat

import pytest
from support.store.samples import turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.core.errors import StoreError


def broken_inside(path):
    """Return a file that opens and breaks when it is used."""
    store = Store(path)
    for number in range(400):
        store.save(turn(f"{number} " + "x " * 600), None, None)
    store.close()
    data = bytearray(path.read_bytes())
    quarter = len(data) // 4
    data[quarter:-quarter] = b"\x5a" * (len(data) - 2 * quarter)
    path.write_bytes(data)
    return bytes(data)


def test_a_file_that_is_broken_inside_is_quarantined_on_use(tmp_path):
    path = tmp_path / "history.db"
    data = broken_inside(path)
    store = Store(path)
    with pytest.raises(StoreError, match="malformed"):
        store.all_turns()
    (aside,) = (each for each in tmp_path.glob("*.broken-*") if each.name[-1].isdigit())
    assert aside.stat().st_size == len(data)
    record = turn()
    store.save(record, None, None)
    assert store.all_turns() == [record]
    assert aside.name in store.notice
    store.close()


def test_of_two_kernels_that_find_a_file_broken_one_puts_it_aside(tmp_path):
    path = tmp_path / "history.db"
    broken_inside(path)
    first, second = Store(path), Store(path)
    record = turn()
    with pytest.raises(StoreError):
        first.all_turns()
    first.save(record, None, None)
    assert second.all_turns() == [record]  # it notices the new file at once
    assert "removed or replaced" in second.notice
    assert len([each for each in tmp_path.glob("*.broken-*") if each.name[-1].isdigit()]) == 1
    first.close()
    second.close()


def test_two_files_that_break_in_one_second_are_both_quarantined(tmp_path):
    path = tmp_path / "history.db"
    contents = {b"precious %d" % number * 500 for number in range(3)}
    for data in contents:
        path.write_bytes(data)
        Store(path).close()
    assert {each.read_bytes() for each in tmp_path.glob("history.db.broken-*")} == contents


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_was_copied_back_is_made_private(tmp_path):
    path = tmp_path / "history.db"
    Store(path).close()
    path.chmod(0o644)
    store = Store(path)
    store.save(turn(), None, None)
    for each in tmp_path.glob("history.db*"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    store.close()


@pytest.mark.parametrize("word", ["wonderful", "unlocked", "busy"])
def test_a_word_in_the_path_is_not_taken_for_the_cause(tmp_path, word):
    path = tmp_path / word / "history.db"
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"it cannot be opened or written: .*directory"):
        Store(path)
