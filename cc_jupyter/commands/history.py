"""The commands on stored conversations: `export`, `search` and `forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cc_jupyter.commands.threads import (
    BLIND,
    ID_DIGITS,
    ConversationCommands,
    local_time,
    no_turn,
    place_of,
    turn_number,
)
from cc_jupyter.conversation.history import history_off
from cc_jupyter.conversation.records import conversation_record
from cc_jupyter.core.display import MarkedText, Table, TextOutput
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.text import pluralize

if TYPE_CHECKING:
    from cc_jupyter.conversation.records import SearchHit


class HistoryCommands(ConversationCommands):
    """Export, search and delete stored conversations."""

    def export(self, path: str, *, overwrite: bool = False) -> TextOutput:
        """Save the current thread as a file."""
        from cc_jupyter.conversation.export import write_export  # noqa: PLC0415  rarely needed

        thread = self._thread
        record = conversation_record(thread, self._cell.notebook, self._session.started_at)
        turns = {
            turn.id: found
            for slot in thread.slots
            for turn in slot.versions
            if (found := self._session.history.record(turn.id)) is not None
        }
        write_export(path, record, turns, overwrite=overwrite)
        count = pluralize(len(thread.slots), "turn")
        return TextOutput(f"saved thread {thread.name} with {count} to {path}")

    def search(self, text: str) -> Table:
        """Find turns of all sessions that contain these words."""
        if not self._on_disk:
            raise history_off()
        history = self._session.history
        found = history.reading().search(text)
        rows = [
            {
                "found": MarkedText.of(hit.parts),
                "thread": hit.thread or "",
                "turn": None if hit.position is None else hit.position + 1,
                "model": self._shown_model(hit),
                "sent": local_time(hit.sent_at),
                "notebook": hit.notebook,
                "id": hit.turn_id[:ID_DIGITS],
            }
            for hit in found
        ]
        count = pluralize(len(rows), "turn")
        caption = f"{count} with {text!r}; %cmd sent ID shows the request of a turn"
        return Table(rows, f"{caption}{history.missing()}")

    def _shown_model(self, hit: SearchHit) -> str:
        """Return the model of a turn, unless it belongs to a blind grid."""
        record = self._session.history.record(hit.turn_id)
        is_hidden = record is not None and record.grid in self._session.hidden_grids
        return BLIND if is_hidden else hit.model

    def forget(
        self, what: Literal["turn", "thread", "rows", "everything"], name: str | None = None
    ) -> TextOutput | Table:
        """Delete a turn, a thread, finished rows or the whole history from memory and disk."""
        match what, name:
            case "rows", _:
                return self._forget_rows(name)
            case "turn", str():
                count = self._forget_turn(name)
            case "thread", str():
                count = self._forget_thread(name)
            case "everything", None:
                count = self._forget_everything()
            case _:
                given = what if name is None else f"{what} {name}"
                raise OptionError(
                    f"%cmd forget takes turn N, thread NAME, rows or everything, not {given!r}",
                    hint="for example: %cmd forget turn 3",
                )
        return TextOutput(
            f"deleted {pluralize(count, 'turn')} from this session and from disk;"
            " the outputs in the notebook are unchanged"
        )

    def _forget_turn(self, name: str) -> int:
        """Delete every version of a turn, given by its number or the start of an id."""
        history = self._session.history
        number = turn_number(name)
        if number is not None:
            slot = self._thread.slots[place_of(self._thread, number)]
            ids = [turn.id for turn in slot.versions]
        else:
            found = history.find(name) if self._on_disk else None
            if found is None:
                raise no_turn(name)
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

    def _forget_rows(self, name: str | None) -> TextOutput | Table:
        """Delete the finished rows of a result, or all; without a name, list them."""
        history = self._session.history
        on_disk = self._on_disk and history.is_on_disk
        known = history.rows.names(on_disk=on_disk)
        if name is None:
            rows = [{"name": each, "finished rows": count} for each, count in known.items()]
            return Table(rows, "%cmd forget rows NAME deletes those of a result, all every row")
        if name != "all" and name not in known:
            raise OptionError(
                f"there are no finished rows called {name!r}",
                hint=did_you_mean(name, known) or "%cmd forget rows lists them",
            )
        count = history.rows.forget(None if name == "all" else name, on_disk=on_disk)
        where = "from this session and from disk" if on_disk else "from this session"
        return TextOutput(
            f"deleted {pluralize(count, 'finished row')} {where}; they are sent and paid for again"
            " when they are asked for again"
        )

    def _forget_everything(self) -> int:
        conversations, history = self._session.conversations, self._session.history
        count = len(history.records())
        if self._on_disk:
            count = max(count, history.store.forget_everything())
        history.rows.forget(None, on_disk=False)
        for name in conversations.names:
            conversations.drop(name)
        history.forget(None)
        return count
