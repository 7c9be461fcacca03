"""Keeps a prompt as it was typed on its way through IPython's input transforms.

Tried on IPython 9.18: a line that ends in `?` is taken for a request for help, and the cell stays
green; a cell with a `>>>` in it loses its prompts and its indentation, and every cell the blanks on
its empty lines; a `%%cmd -h` without a body is refused before the magic sees it. Both classes here
are added by IPython's documented ways in and make of such a line or cell the very call that
IPython makes of all others.
"""

from __future__ import annotations

import re
from tokenize import DEDENT, INDENT
from typing import TYPE_CHECKING, Self

from IPython.core.inputtransformer2 import (
    TokenTransformBase,
    find_end_of_continued_line,
    leading_indent,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from tokenize import TokenInfo


_ASK = re.compile(r"%cmd[ \t]+(?P<ask>ask[ \t].*\S.*)", re.DOTALL)
_CELL = re.compile(r"(?P<indent>[ \t]*)%%cmd(?:[ \t]+(?P<line>.*))?")


class AskLine(TokenTransformBase):
    """Finds `%cmd ask …` or `name = %cmd ask …` that is code, not part of a string or comment."""

    priority = 0  # before IPython's help, which has 5

    def __init__(self, start: tuple[int, int], magic: tuple[int, int]) -> None:
        # where the statement starts decides whose turn it is
        super().__init__(start)  # type: ignore[no-untyped-call]  # IPython's
        self._line, self._column = magic[0] - 1, magic[1]

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> Self | None:
        """Return the first such line."""
        for row in tokens_by_line:
            tokens = [token for token in row if token.type not in (INDENT, DEDENT)]
            for place, token in enumerate(tokens):
                if token.string != "%" or (place and tokens[place - 1].string != "="):
                    continue
                if [each.string for each in tokens[place + 1 : place + 3]] == ["cmd", "ask"]:
                    return cls(tokens[0].start, token.start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Write the line as the call that IPython itself makes of one without a mark at its end.

        Raises
        ------
        SyntaxError
            It is no prompt; what IPython makes of the line holds.
        """
        last = min(find_end_of_continued_line(lines, self._line), len(lines) - 1)
        typed = [lines[self._line][self._column :], *lines[self._line + 1 : last + 1]]
        pieces = [piece.rstrip()[:-1] for piece in typed[:-1]]  # all but the last end in `\`
        found = _ASK.fullmatch(" ".join([*pieces, typed[-1].rstrip("\r\n")]))
        if found is None:
            raise SyntaxError(lines[self._line])
        before = lines[self._line][: self._column]
        call = f"{before}get_ipython().run_line_magic('cmd', {found['ask']!r})\n"
        return [*lines[: self._line], call, *lines[last + 1 :]]


class PromptCell:
    """Makes a call of a `%%cmd` cell before IPython tidies up what it takes for code."""

    has_side_effects = True  # IPython's word for: not while the user is still typing

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the call, or the lines as they are if they are no `%%cmd` cell."""
        found = _CELL.fullmatch(lines[0].rstrip()) if lines else None
        if found is None:
            return lines
        indent = found["indent"]
        if any(line.strip() and not line.startswith(indent) for line in lines):
            return lines  # a magic that stands further in than its text is none
        # IPython refuses a cell without a body; whether it may have none is for the magic to say
        body = "".join(line.removeprefix(indent) for line in lines[1:]) or "\n"
        return [f"get_ipython().run_cell_magic('cmd', {found['line'] or ''!r}, {body!r})\n"]

    def add_to(self, transforms: list[Callable[[list[str]], list[str]]]) -> None:
        """Take the place before the first that changes more than empty lines above."""
        place = transforms.index(leading_indent) if leading_indent in transforms else 0
        transforms.insert(place, self)
