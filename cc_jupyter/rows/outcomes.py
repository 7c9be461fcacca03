"""What came of each row: values, errors, and the figures of the meta frame, held in columns.

Columns of plain numbers keep the memory of a run close to that of its result: about 120 bytes a row
besides the values.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.core.events import NO_USAGE, USAGE_FIELDS, StopReason, Usage
from cc_jupyter.core.money import UNKNOWN_COST, Cost
from cc_jupyter.core.reply import Provenance, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.steps import Step


META_COLUMNS = (
    *USAGE_FIELDS,
    *("cost_usd", "cost_origin", "stop_reason", "attempts", "steps", "calls"),
    *("from_cache", "answered_at", "error", "request_key"),
)
"""The columns of the meta frame, in order."""
_KEY_BYTES = 32
_counts = attrgetter(*USAGE_FIELDS)
_ORIGINS = ("unknown", "reported", "estimated")
_ORIGIN_CODES = {name: code for code, name in enumerate(_ORIGINS)}
_REASONS: tuple[StopReason, ...] = (
    *("unknown", "stop", "length", "tool_call", "content_filter", "interrupted", "error"),
)
_REASON_CODES = {name: code for code, name in enumerate(_REASONS)}
_UNKNOWN = float("nan")


class RowOutcome(NamedTuple):
    """What came of one request."""

    text: str = ""
    value: object = None
    """The parsed value of a typed answer; the text of any other; `None` if it failed."""
    error: CcError | KeyboardInterrupt | None = None
    model: str = ""
    stop_reason: StopReason = "unknown"
    usage: Usage = NO_USAGE
    """Of all requests that the row took: a correction is one more, and each step with tools."""
    cost: Cost = UNKNOWN_COST
    attempts: int = 0
    """How often it was sent in this run."""
    from_cache: bool = False
    """Whether an earlier run has paid for it."""
    answered_at: datetime | None = None
    """Aware, UTC."""
    request_key: str = ""
    replayed_from: str | None = None
    """The cassette that the answer comes from; `None`: the provider sent it."""
    answered_requests: int | None = None
    """How many requests were answered for it; `None`: unknown, since it is stored."""
    steps: tuple[Step, ...] = ()
    """Its requests with the calls between them; empty without tools, and if it is stored."""

    @property
    def reply(self) -> Reply:
        """The outcome as a reply."""
        provenance = Provenance(request_key=self.request_key, replayed_from=self.replayed_from)
        return Reply(
            self.text,
            "",
            self.model,
            self.stop_reason,
            self.usage,
            self.cost,
            self.error,
            steps=self.steps,
            provenance=provenance,
        )


class RowResults:
    """The outcomes of a run, by the place of the row in the table.

    Parameters
    ----------
    rows
        The number of rows of the table.
    places
        The rows that the run is about: all of them, or those of a preview.
    checks
        The expressions of the checks, one column each.
    """

    def __init__(
        self, rows: int, places: Sequence[int] | None = None, checks: Sequence[str] = ()
    ) -> None:
        self.places: Sequence[int] = range(rows) if places is None else places
        self.values: list[object] = [None] * rows
        """`None` where a row has no answer; `is_answered` tells an answer that is `None`."""
        self.errors: dict[int, CcError | KeyboardInterrupt] = {}
        """By row: why it has no answer."""
        self.checks: dict[str, list[bool | None]] = {each: [None] * rows for each in checks}
        """By expression; `None`: it was not evaluated, or raised."""
        self._answered = bytearray(rows)
        self._tokens = {name: array("q", [-1]) * rows for name in USAGE_FIELDS}
        self._usd = array("d", [float("nan")]) * rows
        self._origins = bytearray(rows)
        self._reasons = bytearray(rows)
        self._attempts = array("l", [0]) * rows
        self._steps = array("i", [-1]) * rows
        self._calls = array("i", [-1]) * rows
        self._from_cache = bytearray(rows)
        self._answered_at = array("d", [float("nan")]) * rows
        self._keys = bytearray(rows * _KEY_BYTES)

    def __len__(self) -> int:
        """Return the number of rows of the table."""
        return len(self.values)

    def is_answered(self, at: int) -> bool:
        """Return whether a row has an answer."""
        return bool(self._answered[at])

    def is_from_cache(self, at: int) -> bool:
        """Return whether an earlier run has paid for a row's answer."""
        return bool(self._from_cache[at])

    def key(self, at: int) -> bytes:
        """Return the digest of a row's request key."""
        return bytes(self._keys[at * _KEY_BYTES : (at + 1) * _KEY_BYTES])

    def set_key(self, at: int, digest: bytes) -> None:
        """Take note of the digest of a row's request key."""
        self._keys[at * _KEY_BYTES : (at + 1) * _KEY_BYTES] = digest

    def set(self, at: int, outcome: RowOutcome, *, is_copy: bool = False) -> None:
        """Take the outcome of a row.

        Parameters
        ----------
        is_copy
            Whether an equal row was sent in its place: it took no attempt, tokens or money.
        """
        if outcome.error is None:
            self.values[at] = outcome.value
            self._answered[at] = 1
            if self.errors:
                self.errors.pop(at, None)
        else:
            self.errors[at] = outcome.error
        for column, count in zip(self._tokens.values(), _counts(outcome.usage), strict=True):
            if count is not None:
                column[at] = 0 if is_copy else count
        usd = outcome.cost.usd
        self._usd[at] = 0.0 if is_copy else _UNKNOWN if usd is None else float(usd)
        self._origins[at] = _ORIGIN_CODES[outcome.cost.origin]
        self._reasons[at] = _REASON_CODES[outcome.stop_reason]
        self._attempts[at] = 0 if is_copy else outcome.attempts
        if outcome.answered_requests is not None:
            self._steps[at] = 0 if is_copy else outcome.answered_requests
            self._calls[at] = 0 if is_copy else sum(len(step.calls) for step in outcome.steps)
        self._from_cache[at] = outcome.from_cache
        if outcome.answered_at is not None:
            self._answered_at[at] = outcome.answered_at.timestamp()

    def meta(self) -> dict[str, list[object]]:
        """Return the columns of `META_COLUMNS` over `places`; `None` where nothing is known."""
        places = self.places
        columns: dict[str, list[object]] = {
            name: [_known(column[at]) for at in places] for name, column in self._tokens.items()
        }
        instants = (self._answered_at[at] for at in places)
        columns |= {
            "cost_usd": [self._usd[at] for at in places],
            "cost_origin": [_ORIGINS[self._origins[at]] for at in places],
            "stop_reason": [_REASONS[self._reasons[at]] for at in places],
            "attempts": [self._attempts[at] for at in places],
            "steps": [_known(self._steps[at]) for at in places],
            "calls": [_known(self._calls[at]) for at in places],
            "from_cache": [bool(self._from_cache[at]) for at in places],
            "answered_at": [
                None if each != each else datetime.fromtimestamp(each, UTC)  # noqa: PLR0124  not a number
                for each in instants
            ],
            "error": [self._error_text(at) for at in places],
            "request_key": [self.key(at).hex() for at in places],
        }
        return columns

    def _error_text(self, at: int) -> str | None:
        error = self.errors.get(at)
        if error is None:
            return None
        if isinstance(error, KeyboardInterrupt):
            return "interrupted"
        return f"{type(error).__name__}: {error}"


def _known(count: int) -> int | None:
    """Return a count of a column; below 0 it is unknown."""
    return None if count < 0 else count
