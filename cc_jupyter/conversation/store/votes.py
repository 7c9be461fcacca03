"""Votes on the answers of grids as rows: each vote is a ballot with the answers it showed.

`Store` has the functions that the rest of the package uses (`history.store`, or `history.reading()`
for a report):

- `add_ballot(ballot)` stores one vote. Keys in notes, labels and options are redacted.
- `undo_ballot(grid)` removes the last vote on a grid and returns it, so that its answers can be
  shown again; `None` if there is none.
- `ballots(grid=None)` returns the votes on a grid, or all votes, oldest first.
- `%cmd forget` removes the votes on every answer it removes; nobody calls anything for that.

The records are `records.Ballot` and `records.BallotAnswer`. `records.text_digest(text)` makes the
digest of an answer, `records.prompt_digest(prompt, system)` that of what was asked.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from cc_jupyter.conversation.records import Ballot, BallotAnswer
from cc_jupyter.conversation.store.turns import instant_text
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    import sqlite3


_SAME = ("id", "prompt_id", "seed", "choice", "mode", "swapped_of")
"""Columns with the names of a ballot's fields."""


def add_ballot(connection: sqlite3.Connection, ballot: Ballot) -> None:
    """Insert a vote."""
    row = {name: getattr(ballot, name) for name in _SAME} | {
        "note": _clean(ballot.note),
        "counts": ballot.counts,
        "voted_at": instant_text(ballot.voted_at),
    }
    columns, values = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO ballot ({columns}) VALUES ({values})",  # noqa: S608  our own names
        [*row.values()],
    )
    connection.executemany(
        "INSERT INTO ballot_answer VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                ballot.id,
                position,
                answer.grid,
                _clean(answer.label),
                redact(json.dumps(dict(answer.options))),
                answer.turn_id,
                answer.answer_sha256,
            )
            for position, answer in enumerate(ballot.answers)
        ],
    )


def _clean(text: str) -> str:
    """Return a text without keys and without halves of characters, which SQLite refuses."""
    return redact(text).encode(errors="replace").decode()


def load_ballots(connection: sqlite3.Connection, grid: str | None = None) -> list[Ballot]:
    """Return the votes on a grid, or all, oldest first."""
    voted = "SELECT ballot_id FROM ballot_answer WHERE :grid IS NULL OR grid = :grid"
    answers: dict[str, list[BallotAnswer]] = {}
    for ballot_id, grid_, label, options, turn_id, sha256 in connection.execute(
        "SELECT ballot_id, grid, label, options, turn_id, answer_sha256 FROM ballot_answer"  # noqa: S608  our own words
        f" WHERE ballot_id IN ({voted}) ORDER BY ballot_id, position",
        {"grid": grid},
    ):
        answer = BallotAnswer(grid_, label, json.loads(options), turn_id, sha256)
        answers.setdefault(ballot_id, []).append(answer)
    columns = ", ".join(_SAME)
    rows = connection.execute(
        f"SELECT note, counts, voted_at, {columns} FROM ballot"  # noqa: S608  our own names
        f" WHERE id IN ({voted}) ORDER BY number",
        {"grid": grid},
    )
    ballots = []
    for note, counts, voted_at, *same in rows:
        fields = dict(zip(_SAME, same, strict=True))
        shown = tuple(answers.get(fields["id"], ()))
        at = datetime.fromisoformat(voted_at)
        ballots.append(Ballot(answers=shown, note=note, counts=bool(counts), voted_at=at, **fields))
    return ballots


def undo_ballot(connection: sqlite3.Connection, grid: str) -> Ballot | None:
    """Remove the last vote on a grid and return it; `None` if there is none."""
    ballots = load_ballots(connection, grid)
    if not ballots:
        return None
    connection.execute("DELETE FROM ballot WHERE id = ?", (ballots[-1].id,))
    return ballots[-1]


def forget_ballots(connection: sqlite3.Connection, which: str, value: str | None) -> None:
    """Remove the votes on the turns that match one of our own conditions."""
    gone = f"SELECT id FROM turn WHERE {which}"  # noqa: S608  our own words
    connection.execute(
        "DELETE FROM ballot WHERE id IN"  # noqa: S608  as above
        f" (SELECT ballot_id FROM ballot_answer WHERE turn_id IN ({gone}))",
        (value,),
    )
