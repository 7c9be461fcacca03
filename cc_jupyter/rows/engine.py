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
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from cc_jupyter.conversation.records import FinishedRow, TurnRecord
from cc_jupyter.core.errors import BudgetError, CcError, ConnectError, ModelError, ProviderError
from cc_jupyter.core.events import Notice
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.core.text import new_id, pluralize
from cc_jupyter.models.registry import LOCAL
from cc_jupyter.prompt.output_types import ValidationProblem
from cc_jupyter.rows.executors.open_pool import workers_of
from cc_jupyter.rows.money import RunMoney
from cc_jupyter.rows.outcomes import RowOutcome, RowResults
from cc_jupyter.rows.progress import NullRowView, Progress
from cc_jupyter.rows.projection import BillProjector, draw_preview
from cc_jupyter.rows.sending import RowRequests
from cc_jupyter.session.in_flight import InterruptGuard
from cc_jupyter.session.run_limits import RunEstimate, RunLimits, check_run
from cc_jupyter.session.scheduler import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.messages import TurnKey
    from cc_jupyter.experiments.checks import Checks
    from cc_jupyter.rows.plan import RowPlan
    from cc_jupyter.rows.progress import RowView
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session


OnError: TypeAlias = Literal["keep", "raise", "stop"]
_ENDED: Final = ("stop", "length", "content_filter")
_SAVE_S = 0.4
"""While checks take their time, finished rows are written this often."""
_GATHER_S = 0.01
"""Rows that end within this time are written in one transaction."""
_RUN_SAVE_S = 1.0
"""The run's own record, which counts for usage and budgets, is written this often."""
_REFRESH_S = 240.0
"""A reservation is renewed this often; it expires after 15 minutes."""
_FIND_AT_ONCE = 5_000
"""Stored rows that are read at once."""
_SEED = 20
"""Of the draw of a preview: the same rows each time, so that they are paid for once."""
_COSTLY_USD = Decimal("0.10")
_COSTLY_REQUESTS = 100
"""From either on, a run is costly enough to say what looks sensitive in it."""
_PROJECTED_FROM = 100
"""Stored answers that a projection is based on."""
_LOST_IN_A_ROW = 20
"""So many rows in a row without a connection end the run."""


class RowControl:
    """Interrupts a run from any thread, also before it has begun."""

    def __init__(self) -> None:
        self._interrupt: Callable[[], None] | None = None
        self._is_interrupted = False

    def attach(self, interrupt: Callable[[], None]) -> None:
        """Take what interrupts the run."""
        self._interrupt = interrupt
        if self._is_interrupted:
            interrupt()

    def interrupt(self) -> None:
        """Stop all requests of the run and start no more."""
        self._is_interrupted = True
        if self._interrupt is not None:
            self._interrupt()


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
    control: RowControl | None = None
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
        self._on_disk = (
            session.settings().history if plan.base is None else plan.base.settings.history
        )
        self._jobs = self._drawn()
        places = sorted(plan.jobs[job] for job in self._jobs) if options.preview else None
        self.results = RowResults(
            len(plan.table), places, () if checks is None else checks.expressions
        )
        for job in range(len(plan.jobs)):
            for at in self._rows_of(job):
                self.results.set_key(at, plan.keys[job])
        self.results.errors.update(plan.errors)
        self._progress = Progress(
            len(plan.table) if places is None else len(places),
            equal=0 if places is not None else plan.equal,
            preview_of=None if places is None else len(plan.table),
        )
        self._progress.notices += plan.notices
        self._progress.is_kept_here_only = not self._on_disk and len(plan.jobs) > 0
        self._run_id = new_id()
        self._money: RunMoney | None = None
        self._requests: RowRequests | None = None
        self._run: Run | None = None
        self._pending: Sequence[int] = ()
        self._to_save: list[FinishedRow] = []
        self._saved_s = self._run_saved_s = self._refreshed_s = monotonic()
        self._started_at = session.now()
        self._waiting: set[int] = set()
        self._projector: BillProjector | None = None
        self._stored: list[tuple[int, RowOutcome]] = []
        """The first answers that earlier runs have paid for; a projection is based on them too."""
        self._stored_bytes = 0
        self._lost_in_a_row = 0
        self._last: RowOutcome | None = None
        self._stopped_by: CcError | None = None
        self._interrupt_notes: tuple[str, ...] = ()
        self._values: dict[str, object] = {}
        """Values of stored texts: many rows of a table have the same answer."""
        for at, error in plan.errors.items():
            self._progress.count_failure(self._label(at), RowOutcome(error=error))

    def take_stored(self) -> list[int]:
        """Take the answers that earlier runs have paid for; return the jobs that are left.

        Raises
        ------
        StoreError, ConfigError
            The history cannot be read.
        """
        plan, jobs = self._plan, self._jobs
        if self._options.fresh or plan.base is None or self._session.tape() is not None:
            self._projector = self._make_projector()
            return list(jobs)
        left: list[int] = []
        rows = self._session.history.rows
        is_on_disk = self._on_disk and self._session.history.is_on_disk
        for start in range(0, len(jobs), _FIND_AT_ONCE):
            some = jobs[start : start + _FIND_AT_ONCE]
            found = rows.find(plan.source, [plan.keys[job] for job in some], on_disk=is_on_disk)
            for job in some:
                row = found.get((plan.keys[job], plan.samples[job]))
                if row is None or not self._takes(job, row):
                    left.append(job)
        self._projector = self._make_projector()
        return left

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
        estimate = self._estimate(base, pending)
        projection = None if self._projector is None else self._projector.projection()
        if projection is not None and projection.usd is not None and projection.interval_usd:
            share = Decimal(len(pending)) / max(1, len(self._plan.jobs) - self._progress.cached)
            estimate = estimate._replace(usd=projection.usd * share)
        if estimate.usd >= _COSTLY_USD or estimate.requests >= _COSTLY_REQUESTS:
            self._progress.notices += filter(None, (self._options.sensitive(),))
        budget = check_run(estimate, self._options.limits, base.settings.refuse_above_usd)
        self._money = RunMoney(self._session, base, self._run_id, budget)

    def run(self, pending: Sequence[int]) -> RowRun:
        """Send what is left, and keep every answer."""
        if pending and self._money is not None:
            self._send(pending, self._money)
        progress = self._progress
        progress.ended_s = monotonic()
        progress.is_interrupted = self._run is not None and self._run.is_interrupted
        self._note_money()
        if self._stopped_by is not None:
            left = progress.requests - progress.ended
            progress.stopped = f"stopped, {pluralize(left, 'row')} not sent: {self._stopped_by}"
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
        is_local = base.endpoint.served_by == LOCAL
        concurrency = self._options.concurrency or base.settings.concurrency
        concurrency = 1 if is_local else min(concurrency, len(pending))
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
            if self._options.control is not None:
                self._options.control.attach(run.interrupt)
            # at the third interrupt, what has not ended is not there
            with contextlib.suppress(KeyboardInterrupt):
                run.run()
            if workers is not None:
                self._progress.notices += workers.notices
        # none that comes while the answers are saved loses them
        with contextlib.suppress(KeyboardInterrupt), InterruptGuard(run.interrupt):
            self._save()
            self._save_run(money, is_finished=True)

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
            answered_at=self._session.now(),
            request_key=self._plan.keys[job].hex(),
        )
        has_ended = reply.error is None or sent.reading == "failed"
        if has_ended and reply.stop_reason in _ENDED and not reply.replayed:
            self._keep(job, reply, sent.reading, outcome.answered_at)
        self._take(job, outcome)
        if reply.error is not None:
            self._judge(reply.error)
        else:
            self._lost_in_a_row = 0
        self._save_if_due()

    def tick(self) -> None:
        """Save and draw.

        Requests are started after this, so a kernel that is killed loses at most those in flight.
        """
        if self._to_save:
            self._save()
        self._save_if_due()
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
            if outcome.error is None:
                self._check(at, outcome)
        progress = self._progress
        self._last = outcome
        if self._options.preview is not None and outcome.error is None:
            progress.shown.append((self._label(self._plan.jobs[job]), outcome.text))
        if outcome.error is not None:
            progress.count_failure(self._label(self._plan.jobs[job]), outcome)
        elif not outcome.from_cache:
            progress.done += 1
        size_bytes = self._plan.sizes[job]
        if outcome.from_cache:
            self._stored_bytes += size_bytes
            if len(self._stored) < _PROJECTED_FROM:
                self._stored.append((size_bytes, outcome))
        elif self._projector is not None:
            self._projector.add(size_bytes, outcome.usage, outcome.cost.usd)
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

    def _keep(
        self,
        job: int,
        reply: Reply,
        reading: Literal["text", "read", "failed"],
        at: datetime | None,
    ) -> None:
        """Put an answer among those to be stored."""
        assert self._plan.base is not None  # noqa: S101  it was sent
        secrets = self._plan.base.endpoint.secrets
        self._to_save.append(
            FinishedRow(
                self._plan.keys[job],
                self._plan.samples[job],
                redact(reply.text, secrets),
                at or self._session.now(),
                reply.model,
                reply.stop_reason,
                reading,
                reply.usage.reported,
                reply.cost,
                self._run_id,
                self._options.name,
            )
        )

    def _takes(self, job: int, row: FinishedRow) -> bool:
        """Take a stored answer if it can be used; return whether it can."""
        output_type, retry = self._plan.prompt.output_type, self._options.retry
        has_failed = row.reading == "failed"
        if row.stop_reason not in _ENDED or row.stop_reason in retry:
            return False
        if has_failed and "type" in retry:
            return False
        error: CcError | None = None
        value: object = row.text
        if output_type is not None:
            try:
                value = self._value(row.text)
            except ValidationProblem as problem:
                if not has_failed:
                    return False
                error = output_type.error(problem, Reply(row.text, "", row.model, row.stop_reason))
                error.hint = 'retry="type" asks for it again'
                value = None
        outcome = RowOutcome(
            row.text,
            value,
            error,
            row.model,
            row.stop_reason,
            row.usage,
            row.cost,
            from_cache=True,
            answered_at=row.answered_at,
            request_key=row.request_key.hex(),
        )
        self._progress.count_stored(row.answered_at)
        self._take(job, outcome)
        return True

    def _value(self, text: str) -> object:
        """Return the value of a stored answer; plain ones are read once for each text."""
        output_type = self._plan.prompt.output_type
        assert output_type is not None  # noqa: S101  the caller knows
        if text in self._values:
            return self._values[text]
        value = output_type.validate(text)
        if type(value) in (str, int, float, bool) and len(self._values) < _FIND_AT_ONCE:
            self._values[text] = value
        return value

    def _make_projector(self) -> BillProjector | None:
        """Return what projects the bill of all rows that nobody has paid for yet."""
        base, plan = self._plan.base, self._plan
        if base is None:
            return None
        sent_at = self._session.now()
        projector = BillProjector(
            len(plan.jobs) - self._progress.cached,
            sum(plan.sizes) - self._stored_bytes,
            lambda usage: base.cost(usage, sent_at).usd,
        )
        for size_bytes, outcome in self._stored:
            projector.add(size_bytes, outcome.usage, outcome.cost.usd, is_in_bill=False)
        return projector

    def _drawn(self) -> Sequence[int]:
        """Return the jobs of this run: all, or those that are drawn for the preview."""
        if self._options.preview is None:
            return range(len(self._plan.jobs))
        return draw_preview(self._plan.sizes, self._options.preview, _SEED)

    def _rows_of(self, job: int) -> Sequence[int]:
        first = self._plan.jobs[job]
        return (first, *self._plan.copies.get(first, ()))

    def _label(self, at: int) -> object:
        return self._plan.table.label(at)

    def _estimate(self, base: PreparedRequest, pending: Sequence[int]) -> RunEstimate:
        """Estimate the tokens and the cost of what is left."""
        guard, sent_at = self._session.budget_guard, self._session.now()
        usual = guard.estimate(base)
        common_bytes = len((base.request.system or "").encode())

        @functools.cache
        def price(tokens: int) -> Decimal | None:
            return base.cost(replace(usual, input_tokens=tokens), sent_at).usd

        requests = unpriced = input_tokens = 0
        usd = Decimal(0)
        for job in pending:
            size = self._plan.sizes[job]
            if self._plan.prompt.template.is_plain:
                size += common_bytes
            tokens = guard.calibration.tokens(base.model.id, size)
            cost = price(tokens)
            requests += 1
            input_tokens += tokens
            unpriced += cost is None
            usd += cost or Decimal(0)
        return RunEstimate(
            requests, unpriced, usd, input_tokens, requests * (usual.output_tokens or 0)
        )

    def _save_if_due(self) -> None:
        now_s = monotonic()
        if self._to_save and now_s - self._saved_s >= _SAVE_S:
            self._save()
        if self._money is not None and now_s - self._run_saved_s >= _RUN_SAVE_S:
            self._save_run(self._money, is_finished=False)
            if now_s - self._refreshed_s >= _REFRESH_S:
                self._refreshed_s = now_s
                self._money.refresh()

    def _save(self) -> None:
        """Write finished rows; one whose write fails stays in memory, and the run goes on."""
        rows, self._to_save = self._to_save, []
        self._saved_s = monotonic()
        problem = self._session.history.rows.save(self._plan.source, rows, on_disk=self._on_disk)
        if problem is not None:
            notice = f"finished rows are not saved yet: {problem}; this kernel has them"
            if notice not in self._progress.notices:
                self._progress.notices.append(notice)

    def _save_run(self, money: RunMoney, *, is_finished: bool) -> None:
        """Write the record of the run: one entry in usage and budgets, outside search."""
        base = self._plan.base
        assert base is not None  # noqa: S101  something was sent
        self._run_saved_s = monotonic()
        key, cost, usage = self._options.turn_key, money.cost, money.usage
        interrupted = self._run is not None and self._run.is_interrupted
        reply = Reply(
            "",
            "",
            base.model.id,
            "interrupted" if interrupted else "stop",
            usage,
            cost,
            duration_s=self._progress.elapsed_s,
            provenance=Provenance(
                base.request.endpoint, base.endpoint.served_by, turn_id=self._run_id
            ),
        )
        sent = money.requests
        named = f" -> {self._options.name}" if self._options.name else ""
        record = TurnRecord(
            id=self._run_id,
            prompt=f"{pluralize(len(self._plan.table), 'row')}{named}",
            model=base.model.id,
            endpoint=base.request.endpoint,
            sent_at=self._started_at,
            key=key,
            notebook=base.spec.notebook,
            stop_reason=reply.stop_reason,
            usage=usage,
            cost=cost,
            duration_s=reply.duration_s,
            served_by=base.endpoint.served_by,
            zdr=base.zdr,
            rows=sent,
            finished=is_finished,
        )
        if is_finished:
            self._session.budget_guard.settle(self._run_id, reply)
            if not sent:  # nothing was billed and nothing refused
                self._session.budget_guard.release(self._run_id)
                return
        elif not sent:
            return
        notice = self._session.history.save(record, None, on_disk=self._on_disk)
        if notice is not None and notice not in self._progress.notices:
            self._progress.notices.append(notice)
