"""Grids of made-up answers, as a finished run leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import StreamError
from cc_jupyter.core.messages import Parameters, PromptSpec
from cc_jupyter.core.money import Cost
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.core.text import new_id
from cc_jupyter.experiments.grid import Grid, GridAnswer
from cc_jupyter.experiments.plan import Combination, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HAIKU, FLASH = "claude-haiku-5-5", "deepseek/deepseek-v4-flash"


def made_up_grid(
    answer: Callable[[Combination, int], str | Reply | None] | None = None,
    *,
    prompts: Sequence[str] = ("Why is the sky blue?",),
    samples: int = 1,
    is_blind: bool = True,
    **options: Sequence[Any],
) -> Grid:
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
    for index, values in enumerate(product(*varied.values())):
        own = dict(zip(varied, values, strict=True))
        spec = PromptSpec(
            own.get("topic", prompts[0]),
            model=own.get("model", FLASH),
            system=own.get("system"),
            parameters=Parameters(temperature=own.get("temperature")),
        )
        combinations.append(Combination(index, own, spec, None))
    plan = Plan(new_id(), tuple(combinations), samples, options=varied)
    answers = []
    for combination, sample in plan.cells:
        text = f"Answer {combination.index}.{sample}"
        if answer is not None:
            text = answer(combination, sample)
        if isinstance(text, Reply):
            answers.append(GridAnswer(combination, sample, text, text.text))
            continue
        reply = Reply(
            text or "",
            "",
            combination.spec.model or "",
            "stop",
            cost=Cost(Decimal("0.001") * (1 + combination.index), "reported", None),
            error=StreamError("the stream was cut") if text is None else None,
            provenance=Provenance(turn_id=new_id(), sample=sample, grid=plan.id),
        )
        answers.append(GridAnswer(combination, sample, reply, text))
    return Grid(plan, tuple(answers), datetime(2026, 11, 30, tzinfo=UTC), 1.0, is_blind)
