"""The JupyterLab extension colours what the kernel reads: one table of cases holds both to it.

The extension's own tests read the same table; there the functions are in `optionLine.ts` and
`expressions.ts`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

import cc_jupyter
from cc_jupyter.magics.input_transforms import PromptCell
from cc_jupyter.prompt.option_line.words import next_word
from cc_jupyter.prompt.options import OPTIONS, SavedPrompt, parse_cell_line
from cc_jupyter.prompt.template import Expression, parse_template

CASES = json.loads(
    (Path(cc_jupyter.__file__).parents[1] / "labextension/test/cases.json").read_text("utf-8")
)


@pytest.mark.parametrize(("cell", "expected"), CASES["cells"].items())
def test_the_same_cells_are_prompts(cell, expected):
    transformer = TransformerManager()
    PromptCell().add_to(transformer.cleanup_transforms)
    run = transformer.transform_cell(cell)
    assert run.startswith("get_ipython().run_cell_magic('cmd', ") is expected


@pytest.mark.parametrize(("line", "expected"), CASES["words"].items())
def test_the_option_line_has_the_same_words(line, expected):
    words, position = [], 0
    while (word := next_word(line, position)) is not None:
        words.append(word.text)
        position = word.end
    assert words == expected


@pytest.mark.parametrize(("line", "expected"), CASES["prompts"].items())
def test_the_same_saved_prompts_are_named(line, expected):
    options = parse_cell_line(line, lambda name: SavedPrompt(name, "hi"))
    assert ([f"@{options.saved.name}"] if options.saved else []) == expected


def test_a_saved_prompt_may_follow_every_option_without_a_value():
    flags = {name for each in OPTIONS if each.metavar is None for name in each.names}
    lines = [line.removesuffix(" -> x").removesuffix(" @tone") for line in CASES["prompts"]]
    assert {line.split()[-1] for line in lines if not line.startswith("@")} >= flags


@pytest.mark.parametrize(("line", "expected"), CASES["models"].items())
def test_the_same_models_are_named(line, expected):
    options = parse_cell_line(line)
    axes = options.grid.axes if options.grid else ()
    lists = [list(axis.values) for axis in axes if axis.name == "model"]
    single = [options.model] if options.model else []
    assert next(iter(lists), list(options.models) or single) == expected


@pytest.mark.parametrize(("line", "expected"), CASES["allowed"].items())
def test_the_same_tools_are_allowed(line, expected):
    assert list(parse_cell_line(line).allow) == expected


@pytest.mark.parametrize(("line", "expected"), CASES["grids"].items())
def test_the_same_grids_have_as_many_requests(line, expected):
    grid = parse_cell_line(line).grid
    if grid is None:
        assert expected is None
        return
    combinations = math.prod(len(axis.values) for axis in grid.axes if axis.values)
    varied = [axis.name for axis in grid.axes if axis.expression is not None]
    assert [combinations * grid.samples, varied] == expected


@pytest.mark.parametrize(("text", "expected"), CASES["expressions"].items())
def test_the_same_expressions_are_found(text, expected):
    found = [part.source for part in parse_template(text) if isinstance(part, Expression)]
    assert found == [each[2:-2].strip() for each in expected]
