"""What the model picker shows of each model: plain rows, small enough to be sent once.

Every figure comes with its mark: `~` for what is computed from the user's own last prompt, `?` for
what nobody has published. Nothing here knows widgets; the browser shows these texts as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import format_usd
from cc_jupyter.models.filter import NAMED, blended_usd
from cc_jupyter.models.pricing import price
from cc_jupyter.render.usage_line import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cc_jupyter.conversation.speeds import Speed
    from cc_jupyter.models.catalog import Rates
    from cc_jupyter.models.registry import KnownModel

COLUMNS = (
    *("id", "name", "maker", "input", "output", "cost", "band", "window", "ceiling"),
    *("hottest", "endpoint", "efforts", "image", "reasons", "notes", "last", "speed", "words"),
)
"""What each row holds, in this order; `picker.js` reads them by these names."""

BANDS = ((Decimal(0), "free"), (Decimal(1), "low"), (Decimal(5), "middle"))
"""Up to which price of a million tokens of the answer, in USD, a band reaches."""

_HOTTEST = {"/messages": 1, "/chat/completions": 2}
"""The highest temperature of each wire format.

Source: OpenAI, API reference, "Create chat completion" (between 0 and 2); Anthropic, API
reference, "Messages" (from 0 to 1).
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is the user's own beside the models: their last prompt and what they measured."""

    now: datetime
    """When the next prompt would be sent, which decides on peak rates."""
    last: Usage | None = None
    """What was last reported for a prompt and its answer; `None`: nothing yet."""
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    """By model id."""


def picker_rows(models: Iterable[KnownModel], figures: Figures) -> list[list[Any]]:
    """Give a row for each model, its values as `COLUMNS` names them."""
    return [[row[name] for name in COLUMNS] for row in (_row(each, figures) for each in models)]


def ceiling_of(model: KnownModel) -> int | None:
    """Give the most tokens an answer of a model can have; `None`: not known."""
    most, window = model.spec.max_output_tokens, model.spec.context_tokens
    return most if most is None or window is None else min(most, window)


def most_tokens_of(model: KnownModel) -> int | None:
    """Give the most tokens that can be asked for: the ceiling, else the whole window."""
    ceiling = ceiling_of(model)
    return model.spec.context_tokens if ceiling is None else ceiling


def hottest_of(model: KnownModel) -> int:
    """Give the highest temperature a model takes."""
    return max((_HOTTEST[endpoint] for endpoint in model.spec.endpoints[:1]), default=2)


def _row(model: KnownModel, figures: Figures) -> dict[str, Any]:
    spec, rates = model.spec, model.rates
    return {
        "id": model.id,
        "name": spec.name,
        "maker": spec.maker,
        "input": _rate(rates.input if rates else None),
        "output": _rate(rates.output if rates else None),
        "cost": None if (usd := blended_usd(model)) is None else float(usd),
        "band": _band(rates),
        "window": spec.context_tokens,
        "ceiling": ceiling_of(model),
        "hottest": hottest_of(model),
        "endpoint": spec.endpoints[0] if spec.endpoints else "?",
        "efforts": list(spec.efforts),
        "image": spec.image_input,
        "reasons": spec.reasons,
        "notes": model.notes,
        "last": _last(model, figures),
        "speed": _speed(figures.speeds.get(model.id)),
        "words": [word for word, fits in NAMED.items() if fits(model)],
    }


def _rate(rate: Decimal | None) -> str:
    return "?" if rate is None else f"${rate.normalize():f}"


def _band(rates: Rates | None) -> str:
    """Give the price band by the answer's rate; a prompt that costs is never free."""
    if rates is None:
        return "?"
    free = not rates.input and not rates.output
    fitting = (name for most, name in BANDS if rates.output <= most and (most or free))
    return next(fitting, "high")


def _last(model: KnownModel, figures: Figures) -> str:
    """Give what the last prompt and its answer would cost here, all of it without cache."""
    if figures.last is None:
        return ""
    usage = Usage(figures.last.input_tokens, figures.last.output_tokens)
    usd = price(model.spec, usage, figures.now, price_date=model.spec.price_date).usd
    return "?" if usd is None else f"~{format_usd(usd)}"


def _speed(speed: Speed | None) -> str:
    if speed is None:
        return ""
    rate = "" if speed.tokens_per_s is None else f"{speed.tokens_per_s:,.0f} tok/s · "
    of = "your last answer" if speed.answers == 1 else f"median of your last {speed.answers}"
    return f"{rate}{seconds(speed.first_token_s)} to first token ({of})"
