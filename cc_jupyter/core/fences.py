"""Fenced code blocks in Markdown, parsed line by line.

Everything that looks for code in an answer uses this parser. Only `render.markdown` has its own,
since it must agree with several renderers at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


# A run of more than 256 marks is text: the mark is repeated before each piece of a long block.
_OPENING = re.compile(
    r"(?P<before>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*+)"
    r"(?:(?P<ticks>`{3,256})[^`]*|(?P<tildes>~{3,256})(?!~).*)"
)
_CLOSING = re.compile(r"(?P<before>[ \t>]*+)(?P<mark>`{3,}|~{3,})[ \t\r]*")
_TAB_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Fence:
    """The opening line of a fenced code block."""

    mark: str
    """The run of backticks or tildes."""
    info: str
    """The text after the mark, usually the language."""
    prefix: str
    """What each line of the block starts with: indentation and `>`; list markers are blanks."""
    in_list: bool
    """Whether the fence opened on the line of a list marker."""

    @classmethod
    def opened_by(cls, line: str) -> Fence | None:
        """Return the fence that a line opens, if any."""
        found = _OPENING.fullmatch(line.rstrip("\r"))
        if found is None:
            return None
        before, mark = found["before"], found["ticks"] or found["tildes"]
        info = found[0][len(before) + len(mark) :]
        return cls(mark, info, re.sub(r"[^>\s]", " ", before), bool(before.strip(" \t>")))

    def is_closed_by(self, line: str) -> bool:
        """Return whether a line is the closing fence."""
        found = _CLOSING.fullmatch(line)
        return (
            found is not None
            and found["mark"].startswith(self.mark)
            and (">" in found["before"]) == (">" in self.prefix)
        )

    def is_left_by(self, line: str) -> bool:
        """Return whether a line is outside the quote or list item that contains the fence."""
        if ">" in self.prefix:
            return not line.lstrip().startswith(">")
        if not self.in_list or not line.strip():
            return False
        shown = line.expandtabs(_TAB_COLUMNS)
        indent_columns = len(shown) - len(shown.lstrip())
        return indent_columns < len(self.prefix.expandtabs(_TAB_COLUMNS))

    def content(self, line: str) -> str:
        """Return a line of the block without the prefix."""
        whole = line.startswith(self.prefix)
        return line.removeprefix(self.prefix if whole else self.prefix.rstrip())


@dataclass(frozen=True, slots=True)
class FencedBlock:
    """One fenced code block."""

    code: str
    is_closed: bool
    """Whether the block ends with a closing fence."""


def fence_after(line: str, fence: Fence | None) -> Fence | None:
    """Return the fence that is open after a line; `fence` is the one open before it."""
    if fence is not None and fence.is_left_by(line):
        fence = None
    if fence is None:
        return Fence.opened_by(line)
    return None if fence.is_closed_by(line) else fence


def fenced_blocks(text: str) -> Iterator[FencedBlock]:
    """Yield the fenced code blocks of a text, in order; the last one may be unclosed."""
    fence: Fence | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        before, fence = fence, fence_after(line, fence)
        if before is not None and fence is before:
            lines.append(before.content(line))
            continue
        if before is not None:
            code = "".join(f"{each}\n" for each in lines)
            yield FencedBlock(code, before.is_closed_by(line))
        lines = []
    if fence is not None and lines:
        yield FencedBlock("\n".join(lines), is_closed=False)


def fenced(text: str, language: str) -> str:
    """Return a text as a code block, with a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{language}\n{text}\n{mark}"
