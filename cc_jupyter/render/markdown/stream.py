"""Splits Markdown that is still arriving: what is settled never changes, what is live stays small.

A block is settled when the parser has closed it: the next one has begun, or a blank line follows.
Only whole lines decide, because half a line may become anything. A block that grows beyond a limit
is cut: a list after its last finished item, anything else at a line end, or in one enormous line
at a blank. The rest of a fence or a table repeats its head and the rest of a list item loses its
indentation, so each piece renders alone. How it all fits together shows in the end, when the whole
text is drawn; until then a list in two pieces may look looser than it is.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.collector import paused_collector
from cc_jupyter.render.markdown.tokens import is_closed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

LIMIT = 2_048
"""Characters of a live block above which the front of it is settled."""
_LONGEST_HEAD = 256  # what is repeated before each piece
_LONGEST_WORD = 256  # how far back from its end a line is searched for a blank to cut at
_ITEM = re.compile(r"[ ]*(?:(?:[-*+]|\d{1,9}[.)])[ ]+)+")
_LIST = re.compile(r"[ ]{0,3}(?:[-*+]|\d{1,9}[.)])[ \n]")
_NUMBER = re.compile(r"([ ]*)(\d{1,9})(?=[.)])")
_SPECIAL = re.compile(
    r"^(?:[ \t]|\n|[-#>*+_=~`$\\]|\d{1,9}[.)])", re.MULTILINE
)  # without such a line a text is one paragraph
_DELIMITERS = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_FINISHED = {"heading_open", "hr", "formula_block"}
_ENDED_BY_BLANK = {"paragraph_open", "blockquote_open"}


class Frame(NamedTuple):
    """What has become of the text since the last frame."""

    settled: tuple[str, ...]
    """Pieces that will not change any more; each renders alone."""
    live: str
    """The unfinished block, whole; at most a little over `LIMIT` characters."""


class Blocks:
    """Takes text in pieces of any size; all work is done by `take`, once in a frame."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._open = ""  # what is not settled
        self._held = ""  # a carriage return that may be the first half of a line end
        self._head = ""  # what `_open` needs before it to render alone
        self._indent = 0  # of the item that `_open` starts inside of
        self._settled: list[str] = []

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._new.append(text)

    def take(self) -> Frame:
        """Return what is settled since the last call, and what is not."""
        arrived = self._held + "".join(self._new)
        self._new.clear()
        self._held = "\r" if arrived.endswith("\r") else ""
        arrived = arrived.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
        self._open += arrived
        if "\n" in arrived:
            self._leave_item()
            self._settle_finished()
        while len(self._open) > LIMIT:
            self._cut()
        settled = tuple(piece for piece in self._settled if piece.strip())
        self._settled.clear()
        return Frame(settled, self._shown(self._open))

    def _shown(self, text: str) -> str:
        if self._indent:
            lines = text.split("\n")
            text = "\n".join(line[min(self._indent, _indent_of(line)) :] for line in lines)
        return self._head + text

    def _settle(self, end: int) -> None:
        """Settle the first part of the open text; the rest is a piece by itself."""
        self._settled.append(self._shown(self._open[:end]))
        self._open = self._open[end:]
        self._head, self._indent = "", 0

    def _leave_item(self) -> None:
        """Settle what belongs to the item that was cut, once a line is outside it."""
        if not self._indent:
            return
        at = 0
        while (stop := self._open.find("\n", at)) >= 0:
            line = self._open[at:stop]
            if line.strip() and _indent_of(line) < self._indent:
                self._settle(at)
                return
            at = stop + 1

    def _settle_finished(self) -> None:
        """Settle the blocks that the whole lines show to be finished."""
        end = self._open.rfind("\n") + 1
        if self._open.isspace() or not _SPECIAL.search(self._open, 0, end):
            return
        shown = self._shown(self._open[:end])
        last = _last_block(_parse(shown))
        if last is None:
            return  # blank lines, or the definition of a link
        lines = shown.split("\n")[:-1]
        line = _finished_lines(last, lines)
        if line > (repeated := self._head.count("\n")):
            self._settle(_offset(self._open, line - repeated))

    def _cut(self) -> None:
        """Settle the front of a block that has grown too long."""
        shown = self._shown(self._open)
        line = _last_item(_parse(shown)) if _LIST.match(shown) else None
        if line is not None and (line := line - self._head.count("\n")) > 0:
            number = _next_number(self._open, line)
            self._settle(_offset(self._open, line))
            self._open = _renumbered(self._open, number)
            return
        whole = self._open.rfind("\n") + 1
        end = whole
        if not end:
            end = self._open.rfind(" ", len(self._open) - _LONGEST_WORD) + 1 or len(self._open)
        front = self._shown(self._open[:end])
        before, indent = self._head, self._indent
        self._settle(end)
        head, column = _context(front)
        self._head = head or ("" if whole else before)
        self._indent = indent + column if whole else 0


def _parse(text: str) -> list[Token]:
    from cc_jupyter.render.markdown.parser import parse_blocks  # noqa: PLC0415  50 ms, see the package

    with paused_collector():
        return parse_blocks(text)


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _offset(text: str, line: int) -> int:
    """Return where a line begins, counted from 0."""
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1
    return at


def _last_block(tokens: Sequence[Token]) -> Token | None:
    blocks = [token for token in tokens if token.level == 0 and token.nesting >= 0]
    return blocks[-1] if blocks else None


def _finished_lines(last: Token, lines: Sequence[str]) -> int:
    """Return how many lines hold finished blocks, the blank ones behind them included."""
    assert last.map is not None  # noqa: S101  every block has its place
    start, end = last.map
    if last.type == "fence":
        finished = is_closed(last, lines)
    else:
        finished = last.type in _FINISHED or (last.type in _ENDED_BY_BLANK and end < len(lines))
    return len(lines) if finished else start


def _last_item(tokens: Sequence[Token]) -> int | None:
    """Return the line of the last item, if the text ends in a list of several."""
    last = _last_block(tokens)
    if last is None or not last.type.endswith("list_open"):
        return None
    items = [
        token.map[0]
        for token in tokens
        if token.type == "list_item_open" and token.level == 1 and token.map
    ]
    assert last.map is not None  # noqa: S101  as above
    return items[-1] if items[-1] > last.map[0] else None


def _next_number(text: str, line: int) -> int | None:
    """Return the number of the item that begins on a line of a list that starts the text."""
    first = _NUMBER.match(text)
    if first is None:
        return None
    items = [token for token in _parse(text) if token.type == "list_item_open" and token.level == 1]
    before = sum(1 for token in items if token.map and token.map[0] < line)
    return int(first[2]) + before


def _renumbered(text: str, number: int | None) -> str:
    """Write the number of the first item; models may write `1.` before all of them."""
    found = _NUMBER.match(text)
    if number is None or found is None or len(found[2]) != len(str(number)):
        return text  # another width would move the item's column
    return f"{found[1]}{number}{text[found.end() :]}"


def _context(front: str) -> tuple[str, int]:
    """Return what the text behind a cut needs: its head, and the column of its item."""
    lines = front.split("\n")
    if front.isspace() or not _SPECIAL.search(front):
        return _table_head(lines), 0
    tokens = _parse(front)
    count = len(lines) - (lines[-1] == "")
    open_ = [token for token in tokens if token.map and token.map[1] >= count]
    items = [token for token in open_ if token.type == "list_item_open"]
    column = 0
    if items and not any(token.type == "blockquote_open" for token in open_):
        found = _ITEM.match(lines[items[-1].map[0]])  # type: ignore[index]  # those with a map
        column = found.end() if found else 0
    for token in open_:
        start = token.map[0]  # type: ignore[index]  # as above
        head = ""
        if token.type == "fence" and not is_closed(token, lines[:count]):
            info = token.info.strip() if len(token.info) < _LONGEST_HEAD else ""
            head = f"{token.markup}{info}\n" if len(token.markup) < _LONGEST_HEAD else ""
        elif token.type == "paragraph_open":
            head = _table_head([line[column:] for line in lines[start:count]])
        if head:
            return head, column
    return "", column


def _table_head(lines: Sequence[str]) -> str:
    """Return the two lines that make what follows a table; empty if the paragraph is none."""
    for head, delimiters in pairwise(lines):
        if "|" in head and "|" in delimiters and _DELIMITERS.fullmatch(delimiters):
            both = f"{head}\n{delimiters}\n"
            return both if len(both) < 2 * _LONGEST_HEAD else ""
    return ""
