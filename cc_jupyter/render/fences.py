"""Which lines of a Markdown text are code in every renderer, and which only in some.

marked (JupyterLab), markdown-it (VS Code) and mistune (nbconvert) agree on most fences, not on
all: they differ over lists, half-closed items, tabs and odd closing lines. So the state is not one
reading but a set of readings, kept as bounds; a line counts as code only when it is code in all.
What the text means beyond fences is left to others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

from cc_jupyter.render.lines import LINE_START, LINES, MARK, Mark
from cc_jupyter.render.list_items import Items

Kind: TypeAlias = Literal["text", "blank", "open", "code", "close", "doubt"]
Item: TypeAlias = "tuple[Kind, str]"
"""A kind and the lines it holds.

`text` and `doubt` are no code for sure; `doubt` may yet be code in some renderer. `open` is the
first line of a fence and `close` its last, `code` what stands between, in every renderer.
"""

_BLANK = LINE_START + r"(?:[ \t]*+(?:\r\n|\r|\n))++|" + LINE_START + r"[ \t]++\Z"
_EVENT = re.compile(f"{MARK.pattern}|(?P<blank>{_BLANK})")
_INDENT = re.compile(r" *+(?!\t)")


class _Readings:
    """All that the renderers may think at a line: outside fences, inside one, or either."""

    def __init__(self) -> None:
        self.closed = True
        """Whether outside is possible."""
        self._runs: dict[str, tuple[int, int]] = {}
        self.low = self.high = 0
        """The least and the greatest content column of an item that holds the open fence."""

    @property
    def open(self) -> bool:
        """Whether inside is possible."""
        return bool(self._runs)

    def close(self) -> None:
        """Take it that no fence is open."""
        self.closed = True
        self._runs.clear()

    def read(self, mark: Mark, base: int | None) -> None:
        """Go on over a line that may open or close; `base` is where it would open, if sure."""
        was_closed, self.closed = self.closed, False
        if self.open:
            self._end(mark)
        if was_closed:
            self._begin(mark, base)

    def _end(self, mark: Mark) -> None:
        least, most = self._runs.get(mark.run[0], (len(mark.run) + 1, 0))
        if mark.prefix.strip(" \t") or mark.info.strip().strip("`~ \t") or len(mark.run) < least:
            return
        self.closed = True
        sure = mark.column is not None and self.high <= mark.column <= self.low + 3
        if sure and len(mark.run) >= most and not mark.info.strip(" "):
            del self._runs[mark.run[0]]

    def _begin(self, mark: Mark, base: int | None) -> None:
        self.closed = self.closed or base is None or mark.hidden
        low, high = (base, base) if base is not None else mark.reach
        self.low = min(self.low, low) if self.open else low
        self.high = max(self.high, high) if self.open else high
        least, most = self._runs.get(mark.run[0], (len(mark.run), len(mark.run)))
        self._runs[mark.run[0]] = min(least, len(mark.run)), max(most, len(mark.run))


class _Scanner:
    def __init__(self, text: str) -> None:
        self.items: list[Item] = []
        self._text = text
        self._at = 0
        self._lists = Items()
        self._readings = _Readings()
        while self._at < len(self._text):
            if self._readings.closed:
                self._outside()
            else:
                self._inside()

    def _cut(self, kind: Kind, end: int) -> None:
        if end > self._at:
            lines, self._at = self._text[self._at : end], end
            if kind in {"text", "blank"}:
                self._lists.add(lines)
            self.items.append((kind, lines))

    def _outside(self) -> None:
        kind: Kind = "doubt" if self._readings.open else "text"
        search_from = self._at
        while found := _EVENT.search(self._text, search_from):
            if found["blank"] is not None:
                self._cut(kind, found.start())
                self._cut("blank", found.end())
                self._leave_item()
                return
            if mark := Mark.of(found):
                self._cut(kind, found.start())
                self._cut(self._open(mark), found.end())
                return
            search_from = found.end()
        self._cut(kind, len(self._text))

    def _open(self, mark: Mark) -> Kind:
        if ">" in mark.prefix:
            self._lists.lose()
            return "doubt"  # it ends with its quote, whose lines are never taken for code
        base = 0 if mark.column == 0 else None if self._readings.open else self._lists.base(mark)
        self._readings.read(mark, base)
        if base is None or self._readings.closed:
            self._lists.lose()
            return "doubt"
        self._lists.enter(base)
        return "open"

    def _inside(self) -> None:
        found = MARK.search(self._text, self._at)
        end = found.end() if found else len(self._text)
        if self._readings.high and (
            shallow := _shallow(self._readings.high).search(self._text, self._at, end)
        ):
            blank = _ends_blank(self._text[self._at : shallow.start()])
            self._cut("code", shallow.start())
            self._readings.closed = True
            self._lists.lose()
            if blank:
                self._leave_item()
            return
        if not found:
            self._cut("code", end)
            return
        self._cut("code", found.start())
        mark = Mark.of(found)
        if mark:
            self._readings.read(mark, None)
        kind: Kind = "doubt" if self._readings.open else "close"
        self._cut(kind if self._readings.closed else "code", end)
        if self._readings.closed and self._readings.open:
            self._lists.lose()

    def _leave_item(self) -> None:
        """After a blank line: a fence in a list has ended if the next line stands before it."""
        following = _INDENT.match(self._text, self._at)
        if self._readings.open and following and len(following[0]) < self._readings.low:
            self._readings.close()
            self._lists.add("\n")


def scan(text: str) -> list[Item]:
    """Split a text into items that together are the text, in one pass."""
    return _Scanner(text).items


def _ends_blank(lines: str) -> bool:
    tail = lines[len(lines.rstrip(" \t\r\n")) :]
    return len(LINES.findall(tail)) > (tail != lines)


@lru_cache
def _shallow(column: int) -> re.Pattern[str]:
    """Find a line that starts before a column, and so may end the list item."""
    tab = r"(?! {0,3}\t)" if column <= 4 else ""  # noqa: PLR2004  a tab reaches the fourth
    return re.compile(rf"{LINE_START}(?! {{{column}}}){tab}(?![ \t]*+(?:[\r\n]|\Z))")
