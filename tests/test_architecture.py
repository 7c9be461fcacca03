"""What holds for every function and every handler of the package.

Which package may import which, and where each library lives, is checked by import-linter
(`make lint`; the contracts are in pyproject.toml).
"""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

import cc_jupyter

ROOT = Path(cc_jupyter.__file__).parent
MAX_FUNCTION_LINES = 60
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.py"))
}


def function_lengths(text: str) -> dict[str, int]:
    """Return the number of lines of each function."""
    return {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_long(module):
    long = {
        name: n for name, n in function_lengths(MODULES[module]).items() if n >= MAX_FUNCTION_LINES
    }
    assert not long, f"{MAX_FUNCTION_LINES} lines or more"


def test_most_functions_are_short():
    lengths = [n for text in MODULES.values() for n in function_lengths(text).values()]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_whoever_catches_every_exception_says_why():
    """A bug keeps its traceback: a broad handler has a comment, or raises."""
    for module, text in MODULES.items():
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if line.strip().startswith(("except Exception:", "except BaseException", "except:")):
                explained = "#" in line or "raise" in "".join(lines[number : number + 6])
                assert explained, f"{module}, line {number}"
