"""Which inline code of a paragraph is code in every renderer.

They agree on a run of backticks and the next of the same length, until something else comes first:
a formula that holds one of them (JupyterLab, VS Code, nbconvert), a table's cell, an address that
goes on to the next blank, emphasis that marked closes in the midst of code.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from cc_jupyter.render.lines import LINE_START, hides_line_ends

Span: TypeAlias = tuple[int, int, bool]
"""Start, end, and whether it is code for sure."""

_DISPLAYS = {"$$": "$$", "\\\\[": "\\\\]", "\\begin": "\\end"}
"""Starts and ends of the formulas that some renderer follows over blank lines."""

_RUN = re.compile(r"`++")
_LINE_END = re.compile(r"[\r\n]")
_OPENERS = re.compile(r"[$~*_\[]")
_ROW = re.compile(LINE_START + r"[ \t>*+\d.):|-]*+(?=[\r\n]|\Z)")
_SQUARE = re.compile(r"[\[\]]")
_GLUED = re.compile(r"://|www\.|<", re.IGNORECASE)
_BREAKS = re.compile(r"[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\\\\[()\[\]]|\\(?:begin|end)\b")


class CodeSpans:
    """The inline code of one paragraph, up to the first run that has no partner in its line.

    Parameters
    ----------
    text
        The paragraph.
    ends
        Whether it surely ends where the text does.
    """

    def __init__(self, text: str, *, ends: bool = True) -> None:
        self.found: list[Span] = []
        self.reaching: set[str] = set()
        """Ends of formulas that seem to begin in code: some renderer looks for them further on."""
        self._text = text
        self._end = 0  # of the last one
        self._seen: set[str] = set()  # characters outside that may begin something
        self._sure = True
        self._table: bool | None = None  # not asked yet
        if not self._read() or not ends:
            self._doubt_brackets()

    @property
    def loose(self) -> bool:
        """Whether something may have begun outside and not ended."""
        rest = self._text[self._end :]
        return any(char in rest for char in "`$~") or not self._seen.isdisjoint("$~")

    def _read(self) -> bool:
        runs: list[tuple[int, int]] = []
        line_end = -1
        for run in _RUN.finditer(self._text):
            if run.start() > line_end:
                if runs and not self._read_line(runs):
                    return False
                found = _LINE_END.search(self._text, run.end())
                line_end, runs = found.start() if found else len(self._text), []
            runs.append(run.span())
        return not runs or self._read_line(runs)

    def _read_line(self, runs: list[tuple[int, int]]) -> bool:
        index, whole, first = 0, True, len(self.found)
        while index < len(runs):
            start, start_end = runs[index]
            size = start_end - start
            index += 1
            while index < len(runs) and runs[index][1] - runs[index][0] != size:
                index += 1
            if index == len(runs) or not self._begins(start):
                return False
            code = self._text[start_end : runs[index][0]]
            if "$" in code or "\\" in code:
                self.reaching.update(end for begin, end in _DISPLAYS.items() if begin in code)
            self._sure = self._sure and self._agreed(code, nested="`" in code or size > 1)
            whole = whole and not ("|" in code and self._in_table())
            self._end = runs[index][1]
            self.found.append((start, self._end, self._sure and whole))
            index += 1
        if not whole and "[" in self._seen:  # a cell may end amid code: see _doubt_brackets
            self.found[first:] = [(start, end, False) for start, end, _ in self.found[first:]]
        return True

    def _begins(self, start: int) -> bool:
        outside = self._text[self._end : start]
        self._seen.update(_OPENERS.findall(outside))
        word = outside[1 + max(map(outside.rfind, " \t\r\n")) :]
        return not (outside.endswith(("\\", "~")) or _GLUED.search(word))

    def _agreed(self, code: str, *, nested: bool) -> bool:
        linked = "[" in self._seen
        if _BREAKS.search(code) or (linked and not _bracketed(code)):
            return False
        risky = self._seen.intersection("$~*_" if nested or linked else "$~")
        return not any(char in code for char in risky)

    def _in_table(self) -> bool:
        """Tell whether a bar may part cells here; if lines may be hidden, all is unsure."""
        if self._table is None:
            self._table = any({"|", ":"} & set(row[0]) for row in _ROW.finditer(self._text))
            self._sure = self._sure and not (self._table and hides_line_ends(self._text))
        return self._table

    def _doubt_brackets(self) -> None:
        """Drop what markdown-it forgets at a run without a partner: runs behind a bracket."""
        bracket = self._text.find("[")
        if bracket >= 0:
            self.found = [(start, end, sure and start < bracket) for start, end, sure in self.found]


def _bracketed(code: str) -> bool:
    """Tell whether each bracket has its partner."""
    depth = 0
    for char in _SQUARE.findall(code):
        depth += 1 if char == "[" else -1
        if depth < 0:
            return False
    return depth == 0
