"""The history on disk: the only package that uses SQL.

One file contains all turns, the conversations over them, and each long text once. Every failure is
a `StoreError` with a readable message.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.records import MIN_ID_CHARS, LedgerRow
from cc_jupyter.conversation.store.conversations import (
    has_conversation,
    load_conversation,
    load_threads,
    move_notebook,
    save_header,
    save_place,
    save_places,
)
from cc_jupyter.conversation.store.database import Connection
from cc_jupyter.conversation.store.forgetting import forget, wipe
from cc_jupyter.conversation.store.queries import (
    find,
    load_cell_prompts,
    load_ledger,
    load_timings,
    output_lengths,
    thread_names,
    tokens_per_byte,
)
from cc_jupyter.conversation.store.reservations import (
    release,
    replace_reservation,
    reserved_usd,
    unfinished_usd,
)
from cc_jupyter.conversation.store.rows import find_rows, forget_rows, row_names, save_rows
from cc_jupyter.conversation.store.turns import (
    instant_text,
    load_turns,
    save_turn,
    select,
    unfold_body,
)
from cc_jupyter.conversation.store.votes import add_ballot, load_ballots, undo_ballot
from cc_jupyter.core.paths import data_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from cc_jupyter.conversation.records import (
        Ballot,
        ConversationRecord,
        FinishedRow,
        SearchHit,
        SlotRecord,
        ThreadSummary,
        TurnRecord,
    )
    from cc_jupyter.conversation.speeds import Timing
    from cc_jupyter.core.steps import Step


__all__ = ["FILE", "Store", "open_store", "thread_names"]

FILE = "history.db"


def open_store(folder: Path | None = None) -> Store:
    """Open the user's history, or the one in a folder.

    Raises
    ------
    StoreError, ConfigError
        It cannot be opened.
    """
    return Store((folder or data_folder()) / FILE)


class Store:
    """One history file; thread-safe, and several processes may have it open.

    Every method raises `StoreError` if the file cannot be read or written.

    Parameters
    ----------
    path
        The file, which is created if it does not exist; a broken one is renamed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = Connection(path)

    @property
    def notice(self) -> str | None:
        """A notice for the user if the file was broken; `None` if it was not."""
        return self._file.notice

    @property
    def files_opened(self) -> int:
        """The number of different files opened at this path; checks whether it was replaced."""
        with self._file.reading():
            return self._file.files_opened

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._file.close()

    def save(
        self,
        turn: TurnRecord,
        conversation: ConversationRecord | None,
        place: SlotRecord | None,
        earlier: Sequence[TurnRecord] = (),
    ) -> None:
        """Insert or update a turn and its place, in one transaction.

        Only the header of the conversation is written.

        Parameters
        ----------
        earlier
            Turns of the same place to write before it.
        """
        with self._file.writing() as connection:
            for each in (*earlier, turn):
                save_turn(connection, each)
                if each.steps:
                    from cc_jupyter.conversation.store.steps import save_steps  # noqa: PLC0415  only tools need it

                    save_steps(connection, each)
                if each.finished:
                    release(connection, each.id)
            if conversation is not None:
                save_header(connection, conversation)
                if place is not None and turn.position is not None:
                    save_place(connection, conversation.id, turn.position, place)

    def save_conversation(self, record: ConversationRecord) -> None:
        """Write a conversation with all its places; versions without a stored turn are skipped."""
        with self._file.writing() as connection:
            save_header(connection, record)
            save_places(connection, record)

    def save_place(self, conversation_id: str, position: int, place: SlotRecord) -> None:
        """Write one place of a conversation, unless another kernel has removed the conversation."""
        with self._file.writing() as connection:
            if has_conversation(connection, conversation_id):
                save_place(connection, conversation_id, position, place)

    def turns(self, ids: Sequence[str]) -> dict[str, TurnRecord]:
        """Return turns by id, without their bodies."""
        with self._file.reading() as connection:
            found = load_turns(connection, ids)
            steps = _steps(connection, [*found])
            return found | {each: replace(found[each], steps=steps[each]) for each in steps}

    def turn(self, name: str) -> TurnRecord | None:
        """Return a turn by its id or the beginning of one; `None` if none or several match."""
        if len(name) < MIN_ID_CHARS:
            return None
        with self._file.reading() as connection:
            beginning = name.replace("%", "").replace("_", "")
            found = _selected(connection, "WHERE id LIKE ? LIMIT 2", [f"{beginning}%"])
        return found[0] if len(found) == 1 else None

    def last_turn_of(self, notebook: str, cell_id: str) -> TurnRecord | None:
        """Return the last turn of a cell, without its body; `None` if it has none."""
        with self._file.reading() as connection:
            found = _selected(
                connection,
                "WHERE notebook = ? AND cell_id = ? ORDER BY number DESC LIMIT 1",
                [notebook, cell_id],
            )
            return next(iter(found), None)

    def all_turns(
        self, since: datetime | None = None, notebook: str | None = None
    ) -> list[TurnRecord]:
        """Return all turns of a period and a notebook, oldest first, without their bodies."""
        start = None if since is None else instant_text(since)
        with self._file.reading() as connection:
            return _selected(
                connection,
                "WHERE (:since IS NULL OR sent_at >= :since)"
                " AND (:notebook IS NULL OR notebook = :notebook) ORDER BY sent_at",
                {"since": start, "notebook": notebook},
            )

    def grid_turns(self, grid: str) -> list[TurnRecord]:
        """Return all turns of a grid, oldest first, without their bodies."""
        with self._file.reading() as connection:
            return _selected(connection, "WHERE grid = ? ORDER BY number", [grid])

    def is_blind(self, grid: str) -> bool:
        """Return whether a grid is blind and not revealed."""
        with self._file.reading() as connection:
            return _selected_grid(connection, "grid = ?", grid) is not None

    def last_blind_grid(self, notebook: str) -> str | None:
        """Return the id of a notebook's last blind grid that is not revealed; `None`: none is."""
        with self._file.reading() as connection:
            return _selected_grid(connection, "notebook = ?", notebook)

    def reveal(self, grid: str) -> None:
        """Record that a blind grid is revealed."""
        with self._file.writing() as connection:
            connection.execute("UPDATE turn SET blind = NULL WHERE grid = ?", (grid,))

    def move_notebook(self, old: str, new: str, cells: Collection[str]) -> None:
        """Change the path of a renamed notebook, if a stored turn is of one of these cells."""
        with self._file.writing() as connection:
            rows = connection.execute(
                "SELECT DISTINCT cell_id FROM turn WHERE notebook = ?", (old,)
            ).fetchall()
            if any(cell_id in cells for (cell_id,) in rows):
                move_notebook(connection, old, new)

    def body(self, turn_id: str) -> bytes | None:
        """Return the body of a request as it was sent; `None` if it is not stored."""
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT body, request_sha256 FROM turn WHERE id = ?", (turn_id,)
            ).fetchone()
            if row is None or row[0] is None:
                return None
            return unfold_body(connection, *row)

    def step_bodies(self, turn_id: str) -> list[bytes | None]:
        """Return the bodies that were sent for a turn with tools; `None` for one not stored."""
        from cc_jupyter.conversation.store.steps import load_step_bodies  # noqa: PLC0415  only tools need it

        with self._file.reading() as connection:
            return load_step_bodies(connection, turn_id)

    def load_conversation(self, conversation_id: str) -> ConversationRecord | None:
        """Return the current state of a conversation; `None` if there is none."""
        with self._file.reading() as connection:
            return load_conversation(connection, conversation_id)

    def threads(self, name: str | None = None) -> list[ThreadSummary]:
        """Return the conversations that have an answer, newest first."""
        with self._file.reading() as connection:
            return load_threads(connection, name)

    def search(self, text: str, limit: int = 20) -> list[SearchHit]:
        """Return the turns whose prompt or answer contains a text, best match first."""
        with self._file.reading() as connection:
            return find(connection, text, limit)

    def ledger(
        self,
        by: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        notebook: str | None = None,
    ) -> list[LedgerRow]:
        """Return sums by `model`, `thread`, `notebook`, `day` or `cell`, most requests first."""
        with self._file.reading() as connection:
            return load_ledger(connection, by, since, notebook, until)

    def cell_prompts(
        self, *, since: datetime | None = None, notebook: str | None = None
    ) -> dict[str, str]:
        """Return the beginning of the last prompt of each cell, by cell id."""
        with self._file.reading() as connection:
            return load_cell_prompts(connection, since, notebook)

    def spent(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        notebook: str | None = None,
    ) -> LedgerRow:
        """Return the sums of all requests in a period and a notebook."""
        rows = self.ledger("all", since=since, until=until, notebook=notebook)
        return rows[0] if rows else LedgerRow("")

    def reserve(  # noqa: PLR0913  a reservation and the period it is checked in
        self,
        turn_id: str,
        usd: Decimal,
        check: Callable[[Decimal, Decimal], None],
        *,
        notebook: str,
        now: datetime,
        since: datetime | None = None,
        only_notebook: bool = False,
        without: Collection[str] = (),
    ) -> None:
        """Reserve money for a request in flight, in one transaction with its check.

        Two kernels can therefore not both take what is left of a budget. Saving the finished turn
        releases the reservation; one whose kernel died expires.

        Parameters
        ----------
        check
            Gets the US dollars spent in the period and those reserved by others; raises if the
            request does not fit, and nothing is reserved.
        since, only_notebook
            The period: from an instant on, or this notebook only.
        without
            Turns whose reservations are not counted, as the caller counts them itself.
        """
        where = notebook if only_notebook else None
        with self._file.writing() as connection:
            rows = load_ledger(connection, "all", since, where)
            spent_usd = sum((row.reported_usd + row.estimated_usd for row in rows), Decimal(0))
            counted = {turn_id, *without}
            held_usd = reserved_usd(connection, now, where, counted)
            check(spent_usd - unfinished_usd(connection, since, where, counted), held_usd)
            replace_reservation(connection, turn_id, usd, notebook, now)

    def release(self, turn_id: str) -> None:
        """Release the money reserved for a turn that will not be saved."""
        with self._file.writing() as connection:
            release(connection, turn_id)

    def output_lengths(self, model: str) -> list[int]:
        """Return the lengths in tokens of a model's last answers, newest first."""
        with self._file.reading() as connection:
            return output_lengths(connection, model)

    def tokens_per_byte(self, model: str) -> tuple[int, int] | None:
        """Return a model's reported prompt tokens, and the bytes of those prompts."""
        with self._file.reading() as connection:
            return tokens_per_byte(connection, model)

    def timings(self) -> list[Timing]:
        """Return how long each model's last answers took, newest first."""
        with self._file.reading() as connection:
            return load_timings(connection)

    def save_rows(self, source: str, rows: Iterable[FinishedRow]) -> None:
        """Store finished rows in one transaction.

        Parameters
        ----------
        source
            The server that answered: a base URL, or the id of local weights.
        """
        with self._file.writing() as connection:
            save_rows(connection, source, rows)

    def find_rows(self, source: str, keys: Sequence[bytes]) -> list[FinishedRow]:
        """Return the finished rows of a server for keys of requests, with all their samples."""
        with self._file.reading() as connection:
            return find_rows(connection, source, keys)

    def row_names(self) -> dict[str, int]:
        """Return the names of results with the number of their finished rows."""
        with self._file.reading() as connection:
            return row_names(connection)

    def forget_rows(self, name: str | None = None) -> int:
        """Remove the finished rows of a result, or all; return how many there were."""
        with self._file.writing() as connection:
            removed = forget_rows(connection, name)
        with self._file.reading() as connection:
            wipe(connection)
        return removed

    def add_ballot(self, ballot: Ballot) -> None:
        """Store one vote."""
        with self._file.writing() as connection:
            add_ballot(connection, ballot)

    def undo_ballot(self, grid: str) -> Ballot | None:
        """Remove the last vote on a grid and return it; `None` if there is none."""
        with self._file.writing() as connection:
            return undo_ballot(connection, grid)

    def ballots(self, grid: str | None = None) -> list[Ballot]:
        """Return the votes on a grid, or all, oldest first."""
        with self._file.reading() as connection:
            return load_ballots(connection, grid)

    def forget_turn(self, turn_id: str) -> int:
        """Remove a turn from disk and every conversation; return the number of removed turns."""
        return self._forget("id = ?", turn_id)

    def forget_conversation(self, conversation_id: str) -> int:
        """Remove a conversation and all its turns; return the number of removed turns."""
        return self._forget("conversation_id = ?", conversation_id)

    def forget_everything(self) -> int:
        """Remove turns, conversations, votes and finished rows; return the number of removed turns.

        Quarantined broken files are removed too, but their turns cannot be counted.
        """
        with self._file.writing() as connection:
            connection.execute("DELETE FROM ballot")  # also votes on turns that were never stored
            forget_rows(connection, None)
        removed = self._forget("1 OR ? IS NULL", None)
        self._file.remove_broken()
        return removed

    def _forget(self, which: str, value: str | None) -> int:
        with self._file.writing() as connection:
            removed = forget(connection, which, value)
        with self._file.reading() as connection:
            wipe(connection)
        return removed


def _selected_grid(connection: sqlite3.Connection, condition: str, value: str) -> str | None:
    """Return the id of the last unrevealed blind grid that matches one of our own conditions."""
    row = connection.execute(
        "SELECT grid FROM turn WHERE blind IS NOT NULL"  # noqa: S608  our own words
        f" AND {condition} ORDER BY number DESC LIMIT 1",
        (value,),
    ).fetchone()
    return None if row is None else row[0]


def _selected(
    connection: sqlite3.Connection, condition: str, values: Sequence[Any] | Mapping[str, Any]
) -> list[TurnRecord]:
    """Return the turns that match one of our own conditions, with their steps."""
    found = list(select(connection, condition, values))
    steps = _steps(connection, [record.id for record in found])
    return [replace(each, steps=steps.get(each.id, ())) for each in found]


def _steps(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[Step, ...]]:
    """Return the steps of the turns that have any, by turn id."""
    if connection.execute("SELECT 1 FROM step LIMIT 1").fetchone() is None:
        return {}
    from cc_jupyter.conversation.store.steps import load_steps  # noqa: PLC0415  only tools need it

    return load_steps(connection, ids)
