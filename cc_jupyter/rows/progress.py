"""What a run over rows has come to so far, for whoever shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from cc_jupyter.core.errors import (
    BudgetError,
    CassetteError,
    ConnectError,
    OptionError,
    ProviderError,
    StreamError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.rows.outcomes import RowOutcome


_CANNOT_BE_SENT = "cannot be sent"
_NOT_RECORDED = "not recorded"
_WRONG_TYPE = "wrong type"
_REASONS = (
    (BudgetError, "over budget"),
    (OptionError, _CANNOT_BE_SENT),
    (ConnectError, "no connection"),
    (StreamError, "broken answer"),
    (CassetteError, _NOT_RECORDED),
)
"""What a failure is called; the first that matches."""


@dataclass(slots=True)
class Progress:
    """Counts of a run. Rows are those of the table; requests are what is sent for them."""

    rows: int
    """The rows the run is about: all, or those of a preview."""
    equal: int = 0
    """Of these, rows that get the answer of an equal one."""
    cached: int = 0
    """Rows whose answer an earlier run has paid for."""
    cached_since: datetime | None = None
    cached_until: datetime | None = None
    requests: int = 0
    """What is to be sent, or answered by a cassette."""
    recorded: int = 0
    """Of these, what the cassette answers, as known before the start."""
    replayed: int = 0
    """Requests that the cassette has answered: nothing is billed for them."""
    replayed_usd: Decimal = Decimal(0)
    """What they cost when they were recorded, as far as known."""
    preview_of: int | None = None
    """The rows of the whole table, if this is a preview."""
    unsendable: int = 0
    """Rows whose prompt cannot be made: they have failed, and are among no requests."""
    done: int = 0
    """Requests that have ended well."""
    failed: int = 0
    waiting: int = 0
    """Requests that wait because the provider has refused them as too many."""
    refusals: int = 0
    """How often the provider has refused one as too many."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Of all failures: how often each reason."""
    examples: list[tuple[object, CcError]] = field(default_factory=list)
    """The first failures, with the label of the row."""
    spent_usd: Decimal = Decimal(0)
    unknown_cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    projected_usd: Decimal | None = None
    """What the whole run is expected to cost; `None`: unknown."""
    projected_interval_usd: tuple[Decimal, Decimal] | None = None
    """The 95 % interval of the projection; `None`: too few answers yet."""
    started_s: float = field(default_factory=monotonic)
    ended_s: float | None = None
    stopped: str | None = None
    """Why nothing more is sent; `None`: nothing keeps it."""
    is_interrupted: bool = False
    is_kept_here_only: bool = False
    """Whether the history is off, so that only this kernel knows the answers."""
    unsaved: str | None = None
    """Which finished rows could not be written, and what to do; `None`: all are."""
    is_local: bool = False
    """Whether the local model answers, which is free."""
    shown: list[tuple[object, str]] = field(default_factory=list)
    """The values of a preview, with the label of the row."""
    notices: list[str] = field(default_factory=list)
    """What the reader should know before the figures."""

    @property
    def ended(self) -> int:
        """Requests that have ended, well or not."""
        return self.done + self.failed - self.unsendable

    @property
    def advice(self) -> str:
        """How to go on after failures."""
        if set(self.reasons) == {_CANNOT_BE_SENT}:
            return "change what cannot be sent and run it again; all other answers are kept"
        if _NOT_RECORDED in self.reasons:
            return (
                "%cmd cassette auto sends and records what is missing; %cmd cassette diff shows"
                " what differs in the last of these"
            )
        retyped = '--retry type, retry="type" in Python,'
        if set(self.reasons) == {_WRONG_TYPE}:
            return f"all answers are kept, also those of the wrong type: {retyped} asks again"
        advice = "run it again to send what failed; all other answers are kept"
        if _WRONG_TYPE in self.reasons:
            advice += f", also those of the wrong type: {retyped} asks again"
        return advice

    @property
    def left(self) -> int:
        """Requests that have not ended."""
        return self.requests - self.ended

    @property
    def elapsed_s(self) -> float:
        """The time since the start."""
        return (monotonic() if self.ended_s is None else self.ended_s) - self.started_s

    @property
    def requests_per_s(self) -> float:
        """Answers a second so far."""
        return self.ended / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        """The time left at the speed so far; `None`: unknown."""
        speed = self.requests_per_s
        return self.left / speed if speed else None

    def count_stored(self, answered_at: datetime) -> None:
        """Count a row whose answer an earlier run has paid for."""
        self.cached += 1
        if self.cached_since is None or answered_at < self.cached_since:
            self.cached_since = answered_at
        if self.cached_until is None or answered_at > self.cached_until:
            self.cached_until = answered_at

    def count_failure(self, label: object, outcome: RowOutcome) -> None:
        """Count a row that has no answer."""
        error = outcome.error
        if error is None or isinstance(error, KeyboardInterrupt):  # a stop is no failure
            return
        self.failed += 1
        self.reasons[reason(error, outcome.stop_reason)] += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append((label, error))


_MAX_EXAMPLES = 3


def reason(error: CcError, stop_reason: str = "") -> str:
    """Return why a row failed, in a few words."""
    if isinstance(error, ProviderError) and error.status is not None:
        return str(error.status)
    if isinstance(error, StreamError) and stop_reason == "tool_call":
        return "no answer"
    if isinstance(error, StreamError) and stop_reason not in ("error", "unknown"):
        return _WRONG_TYPE
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "error")


class RowView(Protocol):
    """Shows a run; called on the cell's thread only."""

    def draw(self, progress: Progress) -> None:
        """Draw if it is time."""

    def finish(self, progress: Progress) -> None:
        """Replace the live output by the final one."""


class NullRowView:
    """Shows nothing."""

    def draw(self, progress: Progress) -> None:
        """Draw nothing."""

    def finish(self, progress: Progress) -> None:
        """Draw nothing."""
