"""Two processes with eight threads each write NUMBER turns a thread into one FOLDER."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.store.samples import conversation, turn

from cc_jupyter.conversation.store import Store

THREADS = 8


def write(path: Path, number: int) -> None:
    store = Store(path)

    def work(worker: int) -> None:
        for at in range(number):
            record = turn(f"{worker}/{at}", position=0)
            store.save(record, None, None)
            store.save_conversation(conversation((record,), name=str(worker)))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


def main() -> None:
    path, number = Path(sys.argv[1]) / "history.db", int(sys.argv[2])
    start_s = time.perf_counter()
    writers = [
        subprocess.Popen([sys.executable, __file__, str(path), str(number), "write"])
        for _ in range(2)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    took_s = time.perf_counter() - start_s
    prompts = sorted(each.prompt for each in Store(path).all_turns())
    expected = sorted(f"{worker}/{at}" for worker in range(THREADS) for at in range(number))
    assert prompts == sorted(expected * 2)
    print(f"{len(prompts)} turns, none lost, none doubled, in {took_s:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        write(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
