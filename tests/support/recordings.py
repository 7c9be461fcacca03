"""The recordings in `cases/`, and what is made of bytes: for the tests of the wire.

A recording is the body of a 200 response to the byte. A stream says in its first lines where its
behaviour was seen; `cases/expected.toml` says that for other bodies, and what must come out.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.reply_builder import ReplyBuilder
from cc_jupyter.client.sse import frame
from cc_jupyter.client.wire_formats import WIRE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cc_jupyter.core.events import StreamEvent, Usage
    from cc_jupyter.core.messages import ApiPath
    from cc_jupyter.core.reply import Reply

FOLDER = Path(__file__).parents[1] / "client" / "cases"
ENDPOINTS: dict[str, ApiPath] = {"openai": "/chat/completions", "anthropic": "/messages"}
_FIGURES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}


@dataclass(frozen=True)
class Outcome:
    """What a user can see of an answer."""

    text: str = ""
    reasoning: str = ""
    stop: str = "stop"
    word: str | None = None
    error: str | None = None
    code: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    calls: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One body and what must come out of it."""

    name: str
    body: bytes
    row: str
    """The row or section of provider-api.md."""
    seen: str
    """Where the behaviour was met."""
    expected: Outcome

    @property
    def wire(self) -> str:
        return self.name.partition("-")[0]

    @property
    def endpoint(self) -> ApiPath:
        return ENDPOINTS[self.wire]


def load_recordings() -> list[Recording]:
    """Read every recording; one without an expectation, or the reverse, is a mistake."""
    expected = tomllib.loads((FOLDER / "expected.toml").read_text("utf-8"))
    bodies = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("[a-z]*-*"))}
    assert bodies.keys() == expected.keys(), bodies.keys() ^ expected.keys()
    return [_recording(name, bodies[name], dict(expected[name])) for name in expected]


def _recording(name: str, body: bytes, fields: dict[str, Any]) -> Recording:
    row = fields.pop("row")
    seen = fields.pop("seen", None) or _first_comment(body)
    fields["calls"] = tuple(map(tuple, fields.pop("calls", ())))
    fields["sources"] = tuple(map(tuple, fields.pop("sources", ())))
    fields["notices"] = tuple(fields.pop("notices", ()))
    return Recording(name, body, row, seen, Outcome(**fields))


def _first_comment(body: bytes) -> str:
    line = body.decode("utf-8-sig", "replace").splitlines()[0]
    assert line.startswith(": Seen: "), "a stream says first where it was seen"
    return line.removeprefix(": Seen: ")


def events_of(endpoint: ApiPath, chunks: Iterable[bytes]) -> list[StreamEvent]:
    """Read an answer that arrives in `chunks`."""
    reader = AnswerReader(WIRE_FORMATS[endpoint].decoder())
    return [*read_chunks(reader, chunks), *reader.close()]


def read_chunks(reader: AnswerReader, chunks: Iterable[bytes]) -> list[StreamEvent]:
    """Frame chunks and read them, as far as the answer goes."""
    events: list[StreamEvent] = []
    frame(_while_open(reader, chunks), lambda part: events.extend(reader.read(part)))
    return events


def _while_open(reader: AnswerReader, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        if reader.done:
            return


def outcome_of(events: Iterable[StreamEvent]) -> Outcome:
    """Fold events as a cell does."""
    builder = ReplyBuilder(lambda: 0.0)
    for event in events:
        builder.add(event)
    return _outcome(builder.build("a-model"))


def _outcome(reply: Reply) -> Outcome:
    return Outcome(
        text=reply.text,
        reasoning=reply.reasoning,
        stop=reply.stop_reason,
        word=reply.stop_word,
        error=None if reply.error is None else str(reply.error),
        code=getattr(reply.error, "code", None),
        usage=_figures(reply.usage),
        calls=tuple((call.name, call.arguments_json) for call in reply.tool_calls),
        sources=tuple((source.title, source.url) for source in reply.sources),
        notices=reply.notices,
    )


def _figures(usage: Usage) -> dict[str, int]:
    tokens = {name: getattr(usage, member) for name, member in _FIGURES.items()}
    return {name: value for name, value in tokens.items() if value is not None}
