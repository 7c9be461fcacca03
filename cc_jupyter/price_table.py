"""A price table in Markdown, as people publish it: what it tells of each model, what it does not.

Columns are found by their headings, so their order is free; a column that is not there leaves
untold what it would tell. Beside the models a file may hold a table of tiers (one with a column
`Up to`) and a line with the peak rates (`Peak in/out/read: ...`). What becomes of it in the
catalogue is left to `catalog_update`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypedDict

from cc_jupyter.core.errors import ConfigError, did_you_mean
from cc_jupyter.price_cells import (
    Cell,
    MarkdownTable,
    markdown_tables,
    read_count,
    read_efforts,
    read_endpoint,
    read_id,
    read_rate_list,
    read_rates,
    read_yes,
)

_NAMES = {
    "id": ("model id", "model", "id"),
    "name": ("name",),
    "wire": ("wire",),
    "context": ("context",),
    "in": ("in", "input"),
    "out": ("out", "output"),
    "cache read": ("cache read",),
    "cache write": ("cache write",),
    "max out": ("max out", "max output"),
    "efforts": ("efforts", "effort"),
    "img": ("img", "image"),
    "notes": ("notes", "note"),
    "up to": ("up to",),
    "above": ("above",),
}
_COLUMNS = {heading: column for column, names in _NAMES.items() for heading in names}
_PRICES = ("in", "out", "cache read", "cache write")

_MARKS = ("tiers", "peak")
_NO_ZDR = "no zdr"
_BAND = re.compile(r"(?:(?:to\s+(?P<to>[^:]+)|above)\s*:)?(?P<rates>[^:]+)", re.IGNORECASE)
_PEAK = re.compile(r"\bPeak in/out/read:(.+)$")
_PEAKS_OF = re.compile(r"(?P<names>(?:`[^`]+`[\s,]*)+)(?P<rates>[0-9][^`]*)")
_QUOTED = re.compile(r"`([^`]+)`")


class TierEntry(TypedDict, total=False):
    """A tier as `catalog.toml` writes it; the last one has no `up_to`."""

    up_to: int
    rates: list[str]


@dataclass(slots=True)
class PriceRow:
    """What is told of one model."""

    place: str
    """Its line and id, as errors name them."""
    rates: list[str]
    """As in `catalog.toml`."""
    told: dict[str, object] = field(default_factory=dict)
    """What else its columns tell, by the keys of `catalog.toml`; `None`: said to be unknown."""
    marks: set[str] | None = None
    """Which of `tiers` and `peak` its notes name; `None`: there is no column of notes."""
    endpoint: str | None = None
    """`None`: not told."""
    tiers: list[TierEntry] | None = None
    """`None`: no table of tiers has it."""
    peak: list[str] | None = None
    """`None`: no line with peak rates has it."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """All models of a file, in its order."""

    rows: dict[str, PriceRow]
    ignored: list[str]
    """Headings that mean nothing here."""
    unpriced: list[str]
    """Models whose price it does not know; there is no row of them."""


def read_price_table(text: str) -> PriceTable:
    """Read what a Markdown file tells of models.

    Raises
    ------
    ConfigError
        There is no such table, or one of its cells cannot be read: line and column are named.
    """
    table = PriceTable({}, [], [])
    found = [(each, _columns(each)) for each in markdown_tables(text)]
    for each, columns in found:
        if {"id", "in", "out"} <= columns.keys():
            _read_models(table, each, columns)
    if not table.rows:
        raise ConfigError(
            "the file holds no table of prices",
            hint="one in Markdown with the columns Model id, In, Out, Cache read, Cache write",
        )
    for each, columns in found:
        if {"id", "up to", "above"} <= columns.keys():
            _read_tiers(table, each, columns)
    for number, line in enumerate(text.split("\n"), 1):
        if peaks := _PEAK.search(line):
            _read_peaks(table, Cell(f"line {number}, peak rates", peaks[1].strip(" .\r")))
    return table


def _columns(table: MarkdownTable) -> dict[str, int]:
    """Return the place of each column that means something."""
    places: dict[str, int] = {}
    for place, heading in enumerate(table.headings):
        name = heading.casefold()
        column = "rates" if name.startswith("rates") else _COLUMNS.get(name)
        if column in places:
            raise ConfigError(
                f"line {table.line}: the columns {table.headings[places[column]]} and {heading}"
                " tell the same",
                hint="leave one of them",
            )
        if column is not None:
            places[column] = place
    return places


# ── the models


def _read_models(table: PriceTable, found: MarkdownTable, columns: dict[str, int]) -> None:
    for name in _PRICES:
        if name not in columns:
            raise ConfigError(
                f"line {found.line}: the table of prices has no column {name.capitalize()}",
                hint="where nothing is known, it holds `—`",
            )
    known = columns.values()
    ignored = [name for place, name in enumerate(found.headings) if place not in known]
    table.ignored.extend(name for name in ignored if name not in table.ignored)
    for row in found.rows:
        _read_model(table, {name: row[place] for name, place in columns.items()})


def _read_model(table: PriceTable, cells: dict[str, Cell]) -> None:
    model_id = read_id(cells["id"])
    if model_id in table.rows or model_id in table.unpriced:
        raise cells["id"].wrong("there twice", "leave one of its rows")
    rates = read_rates([cells[name] for name in _PRICES])
    if rates is None:
        table.unpriced.append(model_id)
        return
    row = table.rows[model_id] = PriceRow(cells["id"].place.partition(", column")[0], rates)
    for name, key in (("context", "context"), ("max out", "max_output")):
        if name in cells:
            row.told[key] = read_count(cells[name])
    if "name" in cells:
        row.told["name"] = None if cells["name"].is_unknown else cells["name"].text
    if "img" in cells:
        row.told["image"] = read_yes(cells["img"])
    if "efforts" in cells:
        levels = read_efforts(cells["efforts"])
        row.told["efforts"] = [level for level in levels if level != "auto"] or None
        row.told["reasons"] = True if levels == ["auto"] else None
    if "wire" in cells:
        row.endpoint = read_endpoint(cells["wire"])
    if "notes" in cells:
        _read_notes(row, cells["notes"])


def _read_notes(row: PriceRow, cell: Cell) -> None:
    """Take the words that have a key of their own; the others are the note."""
    words = [] if cell.is_unknown else [word.strip() for word in cell.text.split(";")]
    folded = [word.casefold() for word in words]
    row.marks = {mark for mark in _MARKS if mark in folded}
    row.told["zdr"] = False if _NO_ZDR in folded else None
    others = [word for word in words if word.casefold() not in (*_MARKS, _NO_ZDR)]
    row.told["note"] = "; ".join(others) or None


# ── tiers and peak rates


def _read_tiers(table: PriceTable, found: MarkdownTable, columns: dict[str, int]) -> None:
    if "rates" not in columns:
        raise ConfigError(
            f"line {found.line}: the table of tiers has no column Rates",
            hint="its columns are Model, Up to, Rates in/out/read/write, Above",
        )
    for row in found.rows:
        up_to = read_count(row[columns["up to"]])
        if up_to is None:
            raise row[columns["up to"]].wrong("no limit", "a number of tokens")
        first = TierEntry(up_to=up_to, rates=read_rate_list(row[columns["rates"]]))
        tiers = [first, *_bands(row[columns["above"]])]
        limits = [tier.get("up_to") for tier in tiers]
        if None in limits[:-1] or limits[-1] is not None or not _rise(limits[:-1]):
            raise row[columns["above"]].wrong(
                "no list of rising tiers", "such as `to 256 000: 1 / 2 / 0.1; above: 2 / 4 / 0.2`"
            )
        for cell in _named(row[columns["id"]]):
            _row_of(table, cell).tiers = tiers


def _bands(cell: Cell) -> list[TierEntry]:
    tiers = []
    for part in cell.text.split(";"):
        band = _BAND.fullmatch(part.strip())
        if band is None:
            raise cell.wrong("no list of tiers", "such as `to 256 000: 1 / 2 / 0.1; above: 2 / 4`")
        rates = read_rate_list(cell.part(band["rates"]))
        up_to = read_count(cell.part(band["to"])) if band["to"] else None
        tiers.append(
            TierEntry(rates=rates) if up_to is None else TierEntry(up_to=up_to, rates=rates)
        )
    return tiers


def _rise(limits: list[int | None]) -> bool:
    known = [limit for limit in limits if limit is not None]
    return all(lower < higher for lower, higher in pairwise(known))


def _named(cell: Cell) -> list[Cell]:
    """Return each id of a cell that names several in backticks."""
    return [cell.part(name) for name in _QUOTED.findall(cell.text)] or [cell]


def _row_of(table: PriceTable, cell: Cell) -> PriceRow:
    row = table.rows.get(cell.text)
    if row is None:
        raise cell.wrong(
            "no model of the table of prices",
            did_you_mean(cell.text, table.rows) or "ids are written to the letter",
        )
    return row


def _read_peaks(table: PriceTable, cell: Cell) -> None:
    """Read `model` 1 / 2 / 0.1; `other`, `-third` 2 / 4 / 0.2`: the ends of ids are enough."""
    for part in cell.text.split(";"):
        found = _PEAKS_OF.fullmatch(part.strip())
        if found is None:
            raise cell.part(part).wrong(
                "no list of peak rates", "such as `model` 0.3 / 1.2 / 0.006"
            )
        rates = read_rate_list(cell.part(found["rates"]))
        for end in _QUOTED.findall(found["names"]):
            ids = (
                [end] if end in table.rows else [name for name in table.rows if name.endswith(end)]
            )
            if len(ids) != 1:
                raise cell.part(end).wrong(
                    f"the end of {len(ids)} ids in the table of prices", "write the whole id"
                )
            table.rows[ids[0]].peak = rates
