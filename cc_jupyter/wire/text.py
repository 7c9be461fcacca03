"""Text as it comes off the wire: halves of characters, lists of parts, thinking between tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_SURROGATE = re.compile("[\ud800-\udfff]")
_OPEN, _CLOSE = "<think>", "</think>"


class Mender:
    r"""Joins surrogate halves that JSON escapes brought in, also over the cut of two deltas.

    `"\ud83d"` and `"\ude00"` in two events are one emoji; a half without its other is replaced,
    since no UTF-8 file, socket or screen takes it.
    """

    def __init__(self) -> None:
        self._held = ""

    def mend(self, text: str) -> str:
        """Give `text` with whole characters only; a last high half waits for the next call."""
        if not self._held and (text.isascii() or not _SURROGATE.search(text)):
            return text
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return _whole(text)

    def flush(self) -> str:
        """Give what is still held: nothing, or a replacement for half a character."""
        held, self._held = self._held, ""
        return _whole(held)


class ThinkSplitter:
    """Tells thinking from answer where a model writes `<think>…</think>` into its text.

    Only a tag that opens the answer counts; one in the middle of it is text about tags.
    """

    def __init__(self) -> None:
        self.settled = False
        """Whether all that follows is answer."""
        self._inside = False
        self._held = ""

    def split(self, text: str) -> Iterator[tuple[Literal["text", "reasoning"], str]]:
        """Give the pieces of `text` by kind; what may be a tag cut in two waits."""
        self._held += text
        if not self._inside and not self._opens():
            return
        if self._inside:
            yield from self._thinking()
        if self.settled and self._held:
            yield "text", self._held
            self._held = ""

    def flush(self) -> Iterator[tuple[Literal["text", "reasoning"], str]]:
        """Give what waited for the rest of a tag."""
        if self._held:
            yield ("reasoning" if self._inside else "text"), self._held
            self._held = ""

    def _opens(self) -> bool:
        """Decide whether a tag opens the answer; false while that cannot be told."""
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._inside, self._held = True, start.removeprefix(_OPEN)
            return True
        if _OPEN.startswith(start):
            return False
        self.settled = True
        return True

    def _thinking(self) -> Iterator[tuple[Literal["text", "reasoning"], str]]:
        thinking, tag, answer = self._held.partition(_CLOSE)
        if tag:
            self._inside, self.settled = False, True
            self._held = answer.lstrip("\n")
        else:
            keep = next(
                (n for n in range(len(_CLOSE) - 1, 0, -1) if thinking.endswith(_CLOSE[:n])), 0
            )
            self._held = thinking[len(thinking) - keep :]
            thinking = thinking[: len(thinking) - keep]
        if thinking:
            yield "reasoning", thinking


def joined_text(content: object) -> str:
    """Join the text of a list of parts; anything else is no text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    pieces = [part.get("text") if isinstance(part, dict) else part for part in content]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
