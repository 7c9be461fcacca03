"""The models this release knows, with limits and prices: `catalog.toml` as typed values.

The provider publishes neither prices nor limits in its own list, so they come with the package and
carry the date they were read. What the file leaves out is unknown here, never zero. What a request
costs is left to `cost`; aliases, and models that only the provider's own list knows, to others.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cc_jupyter.core.messages import ApiPath


_FILE = Path(__file__).with_name("catalog.toml")


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in USD per million tokens; `None` is not published, which is not free."""

    input: Decimal
    """Of prompt tokens that no cache was read or written for."""
    output: Decimal
    """Of completion tokens, reasoning included."""
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates of a whole request, chosen by the length of its whole prompt."""

    up_to_tokens: int | None
    """The longest prompt of this tier; `None`: any length."""
    rates: Rates


@dataclass(frozen=True, slots=True)
class PeakHours:
    """When the peak rates hold."""

    since: datetime
    """The first instant of the scheme; before it there is no peak."""
    weekdays: frozenset[int]
    """Days in UTC, Monday is 1."""
    spans: tuple[tuple[time, time], ...]
    """Start and end in UTC; the end is no part of its span."""

    def covers(self, instant: datetime) -> bool:
        """Return whether `instant`, which must be aware, lies in a peak hour."""
        utc = instant.astimezone(UTC)
        return (
            instant >= self.since
            and utc.isoweekday() in self.weekdays
            and any(start <= utc.time() < end for start, end in self.spans)
        )


@dataclass(frozen=True, slots=True)
class Peak:
    """The rates that replace all others during peak hours."""

    hours: PeakHours
    rates: Rates


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """The facts about one model; the defaults fit a model of which only the id is known."""

    id: str
    """Sent to the letter: case, `/`, `.` and `:` count."""
    name: str
    maker: str
    endpoints: tuple[ApiPath, ...]
    context_tokens: int | None = None
    """Prompt and completion together."""
    max_output_tokens: int | None = None
    """The maker's own figure; it may exceed `context_tokens`."""
    efforts: tuple[str, ...] = ()
    """The levels it accepts, weakest first; empty: none known."""
    reasons: bool = False
    """It is known to think, with levels or without."""
    image_input: bool = False
    zdr: bool = True
    """`False`: no host of it is known to offer zero data retention."""
    tiers: tuple[Tier, ...] = ()
    """Shortest prompts first, off-peak; empty: the price is unknown."""
    peak: Peak | None = None
    note: str = ""
    """A remark for lists of models; may be empty."""
    price_date: date | None = None
    """The day its prices were read; `None` if not given."""

    @property
    def is_free(self) -> bool:
        """Whether prompt and completion are known to cost nothing."""
        every = [tier.rates for tier in self.tiers]
        return bool(every) and not any(rates.input or rates.output for rates in every)

    def rates_at(self, prompt_tokens: int, instant: datetime) -> Rates | None:
        """Return the rates of a request with this prompt, sent at this aware instant.

        Parameters
        ----------
        prompt_tokens
            The whole prompt, cache reads and writes included.
        instant
            When it was sent; when the answer ended does not matter.

        Returns
        -------
        Rates or None
            `None`: no price is known.
        """
        if self.peak is not None and self.peak.hours.covers(instant):
            return self.peak.rates
        for tier in self.tiers:
            if tier.up_to_tokens is None or prompt_tokens <= tier.up_to_tokens:
                return tier.rates
        return None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every model the package knows, in the order of its file."""

    models: Mapping[str, CatalogEntry]
    """By id."""
    price_date: date
    """The day the prices were read."""
    source: str
    """Where they were read."""


def endpoint_by_name(model_id: str) -> ApiPath:
    """Return the endpoint of a model that no list knows, by how its id begins.

    Source: Command Code, "Command Code Provider API", state of 2026-10-08.
    """
    return "/messages" if model_id.startswith("claude-") else "/chat/completions"


def spec_by_id(model_id: str) -> CatalogEntry:
    """Return the facts that the id alone reveals about an unlisted model."""
    return CatalogEntry(model_id, model_id, maker_by_id(model_id), (endpoint_by_name(model_id),))


def maker_by_id(model_id: str) -> str:
    """Return the maker of a model by how its id begins: as others with that beginning, else as is.

    `owned_by` of the provider's list is the same for all (provider-api.md, section 4).
    """
    beginning = _beginning(model_id)
    return _makers().get(beginning.casefold(), beginning)


def _beginning(model_id: str) -> str:
    maker, slash, _ = model_id.partition("/")
    return maker if slash else model_id.partition("-")[0]


@functools.cache
def _makers() -> dict[str, str]:
    return {_beginning(spec.id).casefold(): spec.maker for spec in load_catalog().models.values()}


@functools.cache
def load_catalog() -> Catalog:
    """Read the catalogue that comes with the package, once per process."""
    raw = cast("_File", tomllib.loads(_FILE.read_text(encoding="utf-8")))
    hours = _hours(raw["peak_hours"])
    return Catalog(
        models=MappingProxyType(
            {spec.id: spec for spec in _specs(raw["makers"], hours, raw["price_date"])}
        ),
        price_date=raw["price_date"],
        source=raw["source"],
    )


# ── the file as it is written


class _TierRow(TypedDict, total=False):
    up_to: int
    rates: list[str]


class _ModelRow(TypedDict, total=False):
    name: str
    context: int
    max_output: int
    rates: list[str]
    tiers: list[_TierRow]
    peak: list[str]
    efforts: list[str]
    reasons: bool
    image: bool
    zdr: bool
    note: str


class _MakerRow(TypedDict):
    name: str
    endpoints: list[ApiPath]
    models: dict[str, _ModelRow]


class _HoursRow(TypedDict):
    since: datetime
    weekdays: list[int]
    spans_utc: list[tuple[time, time]]


class _File(TypedDict):
    source: str
    price_date: date
    peak_hours: _HoursRow
    makers: list[_MakerRow]


def _specs(makers: list[_MakerRow], hours: PeakHours, day: date) -> Iterator[CatalogEntry]:
    for maker in makers:
        for model_id, row in maker["models"].items():
            yield dataclasses.replace(_spec(model_id, maker, row, hours), price_date=day)


def _spec(model_id: str, maker: _MakerRow, row: _ModelRow, hours: PeakHours) -> CatalogEntry:
    efforts = tuple(row.get("efforts", ()))
    return CatalogEntry(
        id=model_id,
        name=row["name"],
        maker=maker["name"],
        endpoints=tuple(maker["endpoints"]),
        context_tokens=row.get("context"),
        max_output_tokens=row.get("max_output"),
        efforts=efforts,
        reasons=bool(efforts) or row.get("reasons", False),
        image_input=row["image"],
        zdr=row.get("zdr", True),
        tiers=_tiers(row),
        peak=Peak(hours, _rates(row["peak"])) if "peak" in row else None,
        note=row.get("note", ""),
    )


def _tiers(row: _ModelRow) -> tuple[Tier, ...]:
    if "rates" in row:
        return (Tier(None, _rates(row["rates"])),)
    return tuple(Tier(tier.get("up_to"), _rates(tier["rates"])) for tier in row["tiers"])


def _rates(texts: list[str]) -> Rates:
    """Read `[input, output, cache read, cache write]`; those missing at the end are unknown."""
    return Rates(*map(Decimal, texts))


def _hours(row: _HoursRow) -> PeakHours:
    spans = tuple((start, end) for start, end in row["spans_utc"])
    return PeakHours(row["since"], frozenset(row["weekdays"]), spans)
