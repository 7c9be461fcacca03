"""Builds a `Reply` from the events of one answer."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, assert_never

from cc_jupyter.core.errors import CcError, StreamError
from cc_jupyter.core.events import (
    NO_USAGE,
    Error,
    Notice,
    OutputImage,
    ReasoningDelta,
    ReasoningPart,
    Source,
    Stop,
    StopReason,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    Waiting,
)
from cc_jupyter.core.messages import Reasoning, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.messages import AnswerPart, Image
    from cc_jupyter.core.reply import Reply


_SAVED = "the text received is saved"


class ReplyBuilder:
    """Builds the reply of one answer; the clock starts when the builder is created.

    Parameters
    ----------
    beginning
        The text of an earlier answer that this one continues.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, *, beginning: str = "") -> None:
        self._clock = clock
        self._started_s = clock()
        self._first_s: float | None = None
        self._text = [beginning] if beginning else []
        self._beginning = beginning
        self._counted = (0, len(self._text), 0)  # pieces of reasoning and text, and their bytes
        self._reasoning: list[str] = []
        self._images: list[Image] = []
        self._sources: list[Source] = []
        self._has_other_content = False
        self._calls: dict[int, list[str]] = {}
        self._names: dict[int, str] = {}
        self._ids: dict[int, str] = {}
        self._extras: dict[int, str] = {}
        self._marks: list[tuple[int, Reasoning | int]] = []
        """What stood between texts: after how many pieces, and a part or the number of a call."""
        self._stop: Stop | None = None
        self.usage = NO_USAGE
        self.notices: list[str] = []
        self.error: CcError | KeyboardInterrupt | None = None

    def add(self, event: StreamEvent) -> None:
        """Add the next event."""
        match event:
            case TextDelta(text) | ReasoningDelta(text):
                if self._first_s is None:
                    self._first_s = self._clock()
                pieces = self._text if isinstance(event, TextDelta) else self._reasoning
                pieces.append(text)
            case Waiting():
                pass
            case Usage():
                self.usage = event
            case ToolCallDelta() | ReasoningPart():
                self._add_part(event)
            case OutputImage(image):
                self._images.append(image)
            case Source():
                self._sources.append(event)
            case Notice(text, names_content):
                self.notices.append(text)
                self._has_other_content |= names_content
            case Stop():
                self._stop = event
            case Error():
                self.error = _stream_error(event)
            case _:
                assert_never(event)

    def _add_part(self, event: ToolCallDelta | ReasoningPart) -> None:
        if isinstance(event, ReasoningPart):
            self._marks.append((len(self._text), event.part))
            return
        index = event.index
        if index not in self._names:
            self._marks.append((len(self._text), index))
        self._names[index] = self._names.get(index, "") or event.name
        self._ids[index] = self._ids.get(index, "") or event.id
        self._extras[index] = self._extras.get(index, "") or event.extra_json
        self._calls.setdefault(index, []).append(event.arguments)

    @property
    def received_bytes(self) -> int:
        """The size of the answer so far, reasoning included; thread-safe.

        Each call counts only what was added since the last one, so long answers cost no more.
        """
        reasoning_at, text_at, size_bytes = self._counted  # replaced atomically
        reasoning, text = self._reasoning[reasoning_at:], self._text[text_at:]
        size_bytes += len("".join((*reasoning, *text)).encode(errors="replace"))
        self._counted = (reasoning_at + len(reasoning), text_at + len(text), size_bytes)
        return size_bytes

    def fail(self, error: CcError | KeyboardInterrupt) -> None:
        """End the answer with a refusal or an interrupt."""
        self.error = error

    def build(self, model: str) -> Reply:
        """Return the reply so far; an answer that ended normally but is empty is an error."""
        from cc_jupyter.client.reasoning_marks import (  # noqa: PLC0415  the first cell loads little before it sends
            split_unopened,
            without_channels,
        )
        from cc_jupyter.core.reply import Reply  # noqa: PLC0415  as above

        now_s = self._clock()
        error = self.error or self._empty_error()
        thinking, text = split_unopened("".join(self._text[bool(self._beginning) :]))
        reasoning = (without_channels("".join(self._reasoning)), thinking)
        return Reply(
            text=self._beginning + text,
            reasoning="\n\n".join(filter(None, reasoning)),
            model=model,
            stop_reason=self._stop_reason(error),
            usage=self.usage,
            error=error,
            time_to_first_token_s=None
            if self._first_s is None
            else self._first_s - self._started_s,
            duration_s=now_s - self._started_s,
            stop_word=self._stop.word if self._stop else None,
            tool_calls=tuple(self._tool_calls().values()),
            images=tuple(self._images),
            sources=tuple(self._sources),
            notices=tuple(self.notices),
        )

    def parts(self) -> tuple[AnswerPart, ...]:
        """Return texts, reasoning to send back and calls, in the order in which they came."""
        from cc_jupyter.client.reasoning_marks import split_unopened  # noqa: PLC0415  only tools need it

        calls = self._tool_calls()
        parts: list[AnswerPart] = []
        done = int(bool(self._beginning))
        for at, mark in (*self._marks, (len(self._text), None)):
            text = split_unopened("".join(self._text[done:at]))[1].strip("\n")
            done = at
            parts += (text,) if text.strip() else ()
            if mark is not None:
                parts.append(calls[mark] if isinstance(mark, int) else mark)
        return tuple(parts)

    def _tool_calls(self) -> dict[int, ToolCall]:
        """Return the calls by number; each has an id, even where the provider sent none."""
        calls: dict[int, ToolCall] = {}
        used: set[str] = set()
        for index, name in self._names.items():
            id_ = self._ids[index]
            if not id_ or id_ in used:
                id_ = f"{id_ or 'call'}_{index}"
            used.add(id_)
            arguments = "".join(self._calls[index])
            calls[index] = ToolCall(id_, name, arguments, self._extras[index])
        return calls

    def _stop_reason(self, error: BaseException | None) -> StopReason:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted"
        if error is not None or self._stop is None:
            return "error"
        return self._stop.reason

    def _empty_error(self) -> StreamError | None:
        if (
            any(self._text[bool(self._beginning) :])
            or self._reasoning
            or self._names
            or self._images
            or self._has_other_content
            or self.usage.reasoning_tokens
        ):
            return None
        if self._stop is None or self._stop.reason in ("length", "content_filter"):
            return None  # the usage line says so
        from cc_jupyter.client.errors.endings import emptiness  # noqa: PLC0415  few answers are empty

        return StreamError(
            emptiness(self._stop.reason, self._stop.word, self.usage.output_tokens),
            hint="run the cell again",
        )


def _stream_error(event: Error) -> StreamError:
    from cc_jupyter.client.errors.provider_errors import stream_error_hint  # noqa: PLC0415  only an error needs it

    if event.retry_after_s:
        from cc_jupyter.client.errors.retry_after import in_words  # noqa: PLC0415  as above

        hint = f"{_SAVED}; the provider asks to wait {in_words(event.retry_after_s)}"
    else:
        hint = f"{_SAVED}; run the cell again"
    quoted = f": {event.provider_message}" if event.provider_message else ""
    known_hint, is_final = stream_error_hint(event.code, event.provider_message)
    error = StreamError(
        f"{event.message}{quoted}",
        hint=known_hint or hint,
        code=event.code,
        provider_message=event.provider_message,
        retry_after_s=event.retry_after_s,
    )
    error.is_final = is_final
    return error
