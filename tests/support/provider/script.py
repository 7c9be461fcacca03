"""The steps a response is made of, and the small words that build them.

A script is a tuple of steps, so scripts add, slice and nest: `stream[:4] + (cut(),)` is an answer
that breaks off. What is played may also be an answer: a function that is given the record of the
request and gives the script, for what depends on the endpoint that was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from threading import Event

    from .record import Record

Framing: TypeAlias = Literal["chunked", "close", "given"]
EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    framing: Framing
    """`close`: the body ends with the connection; `given`: the headers say how it ends."""


@dataclass(frozen=True, slots=True)
class Body:
    """Pieces of the body, each a chunk of its own under `chunked`, handed over in one go."""

    pieces: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for the socket as they stand, with no framing: HTTP that is no HTTP."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence. Pauses in a row with small sends between them keep their pace and do not drift."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence until an event is set; a name stands for the provider's gate of that name."""

    event: Event | str


@dataclass(frozen=True, slots=True)
class Mark:
    """A step without a parameter."""

    what: Literal["end", "cut", "reset", "hang", "before reading"]


Step: TypeAlias = Head | Body | Raw | Pause | Wait | Mark
Script: TypeAlias = tuple[Step, ...]
Answer: TypeAlias = Callable[["Record"], Script]
Playable: TypeAlias = Step | Iterable[Step] | Answer


def head(
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str | None = EVENT_STREAM,
    framing: Framing = "chunked",
) -> Head:
    """Begin a response; a body without a head gets `head()`."""
    pairs = dict(headers or {})
    if content_type is not None:
        pairs = {"content-type": content_type} | pairs
    return Head(status, tuple(pairs.items()), framing)


def body(data: bytes | str) -> Body:
    """Send one piece of the body."""
    return Body((data.encode() if isinstance(data, str) else data,))


def pieces(data: bytes, size: int) -> Script:
    """Send the body in pieces of `size` bytes: a recording cut at every place."""
    return tuple(body(data[start : start + size]) for start in range(0, len(data), size))


def sse(data: object, event: str | None = None) -> Body:
    """Send one server-sent event; what is no text is written as JSON."""
    text = data if isinstance(data, str) else to_json(data)
    name = "" if event is None else f"event: {event}\n"
    return body(f"{name}data: {text}\n\n")


def raw(data: bytes | str) -> Raw:
    """Send bytes past all framing."""
    return Raw(data.encode() if isinstance(data, str) else data)


def pause(pause_s: float) -> Pause:
    """Be silent for `pause_s` seconds."""
    return Pause(pause_s)


def wait(event: Event | str) -> Wait:
    """Be silent until `event` is set; a text names a gate of the provider."""
    return Wait(event)


def end() -> Mark:
    """Finish the body now; only needed when something follows, as in `end(), cut()`."""
    return Mark("end")


def cut() -> Mark:
    """Close the connection. As the only step: hang up on a request that was read."""
    return Mark("cut")


def reset() -> Mark:
    """Close the connection with a TCP reset."""
    return Mark("reset")


def hang() -> Mark:
    """Hold the connection open until the client leaves or the provider closes."""
    return Mark("hang")


def before_reading() -> Mark:
    """As the first step: play the script on the next POST without reading it, then close."""
    return Mark("before reading")


def http(
    status: int,
    content: bytes | str | Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str = "application/json",
) -> Script:
    """Return a whole response with a `content-length`; a mapping is written as JSON."""
    if isinstance(content, Mapping):
        content = to_json(content)
    data = content.encode() if isinstance(content, str) else content
    length = {"content-length": str(len(data))} | dict(headers or {})
    return (head(status, length, content_type=content_type, framing="given"), body(data))


def to_json(value: object) -> str:
    """Write JSON the way services do: no blanks, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def flatten(steps: Iterable[Playable], record: Record) -> Script:
    """Return the steps of a script that is about to be played for `record`."""
    flat: list[Step] = []
    for step in steps:
        if callable(step):
            flat += step(record)
        elif isinstance(step, Head | Body | Raw | Pause | Wait | Mark):
            flat.append(step)
        else:
            flat += step
    return tuple(flat)
