"""Read and edit `catalog.toml` as a TOML document; generate `catalog.json` from it.

Entries that do not change keep their text, comments and order. An entry that changes is written
again on one line, with its tiers on one line each. `catalog` explains what the entries mean.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import AoT, Item, Key, KeyType, SingleKey, Table

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.models import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, time

    from tomlkit import TOMLDocument

    Entry = dict[str, Any]
    """Everything known about one model, by the names in `KEYS`."""

CATALOG = Path(catalog.__file__).with_name("catalog.toml")

KEYS = (
    *("name", "context", "max_output", "rates", "peak", "efforts", "reasons"),
    *("image", "zdr", "note", "tiers", "maker", "endpoint"),
)
"""In the order of an entry; the last two come from its block (endpoints joined by spaces)."""


def parse_catalog(text: str) -> TOMLDocument:
    """Parse the catalog.

    Raises
    ------
    ConfigError
        It is not TOML, or this tool cannot edit it.
    """
    try:
        document = tomlkit.parse(text)
        makers = document["makers"]
        if not isinstance(makers, AoT) or not {"source", "price_date"} <= document.keys():
            raise ValueError("source, price_date and [[makers]] are needed")  # noqa: TRY301
        if len(models_of(document)) < sum(len(maker["models"]) for maker in makers):
            raise ValueError("a model appears twice")  # noqa: TRY301
        if len({_home(maker) for maker in makers}) < len(makers):
            raise ValueError("two blocks have the same maker and endpoints")  # noqa: TRY301
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the current catalog cannot be read: {error}",
            hint="restore the last good version from git",
        ) from None
    return document


def as_json(text: str) -> str:
    """Return the catalog as the package reads it: the same values, instants in ISO 8601."""
    values = tomllib.loads(text)
    return json.dumps(values, default=_iso, ensure_ascii=False, separators=(",", ":")) + "\n"


def _iso(value: date | datetime | time) -> str:
    return value.isoformat()


def models_of(document: TOMLDocument) -> dict[str, Entry]:
    """Return all models by id, in the order of the file."""
    return {
        model_id: {**entry.unwrap(), "maker": name, "endpoint": endpoint}
        for maker in document["makers"]
        for name, endpoint in [_home(maker)]
        for model_id, entry in maker["models"].items()
    }


def comments_of(document: TOMLDocument) -> dict[str, str]:
    """Return the comments after entries, by model id and without the `#`."""
    return {
        model_id: entry.trivia.comment.removeprefix("#").strip()
        for maker in document["makers"]
        for model_id, entry in maker["models"].items()
        if entry.trivia.comment
    }


def replace_models(
    document: TOMLDocument, models: Mapping[str, Entry], comments: Mapping[str, str]
) -> None:
    """Replace the models of the document, with these comments after them.

    Raises
    ------
    ConfigError
        Other comments or formatting would be lost.
    """
    present = models_of(document)
    makers = document["makers"]
    homes = [_home(maker) for maker in makers]
    for _, entry in sorted(models.items()):
        home = name, endpoint = entry["maker"], entry["endpoint"]
        if home not in homes:
            same = [place for place, (other, _) in enumerate(homes, 1) if other == name]
            place = max(same, default=len(homes))
            homes.insert(place, home)
            makers.insert(place, _empty_block(name, endpoint))
    for place, home in reversed(list(enumerate(homes))):
        here = {
            model_id: entry
            for model_id, entry in models.items()
            if (entry["maker"], entry["endpoint"]) == home
        }
        _replace_entries(makers[place], here, present, comments)
        if not here:
            if "#" in tomlkit.dumps(makers[place]):
                raise ConfigError(
                    f"{home[0]} has no models left at {home[1]}, but comments in its block",
                    hint="move these comments to the top of the file, or delete them",
                )
            del makers[place]
    for maker in makers[:-1]:
        if not maker["models"].as_string().endswith("\n\n"):
            maker["models"].add(tomlkit.nl())


def _replace_entries(
    maker: Table,
    models: Mapping[str, Entry],
    present: Mapping[str, Entry],
    comments: Mapping[str, str],
) -> None:
    """Rebuild the models of a block: a new one follows the last one whose id is smaller."""
    rows: list[tuple[Key | None, Item]] = []
    for key, item in maker["models"].value.body:
        if key is None or models.get(key.key) == present[key.key]:
            rows.append((key, item))
            continue
        if item.as_string() != _layout(present[key.key]):
            raise ConfigError(
                f"{key.key} would change, but this tool did not write its present entry",
                hint="remove the comments and the formatting inside it, or edit it by hand",
            )
        if key.key in models:
            rows.append((key, _item(models[key.key], comments.get(key.key))))
    for model_id in sorted(models.keys() - {key.key for key, _ in rows if key}):
        smaller = [place for place, (key, _) in enumerate(rows, 1) if key and key.key < model_id]
        row = SingleKey(model_id, KeyType.Basic), _item(models[model_id], comments.get(model_id))
        rows.insert(max(smaller, default=0), row)
    table = tomlkit.table()
    for key, item in rows:
        table.append(key, item)
    maker["models"] = table


def _empty_block(name: str, endpoint: str) -> Table:
    text = '[[makers]]\nname = ""\nendpoints = []\n[makers.models]\n'
    block: Table = tomlkit.parse(text)["makers"][0]
    block["name"], block["endpoints"] = name, endpoint.split()
    return block


def _home(maker: Table) -> tuple[str, str]:
    return str(maker["name"]), " ".join(maker["endpoints"])


def _item(entry: Entry, comment: str | None) -> Item:
    item = tomlkit.value(_layout(entry))
    return item if comment is None else item.comment(comment)


def _layout(entry: Entry) -> str:
    return _toml({key: entry[key] for key in KEYS[:-2] if key in entry})


def _toml(value: Any) -> str:  # noqa: ANN401  a value of TOML
    match value:
        case int() if not isinstance(value, bool):
            return f"{value:_}"
        case dict():
            return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
        case [dict(), *_]:
            return "[\n" + "".join(f"  {_toml(each)},\n" for each in value) + "]"
        case _:
            return tomlkit.item(value).as_string()
