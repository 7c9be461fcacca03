"""Malformed lists of models, each a file in `model_lists/`: none breaks anything."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted

from cc_jupyter.client.transport import Transport
from cc_jupyter.core.display import Table
from cc_jupyter.core.errors import ConnectError
from cc_jupyter.core.paths import cache_folder
from cc_jupyter.models.listing import ListedModel, ModelList, cached_models, fetch_models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.provider import Provider

FOLDER = Path(__file__).parent / "model_lists"
TYPES = {".json": "application/json", ".html": "text/html", ".sse": "text/event-stream"}
NONE = ModelList({}, 0.0)


@dataclass(frozen=True)
class OddList:
    """One body of `/models`, to the byte, and the models that must come of it."""

    name: str
    body: bytes
    models: dict[str, ListedModel]
    """Empty: it is no list."""


def load_lists() -> list[OddList]:
    """Read every body; one without an expectation, or the reverse, is a mistake."""
    expected = tomllib.loads((FOLDER / "expected.toml").read_text("utf-8"))
    bodies = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    del bodies["expected.toml"]
    assert bodies.keys() == expected.keys(), bodies.keys() ^ expected.keys()
    return [OddList(name, bodies[name], _models(**expected[name])) for name in expected]


def _models(
    why: str, models: dict[str, Any] | None = None, *, no_list: bool = False
) -> dict[str, ListedModel]:
    assert why
    assert (models is None) == no_list
    return {
        model_id: ListedModel(
            model_id,
            told.get("name", model_id),
            told.get("context"),
            tuple(told.get("endpoints", ())),
        )
        for model_id, told in (models or {}).items()
    }


LISTS = load_lists()
every_list = pytest.mark.parametrize("odd", LISTS, ids=lambda one: one.name)


@pytest.fixture
def transport() -> Iterator[Transport]:
    opened = Transport()
    yield opened
    opened.close()


def root(provider: Provider) -> str:
    return f"{provider.base_url}/v1"


def play(provider: Provider, odd: OddList) -> None:
    content_type = TYPES.get(Path(odd.name).suffix, "text/plain")
    provider.play_models(scripted.http(200, odd.body, content_type=content_type))


@pytest.fixture
def cache_file(provider, transport) -> Path:
    """Return the file of a good list that was fetched before."""
    fetch_models(transport, root(provider))
    (path,) = cache_folder().iterdir()
    return path


# ── on the wire


@every_list
def test_an_odd_list_gives_what_can_be_used_of_it(odd, provider, transport):
    play(provider, odd)
    if odd.models:
        listed = fetch_models(transport, root(provider))
        assert listed.models == odd.models
        assert list(listed.models) == list(odd.models)
    else:
        with pytest.raises(ConnectError, match=r"returned no list of models \(200\)"):
            fetch_models(transport, root(provider))


@every_list
def test_a_fetched_list_is_saved_and_read_again(odd, provider, transport, cache_file):
    before = cached_models(root(provider))
    play(provider, odd)
    if odd.models:
        listed = fetch_models(transport, root(provider))
        assert cached_models(root(provider)) == listed != before
    else:
        with pytest.raises(ConnectError):
            fetch_models(transport, root(provider))
        assert cached_models(root(provider)) == before
    assert list(cache_folder().iterdir()) == [cache_file]


# ── on disk


@every_list
def test_a_file_as_odd_as_the_list_gives_the_same(odd, provider, cache_file):
    """Earlier releases kept lists as they came."""
    cache_file.write_bytes(odd.body.replace(b"{", b'{"fetched_at_s": 5.0, ', 1))
    kept = cached_models(root(provider))
    whole = odd.name not in {"bare-list.json", "utf-16.json"}  # those are no files of ours
    assert kept.models == (odd.models if whole else {})
    assert kept.fetched_at_s in {0.0, 5.0}


@pytest.mark.parametrize(
    "instant",
    [
        *("null", '"5"', "[]", "{}", "-1", "NaN", "Infinity", "-Infinity", "1e300", "1e999"),
        *("1" * 15, "9" * 400, "9" * 5_000),
    ],
)
def test_a_file_of_an_impossible_time_counts_as_none(instant, provider, cache_file):
    good = cached_models(root(provider))
    kept = json.loads(cache_file.read_text(encoding="utf-8"))
    text = json.dumps(kept["data"])
    cache_file.write_text(f'{{"fetched_at_s": {instant}, "data": {text}}}', encoding="utf-8")
    assert cached_models(root(provider)) == NONE
    cache_file.write_text(f'{{"fetched_at_s": 5, "data": {text}}}', encoding="utf-8")
    assert cached_models(root(provider)) == ModelList(good.models, 5.0)


def test_the_file_holds_only_what_is_read(provider, transport, cache_file):
    (odd,) = [one for one in LISTS if one.name == "fields-of-every-kind.json"]
    play(provider, odd)
    fetch_models(transport, root(provider))
    kept = json.loads(cache_file.read_text(encoding="utf-8"))
    assert kept["data"][0] == {
        "id": "a/b",
        "name": None,
        "context_length": None,
        "supported_endpoints": ["/chat/completions"],
    }


# ── on the screen


@pytest.mark.parametrize("odd", [one for one in LISTS if one.models], ids=lambda one: one.name)
def test_whatever_is_listed_is_a_line_in_a_terminal_and_a_row_in_a_notebook(
    odd, provider, transport
):
    play(provider, odd)
    models = fetch_models(transport, root(provider)).models
    table = Table([{"model": each.id, "name": each.name} for each in models.values()])
    lines = str(table).split("\n")
    assert len(lines) == 1 + len(models)
    assert all(line.isprintable() for line in lines)
    shown = table._repr_html_()
    assert shown.count("<tr>") == 1 + len(models)
    assert not any(tag in shown for tag in ("<script", "<img", "<b>"))


# ── very many


def test_five_thousand_odd_entries_give_what_can_be_used_of_them(provider, transport):
    entries: list[Any] = []
    for number in range(1_250):
        entries += [
            {"id": f"m/{number}", "name": f"Model {number}", "context_length": "many"},
            {"id": f"m/{number}", "name": "The same id again"},
            {"id": f"m\x1b{number}"},
            None if number % 2 else {"id": f"n/{number}", "supported_endpoints": ["/systemone"]},
        ]
    assert len(entries) == 5_000
    provider.play_models(scripted.http(200, {"object": "list", "data": entries}))
    models = fetch_models(transport, root(provider)).models
    assert list(models) == [f"m/{number}" for number in range(1_250)]
    assert models["m/1249"] == ListedModel("m/1249", "Model 1249", None, ())
    assert cached_models(root(provider)).models == models
