"""What came back: events folded into one value, and what is known about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, assert_never

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
from cc_jupyter.core.money import UNKNOWN_COST, Cost

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal


_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[^\n`]*\n"
    r"(?P<code>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asked for; nothing here ever runs one."""

    name: str
    arguments: str
    """JSON text as it came; it may be invalid or cut."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer belongs and who gave it."""

    endpoint: str = ""
    served_by: str = "api"
    """`api`, `local`, `replay`, or the host."""
    served_model: str | None = None
    """The model that answered, where it is not the one asked for (the local model)."""
    thread: str | None = None
    turn: int | None = None
    """The turn's place in its thread, from 1."""
    turn_id: str = ""
    """The turn's name in the history."""
    order: str = "execution"
    """By what its conversation was ordered: `execution` or `document`."""
    request_sha256: str = ""
    """Of the body as it was sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """One answer. `str(reply)` is its text; in a notebook it shows as Markdown."""

    text: str
    reasoning: str
    """The model's thinking, as far as it was sent; no part of `text`."""
    model: str
    """The id asked for."""
    stop_reason: StopReason
    usage: Usage = NO_USAGE
    cost: Cost = UNKNOWN_COST
    error: CcError | KeyboardInterrupt | None = None
    """Why the answer is not whole; `None` if it is."""
    time_to_first_token_s: float | None = None
    """From sending to the first text or reasoning; `None`: neither came."""
    duration_s: float = 0.0
    """From sending to the end."""
    stop_word: str | None = None
    """The provider's own word for the stop reason."""
    tool_calls: tuple[ToolCall, ...] = ()
    notices: tuple[str, ...] = ()
    """What the user should know: repeats, repairs, values that were cut."""
    provenance: Provenance = field(default_factory=Provenance)
    display: Callable[[Reply], None] | None = field(default=None, repr=False)
    """How it shows itself in a notebook; set by whoever made it, since the screen is above us."""

    @property
    def code(self) -> list[str]:
        """The contents of the fenced code blocks, in order."""
        return code_blocks(self.text)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the request cost in US dollars by the price table; `None` is unknown, not free."""
        return self.cost.usd

    def __str__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        if self.display is None:
            raise NotImplementedError  # IPython's word for "use the plain text"
        self.display(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(self.text)


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
            case Notice(text):
                self.notices.append(text)
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
        """Give what has come so far; an answer that ended well but holds nothing is an error."""
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
        if self._stop is None or self._stop.reason not in ("stop", "unknown"):
            return None
        return StreamError(
            "the answer is empty: neither text nor reasoning came", hint="run the cell again"
        )


def code_blocks(text: str) -> list[str]:
    """Give the contents of the fenced code blocks of an answer, in order."""
    return [_dedent(found["code"], found["indent"]) for found in _FENCE.finditer(text)]


def _stream_error(event: Error) -> StreamError:
    said = f": {event.provider_message}" if event.provider_message else ""
    return StreamError(
        f"{event.message}{said}",
        hint="what came is kept; run the cell again",
        code=event.code,
        provider_message=event.provider_message,
    )


def _dedent(code: str, indent: str) -> str:
    if not indent:
        return code
    return "\n".join(line.removeprefix(indent) for line in code.split("\n"))
