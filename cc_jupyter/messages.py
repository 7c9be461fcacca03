"""What is said: the request, whatever wire format and provider it goes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cc_jupyter.answer_format import AnswerFormat
    from cc_jupyter.images import Image

Role: TypeAlias = Literal["user", "assistant"]
Endpoint: TypeAlias = Literal["/chat/completions", "/messages"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn's half."""

    role: Role
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """What steers the answer; `None` and empty are not sent."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """The most tokens the answer may have, reasoning included."""
    stop: tuple[str, ...] = ()
    effort: str | None = None
    """How hard to think, in the model's own words (`low`, `high`, `max`, …)."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Any other field of the body, as JSON values."""


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides the body of one request."""

    model: str
    endpoint: Endpoint
    messages: tuple[Message, ...]
    system: str | None = None
    parameters: Parameters = Parameters()
    answer_format: AnswerFormat | None = None
    """The form the answer shall have; `None`: any text."""
