"""Find the lines of a Markdown text that are code in every renderer, or only in some.

marked (JupyterLab), markdown-it (VS Code) and mistune (nbconvert) agree on most fences but not all:
they differ on lists, half-closed items, tabs and unusual closing lines. Therefore the state is a
set of possible readings, stored as bounds; a line counts as code only if it is code in all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

LINE_START = r"(?:\A|(?<=\n)|(?<=\r)(?!\n))"
LINE_END = r"(?:\r\n|\r|\n|\Z)"
LINES = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++")
MARK = re.compile(
    LINE_START
    + r"(?P<prefix>[ \t]*+(?:(?:>|[-*+][ \t]|\d{1,9}[.)][ \t])[ \t]*+)*+(?:\[[ xX]\][ \t]++)?+)"
    + r"(?P<run>`{3,}+|~{3,}+)(?P<info>[^\r\n]*+)(?P<end>"
    + LINE_END
    + ")"
)
DEEPEST = 40
"""No list counts as deeper than this number of columns."""

_HIDES = re.compile(r"\$|\\\\|\\(?:begin|end)\b")


@dataclass(frozen=True, slots=True)
class Mark:
    """A line that may open or close a fence."""

    prefix: str
    run: str
    info: str

    @classmethod
    def of(cls, found: re.Match[str]) -> Mark | None:
        """Read a match of `MARK`; `None` if no renderer takes it for a fence."""
        mark = cls(found["prefix"], found["run"], found["info"])
        if mark.run[0] == "`" and "`" in mark.info and not {"$", "\\"} & set(mark.info):
            return None  # an inline span; with math in it JupyterLab might not see the backtick
        return mark

    @property
    def column(self) -> int | None:
        """The indentation, or `None` when it holds more than spaces."""
        return None if self.prefix.strip(" ") else len(self.prefix)

    @property
    def reach(self) -> tuple[int, int]:
        """The least and the greatest column at which the item that holds it may begin."""
        if self.column is not None:
            return 0, self.column
        return (0, DEEPEST) if "\t" in self.prefix else (len(self.prefix), len(self.prefix))

    @property
    def hidden(self) -> bool:
        """Whether some renderer may take this for an inline span."""
        return self.run[0] == "`" and "`" in self.info


def hides(text: str) -> bool:
    """Return whether JupyterLab may take a part of the text for a formula."""
    return _HIDES.search(text) is not None


def hides_line_ends(text: str) -> bool:
    """Return whether such a formula may reach from one line into another."""
    if "\\\\" in text or "\\begin" in text or "\\end" in text:
        return True
    if text.count("$") < 2:  # noqa: PLR2004  a formula has two ends
        return False
    lines = re.split(r"[\r\n]+", text)
    return any(line.count("$") % 2 or line.count("{") != line.count("}") for line in lines)


_MARKER = re.compile(r"( *+)(?:[-*+]|(\d{1,9})[.)])( {1,4}(?![ \t])|)(.*)")
_NO_TEXT = re.compile(r"[-*+](?:[ \t]|$)|\d{1,9}[.)]|[>#|`~]|[-*_ \t]+$")
_MOST_ITEMS = 4
"""Older nbconverts read no more items in one another."""


class Items:
    """The list item that a line at some column belongs to, as far as that is sure.

    Text is only stored until `base` is called, which few answers need.
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
        """Be unsure until a line at the margin follows a blank one."""
        self._unread.clear()
        self._sure = False

    def reset(self) -> None:
        """Start again outside all lists."""
        self._unread.clear()
        self._offsets.clear()
        self._sure, self._deep = True, False

    def base(self, mark: Mark) -> int | None:
        """Return the content column of the item that contains a fence, if it is certain."""
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


Kind: TypeAlias = Literal["text", "blank", "open", "code", "close", "doubt"]
Item: TypeAlias = "tuple[Kind, str]"
"""A kind and the lines it holds.

`text` and `doubt` are no code for sure; `doubt` may yet be code in some renderer. `open` is the
first line of a fence and `close` its last, `code` the lines between them, in every renderer.
"""

_BLANK = LINE_START + r"(?:[ \t]*+(?:\r\n|\r|\n))++|" + LINE_START + r"[ \t]++\Z"
_EVENT = re.compile(f"{MARK.pattern}|(?P<blank>{_BLANK})")
_INDENT = re.compile(r" *+(?!\t)")


class _Readings:
    """All possible readings of a line: outside fences, inside one, or either."""

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
        """Assume that no fence is open."""
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
        """After a blank line: a fence in a list has ended if the next line is indented less."""
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
