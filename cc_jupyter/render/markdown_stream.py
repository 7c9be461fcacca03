"""Split growing Markdown into blocks: finished ones never change, the unfinished one stays small.

A block ends at a blank line or at its closing fence. A block that grows beyond a limit is cut at
the end of a line, or inside one enormous line at a blank: a fence is closed and opened again, a
table repeats its header, so that each piece renders alone. The complete text is drawn at the end;
until then, a list across two pieces may be spaced more widely than it should be.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cc_jupyter.core.fences import Fence, fence_after

LIMIT = 2_048
"""Characters of an unfinished block; the start of a longer one is settled."""
_MAX_HEAD_CHARS = 256  # of what is repeated before each piece
_MAX_WORD_CHARS = 256  # how far back from its end a line is searched for a blank to cut at
_DELIMITER = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t\r]*")


class Frame(NamedTuple):
    """The text since the last frame."""

    settled: str
    """Blocks that will not change any more; empty if none was finished."""
    live: str
    """The whole unfinished block; at most slightly more than `LIMIT` characters."""


class Blocks:
    """Collects text in pieces of any size; `take` does all the work, once per frame."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._open = ""  # the text that is not settled, as received
        self._fence: Fence | None = None  # the fence in which `_open` starts
        self._head = ""  # what must precede `_open` so that it renders alone

    def add(self, text: str) -> None:
        """Add the next piece."""
        self._new.append(text)

    def take(self) -> Frame:
        """Return what was settled since the last call, and what is not settled."""
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
        """Return the end of the last finished block, and the fence that is open at the end."""
        fence, end, start = self._fence, 0, 0
        while (stop := text.find("\n", start)) >= 0:
            line, start = text[start:stop], stop + 1
            before, fence = fence, fence_after(line, fence)
            closes = before is not None and before.is_closed_by(line)
            if fence is None and (closes or not line.strip()):
                end = start
        return end, fence

    def _cut(self, fence: Fence | None) -> str:
        """Settle the start of a block that has grown too long."""
        end = self._open.rfind("\n") + 1
        if not end:
            end = self._open.rfind(" ", len(self._open) - _MAX_WORD_CHARS) + 1 or len(self._open)
        front, self._open = self._head + self._open[:end], self._open[end:]
        self._fence = fence
        if fence is not None:
            info = fence.info if len(fence.info) < _MAX_HEAD_CHARS else ""
            self._head = f"{fence.mark}{info}\n"
            line_end = "" if front.endswith("\n") else "\n"
            return f"{front}{line_end}{fence.mark}\n\n"
        self._head = _table_head(front)
        return f"{front}\n"


def _table_head(block: str) -> str:
    """Return the header lines of a table; empty if the block is not a table."""
    lines = block.split("\n", 2)
    short = len(block) - len(lines[-1]) < _MAX_HEAD_CHARS
    if short and len(lines) > 2 and "|" in lines[0] and _DELIMITER.fullmatch(lines[1]):  # noqa: PLR2004
        return f"{lines[0]}\n{lines[1]}\n"
    return ""
