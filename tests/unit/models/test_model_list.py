"""The provider's list of models: read in any form, saved on disk, never lost to a failure."""

from __future__ import annotations

import json
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support import provider as scripted
from support.provider import KEY, MODELS, ODD_MODELS, Provider

from cc_jupyter.client.transport import Transport
from cc_jupyter.core.errors import ConnectError
from cc_jupyter.core.paths import cache_folder
from cc_jupyter.models.listing import ListedModel, cached_models, fetch_models

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def transport() -> Iterator[Transport]:
    opened = Transport()
    yield opened
    opened.close()


def root(provider: Provider) -> str:
    return f"{provider.base_url}/v1"


def fetch(provider: Provider, transport: Transport, models: object) -> dict[str, ListedModel]:
    """Fetch a list that holds what is given, of whatever shape."""
    provider.play_models(scripted.http(200, {"object": "list", "data": models}))
    return fetch_models(transport, root(provider)).models


def entry(**fields: Any) -> dict[str, Any]:
    return {"id": "a/b", "supported_endpoints": ["/chat/completions"]} | fields


# ── what a list may hold


def test_the_documented_list_is_read(provider, transport):
    models = fetch_models(transport, root(provider)).models
    assert list(models) == [model["id"] for model in MODELS]
    assert models["claude-sonnet-5"] == ListedModel(
        "claude-sonnet-5", "Claude Sonnet 5", 1_000_000, ("/messages",)
    )
    assert models["gpt-6-luna"].endpoints == ("/chat/completions",)  # `/responses` is not spoken


def test_odd_entries_are_read_as_far_as_they_go(provider, transport):
    provider.models[:] = ODD_MODELS
    models = fetch_models(transport, root(provider)).models
    assert {name: (model.context_tokens, model.endpoints) for name, model in models.items()} == {
        "odd/no-endpoints": (8_192, ()),
        "claude-odd-no-endpoints": (8_192, ()),
        "odd/null-context": (None, ("/chat/completions",)),
        "odd/zero-context": (None, ("/chat/completions",)),
        "odd/text-context": (None, ("/chat/completions",)),
        "odd/versioned": (8_192, ("/chat/completions",)),
        "odd/full-url": (8_192, ("/chat/completions",)),
        "odd/bare": (None, ()),
    }
    assert models["odd/null-context"].name == "Null context"  # the first of two
    assert models["odd/bare"].name == "odd/bare"


@pytest.mark.parametrize(
    ("fields", "endpoints"),
    [
        ({"supported_endpoints": ["/v1/messages"]}, ("/messages",)),
        ({"supported_endpoints": ["https://x/y/v1/messages/"]}, ("/messages",)),
        (
            {"supported_endpoints": ["/messages", "/chat/completions", "/responses", None, 3]},
            ("/chat/completions", "/messages"),
        ),
        ({"supported_endpoints": []}, ()),
        ({"supported_endpoints": None}, ()),
    ],
)
def test_endpoints_are_known_by_their_path(fields, endpoints, provider, transport):
    assert fetch(provider, transport, [entry(**fields)])["a/b"].endpoints == endpoints


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        (8192, 8192),
        (8192.0, 8192),
        *((odd, None) for odd in (0, -1, None, "8192", True, [8192], 0.5)),
    ],
)
def test_a_context_that_is_no_count_is_unknown(given, tokens, provider, transport):
    found = fetch(provider, transport, [entry(context_length=given)])
    assert found["a/b"].context_tokens == tokens


@pytest.mark.parametrize(
    "unusable",
    [
        entry(id=""),
        entry(id="  "),
        entry(id=None),
        entry(id=3),
        entry(supported_endpoints=["/systemone"]),
        entry(supported_endpoints="/systemone"),
        {},
        None,
        "a/b",
        [],
    ],
)
def test_an_unusable_entry_is_left_out_and_the_others_stay(unusable, provider, transport):
    found = fetch(provider, transport, [unusable, entry(id="c/d")])
    assert list(found) == ["c/d"]


def test_ids_are_preserved_exactly(provider, transport):
    ids = ["Qwen/Qwen3.8-Flash", "qwen/qwen3.8-flash", "a/b:free", "ü/模型", " a/b "]
    assert list(fetch(provider, transport, [entry(id=name) for name in ids])) == ids


def test_five_thousand_entries_are_no_trouble(provider, transport):
    found = fetch(provider, transport, [entry(id=f"m/{number}") for number in range(5_000)])
    assert len(found) == 5_000
    assert len(cached_models(root(provider)).models) == 5_000


# ── asking


def test_the_list_is_asked_for_without_a_key(provider, transport):
    fetch_models(transport, root(provider))
    (request,) = provider.requests
    assert (request.method, request.path, request.body) == ("GET", "/provider/v1/models", b"")
    assert set(request.headers) == {"host", "user-agent", "accept"}
    assert request.headers["user-agent"].startswith("cc_jupyter/")
    assert KEY not in request.raw_head.decode()


NO_LIST: dict[str, tuple[Any, ...]] = {
    "HTML": (scripted.http(200, "<html>no</html>", content_type="text/html"),),
    "no JSON": (scripted.http(200, "models: many"),),
    "an empty body": (scripted.http(200, ""),),
    "null": (scripted.http(200, "null"),),
    "a list without data": (scripted.http(200, "[]"),),
    "data that is no list": (scripted.http(200, {"data": {"a/b": {}}}),),
    "an empty list": (scripted.http(200, {"data": []}),),
    "nothing usable": (scripted.http(200, {"data": [{"id": ""}]}),),
    "another encoding": (scripted.http(200, b"\xff\xfe\xfd"),),
    "deep nesting": (scripted.http(200, "[" * 100_000),),
    "a redirect": (scripted.http(302, "", {"location": "https://evil.example/"}),),
    "a good list under a bad status": (scripted.http(500, {"data": [entry()]}),),
    "an error": (scripted.error(503),),
    "no HTTP": (scripted.raw("hello\r\n\r\n"), scripted.cut()),
    "a cut answer": (
        scripted.head(200, {"content-length": "99"}, framing="given"),
        scripted.body('{"data": ['),
        scripted.cut(),
    ),
}


@pytest.mark.parametrize("what", NO_LIST)
def test_what_is_no_list_is_an_error_and_the_last_good_list_stays(what, provider, transport):
    good = fetch_models(transport, root(provider))
    provider.play_models(*NO_LIST[what])
    with pytest.raises(ConnectError):
        fetch_models(transport, root(provider))
    assert cached_models(root(provider)) == good
    assert [request.path for request in provider.requests] == ["/provider/v1/models"] * 2


def test_a_huge_answer_is_not_read_to_its_end(provider, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.models.listing._MAX_BYTES", 2**20)
    steps = [scripted.body(b" " * 2**18)] * 64
    provider.play_models(scripted.head(content_type="application/json"), *steps, scripted.hang())
    with pytest.raises(ConnectError, match="sent more than 1 MB"):
        fetch_models(transport, root(provider))
    provider.requests[0].wait_until_over()
    assert provider.requests[0].client_left_s is not None


def test_a_list_that_trickles_is_given_up(provider, transport, monkeypatch):
    monkeypatch.setattr("cc_jupyter.models.listing._TIMEOUT_S", 0.2)
    drops = [step for _ in range(100) for step in (scripted.body(" "), scripted.pause(0.05))]
    provider.play_models(scripted.head(content_type="application/json"), *drops)
    with pytest.raises(ConnectError, match="did not answer within"):
        fetch_models(transport, root(provider))


# ── the file


def test_the_list_is_saved_in_a_private_file_for_each_base_url(provider, transport):
    fetched = fetch_models(transport, root(provider))
    (path,) = cache_folder().iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert cached_models(root(provider)) == fetched
    assert cached_models("https://x.example/v1").models == {}
    assert KEY not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"data": 3, "fetched_at_s": 1}',
        b'{"data": [{"id": "a"}], "fetched_at_s": "yesterday"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_not_ours_counts_as_none(content, provider, transport):
    fetch_models(transport, root(provider))
    (path,) = cache_folder().iterdir()
    path.write_bytes(content)
    assert cached_models(root(provider)).models == {}


def test_a_folder_that_cannot_be_made_costs_no_answer(provider, transport):
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("in the way", encoding="utf-8")
    assert fetch_models(transport, root(provider)).models
    assert cached_models(root(provider)).models == {}


def test_many_may_fetch_at_once_and_leave_one_whole_file(provider, transport):
    workers = [
        threading.Thread(target=fetch_models, args=(transport, root(provider))) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    (path,) = cache_folder().iterdir()
    assert len(json.loads(path.read_text(encoding="utf-8"))["data"]) == len(MODELS)
