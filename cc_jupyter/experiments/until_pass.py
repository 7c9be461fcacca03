"""Ask several models in turn until an answer passes: `--until-pass`.

All tries are versions of one turn; the last one with text is active, and that is the one that
passed. The caller sends and shows each try.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload

from cc_jupyter.client.transport import TIMED_OUT
from cc_jupyter.core.errors import (
    BrokenCheckError,
    CcError,
    CheckError,
    ConnectError,
    OptionError,
    ProviderError,
    StatusError,
    StreamError,
)
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.text import pluralize, short_name
from cc_jupyter.experiments.checks import error_of
from cc_jupyter.session.run_limits import check_run, estimate_run
from cc_jupyter.usage.ledger import format_sum, request_row, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.checks import Checks
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.run_limits import RunLimits
    from cc_jupyter.session.session import Session


_TIMEOUT = 408
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500


class Try(Protocol):
    """Sends and shows the tries."""

    def run(self, prepared: PreparedRequest) -> Reply:
        """Send a request and show the answer; return it, however it ended."""

    def revise(self, reply: Reply, folded: str | None = None) -> Reply:
        """Show the last answer again with more notices, or folded; return what is bound."""

    def text(self, reply: Reply) -> str:
        """Return the text of an answer; raise `StreamError` if it needs one and has none."""


class Outcome(NamedTuple):
    """How a cell with `--until-pass` ended that has an answer."""

    reply: Reply
    value: object
    """The parsed value of a typed answer; the text of any other."""
    error: CcError | None
    """Why the last answer did not pass; `None`: it did."""


def ask_until_pass(  # noqa: PLR0913  what one cell needs
    session: Session,
    requests: Sequence[PreparedRequest],
    checks: Checks,
    output_type: OutputType | None,
    *,
    show: Try,
    limits: RunLimits,
) -> Outcome:
    """Send the requests in order until an answer passes the checks and fits the type.

    An answer that does not fit its type is sent back to its model only by the last request.

    Raises
    ------
    OptionError
        All tries together are estimated to cost more than a cell may; nothing was sent. Or a budget
        does not allow the next one.
    ProviderError
        The last request failed, or another one for a reason that ends the cell at once.
    KeyboardInterrupt
        An interrupt came; what was received is saved.
    """
    _refuse_equal(requests)
    settings = requests[0].settings
    estimate = estimate_run(requests, session.budget_guard, session.now())
    budget = check_run(estimate, limits, settings.refuse_above_usd)
    run = _InTurn(session, requests, checks, output_type, show)
    for number, prepared in enumerate(requests, 1):
        try:
            outcome = run.ask(prepared._replace(run_budget=budget), number)
        except ProviderError as error:
            if number == len(requests) or not asks_next(error):
                run.close(None)
                raise
            run.fold(error)
            continue
        if number == len(requests) or not isinstance(outcome.error, CheckError):
            return run.close(outcome)  # it passed, or nothing can be asked next
        run.fold(outcome.error)
    raise AssertionError  # the last request has returned or raised


def _refuse_equal(requests: Sequence[PreparedRequest]) -> None:
    """Refuse two names of one model: the second try would be the same as the first."""
    names: dict[tuple[str, str], str] = {}
    for prepared in requests:
        name = prepared.spec.model or prepared.model.id
        other = names.setdefault((prepared.model.id, prepared.endpoint.api_root), name)
        if other != name:
            raise OptionError(f"{other} and {name} are the same model", hint="keep one of them")


def asks_next(error: ProviderError) -> bool:
    """Return whether the next model is asked after an error.

    After 408, 429, 5xx, a time-out, a cut stream and an answer of the wrong type it is; not if the
    key was refused or a budget or quota is used up.
    """
    match error:
        case ProviderError(is_final=True):
            return False
        case StreamError():
            return True
        case StatusError(status=int(status)):
            return status in (_TIMEOUT, _TOO_MANY_REQUESTS) or status >= _SERVER_ERRORS
        case ConnectError():
            return error.code == TIMED_OUT
        case _:
            return False


@dataclasses.dataclass(slots=True)
class _InTurn:
    """The tries so far."""

    session: Session
    requests: Sequence[PreparedRequest]
    checks: Checks
    output_type: OutputType | None
    show: Try
    replies: list[Reply] = dataclasses.field(default_factory=list)
    """All replies, corrections of the last try included."""
    _number: int = 0
    """How many models were asked."""

    def ask(self, prepared: PreparedRequest, number: int) -> Outcome:
        """Send one request and judge its answer.

        Raises
        ------
        ProviderError
            It failed, or its answer does not fit the type.
        """
        self._number = number
        turn = self.replies[0].provenance.turn if self.replies else None
        if turn is not None:
            prepared = prepared._replace(place=turn - 1)
        if self.output_type is None:
            reply = self._send(prepared)
            value: object = self.show.text(reply)
        elif number == len(self.requests):
            reply, value = self.session.ask_typed(prepared, self.output_type, self._send)
        else:
            reply = self._send(prepared)
            value = self.output_type.value_of(reply)
        return Outcome(reply, value, error_of(self.checks.evaluate(reply, value), reply))

    def fold(self, error: CcError) -> None:
        """Show the last answer as one that does not count."""
        name = short_name(self.replies[-1].model)
        self.show.revise(self.replies[-1], f"{name} did not pass: {error}")

    @overload
    def close(self, outcome: Outcome) -> Outcome: ...
    @overload
    def close(self, outcome: None) -> None: ...
    def close(self, outcome: Outcome | None) -> Outcome | None:
        """Add to the usage line which model passed, and what the tries cost."""
        if outcome is None and len(self.replies) <= 1:
            return outcome  # its own error says all
        last, count = self.replies[-1], len(self.requests)
        if outcome is not None and outcome.error is None:
            ending = f"{short_name(last.model)} passed, model {self._number} of {count}"
        elif self._number < count:
            ending = f"ended at {short_name(last.model)}, model {self._number} of {count}"
        else:
            ending = f"none of {pluralize(self._number, 'model')} passed"
        notices = ending, f"all tries cost {self._sum(self.replies)}", self._last_alone()
        reply = self.show.revise(dataclasses.replace(last, notices=(*last.notices, *notices)))
        if outcome is None:
            return outcome
        error = outcome.error
        if isinstance(error, CheckError):
            error = CheckError(f"{ending}; the last, {short_name(last.model)}: {error}")
        if isinstance(error, CheckError | BrokenCheckError):
            error.reply = reply
        return Outcome(reply, outcome.value, error)

    def _last_alone(self) -> str:
        """Return what the last model alone would have cost; estimated if it was not asked."""
        last = self.requests[-1]
        name = short_name(last.model.id)
        if self._number == len(self.requests):
            own = [each for each in self.replies if each.model == last.model.id]
            return f"{name} alone would have cost {self._sum(own)}"
        guess = self.session.budget_guard.estimate(last)
        length = self.replies[-1].usage.output_tokens
        usage = dataclasses.replace(guess, output_tokens=length or guess.output_tokens)
        usd = last.cost(usage, self.session.now()).usd
        shown = "$?" if usd is None else format_usd(usd, estimated=True)
        return f"{name} alone would have cost {shown}"

    def _sum(self, replies: Sequence[Reply]) -> str:
        rows = (
            request_row("", reply.usage, reply.cost, failed=False, interrupted=False)
            for reply in replies
        )
        return format_sum(total(rows))

    def _send(self, prepared: PreparedRequest) -> Reply:
        reply = self.show.run(prepared)
        self.replies.append(reply)
        if reply.error is not None:
            raise reply.error
        return reply
