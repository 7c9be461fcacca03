"""Joins the user's own `[models]` entries with the catalog.

What an entry leaves out stays as the catalog and the provider's list have it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.models.catalog import CatalogEntry, Rates, Tier, load_catalog, spec_by_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.config.custom_models import CustomModel


def custom_entry(model_id: str, own: Mapping[str, CustomModel]) -> CatalogEntry | None:
    """Return the entry from catalog and user, the user's values first; `None` if there is none."""
    known = load_catalog().models.get(model_id)
    entry = own.get(model_id)
    if entry is None:
        return known
    return dataclasses.replace(known or spec_by_id(model_id), **catalog_fields(entry))


def catalog_fields(entry: CustomModel) -> dict[str, Any]:
    """Return an entry's fields by the names of a catalog entry."""
    fields = dict(entry.fields)
    if "rates" in fields:
        # the user's own prices: the catalog's peak rates and price date belong to other prices
        fields["tiers"] = (Tier(None, Rates(*fields.pop("rates"))),)
        fields.setdefault("price_date", None)
        fields["peak"] = None
    return fields
