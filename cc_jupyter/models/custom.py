"""Merge the user's `[models]` entries into the catalog.

Fields that an entry leaves out come from the catalog and the provider's list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.models.catalog import CatalogEntry, Rates, Tier, load_catalog, spec_by_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.config.custom_models import CustomModel


def custom_entry(model_id: str, custom: Mapping[str, CustomModel]) -> CatalogEntry | None:
    """Return a model's entry, the user's values over the catalog's; `None` if neither has one."""
    known = load_catalog().models.get(model_id)
    entry = custom.get(model_id)
    if entry is None:
        return known
    return (known or spec_by_id(model_id))._replace(**catalog_fields(entry))


def catalog_fields(entry: CustomModel) -> dict[str, Any]:
    """Return a custom entry's values by the field names of a catalog entry."""
    fields = dict(entry.fields)
    if "rates" in fields:
        # the catalog's peak rates and price date do not apply to the user's prices
        fields["tiers"] = (Tier(None, Rates(*fields.pop("rates"))),)
        fields.setdefault("price_date", None)
        fields["peak"] = None
    return fields
