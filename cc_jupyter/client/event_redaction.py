"""Removes the key from the events of an answer, before any screen, file or variable gets them.

A server may echo the key it was sent, in any part of an answer and cut anywhere. Every sink shows
and saves these events, so what is removed here is in none of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from cc_jupyter.core.events import (
    Error,
    Notice,
    OutputImage,
    ReasoningDelta,
    ReasoningPart,
    Source,
    Stop,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    Waiting,
)
from cc_jupyter.core.redaction import MASK, SecretFilter, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    _WholeEvent: TypeAlias = (
        ToolCallDelta | OutputImage | Source | Usage | Notice | Stop | Error | Waiting
    )


class EventRedactor:
    """Redacts the events of one answer.

    The model's own text loses the secrets only: what merely looks like a key may be the code it
    was asked for. Words of the provider lose that as well. The pixels of an image pass.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        # functions, so that no object holds a secret that a traceback could show
        self._clean: Callable[[str], str] = lambda text: redact(text, secrets)
        self._new_filter: Callable[[], SecretFilter] = lambda: SecretFilter(secrets)
        self._text = SecretFilter(secrets)
        self._reasoning = SecretFilter(secrets)
        self._arguments: dict[int, SecretFilter] = {}
        self._has_found = False  # in a text that came whole

    @property
    def has_found(self) -> bool:
        """Whether the answer so far held a secret."""
        filters = (self._text, self._reasoning, *self._arguments.values())
        return self._has_found or any(each.has_found for each in filters)

    def redacted(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        """Yield the events without secrets; what may be the start of one waits.

        Neighbouring deltas become one: what arrived together is cleaned, saved and drawn together.
        """
        for event in _joined(events):
            match event:
                case TextDelta(text):
                    if shown := self._text.feed(text):
                        yield TextDelta(shown)
                case ReasoningDelta(text):
                    if shown := self._reasoning.feed(text):
                        yield ReasoningDelta(shown)
                case Stop() | Error():
                    yield from self.rest()
                    yield self._cleaned(event)
                case ReasoningPart(part):
                    # it goes back unmodified or not at all; nothing of a signed block can be masked
                    if not self._holds_secret(part.value):
                        yield event
                case _:
                    yield self._cleaned(event)

    def rest(self) -> Iterator[StreamEvent]:
        """Yield what waited: the answer is at its end, or it was interrupted."""
        if held := self._reasoning.flush():
            yield ReasoningDelta(held)
        if held := self._text.flush():
            yield TextDelta(held)
        for index, waiting in self._arguments.items():
            if held := waiting.flush():
                yield ToolCallDelta(index, "", held)

    def _holds_secret(self, text: str) -> bool:
        checked = self._new_filter()
        checked.feed(text)
        checked.flush()
        self._has_found |= checked.has_found
        return checked.has_found

    def _cleaned_text(self, text: str) -> str:
        cleaned = self._clean(text)
        self._has_found |= MASK in cleaned
        return cleaned

    def _cleaned(self, event: _WholeEvent) -> StreamEvent:
        """Return an event that holds whole texts, without secrets in any of them."""
        clean = self._cleaned_text
        cleaned: StreamEvent
        match event:
            case ToolCallDelta(index, name, arguments, id_, extra):
                if index not in self._arguments:
                    self._arguments[index] = self._new_filter()
                shown = self._arguments[index].feed(arguments)
                extra = "" if self._holds_secret(extra) else extra
                cleaned = ToolCallDelta(index, clean(name), shown, clean(id_), extra)
            case OutputImage(image):
                url = image.url and clean(image.url)
                cleaned = OutputImage(replace(image, url=url, name=clean(image.name)))
            case Source(title, url):
                cleaned = Source(clean(title), clean(url))
            case Usage():
                unpriced = event.unpriced and tuple(map(clean, event.unpriced))
                cleaned = replace(
                    event, unpriced=unpriced, doubt=event.doubt and clean(event.doubt)
                )
            case Notice():
                cleaned = replace(event, text=clean(event.text))
            case Stop(reason, word):
                cleaned = Stop(reason, word and clean(word))
            case Error():
                cleaned = replace(
                    event,
                    message=clean(event.message),
                    code=event.code and clean(event.code),
                    provider_message=event.provider_message and clean(event.provider_message),
                )
            case Waiting():
                cleaned = event
            case _:
                assert_never(event)
        return cleaned


def _joined(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    """Join the texts of neighbouring events of one kind."""
    kind: type[TextDelta | ReasoningDelta] | None = None
    pieces: list[str] = []
    for event in events:
        if type(event) is TextDelta or type(event) is ReasoningDelta:
            if type(event) is not kind:
                if kind is not None:
                    yield kind("".join(pieces))
                kind, pieces = type(event), []
            pieces.append(event.text)
            continue
        if kind is not None:
            yield kind("".join(pieces))
            kind = None
        yield event
    if kind is not None:
        yield kind("".join(pieces))
