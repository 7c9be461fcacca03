"""What the lines of a Markdown text are made of, as every renderer sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
"""No list is taken to be deeper than so many columns."""

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
    """Tell whether JupyterLab may take a part of the text for a formula."""
    return _HIDES.search(text) is not None


def hides_line_ends(text: str) -> bool:
    """Tell whether such a formula may reach from one line into another."""
    if "\\\\" in text or "\\begin" in text or "\\end" in text:
        return True
    if text.count("$") < 2:  # noqa: PLR2004  a formula has two ends
        return False
    lines = re.split(r"[\r\n]+", text)
    return any(line.count("$") % 2 or line.count("{") != line.count("}") for line in lines)
