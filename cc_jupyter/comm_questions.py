"""What a front end may ask; nothing here changes anything."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from cc_jupyter.comm_fields import Answer, Body, number_in, path_in, text_in
from cc_jupyter.comm_state import tokens_text
from cc_jupyter.comm_tree import Tree
from cc_jupyter.comm_turns import answer_body, answer_of, version_rows
from cc_jupyter.conversation.history import history_off
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.money import EXACT, format_usd
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import counted
from cc_jupyter.picker_source import PickerSource
from cc_jupyter.session.staleness import refresh_plan
from cc_jupyter.usage.ledger import add_up, format_sum, total

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.comm_state import StateReader
    from cc_jupyter.conversation.records import LedgerRow, TurnRecord


class Questions:
    """Answers what is asked of a session."""

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
            "get_versions": self._versions,
            "get_diff": self._diff,
            "get_answer": self._answer,
            "get_refresh_plan": self._refresh_plan,
        }

    # ── models

    def _models(self, *, refresh: bool) -> Answer:
        source = PickerSource(self._session)
        if refresh:
            source.refresh()
        table = source.table()
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        return "models", {
            "rows": rows,
            "current": source.standing().model,
            "fresh": not source.is_stale(),
            "note": source.caption(),
        }

    # ── conversations

    def _tree(self, _: Body) -> Answer:
        state = self._state
        return "tree", Tree(self._session, state.facts, state.cell.notebook).build()

    def _search(self, body: Body) -> Answer:
        text = body.get("text")
        if not isinstance(text, str) or not text.strip():
            return "found", {"turns": []}
        if not self._session.settings().history:
            raise history_off()
        store = self._session.history.store
        hits = store.search(text)
        records = store.turns([hit.turn_id for hit in hits])
        turns = [
            {
                "id": hit.turn_id,
                "snippet": redact(hit.snippet),
                "prompt": redact(records[hit.turn_id].prompt),
                "thread": hit.thread,
                "notebook": hit.notebook,
                "cell_id": hit.cell_id,
                "model": hit.model,
                "sent_at": hit.sent_at.isoformat(),
            }
            for hit in hits
            if hit.turn_id in records  # another kernel may have forgotten it meanwhile
        ]
        return "found", {"turns": turns}

    # ── money

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

    # ── a cell's answers

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
                    hint=f"it has {counted(len(versions), 'version')}",
                )
            texts.append(answer_of(versions[number - 1], self._session.history))
        pieces = [{"kind": kind, "text": text} for kind, text in word_diff(*texts).pieces]
        return "diff", {"pieces": pieces}

    def _answer(self, body: Body) -> Answer:
        spot = self._state.spot(text_in(body, "cell_id"))
        return "answer", answer_body(spot.slot, self._session.history, self._session.settings())

    def _refresh_plan(self, body: Body) -> Answer:
        state, session = self._state, self._session
        if state.is_busy:
            raise OptionError(
                "a cell is running, which may change what is stale", hint="ask when it is done"
            )
        told = path_in(body, "notebook")
        known = session.document_order.cells(told) is not None
        plan = refresh_plan(session, state.user_ns, told if known else state.cell.notebook)
        cells = [
            {
                "cell_id": step.cell_id,
                "thread": step.thread,
                "reasons": list(step.reasons),
                "cost": "?" if step.cost.usd is None else f"~{format_usd(step.cost.usd)}",
            }
            for step in plan.steps
        ]
        return "refresh_plan", {"cells": cells, "cost": format_sum(plan.total)}


def _usage_row(row: LedgerRow) -> dict[str, Any]:
    return {
        "model": row.group,
        "requests": row.requests,
        "failed": row.failed,
        "tokens_in": tokens_text(row, row.input_tokens),
        "tokens_out": tokens_text(row, row.output_tokens),
        "cost": format_sum(row),
    }


def _points(records: list[TurnRecord]) -> list[dict[str, Any]]:
    """Give what was spent when each request had been sent; a plot needs no exact sum."""
    points, usd, tokens = [], Decimal(0), 0
    with localcontext(EXACT):
        for record in records:
            usd += record.cost.usd or Decimal(0)
            tokens += (record.usage.input_tokens or 0) + (record.usage.output_tokens or 0)
            sent_at = record.sent_at.isoformat()
            points.append({"sent_at": sent_at, "usd": float(usd), "tokens": tokens})
    return points
