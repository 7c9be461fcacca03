"""The provider's list, the catalog and the user's own entries are merged."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from cc_jupyter.client.endpoint import find_endpoint
from cc_jupyter.config.custom_models import read_custom_models
from cc_jupyter.config.settings import Settings
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.models.catalog import load_catalog, maker_by_id
from cc_jupyter.models.listing import ListedModel, ModelList
from cc_jupyter.models.registry import known_models, settings_for

FLASH = "deepseek/deepseek-v4-flash"
NO_LIST = ModelList({}, 0.0)


def listed(*models: ListedModel) -> ModelList:
    return ModelList({model.id: model for model in models}, 1.0)


# ── who knows what


def test_without_a_list_the_whole_catalog_is_known_and_nothing_is_marked():
    models = known_models({}, NO_LIST)
    assert set(models) == set(load_catalog().models)
    assert all(model.is_listed is None for model in models.values())
    assert not any("not listed" in note for model in models.values() for note in model.notes)


def test_a_model_that_only_the_provider_lists_has_no_price():
    models = known_models({}, listed(ListedModel("deepseek/v9", "V9", 5000, ("/messages",))))
    new = models["deepseek/v9"]
    assert new.notes == ["price unknown"]
    assert (new.spec.name, new.spec.maker, new.spec.context_tokens) == ("V9", "DeepSeek", 5000)
    assert new.spec.endpoints == ("/messages",)


def test_a_model_that_the_provider_does_not_list_says_so():
    models = known_models({}, listed(ListedModel(FLASH, "Flash", None, ())))
    assert models["gpt-5.5"].notes[0] == "not listed by the provider"
    assert models[FLASH].is_listed is True


def test_the_provider_tells_window_name_and_endpoints_and_the_catalog_the_rest():
    served = ListedModel(FLASH, "Flash (latest)", 777, ("/messages",))
    spec = known_models({}, listed(served))[FLASH].spec
    assert (spec.name, spec.context_tokens, spec.endpoints) == (
        "Flash (latest)",
        777,
        ("/messages",),
    )
    assert spec.efforts == load_catalog().models[FLASH].efforts


def test_what_the_provider_leaves_out_is_as_the_catalog_has_it():
    spec = known_models({}, listed(ListedModel(FLASH, FLASH, None, ())))[FLASH].spec
    known = load_catalog().models[FLASH]
    assert (spec.name, spec.context_tokens, spec.endpoints) == (
        known.name,
        known.context_tokens,
        known.endpoints,
    )


@pytest.mark.parametrize(
    ("model_id", "maker"),
    [
        ("claude-brand-new", "Anthropic"),
        ("gpt-9", "OpenAI"),
        ("zai-org/GLM-9", "Z.ai"),
        ("Z-AI/glm-9", "Z.ai"),
        ("nobody/knows", "nobody"),
        ("oddity", "oddity"),
    ],
)
def test_the_beginning_of_the_id_names_the_maker(model_id, maker):
    assert maker_by_id(model_id) == maker


# ── the user's own


def test_the_user_corrects_the_price_and_it_keeps_its_own_day():
    own = read_custom_models({FLASH: {"rates": [1, "2.5"], "price_date": date(2026, 11, 1)}})
    model = known_models(own, NO_LIST)[FLASH]
    assert (model.rates.input, model.rates.output) == (Decimal(1), Decimal("2.5"))
    assert model.rates.cache_read is None
    assert model.spec.price_date == date(2026, 11, 1)
    assert model.spec.peak is None  # a price of one's own holds at all hours
    assert "config.toml" in model.notes


def test_a_price_without_a_day_has_none():
    own = read_custom_models({FLASH: {"rates": [1, 2]}})
    assert known_models(own, NO_LIST)[FLASH].spec.price_date is None


def test_the_users_word_comes_before_the_providers():
    own = read_custom_models({FLASH: {"context": 5, "name": "Mine", "endpoint": "/messages"}})
    served = ListedModel(FLASH, "Theirs", 9, ("/chat/completions",))
    spec = known_models(own, listed(served))[FLASH].spec
    assert (spec.context_tokens, spec.name, spec.endpoints) == (5, "Mine", ("/messages",))


def test_the_user_adds_a_model_of_another_gateway_which_comes_first():
    own = read_custom_models({"my/llama": {"base_url": "https://gate.example/api", "key_env": "G"}})
    models = known_models(own, listed(ListedModel(FLASH, "Flash", None, ())))
    first = next(iter(models.values()))
    assert first.id == "my/llama"
    assert "served by gate.example" in first.notes
    assert "not listed by the provider" not in first.notes


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (["x"], "tables like"),
        ({"a": 1}, "tables like"),
        ({"a": {"ratse": [1, 2]}}, "did you mean rates"),
        ({"a": {"zzzz": 1}}, "it takes name, maker"),
        ({"a": {"rates": [1]}}, "USD per million tokens"),
        ({"a": {"rates": [1, -2]}}, "USD per million tokens"),
        ({"a": {"rates": [1, "x"]}}, "rates"),
        ({"a": {"rates": [1, True]}}, "USD per million tokens"),
        ({"a": {"rates": [1, float("inf")]}}, "USD per million tokens"),
        ({"a": {"rates": "1 2"}}, "USD per million tokens"),
        ({"a": {"context": 0}}, "a whole number of at least 1"),
        ({"a": {"context": True}}, "a whole number of at least 1"),
        ({"a": {"endpoint": "/responses"}}, "one of /chat/completions, /messages"),
        ({"a": {"image": "yes"}}, "true or false"),
        ({"a": {"efforts": "low"}}, "a list of strings"),
        ({"a": {"price_date": "2026-10-08"}}, "a date like"),
        ({"a": {"base_url": "ftp://x"}}, "not an http(s) address"),
        ({"a": {"base_url": "http://example.com"}}, "a valid base URL (the base URL"),
        ({"a": {"name": " "}}, "a string that is not blank"),
    ],
)
def test_an_invalid_entry_is_named(table, said):
    with pytest.raises(ValueError, match=r".") as caught:
        read_custom_models(table)
    assert said in str(caught.value)


# ── where its key comes from


def entry(**table: str) -> Settings:
    return Settings(models=read_custom_models({"my/llama": table}))


def test_a_separate_gateway_gets_the_key_set_for_it(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_provider_key_1")
    monkeypatch.setenv("GATE_KEY", "gate-key-2")
    settings = entry(base_url="https://gate.example", key_env="GATE_KEY")
    target = find_endpoint(settings_for("my/llama", settings))
    assert (target.api_root, target.key.value) == ("https://gate.example/v1", "gate-key-2")
    assert find_endpoint(settings_for(FLASH, settings)).key.value == "user_provider_key_1"


def test_the_providers_key_is_never_sent_to_a_separate_gateway(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_provider_key_1")
    settings = settings_for("my/llama", entry(base_url="https://gate.example"))
    with pytest.raises(ConfigError, match=r"no key for gate\.example") as caught:
        find_endpoint(settings)
    assert "key_env" in caught.value.hint


def test_a_server_on_this_machine_needs_no_key(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", "user_provider_key_1")
    target = find_endpoint(settings_for("my/llama", entry(base_url="http://localhost:8080")))
    assert target.key.value == "none"
    assert target.served_by == "localhost:8080"


def test_hosts_may_name_the_key_too(monkeypatch):
    monkeypatch.setenv("GATE_KEY", "gate-key-2")
    settings = Settings(
        models=read_custom_models({"my/llama": {"base_url": "https://gate.example"}}),
        hosts={"https://gate.example/v1": {"key_env": "GATE_KEY"}},
    )
    assert find_endpoint(settings_for("my/llama", settings)).key.value == "gate-key-2"
