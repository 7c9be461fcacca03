"""The code cells of a notebook, and which of them are tests."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.options import parse_ask_line, parse_cell_line

if TYPE_CHECKING:
    from pathlib import Path


_CELL = re.compile(r"\s*%%cmd\b([^\n]*)\n?(.*)", re.DOTALL)
_LINE = re.compile(
    r"^[ \t]*(?:\w+[ \t]*=[ \t]*)?%cmd[ \t]+(?:ask|continue|explain|fix)\b(.*)", re.MULTILINE
)
_CHECK = re.compile(r"(?<!\S)--check(?=[\s=]|$)")
_MAY_FAIL = "raises-exception"


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell."""

    id: str
    source: str
    is_test: bool
    """Whether it has a `--check`."""
    may_fail: bool
    """Whether its tag says that an error is expected."""

    @property
    def title(self) -> str:
        """Its id and its first words."""
        found = _CELL.match(self.source)
        words = " ".join((found[2] if found else self.source).split())
        return f"{self.id}: {excerpt(words)}" if words else self.id


def read_cells(path: Path) -> list[Cell]:
    """Return the code cells of a notebook, in order.

    A cell without an id is named by its place, as `cell-3`.

    Raises
    ------
    OptionError
        The file is not a notebook of format 4.
    """
    try:
        cells: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
        return [
            _cell(str(cell.get("id") or f"cell-{place}"), cell)
            for place, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f"{path.name} is not a notebook of format 4 ({type(error).__name__}: {error})"
        ) from None


def _cell(name: str, cell: dict[str, Any]) -> Cell:
    source = "".join(cell["source"])
    tags = cell.get("metadata", {}).get("tags", [])
    return Cell(name, source, _is_test(source), _MAY_FAIL in tags)


def _is_test(source: str) -> bool:
    """Return whether a cell has a `--check` among its options."""
    found = _CELL.match(source)
    if found is not None:
        return _has_check(found[1], is_cell=True)
    joined = source.replace("\\\n", " ")
    return any(_has_check(line[1], is_cell=False) for line in _LINE.finditer(joined))


def _has_check(line: str, *, is_cell: bool) -> bool:
    if "--ch" not in line:
        return False
    try:
        options = parse_cell_line(line) if is_cell else parse_ask_line(line)[0]
    except CcError:  # running it says what is wrong
        return _CHECK.search(line) is not None
    return bool(options.check)
