"""Which model is meant and where it is served; the provider is queried only if no list has it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from support import provider as scripted
from support.provider import KEY, ODD_MODELS, Provider
from support.provider.models import entry

from cc_jupyter.client.endpoint import Endpoint
from cc_jupyter.client.transport import Transport
from cc_jupyter.config.credentials import Key
from cc_jupyter.config.settings import Settings
from cc_jupyter.core.errors import ConfigError, ConnectError, OptionError
from cc_jupyter.models.registry import Models, chosen_model

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = "deepseek/deepseek-v4-flash"


@pytest.fixture
def models() -> Iterator[Models]:
    transport = Transport()
    yield Models(transport)
    transport.close()


@pytest.fixture
def host(provider: Provider) -> Endpoint:
    """Return another host than the provider's own."""
    return Endpoint(f"{provider.base_url}/v1", Key(KEY, "test"), "localhost:1")


@pytest.fixture
def default_host(provider: Provider) -> Endpoint:
    """Return the scripted provider in the place of the provider's own host."""
    return Endpoint(f"{provider.base_url}/v1", Key(KEY, "test"), "api")


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        (KNOWN, "/chat/completions"),
        ("claude-sonnet-5", "/messages"),
        ("gpt-6-luna", "/chat/completions"),
    ],
)
def test_a_model_of_the_price_table_is_never_asked_for(
    name, endpoint, provider, models, default_host
):
    model = models.find(name, default_host)
    assert (model.id, model.endpoint) == (name, endpoint)
    assert model.spec is not None
    assert provider.requests == []


def test_a_listed_model_is_asked_for_once_and_then_known(provider, models, default_host):
    provider.models.append(entry("new/model", "New", 1, ("/chat/completions",)))
    for _ in range(3):
        assert models.find("new/model", default_host).spec is None
    assert len(provider.requests) == 1
    again = Models(Transport())  # as in another process: the list is on disk
    assert again.find("new/model", default_host).id == "new/model"
    assert len(provider.requests) == 1


def test_an_unknown_model_on_the_default_host_costs_nothing_and_names_close_ones(
    provider, models, default_host
):
    for _ in range(2):
        with pytest.raises(OptionError) as error:
            models.find("deepseek/deepseek-v4-flsh", default_host)
        assert "unknown model 'deepseek/deepseek-v4-flsh'; nothing was sent" in str(error.value)
        assert "did you mean deepseek/deepseek-v4-flash" in (error.value.hint or "")
    assert [request.method for request in provider.requests] == ["GET"]


def test_an_unknown_model_without_a_close_one_says_where_to_look(models, default_host):
    with pytest.raises(OptionError) as error:
        models.find("qqqqqqqq", default_host)
    assert error.value.hint == "%cmd models lists all models"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("deepseek/deepseek-v4-flsh", "deepseek/deepseek-v4-flash"),
        ("claude-sonet-5-5", "claude-sonnet-5-5"),
        ("GPT-6-luna", "gpt-6-luna"),
        ("kimi-k3", "moonshotai/Kimi-K3"),
    ],
)
def test_a_mistyped_model_while_offline_names_the_close_one(provider, models, typed, meant):
    nowhere = Endpoint(f"http://127.0.0.1:{free_port()}/v1", Key(KEY, "test"), "api")
    with pytest.raises(ConnectError) as error:
        models.find(typed, nowhere)
    assert "no connection" in str(error.value)
    assert meant in (error.value.hint or "")
    assert provider.requests == []


def test_without_a_close_model_only_the_connection_is_to_blame(models):
    nowhere = Endpoint(f"http://127.0.0.1:{free_port()}/v1", Key(KEY, "test"), "api")
    with pytest.raises(ConnectError) as error:
        models.find("qqqqqqqq", nowhere)
    assert "did you mean" not in (error.value.hint or "")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_another_host_names_only_what_it_lists(provider, models, host):
    provider.models[:] = [entry("llama3:8b", "Llama", 1, ("/chat/completions",))]
    models.refresh(host.api_root)
    assert models.close_to("lama3:8b", host) == "did you mean llama3:8b?"
    assert models.close_to("deepseek/deepseek-v4-flsh", host) is None


def test_ids_are_never_normalised(models, default_host):
    with pytest.raises(OptionError, match="unknown model 'DeepSeek/DeepSeek-V4-Flash'"):
        models.find("DeepSeek/DeepSeek-V4-Flash", default_host)


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [("my-own", "/chat/completions"), ("claude-my-own", "/messages")],
)
def test_on_another_host_an_unlisted_model_is_sent_unchanged(
    name, endpoint, provider, models, host
):
    for _ in range(3):
        assert models.find(name, host).endpoint == endpoint
    assert len(provider.requests) == 1


@pytest.mark.parametrize("answer", [scripted.error(404), scripted.cut(), scripted.http(200, "{}")])
def test_another_host_needs_no_list_of_models(answer, provider, models, host):
    provider.play_models(answer)
    for _ in range(2):
        assert models.find("my-own", host).endpoint == "/chat/completions"
    assert len(provider.requests) == 1


def test_the_default_host_must_be_able_to_say_what_it_serves(provider, models, default_host):
    provider.play_models(scripted.error(503))
    with pytest.raises(ConnectError, match="returned no list of models"):
        models.find("new/model", default_host)
    provider.models.append(entry("new/model", "New", 1, ("/chat/completions",)))
    assert models.find("new/model", default_host).id == "new/model"  # the failure is not kept


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("odd/no-endpoints", "/chat/completions"),
        ("claude-odd-no-endpoints", "/messages"),
        ("odd/versioned", "/chat/completions"),
        ("odd/full-url", "/chat/completions"),
    ],
)
def test_the_list_decides_on_the_endpoint_and_the_name_where_it_is_silent(
    name, endpoint, provider, models, default_host
):
    provider.models += [*ODD_MODELS, entry("claude-chat", "c", 1, ("/chat/completions",))]
    assert models.find(name, default_host).endpoint == endpoint
    assert models.find("claude-chat", default_host).endpoint == "/chat/completions"


def test_a_list_comes_before_the_price_table(provider, models, default_host):
    provider.models[:] = [entry(KNOWN, "moved", 1, ("/messages",))]
    models.refresh(default_host.api_root)
    assert models.find(KNOWN, default_host).endpoint == "/messages"


def test_each_base_url_has_its_own_list(provider, models, host):
    with Provider(models=[entry("only/here", "x", 1, ("/messages",))]) as other:
        there = Endpoint(f"{other.base_url}/v1", Key(KEY, "test"), "localhost:2")
        assert models.find("only/here", there).endpoint == "/messages"
    assert models.find("only/here", host).endpoint == "/chat/completions"


def test_the_local_model_is_asked_for_nowhere(provider, models):
    local = Endpoint(f"{provider.base_url}/v1", Key(KEY, "test"), "local")
    model = models.find(KNOWN, local)
    assert (model.endpoint, model.spec) == ("/chat/completions", None)
    assert provider.requests == []


def test_a_failed_refresh_keeps_the_list_that_was_there(provider, models, default_host):
    good = models.refresh(default_host.api_root)
    provider.play_models(scripted.error(500))
    with pytest.raises(ConnectError):
        models.refresh(default_host.api_root)
    assert models.listed(default_host.api_root) == good


# ── which model is meant


def test_an_option_comes_before_the_settings_and_aliases_are_resolved():
    settings = Settings(model="a/b", alias={"fast": "c/d", "a/b": "e/f"})
    assert chosen_model("x/y", settings) == "x/y"
    assert chosen_model("fast", settings) == "c/d"
    assert chosen_model(None, settings) == "e/f"
    assert chosen_model(None, Settings(base_url="local")) == "local"


def test_without_a_model_three_cheap_ones_are_named():
    with pytest.raises(ConfigError) as error:
        chosen_model(None, Settings())
    hint = error.value.hint or ""
    assert len(hint.partition("cheap ones: ")[2].split(", ")) == 3
    assert "%cmd use MODEL" in hint
