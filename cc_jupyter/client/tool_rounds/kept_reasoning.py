"""Collects the reasoning of a chat completion so that it can go back to its model unmodified.

Sources (read 2026-11-30): DeepSeek API docs, "Thinking mode", tool calls (`reasoning_content`);
OpenRouter, "Reasoning tokens", preserving reasoning blocks (`reasoning_details`); provider-api.md,
section 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cc_jupyter.client.parsing import as_text, member, replace_surrogates
from cc_jupyter.core.events import ReasoningPart
from cc_jupyter.core.messages import Reasoning

if TYPE_CHECKING:
    from collections.abc import Iterator


_TEXT_FIELDS: tuple[Literal["reasoning_content", "reasoning"], ...] = (
    "reasoning_content",
    "reasoning",
)
_JOINED = ("text", "summary", "data")
"""Members of a detail that arrive in pieces."""


class KeptReasoning:
    """The reasoning of one answer, by the member that brought it."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._details: list[dict[str, Any]] = []

    def add(self, delta: dict[str, Any]) -> None:
        """Take the reasoning in a `delta` or a `message`; an empty text counts as well."""
        for name in _TEXT_FIELDS:
            if isinstance(piece := delta.get(name), str):
                self._texts.setdefault(name, []).append(piece)
        details = delta.get("reasoning_details")
        for piece in details if isinstance(details, list) else ():
            if isinstance(piece, dict):
                self._add_detail(piece)

    def rest(self) -> Iterator[ReasoningPart]:
        """Return all parts, at the end of the answer."""
        for name in _TEXT_FIELDS:
            if name in self._texts:
                yield ReasoningPart(Reasoning(name, replace_surrogates("".join(self._texts[name]))))
        if self._details:
            yield ReasoningPart(
                Reasoning("reasoning_details", replace_surrogates(as_text(self._details)))
            )

    def _add_detail(self, piece: dict[str, Any]) -> None:
        """Join a piece to the detail that it continues: the last one of the same type and index."""
        last = self._details[-1] if self._details else None
        same = ("type", "index", "id")
        if last is None or any(
            piece.get(name) != last.get(name) for name in same if piece.get(name) is not None
        ):
            self._details.append(dict(piece))
            return
        for name, value in piece.items():
            before = member(last, name)
            if name in _JOINED and isinstance(before, str) and isinstance(value, str):
                last[name] = before + value
            elif value is not None:
                last[name] = value
