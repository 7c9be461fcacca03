"""JSON in and out: reading what may be anything, and adding what the user adds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLANKS = " \t\r\n"
_MOST_TOKENS = 10**12
_JSON = json.JSONDecoder(strict=False)  # control characters in strings are met in the wild


def parse_json(text: str) -> Any:  # noqa: ANN401  JSON off the wire
    """Read a JSON document.

    Raises
    ------
    ValueError
        It is none, or nested too deeply to be read.
    """
    try:
        text = text.strip(_BLANKS)  # which `raw_decode` leaves to us, and `decode` does slowly
        value, end = _JSON.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end != len(text):
        raise ValueError("more than one document")
    return value


def member(body: object, *path: str) -> Any:  # noqa: ANN401  JSON off the wire
    """Follow `path` into JSON objects; `None` as soon as one of them is missing."""
    for name in path:
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body


def as_text(value: object) -> str:
    """Give a text; what was sent as JSON where text belongs is written as such."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False) if value else ""
    except RecursionError:
        return ""


def count(value: object) -> int | None:
    """Give a reported count, or `None` for anything that cannot be one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return value
    return None


def with_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Add the user's own fields; where both are objects their members are joined."""
    joined = dict(body)
    for name, value in extra.items():
        before = joined.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        joined[name] = before | value if both else value
    return joined
