"""Run the plan of a grid: send all its requests, follow them in a view, return the grid."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from cc_jupyter.core.errors import (
    BudgetError,
    CassetteError,
    CcError,
    ConnectError,
    GridError,
    OptionError,
    ProviderError,
    StreamError,
)
from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.grid import Grid, GridAnswer
from cc_jupyter.session.in_flight import InterruptGuard
from cc_jupyter.session.run_limits import (
    RunLimits,
    check_run,
    estimate_run,
    open_ended_budget,
)
from cc_jupyter.session.scheduler import Run, unsent_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.conversation.turns import TurnSlot
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.plan import Combination, Plan
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session


_NO_LIMITS = RunLimits()
_REASONS = (
    (KeyboardInterrupt, "interrupted"),
    (BudgetError, "over budget"),
    (OptionError, "cannot be sent"),
    (ConnectError, "no connection"),
    (StreamError, "broken answer"),
    (CassetteError, "not recorded"),
)
"""What a grid's error says of each kind of failure; the first that matches."""


class GridView(Protocol):
    """Shows a grid while it runs and at its end; called on the cell's thread only."""

    def on_started(self, index: int) -> None:
        """Take note that a request is sent; `index` is its place in `Plan.cells`."""

    def on_event(self, index: int, event: StreamEvent) -> None:
        """Take the next event of an answer."""

    def on_finished(self, index: int, answer: GridAnswer) -> None:
        """Take a finished answer, or why there is none."""

    def draw(self) -> None:
        """Draw if it is time and something has changed."""

    def finish(self, grid: Grid) -> None:
        """Replace the live output by the final one."""


class NullGridView:
    """Shows nothing: for `--quiet` and `compare`."""

    def on_started(self, index: int) -> None:
        """Ignore it."""

    def on_event(self, index: int, event: StreamEvent) -> None:
        """Ignore it."""

    def on_finished(self, index: int, answer: GridAnswer) -> None:
        """Ignore it."""

    def draw(self) -> None:
        """Draw nothing."""

    def finish(self, grid: Grid) -> None:
        """Draw nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class GridRun:
    """A grid that was run, with what sending parts of it again needs."""

    plan: Plan
    requests: tuple[PreparedRequest | None, ...]
    """One for each cell of the plan; `None`: it cannot be sent."""
    slot: TurnSlot | None
    """The slot of the cell's turn; `None`: the grid belongs to no conversation."""
    grid: Grid
    checker: Callable[[Reply, object], tuple[bool | None, ...]]
    is_interrupted: bool = False
    interrupt_notes: tuple[str, ...] = ()
    """What the interrupt ended besides requests: the check that was running."""

    @property
    def failed(self) -> tuple[int, ...]:
        """The places of answers that failed or were interrupted and can be sent again."""
        return tuple(
            at
            for at, answer in enumerate(self.grid.answers)
            if answer.failed and self.requests[at] is not None
        )


def no_checks(reply: Reply, value: object) -> tuple[bool | None, ...]:
    """Evaluate nothing: the grid has no checks."""
    del reply, value
    return ()


def run_grid(  # noqa: PLR0913  what one run needs
    session: Session,
    plan: Plan,
    view: GridView,
    limits: RunLimits = _NO_LIMITS,
    *,
    checker: Callable[[Reply, object], tuple[bool | None, ...]] = no_checks,
    is_blind: bool = False,
) -> GridRun:
    """Send a plan; return its answers.

    An answer that fails has an error, and so have those that an interrupt stopped.

    Parameters
    ----------
    checker
        Returns the results of the checks for an answer without an error.

    Raises
    ------
    OptionError
        The grid is estimated to cost more than a cell may; nothing was sent.
    """
    plan = plan.numbered(session.samples)
    requests = _requests(plan)
    sendable = [each for each in requests if each is not None]
    settings = sendable[0].settings
    estimate = estimate_run(sendable, session.budget_guard, session.now())
    budget = check_run(estimate, limits, settings.refuse_above_usd)
    if budget is None and sendable[0].new_runner is not None:
        budget = open_ended_budget(settings.refuse_above_usd)
    thread, place, slot = sendable[0].thread, sendable[0].place, None
    if thread is not None:
        spec = sendable[0].spec
        if place is None:
            place = thread.open_slot(spec.turn_key, starts_new_thread=spec.new)
        slot = thread.slots[place]
    requests = tuple(
        None if each is None else each._replace(place=place, run_budget=budget) for each in requests
    )
    cells = plan.cells
    blank = [
        GridAnswer(combination, sample, _unsendable(combination)) for combination, sample in cells
    ]
    runner = _Runner(session, plan, requests, blank, view=view, checker=checker)
    return runner.run(range(len(cells)), slot, is_blind=is_blind)


def retry(session: Session, before: GridRun, view: GridView) -> GridRun:
    """Send again what failed or was interrupted, with the values as they were.

    The numbers of the samples and the places in the plan stay.
    """
    thread = next((each.thread for each in before.requests if each is not None), None)
    requests = before.requests
    slot = before.slot
    if thread is not None and not any(each is slot for each in thread.slots):
        # the turn was rewound or forgotten meanwhile: the answers belong to no conversation
        slot = None
        requests = tuple(
            None if each is None else each._replace(thread=None, place=None) for each in requests
        )
    runner = _Runner(
        session,
        before.plan,
        requests,
        list(before.grid.answers),
        view=view,
        checker=before.checker,
    )
    return runner.run(before.failed, slot, is_blind=before.grid.hides_models)


class _Runner:
    """Runs places of a plan; the listener of their requests."""

    def __init__(  # noqa: PLR0913  the parts of a run
        self,
        session: Session,
        plan: Plan,
        requests: tuple[PreparedRequest | None, ...],
        answers: list[GridAnswer],
        *,
        view: GridView,
        checker: Callable[[Reply, object], tuple[bool | None, ...]],
    ) -> None:
        self._session = session
        self._plan = plan
        self._cells = plan.cells
        self._requests = requests
        self._answers = answers
        self._view = view
        self._checker = checker
        self._places: Sequence[int] = ()
        self._typed: dict[int, tuple[object, tuple[Reply, ...]]] = {}
        self._run: Run | None = None
        self._interrupt_notes: tuple[str, ...] = ()
        """Set once an interrupt came while a check ran; no other check is evaluated then."""

    def run(self, places: Sequence[int], slot: TurnSlot | None, *, is_blind: bool) -> GridRun:
        """Send the requests in these places of the plan, and build the grid."""
        started_at, started_s = self._session.now(), monotonic()
        self._session.hidden_grids.note(self._plan.id, is_hidden=is_blind)
        self._requests = self._lettered(is_blind=is_blind)
        self._places = [at for at in places if self._requests[at] is not None]
        wanted = [self._requests[at] for at in self._places]
        concurrency = next(each.settings.concurrency for each in wanted if each is not None)
        run = self._run = Run(self._send, wanted, self, concurrency=concurrency)
        # at the third interrupt, what has not ended counts as interrupted
        with contextlib.suppress(KeyboardInterrupt):
            run.run()
        answers, duration_s = tuple(self._answers), monotonic() - started_s
        grid = Grid(self._plan, answers, started_at, duration_s, is_blind=is_blind)
        # none that comes while the answers are saved and drawn loses them; the third stops that
        with contextlib.suppress(KeyboardInterrupt), InterruptGuard(run.interrupt):
            self._arrange(slot, is_blind=is_blind)
            self._view.finish(grid)
        return GridRun(
            self._plan,
            self._requests,
            slot,
            grid,
            self._checker,
            run.is_interrupted,
            self._interrupt_notes,
        )

    def started(self, index: int) -> None:
        """Take note that a request is sent."""
        self._view.on_started(self._places[index])

    def event(self, index: int, event: StreamEvent) -> None:
        """Take the next event of an answer."""
        self._view.on_event(self._places[index], event)

    def finished(self, index: int, reply: Reply) -> None:
        """Take a reply: evaluate the checks on this, the cell's thread."""
        place = self._places[index]
        combination, sample = self._cells[place]
        value: object = None if reply.error is not None else reply.text
        earlier: tuple[Reply, ...] = ()
        if self._plan.output_type is not None:
            value, earlier = self._typed.pop(place, (None, ()))
        checks = self._checked(reply, value) if reply.error is None else ()
        answer = GridAnswer(combination, sample, reply, value, checks, earlier)
        self._answers[place] = answer
        self._view.on_finished(place, answer)

    def _checked(self, reply: Reply, value: object) -> tuple[bool | None, ...]:
        """Evaluate the checks; an interrupt of one ends the run, and the answers stay."""
        unknown = (None,) * len(self._plan.checks)
        if self._interrupt_notes:
            return unknown
        try:
            return self._checker(reply, value)
        except KeyboardInterrupt as interrupt:
            self._interrupt_notes = tuple(getattr(interrupt, "__notes__", ("a check was running",)))
            if self._run is not None:
                self._run.interrupt()
            return unknown

    def tick(self) -> None:
        """Draw if it is time."""
        self._view.draw()

    def _send(
        self,
        index: int,
        renderer: Renderer,
        guard: Callable[[Callable[[], None]], InterruptGuard],
    ) -> Reply:
        """Send one request, and once more if its answer does not fit the type."""
        place = self._places[index]
        prepared, output_type = self._requests[place], self._plan.output_type
        assert prepared is not None  # noqa: S101  only those are run
        if prepared.new_runner is not None and self._run is not None:
            from cc_jupyter.session.tool_turns.of_run import on_thread_of  # noqa: PLC0415  few grids have tools

            prepared = on_thread_of(self._run, prepared)
        if output_type is None:
            return self._session.run(prepared, renderer, guard)
        replies: list[Reply] = []

        def send(each: PreparedRequest) -> Reply:
            reply = self._session.run(each, renderer, guard)
            replies.append(reply)
            if reply.error is not None:
                raise reply.error
            return reply

        try:
            reply, value = self._session.ask_typed(prepared, output_type, send)
        except (CcError, KeyboardInterrupt) as error:
            if not replies:  # it was never sent
                raise
            self._typed[place] = None, tuple(replies[:-1])
            if replies[-1].error is None and isinstance(error, CcError):
                error.hint = None  # it names `_cmd`; a grid shows the text below the error
            return dataclasses.replace(replies[-1], error=error)
        self._typed[place] = value, tuple(replies[:-1])
        return reply

    def _arrange(self, slot: TurnSlot | None, *, is_blind: bool) -> None:
        """Put the versions of the turn in the order of the plan; make the first one active.

        The order of a blind grid is that of its columns: neither the number of a version nor the
        active one then says which model wrote it.
        """
        prepared = next(each for each in self._requests if each is not None)
        thread = prepared.thread
        if thread is None or slot is None:
            return
        place = next((at for at, each in enumerate(thread.slots) if each is slot), None)
        if place is None:  # it was rewound meanwhile
            return
        ids = [answer.reply.provenance.turn_id for answer in self._ordered(is_blind=is_blind)]
        failed = [answer.reply.provenance.turn_id for answer in self._answers if answer.failed]
        thread.arrange(place, [each for each in ids if each], prepared.page, failed=failed)
        with contextlib.suppress(CcError):  # the answers have been recorded; the next turn saves it
            self._session.history.save_thread(thread, on_disk=prepared.settings.history)

    def _ordered(self, *, is_blind: bool) -> list[GridAnswer]:
        if not is_blind:
            return self._answers
        columns = self._blind_columns()
        return sorted(
            self._answers, key=lambda each: (columns[each.combination.index], each.sample)
        )

    def _lettered(self, *, is_blind: bool) -> tuple[PreparedRequest | None, ...]:
        """Return the requests with the letters of their columns, which a blind grid shows."""
        if not is_blind:
            return tuple(each and each._replace(blind=None) for each in self._requests)
        from cc_jupyter.experiments.grid_columns import letters  # noqa: PLC0415  seldom needed

        columns = self._blind_columns()
        return tuple(
            each and each._replace(blind=letters(columns[combination.index]))
            for (combination, _), each in zip(self._cells, self._requests, strict=True)
        )

    def _blind_columns(self) -> dict[int, int]:
        """Return the place of each combination in the blind grid, by its index."""
        from cc_jupyter.experiments.grid_columns import shuffled  # noqa: PLC0415  seldom needed

        return {each.index: column for column, each in enumerate(shuffled(self._plan))}


def _requests(plan: Plan) -> tuple[PreparedRequest | None, ...]:
    """Return the requests of a numbered plan, in its order."""
    return tuple(
        None
        if combination.prepared is None
        else combination.prepared._replace(sample=number, grid=plan.id)
        for (combination, _), number in zip(plan.cells, plan.sample_numbers, strict=True)
    )


def _unsendable(combination: Combination) -> Reply:
    """Return the reply of a combination that cannot be sent, or is not sent yet."""
    from cc_jupyter.core.reply import Reply  # noqa: PLC0415  as above

    if combination.prepared is not None:
        return unsent_reply(combination.prepared, KeyboardInterrupt())
    from cc_jupyter.core.money import NOTHING_BILLED  # noqa: PLC0415  as above

    model = combination.spec.model or ""
    return Reply("", "", model, "error", cost=NOTHING_BILLED, error=combination.error)


def failure(run: GridRun, name: str | None) -> GridError | None:
    """Return the error of a grid in which requests failed; `None` if none did.

    Parameters
    ----------
    name
        The variable that has the grid; `None`: `_cmd.grid` has it.
    """
    grid = run.grid
    failed = [answer for answer in grid.answers if answer.failed]
    if not failed:
        return None
    reasons = Counter(map(_reason, failed))
    times = ", ".join(f"{reason} {_times(count)}" for reason, count in reasons.most_common())
    kept = pluralize(len(grid) - len(failed), "answer")
    return GridError(
        f"{len(failed)} of {pluralize(len(grid), 'request')} failed ({times});"
        f" {name or '_cmd.grid'} has {'the ' if len(grid) - len(failed) > 1 else ''}{kept}",
        hint=_what_to_do(run, [answer.reply.error for answer in failed]),
        grid=grid,
    )


def _what_to_do(run: GridRun, errors: Sequence[CcError | KeyboardInterrupt | None]) -> str | None:
    """Return the hint on failed requests; without a budget, sending them again does not help."""
    if not run.failed:
        return "choose other models or options"
    first = errors[0]
    if isinstance(first, BudgetError) and all(isinstance(each, BudgetError) for each in errors):
        return first.hint
    return "send them again: %cmd retry"


def _reason(answer: GridAnswer) -> str:
    """Return why an answer failed, in a few words."""
    error = answer.reply.error
    if isinstance(error, ProviderError) and error.status is not None:
        return str(error.status)
    if isinstance(error, StreamError) and answer.reply.stop_reason != "error":
        return "wrong type"
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "error")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
