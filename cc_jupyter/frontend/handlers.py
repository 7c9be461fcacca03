"""Answers the messages of a front end; safe to call from any thread.

Every field is checked: the front end may be newer, older or broken. Queries change nothing. Actions
call the functions behind the `%cmd` commands.
"""

from __future__ import annotations

import threading
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, TypeAlias

from cc_jupyter.commands.models import ModelCommands
from cc_jupyter.commands.prompts import option_summary
from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.conversation.history import history_off
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import pluralize
from cc_jupyter.frontend.conversations import (
    Tree,
    answer_body,
    answer_of,
    grid_outputs,
    record_of,
    stored_answer_body,
    version_rows,
)
from cc_jupyter.frontend.picker.favourites import mark
from cc_jupyter.frontend.picker.rows import Choice, PickerSource
from cc_jupyter.frontend.state import StateReader
from cc_jupyter.prompt.saved.files import SavedPrompts
from cc_jupyter.session.execution import execution_context
from cc_jupyter.session.staleness import refresh_plan
from cc_jupyter.usage.budget import move_budget
from cc_jupyter.usage.ledger import add_up, format_sum, format_tokens, total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.conversation.records import LedgerRow, TurnRecord
    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.session.session import Session


Body: TypeAlias = dict[str, Any]
Answer: TypeAlias = tuple[str, Body]
"""The type of an answer, and its body."""


def text_in(body: Body, name: str) -> str:
    """Return a text that must not be empty."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _ill_typed(name, value, "a text")
    return value


def any_text_in(body: Body, name: str) -> str:
    """Return a text that may be empty, as the path of a page without a notebook is."""
    value = body.get(name)
    if not isinstance(value, str):
        raise _ill_typed(name, value, "a text")
    return value


def word_in(body: Body, name: str) -> str:
    """Return a name that a `%cmd` line can hold: one word, and not an option."""
    value = text_in(body, name)
    if value.split() != [value] or value.startswith("-"):
        raise _ill_typed(name, value, "one word that is not an option")
    return value


def number_in(body: Body, name: str) -> int:
    """Return a number from 1."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _ill_typed(name, value, "a number from 1")
    return value


def texts_in(body: Body, name: str) -> list[str]:
    """Return a list of texts."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _ill_typed(name, value, "a list of texts")
    return value


def _ill_typed(name: str, value: object, kind: str) -> OptionError:
    return OptionError(f"`{name}` must be {kind}, not {value!r:.60}")


class Queries:
    """Answers questions about a session."""

    def __init__(self, state: StateReader) -> None:
        self._state = state
        self._session = state.session
        self.by_type: dict[str, Callable[[Body], Answer]] = {
            "get_state": lambda _: ("state", state.state()),
            "list_models": lambda _: self._models(refresh=False),
            "refresh_models": lambda _: self._models(refresh=True),
            "get_tree": self._tree,
            "get_usage": self._usage,
            "search": self._search,
            "list_prompts": self._prompts,
            "get_versions": self._versions,
            "get_diff": self._diff,
            "get_answer": self._answer,
            "get_refresh_plan": self._refresh_plan,
            "get_estimate": self._estimate,
        }

    def _models(self, *, refresh: bool) -> Answer:
        source = PickerSource(self._session)
        if refresh:
            source.refresh()
        table = source.table()
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        return "models", {
            "rows": rows,
            "current": source.current_choice().model,
            "fresh": not source.is_stale(),
            "note": source.caption(),
        }

    def _tree(self, _: Body) -> Answer:
        state = self._state
        return "tree", Tree(self._session, state.facts, state.cell.notebook).build()

    def _search(self, body: Body) -> Answer:
        text = body.get("text")
        if not isinstance(text, str) or not text.strip():
            return "found", {"turns": []}
        if not self._session.settings().history:
            raise history_off()
        store = self._session.history.reading()
        hits = store.search(text)
        records = store.turns([hit.turn_id for hit in hits])
        hidden = self._session.hidden_grids
        turns = [
            {
                "id": hit.turn_id,
                "snippet": redact(hit.snippet),
                "prompt": redact(records[hit.turn_id].prompt),
                "thread": hit.thread,
                "notebook": hit.notebook,
                "cell_id": hit.cell_id,
                "model": "" if records[hit.turn_id].grid in hidden else hit.model,
                "sent_at": hit.sent_at.isoformat(),
            }
            for hit in hits
            if hit.turn_id in records  # another kernel may have deleted it meanwhile
        ]
        return "found", {"turns": turns}

    def _prompts(self, _: Body) -> Answer:
        rows = [
            {
                "name": entry.name,
                "is_project": entry.is_project,
                "text": redact(entry.file.text) if entry.file else "",
                "needs": [*entry.needs],
                "options": option_summary(entry.file) if entry.file else "",
                "cost": entry.cost,
                "problem": entry.problem or None,
            }
            for entry in SavedPrompts(self._state.cell.notebook).entries()
        ]
        return "prompts", {"prompts": rows}

    def _usage(self, _: Body) -> Answer:
        notebook = self._state.cell.notebook
        every = self._session.history.records()
        records = [each for each in every if each.notebook == notebook]
        rows = add_up(records, "model")
        return "usage", {
            "rows": [_usage_row(row) for row in rows],
            "total": _usage_row(total(rows)),
            "points": _points(records),
            "unknown": sum(record.cost.usd is None for record in records),
        }

    def _versions(self, body: Body) -> Answer:
        spot = self._state.spot(text_in(body, "cell_id"))
        rows = version_rows(spot.slot.versions, self._state.facts, self._session.history)
        active = spot.slot.active + 1 if spot.slot.turn else None
        return "versions", {
            "thread": spot.thread,
            "turn": spot.place + 1,
            "active": active,
            "versions": rows,
        }

    def _diff(self, body: Body) -> Answer:
        from cc_jupyter.core.display import word_diff  # noqa: PLC0415  difflib, seldom needed

        versions = self._state.spot(text_in(body, "cell_id")).slot.versions
        texts = []
        for name in ("before", "after"):
            number = number_in(body, name)
            if number > len(versions):
                raise OptionError(
                    f"the cell has no version {number}",
                    hint=f"it has {pluralize(len(versions), 'version')}",
                )
            texts.append(answer_of(versions[number - 1], self._session.history))
        pieces = [{"kind": kind, "text": text} for kind, text in word_diff(*texts).pieces]
        return "diff", {"pieces": pieces}

    def _answer(self, body: Body) -> Answer:
        cell_id, settings = text_in(body, "cell_id"), self._session.settings()
        history, hidden = self._session.history, self._session.hidden_grids
        if cell_id not in self._state.spots() and settings.history and history.is_on_disk:
            record = history.reading().last_turn_of(self._state.cell.notebook, cell_id)
            if record is not None:
                answer = stored_answer_body(record, settings, is_hidden=record.grid in hidden)
                self._show_grid(answer, record, cell_id)
                return "answer", answer
        slot = self._state.spot(cell_id).slot
        answer = answer_body(slot, history, settings, hidden=hidden)
        if slot.turn is not None and slot.turn.group is not None:
            self._show_grid(answer, record_of(slot.turn, history), cell_id, is_live=True)
        return "answer", answer

    def _show_grid(
        self, answer: Body, record: TurnRecord | None, cell_id: str, *, is_live: bool = False
    ) -> None:
        """Put all answers of a grid into the outputs, of which the answer is one."""
        if record is None:
            answer["outputs"] = []
        elif record.grid is not None:
            settings, history = self._session.settings(), self._session.history
            records = [record]
            if settings.history and history.is_on_disk:
                records = history.reading().grid_turns(record.grid) or records
            shown = self._state.cell.final_output(cell_id)
            is_hidden = record.grid in self._session.hidden_grids
            answer["outputs"] = grid_outputs(
                records, settings, shown, is_hidden=is_hidden, is_live=is_live
            )

    def _refresh_plan(self, body: Body) -> Answer:
        state, session = self._state, self._session
        if state.is_busy:
            raise OptionError(
                "a cell is running, which may change what is stale",
                hint="try again when it has finished",
            )
        path = any_text_in(body, "notebook")
        known = session.document_order.cells(path) is not None
        plan = refresh_plan(session, state.user_ns, path if known else state.cell.notebook)
        cells = [
            {
                "cell_id": step.cell_id,
                "thread": step.thread,
                "reasons": list(step.reasons),
                "cost": "?" if step.cost.usd is None else format_usd(step.cost.usd, estimated=True),
            }
            for step in plan.steps
        ]
        return "refresh_plan", {"cells": cells, "cost": format_sum(plan.total)}

    def _estimate(self, body: Body) -> Answer:
        state = self._state
        if state.is_busy:
            raise OptionError("a cell is running", hint="try again when it has finished")
        from cc_jupyter.frontend.grid_estimate import CellPlace, estimate_grid  # noqa: PLC0415  few cells are grids

        notebook = state.cell.notebook or any_text_in(body, "notebook")
        cell = CellPlace(notebook, text_in(body, "cell_id"))
        line, text = any_text_in(body, "line"), any_text_in(body, "text")
        return "estimate", estimate_grid(self._session, cell, line, text)


def _usage_row(row: LedgerRow) -> dict[str, Any]:
    return {
        "model": row.group,
        "requests": row.requests,
        "failed": row.failed,
        "tokens_in": format_tokens(row, row.input_tokens),
        "tokens_out": format_tokens(row, row.output_tokens),
        "cost": format_sum(row),
    }


def _points(records: list[TurnRecord]) -> list[dict[str, Any]]:
    """Return the spending after each request; a plot needs no exact sums."""
    points, usd, tokens = [], Decimal(0), 0
    with localcontext(EXACT):
        for record in records:
            usd += record.cost.usd or Decimal(0)
            tokens += (record.usage.input_tokens or 0) + (record.usage.output_tokens or 0)
            sent_at = record.sent_at.isoformat()
            points.append({"sent_at": sent_at, "usd": float(usd), "tokens": tokens})
    return points


class Actions:
    """Changes a session with the functions behind `%cmd use`, `thread`, `fork` and `versions`."""

    def __init__(self, state: StateReader) -> None:
        self._state = state
        self._session = state.session
        self._models = ModelCommands(state.session, state.cell)
        self._threads = ThreadCommands(state.session, state.cell)
        self.by_type: dict[str, Callable[[Body], Answer]] = {
            "set_model": self._announced(self._set_model),
            "mark_model": self._mark_model,
            "set_thread": self._announced(self._set_thread),
            "set_order": self._set_order,
            "fork": self._announced(self._fork),
            "choose_version": self._announced(self._choose_version),
            "remove_prompt": self._remove_prompt,
            "leave_out": self._announced(self._leave_out),
            "bring_back": self._announced(self._bring_back),
            "use_page_order": self._announced(self._use_page_order),
        }

    def stop(self, body: Body) -> Answer:
        """Stop the request of a cell; the cell then ends in its own thread."""
        return "stopped", {"stopped": self._session.in_flight.stop(text_in(body, "cell_id"))}

    def _announced(self, action: Callable[[Body], Answer]) -> Callable[[Body], Answer]:
        """Return an action that notifies the other pages when it has succeeded."""

        def do(body: Body) -> Answer:
            answer = action(body)
            self._session.in_flight.changed()
            return answer

        return do

    def _set_model(self, body: Body) -> Answer:
        model = word_in(body, "model")
        self._models.use(model, save="user" if body.get("save") is True else None)
        PickerSource(self._session).note_use(Choice(self._session.settings().model))
        return _done(f"model {model}")

    def _mark_model(self, body: Body) -> Answer:
        model = text_in(body, "model")
        mark(model, on=body.get("on") is True)
        return _done("")

    def _set_thread(self, body: Body) -> Answer:
        name = word_in(body, "thread")
        self._threads.thread(name)
        return _done(f"thread {name}")

    def _set_order(self, body: Body) -> Answer:
        cells, path = texts_in(body, "cells"), any_text_in(body, "notebook")
        self._session.document_order.update(path, cells)
        new = None if self._state.is_busy else self._state.cell.moved_to(path)
        if new is not None:
            self._move_notebook(new, cells)
        return _done("")

    def _move_notebook(self, new: str, cells: list[str]) -> None:
        """Let the turns of a renamed notebook follow it."""
        session, cell = self._session, self._state.cell
        old = cell.notebook
        move_budget(old, new)  # first, so that no moment is without it
        cell.move(new)
        for name in session.conversations.names:
            session.conversations.thread(name).move_notebook(old, new)
        session.history.move_notebook(old, new, set(cells), on_disk=session.settings().history)

    def _fork(self, body: Body) -> Answer:
        name, turn = word_in(body, "name"), number_in(body, "turn")
        source = self._idle_thread(text_in(body, "thread"))
        card = self._threads.fork(name, source=source, turn=turn)
        return _done(f"thread {name}, a fork of {source.name} with {card['contains']}")

    def _choose_version(self, body: Body) -> Answer:
        spot, version = self._state.spot(text_in(body, "cell_id")), number_in(body, "version")
        thread = self._idle_thread(spot.thread)
        self._threads.choose_version(thread, spot.place, version)
        slot, session = thread.snapshot()[spot.place], self._session
        return "answer", answer_body(
            slot, session.history, session.settings(), hidden=session.hidden_grids
        )

    def _remove_prompt(self, body: Body) -> Answer:
        name = word_in(body, "name")
        SavedPrompts(self._state.cell.notebook).remove(name)
        return _done(f"deleted @{name}")

    def _leave_out(self, body: Body) -> Answer:
        thread = self._idle_thread(self._state.spot(text_in(body, "cell_id")).thread)
        count = self._threads.leave_out(thread, texts_in(body, "cells"))
        return _done(f"{pluralize(count, 'turn')} left out of {thread.name}")

    def _bring_back(self, body: Body) -> Answer:
        session, turn_id = self._session, body.get("turn_id")
        history, on_disk = session.history, session.settings().history
        record = None
        if isinstance(turn_id, str) and turn_id:
            record = history.record(turn_id) or (history.find(turn_id) if on_disk else None)
        elif on_disk and history.is_on_disk:
            notebook, cell_id = self._state.cell.notebook, text_in(body, "cell_id")
            record = history.reading().last_turn_of(notebook, cell_id)
        if record is None:
            raise OptionError(
                "the history does not have this answer", hint="run the cell again to send it"
            )
        if any(running.thread == record.thread for running in session.in_flight.now):
            self._idle_thread(str(record.thread))
        return _done(f"{self._threads.bring_back(record).name} has this answer again")

    def _use_page_order(self, _: Body) -> Answer:
        self._session.choices["order"] = "document"
        return _done("cells send what is above them")

    def _idle_thread(self, name: str) -> Thread:
        """Return a thread of this session in which no cell waits for an answer."""
        conversations = self._session.conversations
        if name not in conversations.names:
            raise OptionError(
                f"there is no thread {name!r} in this session",
                hint=did_you_mean(name, conversations.names) or f"%cmd thread {name} creates it",
            )
        if any(running.thread == name for running in self._session.in_flight.now):
            raise OptionError(
                f"a cell is running in the thread {name}",
                hint="wait for its answer, or stop it",
            )
        return conversations.thread(name)


def _done(message: str) -> Answer:
    return "done", {"said": message}


class Handlers:
    """Answers messages by their type.

    Parameters
    ----------
    is_busy
        Returns whether a cell is running.
    """

    def __init__(
        self, shell: InteractiveShell, session: Session, is_busy: Callable[[], bool]
    ) -> None:
        state = StateReader(session, execution_context(shell), shell.user_ns, is_busy)
        self._actions = Actions(state)
        self._handlers: Mapping[str, Callable[[Body], Answer]] = {
            **Queries(state).by_type,
            **self._actions.by_type,
        }
        self._lock = threading.Lock()  # pages may send from several threads

    @property
    def types(self) -> set[str]:
        """The types of messages that are answered."""
        return {"stop", *self._handlers}

    def answer(self, kind: str, body: Body) -> Answer | None:
        """Return the answer to a message; `None`: its type is unknown.

        Raises
        ------
        CcError
            The message cannot be answered or the action cannot be done.
        """
        if kind == "stop":  # it must not wait for the lock
            return self._actions.stop(body)
        handler = self._handlers.get(kind)
        if handler is None:
            return None
        with self._lock:
            return handler(body)
