"""A new price table becomes `catalog.toml`: `python -m cc_jupyter.catalog_update TABLE.md`.

It shows, model by model, what would change, and writes only with `--write`. What a table is read
as stands in `price_table`, what becomes of it in `catalog_changes`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.catalog_changes import Update, build_update, flat
from cc_jupyter.catalog_text import KEYS, read_catalog_text
from cc_jupyter.core.errors import CcError, ConfigError
from cc_jupyter.price_table import read_price_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cc_jupyter.catalog_text import CatalogText, Entry
    from cc_jupyter.price_table import PriceTable

CATALOG = Path(__file__).with_name("catalog.toml")

_NAMED = 5
"""How many models a line names before it only counts them."""
_KEPT = "kept, since the table does not tell it"


def main(arguments: Sequence[str] | None = None, *, catalog: Path = CATALOG) -> int:
    """Show the difference, and write if asked to; give the exit status."""
    options = _parser().parse_args(arguments)
    try:
        present = read_catalog_text(_read(catalog))
        table = read_price_table(_read(options.table))
        update = build_update(present, table)
        day = None if options.date is None else options.date.isoformat()
        new = update.new.dated(options.source, day)
        _print(*report(update, table), *_changed_head(present, new))
        if options.write:
            _print(_written(catalog, update, new, dated=day is not None))
    except CcError as error:
        sys.stderr.write(f"catalog_update: {error}\n")
        if error.hint is not None:
            sys.stderr.write(f"Hint: {error.hint}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cc_jupyter.catalog_update",
        description="Show what a price table would change in the catalogue of models.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE.md", help="a table in Markdown")
    parser.add_argument("--write", action="store_true", help="change the catalogue")
    parser.add_argument(
        "--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the day of the prices"
    )
    parser.add_argument("--source", metavar="TEXT", help="where the prices were read")
    return parser


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise ConfigError(
            f"{path} cannot be read: {reason}", hint="name a file with a price table"
        ) from None


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


# ── what is shown


def report(update: Update, table: PriceTable) -> Iterator[str]:
    """Tell the difference, model by model, then what was kept and what was left out."""
    yield from _differences(flat(update.present), flat(update.new))
    yield f"{_KEPT}: peak_hours"
    for key, names in update.kept.items():
        yield f"{_KEPT}: {key} of {_listed(names)}"
    for name, comment in update.present.comments.items():
        if name not in update.new.comments:
            yield f"dropped: the comment of {name}, `{comment}`"
    if table.unpriced:
        yield f"left out, since the table has no price: {_listed(table.unpriced)}"
    if table.ignored:
        yield f"columns that were not read: {', '.join(table.ignored)}"


def _differences(old: dict[str, Entry], new: dict[str, Entry]) -> Iterator[str]:
    changed = [name for name in new if name in old and old[name] != new[name]]
    fresh = [name for name in new if name not in old]
    gone = [name for name in old if name not in new]
    for name in fresh:
        yield f"new      {name}"
        yield from (f"         {key}: {_shown(value)}" for key, value in new[name].items())
    for name in gone:
        yield f"gone     {name}"
    for name in changed:
        yield f"changed  {name}"
        for key in (*KEYS, "maker", "endpoint"):
            before, after = old[name].get(key), new[name].get(key)
            if before != after:
                yield f"         {key}: {_shown(before)} -> {_shown(after)}"
    same = len(new) - len(fresh) - len(changed)
    yield (
        f"{len(new)} models: {len(fresh)} new, {len(gone)} gone, {len(changed)} changed,"
        f" {same} the same"
    )


def _changed_head(present: CatalogText, new: CatalogText) -> Iterator[str]:
    """Tell the lines of the file's top that change: the source and the date."""
    for before, after in zip(present.head.splitlines(), new.head.splitlines(), strict=True):
        if before != after:
            yield f"{before} -> {after.partition(' = ')[2]}"


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} model{'' if len(names) == 1 else 's'} ({first}{more})"


def _shown(value: Any) -> str:  # noqa: ANN401  a value of TOML
    match value:
        case None:
            return "—"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case [{"rates": _}, *_]:
            return "; ".join(map(_tier, value))
        case [first, *_]:
            return (" / " if first[0].isdigit() else " ").join(value)
        case _:
            return str(value)


def _tier(tier: Mapping[str, Any]) -> str:
    limit = f"to {tier['up_to']:,}" if "up_to" in tier else "above"
    return f"{limit}: {_shown(tier['rates'])}"


# ── writing


def _written(path: Path, update: Update, new: CatalogText, *, dated: bool) -> str:
    """Replace the file in one step; a figure without the day it holds from is not written."""
    if update.changes and not dated:
        raise ConfigError(
            "nothing was written: the day of these prices is not given", hint="--date YYYY-MM-DD"
        )
    text = new.text()
    if text == update.present.text():
        return f"{path.name} stays as it is"
    read_catalog_text(text)  # or it would be the last time that this program can read it
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        shutil.copymode(path, fresh)
        Path(fresh).replace(path)
    except BaseException:  # whatever it was: no half file stays beside the catalogue
        Path(fresh).unlink()
        raise
    return f"{path.name} is written"


if __name__ == "__main__":
    sys.exit(main())
