"""The turn of a cell with tools: several requests, and the calls between them.

Each request is a step with its own reservation, repeats and record, so that whatever ends the turn,
the history holds what came. Every call has a result in it: a call that was not run says why. A
request that fails after a result is sent again like any other; no function runs twice for it.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError
from cc_jupyter.core.messages import ToolResult
from cc_jupyter.core.money import format_usd
from cc_jupyter.core.steps import CallPlace, CallRecord
from cc_jupyter.core.text import pluralize
from cc_jupyter.session.in_flight import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.messages import ToolCall
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.core.steps import ToolRunner
    from cc_jupyter.render.base import Renderer
    from cc_jupyter.session.prepare import PreparedRequest
    from cc_jupyter.session.session import Session, StepRecording
    from cc_jupyter.session.tool_turns.recorder import StepRecorder


MAX_EQUAL_CALLS = 3
"""A model that asks for the same call this often is not getting anywhere."""
MAX_CALLS = 128
"""The most calls of one step that are run; OpenAI's own limit is lower for most models."""


class ToolLoop:
    """Runs one turn with tools; `run` again goes on with the request that failed.

    Parameters
    ----------
    runner
        Asks the user and runs the functions.
    renderer
        Shows the answers, each in place of the one before it.
    recording
        Opens what records each answer, in place of a turn in the history.
    """

    def __init__(
        self,
        session: Session,
        prepared: PreparedRequest,
        runner: ToolRunner,
        renderer: Renderer,
        recording: StepRecording | None = None,
    ) -> None:
        self._session = session
        self._prepared = prepared
        self._runner = runner
        self._renderer = renderer
        self._recording = recording
        self._next = prepared
        self._answered: StepRecorder | None = None
        """The recorder of the step before `_next`, whose calls are all answered."""
        self._recorder: StepRecorder | None = None
        self._wake_stream: Callable[[], None] = lambda: None
        self._is_stopped = False
        runner.watch(lambda: self._is_stopped)
        self._seen: Counter[tuple[str, str]] = Counter()
        self._differing: list[str] = []
        """The functions of `--live-tools` whose results differ from the recording."""
        self._ending = ""
        """Why no further request is sent; empty: one is."""

    @property
    def ending(self) -> str:
        """Why the turn ended without an answer; empty: it did not."""
        return self._ending

    def run(self, guard: Callable[[Callable[[], None]], InterruptGuard] | None = None) -> Reply:
        """Run the turn and return its reply, however it ended.

        Called again after an error, it sends only the request that failed: no function runs twice.
        """
        self._recorder = self._answered
        if self._answered is not None and self._next.open_turn is not None:
            self._answered.reply = self._next.open_turn.reply  # without the error
        with (guard or InterruptGuard)(self._wake):
            try:
                self._run_steps()
            except KeyboardInterrupt as interrupt:
                if self._recorder is None:
                    raise
                self._recorder.end_turn(error=interrupt)
            recorder = self._recorder
            if recorder is None:
                raise AssertionError("a turn without a step")
            self._runner.end()
            reply = self._judged(recorder.reply)
            recorder.reply = reply
            self._renderer.finish(reply)
        # it came after the last event; a run over rows keeps the answer
        if self._is_stopped and reply.error is None and self._recording is None:
            return dataclasses.replace(reply, error=KeyboardInterrupt())
        return reply

    def _wake(self) -> None:
        """Stop at the next safe point; the stream that is being read ends at once."""
        self._is_stopped = True
        self._wake_stream()

    def _run_steps(self) -> None:
        while True:
            recorder = self._run_step(self._next)
            step = recorder.step
            if recorder.reply.error is not None or not step.open_calls:
                return
            self._renderer.pause()
            number = len(recorder.reply.steps)
            self._answer_calls(recorder, number)
            if self._ending:
                recorder.end_turn(notice=self._ending)
                return
            self._next = recorder.next_request()._replace(sample=self._prepared.sample)
            self._answered = recorder

    def _run_step(self, prepared: PreparedRequest) -> StepRecorder:
        """Send one request and return its recorder, which has saved the answer."""
        if self._is_stopped:
            raise KeyboardInterrupt
        try:
            return self._session.send_step(prepared, self._renderer, self._begin, self._recording)
        except CcError as error:
            if self._recorder is None:  # nothing was sent
                raise
            # over budget, say: the steps before it are saved
            self._recorder.end_turn(error=error)
            return self._recorder
        finally:
            self._wake_stream = lambda: None

    def _begin(self, recorder: StepRecorder) -> Callable[[], None]:
        """Take the recorder of the step that begins; return what interrupts it."""
        self._recorder = recorder
        self._wake_stream = recorder.stream.wake
        if self._is_stopped:
            recorder.stream.wake()
        return self._wake

    def _answer_calls(self, recorder: StepRecorder, number: int) -> None:
        """Answer every call of a step; what ends the turn is in `_ending`."""
        max_steps = self._prepared.max_steps
        calls = recorder.step.open_calls
        if number >= max_steps:
            self._ending = (
                f"stopped after {pluralize(number, 'request')}, the limit of --max-steps;"
                f" {pluralize(len(calls), 'call')} not run"
            )
        recorded = None if self._ending else self._recorded(recorder)
        try:
            for at, call in enumerate(calls):
                if self._is_stopped:
                    raise KeyboardInterrupt
                if self._ending:
                    break
                result = recorded[at] if recorded else None
                recorder.add_call(self._answer(recorder, call, result, at, len(calls), number))
        finally:
            answered = len(recorder.step.calls)
            recorder.close_step(f"not run: {self._ending}" if self._ending else "")
            for record in recorder.step.calls[answered:]:
                self._runner.note(record)
        if self._is_stopped:
            raise KeyboardInterrupt

    def _recorded(self, recorder: StepRecorder) -> list[ToolResult] | None:
        """Return the results of a replayed step; `None`: functions answer its calls."""
        tape = self._session.tape()
        if recorder.stream.replay is None or tape is None:
            return None
        from cc_jupyter.session.tool_turns.recorded_results import recorded_results  # noqa: PLC0415  few turns are replayed

        return recorded_results(tape, recorder.request, recorder.step)

    def _answer(  # noqa: PLR0913, PLR0917  a call and its place
        self,
        recorder: StepRecorder,
        call: ToolCall,
        recorded: ToolResult | None,
        at: int,
        calls: int,
        number: int,
    ) -> CallRecord:
        key = (call.name, json.dumps(call.arguments, sort_keys=True))
        self._seen[key] += 1
        why = ""
        if self._seen[key] >= MAX_EQUAL_CALLS:
            why = "the same call was asked for three times"
            self._ending = f"stopped: the model asked for the same call of {call.name} three times"
        elif at >= MAX_CALLS:
            why = f"only the first {MAX_CALLS} calls of an answer are run"
        if recorded is not None and not self._prepared.live_tools:
            from cc_jupyter.session.tool_turns.recorded_results import replayed  # noqa: PLC0415  few turns are replayed

            record = replayed(call, recorded)
            self._runner.note(record)
            return record
        if why:
            result = ToolResult(call.id, (f"not run: {why}",), is_error=True)
            record = CallRecord(call, result, "not run", why)
            self._runner.note(record)
            return record
        usd = recorder.reply.cost.usd
        spent = "" if usd is None else format_usd(usd)
        place = CallPlace(at + 1, calls, number, self._prepared.max_steps, spent)
        record = self._runner.answer(call, place)
        if record.state == "interrupted":
            self._is_stopped = True
        elif self._runner.has_ended:
            self._ending = "ended by the user"
        if recorded is not None:
            from cc_jupyter.session.tool_turns.recorded_results import compared  # noqa: PLC0415  few turns are replayed

            differing = compared(record, recorded)
            if differing is not record:
                self._differing.append(call.name)
            return differing
        return record

    def _judged(self, reply: Reply) -> Reply:
        """Return the reply with the error of a turn with calls nobody could be asked about."""
        if self._differing:
            names = ", ".join(dict.fromkeys(self._differing))
            notice = f"{names} answers differently now than in the recording; %cmd trace shows both"
            reply = dataclasses.replace(reply, notices=(*reply.notices, notice))
        error = self._runner.consent_error
        if error is None or reply.error is not None:
            return reply
        return dataclasses.replace(reply, error=error)
