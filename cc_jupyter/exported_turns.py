"""What every form of an export takes from the records: the turns that count, without keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.messages import Image
    from cc_jupyter.records import ConversationRecord, TurnRecord

USAGE_FIELDS = (
    *("input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
)
"""The counts of a turn, as they are called in every JSON form."""


def turns_said(
    conversation: ConversationRecord, turns: Mapping[str, TurnRecord]
) -> list[tuple[TurnRecord, bool]]:
    """Give the turns that count, and whether each is the first after a new start.

    A place without an answer may be the one that started anew; the next turn then does.
    """
    anew, said = False, []
    for place in conversation.places:
        anew = anew or place.after_new or place.says_new
        turn = turns.get(place.versions[place.active]) if place.active >= 0 else None
        if turn is not None:
            said.append((redacted(turn), anew))
            anew = False
    return said


def redacted(turn: TurnRecord) -> TurnRecord:
    """Give a turn without keys.

    Before anything is encoded: in JSON a line break ends in a letter, and a key behind it looks
    like the end of a word.
    """
    return replace(
        turn,
        prompt=redact(turn.prompt),
        answer=redact(turn.answer),
        reasoning=redact(turn.reasoning),
        system=None if turn.system is None else redact(turn.system),
        error=None if turn.error is None else redact(turn.error),
        images=tuple(map(_redacted_image, turn.images)),
    )


def _redacted_image(image: Image) -> Image:
    url = None if image.url is None else redact(image.url)
    return replace(image, name=redact(image.name), url=url)


def about(turn: TurnRecord) -> str:
    """Say who answered, when, and how it ended."""
    served = "" if turn.served_by == "api" else f", served by {turn.served_model or turn.served_by}"
    ended = "" if turn.stop_reason == "stop" else f", ended: {turn.stop_reason}"
    return f"{turn.model}{served}, {turn.sent_at:%Y-%m-%d %H:%M} UTC{ended}"


def cost_json(turn: TurnRecord) -> dict[str, str | None]:
    """Give the cost in the JSON form that metadata and export share."""
    cost = turn.cost
    return {
        "usd": None if cost.usd is None else f"{cost.usd:f}",
        "origin": cost.origin,
        "price_date": cost.price_date.isoformat() if cost.price_date else None,
    }
