"""The models a user has marked, and those used last: one small file in the data folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder, make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path


_MOST_RECENT = 8


@dataclass(frozen=True, slots=True)
class Favourites:
    """Ids of models."""

    marked: tuple[str, ...] = ()
    """In the order in which they were marked."""
    recent: tuple[str, ...] = ()
    """The last one first."""


def load_favourites() -> Favourites:
    """Return the saved favourites; empty if nothing was ever marked.

    Raises
    ------
    ConfigError
        The file cannot be read; it is left as it is.
    """
    path = _path()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Favourites(_ids(kept["marked"]), _ids(kept["recent"]))
    except FileNotFoundError:
        return Favourites()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            hint="remove it to begin without favourites",
        ) from None


def mark(model_id: str, *, on: bool) -> Favourites:
    """Make a model a favourite, or no longer; give what is kept then.

    Raises
    ------
    ConfigError
        The file cannot be read or written.
    """
    kept = load_favourites()
    others = tuple(each for each in kept.marked if each != model_id)
    return _keep(Favourites((*others, model_id) if on else others, kept.recent))


def note_use(model_id: str) -> Favourites:
    """Put a model first among those used last; give what is kept then.

    Raises
    ------
    ConfigError
        The file cannot be read or written.
    """
    kept = load_favourites()
    others = tuple(each for each in kept.recent if each != model_id)
    return _keep(Favourites(kept.marked, (model_id, *others)[:_MOST_RECENT]))


def _path() -> Path:
    return data_folder() / "favourites.json"


def _ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("no list of model ids")
    return tuple(value)


def _keep(kept: Favourites) -> Favourites:
    """Write the file in one step, for this user alone."""
    path = _path()
    make_private(path.parent)
    try:
        write_private(path, json.dumps({"marked": kept.marked, "recent": kept.recent}))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    return kept
