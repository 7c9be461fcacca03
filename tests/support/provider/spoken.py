"""What an answer says, before it is written in one of the two wire formats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .prose import tokens

Texts: TypeAlias = str | Iterable[str]
"""The deltas of a text; a `str` is one delta."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Usage, counted as our own `Usage` does; each wire format counts its own way."""

    input: int
    """The whole prompt, cache reads and writes included."""
    output: int
    """The whole completion, reasoning included."""
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; a mapping of arguments is written as JSON."""

    name: str
    arguments: str | Mapping[str, Any] = "{}"
    id: str = "call_0001"

    @property
    def json(self) -> str:
        """The arguments as the text that is sent."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)

    @property
    def pieces(self) -> list[str]:
        """The arguments as the deltas of a stream."""
        return [self.json[start : start + 8] for start in range(0, len(self.json), 8)]


Usage: TypeAlias = Tokens | Mapping[str, Any] | Literal["auto"] | None
"""`auto`: counted from what is said; a mapping: to the letter; `None`: not reported."""


def deltas(texts: Texts) -> tuple[str, ...]:
    """Return the deltas of `texts`."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


def tool_calls(calls: Iterable[ToolCall | Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    """Return calls that may have come as JSON."""
    return tuple(call if isinstance(call, ToolCall) else ToolCall(**call) for call in calls)


def count(text: str) -> int:
    """Count tokens the way this provider does."""
    return len(tokens(text))


def usage_of(
    texts: tuple[str, ...], reasoning: tuple[str, ...], calls: tuple[ToolCall, ...]
) -> Tokens:
    """Count what `auto` stands for; no request being known, the prompt has 9 tokens."""
    thought = count("".join(reasoning))
    said = count("".join(texts)) + sum(count(call.name + call.json) for call in calls)
    return Tokens(9, thought + said, reasoning=thought)
