"""Growing Markdown in pieces: what is finished never changes again, and what is not stays small.

A block ends at a blank line or with its fence. One that grows beyond a limit is cut at a line
end, or in one enormous line at a blank: a fence is closed and opened again, a table repeats its
head, so that each piece renders alone. How it all fits together shows in the end, when the whole
text is drawn; meanwhile a list over two pieces may look looser than it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

LIMIT = 2_048
"""Characters of an unfinished block above which the front of it is settled."""
_LONGEST_HEAD = 256  # what is repeated before each piece
_LONGEST_WORD = 256  # how far back from its end a line is searched for a blank to cut at
_OPENING = re.compile(
    r"(?P<before>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)"
)
_CLOSING = re.compile(r"[ \t>]*(?P<fence>`{3,}|~{3,})[ \t\r]*")
_DELIMITER = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t\r]*")


class Frame(NamedTuple):
    """What has become of the text since the last frame."""

    settled: str
    """Blocks that will not change any more; empty if none was finished."""
    live: str
    """The unfinished block, whole; at most a little over `LIMIT` characters."""


@dataclass(frozen=True, slots=True)
class _Fence:
    mark: str
    info: str
    column: int
    """Where the text of its list item begins, if it opened beside the marker; else 0."""

    @classmethod
    def opened_by(cls, line: str) -> _Fence | None:
        found = _OPENING.fullmatch(line.rstrip("\r"))
        if found is None or len(found["fence"]) > _LONGEST_HEAD:
            return None
        before = found["before"].expandtabs(4)
        return cls(found["fence"], found["info"], len(before) if before.strip(" >") else 0)

    def closed_by(self, line: str) -> bool:
        found = _CLOSING.fullmatch(line)
        return found is not None and found["fence"].startswith(self.mark)

    def left_by(self, line: str) -> bool:
        """Return whether the line is no part of the list item, and so ends the fence as well."""
        indent = len(line) - len(line.lstrip())
        return indent < self.column and bool(line.strip())

    @property
    def opening(self) -> str:
        info = self.info if len(self.info) < _LONGEST_HEAD else ""
        return f"{self.mark}{info}\n"


class Blocks:
    """Takes text in pieces of any size; all work is done by `take`, once in a frame."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._open = ""  # what is not settled, as it came
        self._fence: _Fence | None = None  # the one that `_open` starts inside of
        self._head = ""  # what `_open` needs before it to render alone

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._new.append(text)

    def take(self) -> Frame:
        """Return what is settled since the last call, and what is not."""
        text = self._open + "".join(self._new)
        self._new.clear()
        end, fence = self._scan(text)
        settled = ""
        if end:
            settled = self._head + text[:end]
            self._open, self._fence, self._head = text[end:], None, ""
        else:
            self._open = text
        while len(self._open) > LIMIT:
            settled += self._cut(fence)
        return Frame(settled if settled.strip() else "", self._head + self._open)

    def _scan(self, text: str) -> tuple[int, _Fence | None]:
        """Return the place behind the last finished block, and the fence open in the last line."""
        fence, end, start = self._fence, 0, 0
        while (stop := text.find("\n", start)) >= 0:
            line, start = text[start:stop], stop + 1
            if fence is not None and fence.left_by(line):
                fence = None
            if fence is not None:
                if fence.closed_by(line):
                    fence, end = None, start
            elif not line or line.isspace():
                end = start
            else:
                fence = _Fence.opened_by(line)
        return end, fence

    def _cut(self, fence: _Fence | None) -> str:
        """Settle the front of a block that has grown too long."""
        end = self._open.rfind("\n") + 1
        if not end:
            end = self._open.rfind(" ", len(self._open) - _LONGEST_WORD) + 1 or len(self._open)
        front, self._open = self._head + self._open[:end], self._open[end:]
        self._fence = fence
        if fence is not None:
            self._head = fence.opening
            return f"{front}{'' if front.endswith(chr(10)) else chr(10)}{fence.mark}\n\n"
        self._head = _table_head(front)
        return f"{front}\n"


def _table_head(block: str) -> str:
    """Return the two lines that make what follows a table; empty if the block is none."""
    lines = block.split("\n", 2)
    short = len(block) - len(lines[-1]) < _LONGEST_HEAD
    if short and len(lines) > 2 and "|" in lines[0] and _DELIMITER.fullmatch(lines[1]):  # noqa: PLR2004
        return f"{lines[0]}\n{lines[1]}\n"
    return ""
