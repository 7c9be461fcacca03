"""What both writers read alike in tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_INFO = re.compile(r"[^\w+#./:,={}()\[\]*?!%~^; \t-]")
_LETTER = re.compile(r"[A-Za-z]")
_MOST_ADDRESSES = 100_000  # characters: the definition of a link may be used without end


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


class AddressBudget:
    """Limits what links add to a text: a definition may be long and used without end."""

    def __init__(self, size: int) -> None:
        self._left = max(_MOST_ADDRESSES, size)

    def allows(self, address: str) -> bool:
        """Return whether one more address may be written."""
        self._left -= len(address)
        return self._left >= 0
