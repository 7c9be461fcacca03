"""Plans and grids with made-up answers."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, date, datetime
from decimal import Decimal

from cc_jupyter.core.errors import RateLimitError, StreamError
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.core.money import NOTHING_BILLED, Cost
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.core.text import new_id
from cc_jupyter.experiments.grid import Grid, GridAnswer
from cc_jupyter.experiments.plan import Combination, Plan
from cc_jupyter.prompt.option_line.values import VARIED_FIELDS

HAIKU, FLASH = "claude-haiku-5-5", "deepseek/deepseek-v4-flash"
GRID_ID = "0123456789abcdef0123456789abcdef"
MODELS = ("claude-haiku-5-5", "deepseek/deepseek-v4-flash", "gpt-6-mini")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
WORDS = (
    *("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "thinks"),
    *("about", "language", "models"),
)


def prose(words):
    """Return a text of so many words, in paragraphs."""
    return "\n\n".join(
        " ".join(itertools.islice(itertools.cycle(WORDS), at % 7, at % 7 + min(100, words - at)))
        for at in range(0, words, 100)
    )


def plan(samples=1, checks=(), output_type=None, error=None, **options):
    """Return a plan; `options` are those that vary, `error` is that of the last combination."""
    options = options or {"model": MODELS}
    combinations = []
    for index, values in enumerate(itertools.product(*options.values())):
        chosen = dict(zip(options, values, strict=True))
        varied = {name: value for name, value in chosen.items() if name not in VARIED_FIELDS}
        spec = PromptSpec(
            " ".join(["Explain", *map(str, varied.values())]),
            model=chosen.get("model"),
            system=chosen.get("system"),
        )
        combinations.append(Combination(index, chosen, spec, None))
    if error is not None:
        last = combinations[-1]
        combinations[-1] = Combination(last.index, last.options, last.spec, None, error)
    return Plan(GRID_ID, tuple(combinations), samples, tuple(checks), output_type, options)


def reply(text, *, usd="0.0012", error=None, turn="", **fields):
    """Return a reply with plausible figures."""
    refused = error is not None and not text
    return Reply(
        text,
        "",
        fields.pop("model", "m"),
        fields.pop("stop_reason", "stop" if error is None else "error"),
        usage=Usage() if refused else fields.pop("usage", Usage(120, 40)),
        cost=NOTHING_BILLED
        if refused
        else fields.pop("cost", Cost(Decimal(usd), "reported", date(2026, 11, 1))),
        error=error,
        time_to_first_token_s=None if refused else 0.42,
        duration_s=2.0,
        provenance=Provenance(
            "/messages",
            turn_id=turn,
            request_key="" if refused else hashlib.sha256(text.encode()).hexdigest(),
        ),
        **fields,
    )


def grid(a_plan, texts, *, values=None, checks=(), is_blind=False):
    """Return a grid; a text may be a `Reply`, `checks` are functions of the text."""
    answers = []
    for at, (combination, sample) in enumerate(a_plan.cells):
        given = texts[at % len(texts)]
        made = given if isinstance(given, Reply) else reply(given, turn=f"turn{at}")
        value = None if made.error else made.text
        if values is not None and not made.error:
            value = values[at % len(values)]
        results = () if made.error else tuple(check(made.text) for check in checks)
        answers.append(GridAnswer(combination, sample, made, value, results))
    return Grid(a_plan, tuple(answers), NOON, 4.2, is_blind=is_blind)


def too_many():
    return RateLimitError("too many requests: the limit is 5 a minute", hint="wait a little")


def made_up_grid(
    answer=None, *, prompts=("Why is the sky blue?",), samples=1, is_blind=True, **options
):
    """Return a grid of all combinations of some options.

    Parameters
    ----------
    answer
        Returns each answer or its text; `None` where the request failed.
    prompts
        With several, they are the values of `--vary topic=…`.
    """
    options = options or {"model": (HAIKU, FLASH)}
    varied = {**options, **({"topic": tuple(prompts)} if len(prompts) > 1 else {})}
    combinations = []
    for index, values in enumerate(itertools.product(*varied.values())):
        own = dict(zip(varied, values, strict=True))
        spec = PromptSpec(
            own.get("topic", prompts[0]),
            model=own.get("model", FLASH),
            system=own.get("system"),
            parameters=Parameters(temperature=own.get("temperature")),
        )
        combinations.append(Combination(index, own, spec, None))
    made_plan = Plan(new_id(), tuple(combinations), samples, options=varied)
    answers = []
    for combination, sample in made_plan.cells:
        text = f"Answer {combination.index}.{sample}"
        if answer is not None:
            text = answer(combination, sample)
        if isinstance(text, Reply):
            answers.append(GridAnswer(combination, sample, text, text.text))
            continue
        made = Reply(
            text or "",
            "",
            combination.spec.model or "",
            "stop",
            cost=Cost(Decimal("0.001") * (1 + combination.index), "reported", None),
            error=StreamError("the stream was cut") if text is None else None,
            provenance=Provenance(turn_id=new_id(), sample=sample, grid=made_plan.id),
        )
        answers.append(GridAnswer(combination, sample, made, text))
    return Grid(made_plan, tuple(answers), NOON, 1.0, is_blind)
