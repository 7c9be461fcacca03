"""Words filter models: part of a name, an ability, a window, a price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cc_jupyter.config.custom_models import read_custom_models
from cc_jupyter.core.errors import OptionError
from cc_jupyter.models.filter import blended_usd, matching
from cc_jupyter.models.listing import ListedModel, ModelList
from cc_jupyter.models.registry import known_models

LISTED = ModelList(
    {
        model_id: ListedModel(model_id, name, context, ())
        for model_id, name, context in (
            ("deepseek/deepseek-v4-flash", "DeepSeek V4 Flash", 1_000_000),
            ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", 200_000),
            ("newmaker/unheard-of", "Unheard", None),
        )
    },
    1.0,
)
OWN = read_custom_models({"my/llama": {"base_url": "http://127.0.0.1:8080", "context": 8192}})
MODELS = known_models(OWN, LISTED)


def ids(*words: str, sort: str | None = None) -> list[str]:
    return [model.id for model in matching(MODELS.values(), words, sort)]


@pytest.mark.parametrize(
    ("words", "there", "not_there"),
    [
        (["flash"], "deepseek/deepseek-v4-flash", "gpt-5.5"),
        (["FLASH", "deep"], "deepseek/deepseek-v4-flash", "google/gemini-3.5-flash"),
        (["anthropic"], "claude-haiku-4-5-20251001", "gpt-5.5"),
        (["Haiku"], "claude-haiku-4-5-20251001", "claude-opus-5"),
        (["free"], "inclusionai/ling-3.1-flash:free", "deepseek/deepseek-v4-flash"),
        (["cheap"], "deepseek/deepseek-v4-flash", "claude-opus-5"),
        (["cheap"], "inclusionai/ling-3.1-flash:free", "newmaker/unheard-of"),
        (["image"], "gpt-5.5", "zai-org/GLM-5"),
        (["reasoning"], "moonshotai/Kimi-K2.7-Code", "claude-haiku-4-5-20251001"),
        (["zdr"], "gpt-5.5", "xai/grok-4.5"),
        (["mine"], "my/llama", "gpt-5.5"),
        (["messages"], "claude-opus-5", "gpt-5.5"),
        (["chat"], "gpt-5.5", "claude-opus-5"),
        ([">200k"], "claude-haiku-4-5-20251001", "my/llama"),
        ([">=1m"], "deepseek/deepseek-v4-flash", "claude-haiku-4-5-20251001"),
        (["<10000"], "my/llama", "newmaker/unheard-of"),
        (["<$1"], "deepseek/deepseek-v4-flash", "claude-haiku-4-5-20251001"),
        ([">$20"], "claude-opus-5", "newmaker/unheard-of"),
        (["new"], "newmaker/unheard-of", "gpt-5.5"),
    ],
    ids=" ".join,
)
def test_a_word_keeps_what_fits_it(words, there, not_there):
    found = ids(*words)
    assert there in found
    assert not_there not in found


def test_every_word_must_fit():
    assert set(ids("image", "cheap")) == set(ids("image")) & set(ids("cheap"))


def test_cheap_comes_cheapest_first():
    prices = [blended_usd(model) for model in matching(MODELS.values(), ["cheap"])]
    assert prices == sorted(prices)
    assert prices[0] == 0


@pytest.mark.parametrize("sort", ["price", "window", "name"])
def test_sorting_loses_nothing_and_puts_the_unknown_last(sort):
    found = ids(sort=sort)
    assert sorted(found) == sorted(MODELS)
    if sort == "price":
        unknown = [model_id for model_id in found if blended_usd(MODELS[model_id]) is None]
        assert found[-len(unknown) :] == unknown
    if sort == "window":
        windows = [MODELS[model_id].spec.context_tokens or 0 for model_id in found]
        assert windows == sorted(windows, reverse=True)


@pytest.mark.parametrize("word", [">", "<x", ">200q", "<$", ">$1k"])
def test_what_compares_nothing_is_an_error(word):
    with pytest.raises(OptionError, match=r"is not a comparison") as caught:
        ids(word)
    assert ">200k" in caught.value.hint


def test_the_blended_price_is_three_of_prompt_to_one_of_answer():
    assert blended_usd(MODELS["claude-haiku-4-5-20251001"]) == Decimal(2)
