"""The cells of a Markdown table of prices, and how each kind of them is read.

Numbers may be grouped by spaces of any width or by commas, prices may not: in `1,25` nobody can
tell. What a table leaves open (`?`, `—`, `-`, nothing) is `None`, never zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNKNOWN = {"", "?", "-", "—", "\u2013"}  # the last is the shorter dash
_WIRES = {"M": "/messages", "C": "/chat/completions"}
_MOST_TOKENS = 10**9

_CELL_ENDS = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_ID = re.compile(r"[^\s`\"\\]+")
_PRICE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
_COUNT = re.compile(r"[0-9]+|[1-9][0-9]{0,2}(?:[\s,_][0-9]{3})+")  # `\s` has thin spaces, too
_SEPARATORS = re.compile(r"[\s,_]")
_LEVEL = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, or a part of one, and where it stands."""

    place: str
    """Line and column, as errors name them."""
    text: str

    @property
    def is_unknown(self) -> bool:
        """Whether the table says that it does not know."""
        return self.text in _UNKNOWN

    def part(self, text: str) -> Cell:
        """Return a part of this cell."""
        return Cell(self.place, text.strip())

    def wrong(self, what: str, hint: str) -> ConfigError:
        """Return the error that says what this cell is."""
        return ConfigError(f"{self.place}: `{self.text}` is {what}", hint=hint)


@dataclass(frozen=True, slots=True)
class MarkdownTable:
    """A table whose rows are all as long as its heading."""

    line: int
    """Where its heading stands, counted from 1."""
    headings: list[str]
    rows: list[list[Cell]]


def markdown_tables(text: str) -> Iterator[MarkdownTable]:
    """Return the tables of a Markdown text.

    Raises
    ------
    ConfigError
        A row is longer or shorter than its heading, or holds a control character.
    """
    lines: list[tuple[int, list[str]]] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.lstrip().startswith("|"):
            lines.append((number, _cells(number, line.strip())))
            continue
        if len(lines) > 1 and all(map(_RULE.fullmatch, lines[1][1])):
            first, headings = lines[0]
            yield MarkdownTable(first, headings, [_row(headings, *row) for row in lines[2:]])
        lines = []


def _cells(number: int, line: str) -> list[str]:
    inner = line.removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    cells = [cell.strip().replace("\\|", "|") for cell in _CELL_ENDS.split(inner)]
    for cell in cells:
        if not "".join(cell.split()).isprintable():
            raise ConfigError(
                f"line {number}: {cell!r} holds a control character", hint="take it out"
            )
    return cells


def _row(headings: list[str], number: int, cells: list[str]) -> list[Cell]:
    named = f"line {number} ({cells[0]})"
    if len(cells) != len(headings):
        raise ConfigError(
            f"{named} has {len(cells)} cells, the heading of its table {len(headings)}",
            hint="a `|` inside a cell is written `\\|`",
        )
    return [
        Cell(f"{named}, column {heading}", cell)
        for heading, cell in zip(headings, cells, strict=True)
    ]


# ── kinds of cells


def read_id(cell: Cell) -> str:
    """Return the id of a model, which may stand in backticks."""
    text = cell.text.removeprefix("`").removesuffix("`")
    if not _ID.fullmatch(text):
        raise cell.wrong("no model id", "an id is one word without quotes")
    return text


def read_rates(cells: list[Cell]) -> list[str] | None:
    """Return input, output, cache read, cache write; those missing at the end are unknown.

    `None`: the price of the prompt or of the answer is unknown, so there is no price.
    """
    rates = [_price(cell) for cell in cells]
    while rates and rates[-1] is None:
        rates.pop()
    if None in rates[:2] or len(rates) < 2:  # noqa: PLR2004  input and output
        return None
    if None in rates:
        raise cells[rates.index(None)].wrong(
            "unknown, while the rate after it is known", "the catalogue cannot say that"
        )
    return [rate for rate in rates if rate is not None]


def read_rate_list(cell: Cell) -> list[str]:
    """Return rates that stand in one cell, with slashes between them."""
    rates = read_rates([cell.part(text) for text in cell.text.split("/")])
    if rates is None:
        raise cell.wrong("no list of rates", "such as 0.15 / 0.6 / 0.003 / —")
    return rates


def _price(cell: Cell) -> str | None:
    """Return a price without the zeros that mean nothing."""
    if cell.is_unknown:
        return None
    text = cell.text.removeprefix("$").strip()
    if not _PRICE.fullmatch(text):
        raise cell.wrong("no price", "USD per million tokens, such as 0.15; unknown is `?` or `—`")
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{decimals}" if decimals else "")


def read_count(cell: Cell) -> int | None:
    """Return a number of tokens."""
    if cell.is_unknown:
        return None
    number = int(_SEPARATORS.sub("", cell.text)) if _COUNT.fullmatch(cell.text) else 0
    if not 0 < number <= _MOST_TOKENS:
        raise cell.wrong("no number of tokens", "such as 200 000 or 200,000; unknown is `?`")
    return number


def read_yes(cell: Cell) -> bool:
    """Return a yes or no; what is unknown is not promised."""
    if not cell.is_unknown and cell.text.casefold() not in ("yes", "no"):
        raise cell.wrong("neither yes nor no", "yes, no, or `?` for unknown, which counts as no")
    return cell.text.casefold() == "yes"


def read_efforts(cell: Cell) -> list[str]:
    """Return the levels as they stand there, `auto` among them."""
    levels = [] if cell.is_unknown else cell.text.replace(",", " ").split()
    if not all(map(_LEVEL.fullmatch, levels)):
        raise cell.wrong("no list of levels", "such as `low medium high`, `auto` or `-`")
    return levels


def read_endpoint(cell: Cell) -> str | None:
    """Return the endpoint we speak: `R` stands beside it, and a `?` marks what nobody has seen."""
    letters = [] if cell.is_unknown else cell.text.replace("?", "").replace(",", " ").split()
    if not set(letters) <= {*_WIRES, "R"}:
        raise cell.wrong("no wire", "M is /messages, C /chat/completions, R /responses")
    return next((_WIRES[letter] for letter in letters if letter in _WIRES), None)
