"""What a price table makes of the catalogue: entries joined, each under its maker.

What the table does not tell stays as it is, and is named. A figure that would be out of date beside
the new ones, such as the upper tiers of a model whose rates have changed, is an error: nothing is
guessed. How the difference is shown and written is left to `catalog_update`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cc_jupyter.catalog_text import KEYS, CatalogText, Entry, Maker
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.models.catalog import endpoint_by_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.price_table import PriceRow, PriceTable


@dataclass(frozen=True, slots=True)
class Update:
    """The catalogue as it is, and as the table would have it."""

    present: CatalogText
    new: CatalogText
    kept: dict[str, list[str]] = field(default_factory=dict)
    """Models by the key that the present file tells of them and the table does not."""

    @property
    def changes(self) -> bool:
        """Whether anything would change for a model."""
        return flat(self.present) != flat(self.new)


def build_update(present: CatalogText, table: PriceTable) -> Update:
    """Return the catalogue that has the models of the table, and no others.

    Raises
    ------
    ConfigError
        A row contradicts the tiers or peak rates, or would leave old ones beside new rates.
    """
    old = present.entries
    kept: dict[str, list[str]] = {}
    new: dict[str, Entry] = {}
    for model_id, row in table.rows.items():
        entry, untold = _merged(model_id, row, old.get(model_id, {}))
        new[model_id] = {key: entry[key] for key in KEYS if entry.get(key) is not None}
        for key in untold:
            kept.setdefault(key, []).append(model_id)
    comments = {
        model_id: comment
        for model_id, comment in present.comments.items()
        if model_id in new and new[model_id].get("note") == old[model_id].get("note")
    }
    if comments:
        kept["comment"] = list(comments)
    text = replace(present, makers=_makers(present, table, new), comments=comments)
    return Update(present, text, kept)


def _merged(model_id: str, row: PriceRow, old: Entry) -> tuple[Entry, list[str]]:
    """Join what the row tells with what it leaves untold; also name the latter."""
    priced, kept = _priced(row, old)
    entry = {"name": model_id, "image": False, **old} | row.told | priced
    kept += [key for key in old if key not in row.told and key not in ("rates", "tiers", "peak")]
    if entry["name"] is None:
        entry["name"] = old.get("name", model_id)
    note = row.told.get("note")
    if note is not None and str(old.get("note", "")).startswith(f"{note}, "):
        entry["note"] = old["note"]  # the file says the same, and more
        kept.append("note")
    return entry, kept


def _priced(row: PriceRow, old: Entry) -> tuple[Entry, list[str]]:
    """Return `rates` or `tiers`, and `peak`; those the table does not tell hold beside old rates."""
    before = old["tiers"][0]["rates"] if "tiers" in old else old.get("rates")
    found: dict[str, Any] = {"tiers": row.tiers, "peak": row.peak}
    kept = []
    for key, told in found.items():
        claimed = key in row.marks if row.marks is not None else key in old
        if told is None and claimed:
            if key not in old or before != row.rates:
                raise ConfigError(
                    f"{row.place} has {'tiers' if key == 'tiers' else 'peak rates'},"
                    f" but the file does not tell them",
                    hint="those of the present catalogue belong to other rates"
                    if key in old
                    else "add the table of tiers, or the line `Peak in/out/read: ...`",
                )
            found[key] = old[key]
            kept.append(key)
    if row.tiers is not None and row.tiers[0]["rates"] != row.rates:
        raise ConfigError(
            f"{row.place} has the rates {' / '.join(row.rates)},"
            f" its first tier {' / '.join(row.tiers[0]['rates'])}",
            hint="the table of prices holds the rates of the first tier",
        )
    return found | {"rates": None if found["tiers"] else row.rates}, kept


def _makers(present: CatalogText, table: PriceTable, new: Mapping[str, Entry]) -> list[Maker]:
    """Put each model under its maker and endpoint, makers in the order of the present file."""
    served = {name: maker for maker in present.makers for name in maker.models}
    by_prefix = {_prefix(name): maker for name, maker in reversed(served.items())}
    blocks = {(maker.name, *maker.endpoints): replace(maker, models={}) for maker in present.makers}
    for model_id in sorted(new):
        maker = served.get(model_id) or by_prefix.get(_prefix(model_id))
        if maker is None:
            maker = Maker(_prefix(model_id), [endpoint_by_name(model_id)], {})
        told = table.rows[model_id].endpoint
        if told is not None and told not in maker.endpoints:
            maker = Maker(maker.name, [told], {})
        key = (maker.name, *maker.endpoints)
        blocks.setdefault(key, replace(maker, models={})).models[model_id] = new[model_id]
    names = list(dict.fromkeys(maker.name for maker in blocks.values()))
    by_name = sorted(blocks.values(), key=lambda maker: names.index(maker.name))
    return [maker for maker in by_name if maker.models]


def _prefix(model_id: str) -> str:
    """Return what names the maker in an id: all before the slash, else before the first dash."""
    return model_id.partition("/" if "/" in model_id else "-")[0]


def flat(catalog: CatalogText) -> dict[str, Entry]:
    """Return all that is known of each model, its maker and endpoint too."""
    return {
        name: {**entry, "maker": maker.name, "endpoint": " ".join(maker.endpoints)}
        for maker in catalog.makers
        for name, entry in maker.models.items()
    }
