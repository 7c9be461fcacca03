"""Which list item a line belongs to, where all renderers agree on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cc_jupyter.render.lines import DEEPEST, LINES, hides_line_ends

if TYPE_CHECKING:
    from cc_jupyter.render.lines import Mark

_MARKER = re.compile(r"( *+)(?:[-*+]|(\d{1,9})[.)])( {1,4}(?![ \t])|)(.*)")
_NO_TEXT = re.compile(r"[-*+](?:[ \t]|$)|\d{1,9}[.)]|[>#|`~]|[-*_ \t]+$")
_MOST_ITEMS = 4
"""Older nbconverts read no more items in one another."""


class Items:
    """The list item that a line at some column belongs to, as far as that is sure.

    Text is only kept until a question comes, which few answers ever ask.
    """

    def __init__(self) -> None:
        self._unread: list[str] = []
        self._offsets: list[int] = []
        self._ordered = False
        self._sure = True
        self._after_blank = True
        self._deep = False  # whether the last line may be indented code

    def add(self, text: str) -> None:
        """Take the next lines outside fences."""
        self._unread.append(text)

    def lose(self) -> None:
        """Give up until a line at the margin follows a blank one."""
        self._unread.clear()
        self._sure = False

    def reset(self) -> None:
        """Start again outside all lists."""
        self._unread.clear()
        self._offsets.clear()
        self._sure, self._deep = True, False

    def base(self, mark: Mark) -> int | None:
        """Give the content column of the item that a fence stands in, if it is sure."""
        column = mark.column
        if column is None:
            column = len(mark.prefix)
            self.add(f"{mark.prefix}x")  # it begins an item, whose text it is
        unread, self._unread = self._unread, []
        for text in unread:
            for line in LINES.findall(text):
                self._read(line.rstrip("\r\n"))
            if hides_line_ends(text):
                self._sure = False  # JupyterLab might not see the marker of a list
        if not self._sure or self._deep or column > DEEPEST:
            return None
        offsets = self._offsets
        if self._after_blank:
            offsets = [offset for offset in offsets if offset <= column]
        base = offsets[-1] if offsets else 0
        if len(offsets) > _MOST_ITEMS:
            return None
        return base if base <= column <= base + 3 else None

    def enter(self, base: int) -> None:
        """Note that a fence opened in the item with this content column."""
        self._offsets = [offset for offset in self._offsets if offset <= base]
        if not base:
            self.reset()
        self._after_blank = self._deep = False

    def _read(self, line: str) -> None:
        after_blank, self._after_blank = self._after_blank, not line.strip(" \t")
        if self._after_blank:
            return
        indent = len(line) - len(line.lstrip(" "))
        self._deep = indent > 3 + (self._offsets[-1] if self._offsets else 0)
        if line[indent] == "\t" or line[indent] == ">":
            self._sure = False
        elif (marker := _MARKER.fullmatch(line)) and (
            marker[3] or marker[4][:1] in {"", " ", "\t"}
        ):
            self._read_marker(marker, after_blank=after_blank)
        elif indent == 0 and (after_blank or line.startswith(("# ", "## ", "### "))):
            self.reset()
        elif self._offsets and indent < self._offsets[-1]:
            while after_blank and self._offsets and indent < self._offsets[-1]:
                self._offsets.pop()
            self._sure = self._sure and after_blank

    def _read_marker(self, marker: re.Match[str], *, after_blank: bool) -> None:
        indent, sibling = len(marker[1]), False
        while self._offsets and indent < self._offsets[-1]:
            self._offsets.pop()
            sibling = self._ordered
        parent = self._offsets[-1] if self._offsets else 0
        self._ordered = marker[2] is not None
        counts = marker[2] in {None, "1"} or after_blank or (sibling and self._sure)
        self._sure = self._sure or indent == 0
        plain = marker[3] and marker[4].strip() and not _NO_TEXT.match(marker[4])
        if not plain or not counts or indent > parent + 3:
            self._sure = False
        self._offsets.append(marker.start(4))
