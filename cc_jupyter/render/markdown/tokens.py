"""What both writers read alike in tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_INFO = re.compile(r"[^\w+#./:,={}()\[\]*?!%~^; \t-]")
_LETTER = re.compile(r"[A-Za-z]")
MOST_ADDRESS_CHARS = 100_000
"""The definition of a link may be used without end."""


UNMARKED = "unmarked"
"""The `info` of the one text token of a paragraph that is its own Markdown, line ends included."""


class UnknownTokenError(Exception):
    """The parser returned a token that a writer does not know."""


def fence_language(info: str) -> str:
    """Return a fence's info string as JupyterLab may put it into an attribute unescaped."""
    language = _INFO.sub("_", " ".join(info.split()))
    return language if _LETTER.search(language) else ""


def plain_text(tokens: Sequence[Token]) -> str:
    """Return the text of inline tokens without their marks: an image's alternative text."""
    parts = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif token.type == "image":
            parts.append(plain_text(token.children or []))
        else:
            parts.append(token.content)
    return "".join(parts)


def is_closed(fence: Token, lines: Sequence[str]) -> bool:
    """Return whether a fence has its end mark among the lines of the text."""
    assert fence.map is not None  # noqa: S101  every block has its place
    start, end = fence.map
    if not fence.level and _indent_of(lines[end - 1]) > 3:  # noqa: PLR2004  then it is code
        return False
    last = lines[end - 1].lstrip(" >" if fence.level else " ").rstrip(" \t")
    return end - 1 > start and last.startswith(fence.markup) and not last.strip(fence.markup[0])


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class AddressBudget:
    """Limits what links add to a text: a definition may be long and used without end."""

    def __init__(self, size: int) -> None:
        self._left = self._most = max(MOST_ADDRESS_CHARS, size)

    @property
    def used_chars(self) -> int:
        """How many characters of addresses were asked for."""
        return self._most - self._left

    def allows(self, address: str) -> bool:
        """Return whether one more address may be written."""
        self._left -= len(address)
        return self._left >= 0
