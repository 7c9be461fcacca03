"""Writes a whole answer from the pieces that were written while it arrived.

A piece is reused only where the parser cannot see a difference: before and behind it is a blank
line, no list continues across it, no fence is open, and nothing in the text reaches from one piece
into another (the definition of a link, code that begins a formula, very long addresses). What lies
between the reused pieces is read together. Where any of this is in doubt, the whole text is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.collector import paused_collector
from cc_jupyter.render.markdown import safe_markdown
from cc_jupyter.render.markdown.tokens import MOST_ADDRESS_CHARS

if TYPE_CHECKING:
    from cc_jupyter.render.markdown.canonical import Written

_BLANK_LINES = re.compile(r"(?:[ \t]*\n)*")
_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?:\s|\Z)")
_FARTHEST = 8_192
"""How many characters the next piece is searched for: what the stream has changed is in none."""


class _Stretch(NamedTuple):
    """A part of the text between two places where nothing is open."""

    end: int
    written: Written | None
    """`None`: it is still to be read."""


class WrittenPieces:
    """Canonical Markdown of one answer: of its pieces as they settle, then of the whole.

    Parameters
    ----------
    remote_images
        Whether images from the web stay images; otherwise they become links.
    """

    def __init__(self, *, remote_images: bool) -> None:
        self._remote_images = remote_images
        self._pieces: list[tuple[str, Written]] = []

    def add(self, piece: str) -> str:
        """Return the canonical Markdown of the next settled piece."""
        written = self._write(piece)
        if written is None:
            return safe_markdown(piece, allow_remote_images=self._remote_images)
        if written.is_closed:
            self._pieces.append((piece[_behind_blank_lines(piece, 0) :], written))
        return written.text

    def whole(self, text: str) -> str:
        """Return the canonical Markdown of a text, the same as `safe_markdown` does."""
        with paused_collector():
            joined = self._joined(text) if self._pieces and "\r" not in text else None
        if joined is not None:
            return joined
        return safe_markdown(text, allow_remote_images=self._remote_images)

    def _joined(self, text: str) -> str | None:
        """Return the text as written from its pieces; `None`: it has to be read as a whole."""
        shown, address_chars, start = list[str](), 0, 0
        for stretch in self._stretches(text):
            written = stretch.written or self._write(text[start : stretch.end])
            if written is None or not written.is_closed:
                return None
            shown += [written.text] if written.text else []
            address_chars += written.address_chars
            start = stretch.end
        return "\n\n".join(shown) if address_chars <= MOST_ADDRESS_CHARS else None

    def _stretches(self, text: str) -> list[_Stretch]:
        """Cut a text where pieces of it were written, and nothing is open."""
        stretches: list[_Stretch] = []
        at = read_from = 0
        before: Written | None = None
        for piece, written in self._pieces:
            start = text.find(piece, at, at + len(piece) + _FARTHEST)
            if start < 0:
                continue
            at = _behind_blank_lines(text, start + len(piece))
            known = before if read_from == start else None
            if not (_is_apart(text, start, known) and _is_apart(text, at, written)):
                continue
            if read_from < start:
                stretches.append(_Stretch(start, None))
            stretches.append(_Stretch(at, written))
            read_from, before = at, written
        if read_from < len(text):
            stretches.append(_Stretch(len(text), None))
        return stretches

    def _write(self, text: str) -> Written | None:
        """Read a text by itself; `None` where the parser returned something unknown."""
        from cc_jupyter.render.markdown import canonical, parser, tokens  # noqa: PLC0415  50 ms, see the package

        with paused_collector():
            env: dict[str, object] = {}
            try:
                read = parser.parse(text, env)
                written = canonical.write_apart(read, text, remote_images=self._remote_images)
            except tokens.UnknownTokenError:
                return None
        return written._replace(is_closed=False) if env.get("references") else written


def _behind_blank_lines(text: str, at: int) -> int:
    found = _BLANK_LINES.match(text, at)
    return found.end() if found else at


def _is_apart(text: str, at: int, before: Written | None) -> bool:
    """Return whether a block begins at a place, and only a fence can still be open there.

    Parameters
    ----------
    before
        What ends there, if it is known.
    """
    if at in (0, len(text)):
        return True
    line_start = text.rfind("\n", 0, at - 1) + 1
    if text[at - 1] != "\n" or text[line_start : at - 1].strip(" \t") or text[at].isspace():
        return False
    return (before is not None and not before.ends_in_list) or not _ITEM.match(text, at)
