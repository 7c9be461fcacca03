"""Makes and sends the requests of a run.

A row takes one request, one more if its type is not met, and more where the model calls functions.
A row that is refused for now goes on later where it was: what it was answered is paid for, and no
function runs a second time for it.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cc_jupyter.core.errors import CcError, StreamError
from cc_jupyter.core.events import NO_USAGE, USAGE_FIELDS, Notice, Usage
from cc_jupyter.core.money import Cost
from cc_jupyter.core.text import new_id
from cc_jupyter.rows.plan import prepared_row
from cc_jupyter.session.answer_recorder import AnswerRecorder
from cc_jupyter.session.tool_turns.loop import ToolLoop
from cc_jupyter.session.tool_turns.of_run import on_thread_of
from cc_jupyter.session.tool_turns.recorder import StepRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cc_jupyter.client.client import AnswerStream
    from cc_jupyter.conversation.records import Reading
    from cc_jupyter.core.events import StreamEvent
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.rows.money import RunMoney
    from cc_jupyter.rows.plan import RowPlan
    from cc_jupyter.session.in_flight import InterruptGuard
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.scheduler import Run
    from cc_jupyter.session.session import Session


class SentRow(NamedTuple):
    """What sending a row has brought besides its reply."""

    value: object = None
    """The parsed value; the text of an answer without a type."""
    reading: Reading = "text"
    attempts: int = 0
    """How often it was sent, repeats and the request for a correction included."""
    steps: int = 0
    """How many of its requests were answered."""


class RowRequests:
    """The requests of some jobs of a plan, made when they are due; `send` sends one.

    Parameters
    ----------
    jobs
        The places of the jobs in the plan.
    failed
        Takes the place of a job whose request cannot be made, and why.
    open_stream
        Has the face of `Session.open_stream`, which it replaces.
    """

    def __init__(  # noqa: PLR0913  the parts of a run
        self,
        session: Session,
        plan: RowPlan,
        jobs: Sequence[int],
        money: RunMoney,
        run_id: str,
        *,
        failed: Callable[[int, CcError], None],
        open_stream: Callable[..., Any] | None = None,
    ) -> None:
        self._session = session
        self._plan = plan
        self._jobs = jobs
        self._money = money
        self._run_id = run_id
        self._failed = failed
        self._open_stream = open_stream
        self._prepared: dict[int, PreparedRequest] = {}
        self._attempts: dict[int, int] = {}
        self._steps: dict[int, int] = {}
        self._unfit: dict[int, Reply] = {}  # first answers that do not fit their type
        self._open_loops: dict[int, ToolLoop] = {}  # whose last request failed
        self._sent: dict[int, SentRow] = {}
        self.run: Run | None = None
        """The run, on whose thread functions are called; set by the creator."""

    def __len__(self) -> int:
        return len(self._jobs)

    def __getitem__(self, index: int, /) -> PreparedRequest | None:
        """Make a request; `None`: it cannot be made, and the row has failed."""
        job = self._jobs[index]
        try:
            filled = self._plan.fill(self._plan.jobs[job])
            prepared = prepared_row(self._session, self._plan, filled)
        except CcError as error:
            self._failed(job, error)
            return None
        prepared = prepared._replace(sample=self._plan.samples[job])
        if self.run is not None:
            prepared = on_thread_of(self.run, prepared)
        self._prepared[index] = prepared
        return prepared

    def take(self, index: int) -> SentRow:
        """Return what sending a request has brought; called once, when it has ended."""
        self._prepared.pop(index, None)
        self._unfit.pop(index, None)
        self._open_loops.pop(index, None)
        sent = self._sent.pop(index, SentRow())
        return sent._replace(attempts=self._attempts.pop(index, 0), steps=self._steps.pop(index, 0))

    def send(
        self,
        index: int,
        renderer: Renderer,
        guard: Callable[[Callable[[], None]], InterruptGuard],
    ) -> Reply:
        """Send one request, and once more if its answer does not fit the type."""
        prepared, output_type = self._prepared[index], self._plan.prompt.output_type
        quiet = _RetriesOnly(renderer)

        if output_type is None:
            reply = self._answered(index, prepared, quiet, guard)
            self._sent[index] = SentRow(reply.text)
            return reply
        replies: list[Reply] = []

        def send(each: PreparedRequest) -> Reply:
            if each is prepared and index in self._unfit:  # its correction was refused for now
                reply = self._unfit[index]
            else:
                reply = self._answered(index, each, quiet, guard)
            replies.append(reply)
            if reply.error is not None:
                raise reply.error
            return reply

        try:
            _, value = self._session.ask_typed(prepared, output_type, send)
        except (CcError, KeyboardInterrupt) as error:
            if not replies:  # it was never sent
                raise
            if replies[0].error is None:
                self._unfit[index] = replies[0]
            has_ended = replies[-1].error is None and isinstance(error, StreamError)
            self._sent[index] = SentRow(None, "failed" if has_ended else "read")
            if has_ended and isinstance(error, CcError):
                error.hint = None  # it names `_cmd`, which is another answer
            return dataclasses.replace(_summed(replies), error=error)
        self._sent[index] = SentRow(value, "read")
        return _summed(replies)

    def _answered(
        self,
        index: int,
        prepared: PreparedRequest,
        renderer: Renderer,
        guard: Callable[[Callable[[], None]], InterruptGuard],
    ) -> Reply:
        """Send a request and return the answer, after the calls that the model asks for."""
        session = self._session
        if prepared.new_runner is None:
            return session.run(
                prepared, renderer, guard, lambda each: self._recorder(index, each, _RowRecorder)
            )
        loop = self._open_loops.pop(index, None) or ToolLoop(
            session,
            prepared,
            prepared.new_runner(),
            renderer,
            lambda each: self._recorder(index, each, _RowStepRecorder),
        )
        reply = loop.run(guard)
        if reply.error is not None:
            self._open_loops[index] = loop
        elif loop.ending:
            error = StreamError(f"no answer: {loop.ending}")
            if len(reply.steps) >= prepared.max_steps:
                error.hint = f"--max-steps {2 * prepared.max_steps} allows more requests"
            return dataclasses.replace(reply, error=error)
        return reply

    @contextmanager
    def _recorder(
        self, index: int, prepared: PreparedRequest, kind: type[_Recorder]
    ) -> Iterator[_Recorder]:
        """Reserve what a request may cost, and provide what records its answer."""
        session, money = self._session, self._money
        prepared = session.with_key(prepared)
        request_id = new_id()
        stream: AnswerStream | None = None
        try:
            watchers = money.watchers(prepared, request_id)
            stream = session.stream_of(
                prepared, gives_up_on_429=True, open_stream=self._open_stream
            )
            recorder = kind(
                prepared,
                stream,
                session.budget_guard,
                turn_id=self._run_id,
                budget_watchers=watchers,
                sent_at=session.now(),
            )
            recorder.settle = lambda reply: money.settle(request_id, reply)
            yield recorder
            self._steps[index] = self._steps.get(index, 0) + (recorder.own_reply.error is None)
        finally:
            if stream is not None:
                self._attempts[index] = self._attempts.get(index, 0) + stream.requests_sent
            money.release(request_id)


class _RowRecorder(AnswerRecorder):
    """Records the answer of one row: no turn, no key, which the plan knows already."""

    settle: Callable[[Reply], None]
    """Counts what the answer has cost; set by the creator."""

    def save(self) -> None:
        super().save()
        self.settle(self.own_reply)

    def _request_key(self) -> str:
        return ""


class _RowStepRecorder(StepRecorder, _RowRecorder):
    """Records one of the requests that a row with tools takes."""

    def save(self) -> None:
        super().save()
        self.reply = self.of_turn(self.own_reply)


_Recorder = TypeVar("_Recorder", _RowRecorder, _RowStepRecorder)


class _RetriesOnly:
    """Passes only repeats on: no view shows the text of a row as it arrives."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def show(self, event: StreamEvent) -> None:
        if isinstance(event, Notice) and event.retry is not None:
            self._renderer.show(event)

    def pause(self) -> None:
        self._renderer.pause()

    def finish(self, reply: Reply) -> None:
        self._renderer.finish(reply)


def _summed(replies: Sequence[Reply]) -> Reply:
    """Return the last reply with the tokens and the cost of all."""
    if len(replies) == 1:
        return replies[0]
    costs = [reply.cost for reply in replies]
    cost = costs[-1]
    amounts = [each.usd for each in costs if each.usd is not None]
    if len(amounts) < len(costs):
        cost = Cost(None, "unknown", cost.price_date)
    else:
        origins = {each.origin for each in costs}
        origin = "estimated" if "estimated" in origins else cost.origin
        cost = dataclasses.replace(cost, usd=sum(amounts, Decimal(0)), origin=origin)
    counts = {
        name: [getattr(reply.usage, name) for reply in replies if _is_known(reply.usage, name)]
        for name in USAGE_FIELDS
    }
    usage = dataclasses.replace(
        NO_USAGE, **{name: sum(each) if each else None for name, each in counts.items()}
    )
    return dataclasses.replace(replies[-1], usage=usage, cost=cost)


def _is_known(usage: Usage, name: str) -> bool:
    return getattr(usage, name) is not None
