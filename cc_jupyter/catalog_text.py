"""`catalog.toml` as text: read with its comments, and written again to the byte.

tomllib reads TOML and nobody in the standard library writes it, so this module writes exactly the
one file, in its one layout. What the entries mean is told in `catalog`, where new ones come from in
`catalog_update`.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS = (
    *("name", "context", "max_output", "rates", "peak", "efforts", "reasons"),
    *("image", "zdr", "note", "tiers"),
)
"""What an entry may hold, in the order in which it is written."""

Entry = dict[str, Any]
"""One model, by these keys."""

_MAKERS = "\n[[makers]]\n"
_COMMENT = re.compile(r'^(?:"(?P<id>[^"]+)" = \{.*|\] )\} # (?P<comment>.*)$')
_TIERS_OF = re.compile(r'^"(?P<id>[^"]+)" = \{.* tiers = \[$')


@dataclass(frozen=True, slots=True)
class Maker:
    """Models of one maker that are served alike."""

    name: str
    endpoints: list[str]
    models: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class CatalogText:
    """The file in parts."""

    head: str
    """All above the makers: comments, source, date, peak hours."""
    makers: list[Maker]
    comments: dict[str, str]
    """What stands behind an entry, by its id, without the `#`."""

    @property
    def entries(self) -> dict[str, Entry]:
        """All models by id, in the order of the file."""
        return {name: entry for maker in self.makers for name, entry in maker.models.items()}

    def dated(self, source: str | None, day: str | None) -> CatalogText:
        """Return the file with another source and another day of its prices; `None`: as it was."""
        head = self.head
        if source is not None:
            head = _replaced(head, "source", _value(source))
        if day is not None:
            head = _replaced(head, "price_date", day)
        return replace(self, head=head)

    def text(self) -> str:
        """Write the file."""
        return self.head + "".join(_maker(maker, self.comments) for maker in self.makers)


def read_catalog_text(text: str) -> CatalogText:
    """Read the file.

    Raises
    ------
    ConfigError
        It could not be written again as it stands: somebody gave it another layout.
    """
    try:
        raw = tomllib.loads(text)
        makers = [Maker(row["name"], row["endpoints"], row["models"]) for row in raw["makers"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the present catalogue cannot be read: {error}", hint="git has its last good state"
        ) from None
    found = CatalogText(text.partition(_MAKERS)[0], makers, _comments(text.splitlines()))
    if found.text() != text:
        raise ConfigError(
            f"line {_first_difference(found.text(), text)} of the present catalogue is not written"
            " as this program writes it",
            hint="it would be lost; comments go behind an entry or to the top",
        )
    return found


def _comments(lines: Iterable[str]) -> dict[str, str]:
    comments = {}
    model_id = ""
    for line in lines:
        if opened := _TIERS_OF.match(line):
            model_id = opened["id"]
        elif found := _COMMENT.match(line):
            comments[found["id"] or model_id] = found["comment"]
    return comments


def _first_difference(one: str, other: str) -> int:
    pairs = zip(one.splitlines(), other.splitlines(), strict=False)
    same = next((place for place, (a, b) in enumerate(pairs) if a != b), None)
    return 1 + (min(map(len, (one.splitlines(), other.splitlines()))) if same is None else same)


# ── writing


def _replaced(head: str, key: str, value: str) -> str:
    return re.sub(rf"^{key} = .*$", lambda _: f"{key} = {value}", head, flags=re.MULTILINE)


def _maker(maker: Maker, comments: Mapping[str, str]) -> str:
    lines = [
        f"name = {_value(maker.name)}",
        f"endpoints = {_value(maker.endpoints)}",
        "[makers.models]",
        *(_entry(name, entry, comments.get(name)) for name, entry in maker.models.items()),
    ]
    return _MAKERS + "".join(f"{line}\n" for line in lines)


def _entry(model_id: str, entry: Entry, comment: str | None) -> str:
    """Write a model on one line, and its tiers on one each."""
    values = [f"{key} = {_value(entry[key])}" for key in KEYS if key in entry and key != "tiers"]
    if "tiers" in entry:
        tiers = "".join(f"  {_table(tier)},\n" for tier in entry["tiers"])
        values.append(f"tiers = [\n{tiers}]")
    behind = "" if comment is None else f" # {comment}"
    return f"{_value(model_id)} = {{ {', '.join(values)} }}{behind}"


def _table(values: Mapping[str, object]) -> str:
    return f"{{ {', '.join(f'{key} = {_value(value)}' for key, value in values.items())} }}"


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:_}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)  # a basic string, by TOML's rules too
