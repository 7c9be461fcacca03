"""How long a provider asks to wait, wherever it says so: headers, members of the body, words.

Times that cannot be read, or cannot be meant, count as missing.

Sources: RFC 9110, "Retry-After"; OpenAI, "Rate limits" (`x-ratelimit-reset-tokens: 6m0s`); Claude
platform, "Rate limits" (`anthropic-ratelimit-tokens-reset`, RFC 3339); Google, `RetryInfo`
(`retryDelay: 41s`); OpenRouter, "Limits" (`X-RateLimit-Reset` in milliseconds since 1970, also in
`metadata.headers`); IETF draft "RateLimit header fields"; all read 2026-11-30.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.client.errors.error_body import Envelope


_MAX_RESET_DISTANCE = timedelta(days=400)
"""How far from now a reset may lie; one beyond it is a mistake."""
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?\d{0,12} ?(?:Z|UTC|[+-]\d\d:?\d\d)?"
_RESETS_AT = re.compile(
    r"\b(?:reset(?:s|ting)?|(?:re)?try(?: again)?|available(?: again)?|unlocks?)"
    rf" (?:at|on|after|from) ({_TIME})",
    re.IGNORECASE,
)
_UNITS_S = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86_400.0,
    "day": 86_400.0,
}
_PART = (
    r"\d{1,9}(?:\.\d{1,9})?\s?"
    r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
)
_ONE_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?([a-z]+)", re.IGNORECASE)
_DURATION = rf"{_PART}(?:(?:\s|,|\sand\s)?\s?{_PART}){{0,4}}(?![a-z])"
_WHOLE_DURATION = re.compile(_DURATION, re.IGNORECASE)
_WAIT_IN_WORDS = re.compile(
    r"\b(?:(?:re)?try(?:ing)?(?:\s+your\s+request)?(?:\s+again)?\s+(?:in|after)"
    r"|wait(?:\s+(?:for|at\s+least|about))?|reset(?:s|ting)?\s+(?:in|after)"
    r"|available\s+(?:again\s+)?in)"
    rf"\s+(?:about\s+|approximately\s+)?({_DURATION})",
    re.IGNORECASE,
)
_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens", "unified")
_PLAIN_LIMITS = ("x-ratelimit", "x-rate-limit", "ratelimit")
_MILLISECOND_EPOCH = 10**11
"""Seconds since 1970 have ten digits for two centuries to come, milliseconds thirteen."""
_FIRST_EPOCH = 10**9
"""A smaller number is a time from now."""
_LIMITED = (429, 503, 529)


def server_time(headers: Mapping[str, str], now: datetime) -> datetime:
    """Return the server's time by its `Date` header; `now` where there is none.

    A server means the dates that it names by its own clock, and this machine's may be wrong.
    """
    return _http_date(headers.get("date", "")) or now


def reset_of(envelope: Envelope, now: datetime) -> datetime | None:
    """Return when the exhausted usage window resets."""
    try:
        if envelope.reset_epoch_s is not None:
            reset = datetime.fromtimestamp(envelope.reset_epoch_s, UTC)
        elif found := _RESETS_AT.search(envelope.message or ""):
            reset = _instant(found[1])
        else:
            return None
    except (OverflowError, OSError, ValueError):
        return None
    return reset if abs(reset - now) <= _MAX_RESET_DISTANCE else None


def retry_after_s(
    status: int,
    headers: Mapping[str, str],
    envelope: Envelope,
    reset: datetime | None,
    now: datetime,
) -> float | None:
    """Return the seconds to wait from now, by the first of the places that names them.

    The order is: `retry-after-ms`, `retry-after`, a member of the body, the time a window resets,
    the words of the message, and the reset headers of the limits that are used up.
    """
    seconds = _seconds(headers.get("retry-after-ms", ""), per_second=1000)
    if seconds is None:
        seconds = _delay(headers.get("retry-after", ""), now)
    if seconds is None and envelope.wait is not None:
        seconds = _member_wait(envelope, now)
    if seconds is None and reset is not None:
        seconds = max(0.0, (reset - now).total_seconds())
    if seconds is None and (found := _WAIT_IN_WORDS.search(envelope.message or "")):
        seconds = duration_s(found[1])
    if seconds is None and status in _LIMITED:
        seconds = _limit_reset_s(headers, now)
    if seconds is None or seconds > _MAX_RESET_DISTANCE.total_seconds():
        return None
    return seconds


def duration_s(text: str) -> float | None:
    """Return the seconds of a duration such as `41s`, `1m12.5s` or `2 hours and 5 minutes`."""
    if not _WHOLE_DURATION.fullmatch(text.strip()):
        return None
    return sum(float(number) * _unit_s(unit) for number, unit in _ONE_PART.findall(text))


def _unit_s(name: str) -> float:
    name = name.casefold()
    return _UNITS_S[name if name in _UNITS_S else name.removesuffix("s")]


def in_words(seconds: float) -> str:
    """Return a wait as people say it: `41 s`, `1 min 12 s`, `2 h 5 min`, `3 days`."""
    whole = max(1, round(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days = hours // 24
    if days >= 2:  # noqa: PLR2004  the plural begins here
        return f"{days} days"
    if hours:
        return f"{hours} h {m} min" if m else f"{hours} h"
    if minutes:
        return f"{minutes} min {s} s" if s else f"{minutes} min"
    return f"{whole} s"


def _member_wait(envelope: Envelope, now: datetime) -> float | None:
    text = str(envelope.wait)
    if envelope.wait_unit_ms:
        return _seconds(text, per_second=1000)
    return _delay(text, now)


def _limit_reset_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return when the limits that are used up are reset: the last of them decides.

    Every response lists all limits. One that says what is left counts only if that is nothing.
    """
    named = [
        *((f"x-ratelimit-remaining-{limit}", f"x-ratelimit-reset-{limit}") for limit in _LIMITS),
        *(
            (f"anthropic-ratelimit-{limit}-remaining", f"anthropic-ratelimit-{limit}-reset")
            for limit in _LIMITS
        ),
        *((f"{prefix}-remaining", f"{prefix}-reset") for prefix in _PLAIN_LIMITS),
    ]
    waits = (_exhausted_s(headers, remaining, reset, now) for remaining, reset in named)
    return max((wait for wait in waits if wait is not None), default=None)


def _exhausted_s(
    headers: Mapping[str, str], remaining: str, reset: str, now: datetime
) -> float | None:
    if headers.get(remaining, "0").strip() not in ("0", "0.0"):
        return None
    return _delay(headers.get(reset, ""), now)


def _delay(value: str, now: datetime) -> float | None:
    """Read seconds, a duration, a date, or the seconds or milliseconds since 1970."""
    seconds = _seconds(value, per_second=1)
    if seconds is not None and seconds >= _FIRST_EPOCH:
        epoch_s = seconds / 1000 if seconds >= _MILLISECOND_EPOCH else seconds
        return max(0.0, epoch_s - now.timestamp())
    if seconds is None:
        seconds = duration_s(value)
    if seconds is None and (at := _http_date(value)) is not None:
        seconds = max(0.0, (at - now).total_seconds())
    return seconds


def _seconds(value: str, *, per_second: int) -> float | None:
    try:
        seconds = float(value) / per_second
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _http_date(value: str) -> datetime | None:
    try:
        return (
            _instant(value) if re.fullmatch(_TIME, value) else _aware(parsedate_to_datetime(value))
        )
    except (ValueError, OverflowError):
        return None


def _instant(text: str) -> datetime:
    """Parse a time; one with a blank and no zone is the provider's local time, which is unknown."""
    text = text.strip().rstrip(".")
    at = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    if at.tzinfo is None and " " in text:
        raise ValueError("no zone")
    return _aware(at)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
