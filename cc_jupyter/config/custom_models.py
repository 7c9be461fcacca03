"""The table `[models]` of a settings file: new models, corrections, prices, other gateways.

An entry `[models."ID"]` has the format of an entry in `catalog.toml`. `models.custom` merges the
two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, get_args

from cc_jupyter.config.base_url import api_root
from cc_jupyter.config.validators import read_amount, read_tables, read_text, whole_reader
from cc_jupyter.core.errors import ConfigError, did_you_mean
from cc_jupyter.core.messages import ApiPath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

_MIN_RATES, _MAX_RATES = 2, 4


@dataclass(frozen=True, slots=True)
class CustomModel:
    """One entry of the user's table `[models]`."""

    fields: Mapping[str, Any]
    """Its values by the field names of a catalog entry; `rates` are USD per million tokens."""
    base_url: str | None = None
    """The API root that serves the model, ending in `/v1`; `None` means the default one."""
    key_env: str | None = None
    """The environment variable that holds the key for `base_url`."""

    @property
    def has_price(self) -> bool:
        """Whether the entry has a price."""
        return "rates" in self.fields


def read_custom_models(value: object) -> Mapping[str, CustomModel]:
    """Return the entries of the table `[models]` by model id.

    Raises
    ------
    ValueError
        A value is invalid; the text says what is expected.
    """
    tables = read_tables(value, 'tables like [models."maker/name"]')
    return {model_id: _entry(model_id, table) for model_id, table in tables.items()}


def _entry(model_id: str, table: Mapping[str, object]) -> CustomModel:
    given: dict[str, Any] = {}
    for name, raw in table.items():
        if name not in FIELDS:
            hint = did_you_mean(name, FIELDS) or f"it takes {', '.join(FIELDS)}"
            raise ValueError(f"without {name} in [models.{model_id!r}]; {hint}")
        field, read = FIELDS[name]
        try:
            given[field] = read(raw)
        except ValueError as error:
            raise ValueError(f"{error} at {name} of [models.{model_id!r}]") from None
    if given.get("efforts"):
        given.setdefault("reasons", True)
    return CustomModel(given, given.pop("base_url", None), given.pop("key_env", None))


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError("a list of strings")
    return tuple(value)


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  every invalid value in a file is one kind of error
    return value


def _day(value: object) -> date:
    if type(value) is not date:
        raise ValueError("a date like 2026-10-08")
    return value


def _endpoints(value: object) -> tuple[ApiPath, ...]:
    known: tuple[ApiPath, ...] = get_args(ApiPath)
    for endpoint in known:
        if value == endpoint:
            return (endpoint,)
    raise ValueError(f"one of {', '.join(known)}")


def _root(value: object) -> str:
    try:
        return api_root(read_text(value))
    except ConfigError as error:
        raise ValueError(f"a valid base URL ({error})") from None


def _rates(value: object) -> tuple[Decimal, ...]:
    """Parse `[input, output, cache read, cache write]`; missing rates at the end are unknown."""
    kind = "USD per million tokens as [input, output, cache read, cache write]"
    if not isinstance(value, list) or not _MIN_RATES <= len(value) <= _MAX_RATES:
        raise ValueError(kind)
    try:
        return tuple(read_amount(each) for each in value)
    except ValueError:
        raise ValueError(kind) from None


FIELDS: Mapping[str, tuple[str, Callable[[object], Any]]] = {
    "name": ("name", read_text),
    "maker": ("maker", read_text),
    "endpoint": ("endpoints", _endpoints),
    "context": ("context_tokens", whole_reader(1)),
    "max_output": ("max_output_tokens", whole_reader(1)),
    "rates": ("rates", _rates),
    "price_date": ("price_date", _day),
    "efforts": ("efforts", _texts),
    "reasons": ("reasons", _switch),
    "image": ("image_input", _switch),
    "zdr": ("zdr", _switch),
    "note": ("note", read_text),
    "base_url": ("base_url", _root),
    "key_env": ("key_env", read_text),
}
"""By name in the file: the field of a catalog entry or of `CustomModel`, and its reader."""
