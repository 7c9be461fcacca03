"""Favourites and recent models: kept for the user alone, and never lost to a broken file."""

from __future__ import annotations

import pytest

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder
from cc_jupyter.frontend.picker.favourites import Favourites, load_favourites, mark, note_use


def test_there_are_none_at_first_and_looking_writes_nothing():
    assert load_favourites() == Favourites()
    assert not data_folder().exists()


def test_a_mark_is_kept_and_taken_back():
    mark("a", on=True)
    mark("b", on=True)
    assert mark("a", on=True).marked == ("b", "a")
    assert load_favourites().marked == ("b", "a")
    assert mark("b", on=False).marked == ("a",)
    assert mark("b", on=False).marked == ("a",)


def test_the_last_models_used_come_first_and_are_few():
    for number in range(12):
        note_use(f"m{number}")
    kept = note_use("m7").recent
    assert kept[:3] == ("m7", "m11", "m10")
    assert len(kept) == len(set(kept)) == 8


def test_the_file_is_private():
    mark("a", on=True)
    assert data_folder().stat().st_mode & 0o777 == 0o700
    (path,) = data_folder().iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"marked": [1], "recent": []}', '{"marked": "a"}'])
def test_a_broken_file_is_named_and_left_alone(text):
    mark("a", on=True)
    path = data_folder() / "favourites.json"
    path.write_text(text, encoding="utf-8")
    for act in (load_favourites, lambda: mark("b", on=True), lambda: note_use("b")):
        with pytest.raises(ConfigError, match=r"favourites\.json"):
            act()
    assert path.read_text(encoding="utf-8") == text
