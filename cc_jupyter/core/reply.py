"""The reply: all events of an answer as one value, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import NO_USAGE, Source, StopReason, Usage
from cc_jupyter.core.money import NOTHING_BILLED, UNKNOWN_COST, Cost
from cc_jupyter.core.terminal import safe_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import Image


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model asked for; no tool is ever run."""

    name: str
    arguments: str
    """JSON text as received; it may be invalid or cut."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer belongs and which server gave it."""

    endpoint: str = ""
    served_by: str = "api"
    """`api`, `local`, `replay`, or the host."""
    served_model: str | None = None
    """The model that answered, if it is not the requested one (the local model)."""
    thread: str | None = None
    turn: int | None = None
    """The turn's number in its thread, from 1."""
    turn_id: str = ""
    """The turn's id in the history."""
    order: str = "execution"
    """The order of its conversation: `execution` or `document`."""
    request_sha256: str = ""
    """SHA-256 of the request body as sent."""
    request_key: str = ""
    """Equal for requests that ask for the same answer; see `core.request_key`."""
    sample: int | None = None
    """The request's number among equal ones of its execution, from 0."""
    grid: str | None = None
    """The id of the grid that the answer belongs to."""
    replayed_from: str | None = None
    """The cassette that the answer comes from; `None`: the provider sent it."""
    recorded_at: datetime | None = None
    """When a replayed answer was recorded; aware, UTC."""


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """One answer. `str(reply)` is its text; a notebook shows it as Markdown."""

    text: str
    reasoning: str
    """The model's reasoning, as far as it was sent; not part of `text`."""
    model: str
    """The requested model's id."""
    stop_reason: StopReason
    usage: Usage = NO_USAGE
    cost: Cost = UNKNOWN_COST
    error: CcError | KeyboardInterrupt | None = None
    """Why the answer is incomplete; `None` if it is complete."""
    time_to_first_token_s: float | None = None
    """From sending to the first text or reasoning; `None`: neither arrived. For a replayed answer
    it is the time when it was recorded, and so is `duration_s`."""
    duration_s: float = 0.0
    """From sending to the end."""
    stop_word: str | None = None
    """The provider's own word for the stop reason."""
    tool_calls: tuple[ToolCall, ...] = ()
    images: tuple[Image, ...] = ()
    """The images that the model made."""
    sources: tuple[Source, ...] = ()
    """What the answer refers to, in the order of its numbers."""
    notices: tuple[str, ...] = ()
    """What the user should know: retries, repairs, values that were cut."""
    provenance: Provenance = field(default_factory=Provenance)
    grid: Any = field(default=None, repr=False)
    """The grid of which this is the active answer; `None`: it is a single answer."""
    display: Callable[[Reply], None] | None = field(default=None, repr=False)
    """Displays the reply in a notebook; set by the creator, since `core` cannot import `render`."""

    @property
    def code(self) -> list[str]:
        """The contents of the fenced code blocks, in order."""
        from cc_jupyter.core.fences import fenced_blocks  # noqa: PLC0415  few answers' code is read

        return [block.code for block in fenced_blocks(self.text)]

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost in US dollars by the price list; `None`: unknown, not free.

        For a replayed answer it is what the answer cost when it was recorded.
        """
        return self.cost.usd

    @property
    def replayed(self) -> bool:
        """Whether the answer comes from a cassette, so that nothing was billed for it."""
        return self.provenance.replayed_from is not None

    @property
    def billed(self) -> Cost:
        """The cost that this session caused: nothing for a replayed answer."""
        return NOTHING_BILLED if self.replayed else self.cost

    def __str__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        if self.display is None:
            raise NotImplementedError  # makes IPython use the plain text
        self.display(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(safe_terminal(self.text))
