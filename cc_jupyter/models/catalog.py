"""The models this release knows, with limits and prices: the catalog as typed values.

`catalog.toml` is the file for people, with its comments. `catalog.json` is generated from it and
read here: the first prompt of a session waits for it, and TOML takes 5 ms more (measured
2026-11-30).

The provider's list has neither prices nor limits, so they come with the package, together with the
date they were read. A value that is not in the file is unknown, never zero. `pricing` computes
costs; `registry` adds the models that only the provider or the user lists.
"""

from __future__ import annotations

import functools
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.core.messages import ApiPath


_FILE = Path(__file__).with_name("catalog.json")


class Rates(NamedTuple):
    """Prices in USD per million tokens; `None` means not published, not free."""

    input: Decimal
    """For prompt tokens neither read from a cache nor written to one."""
    output: Decimal
    """For completion tokens, reasoning included."""
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


class Tier(NamedTuple):
    """The rates of a whole request whose prompt has a certain length."""

    up_to_tokens: int | None
    """The longest prompt of this tier; `None` means any length."""
    rates: Rates


class PeakHours(NamedTuple):
    """When peak rates apply."""

    since: datetime
    """When the scheme starts; there are no peak hours before it."""
    weekdays: frozenset[int]
    """Days in UTC; Monday is 1."""
    spans: tuple[tuple[time, time], ...]
    """Start (inclusive) and end (exclusive) in UTC."""

    def covers(self, instant: datetime) -> bool:
        """Return whether an aware instant is in a peak hour."""
        utc = instant.astimezone(UTC)
        return (
            instant >= self.since
            and utc.isoweekday() in self.weekdays
            and any(start <= utc.time() < end for start, end in self.spans)
        )


class Peak(NamedTuple):
    """The rates that replace all others during peak hours."""

    hours: PeakHours
    rates: Rates


class CatalogEntry(NamedTuple):
    """The facts about one model; the defaults fit a model with nothing known but its id."""

    id: str
    """Sent unchanged: case, `/`, `.` and `:` matter."""
    name: str
    maker: str
    endpoints: tuple[ApiPath, ...]
    context_tokens: int | None = None
    """Prompt and completion together."""
    max_output_tokens: int | None = None
    """The maker's figure; it may exceed `context_tokens`."""
    efforts: tuple[str, ...] = ()
    """The reasoning efforts it accepts, weakest first; empty if none are known."""
    reasons: bool = False
    """Whether it is known to reason, with or without selectable efforts."""
    image_input: bool = False
    zdr: bool = True
    """`False` if no host is known to offer zero data retention for it."""
    tiers: tuple[Tier, ...] = ()
    """Off-peak rates, shortest prompts first; empty if the price is unknown."""
    peak: Peak | None = None
    note: str = ""
    """A remark for lists of models, or empty."""
    price_date: date | None = None
    """The day its prices were read; `None` if unknown."""

    @property
    def is_free(self) -> bool:
        """Whether prompt and completion are known to cost nothing."""
        return bool(self.tiers) and not any(t.rates.input or t.rates.output for t in self.tiers)

    def rates_at(self, prompt_tokens: int, instant: datetime) -> Rates | None:
        """Return the rates of a request; `None` if no price is known.

        Parameters
        ----------
        prompt_tokens
            The whole prompt, cache reads and writes included.
        instant
            When the request was sent (aware); when the answer ended does not matter.
        """
        if self.peak is not None and self.peak.hours.covers(instant):
            return self.peak.rates
        for tier in self.tiers:
            if tier.up_to_tokens is None or prompt_tokens <= tier.up_to_tokens:
                return tier.rates
        return None


class Catalog(NamedTuple):
    """Every model the package knows, in the order of its file."""

    models: Mapping[str, CatalogEntry]
    """By id."""
    price_date: date
    """The day the prices were read."""
    source: str
    """The page they were read from."""


def endpoint_by_name(model_id: str) -> ApiPath:
    """Return the endpoint of an unlisted model, by the beginning of its id.

    Source: Command Code, "Command Code Provider API", state of 2026-10-08.
    """
    return "/messages" if model_id.startswith("claude-") else "/chat/completions"


def spec_by_id(model_id: str) -> CatalogEntry:
    """Return the entry of an unlisted model, as far as its id tells."""
    return CatalogEntry(model_id, model_id, maker_by_id(model_id), (endpoint_by_name(model_id),))


def maker_by_id(model_id: str) -> str:
    """Return the maker of a model by the beginning of its id, else that beginning itself.

    The provider's `owned_by` is the same for all models (provider-api.md, section 4).
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
    """Return the catalog that comes with the package; it is read once per process."""
    raw = json.loads(_FILE.read_text(encoding="utf-8"))
    hours, day = _hours(raw["peak_hours"]), date.fromisoformat(raw["price_date"])
    models = {
        model_id: _spec(model_id, maker, row, hours, day)
        for maker in raw["makers"]
        for model_id, row in maker["models"].items()
    }
    return Catalog(MappingProxyType(models), day, raw["source"])


def _spec(
    model_id: str, maker: dict[str, Any], row: dict[str, Any], hours: PeakHours, day: date
) -> CatalogEntry:
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
        price_date=day,
    )


def _tiers(row: dict[str, Any]) -> tuple[Tier, ...]:
    if "rates" in row:
        return (Tier(None, _rates(row["rates"])),)
    return tuple(Tier(tier.get("up_to"), _rates(tier["rates"])) for tier in row["tiers"])


def _rates(texts: list[str]) -> Rates:
    """Parse `[input, output, cache read, cache write]`; missing rates at the end are unknown."""
    return Rates(*map(Decimal, texts))


def _hours(row: dict[str, Any]) -> PeakHours:
    spans = tuple(
        (time.fromisoformat(start), time.fromisoformat(end)) for start, end in row["spans_utc"]
    )
    return PeakHours(datetime.fromisoformat(row["since"]), frozenset(row["weekdays"]), spans)
