"""Filter and sort models by words: part of a name, an ability, a window, a price."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cc_jupyter.models.registry import ModelEntry


_PROMPT_TOKENS = 3
"""Prompt tokens for each answer token in a blended price."""
_CHEAP_USD = Decimal("0.50")
"""A model is cheap if its blended price of a million tokens is lower."""

_WINDOW = re.compile(r"[<>]=?(\d+(?:\.\d+)?)([km]?)")
_PRICE = re.compile(r"[<>]=?\$(\d+(?:\.\d+)?)")
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


def blended_usd(model: ModelEntry) -> Decimal | None:
    """Return the price of a million tokens, prompt and answer blended; `None` if unknown."""
    if model.rates is None:
        return None
    return (_PROMPT_TOKENS * model.rates.input + model.rates.output) / (_PROMPT_TOKENS + 1)


def is_cheap(model: ModelEntry) -> bool:
    """Return whether a model is known to cost little or nothing."""
    usd = blended_usd(model)
    return usd is not None and usd < _CHEAP_USD


NAMED: Mapping[str, Callable[[ModelEntry], bool]] = {
    "free": lambda model: model.spec.is_free,
    "cheap": is_cheap,
    "image": lambda model: model.spec.image_input,
    "reasoning": lambda model: model.spec.reasons,
    "zdr": lambda model: model.spec.zdr and bool(model.spec.tiers),
    "mine": lambda model: model.is_own,
    "messages": lambda model: "/messages" in model.spec.endpoints,
    "chat": lambda model: "/chat/completions" in model.spec.endpoints,
}
"""The words that mean an ability; any other is searched for in id, name and maker."""

ORDERS: Mapping[str, Callable[[ModelEntry], tuple[object, ...]]] = {
    "name": lambda model: (model.spec.name.casefold(),),
    "price": lambda model: ((usd := blended_usd(model)) is None, usd or Decimal(0)),
    "window": lambda model: (-(model.spec.context_tokens or 0),),
}
"""The sort keys of a list; unknown values come last."""


def matching(
    models: Iterable[ModelEntry], words: Sequence[str], sort: str | None = None
) -> list[ModelEntry]:
    """Return the models that match every word.

    Parameters
    ----------
    words
        Part of an id, name or maker; a name in `NAMED`; a window such as `>200k`; an answer price
        such as `<$1`.
    sort
        A name in `ORDERS`; `None` keeps the given order, or sorts by price if a word is `cheap`.

    Raises
    ------
    OptionError
        A word starts like a comparison but is not one.
    """
    tests = [_test(word) for word in words]
    found = [model for model in models if all(fits(model) for fits in tests)]
    if sort is None and "cheap" in (word.casefold() for word in words):
        sort = "price"
    return found if sort is None else sorted(found, key=ORDERS[sort])


def hint_for(words: Sequence[str], models: Iterable[ModelEntry]) -> str:
    """Return a hint for words that match no model together."""
    models = list(models)
    unmatched = next((word for word in words if not matching(models, [word])), "")
    known = [*NAMED, *(model.id for model in models)]
    for model in models:  # a mistyped maker or family is unlike any whole id
        known += [model.spec.maker, *re.split(r"[/:]", model.id)]
    return did_you_mean(unmatched, known) or "try fewer words"


def _test(word: str) -> Callable[[ModelEntry], bool]:
    folded = word.casefold()
    if folded in NAMED:
        return NAMED[folded]
    if folded[0] in "<>":
        return _comparison(word, folded)
    return lambda model: any(
        folded in text.casefold() for text in (model.id, model.spec.name, model.spec.maker)
    )


def _comparison(word: str, folded: str) -> Callable[[ModelEntry], bool]:
    sign = folded[0]
    if window := _WINDOW.fullmatch(folded):
        tokens = float(window[1]) * _FACTORS[window[2]]
        return lambda model: _is_within(sign, model.spec.context_tokens, tokens)
    if price := _PRICE.fullmatch(folded):
        usd = Decimal(price[1])
        return lambda model: _is_within(sign, model.rates.output if model.rates else None, usd)
    raise OptionError(
        f"{word!r} is not a comparison that models can be filtered by",
        hint=">200k is a context window, <$ and an amount the price of a million answer tokens",
    )


def _is_within(sign: str, value: Decimal | float | None, limit: Decimal | float) -> bool:
    """Return whether a value is within a limit (inclusive); an unknown one never is."""
    if value is None:
        return False
    return value >= limit if sign == ">" else value <= limit
