"""JSON in and out: counts that are whole numbers or nothing, and what the user adds.

A figure that cannot be true is not repaired into one that looks true: what is negative or no
number counts as not reported, and a part larger than its whole is cut down to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def count(value: object) -> int | None:
    """Give a reported count, or `None` for anything that is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def part(value: object, whole: int | None) -> int | None:
    """Give a reported count that is a share of `whole`, never more than it."""
    tokens = count(value)
    if tokens is None or whole is None:
        return tokens
    return min(tokens, whole)


def with_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Add the user's own fields; where both are objects their members are joined."""
    joined = dict(body)
    for name, value in extra.items():
        before = joined.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        joined[name] = before | value if both else value
    return joined


def member(body: object, *path: str) -> Any:  # noqa: ANN401  JSON off the wire
    """Follow `path` into JSON objects; `None` as soon as one of them is missing."""
    for name in path:
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body
