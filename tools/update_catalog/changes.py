"""Merge a price table into the models of the catalog.

What the table does not say stays unchanged and is reported. A figure that would be out of date next
to the new ones, such as the upper tiers of a model whose rates have changed, is an error: nothing
is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.models.catalog import endpoint_by_name
from tools.update_catalog.catalog_text import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.update_catalog.catalog_text import Entry
    from tools.update_catalog.price_table import PriceRow, PriceTable


@dataclass(frozen=True, slots=True)
class Update:
    """The catalog that results from a price table."""

    models: dict[str, Entry]
    comments: dict[str, str]
    """The comments that remain, by model."""
    kept: dict[str, list[str]]
    """Models by the key that only the current catalog has a value for."""


def build_update(
    present: Mapping[str, Entry], comments: Mapping[str, str], table: PriceTable
) -> Update:
    """Return the catalog with the models of the table, and no others.

    Raises
    ------
    ConfigError
        A row contradicts the tiers or peak rates, or would leave old ones next to new rates.
    """
    update = Update({}, {}, {})
    by_prefix = {_prefix(name): entry for name, entry in reversed(list(present.items()))}
    for model_id, row in table.rows.items():
        old = present.get(model_id, {})
        _check_prices(row, old)
        new, kept = _merge(model_id, row, old)
        new |= _home(model_id, row, old or by_prefix.get(_prefix(model_id)))
        update.models[model_id] = {key: new[key] for key in KEYS if new.get(key) is not None}
        if model_id in comments and new.get("note") == old.get("note"):
            update.comments[model_id] = comments[model_id]
            kept.append("comment")
        for key in kept:
            update.kept.setdefault(key, []).append(model_id)
    return update


def _check_prices(row: PriceRow, old: Entry) -> None:
    """Preserve old tiers and peak rates only if the rates are the same."""
    old_rates = old["tiers"][0]["rates"] if "tiers" in old else old.get("rates")
    for key, title in (("tiers", "tiers"), ("peak", "peak rates")):
        if key not in row.values and (key in old or key in row.marks):
            if key not in old:
                hint = "add the table of tiers, or the line `Peak in/out/read: ...`"
            elif old_rates != row.values["rates"]:
                hint = "those in the current catalog belong to other rates"
            else:
                continue
            problem = f"{row.place} has {title}, but the file does not list them"
            raise ConfigError(problem, hint=hint)
    tiers = row.values.get("tiers")
    if tiers and tiers[0]["rates"] != row.values["rates"]:
        raise ConfigError(
            f"{row.place} has the rates {' / '.join(row.values['rates'])},"
            f" but its first tier has {' / '.join(tiers[0]['rates'])}",
            hint="the price table must show the rates of the first tier",
        )


def _merge(model_id: str, row: PriceRow, old: Entry) -> tuple[Entry, list[str]]:
    """Merge the row with the old values that it does not replace; also return their keys."""
    new = {"name": model_id, "image": False} | old | row.values
    kept = [key for key in old if key not in row.values and key not in ("maker", "endpoint")]
    if new["name"] is None:
        new["name"] = old.get("name", model_id)
    note = row.values.get("note")
    if note is not None and str(old.get("note", "")).startswith(f"{note}, "):
        new["note"] = old["note"]  # it has the same content as the table, and more
        kept.append("note")
    if new.get("tiers"):
        del new["rates"]
    return new, kept


def _home(model_id: str, row: PriceRow, like: Entry | None) -> Entry:
    """Return maker and endpoint: those of `like`, unless the row names another endpoint."""
    maker = like["maker"] if like else _prefix(model_id)
    endpoint = like["endpoint"] if like else endpoint_by_name(model_id)
    named = row.values.get("endpoint")
    if named is not None and named not in endpoint.split():
        endpoint = named
    return {"maker": maker, "endpoint": endpoint}


def _prefix(model_id: str) -> str:
    """Return the maker's part of an id, before the slash or the first dash."""
    return model_id.partition("/" if "/" in model_id else "-")[0]
