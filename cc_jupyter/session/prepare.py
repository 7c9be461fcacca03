"""A question with everything decided: which request goes out. Nothing here sends anything."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from cc_jupyter.client.anthropic import DEFAULT_MAX_TOKENS, LARGEST_MAX_TOKENS
from cc_jupyter.client.image_limits import check_images
from cc_jupyter.client.structured_output import is_thinking, preferred_format
from cc_jupyter.conversation.turns import Context
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import Message, Parameters, PromptSpec, Request
from cc_jupyter.core.money import Cost
from cc_jupyter.models.pricing import price
from cc_jupyter.models.registry import LOCAL, ResolvedModel

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.client.endpoint import Endpoint
    from cc_jupyter.config.settings import Settings
    from cc_jupyter.conversation.document_order import CellOrder
    from cc_jupyter.conversation.thread import Thread
    from cc_jupyter.conversation.turns import Turn
    from cc_jupyter.core.events import Usage


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A question with everything decided; nothing has been sent."""

    question: PromptSpec
    request: Request
    model: ResolvedModel
    target: Endpoint
    settings: Settings
    thread: Thread | None
    """`None`: the turn leaves no trace in any conversation."""
    past: Context = field(default_factory=Context)
    """What is sent along."""
    page: CellOrder | None = None
    """Whose order decided on that; `None`: the order of execution."""
    place: int | None = None
    """The turn's place in its thread, where it has one already."""
    beginning: str = ""
    """What the answer begins with: an earlier one that was cut, and is carried on."""

    @property
    def order(self) -> str:
        """By what the conversation was ordered: `execution` or `document`."""
        return "execution" if self.page is None else "document"

    @property
    def zdr(self) -> bool:
        """Whether zero data retention is asked for."""
        return self.question.zdr or self.settings.zdr


_GO_ON = (
    "Your last message was cut off. Go on exactly where it ends, in the middle of a word if that is"
    " where it ends. Repeat nothing and say nothing about it."
)
"""Asks for the rest of an answer: models refuse or ignore an answer of their own as the last
message, so on both wires it is asked for in words."""


def continuation_context(past: Context, turn: Turn) -> tuple[Context, str]:
    """Return what stands before, and what is said, to get the rest of an answer that was cut."""
    said = (Message("user", turn.prompt, turn.images), Message("assistant", turn.answer))
    system = past.system if turn.system is None else turn.system
    return Context((*past.messages, *said), system or None, past.turns), _GO_ON


def build_request(
    question: PromptSpec, settings: Settings, model: ResolvedModel, past: Context | None
) -> Request:
    """Put the question behind what its thread has before it."""
    before = past.messages if past else ()
    system = question.system
    if system is None and past is not None:
        system = past.system
    parameters = _parameters(question.parameters, settings, model)
    form = question.answer_format
    if form is not None:
        thinking = is_thinking(parameters.effort, parameters.extra)
        form = preferred_format(form, model.endpoint, thinking=thinking)
    return Request(
        model=model.id,
        endpoint=model.endpoint,
        messages=(*before, Message("user", question.prompt, question.images)),
        system=system or None,
        parameters=parameters,
        answer_format=form,
    )


def plan_cost(
    plan: PreparedRequest, usage: Usage, sent_at: datetime, *, doubtful: bool = False
) -> Cost:
    """Price a usage, which may be doubtful; the local model is free."""
    if plan.target.served_by == LOCAL:
        return Cost(Decimal(0), "reported", None)
    return price(
        plan.model.spec,
        usage,
        sent_at,
        price_date=plan.model.spec.price_date if plan.model.spec else None,
        estimated=doubtful or plan.zdr,  # whose upstream may cost more than the list says
    )


def check_image_support(request: Request, target: Endpoint, model: ResolvedModel) -> None:
    """Refuse images that the model cannot see, or that no request can carry."""
    images = [image for message in request.messages for image in message.images]
    if not images:
        return
    blind = model.spec is not None and not model.spec.image_input
    if blind or target.served_by == LOCAL:
        raise OptionError(
            f"{model.id} takes no images, and {images[0].described} would go with this request",
            hint="choose a model that sees: %cmd models image; --new leaves earlier images out",
        )
    check_images(images, request.endpoint)


def _parameters(given: Parameters, settings: Settings, model: ResolvedModel) -> Parameters:
    """Fill in what the settings say, and the output ceiling that `/messages` insists on."""
    filled = {
        name: getattr(settings, name)
        for name in ("temperature", "top_p", "max_tokens", "effort")
        if getattr(given, name) is None and getattr(settings, name) is not None
    }
    parameters = dataclasses.replace(given, **filled)
    if parameters.max_tokens is None and model.endpoint == "/messages":
        ceiling = model.spec.max_output_tokens if model.spec else None
        most = min(ceiling, LARGEST_MAX_TOKENS) if ceiling else DEFAULT_MAX_TOKENS
        parameters = dataclasses.replace(parameters, max_tokens=most)
    return parameters
