"""The steps of a turn with tools: requests, the answers to them, and the calls that were run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from cc_jupyter.core.events import NO_USAGE, StopReason, Usage
from cc_jupyter.core.messages import INTERRUPTED, Message, Reasoning, ToolCall, ToolResult
from cc_jupyter.core.money import EXACT, UNKNOWN_COST, Cost
from cc_jupyter.core.redaction import SecretFilter, redact

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def total_usage(usages: Sequence[Usage]) -> Usage:
    """Return the sum of the token counts of several requests.

    A sum is unknown if the count of one of them is; shares such as cached tokens add up what is
    known.
    """
    if len(usages) == 1:
        return usages[0]
    prompts = [usage.longest_prompt_tokens or usage.input_tokens for usage in usages]
    known = [tokens for tokens in prompts if tokens is not None]
    unpriced = tuple(dict.fromkeys(each for usage in usages for each in usage.unpriced or ()))
    estimated = tuple(dict.fromkeys(each for usage in usages for each in usage.estimated or ()))
    doubts = dict.fromkeys(usage.doubt for usage in usages if usage.doubt)
    reported = [usage.provider_usd for usage in usages]
    return Usage(
        input_tokens=_total([usage.input_tokens for usage in usages]),
        output_tokens=_total([usage.output_tokens for usage in usages]),
        cache_read_tokens=_share([usage.cache_read_tokens for usage in usages]),
        cache_write_tokens=_share([usage.cache_write_tokens for usage in usages]),
        reasoning_tokens=_share([usage.reasoning_tokens for usage in usages]),
        hour_cache_write_tokens=_share([usage.hour_cache_write_tokens for usage in usages]),
        longest_prompt_tokens=max(known, default=None),
        unpriced=unpriced or None,
        provider_usd=None if None in reported else _total_usd(reported),
        doubt="; ".join(doubts) or None,
        estimated=estimated or None,
    )


def total_cost(costs: Sequence[Cost]) -> Cost:
    """Return the sum of the costs of several requests; unknown if one of them is."""
    if len(costs) == 1:
        return costs[0]
    dates = [cost.price_date for cost in costs if cost.price_date is not None]
    unpriced = tuple(dict.fromkeys(each for cost in costs for each in cost.unpriced))
    if any(cost.usd is None for cost in costs):
        return Cost(None, "unknown", max(dates, default=None), unpriced=unpriced)
    is_estimated = any(cost.origin == "estimated" for cost in costs)
    by_table = [cost.usd if cost.table_usd is None else cost.table_usd for cost in costs]
    has_other = any(cost.table_usd is not None for cost in costs)
    return Cost(
        _total_usd([cost.usd for cost in costs]),
        "estimated" if is_estimated else "reported",
        max(dates, default=None),
        _total_usd(by_table) if has_other else None,
        unpriced,
    )


def _total(counts: Sequence[int | None]) -> int | None:
    return None if None in counts else sum(count or 0 for count in counts)


def _share(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _total_usd(amounts: Sequence[Decimal | None]) -> Decimal:
    with localcontext(EXACT):
        return sum((amount or Decimal(0) for amount in amounts), Decimal(0))


def redacted_step(step: Step, secrets: tuple[str, ...] = ()) -> Step:
    """Return a step without secrets; reasoning that holds one is left out, since it is signed."""
    return replace(
        step,
        parts=tuple(
            _redacted_part(part, secrets)
            for part in step.parts
            if not isinstance(part, Reasoning) or not _holds(part.value, secrets)
        ),
        calls=tuple(_redacted_call(record, secrets) for record in step.calls),
        reasoning=redact(step.reasoning, secrets),
    )


def _redacted_part(part: AnswerPart, secrets: tuple[str, ...]) -> AnswerPart:
    if isinstance(part, str):
        return redact(part, secrets)
    return _redacted_tool_call(part, secrets) if isinstance(part, ToolCall) else part


def _redacted_tool_call(call: ToolCall, secrets: tuple[str, ...]) -> ToolCall:
    arguments = redact(call.arguments_json, secrets)
    return call._replace(name=redact(call.name, secrets), arguments_json=arguments)


def _redacted_call(record: CallRecord, secrets: tuple[str, ...]) -> CallRecord:
    content = tuple(
        redact(each, secrets) if isinstance(each, str) else each for each in record.result.content
    )
    return record._replace(
        call=_redacted_tool_call(record.call, secrets),
        result=record.result._replace(content=content),
        shown=redact(record.shown, secrets),
        source=redact(record.source, secrets),
        detail=redact(record.detail, secrets),
    )


def _holds(text: str, secrets: tuple[str, ...]) -> bool:
    checked = SecretFilter(secrets)
    checked.feed(text)
    checked.flush()
    return checked.has_found
