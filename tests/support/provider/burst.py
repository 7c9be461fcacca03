"""Models that stream any number of tokens, at once or paced: `test/burst-20000@5ms`.

| model id | what it streams |
|---|---|
| `test/burst-20000` | 20,000 tokens at once, in chunks of some 16 kB, as a proxy gives them |
| `test/burst-20000@0ms` | the same at once, but each event in a chunk of its own |
| `test/burst-2000@5ms` | one token every 5 ms, each event in a chunk of its own |
| `claude-test-burst-2000@5ms` | the same on `/messages` |
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .chat import openai_json, openai_stream
from .claude import anthropic_json, anthropic_stream
from .prose import prose
from .script import Body, Pause, Script, Step, to_json
from .spoken import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID = re.compile(r"(?:test/|claude-test-)burst-(\d{1,7})(?:@(\d+(?:\.\d+)?)ms)?")
_CHUNK_BYTES = 16 * 1024
_MARK = "\0"


@dataclass(frozen=True, slots=True)
class Burst:
    """What a model id asks for."""

    model: str
    tokens: int
    pace_s: float | None
    """Seconds from one token to the next; `None`: at once, in large chunks."""

    @property
    def on_messages(self) -> bool:
        """Whether it is a model of `/messages`."""
        return self.model.startswith("claude-")


def parse(model: str) -> Burst | None:
    """Read a model id; `None`: it is no burst."""
    found = _ID.fullmatch(model)
    if found is None:
        return None
    pace_s = None if found[2] is None else float(found[2]) / 1000
    return Burst(model, int(found[1]), pace_s)


def stream(burst: Burst, input_tokens: int) -> Script:
    """Return the streamed answer."""
    before, mark, after = _around(burst, Tokens(input_tokens, burst.tokens))
    return (*before, *_middle(burst, mark), *after)


def whole(burst: Burst, input_tokens: int) -> Script:
    """Return the same answer in one piece."""
    text = "".join(prose(burst.tokens))
    usage = Tokens(input_tokens, burst.tokens)
    if burst.on_messages:
        return anthropic_json(text, usage=usage, model=burst.model)
    return openai_json(text, usage=usage, model=burst.model)


def _around(burst: Burst, usage: Tokens) -> tuple[Script, bytes, Script]:
    """Return what comes before the tokens, the event of one token, and what comes after."""
    if burst.on_messages:
        script = anthropic_stream(_MARK, usage=usage, model=burst.model)
    else:
        script = openai_stream(_MARK, usage=usage, model=burst.model)
    mark = to_json(_MARK).encode()
    for place, step in enumerate(script):
        if isinstance(step, Body) and mark in step.pieces[0]:
            return script[:place], step.pieces[0], script[place + 1 :]
    raise AssertionError("the stream lost its mark")


@functools.lru_cache(maxsize=8)
def _middle(burst: Burst, event: bytes) -> Script:
    before, _, after = event.partition(to_json(_MARK).encode())
    events = [before + to_json(token).encode() + after for token in prose(burst.tokens)]
    if burst.pace_s is None:
        return tuple(Body((b"".join(block),)) for block in _blocks(events))
    if burst.pace_s == 0:
        return tuple(Body(tuple(block)) for block in _blocks(events))
    steps: list[Step] = []
    for token_event in events:
        steps += (Pause(burst.pace_s), Body((token_event,)))
    return tuple(steps[1:])


def _blocks(events: list[bytes]) -> Iterator[list[bytes]]:
    if not events:
        return
    size = max(1, _CHUNK_BYTES // len(events[0]))
    for start in range(0, len(events), size):
        yield events[start : start + size]
