"""A question with everything decided: which request goes out. Nothing here sends anything."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cc_jupyter.answer_format import is_thinking
from cc_jupyter.errors import OptionError
from cc_jupyter.images import check_images
from cc_jupyter.messages import Message, Parameters, Request
from cc_jupyter.models import LOCAL, Model
from cc_jupyter.wire.anthropic import DEFAULT_MAX_TOKENS, LARGEST_MAX_TOKENS

if TYPE_CHECKING:
    from cc_jupyter.conversation import Thread, TurnKey
    from cc_jupyter.images import Image
    from cc_jupyter.settings import Settings
    from cc_jupyter.target import Target
    from cc_jupyter.typed import Capture


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks, as the options and the prompt say it."""

    prompt: str
    """To the letter as it goes out."""
    images: tuple[Image, ...] = ()
    model: str | None = None
    system: str | None = None
    """`None`: as the thread has it; empty: none from now on."""
    parameters: Parameters = field(default_factory=Parameters)
    thread: str | None = None
    """`None`: the current one."""
    new: bool = False
    once: bool = False
    key_env: str | None = None
    zdr: bool = False
    turn_key: TurnKey | None = None
    capture: Capture | None = None
    """What the answer shall become; `None`: it is text."""
    notices: tuple[str, ...] = ()
    """What the reader of the answer should know about the prompt (a value was cut)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A question with everything decided; nothing has been sent."""

    question: Question
    request: Request
    model: Model
    target: Target
    settings: Settings
    thread: Thread | None
    """`None`: the turn leaves no trace in any conversation."""
    place: int | None = None
    """The turn's place in its thread, where it has one already."""

    @property
    def zdr(self) -> bool:
        """Whether zero data retention is asked for."""
        return self.question.zdr or self.settings.zdr


def build_request(
    question: Question, settings: Settings, model: Model, thread: Thread | None
) -> Request:
    """Put the question behind what its thread has before it."""
    past = thread.past(question.turn_key, anew=question.new) if thread else None
    before = past.messages if past else ()
    system = question.system
    if system is None and past is not None:
        system = past.system
    parameters = _parameters(question.parameters, settings, model)
    form = None
    if question.capture is not None:
        thinking = is_thinking(parameters.effort, parameters.extra)
        form = question.capture.format_for(model.endpoint, thinking=thinking)
    return Request(
        model=model.id,
        endpoint=model.endpoint,
        messages=(*before, Message("user", question.prompt, question.images)),
        system=system or None,
        parameters=parameters,
        answer_format=form,
    )


def check_sight(request: Request, target: Target, model: Model) -> None:
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


def _parameters(given: Parameters, settings: Settings, model: Model) -> Parameters:
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
