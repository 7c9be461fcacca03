"""Growing Markdown in pieces: what is finished never changes again, and what is not stays small.

A block ends at a blank line or with its fence. One that grows beyond a limit is cut at a line
end, or in one enormous line at a blank: a fence is closed and opened again, a table repeats its
head, so that each piece renders alone. How it all fits together shows in the end, when the whole
text is drawn; meanwhile a list over two pieces may look looser than it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cc_jupyter.core.fences import Fence, fence_after

LIMIT = 2_048
"""Characters of an unfinished block above which the front of it is settled."""
_LONGEST_HEAD = 256  # what is repeated before each piece
_LONGEST_WORD = 256  # how far back from its end a line is searched for a blank to cut at
_DELIMITER = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t\r]*")


class Frame(NamedTuple):
    """What has become of the text since the last frame."""

    settled: str
    """Blocks that will not change any more; empty if none was finished."""
    live: str
    """The unfinished block, whole; at most a little over `LIMIT` characters."""


class Blocks:
    """Takes text in pieces of any size; all work is done by `take`, once in a frame."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._open = ""  # what is not settled, as it came
        self._fence: Fence | None = None  # the one that `_open` starts inside of
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

    def _scan(self, text: str) -> tuple[int, Fence | None]:
        """Return the place behind the last finished block, and the fence open in the last line."""
        fence, end, start = self._fence, 0, 0
        while (stop := text.find("\n", start)) >= 0:
            line, start = text[start:stop], stop + 1
            before, fence = fence, fence_after(line, fence)
            closes = before is not None and before.is_closed_by(line)
            if fence is None and (closes or not line.strip()):
                end = start
        return end, fence

    def _cut(self, fence: Fence | None) -> str:
        """Settle the front of a block that has grown too long."""
        end = self._open.rfind("\n") + 1
        if not end:
            end = self._open.rfind(" ", len(self._open) - _LONGEST_WORD) + 1 or len(self._open)
        front, self._open = self._head + self._open[:end], self._open[end:]
        self._fence = fence
        if fence is not None:
            info = fence.info if len(fence.info) < _LONGEST_HEAD else ""
            self._head = f"{fence.mark}{info}\n"
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
