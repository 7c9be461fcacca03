"""When to come back: from headers that promise nothing, and from the window of a plan.

Rubbish is no answer: what cannot be read, or cannot be meant, is `None`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.wire.envelope import Envelope

_ISO_TIME = re.compile(r"resets at (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)", re.IGNORECASE)
_FARTHEST = timedelta(days=400)
"""From now; an instant beyond it is a mistake."""


def reset_of(envelope: Envelope, now: datetime) -> datetime | None:
    """Read when the window that is used up opens again."""
    try:
        if envelope.reset_epoch_s is not None:
            reset = datetime.fromtimestamp(envelope.reset_epoch_s, UTC)
        elif found := _ISO_TIME.search(envelope.message or ""):
            reset = _aware(datetime.fromisoformat(found[1].rstrip(".")))
        else:
            return None
    except (OverflowError, OSError, ValueError):
        return None
    return reset if abs(reset - now) <= _FARTHEST else None


def retry_after_s(
    headers: Mapping[str, str], reset: datetime | None, now: datetime
) -> float | None:
    """Give the seconds from now: by the headers, else until `reset`."""
    value = headers.get("retry-after", "")
    seconds = _seconds(headers.get("retry-after-ms", ""), per_second=1000)
    if seconds is None:
        seconds = _seconds(value, per_second=1)
    if seconds is None and (at := _http_date(value) or reset) is not None:
        seconds = max(0.0, (at - now).total_seconds())
    if seconds is None or seconds > _FARTHEST.total_seconds():
        return None
    return seconds


def _seconds(value: str, *, per_second: int) -> float | None:
    try:
        seconds = float(value) / per_second
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _http_date(value: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(value))
    except (ValueError, OverflowError):
        return None


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
