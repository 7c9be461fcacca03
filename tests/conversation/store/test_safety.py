"""What happens to a history when disks, processes and files behave badly."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from support.store.samples import conversation, turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.conversation.store import database as connection
from cc_jupyter.conversation.store.migrations import MIGRATIONS
from cc_jupyter.core.errors import StoreError

TESTS = Path(__file__).parents[2]


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(TESTS / "support" / "store" / script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_processes_killed_at_any_moment_leave_whole_turns(tmp_path):
    assert "12 kills" in run("kill.py", str(tmp_path), "12")


def test_two_processes_with_eight_threads_lose_and_double_nothing(tmp_path):
    assert "400 turns" in run("load.py", str(tmp_path), "25")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other file systems")
def test_a_file_system_without_shared_memory_saves_and_forgets_as_others(tmp_path, monkeypatch):
    """Such are many network file systems: SQLite refuses its write-ahead log there."""
    connect = sqlite3.connect
    # this way into a file has neither shared memory nor the system's file locks
    monkeypatch.setattr(
        sqlite3,
        "connect",
        lambda path, **options: connect(f"file:{path}?vfs=unix-dotfile", uri=True, **options),
    )
    path = tmp_path / "history.db"
    store, record = Store(path), turn()
    store.save(record, None, None)
    store.close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    again = Store(path)
    assert list(again.all_turns()) == [record]
    assert again.forget_everything() == 1
    assert list(again.all_turns()) == []
    again.close()


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_every_older_file_is_brought_up_to_date(tmp_path, version):
    path = tmp_path / "history.db"
    raw = sqlite3.connect(path, isolation_level=None)
    for migrate in MIGRATIONS[:version]:
        migrate(raw)
    raw.execute(f"PRAGMA user_version = {version}")
    raw.close()
    store = Store(path)
    record = turn()
    store.save(record, None, None)
    assert list(store.all_turns()) == [record]
    store.close()
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    raw.close()


def test_a_newer_file_is_left_alone(tmp_path):
    path = tmp_path / "history.db"
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer release") as caught:
        Store(path)
    assert "pip install -U" in caught.value.hint
    assert path.read_bytes()[100:] == before[100:]


@pytest.mark.parametrize("damage", ["no database", "cut", "scribbled"])
def test_a_broken_file_is_quarantined_and_a_new_one_started(tmp_path, damage):
    path = tmp_path / "history.db"
    store = Store(path)
    for _ in range(50):
        store.save(turn("x" * 500), None, None)
    store.close()
    data = path.read_bytes()
    broken = {
        "no database": b"hello" * 1000,
        "cut": data[:100] + b"\xff" * 4000,
        "scribbled": b"\x00" * 200 + data[200:],
    }[damage]
    path.write_bytes(broken)
    store = Store(path)
    assert "was renamed to history.db.broken-" in store.notice
    (aside,) = tmp_path.glob("history.db.broken-*")
    assert aside.read_bytes() == broken
    record = turn()
    store.save(record, None, None)
    assert list(store.all_turns()) == [record]
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "data").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "data" / "history.db")


def test_a_path_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "history.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened or written"):
        Store(tmp_path / "data" / "history.db")


def test_a_lock_that_stays_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "BUSY_S", 0.1)
    store = Store(tmp_path / "history.db")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program has locked the history"):
        store.save(turn(), None, None)
    other.rollback()
    store.save(turn(), None, None)
    other.close()
    store.close()


def test_a_full_disk_is_an_error_and_the_old_turns_stay(tmp_path):
    store = Store(tmp_path / "history.db")
    kept = turn("kept")
    store.save(kept, None, None)
    with store._file.reading() as raw:
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreError, match="the disk is full"):
        store.save(turn("x" * 100_000), None, None)
    assert list(store.all_turns()) == [kept]
    store.close()


def test_a_forked_process_opens_the_file_again(tmp_path):
    store = Store(tmp_path / "history.db")
    store.save(turn("parent"), None, None)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.save(turn("child"), None, None)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(each.prompt for each in store.all_turns()) == ["child", "parent"]
    store.close()


def test_the_file_is_closed_with_its_store_by_the_process_that_opened_it(tmp_path):
    store = Store(tmp_path / "history.db")
    raw = store._file.get()
    connection._close_own(raw, os.getppid())  # as in a fork
    raw.execute("SELECT 1")
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")


LATE = """
import atexit, sys
from pathlib import Path
from cc_jupyter.conversation.store import Store
from support.store.samples import turn
kept = []
atexit.register(lambda: kept[0].save(turn("late"), None, None))  # runs after the closing
kept.append(Store(Path(sys.argv[1])))
"""


def test_what_is_saved_while_the_process_ends_is_saved(tmp_path):
    path = tmp_path / "history.db"
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, "-c", LATE, path], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    store = Store(path)
    assert [each.prompt for each in store.all_turns()] == ["late"]
    store.close()


SECRET = "zanzibar-4711"


@pytest.mark.parametrize("what", ["turn", "conversation", "everything"])
def test_what_is_forgotten_is_nowhere_in_the_files(tmp_path, what):
    store = Store(tmp_path / "data" / "history.db")
    body = f'{{"messages":["{SECRET}"]}}'.encode()
    secret = turn(f"{SECRET}?", f"{SECRET}! " * 100, body=body, conversation_id="c" * 32)
    after = turn("next", "x", body=body, parent_id=secret.id)
    elsewhere = turn("kept", "kept", body=b'{"messages":["kept"]}')
    for each in (secret, after, elsewhere):
        store.save(each, None, None)
    record = conversation((secret,), (after,))
    store.save_conversation(record)
    forget = {
        "turn": lambda: store.forget_turn(secret.id),
        "conversation": lambda: store.forget_conversation("c" * 32),
        "everything": store.forget_everything,
    }
    assert forget[what]() == (3 if what == "everything" else 1)
    for path in store.path.parent.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path
    assert store.search(SECRET) == []
    if what != "everything":
        assert store.body(elsewhere.id) == elsewhere.body
        assert store.body(after.id) is None
        assert [found.prompt for found in store.all_turns()] == ["next", "kept"]
    store.close()


def open_files():
    return psutil.Process().num_fds()


def test_threads_that_end_leave_no_open_file_behind(tmp_path):
    store = Store(tmp_path / "history.db")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(store.save, turn(), None, None).result()
    before = open_files()
    for _ in range(20):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: store.save(turn(), None, None), range(4)))
    assert open_files() <= before
    assert len(store.all_turns()) == 81
    store.close()
