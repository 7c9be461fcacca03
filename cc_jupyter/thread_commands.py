"""The commands about threads: which one goes on, what there is, and how to go back or aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.command_words import local_time, nothing, number, one_name
from cc_jupyter.core.display import Card, Table
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import counted, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.session.execution import Cell
    from cc_jupyter.session.session import Session


class ThreadCommands:
    """What `%cmd` does with threads."""

    def __init__(self, session: Session, cell: Cell) -> None:
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
        thread.start_anew()
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
        return Card({"thread": thread.name, "holds": counted(turns, "turn"), "which is": origin})

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
        return Card({**card, "taken back": f"{counted(taken, 'turn')}; nothing was deleted"})

    def _fork(self, rest: str) -> Card:
        if not rest:
            raise OptionError("%cmd fork takes a name", hint="an example: %cmd fork bolder")
        name = one_name("fork", rest)
        before = self._live.name
        forked = self._session.conversations.fork(name)
        self._session.history.save_thread(forked, on_disk=self._on_disk)
        return self._standing(forked, f"a fork of {before}, and the current one")
