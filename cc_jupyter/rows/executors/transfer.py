"""What travels between the kernel and its workers: requests there, answers back, never a key.

Everything here can be pickled. A worker finds its key in the places that `Target` names.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cc_jupyter.core.events import (
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cc_jupyter.client.client import Limits
    from cc_jupyter.client.endpoint import KeyPlaces
    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import Parameters, Request, ResponseFormat


class Target(NamedTuple):
    """Where all requests of a run go, and where a worker finds the key for it."""

    api_root: str
    """Ends in `/v1`."""
    served_by: str
    """`api`, or the host."""
    places: KeyPlaces


class Work(NamedTuple):
    """One request with everything decided; the worker only encodes and sends it."""

    id: int
    request: Request
    limits: Limits
    zdr: bool = False


class Outcome(NamedTuple):
    """What came of a request."""

    events: tuple[StreamEvent, ...] = ()
    """The events of the answer; neighbouring pieces of a text are one."""
    error: CcError | None = None
    """What the request raised; an answer that broke off has an event for it instead."""
    is_interrupted: bool = False
    requests_sent: int = 0
    """How often it was sent, repeats of every kind included."""
    answer_format: ResponseFormat | None = None
    """The format of the last request sent."""
    parameters: Parameters | None = None
    """The parameters of the last request sent; `None`: nothing was sent."""
    first_text_s: float | None = None
    """From sending to the first text or reasoning; `None`: neither arrived."""
    duration_s: float = 0.0
    """From sending to the end."""


class Stop(NamedTuple):
    """Asks a worker to interrupt requests."""

    ids: tuple[int, ...]


Message: TypeAlias = Work | Stop | None
"""What a worker is told; `None`: the run is over."""


class Fitness(NamedTuple):
    """What a worker says of itself before anything is sent to it."""

    name: str
    version: str
    """Its version of cc_jupyter; empty: it has none."""
    problem: str = ""
    """Why it cannot send, such as a missing key; empty: it can."""


def compact(events: Iterable[StreamEvent]) -> tuple[StreamEvent, ...]:
    """Return events without waits, with neighbouring pieces joined and the last usage alone."""
    shown = (event for event in events if not isinstance(event, Waiting))
    return tuple(_joined(list(group)) for _, group in groupby(shown, _kind))


def _kind(event: StreamEvent) -> object:
    """Return what neighbouring events have in common that become one."""
    match event:
        case TextDelta() | ReasoningDelta() | Usage():
            return type(event)
        case ToolCallDelta(index):
            return index
        case _:
            return id(event)


def _joined(events: list[StreamEvent]) -> StreamEvent:
    """Return one event in place of neighbours of one kind."""
    match events[0]:
        case TextDelta() | ReasoningDelta() as first:
            texts = [each.text for each in events if isinstance(each, TextDelta | ReasoningDelta)]
            return type(first)("".join(texts))
        case ToolCallDelta() as first:
            calls = [each for each in events if isinstance(each, ToolCallDelta)]
            arguments = "".join(each.arguments for each in calls)
            return ToolCallDelta(first.index, first.name, arguments)
        case _:
            return events[-1]
