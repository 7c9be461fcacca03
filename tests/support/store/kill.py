"""Kill a writer at random moments, FOLDER ROUNDS times, and look at what it leaves."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from support.store.samples import turn

from cc_jupyter.conversation.store import Store

ANSWER = "All of this answer belongs together. " * 40


def write(path: Path) -> None:
    """Stream turns into the file for ever, and say which ones are finished."""
    import dataclasses  # noqa: PLC0415  of the child alone

    store = Store(path)
    while True:
        record = turn("question", "", body=b'{"messages":["question"]}')
        for length in range(0, len(ANSWER), 300):
            partial = dataclasses.replace(record, answer=ANSWER[:length], finished=False)
            store.save(partial, None, None)
        store.save(dataclasses.replace(record, answer=ANSWER), None, None)
        print(record.id, flush=True)


def main() -> None:
    path, rounds = Path(sys.argv[1]) / "history.db", int(sys.argv[2])
    finished: list[str] = []
    chance = random.Random(7)
    for _ in range(rounds):
        child = subprocess.Popen(
            [sys.executable, __file__, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        finished.append(child.stdout.readline().strip())  # it is under way
        time.sleep(chance.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        finished += [line for line in rest.splitlines() if len(line) == 32]
        raw = sqlite3.connect(path)
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        raw.close()
    store = Store(path)
    kept = {each.id: each for each in store.all_turns()}
    assert all(kept[each].answer == ANSWER and kept[each].finished for each in finished)
    partial = [each for each in kept.values() if not each.finished]
    assert all(ANSWER.startswith(each.answer) for each in partial)
    print(f"{rounds} kills, {len(finished)} finished turns whole, {len(partial)} partial ones")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        write(Path(sys.argv[1]))
    main()
