"""Convert the steps of turns with tools to rows and back.

Images of results are stored once, by hash, as those of prompts are.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.conversation.store.turns import (
    fold_body,
    fold_images,
    save_contents,
    unfold_body,
    unfold_images,
)
from cc_jupyter.core.events import USAGE_FIELDS, Usage
from cc_jupyter.core.messages import Image, Reasoning, ToolCall, ToolResult
from cc_jupyter.core.money import Cost
from cc_jupyter.core.steps import CallRecord, Step

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from cc_jupyter.conversation.records import TurnRecord
    from cc_jupyter.core.messages import AnswerPart


_BATCH = 500  # every build of SQLite accepts this many values
_SAME_OF_STEP = (
    *("model", "reasoning", "stop_reason", "error", "time_to_first_token_s", "duration_s"),
    *("request_sha256", "request_key", "sample"),
)
_SAME_OF_CALL = ("state", "shown", "source", "duration_s", "detail", "replayed")


def save_steps(connection: sqlite3.Connection, turn: TurnRecord) -> None:
    """Write the steps of a turn in place of those that are stored."""
    if not turn.steps:
        return
    connection.execute("DELETE FROM step WHERE turn_id = ?", (turn.id,))
    for number, step in enumerate(turn.steps):
        images = tuple(
            each
            for record in step.calls
            for each in record.result.content
            if isinstance(each, Image)
        )
        folded_images, parts = fold_images(images)
        folded = None if step.body is None else fold_body(step.body)
        save_contents(connection, turn.id, folded, parts)
        connection.execute(
            "INSERT INTO step (turn_id, number, data, images, body) VALUES (?, ?, ?, ?, ?)",
            (
                turn.id,
                number,
                json.dumps(step_to_json(step), ensure_ascii=False),
                folded_images,
                None if folded is None else folded.text,
            ),
        )


def load_steps(
    connection: sqlite3.Connection, turn_ids: Sequence[str]
) -> dict[str, tuple[Step, ...]]:
    """Return the steps of turns by turn id, without bodies; turns without steps are left out."""
    found: dict[str, list[Step]] = defaultdict(list)
    for start in range(0, len(turn_ids), _BATCH):
        some = turn_ids[start : start + _BATCH]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(
            f"SELECT turn_id, data, images FROM step WHERE turn_id IN ({marks})"  # noqa: S608  marks only
            " ORDER BY turn_id, number",
            list(some),
        ).fetchall()
        for turn_id, data, images in rows:
            step = step_from_json(json.loads(data), unfold_images(connection, images))
            found[turn_id].append(step)
    return {turn_id: tuple(steps) for turn_id, steps in found.items()}


def load_step_bodies(connection: sqlite3.Connection, turn_id: str) -> list[bytes | None]:
    """Return the bodies that were sent for a turn, in order; `None` for one that is not stored."""
    rows = connection.execute(
        "SELECT body FROM step WHERE turn_id = ? ORDER BY number", (turn_id,)
    ).fetchall()
    return [None if body is None else unfold_body(connection, body, "") for (body,) in rows]


def step_to_json(step: Step) -> dict[str, Any]:
    """Return a step as JSON values, with numbers in place of the images of its results."""
    cost = step.cost
    return {name: getattr(step, name) for name in _SAME_OF_STEP} | {
        "parts": [_part_to_json(part) for part in step.parts],
        "calls": _calls_to_json(step.calls),
        "usage": {name: getattr(step.usage, name) for name in USAGE_FIELDS},
        "cost": {
            "usd": None if cost.usd is None else f"{cost.usd:f}",
            "origin": cost.origin,
            "price_date": cost.price_date.isoformat() if cost.price_date else None,
            "unpriced": list(cost.unpriced),
        },
        "asked": step.asked,
    }


def step_from_json(given: dict[str, Any], images: Sequence[Image]) -> Step:
    """Return the step that `step_to_json` returned as JSON values."""
    cost = given["cost"]
    usd = None if cost["usd"] is None else Decimal(cost["usd"])
    price_date = date.fromisoformat(cost["price_date"]) if cost["price_date"] else None
    return Step(
        **{name: given[name] for name in _SAME_OF_STEP},
        parts=tuple(map(_part_from_json, given["parts"])),
        calls=tuple(_call_from_json(each, images) for each in given["calls"]),
        usage=Usage(**given["usage"]),
        cost=Cost(usd, cost["origin"], price_date, unpriced=tuple(cost["unpriced"])),
        asked=given.get("asked", ""),  # earlier versions could not continue a turn with tools
    )


def _part_to_json(part: AnswerPart) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, Reasoning):
        return {"reasoning": list(part)}
    return {"call": list(part)}


def _part_from_json(given: dict[str, Any]) -> AnswerPart:
    if "text" in given:
        return str(given["text"])
    return ToolCall(*given["call"]) if "call" in given else Reasoning(*given["reasoning"])


def _calls_to_json(records: Sequence[CallRecord]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    images = 0
    for record in records:
        content: list[str | int] = []
        for each in record.result.content:
            content.append(each if isinstance(each, str) else images)
            images += isinstance(each, Image)
        row = {name: getattr(record, name) for name in _SAME_OF_CALL}
        result = {
            "call_id": record.result.call_id,
            "content": content,
            "is_error": record.result.is_error,
        }
        rows.append(row | {"call": list(record.call), "result": result})
    return rows


def _call_from_json(given: dict[str, Any], images: Sequence[Image]) -> CallRecord:
    result = given["result"]
    content = tuple(each if isinstance(each, str) else images[each] for each in result["content"])
    return CallRecord(
        ToolCall(*given["call"]),
        ToolResult(result["call_id"], content, result["is_error"]),
        **{name: given[name] for name in _SAME_OF_CALL},
    )
