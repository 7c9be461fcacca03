"""The steps of a turn with tools: requests, the answers to them, and the calls that were run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from cc_jupyter.core.events import NO_USAGE, StopReason, Usage
from cc_jupyter.core.messages import INTERRUPTED, Message, Reasoning, ToolCall, ToolResult
from cc_jupyter.core.money import UNKNOWN_COST, Cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import AnswerPart


CallState: TypeAlias = Literal["ok", "error", "refused", "not run", "interrupted", "running"]
"""`refused`: by the user, or because nobody could be asked; `not run`: no such tool, or arguments
that do not fit; `running`: it outlived its time limit and could not be ended."""


class CallPlace(NamedTuple):
    """Where a call is in its turn, for the question before it."""

    call: int = 1
    """The number of the call in its step, from 1."""
    calls: int = 1
    """How many calls the step has."""
    step: int = 1
    """The number of the request that it answers, from 1."""
    max_steps: int = 1
    spent: str = ""
    """What the turn has cost so far; empty: it is not mentioned."""

    def __str__(self) -> str:
        """Return the place in words."""
        parts = [
            f"call {self.call:,} of {self.calls:,}",
            f"step {self.step:,} of at most {self.max_steps:,}",
            *([f"{self.spent} so far"] if self.spent else []),
        ]
        return " · ".join(parts)


class ToolRunner(Protocol):
    """Answers the calls of one turn: asks where it must, runs functions, shows the trace."""

    @property
    def has_ended(self) -> bool:
        """Whether the user ended the turn in place of answering a question."""

    @property
    def consent_error(self) -> CcError | None:
        """The error of a turn with calls that nobody could be asked about; `None`: none were."""

    def answer(self, call: ToolCall, place: CallPlace) -> CallRecord:
        """Answer one call, which has run only if that is allowed; nothing is raised.

        The state `interrupted` means that the cell was stopped.
        """

    def watch(self, is_stopped: Callable[[], bool]) -> None:
        """Run no function once `is_stopped()` is true: a stop may come just before one begins."""

    def note(self, record: CallRecord) -> None:
        """Show the record of a call that was answered without it."""

    def end(self) -> None:
        """Show the trace in its final form."""


class CallRecord(NamedTuple):
    """One call of a step, and how it was answered."""

    call: ToolCall
    """As the model wrote it."""
    result: ToolResult
    """What the model got."""
    state: CallState = "ok"
    shown: str = ""
    """The result for the user, on one line: `3 rows`, `KeyError: 'Rome'`."""
    source: str = ""
    """The call as Python source, with the arguments that the function got."""
    duration_s: float = 0.0
    detail: str = ""
    """More for the user: a traceback, what was cut; empty: nothing."""
    replayed: bool = False
    """Whether the result comes from a cassette, so that nothing was run."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a turn with tools, the answer to it, and the results of its calls."""

    model: str
    parts: tuple[AnswerPart, ...]
    """The answer: texts, reasoning that goes back, calls."""
    calls: tuple[CallRecord, ...] = ()
    """One for each call among the parts, in the same order."""
    reasoning: str = ""
    """The reasoning as it is shown."""
    stop_reason: StopReason = "unknown"
    error: str | None = None
    """Class and message of the error; `None` if the answer is complete."""
    usage: Usage = NO_USAGE
    cost: Cost = UNKNOWN_COST
    time_to_first_token_s: float | None = None
    duration_s: float = 0.0
    request_sha256: str = ""
    request_key: str = ""
    sample: int | None = None
    body: bytes | None = field(default=None, repr=False)
    """The body that was sent, without secrets; `None` if not loaded or not stored."""
    asked: str = ""
    """What `%cmd continue` said to the model before this answer; empty: nothing was said."""

    @property
    def text(self) -> str:
        """The text of the answer."""
        return "\n\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def says(self) -> bool:
        """Whether there is a text or a call, not reasoning alone."""
        return any(not isinstance(part, Reasoning) for part in self.parts)

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """The calls without a result yet, in order."""
        calls = [part for part in self.parts if isinstance(part, ToolCall)]
        return tuple(calls[len(self.calls) :])

    def closed(self, why: str = INTERRUPTED) -> Step:
        """Return the step with a result for every call, as both wire formats demand."""
        missing = tuple(
            CallRecord(call, ToolResult(call.id, (why,), is_error=True), "interrupted", why)
            for call in self.open_calls
        )
        return replace(self, calls=(*self.calls, *missing)) if missing else self

    @property
    def messages(self) -> tuple[Message, ...]:
        """What later requests send of it; every call has a result."""
        if not self.says:
            return ()
        answer = Message("assistant", self.text, parts=self.parts, model=self.model)
        results = tuple(each.result for each in self.closed().calls)
        return (answer, Message("tool", "", results=results)) if results else (answer,)
