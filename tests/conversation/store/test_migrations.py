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
from cc_jupyter.conversation.store.migrations import MIGRATIONS
from cc_jupyter.core.messages import Parameters
from cc_jupyter.core.money import NOTHING_BILLED, UNKNOWN_COST

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


@pytest.mark.parametrize("version", range(1, 6))
def test_what_older_releases_did_not_record_is_unknown(tmp_path, version):
    path = tmp_path / "history.db"
    old_file(path, version)
    store = Store(path)
    (old,) = store.turns(["a" * 32]).values()
    assert (old.request_key, old.sample, old.grid, old.replayed_from) == ("", None, None, None)
    assert old.options is None
    assert store.ballots() == []
    new = turn(grid="9" * 32, sample=2, request_key="e" * 64, options=Parameters(top_p=0.5))
    store.save(new, None, None)
    assert store.grid_turns("9" * 32) == [new]
    store.close()


@pytest.mark.parametrize("version", range(1, 5))
@pytest.mark.parametrize(
    ("error", "is_refused"),
    [
        ("AuthError: the provider refused the key (401)", True),
        ("PlanError: the plan does not include this model (403)", True),
        ("CreditError: the account is out of credits (400)", True),
        ("RateLimitError: too many requests (429)", True),
        ("ModelError: the provider does not know the model (404)", True),
        ("StatusError: the provider refused the request (400): bad", True),
        ("StatusError: the provider failed (502)", False),
        ("ConnectError: the connection was lost", False),
        ("StreamError: the connection was lost before the answer was finished", False),
        (None, False),
    ],
)
def test_a_refused_request_of_an_older_release_costs_nothing(tmp_path, version, error, is_refused):
    path = tmp_path / "history.db"
    old_file(path, version)
    raw = sqlite3.connect(path)
    raw.execute(
        "UPDATE turn SET error = ?, cost_usd = NULL, cost_origin = 'unknown', price_date = NULL,"
        " answer = '', input_tokens = NULL, output_tokens = NULL WHERE id = ?",
        (error, "a" * 32),
    )
    raw.commit()
    raw.close()
    store = Store(path)
    (stored,) = store.turns(["a" * 32]).values()
    store.close()
    assert stored.cost == (NOTHING_BILLED if is_refused else UNKNOWN_COST)


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
