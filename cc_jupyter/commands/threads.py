"""The commands on threads and their turns: switch, list, rewind, fork, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.history import history_off
from cc_jupyter.conversation.records import turn_from_record
from cc_jupyter.core.display import Card, Table
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import Parameters
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt, excerpt_of_change, pluralize
from cc_jupyter.experiments.plan import option_label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.conversation.turns import Turn, TurnSlot
    from cc_jupyter.core.display import WordDiff
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


ID_DIGITS = 8
"""The digits of a shown id; a shorter number is the number of a turn."""


BLIND = "blind"
"""In place of the model of an answer in a blind grid that is not revealed."""


class ConversationCommands:
    """What all commands on conversations share."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell

    @property
    def _thread(self) -> Thread:
        """The current thread."""
        return self._session.conversations.thread()

    @property
    def _on_disk(self) -> bool:
        """Whether the history may be read from disk and written to it."""
        return self._session.settings().history

    def _save(self, thread: Thread) -> None:
        self._session.history.save_thread(thread, on_disk=self._on_disk)


class ThreadCommands(ConversationCommands):
    """Switch, list, change and compare threads and turns."""

    def new(self, name: str | None = None) -> Card:
        """Start over in the current thread, or in the named one."""
        conversations = self._session.conversations
        if name is not None:
            conversations.current = name
        thread = conversations.thread()
        thread.start_over()
        return Card({"thread": thread.name, "contains": "no turns yet"})

    def thread(self, name: str | None = None, from_: str | None = None) -> Card:
        """Switch to a thread: of this session, else a stored one, else a new one.

        Parameters
        ----------
        from_
            Another notebook, whose stored thread is loaded; its path or the end of it.

        Raises
        ------
        OptionError
            The other notebook has no such thread, or its name does not identify one notebook.
        """
        if name is None:
            return _summary(self._thread, "current")
        conversations, history = self._session.conversations, self._session.history
        is_live = name in conversations.names and bool(conversations.thread(name).slots)
        if from_ is not None:
            if is_live:
                raise OptionError(
                    f"this session already has a thread {name!r}",
                    hint=f"%cmd thread {name} switches to it",
                )
            notebook = self._other_notebook(name, from_)
            stored = history.load_thread(name, notebook, into=self._cell.notebook)
            if stored is not None:
                return _summary(conversations.put(stored), f"current, loaded from {notebook}")
        if is_live:
            conversations.current = name
            return _summary(conversations.thread(), "current, in this session")
        stored = history.load_thread(name, self._cell.notebook) if self._on_disk else None
        if stored is not None:
            return _summary(conversations.put(stored), "current, loaded from the history")
        conversations.current = name
        card = _summary(conversations.thread(), "current, new")
        others = self._notebooks_with(name) if self._on_disk else []
        if others:
            line = f"%cmd thread {name} --from {others[0].split()[-1]}"  # an ending will do
            card["elsewhere"] = f"{_named(others)} has a thread of this name; to load it: {line}"
        return card

    def _notebooks_with(self, name: str) -> list[str]:
        """Return the other notebooks with a stored thread of a name, the last used first."""
        found = self._session.history.reading().threads(name)
        names = dict.fromkeys(each.notebook for each in found if each.notebook)
        return [each for each in names if each != self._cell.notebook]

    def _other_notebook(self, name: str, notebook: str) -> str:
        if not self._on_disk:
            raise history_off()
        others = self._notebooks_with(name)
        ending = f"/{notebook.lstrip('/')}"
        found = [each for each in others if each == notebook]
        found = found or [each for each in others if f"/{each}".endswith(ending)]
        found = found or [each for each in others if each.endswith(notebook)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(found or others)
        raise OptionError(
            f"{notebook!r} is {'the end of several paths' if found else 'no other notebook'}"
            f" with a thread {name!r}",
            hint=f"choose one of: {known}" if known else "%cmd threads lists all threads",
        )

    def leave_out(self, thread: Thread, cell_ids: Sequence[str]) -> int:
        """Remove the turns of some cells from a thread, not from disk; return how many."""
        places = [
            place
            for place, slot in enumerate(thread.slots)
            if slot.key is not None and slot.key.cell_id in cell_ids
        ]
        for place in reversed(places):
            thread.leave_out(place)
        self._save(thread)
        return len(places)

    def bring_back(self, record: TurnRecord) -> Thread:
        """Make a turn of the history part of its thread again, and return the thread.

        A thread that this session has not used yet is loaded whole.
        """
        conversations, history = self._session.conversations, self._session.history
        name = record.thread or conversations.current
        thread = conversations.thread(name)
        if not thread.slots and self._on_disk and record.conversation_id is not None:
            stored = history.load_conversation(record.conversation_id, into=self._cell.notebook)
            if stored is not None:
                thread = conversations.put(stored, switch=False)
        turns = [slot.turn for slot in thread.slots if slot.turn is not None]
        # the page shows all answers of a grid, of which one is active
        if not any(
            turn.id == record.id or (turn.group is not None and turn.group == record.grid)
            for turn in turns
        ):
            key = record.key and record.key._replace(notebook=self._cell.notebook)
            for each in reversed(self._versions_of(record)):
                thread.bring_back(key, turn_from_record(each))
            self._save(thread)
        return thread

    def _versions_of(self, record: TurnRecord) -> list[TurnRecord]:
        """Return the complete answers of a turn's grid in the order they came, else the turn."""
        if record.grid is None:
            return [record]
        found = self._session.history.grid_turns(record.grid, on_disk=self._on_disk)
        return [each for each in found if each.answer and each.error is None] or [record]

    def threads(self) -> Table:
        """List the threads of this session, then the stored ones."""
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
                for found in self._session.history.reading().threads()
                if found.conversation_id not in live
            ]
        return Table(
            rows,
            "%cmd thread NAME switches to a thread of this notebook;"
            " %cmd thread NAME --from NOTEBOOK loads one of another",
        )

    def _thread_row(self, thread: Thread) -> dict[str, Any]:
        turns = [slot.turn for slot in thread.slots if slot.turn is not None]
        record = self._session.history.record(turns[-1].id) if turns else None
        current = thread.name == self._session.conversations.current
        return {
            "thread": thread.name,
            "turns": len(turns),
            "begins": excerpt(self._saved_prompt(turns[0])) if turns else "",
            "last used": local_time(record.sent_at) if record else "",
            "notebook": record.notebook if record else self._cell.notebook,
            "state": "current" if current else "in this session",
        }

    def rewind(self, turns: int = 1) -> Card:
        """Remove the last turns from the current thread; delete nothing."""
        removed = self._thread.rewind(turns)
        self._save(self._thread)
        card = _summary(self._thread, "current")
        return Card({**card, "undone": f"{pluralize(removed, 'turn')}; nothing was deleted"})

    def fork(self, name: str, *, source: Thread | None = None, turn: int | None = None) -> Card:
        """Switch to a new thread that shares the turns of another one.

        Parameters
        ----------
        source
            The thread to fork; by default the current one.
        turn
            The number of the last shared turn; by default all are shared.
        """
        source = source or self._thread
        place = None if turn is None else place_of(source, turn)
        forked = self._session.conversations.fork(name, source, place)
        self._save(forked)
        return _summary(forked, f"current, a fork of {source.name}")

    def history(self, *, full: bool = False) -> Table:
        """List the turns of the current thread."""
        thread = self._thread
        rows = [self._turn_row(at, slot, full=full) for at, slot in enumerate(thread.slots, 1)]
        unnamed = sum(slot.key is None for slot in thread.slots)
        notes = [f"thread {thread.name}", pluralize(len(rows), "turn")]
        if unnamed:
            notes.append(
                f"{pluralize(unnamed, 'turn')} in the order of execution: this front end sends no"
                " cell ids, so a cell that runs again adds a turn"
            )
        if any(slot.stale for slot in thread.slots):
            notes.append("stale: something before the turn changed after it was answered")
        return Table(rows, "; ".join(notes))

    def _turn_row(self, at: int, slot: TurnSlot, *, full: bool) -> dict[str, Any]:
        turn = slot.turn or (slot.versions[-1] if slot.versions else None)
        record = self._session.history.record(turn.id) if turn else None
        cut = str if full else excerpt
        marks = {"new thread": slot.starts_new_thread, "stale": slot.stale}
        model, cost = self._model_and_cost(turn, record)
        return {
            "turn": at,
            "prompt": cut(self._saved_prompt(turn)) if turn else "",
            "answer": cut(turn.answer) if turn else "",
            "model": model,
            "ended": record.stop_reason if record else "",
            "cost": cost,
            "versions": len(slot.versions),
            "marks": ", ".join(mark for mark, applies in marks.items() if applies),
        }

    def _model_and_cost(self, turn: Turn | None, record: TurnRecord | None) -> tuple[str, str]:
        """Return what tables show of them: nothing while they belong to a blind grid."""
        if turn is not None and turn.group in self._session.hidden_grids:
            return BLIND, ""
        model = record.model if record else turn.model if turn else ""
        return model, cost_text(record)

    def _saved_prompt(self, turn: Turn) -> str:
        """Return the prompt of a turn as the history has it: without keys."""
        record = self._session.history.record(turn.id)
        return redact(turn.prompt) if record is None else record.prompt

    def versions(self, turn: int | None = None, *, use: int | None = None) -> Table:
        """List all versions of a turn: prompt, options and answer; activate another one."""
        thread = self._thread
        place = place_of(thread, turn)
        if use is not None:
            self.choose_version(thread, place, use)
        slot = thread.slots[place]
        rows = self._version_rows(slot)
        reveals = any(row["model"] == BLIND for row in rows)
        return Table(
            rows,
            f"turn {place + 1} of thread {thread.name};"
            f" %cmd versions {place + 1} --use V activates another version,"
            f" %cmd diff compares two{', %cmd reveal shows the models' if reveals else ''}",
        )

    def choose_version(self, thread: Thread, place: int, version: int) -> None:
        """Make a version, numbered from 1, the active one of its turn; later turns become stale.

        Raises
        ------
        OptionError
            The turn has no such version, or that version has no answer.
        """
        slot = thread.slots[place]
        if not 1 <= version <= len(slot.versions) or not slot.versions[version - 1].answer:
            raise OptionError(
                f"turn {place + 1} has no version {version} with an answer",
                hint=f"it has {pluralize(len(slot.versions), 'version')};"
                f" %cmd versions {place + 1} lists them",
            )
        page = self._session.preparer.page(slot.key, self._session.settings())
        thread.choose(place, version - 1, page)
        self._save(thread)

    def _version_rows(self, slot: TurnSlot) -> list[dict[str, Any]]:
        """Return a row for each version, with what distinguishes it from the others."""
        versions = slot.versions
        usual = self._saved_prompt(slot.turn or versions[-1]) if versions else ""
        grids = [*dict.fromkeys(each.group for each in versions if each.group is not None)]
        options = differing_options(versions)
        rows = []
        for at, turn in enumerate(versions):
            record = self._session.history.record(turn.id)
            prompt = self._saved_prompt(turn)
            model, cost = self._model_and_cost(turn, record)
            rows.append(
                {
                    "version": at + 1,
                    "active": "yes" if at == slot.active else "",
                    "grid": None if turn.group is None else grids.index(turn.group) + 1,
                    "model": model,
                    "options": "" if model == BLIND else options[at],
                    "prompt": excerpt_of_change(prompt, usual) if prompt != usual else "",
                    "answer": excerpt(turn.answer),
                    "cost": cost,
                    "ended": record.stop_reason if record else "",
                    "sent": local_time(record.sent_at) if record else "",
                }
            )
        return rows

    def diff(self, first: str | None = None, second: str | None = None) -> WordDiff:
        """Compare two answers word by word, each given as `VERSION` or `TURN.VERSION`."""
        from cc_jupyter.core.display import word_diff  # noqa: PLC0415  difflib, rarely needed

        if first is None:
            count = len(self._thread.slots[place_of(self._thread, None)].versions)
            if count < 2:  # noqa: PLR2004  two are compared
                raise OptionError(
                    "the last turn has only one version",
                    hint="run its cell again, or compare versions of turn 1: %cmd diff 1.1 1.2",
                )
            first, second = str(count - 1), str(count)
        if second is None:
            raise OptionError(
                f"%cmd diff compares two versions, not only {first!r}",
                hint="for example: %cmd diff 1 2, or %cmd diff 3.1 3.2 for versions of turn 3",
            )
        return word_diff(self._answer(first), self._answer(second))

    def _answer(self, name: str) -> str:
        """Return the answer that `VERSION` or `TURN.VERSION` names."""
        turn, dot, version = name.rpartition(".")
        try:
            place = place_of(self._thread, int(turn) if dot else None)
            slot, number = self._thread.slots[place], int(version)
        except ValueError:
            raise OptionError(
                f"{name!r} is not a version",
                hint="write 2 for the second version, or 3.2 for the second version of turn 3",
            ) from None
        if not 1 <= number <= len(slot.versions):
            raise OptionError(
                f"turn {place + 1} has no version {number}",
                hint=f"it has {pluralize(len(slot.versions), 'version')}",
            )
        return slot.versions[number - 1].answer


def differing_options(versions: Sequence[Turn]) -> list[str]:
    """Return the options of each version that are not the same in all; `?` if they are unknown."""
    given = [None if turn.options is None else _options(turn, turn.options) for turn in versions]
    known = [options for options in given if options is not None]
    names = dict.fromkeys(name for options in known for name in options)
    differing = [
        name
        for name in sorted(names, key=_option_rank)
        if any(options.get(name) != known[0].get(name) for options in known)
    ]
    return [
        "?" if options is None else _labels({name: options.get(name) for name in differing})
        for options in given
    ]


def _options(turn: Turn, sent: Parameters) -> dict[str, Any]:
    """Return all options of a version by name, its system prompt included."""
    options = sent.to_json()
    extra = options.pop("extra", {})
    return {**options, **extra, "system": turn.system}


def _option_rank(name: str) -> tuple[bool, int]:
    """Return the sort key of an option: first the parameters, last the system prompt."""
    names = [*Parameters.__match_args__]
    return name == "system", names.index(name) if name in names else len(names)


def _labels(options: dict[str, Any]) -> str:
    if options.get("system") is not None:
        options = {**options, "system": excerpt(options["system"]) or "none"}
    return " · ".join(
        option_label(name, value) for name, value in options.items() if value is not None
    )


def place_of(thread: Thread, turn: int | None) -> int:
    """Return the place of a turn by its number from 1; by default of the last one with an answer.

    Raises
    ------
    OptionError
        There is no such turn.
    """
    slots = thread.slots
    if not slots:
        raise OptionError(
            f"the thread {thread.name} has no turns yet",
            hint="run a prompt first, or load a stored thread: %cmd thread NAME",
        )
    if turn is None:
        last = thread.last_place()
        return len(slots) - 1 if last is None else last
    if not 1 <= turn <= len(slots):
        raise OptionError(f"there is no turn {turn}", hint=f"the last turn is {len(slots)}")
    return turn - 1


def turn_number(name: str) -> int | None:
    """Return the number of a turn; `None`: the name is the start of an id."""
    return int(name) if name.isdecimal() and len(name) < ID_DIGITS else None


def turn_record(session: Session, name: str | None) -> TurnRecord:
    """Return the record of the last turn of the session, or of one by number, version or id.

    Raises
    ------
    OptionError
        There is no such turn.
    """
    history = session.history
    if name is None:
        records = history.records()
        if not records:
            raise OptionError(
                "nothing was sent in this session yet",
                hint="%cmd search TEXT finds the ids of turns of earlier sessions",
            )
        return records[-1]
    found: TurnRecord | None = None
    place, dot, version = name.partition(".")
    number = turn_number(place)
    if number is not None:
        thread = session.conversations.thread()
        slot = thread.slots[place_of(thread, number)]
        turn = slot.turn
        if dot:
            at = int(version) if version.isdecimal() else 0
            turn = slot.versions[at - 1] if 1 <= at <= len(slot.versions) else None
        found = history.record(turn.id) if turn else None
    elif session.settings().history:
        found = history.find(name)
    if found is None:
        raise no_turn(name)
    return found


def no_turn(name: str) -> OptionError:
    """Return the error of a command that finds no turn by this name."""
    return OptionError(
        f"there is no turn {name!r}",
        hint="%cmd history shows the numbers of turns, %cmd search their ids",
    )


def cost_text(record: TurnRecord | None) -> str:
    """Return the cost of a turn as tables show it."""
    if record is None:
        return ""
    if record.cost.usd is None:
        return "?"
    return format_usd(record.cost.usd, estimated=record.cost.origin == "estimated")


def local_time(instant: datetime) -> str:
    """Return an instant in local time."""
    return f"{instant.astimezone():%Y-%m-%d %H:%M}"


def _named(notebooks: Sequence[str]) -> str:
    """Return the first notebook, and how many there are besides."""
    others = len(notebooks) - 1
    return f"{notebooks[0]} (and {pluralize(others, 'other notebook')})" if others else notebooks[0]


def _summary(thread: Thread, state: str) -> Card:
    turns = sum(slot.turn is not None for slot in thread.slots)
    return Card({"thread": thread.name, "contains": pluralize(turns, "turn"), "state": state})
