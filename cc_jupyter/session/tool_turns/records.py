"""The steps of a turn as one reply, and as the history stores them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cc_jupyter.core.events import NO_USAGE
from cc_jupyter.core.money import NOTHING_BILLED
from cc_jupyter.core.reply import Reply
from cc_jupyter.core.steps import Step
from cc_jupyter.core.steps.totals import total_cost, total_usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cc_jupyter.core.messages import AnswerPart


def paid_for(
    steps: Iterable[Step], model: str, *, text: str = "", notices: tuple[str, ...] = ()
) -> Reply:
    """Return the steps that another version of a turn begins with: they cost nothing more.

    Parameters
    ----------
    text
        The answer if the requests that follow bring none.
    """
    nothing = dataclasses.replace(NO_USAGE, input_tokens=0, output_tokens=0)
    return Reply(
        text=text,
        reasoning="",
        model=model,
        stop_reason="unknown",
        usage=nothing,
        cost=NOTHING_BILLED,
        notices=notices,
        steps=tuple(
            dataclasses.replace(step, usage=nothing, cost=NOTHING_BILLED) for step in steps
        ),
    )


def step_of(reply: Reply, parts: tuple[AnswerPart, ...], body: bytes, asked: str = "") -> Step:
    """Return the reply to one request as a step, with its answer in parts and the body sent."""
    return Step(
        reply.model,
        parts,
        reasoning=reply.reasoning,
        stop_reason=reply.stop_reason,
        error=None if reply.error is None else f"{type(reply.error).__name__}: {reply.error}",
        usage=reply.usage,
        cost=reply.cost,
        time_to_first_token_s=reply.time_to_first_token_s,
        duration_s=reply.duration_s,
        request_sha256=reply.provenance.request_sha256,
        request_key=reply.provenance.request_key,
        sample=reply.provenance.sample,
        body=body or None,
        asked=asked,
    )


def reply_of_steps(reply: Reply, step: Step, earlier: Reply | None) -> Reply:
    """Return one reply for a turn: the last text, and the sums of all requests.

    Parameters
    ----------
    reply
        The reply to the last request.
    step
        The same, as a step.
    earlier
        The reply of the steps before it; `None`: it is the first.
    """
    if earlier is None:
        return dataclasses.replace(reply, steps=(step,), tool_calls=step.open_calls)
    steps = (*earlier.steps, step)
    first_s = earlier.time_to_first_token_s
    return dataclasses.replace(
        reply,
        text=reply.text or earlier.text,
        reasoning="\n\n".join(filter(None, (earlier.reasoning, reply.reasoning))),
        usage=total_usage([each.usage for each in steps]),
        cost=total_cost([each.cost for each in steps]),
        time_to_first_token_s=reply.time_to_first_token_s if first_s is None else first_s,
        duration_s=earlier.duration_s + reply.duration_s,
        images=(*earlier.images, *reply.images),
        sources=(*earlier.sources, *reply.sources),
        notices=(*earlier.notices, *reply.notices),
        steps=steps,
        tool_calls=step.open_calls,
    )
