"""What the user's own `config.toml` says of models: new ones, corrections, prices, other gateways.

An entry `[models."ID"]` is written like one of `catalog.toml`. What it leaves out is as the
catalogue and the provider's list have it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, get_args

from cc_jupyter.config.base_url import api_root
from cc_jupyter.config.validators import read_text, whole_reader
from cc_jupyter.core.errors import ConfigError, did_you_mean
from cc_jupyter.core.messages import Endpoint
from cc_jupyter.models.catalog import ModelSpec, Rates, Tier, load_catalog, spec_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_FEWEST_RATES, _MOST_RATES = 2, 4


@dataclass(frozen=True, slots=True)
class OwnModel:
    """One entry of the user's."""

    fields: Mapping[str, Any]
    """What it says, by the names of `ModelSpec`."""
    base_url: str | None = None
    """The API root that serves it, ending in `/v1`; `None`: the one that serves all others."""
    key_env: str | None = None
    """The variable with the key for `base_url`."""

    @property
    def has_price(self) -> bool:
        """Whether it says what the model costs."""
        return "tiers" in self.fields


def own_spec(model_id: str, own: Mapping[str, OwnModel]) -> ModelSpec | None:
    """Give what catalogue and user know of a model, the user first; `None`: nothing."""
    known = load_catalog().models.get(model_id)
    entry = own.get(model_id)
    if entry is None:
        return known
    return dataclasses.replace(known or spec_by_id(model_id), **entry.fields)


def read_own_models(value: object) -> Mapping[str, OwnModel]:
    """Read the table `[models]` of a settings file.

    Raises
    ------
    ValueError
        Something in it cannot be used; the text says what is wanted in its place.
    """
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise ValueError('tables like [models."maker/name"]')
    return {model_id: _entry(model_id, table) for model_id, table in value.items()}


def _entry(model_id: str, table: Mapping[str, object]) -> OwnModel:
    given: dict[str, Any] = {}
    for name, raw in table.items():
        if name not in FIELDS:
            hint = did_you_mean(name, FIELDS) or f"it takes {', '.join(FIELDS)}"
            raise ValueError(f"without {name} in [models.{model_id!r}]; {hint}")
        field, read = FIELDS[name]
        try:
            given[field] = read(raw)
        except (ValueError, InvalidOperation) as error:
            raise ValueError(f"{error} at {name} of [models.{model_id!r}]") from None
    if given.get("efforts"):
        given.setdefault("reasons", True)
    if "tiers" in given:
        # prices of the user's own: those of peak hours in the catalogue are for others
        given.setdefault("price_date", None)
        given["peak"] = None
    return OwnModel(given, given.pop("base_url", None), given.pop("key_env", None))


# ── values


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError("a list of texts")
    return tuple(value)


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  all that a file says wrong is one kind
    return value


def _day(value: object) -> date:
    if type(value) is not date:
        raise ValueError("a day like 2026-10-08")
    return value


def _endpoints(value: object) -> tuple[Endpoint, ...]:
    known: tuple[Endpoint, ...] = get_args(Endpoint)
    for endpoint in known:
        if value == endpoint:
            return (endpoint,)
    raise ValueError(f"one of {', '.join(known)}")


def _root(value: object) -> str:
    try:
        return api_root(read_text(value))
    except ConfigError as error:
        raise ValueError(f"a base URL that can be used ({error})") from None


def _rates(value: object) -> Rates:
    """Read `[input, output, cache read, cache write]`, those missing at the end unknown."""
    kind = "USD per million tokens as [input, output, cache read, cache write]"
    if not isinstance(value, list) or not _FEWEST_RATES <= len(value) <= _MOST_RATES:
        raise ValueError(kind)
    rates = [Decimal(str(each)) if not isinstance(each, bool) else Decimal("NaN") for each in value]
    if not all(rate.is_finite() and rate >= 0 for rate in rates):
        raise ValueError(kind)
    return Rates(*rates)


def _flat(value: object) -> tuple[Tier, ...]:
    return (Tier(None, _rates(value)),)


FIELDS: Mapping[str, tuple[str, Callable[[object], Any]]] = {
    "name": ("name", read_text),
    "maker": ("maker", read_text),
    "endpoint": ("endpoints", _endpoints),
    "context": ("context_tokens", whole_reader(1)),
    "max_output": ("max_output_tokens", whole_reader(1)),
    "rates": ("tiers", _flat),
    "price_date": ("price_date", _day),
    "efforts": ("efforts", _texts),
    "reasons": ("reasons", _switch),
    "image": ("image_input", _switch),
    "zdr": ("zdr", _switch),
    "note": ("note", read_text),
    "base_url": ("base_url", _root),
    "key_env": ("key_env", read_text),
}
"""By the name in the file: the field of `ModelSpec` or `OwnModel`, and what reads it."""
