"""What Tab offers on `%cmd` lines and in `%%cmd` cells, from the cell and the cursor alone.

The grammar is that of `optionline`, the words are those of `options` and `command_specs`, and what
has names of its own (models, threads, files, variables) is asked of a source. In a prompt outside
`{{ }}` nothing is offered: it is no code.
"""

from __future__ import annotations

import re

from cc_jupyter.completion.commands import on_command
from cc_jupyter.completion.offers import Names, Offer
from cc_jupyter.completion.options import OptionLine, split_words
from cc_jupyter.completion.prompt import in_prompt

__all__ = ["Names", "Offer", "complete"]

_CELL = re.compile(r"[ \t]*%%cmd(?:[ \t]+|$)")
_LINE = re.compile(r"(?:[^'\"#%]*=)?[ \t]*%cmd[ \t]+")


def complete(cell: str, line: int, column: int, names: Names) -> Offer | None:
    """Give what fits at the cursor; `None`: the place is not ours.

    Parameters
    ----------
    cell
        All of the cell.
    line, column
        Where the cursor stands, from 0; lines end in a newline and nothing else.
    """
    lines = cell.split("\n")
    first = next((number for number, text in enumerate(lines) if text.strip()), 0)
    text = lines[line]
    head = _CELL.match(lines[first])
    if head is not None and line > first:
        if any(word.text == "--raw" for word in split_words(f"{lines[first][head.end() :]} ")[0]):
            return Offer()
        before = "\n".join([*lines[first + 1 : line], text[:column]])
        return in_prompt(before, text[column:], names)
    if head is not None and line == first and head[0][-1].isspace() and column >= head.end():
        return OptionLine(text[head.end() :], column - head.end(), names).offer()
    found = _LINE.match(text)
    if head is not None or found is None or column < found.end():
        return None
    return on_command(text[found.end() :], column - found.end(), names)
