"""The commands about threads and turns: choose, list, rewind, fork, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.commands.parsing import (
    cost_text,
    has_flag,
    local_time,
    nothing,
    number,
    one_name,
    place_of,
)
from cc_jupyter.core.display import Card, Table
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import excerpt, pluralize

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.core.display import WordDiff
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class ThreadCommands:
    """What `%cmd` does with threads."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell
        self.by_name: dict[str, Callable[[str], object]] = {
            "new": self._new,
            "thread": self._thread,
            "threads": self._threads,
            "rewind": self._rewind,
            "fork": self._fork,
        }

    @property
    def _live(self) -> Thread:
        return self._session.conversations.thread()

    @property
    def _on_disk(self) -> bool:
        return self._session.settings().history

    # ── where one is

    def _new(self, rest: str) -> Card:
        conversations = self._session.conversations
        if rest:
            conversations.current = one_name("new", rest)
        thread = conversations.thread()
        thread.start_over()
        return Card({"thread": thread.name, "holds": "nothing yet"})

    def _thread(self, rest: str) -> Card:
        if not rest:
            return self._standing(self._live, "the current one")
        name = one_name("thread", rest)
        conversations = self._session.conversations
        if name in conversations.names and conversations.thread(name).slots:
            conversations.current = name
            return self._standing(conversations.thread(), "of this session")
        if self._on_disk:
            stored = self._session.history.load_thread(name, self._cell.notebook)
            if stored is not None:
                return self._standing(conversations.put(stored), "brought back from the history")
        conversations.current = name
        return self._standing(conversations.thread(), "new")

    def _standing(self, thread: Thread, origin: str) -> Card:
        turns = sum(slot.turn is not None for slot in thread.slots)
        return Card({"thread": thread.name, "holds": pluralize(turns, "turn"), "which is": origin})

    def _threads(self, rest: str) -> Table:
        nothing("threads", rest)
        conversations = self._session.conversations
        rows = [
            self._thread_row(conversations.thread(name))
            for name in conversations.names
            if conversations.thread(name).slots or name == conversations.current
        ]
        live = {conversations.thread(name).id for name in conversations.names}
        live |= {conversations.thread(name).forked_from or "" for name in conversations.names}
        if self._on_disk:
            rows += [
                {
                    "thread": found.name,
                    "turns": found.turns,
                    "begins": excerpt(found.first_prompt),
                    "last used": local_time(found.last_at),
                    "notebook": found.notebook,
                    "state": "stored",
                }
                for found in self._session.history.store.threads()
                if found.conversation_id not in live
            ]
        return Table(rows, "%cmd thread NAME goes on with one; the newest of a name comes back")

    def _thread_row(self, thread: Thread) -> dict[str, Any]:
        turns = [slot.turn for slot in thread.slots if slot.turn is not None]
        record = self._session.history.record(turns[-1].id) if turns else None
        current = thread.name == self._session.conversations.current
        return {
            "thread": thread.name,
            "turns": len(turns),
            "begins": excerpt(turns[0].prompt) if turns else "",
            "last used": local_time(record.sent_at) if record else "",
            "notebook": record.notebook if record else self._cell.notebook,
            "state": "current" if current else "in this session",
        }

    # ── moving about

    def _rewind(self, rest: str) -> Card:
        taken = self._live.rewind(number("rewind", rest or "1"))
        self._session.history.save_thread(self._live, on_disk=self._on_disk)
        card = self._standing(self._live, "the current one")
        return Card({**card, "taken back": f"{pluralize(taken, 'turn')}; nothing was deleted"})

    def _fork(self, rest: str) -> Card:
        if not rest:
            raise OptionError("%cmd fork takes a name", hint="an example: %cmd fork bolder")
        name = one_name("fork", rest)
        before = self._live.name
        forked = self._session.conversations.fork(name)
        self._session.history.save_thread(forked, on_disk=self._on_disk)
        return self._standing(forked, f"a fork of {before}, and the current one")


class TurnCommands:
    """What `%cmd` does with the turns of the current thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.by_name: dict[str, Callable[[str], object]] = {
            "history": self._history,
            "versions": self._versions,
            "diff": self._diff,
        }

    @property
    def _live(self) -> Thread:
        return self._session.conversations.thread()

    def _history(self, rest: str) -> Table:
        full = has_flag("history", rest, "--full")
        thread = self._live
        rows = [self._turn_row(at, slot, full=full) for at, slot in enumerate(thread.slots, 1)]
        unnamed = sum(slot.key is None for slot in thread.slots)
        notes = [f"thread {thread.name}", pluralize(len(rows), "turn")]
        if unnamed:
            notes.append(
                f"{pluralize(unnamed, 'turn')} by the order of execution: this front end names no"
                " cells, so a cell run again is a new turn"
            )
        if any(slot.stale for slot in thread.slots):
            notes.append("stale: something before it changed after it was answered")
        return Table(rows, "; ".join(notes))

    def _turn_row(self, at: int, slot: TurnSlot, *, full: bool) -> dict[str, Any]:
        turn = slot.turn or (slot.versions[-1] if slot.versions else None)
        record = self._session.history.record(turn.id) if turn else None
        cut = str if full else excerpt
        return {
            "turn": at,
            "prompt": cut(turn.prompt) if turn else "",
            "answer": cut(turn.answer) if turn else "",
            "model": record.model if record else "",
            "ended": record.stop_reason if record else "",
            "cost": cost_text(record),
            "versions": len(slot.versions),
            "marks": ", ".join(
                word
                for word, holds in (("anew", slot.starts_new_thread), ("stale", slot.stale))
                if holds
            ),
        }

    def _versions(self, rest: str) -> Table:
        turn, use = _versions_words(rest)
        thread = self._live
        place = place_of(self._live, turn)
        slot = thread.slots[place]
        if use is not None:
            if not 1 <= use <= len(slot.versions) or not slot.versions[use - 1].answer:
                raise OptionError(
                    f"turn {place + 1} has no version {use} with an answer",
                    hint=f"%cmd versions {place + 1} lists what it has",
                )
            thread.choose(
                place, use - 1, self._session.preparer.page(slot.key, self._session.settings())
            )
            on_disk = self._session.settings().history
            self._session.history.save_thread(thread, on_disk=on_disk)
        rows = [
            self._version_row(at, turn.id, turn.answer, active=at == slot.active)
            for at, turn in enumerate(slot.versions)
        ]
        return Table(
            rows,
            f"turn {place + 1} of thread {thread.name};"
            f" %cmd versions {place + 1} --use V lets another one count, %cmd diff compares two",
        )

    def _version_row(self, at: int, turn_id: str, answer: str, *, active: bool) -> dict[str, Any]:
        record = self._session.history.record(turn_id)
        return {
            "version": at + 1,
            "counts": "yes" if active else "",
            "answer": excerpt(answer),
            "model": record.model if record else "",
            "sent": local_time(record.sent_at) if record else "",
            "ended": record.stop_reason if record else "",
            "cost": cost_text(record),
        }

    def _diff(self, rest: str) -> WordDiff:
        from cc_jupyter.core.display import word_diff  # noqa: PLC0415  difflib, seldom needed

        words = rest.split()
        if len(words) not in (0, 2):
            raise OptionError(
                f"%cmd diff compares two versions, not {rest!r}",
                hint="%cmd diff 1 2 takes versions of the last turn, %cmd diff 3.1 3.2 of turn 3",
            )
        if not words:
            slot = self._live.slots[place_of(self._live, None)]
            if len(slot.versions) < 2:  # noqa: PLR2004  two are compared
                raise OptionError(
                    "the last turn has one version only",
                    hint="run its cell again, or compare those of turn 1: %cmd diff 1.1 1.2",
                )
            words = [str(len(slot.versions) - 1), str(len(slot.versions))]
        first, second = (self._answer(word) for word in words)
        return word_diff(first, second)

    def _answer(self, name: str) -> str:
        """Return the answer that `VERSION` or `TURN.VERSION` names."""
        turn, dot, version = name.rpartition(".")
        try:
            place = place_of(self._live, int(turn) if dot else None)
            slot, at = self._live.slots[place], int(version)
        except ValueError:
            raise OptionError(
                f"{name!r} is no version", hint="write 2 for the second one, or 3.2 for turn 3"
            ) from None
        if not 1 <= at <= len(slot.versions):
            raise OptionError(
                f"turn {place + 1} has no version {at}",
                hint=f"it has {pluralize(len(slot.versions), 'version')}",
            )
        return slot.versions[at - 1].answer


def _versions_words(rest: str) -> tuple[int | None, int | None]:
    """Read `[TURN] [--use VERSION]`."""
    turn, flag, use = rest.partition("--use")
    return (
        number("versions", turn) if turn.strip() else None,
        number("versions", use) if flag else None,
    )
