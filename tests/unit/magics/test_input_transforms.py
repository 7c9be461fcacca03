"""A cell with one percent sign too few is a prompt if it cannot be code."""

from __future__ import annotations

import pytest

from cc_jupyter.magics.input_transforms import PromptCell


def read(cell: str) -> str:
    return "".join(PromptCell()(cell.splitlines(keepends=True)))


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%cmd\nwrite a poem about the sea\n", ""),
        (
            "%cmd -m opus --once -> x: int\nHow many?\nOnly the number.\n",
            "-m opus --once -> x: int",
        ),
        ("%cmd -> name\n\nthe name of {{ person }}, please\n", "-> name"),
        ("  %cmd\n  an indented prompt\n", ""),
    ],
)
def test_text_below_one_percent_sign_is_a_prompt(cell, line):
    assert read(cell).startswith(f"get_ipython().run_cell_magic('cmd', {line!r}, ")


@pytest.mark.parametrize(
    "cell",
    [
        "%cmd\n",
        "%cmd\n\n",
        "%cmd\nprint(1)\n",
        "%cmd\nfiles = !ls\n%time sum(files)\n",
        "%cmd\nlen?\n",
        "%cmd\nawait something()\n",
        "%cmd -h\nx = 1\n",
        "%cmd use local\nwrite a poem about the sea\n",
        "%cmd ask one thing\nand another thing\n",
        "x = 1\n%cmd\nwrite a poem\n",
    ],
)
def test_code_below_a_command_stays_code(cell):
    assert read(cell) == cell
