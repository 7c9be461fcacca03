"""The repairs of a refused request: each is made once, says so, and changes as little as it can."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cc_jupyter.answer_format import is_thinking, weaker

if TYPE_CHECKING:
    from cc_jupyter.core.messages import Request
    from cc_jupyter.wire.refusal import Refusal


def repaired(refusal: Refusal, request: Request, first: Request) -> tuple[Request, str] | None:
    """Give the request to send once more and what to say of it; `None`: nothing can be repaired.

    Parameters
    ----------
    request
        The one that was refused.
    first
        The one it came from; what differs from it was repaired already.
    """
    ceiling = refusal.max_tokens_ceiling
    if ceiling and request.parameters == first.parameters:
        parameters = dataclasses.replace(request.parameters, max_tokens=ceiling)
        said = f"max_tokens lowered to {ceiling:,}, the most the model takes"
        return dataclasses.replace(request, parameters=parameters), said
    form = request.answer_format
    if form is None or form != first.answer_format:
        return None
    thinking = is_thinking(request.parameters.effort, request.parameters.extra)
    form = weaker(form, request.endpoint, refusal.error, thinking=thinking)
    if form is None:
        return None
    return dataclasses.replace(request, answer_format=form), form.notice
