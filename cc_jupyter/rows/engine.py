"""Run a plan over rows: take what is stored, send the rest, keep every answer.

An answer is stored within a second of its end, so that a kernel that is killed loses only what was
in flight. All but the sending happens on the cell's thread.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cc_jupyter.core.errors import BudgetError, CcError, ConnectError, ModelError, ProviderError
from cc_jupyter.core.events import Notice
from cc_jupyter.core.text import new_id, pluralize
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.rows.executors.open_pool import workers_of
from cc_jupyter.rows.keeping import RowKeeper
from cc_jupyter.rows.money import RunMoney
from cc_jupyter.rows.outcomes import RowOutcome, RowResults
from cc_jupyter.rows.progress import NullRowView, Progress
from cc_jupyter.rows.projection import BillProjector, draw_preview
from cc_jupyter.rows.sending import RowRequests
from cc_jupyter.session.in_flight import Interrupter, InterruptGuard
from cc_jupyter.session.run_limits import (
    RunEstimate,
    RunLimits,
    check_run,
    open_ended_budget,
)
from cc_jupyter.session.scheduler import Run
from cc_jupyter.usage.estimate import text_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import TurnKey
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.checks import Checks
    from cc_jupyter.rows.plan import RowPlan
    from cc_jupyter.rows.progress import RowView
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session


OnError: TypeAlias = Literal["keep", "raise", "stop"]
_GATHER_S = 0.01
"""Rows that end within this time are written in one transaction."""
_SEED = 20
"""Of the draw of a preview: the same rows each time, so that they are paid for once."""
_COSTLY_USD = Decimal("0.10")
_COSTLY_REQUESTS = 100
"""From either on, a run is costly enough to say what looks sensitive in it."""
_PROJECTED_FROM = 100
"""Stored answers that a projection is based on."""
_LOST_IN_A_ROW = 20
"""So many rows in a row without a connection end the run."""


class RowOptions(NamedTuple):
    """How a plan is run."""

    name: str = ""
    """The name of the result, under which its rows are stored."""
    limits: RunLimits = RunLimits()
    concurrency: int | None = None
    """`None`: the setting."""
    on_error: OnError = "keep"
    fresh: bool = False
    """Whether stored answers are ignored."""
    retry: frozenset[str] = frozenset()
    """Of `RETRY_WORDS`: stored answers that ended so are asked for again."""
    preview: int | None = None
    """How many rows to draw; `None`: all are run."""
    turn_key: TurnKey | None = None
    """The cell that runs it."""
    executor: object = None
    """A `concurrent.futures.Executor` or a `distributed.Client`; `None`: this process sends."""
    sensitive: Callable[[], str | None] = lambda: None
    """Returns a notice of values that look like keys or addresses; asked before a costly run."""
    control: Interrupter | None = None
    """Interrupts the run from another thread."""


@dataclass(slots=True, eq=False)
class RowRun:
    """A run that has ended."""

    plan: RowPlan
    options: RowOptions
    results: RowResults
    progress: Progress
    last_reply: Reply | None = None
    """The reply to the last row that ended; `None`: there is none."""
    stopped_by: CcError | None = None
    """What ended the run early, besides an interrupt."""
    interrupt_notes: tuple[str, ...] = ()


def run_rows(
    session: Session,
    plan: RowPlan,
    options: RowOptions,
    view: RowView | None = None,
    checks: Checks | None = None,
) -> RowRun:
    """Run a plan; a row that fails has an error, and none loses the others.

    Raises
    ------
    OptionError
        It is estimated to cost more than it may; nothing was sent.
    StoreError, ConfigError
        The history cannot be read.
    """
    engine = _Engine(session, plan, options, view or NullRowView(), checks)
    pending = engine.take_stored()
    engine.check_limits(pending)
    return engine.run(pending)


class _Engine:
    """One run; the listener of its requests."""

    def __init__(
        self,
        session: Session,
        plan: RowPlan,
        options: RowOptions,
        view: RowView,
        checks: Checks | None,
    ) -> None:
        self._session = session
        self._plan = plan
        self._options = options
        self._view = view
        self._checks = checks
        self._jobs = self._drawn()
        places = sorted(plan.jobs[job] for job in self._jobs) if options.preview else None
        self.results = self._no_results(places)
        self._progress = self._no_progress(places)
        self._run_id = new_id()
        self._keeper = RowKeeper(
            session,
            plan,
            self._run_id,
            self._progress,
            name=options.name,
            retry=options.retry,
            turn_key=options.turn_key,
        )
        self._progress.is_kept_here_only = not self._keeper.on_disk and len(plan.jobs) > 0
        self._money: RunMoney | None = None
        self._requests: RowRequests | None = None
        self._run: Run | None = None
        self._pending: Sequence[int] = ()
        self._waiting: set[int] = set()
        self._projector: BillProjector | None = None
        self._stored: list[tuple[int, RowOutcome]] = []
        """The first answers that earlier runs have paid for; a projection is based on them too."""
        self._stored_bytes = 0
        self._recorded: frozenset[int] = frozenset()
        """The jobs that the cassette answers."""
        self._shown: dict[int, str] = {}
        """By row: the answers of a preview."""
        self._lost_in_a_row = 0
        self._last: RowOutcome | None = None
        self._stopped_by: CcError | None = None
        self._interrupt_notes: tuple[str, ...] = ()

    def _no_results(self, places: list[int] | None) -> RowResults:
        """Return the results before anything is sent: the keys, and the rows that cannot be sent.

        Parameters
        ----------
        places
            The rows of a preview; `None`: all.
        """
        plan, checks = self._plan, self._checks
        expressions = () if checks is None else checks.expressions
        results = RowResults(len(plan.table), places, expressions)
        if len(plan.jobs) == len(plan.table):  # no row equals another
            for at, key in zip(plan.jobs, plan.keys, strict=True):
                results.set_key(at, key)
        else:
            for job, key in enumerate(plan.keys):
                for at in self._rows_of(job):
                    results.set_key(at, key)
        results.errors.update(plan.errors)
        return results

    def _no_progress(self, places: list[int] | None) -> Progress:
        """Return the progress before anything is sent."""
        plan, rows = self._plan, len(self._plan.table)
        progress = Progress(
            rows if places is None else len(places),
            equal=0 if places is not None else plan.equal,
            preview_of=None if places is None else rows,
        )
        progress.notices += plan.notices
        progress.is_local = plan.base is not None and plan.base.endpoint.served_by == LOCAL
        progress.unsendable = len(plan.errors)
        for at, error in plan.errors.items():
            progress.count_failure(self._label(at), RowOutcome(error=error))
        return progress

    def take_stored(self) -> list[int]:
        """Take the answers that earlier runs have paid for; return the jobs that are left.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be read.
        """
        plan, jobs = self._plan, self._jobs
        if self._options.fresh or plan.base is None or self._session.tape() is not None:
            self._recorded = self._find_recorded()
            self._projector = self._make_projector()
            return list(jobs)
        left: list[int] = []
        shown: dict[int, RowOutcome] = {}
        for job, outcome in self._keeper.stored(jobs):
            if outcome is None:
                left.append(job)
                continue
            if outcome.answered_at is not None:
                self._progress.count_stored(outcome.answered_at)
            if outcome.error is not None or job == jobs[-1]:
                shown[job] = outcome
            else:
                self._take(job, outcome)
        for job in sorted(shown):  # the first failures and the last answer of the table
            self._take(job, shown[job])
        self._projector = self._make_projector()
        return sorted(left)

    def check_limits(self, pending: Sequence[int]) -> None:
        """Refuse a run that may cost more than it says.

        Raises
        ------
        OptionError
            It is estimated to cost more than it may; nothing was sent.
        """
        base = self._plan.base
        self._progress.requests = len(pending)
        if base is None or not pending:
            return
        to_send = [job for job in pending if job not in self._recorded]
        self._progress.recorded = len(pending) - len(to_send)
        estimate = self._estimate(base, to_send)
        projection = None if self._projector is None else self._projector.projection()
        if projection is not None and projection.usd is not None and projection.interval_usd:
            unpaid = len(self._plan.jobs) - self._progress.cached - len(self._recorded)
            share = Decimal(len(to_send)) / max(1, unpaid)
            estimate = estimate._replace(usd=projection.usd * share)
        if estimate.usd >= _COSTLY_USD or estimate.requests >= _COSTLY_REQUESTS:
            self._progress.notices += filter(None, (self._options.sensitive(),))
        budget = check_run(estimate, self._options.limits, base.settings.refuse_above_usd)
        if budget is None and base.new_runner is not None:
            budget = open_ended_budget(base.settings.refuse_above_usd)
        self._money = RunMoney(self._session, base, self._run_id, budget)

    def run(self, pending: Sequence[int]) -> RowRun:
        """Send what is left, and keep every answer."""
        if pending and self._money is not None:
            self._send(pending, self._money)
        progress = self._progress
        progress.ended_s = monotonic()
        progress.shown = [(self._label(at), text) for at, text in sorted(self._shown.items())]
        progress.is_interrupted = self._run is not None and self._run.is_interrupted
        self._note_money()
        if self._stopped_by is not None:
            left = pluralize(progress.left, "row")
            progress.stopped = f"stopped, {left} not sent: {self._stopped_by}"
        # none that comes while the summary is drawn loses the result
        with contextlib.suppress(KeyboardInterrupt), InterruptGuard(lambda: None):
            self._view.finish(progress)
        return RowRun(
            self._plan,
            self._options,
            self.results,
            progress,
            None if self._last is None else self._last.reply,
            self._stopped_by,
            self._interrupt_notes,
        )

    def _send(self, pending: Sequence[int], money: RunMoney) -> None:
        base = self._plan.base
        assert base is not None  # noqa: S101  there is something to send
        concurrency = self._options.concurrency or base.settings.concurrency
        concurrency = 1 if self._progress.is_local else min(concurrency, len(pending))
        self._pending = pending
        with (
            workers_of(
                self._options.executor, self._session, base, concurrency=concurrency
            ) as workers,
            self._session.transport.keeping(concurrency),
        ):
            requests = self._requests = RowRequests(
                self._session,
                self._plan,
                pending,
                money,
                self._run_id,
                failed=self._unsendable,
                open_stream=None if workers is None else workers.open_stream,
            )
            run = self._run = Run(
                requests.send,
                requests,
                self,
                concurrency=concurrency,
                give_up_after_s=base.settings.give_up_after_s,
                reports_unsent=False,
                gather_s=_GATHER_S if concurrency > 1 else 0.0,
            )
            requests.run = run
            if self._options.control is not None:
                self._options.control.attach(run.interrupt)
            # at the third interrupt, what has not ended is not there
            with contextlib.suppress(KeyboardInterrupt):
                run.run()
            if workers is not None:
                self._progress.notices += workers.notices
        # none that comes while the answers are saved loses them
        with contextlib.suppress(KeyboardInterrupt), InterruptGuard(run.interrupt):
            self._keeper.save()
            self._keeper.flush()
            self._keeper.save_run(money, is_finished=True, is_interrupted=run.is_interrupted)

    def started(self, index: int) -> None:
        """Take note that a row is sent."""
        self._waiting.discard(index)

    def event(self, index: int, event: StreamEvent) -> None:
        """Take note of a refusal."""
        retry = event.retry if isinstance(event, Notice) else None
        if retry is not None and retry.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._waiting.add(index)
            self._progress.refusals += 1

    def finished(self, index: int, reply: Reply) -> None:
        """Take a reply: store it, evaluate the checks, count it."""
        assert self._requests is not None  # noqa: S101  it was sent
        self._waiting.discard(index)
        job = self._pending[index]
        sent = self._requests.take(index)
        outcome = RowOutcome(
            reply.text,
            sent.value if reply.error is None else None,
            reply.error,
            reply.model,
            reply.stop_reason,
            reply.usage,
            reply.cost,
            sent.attempts,
            from_cache=False,
            answered_at=reply.provenance.recorded_at or self._session.now(),
            request_key=self._plan.keys[job].hex(),
            replayed_from=reply.provenance.replayed_from,
            answered_requests=sent.steps,
            steps=reply.steps,
        )
        has_ended = reply.error is None or sent.reading == "failed"
        if has_ended:
            self._keeper.keep(job, reply, sent.reading, outcome.answered_at)
        self._take(job, outcome)
        if reply.error is not None:
            self._judge(reply.error)
        else:
            self._lost_in_a_row = 0
        self._keeper.save_if_due(self._money)

    def tick(self) -> None:
        """Save and draw.

        Requests are started after this, so a kernel that is killed loses at most those in flight.
        """
        self._keeper.save()
        self._keeper.save_if_due(self._money)
        self._progress.waiting = len(self._waiting)
        self._note_money()
        self._view.draw(self._progress)

    def _note_money(self) -> None:
        progress, money = self._progress, self._money
        if money is not None:
            progress.spent_usd, progress.unknown_cost = money.spent_usd, money.unknown
        projection = None if self._projector is None else self._projector.projection()
        if projection is not None:
            progress.projected_usd = projection.usd
            progress.projected_interval_usd = projection.interval_usd

    def _take(self, job: int, outcome: RowOutcome) -> None:
        """Take the outcome of a job for its row and the rows that equal it."""
        for number, at in enumerate(self._rows_of(job)):
            self.results.set(at, outcome, is_copy=number > 0)
            if self._checks is not None and outcome.error is None:
                self._check(at, outcome)
        progress = self._progress
        self._last = outcome
        if self._options.preview is not None and outcome.error is None:
            value = outcome.value
            text = value if isinstance(value, str) else repr(value)
            self._shown[self._plan.jobs[job]] = text
        if outcome.error is not None:
            progress.count_failure(self._label(self._plan.jobs[job]), outcome)
        elif not outcome.from_cache:
            progress.done += 1
        if outcome.replayed_from is not None:
            progress.replayed += 1
            progress.replayed_usd += outcome.cost.usd or 0
        size_bytes = self._plan.sizes[job]
        if outcome.from_cache:
            self._stored_bytes += size_bytes
            if len(self._stored) < _PROJECTED_FROM:
                self._stored.append((size_bytes, outcome))
        elif self._projector is not None:
            is_in_bill = outcome.replayed_from is None
            self._projector.add(size_bytes, outcome.usage, outcome.cost.usd, is_in_bill=is_in_bill)
        if not outcome.from_cache:
            progress.input_tokens += outcome.usage.input_tokens or 0
            progress.output_tokens += outcome.usage.output_tokens or 0

    def _check(self, at: int, outcome: RowOutcome) -> None:
        """Evaluate the checks for one row; an interrupt ends the run, and the answers stay."""
        if self._checks is None or not len(self._checks) or self._interrupt_notes:
            return
        try:
            names = self._plan.table.names(at)
            passed = self._checks.passed(outcome.reply, outcome.value, names)
        except KeyboardInterrupt as interrupt:
            self._interrupt_notes = tuple(getattr(interrupt, "__notes__", ("a check was running",)))
            if self._run is None:
                raise
            self._run.interrupt()
            return
        for expression, result in zip(self._checks.expressions, passed, strict=True):
            self.results.checks[expression][at] = result

    def _judge(self, error: CcError | KeyboardInterrupt) -> None:
        """Decide whether the run goes on after a failure."""
        assert self._run is not None  # noqa: S101  something was sent
        if isinstance(error, KeyboardInterrupt):
            return
        self._lost_in_a_row = self._lost_in_a_row + 1 if isinstance(error, ConnectError) else 0
        is_final = (
            isinstance(error, BudgetError)
            or (isinstance(error, ProviderError) and error.is_final)
            or (isinstance(error, ModelError) and error.is_unknown)
            or self._lost_in_a_row >= _LOST_IN_A_ROW
        )
        if is_final or self._options.on_error == "stop":
            self._stopped_by = self._stopped_by or error
            self._run.stop()

    def _unsendable(self, job: int, error: CcError) -> None:
        """Take note that the request of a row cannot be made."""
        self._take(job, RowOutcome(error=error, request_key=self._plan.keys[job].hex()))
        self._judge(error)

    def _make_projector(self) -> BillProjector | None:
        """Return what projects the bill of all rows that nobody has paid for yet."""
        base, plan = self._plan.base, self._plan
        left = len(plan.jobs) - self._progress.cached - len(self._recorded)
        if base is None or (self._recorded and not left):  # a replay has no bill
            return None
        sent_at = self._session.now()
        recorded_bytes = sum(plan.sizes[job] for job in self._recorded)
        projector = BillProjector(
            left,
            sum(plan.sizes) - self._stored_bytes - recorded_bytes,
            lambda usage: base.cost(usage, sent_at).usd,
        )
        for size_bytes, outcome in self._stored:
            projector.add(size_bytes, outcome.usage, outcome.cost.usd, is_in_bill=False)
        return projector

    def _find_recorded(self) -> frozenset[int]:
        """Return the jobs that the cassette answers: all in `replay`, which sends nothing.

        Raises
        ------
        CassetteError
            The cassette cannot be read.
        """
        tape, plan = self._session.tape(), self._plan
        if tape is None or tape.mode == "record":
            return frozenset()
        return frozenset(
            job for job, key in enumerate(plan.keys) if tape.has(key.hex(), plan.samples[job])
        )

    def _drawn(self) -> Sequence[int]:
        """Return the jobs of this run: all, or those that are drawn for the preview."""
        if self._options.preview is None:
            return range(len(self._plan.jobs))
        return draw_preview(self._plan.sizes, self._options.preview, _SEED)

    def _rows_of(self, job: int) -> Sequence[int]:
        first = self._plan.jobs[job]
        copies = self._plan.copies.get(first)
        return (first,) if copies is None else (first, *copies)

    def _label(self, at: int) -> object:
        return self._plan.table.label(at)

    def _estimate(self, base: PreparedRequest, pending: Sequence[int]) -> RunEstimate:
        """Estimate the tokens and the cost of what is left."""
        guard, sent_at = self._session.budget_guard, self._session.now()
        usual = guard.estimate(base)
        tool_bytes = text_bytes(base.request._replace(messages=(), system=None))

        @functools.cache
        def price(tokens: int) -> Decimal | None:
            return base.cost(replace(usual, input_tokens=tokens), sent_at).usd

        requests = unpriced = input_tokens = 0
        usd = Decimal(0)
        for job in pending:
            size = self._plan.sizes[job] + tool_bytes
            tokens = guard.calibration.tokens(base.model.id, size)
            cost = price(tokens)
            requests += 1
            input_tokens += tokens
            unpriced += cost is None
            usd += cost or Decimal(0)
        return RunEstimate(
            requests, unpriced, usd, input_tokens, requests * (usual.output_tokens or 0)
        )
