"""Read a price table in Markdown: the facts about each model, and what is missing.

Columns are found by their headings, in any order; what a missing column would say stays open.
Besides the models, a file may hold a table of tiers (one with a column `Up to`) and a line with the
peak rates (`Peak in/out/read: ...`).

Spaces of any width or commas may group the digits of a token count, but not those of a price:
`1,25` is ambiguous. What a table does not know (`?`, `—`, `-` or nothing) is `None`, never zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRICES = ("in", "out", "cache read", "cache write")
_COLUMNS = {
    *(*_PRICES, "id", "name", "wire", "context", "max out", "efforts", "img", "notes"),
    *("up to", "rates", "above"),
}
_OTHER_HEADINGS = {
    "model id": "id",
    "model": "id",
    "input": "in",
    "output": "out",
    "max output": "max out",
    "effort": "efforts",
    "image": "img",
    "note": "notes",
}
_UNKNOWN = {"", "?", "-", "—", "\u2013"}  # the last is an en dash
_WIRES = {"M": "/messages", "C": "/chat/completions"}
_MAX_TOKENS = 10**9

_CELL_END = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_PEAK_LINE = re.compile(r"\bPeak in/out/read:(.+)$")
_QUOTED = re.compile(r"`([^`]+)`")

_FORMS = {
    "model id": (r'`?([^\s`"\\]+)`?', "write one word without quotation marks"),
    "price": (
        r"\$?\s*([0-9]{1,6}(?:\.[0-9]{1,9})?)",
        "write USD per million tokens, such as 0.15, or `?` if it is unknown",
    ),
    "number of tokens": (
        r"[0-9]+|[1-9][0-9]{0,2}(?:[\s,_][0-9]{3})+",  # `\s` includes thin spaces
        "write 200 000 or 200,000, for example, or `?` if it is unknown",
    ),
    "list of levels": (r"[a-z]+(?:[\s,]+[a-z]+)*", "write `low medium high`, `auto` or `-`"),
    "wire format": (
        r"[MCR]\??(?:[\s,]+[MCR]\??)*",
        "M is /messages, C /chat/completions, R /responses; `?` means unverified",
    ),
    "list of tiers": (
        r"(?i:(?:to\s+([^:]+)|above)\s*:)?([^:]+)",
        "write `to 256 000: 1 / 2 / 0.1; above: 2 / 4 / 0.2`, for example",
    ),
    "list of peak rates": (
        r"((?:`[^`]+`[\s,]*)+)([0-9][^`]*)",
        "write `model` 0.3 / 1.2 / 0.006, for example",
    ),
}
"""The format of a cell or a part of one: its pattern, and a hint if it does not match."""


@dataclass(slots=True)
class PriceRow:
    """The facts about one model."""

    place: str
    """Its line and id, for error messages."""
    values: dict[str, Any]
    """By the keys of `catalog.toml`; `None` is unknown, a missing key is not mentioned."""
    marks: set[str] = field(default_factory=set)
    """Which of `tiers` and `peak` its notes mention."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """All models of a file, in its order."""

    rows: dict[str, PriceRow] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    """Headings that are ignored."""
    unpriced: list[str] = field(default_factory=list)
    """Models without a price; they have no row."""


def read_price_table(text: str) -> PriceTable:
    """Read the models of a Markdown file.

    Raises
    ------
    ConfigError
        There is no such table, or a cell is unreadable; the message names its line and column.
    """
    table = PriceTable()
    found = list(_markdown_tables(text))
    for each in found:
        if {"id", "in", "out"} <= each.columns.keys():
            _read_models(table, each)
    if not table.rows:
        raise ConfigError(
            "the file contains no price table",
            hint="write one in Markdown: Model id, In, Out, Cache read, Cache write",
        )
    for each in found:
        if {"id", "up to", "above"} <= each.columns.keys():
            each.require("rates", "the table of tiers", "add it, such as Rates in/out/read/write")
            for cells in each.rows:
                _read_tiers(table, cells)
    for number, line in enumerate(text.split("\n"), 1):
        if peaks := _PEAK_LINE.search(line):
            _read_peaks(table, _Cell(f"line {number}, peak rates", peaks[1].strip(" .\r")))
    return table


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell, or a part of one."""

    place: str
    """Line and column, for error messages."""
    text: str

    @property
    def is_unknown(self) -> bool:
        return self.text in _UNKNOWN

    def part(self, text: str) -> _Cell:
        return _Cell(self.place, text.strip())

    def match(self, form: str) -> re.Match[str]:
        pattern, hint = _FORMS[form]
        found = re.fullmatch(pattern, self.text)
        if found is None:
            raise self.error(f"is not a {form}", hint)
        return found

    def error(self, problem: str, hint: str) -> ConfigError:
        return ConfigError(f"{self.place}: `{self.text}` {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class _MarkdownTable:
    line: int
    """The line of its heading, counted from 1."""
    headings: list[str]
    columns: dict[str, int]
    """The index of each column that is read."""
    rows: list[dict[str, _Cell]]
    """The cells of these columns."""

    def require(self, column: str, title: str, hint: str) -> None:
        if column not in self.columns:
            raise ConfigError(
                f"line {self.line}: {title} has no column {column.capitalize()}", hint=hint
            )


def _markdown_tables(text: str) -> Iterator[_MarkdownTable]:
    lines: list[tuple[int, list[str]]] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.lstrip().startswith("|"):
            lines.append((number, _split(number, line.strip())))
            continue
        if len(lines) > 1 and all(map(_RULE.fullmatch, lines[1][1])):
            first, headings = lines[0]
            columns = _columns(first, headings)
            rows = [_row(headings, columns, *row) for row in lines[2:]]
            yield _MarkdownTable(first, headings, columns, rows)
        lines = []


def _split(number: int, line: str) -> list[str]:
    inner = line.removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    cells = [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inner)]
    for cell in cells:
        if not "".join(cell.split()).isprintable():
            raise ConfigError(
                f"line {number}: {cell!r} contains a control character", hint="remove it"
            )
    return cells


def _columns(line: int, headings: list[str]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for index, heading in enumerate(headings):
        name = heading.casefold()
        name = "rates" if name.startswith("rates") else _OTHER_HEADINGS.get(name, name)
        if name in columns:
            raise ConfigError(
                f"line {line}: the columns {headings[columns[name]]} and {heading} mean the same",
                hint="remove one of them",
            )
        if name in _COLUMNS:
            columns[name] = index
    return columns


def _row(
    headings: list[str], columns: dict[str, int], number: int, cells: list[str]
) -> dict[str, _Cell]:
    place = f"line {number} ({cells[0]})"
    if len(cells) != len(headings):
        raise ConfigError(
            f"{place} has {len(cells)} cells, but the heading of its table has {len(headings)}",
            hint="write a `|` inside a cell as `\\|`",
        )
    return {
        name: _Cell(f"{place}, column {headings[index]}", cells[index])
        for name, index in columns.items()
    }


def _read_models(table: PriceTable, found: _MarkdownTable) -> None:
    for column in _PRICES:
        found.require(column, "the price table", "add it, with `—` where nothing is known")
    known = found.columns.values()
    ignored = [name for index, name in enumerate(found.headings) if index not in known]
    table.ignored.extend(name for name in ignored if name not in table.ignored)
    for cells in found.rows:
        model_id = cells["id"].match("model id")[1]
        if model_id in table.rows or model_id in table.unpriced:
            raise cells["id"].error("appears twice", "remove one of the rows")
        rates = _read_rates([cells[name] for name in _PRICES])
        if rates is None:
            table.unpriced.append(model_id)
        else:
            row = PriceRow(cells["id"].place.partition(", column")[0], {"rates": rates})
            _read_values(row, cells)
            table.rows[model_id] = row


def _read_values(row: PriceRow, cells: dict[str, _Cell]) -> None:
    for column, cell in cells.items():
        match column:
            case "name":
                row.values["name"] = None if cell.is_unknown else cell.text
            case "context":
                row.values["context"] = _read_count(cell)
            case "max out":
                row.values["max_output"] = _read_count(cell)
            case "img":
                if not cell.is_unknown and cell.text.casefold() not in ("yes", "no"):
                    raise cell.error("is neither yes nor no", "`?` is unknown and counts as no")
                row.values["image"] = cell.text.casefold() == "yes"
            case "efforts":
                found = None if cell.is_unknown else cell.match("list of levels")
                levels = re.findall("[a-z]+", found[0]) if found else []
                row.values["efforts"] = [level for level in levels if level != "auto"] or None
                row.values["reasons"] = True if levels == ["auto"] else None
            case "wire" if not cell.is_unknown:  # `R` is not an endpoint that we use
                letters = cell.match("wire format")[0]
                used = (_WIRES[letter] for letter in letters if letter in _WIRES)
                row.values["endpoint"] = next(used, None)
            case "notes":
                _read_notes(row, cell)
            case _:  # an id, a price, or nothing to read
                pass


def _read_notes(row: PriceRow, cell: _Cell) -> None:
    """Remove the words that have their own key; the others are the note."""
    words = [] if cell.is_unknown else [word.strip() for word in cell.text.split(";")]
    by_folded = {word.casefold(): word for word in words}
    for mark in ("tiers", "peak"):
        if by_folded.pop(mark, None):
            row.marks.add(mark)
        else:
            row.values[mark] = None
    row.values["zdr"] = False if by_folded.pop("no zdr", None) else None
    row.values["note"] = "; ".join(by_folded.values()) or None


def _read_count(cell: _Cell) -> int | None:
    if cell.is_unknown:
        return None
    number = int(re.sub(r"[\s,_]", "", cell.match("number of tokens")[0]))
    if not 0 < number <= _MAX_TOKENS:
        raise cell.error(
            f"is not a number of tokens from 1 to {_MAX_TOKENS:,}", _FORMS["number of tokens"][1]
        )
    return number


def _read_rates(cells: list[_Cell]) -> list[str] | None:
    """Return input, output, cache read, cache write; missing rates at the end are unknown.

    `None`: input or output is unknown, so there is no price.
    """
    rates = [None if cell.is_unknown else cell.match("price") for cell in cells]
    while rates and rates[-1] is None:
        rates.pop()
    if None in rates[:2] or len(rates) < 2:  # noqa: PLR2004  input and output
        return None
    if None in rates:
        raise cells[rates.index(None)].error(
            "is unknown, but the rate after it is known", "the catalog cannot express this"
        )
    return [f"{Decimal(price[1]).normalize():f}" for price in rates if price]


def _read_rate_list(cell: _Cell) -> list[str]:
    """Read rates in one cell, separated by slashes."""
    rates = _read_rates([cell.part(text) for text in cell.text.split("/")])
    if rates is None:
        raise cell.error("is not a list of rates", "write 0.15 / 0.6 / 0.003 / —, for example")
    return rates


def _read_tiers(table: PriceTable, cells: dict[str, _Cell]) -> None:
    tiers: list[dict[str, Any]] = [{"up_to": _read_count(cells["up to"])}]
    if tiers[0]["up_to"] is None:
        raise cells["up to"].error("is not a limit", "write a number of tokens")
    tiers[0]["rates"] = _read_rate_list(cells["rates"])
    for part in cells["above"].text.split(";"):
        limit, rates = cells["above"].part(part).match("list of tiers").groups()
        up_to = _read_count(cells["above"].part(limit)) if limit else None
        tier = {"up_to": up_to, "rates": _read_rate_list(cells["above"].part(rates))}
        tiers.append({key: value for key, value in tier.items() if value is not None})
    *limits, last = [tier.get("up_to", 0) for tier in tiers]
    if last or not all(lower < higher for lower, higher in pairwise(limits)):
        raise cells["above"].error("is not a list of rising tiers", _FORMS["list of tiers"][1])
    for name in _QUOTED.findall(cells["id"].text) or [cells["id"].text]:
        if name not in table.rows:
            raise (
                cells["id"]
                .part(name)
                .error(
                    "is not in the price table",
                    did_you_mean(name, table.rows) or "ids must match exactly",
                )
            )
        table.rows[name].values["tiers"] = tiers


def _read_peaks(table: PriceTable, cell: _Cell) -> None:
    """Read `` `model` 1 / 2 / 0.1; `other`, `-third` 2 / 4 / 0.2 ``; the end of an id is enough."""
    for part in cell.text.split(";"):
        names, rates = cell.part(part).match("list of peak rates").groups()
        for end in _QUOTED.findall(names):
            ids = [end] if end in table.rows else [id_ for id_ in table.rows if id_.endswith(end)]
            if len(ids) != 1:
                raise cell.part(end).error(
                    f"matches the end of {len(ids)} ids in the price table", "write the whole id"
                )
            table.rows[ids[0]].values["peak"] = _read_rate_list(cell.part(rates))
