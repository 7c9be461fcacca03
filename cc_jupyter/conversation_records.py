"""Conversations as they are kept, and kept ones as they live."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cc_jupyter.conversation import Thread
from cc_jupyter.records import ConversationRecord, PlaceRecord, TurnRecord
from cc_jupyter.slots import Slot, Turn

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime


def conversation_record(thread: Thread, notebook: str, started_at: datetime) -> ConversationRecord:
    """Give a thread as it stands, for an export."""
    header = conversation_header(thread, notebook, started_at)
    return dataclasses.replace(header, places=tuple(map(place_record, thread.slots)))


def place_record(
    slot: Slot, *, without: Container[str] = (), under_way: str | None = None
) -> PlaceRecord:
    """Give a place as it is kept.

    Parameters
    ----------
    without
        Versions that are not written yet.
    under_way
        A turn that is being answered there.
    """
    versions = [turn.id for turn in slot.versions if turn.id not in without]
    if under_way is not None and under_way not in versions:
        versions.append(under_way)
    active = slot.turn.id if slot.turn else None
    return PlaceRecord(
        slot.key,
        slot.after_new,
        slot.says_new,
        slot.stale,
        tuple(versions),
        versions.index(active) if active in versions else -1,
    )


def conversation_header(thread: Thread, notebook: str, started_at: datetime) -> ConversationRecord:
    """Give what is kept of a thread beside its places."""
    return ConversationRecord(
        thread.id, thread.name, notebook, started_at, forked_from=thread.forked_from
    )


def thread_of(stored: ConversationRecord, turns: dict[str, TurnRecord]) -> Thread:
    """Give a stored conversation as a live one of its own, over the same turns."""
    slots = [_slot(place, turns) for place in stored.places]
    live = [slot for slot in slots if slot.versions]
    return Thread(stored.name, live, forked_from=stored.id)


def _slot(place: PlaceRecord, turns: dict[str, TurnRecord]) -> Slot:
    kept = [turns[turn_id] for turn_id in place.versions if turn_id in turns]
    active = place.versions[place.active] if place.active >= 0 else None
    ids = [record.id for record in kept]
    return Slot(
        place.key,
        place.after_new,
        place.says_new,
        [_turn_of(record) for record in kept],
        ids.index(active) if active in ids else -1,
        place.stale,
    )


def _turn_of(record: TurnRecord) -> Turn:
    """Give what a conversation needs of a turn."""
    return Turn(record.prompt, record.answer, record.system, record.images, record.id)
