"""What came back: events folded into one value, and what is known about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.events import (
    NO_USAGE,
    StopReason,
    Usage,
)
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.terminal import safe_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from cc_jupyter.core.errors import CcError


_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[^\n`]*\n"
    r"(?P<code>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asked for; nothing here ever runs one."""

    name: str
    arguments: str
    """JSON text as it came; it may be invalid or cut."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer belongs and who gave it."""

    endpoint: str = ""
    served_by: str = "api"
    """`api`, `local`, `replay`, or the host."""
    served_model: str | None = None
    """The model that answered, where it is not the one asked for (the local model)."""
    thread: str | None = None
    turn: int | None = None
    """The turn's place in its thread, from 1."""
    turn_id: str = ""
    """The turn's name in the history."""
    order: str = "execution"
    """By what its conversation was ordered: `execution` or `document`."""
    request_sha256: str = ""
    """Of the body as it was sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """One answer. `str(reply)` is its text; in a notebook it shows as Markdown."""

    text: str
    reasoning: str
    """The model's thinking, as far as it was sent; no part of `text`."""
    model: str
    """The id asked for."""
    stop_reason: StopReason
    usage: Usage = NO_USAGE
    cost: Cost = UNKNOWN_COST
    error: CcError | KeyboardInterrupt | None = None
    """Why the answer is not whole; `None` if it is."""
    time_to_first_token_s: float | None = None
    """From sending to the first text or reasoning; `None`: neither came."""
    duration_s: float = 0.0
    """From sending to the end."""
    stop_word: str | None = None
    """The provider's own word for the stop reason."""
    tool_calls: tuple[ToolCall, ...] = ()
    notices: tuple[str, ...] = ()
    """What the user should know: repeats, repairs, values that were cut."""
    provenance: Provenance = field(default_factory=Provenance)
    display: Callable[[Reply], None] | None = field(default=None, repr=False)
    """How it shows itself in a notebook; set by whoever made it, since the screen is above us."""

    @property
    def code(self) -> list[str]:
        """The contents of the fenced code blocks, in order."""
        return code_blocks(self.text)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the request cost in US dollars by the price table; `None` is unknown, not free."""
        return self.cost.usd

    def __str__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        if self.display is None:
            raise NotImplementedError  # IPython's word for "use the plain text"
        self.display(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(safe_terminal(self.text))


def code_blocks(text: str) -> list[str]:
    """Return the contents of the fenced code blocks of an answer, in order."""
    return [_dedent(found["code"], found["indent"]) for found in _FENCE.finditer(text)]


def _dedent(code: str, indent: str) -> str:
    if not indent:
        return code
    return "\n".join(line.removeprefix(indent) for line in code.split("\n"))
