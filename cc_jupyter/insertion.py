"""Code of an answer as the text of one new cell: in order, told apart by a comment, never run.

`set_next_input` keeps only its last call, so all blocks go into one cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence


def one_cell(blocks: Sequence[str]) -> str:
    """Join code blocks; empty if there are none."""
    if len(blocks) < 2:  # noqa: PLR2004  one block needs no telling apart
        return "".join(blocks).rstrip("\n")
    told = [f"# block {n} of {len(blocks)}\n{block}" for n, block in enumerate(blocks, 1)]
    return "\n".join(told).rstrip("\n")


def chosen_block(blocks: Sequence[str], number: str) -> list[str]:
    """Give the block with a number as typed, counted from 1; all without one.

    Raises
    ------
    OptionError
        There is no such block.
    """
    if not number and blocks:
        return list(blocks)
    if number.isdecimal() and 1 <= int(number) <= len(blocks):
        return [blocks[int(number) - 1]]
    held = f"{len(blocks)} code block{'' if len(blocks) == 1 else 's'}"
    raise OptionError(
        f"the last answer holds {held}" + (f", no number {number}" if number else ""),
        hint="%cmd insert puts all of them into a new cell, %cmd insert 2 the second",
    )
