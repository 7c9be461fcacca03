"""The commands on stored conversations: `export`, `search` and `forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.commands.parsing import local_time, place_of
from cc_jupyter.conversation.history import history_off
from cc_jupyter.conversation.records import conversation_record
from cc_jupyter.core.display import Table, TextOutput
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_SHORTEST_ID = 8
"""At this many digits a name is the beginning of an id; a shorter number is a turn."""


class KeptCommands:
    """Export, search and delete stored conversations."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell
        self.by_name: dict[str, Callable[[str], object]] = {
            "export": self._export,
            "search": self._search,
            "forget": self._forget,
        }

    @property
    def _live(self) -> Thread:
        return self._session.conversations.thread()

    @property
    def _on_disk(self) -> bool:
        return self._session.settings().history

    def _export(self, rest: str) -> TextOutput:
        from cc_jupyter.conversation.export import write_export  # noqa: PLC0415  seldom needed

        words = rest.split()
        overwrite = "--overwrite" in words
        path = " ".join(word for word in words if word != "--overwrite").strip("\"'")
        if not path:
            raise OptionError("%cmd export takes a path", hint="it may end in .md, .json or .ipynb")
        thread = self._live
        record = conversation_record(thread, self._cell.notebook, self._session.started_at)
        turns = {
            turn.id: found
            for slot in thread.slots
            for turn in slot.versions
            if (found := self._session.history.record(turn.id)) is not None
        }
        write_export(path, record, turns, overwrite=overwrite)
        return TextOutput(
            f"thread {thread.name}, {pluralize(len(thread.slots), 'turn')}, is in {path}"
        )

    def _search(self, rest: str) -> Table:
        if not rest:
            raise OptionError("%cmd search takes the words to find")
        if not self._on_disk:
            raise history_off()
        found = self._session.history.store.search(rest)
        rows = [
            {
                "found": hit.snippet,
                "thread": hit.thread or "",
                "turn": None if hit.position is None else hit.position + 1,
                "model": hit.model,
                "sent": local_time(hit.sent_at),
                "notebook": hit.notebook,
                "id": hit.turn_id[:8],
            }
            for hit in found
        ]
        return Table(rows, f"{pluralize(len(rows), 'turn')} with {rest!r}; %cmd sent ID shows one")

    def _forget(self, rest: str) -> TextOutput:
        what, _, name = rest.partition(" ")
        name = name.strip()
        match what:
            case "turn":
                count = self._forget_turn(name)
            case "thread" if name:
                count = self._forget_thread(name)
            case "everything" if not name:
                count = self._forget_everything()
            case _:
                raise OptionError(
                    f"%cmd forget takes a turn, a thread or everything, not {rest!r}",
                    hint=did_you_mean(what, ["turn", "thread", "everything"])
                    or "%cmd forget turn 3; %cmd forget thread NAME; %cmd forget everything",
                )
        return TextOutput(
            f"{pluralize(count, 'turn')} forgotten, here and on disk;"
            " notebook outputs are unchanged"
        )

    def _forget_turn(self, name: str) -> int:
        """Delete every version of a turn, given by number or by an id from a search."""
        history = self._session.history
        if name.isdecimal() and len(name) < _SHORTEST_ID:
            slot = self._live.slots[place_of(self._live, int(name))]
            ids = [turn.id for turn in slot.versions]
        else:
            found = history.store.turn(name) if self._on_disk and name else None
            if found is None:
                raise OptionError(
                    f"there is no turn {name!r}", hint="%cmd history and %cmd search name them"
                )
            ids = [found.id]
        conversations = self._session.conversations
        for turn_id in ids:
            for thread in conversations.names:
                conversations.thread(thread).forget(turn_id)
            if self._on_disk:
                history.store.forget_turn(turn_id)
        history.forget(ids)
        return len(ids)

    def _forget_thread(self, name: str) -> int:
        conversations, history = self._session.conversations, self._session.history
        live = conversations.thread(name) if name in conversations.names else None
        ids = [turn.id for slot in (live.slots if live else ()) for turn in slot.versions]
        stored = 0
        if self._on_disk:
            stored = history.forget_thread(name, self._cell.notebook, live)
        if not ids and not stored:
            raise OptionError(
                f"there is no thread {name!r}",
                hint=did_you_mean(name, conversations.names) or "%cmd threads lists them",
            )
        conversations.drop(name)
        history.forget(ids)
        return max(stored, len(ids))

    def _forget_everything(self) -> int:
        conversations, history = self._session.conversations, self._session.history
        count = len(history.records())
        if self._on_disk:
            count = max(count, history.store.forget_everything())
        for name in conversations.names:
            conversations.drop(name)
        history.forget(None)
        return count
