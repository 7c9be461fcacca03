"""Two answers compared word by word, for a cell and for a terminal."""

from __future__ import annotations

import difflib
import html
import re
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Piece: TypeAlias = tuple[str, str]
"""`=`, `-` or `+`, and the text that stayed, went or came."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_MOST_WORDS = 20_000
"""Longer texts are compared line by line: words of such a length take seconds."""
_STYLES = {"-": "del", "+": "ins"}


class WordDiff(str):
    """A word diff as text, `[-gone-]{+come+}`; in a notebook it is marked in colour as well."""

    __slots__ = ("pieces",)
    pieces: tuple[Piece, ...]

    def _repr_html_(self) -> str:
        shown = "".join(_html(kind, text) for kind, text in self.pieces)
        return f'<div style="white-space: pre-wrap">{shown}</div>'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))


def word_diff(before: str, after: str) -> WordDiff:
    """Compare two texts; one of over 20,000 words by its lines."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > _MOST_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces = tuple(_pieces(old, new))
    diff = WordDiff("".join(_plain(kind, text) for kind, text in pieces))
    diff.pieces = pieces
    return diff


def _pieces(before: Sequence[str], after: Sequence[str]) -> list[Piece]:
    found: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i, j, k, end in matcher.get_opcodes():
        if tag == "equal":
            found.append(("=", "".join(before[i:j])))
            continue
        if i < j:
            found.append(("-", "".join(before[i:j])))
        if k < end:
            found.append(("+", "".join(after[k:end])))
    return found


def _plain(kind: str, text: str) -> str:
    return {"=": text, "-": f"[-{text}-]", "+": f"{{+{text}+}}"}[kind]


def _html(kind: str, text: str) -> str:
    shown = html.escape(text)
    if kind == "=":
        return shown
    colour = "rgba(220, 60, 60, 0.25)" if kind == "-" else "rgba(60, 170, 80, 0.25)"
    tag = _STYLES[kind]
    # the strike and the underline say it without the colour, in both themes
    return f'<{tag} style="background: {colour}">{shown}</{tag}>'
