"""Show what a price table would change in `catalog.toml`; `--write` applies the changes.

`--write` also generates `catalog.json`, which the package reads.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from cc_jupyter.core.errors import CcError, ConfigError
from tools.update_catalog.catalog_text import (
    CATALOG,
    KEYS,
    as_json,
    comments_of,
    models_of,
    parse_catalog,
    replace_models,
)
from tools.update_catalog.changes import build_update
from tools.update_catalog.price_table import read_price_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tools.update_catalog.catalog_text import Entry

_MAX_NAMES = 5
"""The maximum number of models named in a line; more are only counted."""


def main(arguments: Sequence[str] | None = None, *, catalog: Path = CATALOG) -> int:
    """Show the differences, write them if requested, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        for line in _run(options, catalog):
            print(line)
    except CcError as error:
        print(f"update_catalog: {error}", file=sys.stderr)
        if error.hint is not None:
            print(f"Hint: {error.hint}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.update_catalog",
        description="Show what a price table would change in the catalog of models.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE.md", help="a price table in Markdown")
    parser.add_argument("--write", action="store_true", help="change the catalog")
    parser.add_argument(
        "--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the date of the prices"
    )
    parser.add_argument("--source", metavar="TEXT", help="where the prices come from")
    return parser


def _run(options: argparse.Namespace, path: Path) -> Iterator[str]:
    document = parse_catalog(_read(path))
    before = tomlkit.dumps(document)
    present, comments = models_of(document), comments_of(document)
    table = read_price_table(_read(options.table))
    update = build_update(present, comments, table)
    replace_models(document, update.models, update.comments)
    yield from _differences(present, update.models)
    for what in ("peak_hours", *(f"{key} of {_listed(ids)}" for key, ids in update.kept.items())):
        yield f"kept (not in the table): {what}"
    for model_id, comment in comments.items():
        if model_id not in update.comments:
            yield f"dropped: the comment on {model_id}, `{comment}`"
    if table.unpriced:
        yield f"left out (no price in the table): {_listed(table.unpriced)}"
    if table.ignored:
        yield f"columns ignored: {', '.join(table.ignored)}"
    for key, value in (("source", options.source), ("price_date", options.date)):
        if value is not None and value != document[key]:
            old = document[key].as_string()
            document[key] = value
            yield f"{key} = {old} -> {document[key].as_string()}"
    if options.write:
        if update.models != present and options.date is None:
            raise ConfigError(
                "nothing was written: the date of these prices is missing",
                hint="add --date YYYY-MM-DD",
            )
        text = tomlkit.dumps(document).rstrip("\n") + "\n"
        yield _write(path, text, update.models) if text != before else f"{path.name} is unchanged"
        _replace(path.with_suffix(".json"), as_json(text), like=path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(
            f"{path} cannot be read: {reason}", hint="name a file with a price table"
        ) from None


def _write(path: Path, text: str, models: Mapping[str, Entry]) -> str:
    """Replace the file atomically, after checking that the new text has the intended models."""
    if models_of(parse_catalog(text)) != models:
        raise RuntimeError("the new catalog would not have the models that were shown")
    _replace(path, text, like=path)
    return f"{path.name} is updated"


def _replace(path: Path, text: str, *, like: Path) -> None:
    """Write a file atomically, with the mode of another."""
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        shutil.copymode(like, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _differences(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> Iterator[str]:
    changed = [name for name in new if name in old and old[name] != new[name]]
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    for name in added:
        yield f"new      {name}"
        yield from (f"         {key}: {_shown(value)}" for key, value in new[name].items())
    for name in removed:
        yield f"removed  {name}"
    for name in changed:
        yield f"changed  {name}"
        for key in KEYS:
            before, after = old[name].get(key), new[name].get(key)
            if before != after:
                yield f"         {key}: {_shown(before)} -> {_shown(after)}"
    unchanged = len(new) - len(added) - len(changed)
    yield (
        f"{len(new)} models: {len(added)} new, {len(removed)} removed, {len(changed)} changed,"
        f" {unchanged} unchanged"
    )


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
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


if __name__ == "__main__":
    sys.exit(main())
