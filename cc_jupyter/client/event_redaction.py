"""Removes the key from the events of an answer, before any screen, file or variable gets them.

A server may echo the key it was sent, in any part of an answer and cut anywhere. Every sink shows
and saves these events, so what is removed here is in none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.events import (
    Error,
    Notice,
    ReasoningDelta,
    Stop,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from cc_jupyter.core.redaction import SecretFilter, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class EventRedactor:
    """Redacts the events of one answer.

    The model's own text loses the secrets only: what merely looks like a key may be the code it
    was asked for. Words of the provider lose that as well.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        # functions, so that no object holds a secret that a traceback could show
        self._clean: Callable[[str], str] = lambda text: redact(text, secrets)
        self._new_filter: Callable[[], SecretFilter] = lambda: SecretFilter(secrets)
        self._text = SecretFilter(secrets)
        self._reasoning = SecretFilter(secrets)
        self._arguments: dict[int, SecretFilter] = {}

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
                case ToolCallDelta(index, name, arguments):
                    if index not in self._arguments:
                        self._arguments[index] = self._new_filter()
                    waiting = self._arguments[index]
                    yield ToolCallDelta(index, self._clean(name), waiting.feed(arguments))
                case Notice(text, is_usage_doubtful):
                    yield Notice(self._clean(text), is_usage_doubtful)
                case Stop(reason, word):
                    yield from self.rest()
                    yield Stop(reason, word and self._clean(word))
                case Error(message, code, said):
                    yield from self.rest()
                    yield Error(
                        self._clean(message), code and self._clean(code), said and self._clean(said)
                    )
                case _:
                    yield event

    def rest(self) -> Iterator[StreamEvent]:
        """Yield what waited: the answer is at its end, or it was interrupted."""
        if held := self._reasoning.flush():
            yield ReasoningDelta(held)
        if held := self._text.flush():
            yield TextDelta(held)
        for index, waiting in self._arguments.items():
            if held := waiting.flush():
                yield ToolCallDelta(index, "", held)


def _joined(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    """Join the texts of neighbouring events of one kind."""
    kind: type[TextDelta | ReasoningDelta] | None = None
    pieces: list[str] = []
    for event in events:
        if not isinstance(event, TextDelta | ReasoningDelta):
            if kind is not None:
                yield kind("".join(pieces))
                kind = None
            yield event
            continue
        if type(event) is not kind:
            if kind is not None:
                yield kind("".join(pieces))
            kind, pieces = type(event), []
        pieces.append(event.text)
    if kind is not None:
        yield kind("".join(pieces))
