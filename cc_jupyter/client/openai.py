"""The OpenAI Chat Completions dialect, including what its many relatives send.

The `index` or `id` of a tool call may be missing, null, late, or equal for all calls
(openai-python#2806, AstrBot#6661, gcli2api#406). Nothing here runs a tool or reads its arguments.

Sources: OpenAI API reference, "Chat Completions" (read 2026-11-22); what upstreams behind the
gateway really send: provider-api.md, sections 7, 9, 10 and 15, and the issues named below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.client.answer_parts import IMAGE_MEMBERS, SOURCE_MEMBERS, PartReader
from cc_jupyter.client.errors.endings import stop_event, stop_word
from cc_jupyter.client.parsing import (
    SurrogateJoiner,
    TextAssembler,
    as_text,
    member,
    replace_surrogates,
)
from cc_jupyter.client.token_counts import MESSAGE_MEMBERS, UsageReader
from cc_jupyter.core.events import Error, Stop, StreamEvent, ToolCallDelta
from cc_jupyter.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_PLAIN_MEMBERS = frozenset({"role", "content"})
_USUAL_MEMBERS = frozenset(
    {"role", "content", "reasoning", "reasoning_content", "reasoning_details", "tool_calls"}
)
_PLAIN_CHOICE_MEMBERS = frozenset({"index", "delta", "finish_reason", "logprobs"})
_PLAIN_CHUNK_MEMBERS = frozenset(
    {"id", "object", "created", "model", "system_fingerprint", "choices", "usage"}
)
"""With these alone a chunk is text, if it has some and no finish reason and no usage."""
_EXTRA_MEMBERS = frozenset({*IMAGE_MEMBERS, "related_questions"})
"""Content that Perplexity sends next to `choices`."""
_BESIDE_CHOICES = _EXTRA_MEMBERS | {*MESSAGE_MEMBERS, *SOURCE_MEMBERS, "x_groq"}


class _Call:
    """What is known of one call."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.id: str | None = None
        self.index: int | None = None
        self.mender = SurrogateJoiner()


class ToolCalls:
    """Numbers the calls of one answer in the order in which they began."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}

    @property
    def came(self) -> bool:
        """Whether there was any."""
        return bool(self._calls)

    def read(self, delta: dict[str, Any]) -> Iterator[ToolCallDelta]:
        """Return the pieces in a `delta` or a `message`; the old form has one call only."""
        pieces = delta.get("tool_calls")
        if not pieces and delta.get("function_call"):
            pieces = [{"function": delta["function_call"]}]
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(function := member(piece, "function"), dict):
                yield self._piece(piece, function)

    def rest(self) -> Iterator[ToolCallDelta]:
        """Return what waited for the other half of a character."""
        for call in self._calls:
            if half := call.mender.flush():
                yield ToolCallDelta(call.number, "", half)

    def _piece(self, piece: dict[str, Any], function: dict[str, Any]) -> ToolCallDelta:
        name = replace_surrogates(as_text(function.get("name")))
        index = piece.get("index")
        index = index if isinstance(index, int) else None
        call = self._find(index, as_text(piece.get("id")) or None, opens=bool(name))
        arguments = call.mender.mend(as_text(function.get("arguments")))
        return ToolCallDelta(call.number, name, arguments)

    def _find(self, index: int | None, id_: str | None, *, opens: bool) -> _Call:
        """Find the call of a piece by its id, else its index, else take the last one."""
        call = self._by_id.get(id_) if id_ else None
        if call is None and index is not None:
            call = self._by_index.get(index)
        if call is None and not opens and self._calls:
            last = self._calls[-1]
            call = last if index is None or last.index is None else None
        if call is None or (id_ and call.id and call.id != id_):
            call = _Call(len(self._calls))
            self._calls.append(call)
        if id_:
            call.id = id_
            self._by_id[id_] = call
        if index is not None:
            call.index = index
            self._by_index[index] = call
        return call


class OpenAIDecoder:
    """Folds the chunks of one answer into events."""

    finished = False
    """Only `[DONE]` says that nothing more can follow, and the reader sees it."""

    def __init__(self, clean: Callable[[str], str] = redact) -> None:
        self.stopped = False
        self._clean = clean
        self._speech = TextAssembler(has_reasoning_marks=True)
        self._calls = ToolCalls()
        self._figures = UsageReader(clean)
        self._index: int | None = None
        self._word: str | None = None
        self._refused = False
        self._parts = PartReader(clean)
        self._transcript: list[str] = []

    @property
    def spoke(self) -> bool:
        """Whether anything of the answer's content has come."""
        return self._speech.came or self._calls.came or self._parts.came or bool(self._transcript)

    def plain_text(self, body: dict[str, Any]) -> str:
        """Return the text of a chunk that holds nothing else; empty for any other chunk."""
        choices = body.get("choices")
        if type(choices) is not list or len(choices) != 1 or body.get("usage"):
            return ""
        choice = choices[0]
        if (
            type(choice) is not dict
            or choice.get("index") != self._index
            or choice.get("finish_reason")
            or not (choice.keys() <= _PLAIN_CHOICE_MEMBERS and body.keys() <= _PLAIN_CHUNK_MEMBERS)
        ):
            return ""
        delta = choice.get("delta")
        if type(delta) is not dict or not delta.keys() <= _PLAIN_MEMBERS:
            return ""
        content = delta.get("content")
        return content if type(content) is str and self._speech.is_continued else ""

    def add_text(self, text: str) -> Iterable[StreamEvent]:
        """Return the events of plain text, not empty."""
        if events := self._speech.text(text):
            self.stopped = False
        return events

    def decode(self, name: str, body: dict[str, Any]) -> list[StreamEvent]:
        """Return the events of one chunk."""
        choice = self._choice(body.get("choices"))
        delta = choice.get("delta")
        events = self._events_of_delta(delta) if delta and isinstance(delta, dict) else []
        if not events:
            events = self._events_of_choice(choice)
        if events:
            self.stopped = False
        if word := choice.get("finish_reason"):
            self._word = stop_word(word, self._clean) or self._word
            # next to text it does not signal the end: some relays write it into every chunk
            # (litellm#2195, gcli2api#403)
            self.stopped = self._word is not None and not events
        usage = body.get("usage") or choice.get("usage")  # Moonshot's place (pi#2017)
        if usage or not _BESIDE_CHOICES.isdisjoint(body):
            self._parts.read_sources(body)
            extras = {name: body[name] for name in _EXTRA_MEMBERS if name in body}
            events.extend(self._parts.read_delta(extras) if extras else ())
            usage = usage or member(body, "x_groq", "usage")  # Groq's place in a stream
            events.extend(self._figures.report(usage, body))
        if not choice and name != "error":
            from cc_jupyter.client.errors.error_body import has_error  # noqa: PLC0415  the first cell loads little before it sends

            if not has_error(body):
                self._parts.note_unread(body)
        return events

    def rest(self) -> Iterator[StreamEvent]:
        """Return what was held back."""
        if not self._speech.came and self._transcript:
            yield from self._speech.text("".join(self._transcript))
        yield from self._speech.rest()
        yield from self._calls.rest()
        yield from self._parts.rest(is_empty=not self.spoke)
        yield from self._figures.rest()

    def ending(self, *, end_seen: bool) -> Stop | Error:
        """Tell how the answer ended."""
        return stop_event(
            self._word, end_seen=end_seen, refused=self._refused, called=self._calls.came
        )

    def _choice(self, choices: object) -> dict[str, Any]:
        """Take the choice that came first, and count the others that carry content."""
        first: dict[str, Any] = {}
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            if not isinstance(index, int):
                return first or choice
            if self._index is None:
                self._index = index
            if index == self._index:
                first = first or choice
            elif any(choice.get(name) for name in ("delta", "message", "text")):
                self._parts.count_choice(index)
        return first

    def _events_of_choice(self, choice: dict[str, Any]) -> list[StreamEvent]:
        """Read a choice without a delta: a whole message, or the text of the format before chat.

        After deltas a message repeats their text, but may hold other parts.
        """
        message, text = choice.get("message"), choice.get("text")
        if message and isinstance(message, dict):
            return (
                [*self._parts.read_delta(message)] if self.spoke else self._events_of_delta(message)
            )
        return [*self._speech.text(text)] if text and isinstance(text, str) else []

    def _events_of_delta(self, delta: dict[str, Any]) -> list[StreamEvent]:
        content = delta.get("content")
        if isinstance(content, str) and delta.keys() <= _PLAIN_MEMBERS:
            return [*self._speech.text(content)] if content else []
        events: list[StreamEvent] = []
        if isinstance(content, list):
            events.extend(self._parts.read_content(content))
            thought, content = _parts(content)
            events.extend(self._speech.reasoning(thought) if thought else ())
        if reasoning := _reasoning(delta):
            events.extend(self._speech.reasoning(reasoning))
        if content and isinstance(content, str):
            events.extend(self._speech.text(content))
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self._refused = True
            events.extend(self._speech.text(refusal))
        if "tool_calls" in delta or "function_call" in delta:
            self._speech.block_between()
            events.extend(self._calls.read(delta))
        if not delta.keys() <= _USUAL_MEMBERS:
            if isinstance(spoken := member(delta, "audio", "transcript"), str):
                self._transcript.append(spoken)
            events.extend(self._parts.read_delta(delta))
        return events


def _reasoning(delta: dict[str, Any]) -> str:
    """Take the first of the three spellings: two of them often carry the same text."""
    for field in ("reasoning", "reasoning_content"):
        value = delta.get(field)
        if value and isinstance(value, str):
            return value
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    pieces = [
        member(entry, "text") or member(entry, "summary")
        for entry in details
        if "encrypted" not in as_text(member(entry, "type"))
    ]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _parts(content: list[Any]) -> tuple[str, str]:
    """Split a list of parts into thinking and text.

    Mistral has separate parts for reasoning, which are lists of text parts again (litellm#16272).
    """
    thought = [member(part, "thinking") for part in content]
    text = [part if isinstance(part, str) else member(part, "text") for part in content]
    return "".join(map(_joined, thought)), "".join(map(_joined, text))


def _joined(content: object) -> str:
    if isinstance(content, list):
        pieces = [member(part, "text") for part in content]
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return content if isinstance(content, str) else ""
