"""Write the history file of today's version as SQL: `dump.py 002.sql`, once for each version."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

from support.store.samples import conversation, turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.core.messages import Image

LONG = "a long question " * 20
IMAGE = Image("image/png", b"\x89PNG\x00", None, "fig")


def said() -> tuple[object, ...]:
    """Return what every dump holds: a finished turn, one that a crash cut off, a conversation."""
    messages = [{"role": "user", "content": "short"}, {"role": "user", "content": LONG}]
    body = json.dumps({"model": "m", "messages": messages}, separators=(",", ":")).encode()
    where = {"conversation_id": "c" * 32, "position": 0}
    sha256 = hashlib.sha256(body).hexdigest()
    whole = turn(
        LONG,
        "a glacier moves",
        id="a" * 32,
        body=body,
        request_sha256=sha256,
        images=(IMAGE,),
        **where,
    )
    cut = turn("again", "half of an ans", id="b" * 32, finished=False, **where)
    record = dataclasses.replace(conversation((whole, cut)), id="c" * 32)
    return whole, cut, record


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "history.db")
        whole, cut, record = said()
        store.save(whole, None, None)
        store.save(cut, None, None)
        store.save_conversation(record)
        store.close()
        raw = sqlite3.connect(store.path)
        (version,) = raw.execute("PRAGMA user_version").fetchone()
        made = (
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB 'words_*'"
        )
        schema = dict(raw.execute(f"{made} ORDER BY rowid").fetchall())
        rows = [
            line
            for line in raw.iterdump()
            if line.startswith("INSERT INTO")
            and any(line.startswith(f'INSERT INTO "{name}"') for name in schema if name != "words")
        ]
        raw.close()
    index = (
        "INSERT INTO words (rowid, prompt, answer)"
        " SELECT number, prompt, answer FROM turn WHERE finished;"
    )
    lines = [f"{sql};" for sql in schema.values()]
    text = "\n".join([*lines, *rows, index, f"PRAGMA user_version = {version};", ""])
    Path(sys.argv[1]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
