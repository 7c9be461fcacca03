"""Protect a prompt from IPython's input transforms, so that it is sent as typed.

Measured on IPython 9.18: a line that ends in `?` is treated as a request for help, and the cell
succeeds; a cell that contains `>>>` loses its prompts and its indentation, and every cell the
spaces on its empty lines; a `%%cmd -h` without a body is rejected before the magic sees it. Both
classes use IPython's documented hooks and make the same call that IPython makes of other lines and
cells.
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
_ONE_PERCENT = re.compile(r"(?P<indent>[ \t]*)%cmd(?:[ \t]+(?P<line>-.*))?")
_CELL = re.compile(r"(?P<indent>[ \t]*)%%cmd(?:[ \t]+(?P<line>.*))?")


class AskLine(TokenTransformBase):
    """Finds `%cmd ask …` or `name = %cmd ask …` that is code, not part of a string or comment."""

    priority = 0  # before IPython's help, which has 5

    def __init__(self, start: tuple[int, int], magic: tuple[int, int]) -> None:
        # the start of the statement decides which transform runs first
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
        """Replace the line with the call that IPython makes of a line without a final `?`.

        Raises
        ------
        SyntaxError
            It is not a prompt; IPython transforms the line as usual.
        """
        last = min(find_end_of_continued_line(lines, self._line), len(lines) - 1)
        typed = [lines[self._line][self._column :], *lines[self._line + 1 : last + 1]]
        pieces = [piece.rstrip()[:-1] for piece in typed[:-1]]  # all but the last end with `\`
        found = _ASK.fullmatch(" ".join([*pieces, typed[-1].rstrip("\r\n")]))
        if found is None:
            raise SyntaxError(lines[self._line])
        before = lines[self._line][: self._column]
        call = f"{before}get_ipython().run_line_magic('cmd', {found['ask']!r})\n"
        return [*lines[: self._line], call, *lines[last + 1 :]]


class PromptCell:
    """Turns a `%%cmd` cell into a call before IPython cleans it up as code.

    A cell that begins with `%cmd`, options at most, and goes on with text that is not code is read
    as one too: a `%` is easily forgotten.
    """

    has_side_effects = True  # so IPython does not run it while the user is still typing

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the call, or the lines unchanged if they are not a `%%cmd` cell."""
        first = lines[0].rstrip() if lines else ""
        found = _CELL.fullmatch(first)
        if found is None:
            found = _ONE_PERCENT.fullmatch(first)
            if found is None or not _is_text("".join(lines[1:])):
                return lines
        indent = found["indent"]
        if any(line.strip() and not line.startswith(indent) for line in lines):
            return lines  # a magic indented further than its text is not one
        # IPython rejects a cell without a body; the magic decides whether it needs one
        body = "".join(line.removeprefix(indent) for line in lines[1:]) or "\n"
        return [f"get_ipython().run_cell_magic('cmd', {found['line'] or ''!r}, {body!r})\n"]

    def add_to(self, transforms: list[Callable[[list[str]], list[str]]]) -> None:
        """Insert it before the first transform that changes more than leading empty lines."""
        place = transforms.index(leading_indent) if leading_indent in transforms else 0
        transforms.insert(place, self)


def _is_text(body: str) -> bool:
    """Return whether the rest of a cell is not code, so that it can only be meant as a prompt."""
    import ast  # noqa: PLC0415  loading the extension is light

    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415  loaded in every kernel

    if not body.strip():
        return False
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        code = TransformerManager().transform_cell(body)  # type: ignore[no-untyped-call]  # IPython's
        compile(code, "<cell>", "exec", flags)
    except (SyntaxError, ValueError):
        return True
    return False
