"""The tools of a run of many requests: they run one after the other, on the thread of the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.errors import CcError
    from cc_jupyter.core.messages import ToolCall
    from cc_jupyter.core.steps import CallPlace, CallRecord, ToolRunner
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.scheduler import Run


def on_thread_of(run: Run, prepared: PreparedRequest) -> PreparedRequest:
    """Return a request whose functions run on the thread of a run, not on that of the request."""
    new_runner = prepared.new_runner
    if new_runner is None:
        return prepared
    return prepared._replace(new_runner=lambda: _RunnerElsewhere(run, new_runner()))


class _RunnerElsewhere:
    """Answers the calls of one turn on the thread of its run."""

    def __init__(self, run: Run, runner: ToolRunner) -> None:
        self._run = run
        self._runner = runner

    @property
    def has_ended(self) -> bool:
        """Whether the user ended the turn."""
        return self._runner.has_ended

    @property
    def consent_error(self) -> CcError | None:
        """The error of calls that nobody could be asked about."""
        return self._runner.consent_error

    def answer(self, call: ToolCall, place: CallPlace) -> CallRecord:
        """Answer a call; a stop of one stops the run."""
        record = self._run.on_own_thread(lambda: self._runner.answer(call, place))
        if record.state == "interrupted":
            self._run.interrupt()
        return record

    def watch(self, is_stopped: Callable[[], bool]) -> None:
        """Run no function once `is_stopped()` is true."""
        self._runner.watch(is_stopped)

    def note(self, record: CallRecord) -> None:
        """Pass a record on."""
        self._run.on_own_thread(lambda: self._runner.note(record))

    def end(self) -> None:
        """Show nothing: a run has a view of its own."""
