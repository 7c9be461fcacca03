"""Splits a growing answer into the Markdown that is done and the block that is not.

A finished block never changes again, so a front end is sent it once and only the unfinished one
again and again: traffic grows with the text, whatever its shape. To keep that block small, a long
one is cut: code and tables are closed and opened again so that each piece reads well alone. When
to draw is left to others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

from cc_jupyter.render.lines import MARK, Mark

_CUT_CODE = 2_000  # characters after which code or a table is cut at the end of a line
_CUT_TEXT = 3_000  # the same for anything else, and for one line without an end
_LONGEST_HEAD = 500  # what is repeated is never more than this
_LAST_BLANK = 200  # how far back from its end a long line is searched for a blank
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\n|\r(?!\Z))")
_INDENT = re.compile(r"[ \t]*+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text, with what it needs to be read alone."""

    body: str
    """The part, to the letter."""
    head: str = ""
    """Lines repeated from before: the opening of a fence, the header of a table."""
    tail: str = ""
    """The closing of a fence that goes on in the next piece."""

    def __str__(self) -> str:
        return f"{self.head}{self.body}{self.tail}" if self.body else ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What came since the last frame, and what is still open."""

    pieces: tuple[Piece, ...]
    """What will never change again."""
    rest: Piece
    """The unfinished block, all of it."""

    @property
    def settled(self) -> str:
        """Markdown to be shown once, after all that was settled before; empty if there is none."""
        return _unless_blank("".join(map(str, self.pieces)))

    @property
    def live(self) -> str:
        """Markdown to be shown after that until the next frame; never more than some 4 kB."""
        return _unless_blank(str(self.rest))


@dataclass(frozen=True, slots=True)
class _Fence:
    line: str
    mark: Mark

    @property
    def column(self) -> int:
        """Where its list item begins, if it opened on the line of the marker; else 0."""
        prefix = self.mark.prefix
        return len(prefix) if prefix.strip(" \t>") else max(0, len(prefix) - 3)

    @property
    def head(self) -> str:
        if len(self.line) <= _LONGEST_HEAD:
            return self.line
        return f"{self.mark.prefix[:_LONGEST_HEAD]}{self.mark.run[:_LONGEST_HEAD]}\n"

    @property
    def closing(self) -> str:
        prefix = re.sub(r"[^>\s]", " ", self.mark.prefix[:_LONGEST_HEAD])
        return f"{prefix}{self.mark.run[:_LONGEST_HEAD]}\n"

    def ends_before(self, line: str) -> bool:
        """Tell whether the block quote or the list item that holds it ended."""
        if not line.strip():
            return False
        indent = _INDENT.match(line)
        if ">" in self.mark.prefix:
            return not line.lstrip().startswith(">")
        return indent is not None and len(indent[0].expandtabs(4)) < self.column

    def ends_with(self, line: str) -> bool:
        """Tell whether a line closes it."""
        found = MARK.match(line)
        return (
            found is not None
            and found["run"].startswith(self.mark.run)
            and not found["info"].strip()
            and not found["prefix"].strip(" \t>")
            and (">" in found["prefix"]) == (">" in self.mark.prefix)
            and len(found["prefix"].expandtabs(4)) <= len(self.mark.prefix.expandtabs(4)) + 3
        )


class Blocks:
    """The text so far, cut where it will not change any more."""

    def __init__(self) -> None:
        self._added: list[str] = []
        self._pieces: list[Piece] = []
        self._head = ""
        self._body: list[str] = []  # whole lines of the unfinished block
        self._size = 0
        self._blank = True  # whether these lines are
        self._part = ""  # the line that has no end yet
        self._within = False  # whether its beginning is settled already
        self._fence: _Fence | None = None
        self._table = ""  # header and delimiter row of the table that the lines belong to

    def add(self, text: str) -> None:
        """Take the next piece of the text, however small."""
        self._added.append(text)

    def take(self) -> Frame:
        """Give what has settled since the last call, and the unfinished block."""
        self._read()
        self._bound()
        return self._frame(Piece("".join((*self._body, self._part)), self._head))

    def finish(self) -> Frame:
        """Give the last frame: all is settled."""
        self._read()
        self._body.append(self._part)
        self._part = ""
        self._settle()
        return self._frame(Piece(""))

    def _frame(self, rest: Piece) -> Frame:
        pieces, self._pieces = tuple(self._pieces), []
        return Frame(pieces, rest)

    def _read(self) -> None:
        text = "".join(chain((self._part,), self._added))
        self._added.clear()
        end = 0
        while found := _LINE.match(text, end):
            line, end = found[0], found.end()
            self._body.append(line)
            self._size += len(line)
            if self._within:
                self._within = self._blank = False
            elif self._fence:
                self._read_code(line)
            elif line.isspace():
                self._read_blank()
            else:
                self._read_text(line)
        self._part = text[end:]

    def _read_code(self, line: str) -> None:
        if self._fence and self._fence.ends_before(line):
            self._fence = None
            self._read_text(line)
        elif self._fence and self._fence.ends_with(line):
            self._fence = None

    def _read_blank(self) -> None:
        self._table = ""
        if not self._blank:
            self._settle()

    def _read_text(self, line: str) -> None:
        self._blank = False
        found = MARK.match(line) if "```" in line or "~~~" in line else None
        mark = Mark.of(found) if found else None
        if mark and not mark.hidden:
            self._fence, self._table = _Fence(line, mark), ""
        elif "|" not in line:
            self._table = ""
        elif not self._table and _rules(line) and len(self._body) > 1 and "|" in self._body[-2]:
            head = self._body[-2] + line
            self._table = head if len(head) <= _LONGEST_HEAD else ""

    def _bound(self) -> None:
        """Cut the unfinished block if it has become long."""
        longest = _CUT_CODE if self._fence or self._table else _CUT_TEXT
        if self._size > longest:
            self._settle()
        if self._size + len(self._part) > _CUT_TEXT:
            blank = self._part.rfind(" ", len(self._part) - _LAST_BLANK)
            cut = blank + 1 or len(self._part) - self._part.endswith("\r")
            self._body.append(self._part[:cut])
            self._part = self._part[cut:]
            self._settle()
            self._within = True

    def _settle(self) -> None:
        body = "".join(self._body)
        tail = self._fence.closing if self._fence else ""
        if tail and not body.endswith(("\n", "\r")):
            tail = f"\n{tail}"
        if body:
            self._pieces.append(Piece(body, self._head, tail))
        self._head = self._fence.head if self._fence else self._table
        self._body.clear()
        self._size, self._blank = 0, True


def _rules(line: str) -> bool:
    """Tell whether a line is what stands between a table's header and its rows."""
    return "-" in line and not line.strip().strip("|:- \t>")


def _unless_blank(text: str) -> str:
    return "" if text.isspace() else text
