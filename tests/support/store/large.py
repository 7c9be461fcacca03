"""What a history of NUMBER turns costs: `large.py FOLDER 100000` prints medians in milliseconds."""

from __future__ import annotations

import random
import sys
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from support.store.samples import NOON, turn

from cc_jupyter.conversation.store import Store
from cc_jupyter.conversation.store.turns import save_turn

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = [f"word{number}" for number in range(5_000)]


def filled(path: Path, number: int) -> Store:
    store, chance = Store(path), random.Random(3)
    for start in range(0, number, 1_000):
        with store._file.writing() as connection:
            for at in range(start, min(start + 1_000, number)):
                said = " ".join(chance.choices(WORDS, k=60))
                record = turn(
                    said[:200],
                    said,
                    model=f"m{at % 12}",
                    thread=f"t{at % 300}",
                    notebook=f"n{at % 40}",
                    sent_at=NOON - timedelta(minutes=at),
                    body=f'{{"messages":["{said}"]}}'.encode(),
                )
                save_turn(connection, record)
    return store


def took_ms(act: Callable[[], object], times: int) -> float:
    spans = []
    for _ in range(times):
        start_s = time.perf_counter()
        act()
        spans.append((time.perf_counter() - start_s) * 1000)
    return median(spans)


def main() -> None:
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    for name, size in (("empty", 0), ("full", number)):
        store = filled(folder / f"{name}.db", size)
        figures = {
            "save": took_ms(lambda: store.save(turn(body=b'{"a":"b"}'), None, None), 101),  # noqa: B023  at once
            "search": took_ms(lambda: store.search("word77 word4242"), 11),  # noqa: B023
            "search nothing": took_ms(lambda: store.search("nowhere-to-be-found"), 5),  # noqa: B023
            "usage": took_ms(lambda: store.ledger("model"), 5),  # noqa: B023
            "usage by day": took_ms(lambda: store.ledger("day"), 5),  # noqa: B023
        }
        print(f"{name}: " + ", ".join(f"{each} {ms:.2f} ms" for each, ms in figures.items()))


if __name__ == "__main__":
    main()
