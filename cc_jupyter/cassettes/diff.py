"""Find the recorded request that is nearest to one that was not recorded, and what differs."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.display import word_diff
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cc_jupyter.cassettes.cassette import RecordedRequest
    from cc_jupyter.core.display import WordDiff


UNKEYED_FIELDS = ("stream", "stream_options")
"""Members of a body that are no part of its request key."""
_CACHE_MARK = "cache_control"
_CLOSEST = 20
"""How many requests that share the most members are compared word by word."""
_COMPARED_CHARS = 20_000
_ABSENT = object()


class Difference(NamedTuple):
    """One member that differs."""

    name: str
    """Such as `model`, `temperature` or `message 3 (user)`."""
    recorded: str
    """The recorded value as text; empty: it has none."""
    asked: str
    """The value of the request as text; empty: it has none."""

    @property
    def is_blank(self) -> bool:
        """Whether only white space differs."""
        return self.recorded.split() == self.asked.split()

    @property
    def words(self) -> WordDiff:
        """The difference word by word, from the recorded value to the asked one."""
        return word_diff(self.recorded, self.asked)

    @property
    def summary(self) -> str:
        """The difference in a few words."""
        if self.recorded and self.asked and self.is_blank:
            return f"{self.name} (white space only)"
        if self.name.startswith(("message", "system")):
            return self.name
        return f"{self.name} ({_short(self.recorded)}, now {_short(self.asked)})"


@dataclass(frozen=True, slots=True)
class NearestRequest:
    """The recorded request that is most like another, and what differs."""

    recorded: RecordedRequest
    differences: tuple[Difference, ...]

    @property
    def summary(self) -> str:
        """What differs, for a message: `differs in model (a, now b) and message 1 (user)`."""
        names = [each.summary for each in self.differences[:3]]
        if others := len(self.differences) - len(names):
            names.append(f"{others} more")
        listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        prompt = _prompt(self.recorded.body)
        asked = f" ({excerpt(redact(prompt), 40)!r})" if prompt else ""
        return f"{asked.strip()} differs in {listed}".strip()


def nearest_request(
    endpoint: str,
    body: Any,  # noqa: ANN401  JSON
    recorded: Iterable[RecordedRequest],
) -> NearestRequest | None:
    """Return the recorded request that is nearest to one; `None` if there is none.

    Parameters
    ----------
    body
        The body as JSON value, prepared as a recording holds it.
    """
    asked = _members(endpoint, body)
    candidates = (
        ((_shared(asked, found), _equal_ends(asked, found)), found, each)
        for each, found in _read(recorded)
    )
    closest = nlargest(_CLOSEST, candidates, key=lambda candidate: candidate[0])
    if not closest:
        return None
    _, members, nearest = max(
        closest, key=lambda candidate: (_likeness(asked, candidate[1]), candidate[0])
    )
    return NearestRequest(nearest, differences(members, asked))


def differences(recorded: Mapping[str, str], asked: Mapping[str, str]) -> tuple[Difference, ...]:
    """Return the members that differ, those of the recorded request first."""
    return tuple(
        Difference(name, recorded.get(name, ""), asked.get(name, ""))
        for name in dict.fromkeys((*recorded, *asked))
        if recorded.get(name, _ABSENT) != asked.get(name, _ABSENT)
    )


def _read(recorded: Iterable[RecordedRequest]) -> Iterable[tuple[RecordedRequest, dict[str, str]]]:
    for each in recorded:
        yield each, _members(each.endpoint, each.body)


def _members(endpoint: str, body: Any) -> dict[str, str]:  # noqa: ANN401  JSON
    """Return what a request consists of, each part as text by the name that people know."""
    members = {"endpoint": endpoint}
    if not isinstance(body, dict):
        return members | {"body": _text(body)}
    for name, value in body.items():
        if name in UNKEYED_FIELDS:
            continue
        if name == "messages" and isinstance(value, list):
            for number, message in enumerate(value, 1):
                role = message.get("role", "?") if isinstance(message, dict) else "?"
                content = message.get("content") if isinstance(message, dict) else message
                members[f"message {number} ({role})"] = _text(content)
        else:
            members[name] = _text(value)
    return members


def _text(value: Any) -> str:  # noqa: ANN401  JSON
    """Return a value as people read it: texts as they are, other values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return "\n".join(_part(part) for part in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _part(part: dict[str, Any]) -> str:
    part = {name: value for name, value in part.items() if name != _CACHE_MARK}
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    return json.dumps(part, ensure_ascii=False, sort_keys=True)


def _shared(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """Return the share of members that two requests have in common."""
    equal = sum(other.get(name) == value for name, value in one.items())
    return equal / len(one.keys() | other.keys())


def _equal_ends(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """Return how many characters the members that differ begin and end with in common.

    Requests for the rows of a table share all their members but one.
    """
    total = 0
    for name, value in one.items():
        recorded = other.get(name)
        if recorded is not None and recorded != value:
            beginning = _equal_beginning(value, recorded)
            total += beginning + _equal_beginning(
                value[beginning:][::-1], recorded[beginning:][::-1]
            )
    return total


def _equal_beginning(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _likeness(asked: Mapping[str, str], recorded: Mapping[str, str]) -> float:
    """Return how alike two requests are: members in common, and words of the others."""
    total = 0.0
    for name in asked.keys() | recorded.keys():
        one, other = asked.get(name), recorded.get(name)
        if one == other:
            total += 1
        elif one is not None and other is not None:
            matcher = difflib.SequenceMatcher(
                None, other[-_COMPARED_CHARS:].split(), one[-_COMPARED_CHARS:].split()
            )
            total += matcher.ratio()
    return total / len(asked.keys() | recorded.keys())


def _prompt(body: Any) -> str:  # noqa: ANN401  JSON
    """Return the beginning of a body's last message."""
    messages = body.get("messages") if isinstance(body, dict) else None
    last = messages[-1] if isinstance(messages, list) and messages else None
    return _text(last.get("content"))[:200] if isinstance(last, dict) else ""


def _short(text: str) -> str:
    return excerpt(redact(text), 30) if text else "none"
