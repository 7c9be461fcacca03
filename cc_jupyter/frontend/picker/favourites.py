"""The user's favourite and recently used models, in one small file in the data folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder, make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path


_RECENT_MODELS = 8


@dataclass(frozen=True, slots=True)
class Favourites:
    """The ids of favourite and recently used models."""

    marked: tuple[str, ...] = ()
    """The favourites, oldest first."""
    recent: tuple[str, ...] = ()
    """The models used last, newest first."""


def load_favourites() -> Favourites:
    """Return the saved favourites; empty if there are none.

    Raises
    ------
    ConfigError
        The file cannot be read; it is not changed.
    """
    path = _path()
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Favourites(_ids(saved["marked"]), _ids(saved["recent"]))
    except FileNotFoundError:
        return Favourites()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            hint="delete the file to start without favourites",
        ) from None


def mark(model_id: str, *, on: bool) -> Favourites:
    """Add a model to the favourites or remove it; return the new favourites.

    Raises
    ------
    ConfigError
        The file cannot be read or written.
    """
    saved = load_favourites()
    others = tuple(each for each in saved.marked if each != model_id)
    return _save(Favourites((*others, model_id) if on else others, saved.recent))


def note_use(model_id: str) -> Favourites:
    """Move a model to the front of the recent ones; return the new favourites.

    Raises
    ------
    ConfigError
        The file cannot be read or written.
    """
    saved = load_favourites()
    others = tuple(each for each in saved.recent if each != model_id)
    return _save(Favourites(saved.marked, (model_id, *others)[:_RECENT_MODELS]))


def _path() -> Path:
    return data_folder() / "favourites.json"


def _ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("not a list of model ids")
    return tuple(value)


def _save(favourites: Favourites) -> Favourites:
    """Write the file in one step, readable only by this user."""
    path = _path()
    make_private(path.parent)
    try:
        write_private(path, json.dumps({"marked": favourites.marked, "recent": favourites.recent}))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    return favourites
