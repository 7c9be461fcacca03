"""What a recorded response says once it is decoded, to compare two recordings of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from cc_jupyter.client.decoder import AnswerReader
from cc_jupyter.client.errors.error_body import parse_refusal
from cc_jupyter.client.sse import frame
from cc_jupyter.client.token_counts import with_header_cost
from cc_jupyter.client.wire_formats import WIRE_FORMATS
from cc_jupyter.core.events import (
    NO_USAGE,
    Error,
    OutputImage,
    ReasoningDelta,
    Source,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cc_jupyter.cassettes.recording import RecordedResponse, Recording
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import ApiPath


_OK = 200


class DecodedAnswer(NamedTuple):
    """What an answer says, however the network cut it into pieces."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[int, str, str], ...] = ()
    """Number, name and arguments of each tool call."""
    others: tuple[OutputImage | Source, ...] = ()
    usage: Usage = NO_USAGE
    ending: Stop | Error | None = None
    cut: str | None = None
    """How the network cut it off, or that we stopped reading; `None`: it ended as announced."""


def same_answer(one: Recording, other: Recording) -> bool:
    """Return whether two recordings of a request decode to the same answer or refusal."""
    first, second = one.last, other.last
    if first.status != second.status:
        return False
    if first.content == second.content and _cut(first) == _cut(second):
        return first.status == _OK or first.headers == second.headers
    if first.status != _OK:
        words, others = (parse_refusal(each.content, ()) for each in (first, second))
        return (words.message, words.code, words.kind) == (others.message, others.code, others.kind)
    return decoded_answer(one) == decoded_answer(other)


def is_answered(recording: Recording) -> bool:
    """Return whether a recording holds an answer that came to its end."""
    if recording.last.status != _OK or recording.last.failure is not None:
        return False
    return isinstance(decoded_answer(recording).ending, Stop)


def decoded_answer(recording: Recording) -> DecodedAnswer:
    """Decode the last response of a recording, which has the status 200."""
    response = recording.last
    reader = AnswerReader(WIRE_FORMATS[cast("ApiPath", recording.endpoint)].decoder(str))
    events: list[StreamEvent] = []
    frame(
        (piece for _, piece in response.body if not reader.done),
        lambda part: events.extend(reader.read(part)),
    )
    was_done = reader.done
    events += reader.close()
    answer = _folded(with_header_cost(response.headers, events))
    # behind the end mark nothing matters, nor whether somebody waited for it
    return answer if was_done else answer._replace(cut=_cut(response))


def _folded(events: Iterable[StreamEvent]) -> DecodedAnswer:
    text: list[str] = []
    reasoning: list[str] = []
    calls: dict[int, tuple[str, str]] = {}
    others: list[OutputImage | Source] = []
    usage, ending = NO_USAGE, None
    for event in events:
        match event:
            case TextDelta(piece):
                text.append(piece)
            case ReasoningDelta(piece):
                reasoning.append(piece)
            case ToolCallDelta(index, name, arguments):
                known, earlier = calls.get(index, ("", ""))
                calls[index] = known or name, earlier + arguments
            case OutputImage() | Source():
                others.append(event)
            case Usage():
                usage = event
            case Stop() | Error():
                ending = event
            case _:  # notices: they follow from the rest
                pass
    return DecodedAnswer(
        "".join(text),
        "".join(reasoning),
        tuple((index, *call) for index, call in calls.items()),
        tuple(others),
        usage,
        ending,
    )


def _cut(response: RecordedResponse) -> str | None:
    if response.failure is not None:
        return response.failure[0]
    return "left" if response.was_left else None
