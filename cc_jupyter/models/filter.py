"""Choosing among models by words: part of a name, an ability, a window, a price."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cc_jupyter.models.registry import ModelEntry


PROMPT_SHARE = 3
"""How many tokens of prompt stand beside one of answer where one figure is to tell the price."""
CHEAP_USD = Decimal("0.50")
"""What is called cheap costs less for a million tokens, mixed by `PROMPT_SHARE`."""

_WINDOW = re.compile(r"[<>]=?(\d+(?:\.\d+)?)([km]?)")
_PRICE = re.compile(r"[<>]=?\$(\d+(?:\.\d+)?)")
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


def blended_usd(model: ModelEntry) -> Decimal | None:
    """Return the price of a million tokens of everyday use; `None` if no price is known."""
    if model.rates is None:
        return None
    return (PROMPT_SHARE * model.rates.input + model.rates.output) / (PROMPT_SHARE + 1)


def is_free(model: ModelEntry) -> bool:
    """Return whether prompt and answer are known to cost nothing."""
    return model.spec.is_free


def is_cheap(model: ModelEntry) -> bool:
    """Return whether a model is known to cost little or nothing."""
    usd = blended_usd(model)
    return usd is not None and usd < CHEAP_USD


NAMED: Mapping[str, Callable[[ModelEntry], bool]] = {
    "free": is_free,
    "cheap": is_cheap,
    "image": lambda model: model.spec.image_input,
    "reasoning": lambda model: model.spec.reasons,
    "zdr": lambda model: model.spec.zdr and bool(model.spec.tiers),
    "mine": lambda model: model.is_own,
    "messages": lambda model: "/messages" in model.spec.endpoints,
    "chat": lambda model: "/chat/completions" in model.spec.endpoints,
}
"""The words that mean an ability; all others are looked for in id, name and maker."""

ORDERS: Mapping[str, Callable[[ModelEntry], tuple[object, ...]]] = {
    "name": lambda model: (model.spec.name.casefold(),),
    "price": lambda model: ((usd := blended_usd(model)) is None, usd or Decimal(0)),
    "window": lambda model: (-(model.spec.context_tokens or 0),),
}
"""The sort keys of a list; unknown values come last."""


def matching(
    models: Iterable[ModelEntry], words: Sequence[str], sort: str | None = None
) -> list[ModelEntry]:
    """Return the models that fit every word.

    Parameters
    ----------
    words
        Part of an id, name or maker; a name of `NAMED`; a window such as `>200k`; a price of the
        answer such as `<$1`.
    sort
        A name of `ORDERS`; `None`: as they come, but with `cheap` cheapest first.

    Raises
    ------
    OptionError
        A word begins as a comparison and is none.
    """
    tests = [_test(word) for word in words]
    found = [model for model in models if all(fits(model) for fits in tests)]
    if sort is None and "cheap" in (word.casefold() for word in words):
        sort = "price"
    return found if sort is None else sorted(found, key=ORDERS[sort])


def hint_for(words: Sequence[str], models: Iterable[ModelEntry]) -> str:
    """Return a hint for words that no model matches all of."""
    models = list(models)
    lost = next((word for word in words if not matching(models, [word])), "")
    known = [*NAMED, *(model.id for model in models)]
    for model in models:  # a maker or family that is mistyped is far from every whole id
        known += [model.spec.maker, *re.split(r"[/:]", model.id)]
    return did_you_mean(lost, known) or "fewer words find more"


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
        return lambda model: _lies(sign, model.spec.context_tokens, tokens)
    if price := _PRICE.fullmatch(folded):
        usd = Decimal(price[1])
        return lambda model: _lies(sign, model.rates.output if model.rates else None, usd)
    raise OptionError(
        f"{word!r} compares nothing that models have",
        hint=">200k is a context window, <$ and an amount the price of a million answer tokens",
    )


def _lies(sign: str, value: Decimal | float | None, limit: Decimal | float) -> bool:
    """Compare, limit included; an unknown value never matches."""
    if value is None:
        return False
    return value >= limit if sign == ">" else value <= limit
