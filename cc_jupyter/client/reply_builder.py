"""Folds the events of one answer into a `Reply`."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, assert_never

from cc_jupyter.client.endings import emptiness
from cc_jupyter.client.provider_errors import stream_error_hint
from cc_jupyter.core.errors import CcError, StreamError
from cc_jupyter.core.events import (
    NO_USAGE,
    Error,
    Notice,
    ReasoningDelta,
    Stop,
    StopReason,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    Waiting,
)
from cc_jupyter.core.reply import Reply, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable


class ReplyBuilder:
    """Folds the events of one answer, counting time from its making.

    Parameters
    ----------
    beginning
        What the answer begins with, where it carries an earlier one on.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, *, beginning: str = "") -> None:
        self._clock = clock
        self._started_s = clock()
        self._first_s: float | None = None
        self._text = [beginning] if beginning else []
        self._beginning = beginning
        self._counted = (0, len(self._text), 0)  # pieces of reasoning and text, and their bytes
        self._reasoning: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._names: dict[int, str] = {}
        self._stop: Stop | None = None
        self.usage = NO_USAGE
        self.usage_is_doubtful = False
        """Whether the provider reported token counts that cannot be true."""
        self.notices: list[str] = []
        self.error: CcError | KeyboardInterrupt | None = None

    def add(self, event: StreamEvent) -> None:
        """Take the next event."""
        match event:
            case TextDelta(text):
                if self._first_s is None:
                    self._first_s = self._clock()
                self._text.append(text)
            case ReasoningDelta(text):
                if self._first_s is None:
                    self._first_s = self._clock()
                self._reasoning.append(text)
            case Waiting():
                pass
            case Usage():
                self.usage = event
            case ToolCallDelta(index, name, arguments):
                self._names[index] = self._names.get(index, "") or name
                self._calls.setdefault(index, []).append(arguments)
            case Notice(text, is_usage_doubtful):
                self.notices.append(text)
                self.usage_is_doubtful |= is_usage_doubtful
            case Stop():
                self._stop = event
            case Error():
                self.error = _stream_error(event)
            case _:
                assert_never(event)

    @property
    def came_bytes(self) -> int:
        """The size of what the model has written so far, its thinking too; any thread may ask.

        It counts on from where it was asked last, so that long answers cost no more.
        """
        reasoning_at, text_at, size_bytes = self._counted  # swapped whole
        reasoning, text = self._reasoning[reasoning_at:], self._text[text_at:]
        size_bytes += len("".join((*reasoning, *text)).encode(errors="replace"))
        self._counted = (reasoning_at + len(reasoning), text_at + len(text), size_bytes)
        return size_bytes

    def fail(self, error: CcError | KeyboardInterrupt) -> None:
        """End the answer by something that is no event: a refusal or an interrupt."""
        self.error = error

    def build(self, model: str) -> Reply:
        """Return what has come so far; an answer that ended well but holds nothing is an error."""
        now_s = self._clock()
        error = self.error or self._emptiness()
        return Reply(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            model=model,
            stop_reason=self._stop_reason(error),
            usage=self.usage,
            error=error,
            time_to_first_token_s=None
            if self._first_s is None
            else self._first_s - self._started_s,
            duration_s=now_s - self._started_s,
            stop_word=self._stop.word if self._stop else None,
            tool_calls=tuple(
                ToolCall(name, "".join(self._calls[index])) for index, name in self._names.items()
            ),
            notices=tuple(self.notices),
        )

    def _stop_reason(self, error: BaseException | None) -> StopReason:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted"
        if error is not None or self._stop is None:
            return "error"
        return self._stop.reason

    def _emptiness(self) -> StreamError | None:
        if (
            any(self._text[bool(self._beginning) :])
            or self._reasoning
            or self._names
            or self.usage.reasoning_tokens
        ):
            return None
        if self._stop is None or self._stop.reason in ("length", "content_filter"):
            return None  # the usage line says so
        return StreamError(
            emptiness(self._stop.reason, self._stop.word, self.usage.output_tokens),
            hint="run the cell again",
        )


def _stream_error(event: Error) -> StreamError:
    said = f": {event.provider_message}" if event.provider_message else ""
    return StreamError(
        f"{event.message}{said}",
        hint=stream_error_hint(event.code, event.provider_message)
        or "what came is kept; run the cell again",
        code=event.code,
        provider_message=event.provider_message,
    )
