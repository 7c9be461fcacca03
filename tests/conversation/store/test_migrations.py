"""A history file of every earlier version opens with all its content.

`dump.py` writes the file of a version, once, when its migration is new; it is never edited.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.store.dump import said
from support.store.samples import turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.conversation.store.database import MIGRATIONS

VERSIONS = Path(__file__).parent / "versions"


def old_file(path: Path, version: int) -> None:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.executescript((VERSIONS / f"{version:03}.sql").read_text(encoding="utf-8"))
    raw.close()


def shape(path: Path) -> dict[str, str]:
    """Return what the file is made of."""
    raw = sqlite3.connect(path)
    made = dict(raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 0)")
    raw.close()
    return made


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_file_of_every_version_opens_with_all_that_is_in_it(tmp_path, version):
    path = tmp_path / "history.db"
    old_file(path, version)
    store = Store(path)
    whole, cut, record = said()
    kept = {each.id: dataclasses.replace(each, body=None) for each in (whole, cut)}
    assert store.turns([*kept]) == kept
    assert store.body(whole.id) == whole.body
    assert store.load_conversation(record.id) == record
    assert [found.turn_id for found in store.search("glacier")] == [whole.id]
    later = turn("later", body=whole.body)
    store.save(later, None, None)
    assert store.body(later.id) == whole.body
    store.forget_turn(whole.id)
    assert store.body(later.id) == whole.body
    assert store.search("glacier") == []
    store.close()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_an_old_file_becomes_what_a_new_one_is(tmp_path, version):
    old_file(tmp_path / "old.db", version)
    for name in ("old.db", "new.db"):
        Store(tmp_path / name).close()
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


def test_two_processes_may_bring_a_file_up_to_date_at_once(tmp_path):
    old_file(tmp_path / "history.db", 1)
    line = (
        "import sys, pathlib, cc_jupyter.conversation.store as s;"
        " s.Store(pathlib.Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-c", line, str(tmp_path / "history.db")]
    opening = [subprocess.Popen(command) for _ in range(4)]
    assert [each.wait(60) for each in opening] == [0] * 4
    shape(tmp_path / "history.db")
