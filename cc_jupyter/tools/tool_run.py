"""Answer the calls of one turn: check, ask, run, and record each.

The loop that sends requests asks for one record after the other. Whatever a model writes, the
result is a record: an unknown tool, arguments that do not fit and a refusal are results too. Only a
stop of the cell and the answer `q` end the turn, by the state of the record and `has_ended`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import INTERRUPTED, ToolResult
from cc_jupyter.core.steps import CallRecord
from cc_jupyter.core.text import excerpt
from cc_jupyter.tools.call_source import call_source
from cc_jupyter.tools.tool import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.messages import ToolCall
    from cc_jupyter.core.steps import CallPlace, CallState
    from cc_jupyter.tools.consent import Consent, Decision
    from cc_jupyter.tools.runner import Outcome, Runner
    from cc_jupyter.tools.tool import Tool
    from cc_jupyter.tools.toolbox import Toolbox
    from cc_jupyter.tools.trace_view import TraceView

_ALLOWED = {
    "--allow": "allowed by --allow",
    "once": "allowed once",
    "same call": "allowed by s: this same call, in this run",
    "function": "allowed by f: this function, in this run",
}


class ToolRun:
    """The tools of one turn.

    Parameters
    ----------
    toolbox
        The tools that the model may call.
    consent
        Decides which calls run.
    runner
        Runs them.
    view
        Shows them.
    """

    def __init__(self, toolbox: Toolbox, consent: Consent, runner: Runner, view: TraceView) -> None:
        self._toolbox = toolbox
        self._consent = consent
        self._runner = runner
        self._view = view
        self.has_ended = False
        """Whether the user ended the turn with `q`."""

    def answer(self, call: ToolCall, place: CallPlace) -> CallRecord:
        """Return the record of a call, which has run only if that is allowed.

        A record in the state `interrupted` means that the cell was stopped; nothing is raised.
        """
        try:
            record = self._answered(call, place)
        except KeyboardInterrupt:  # while the user was asked
            record = _record(call, INTERRUPTED, "interrupted", "interrupted before it ran")
        self._view.finished(record)
        return record

    def note(self, record: CallRecord) -> None:
        """Show the record of a call that was not run here, such as a replayed one."""
        self._view.finished(record)

    def end(self) -> None:
        """Show the trace in its final form."""
        self._view.end()

    def watch(self, is_stopped: Callable[[], bool]) -> None:
        """Run no function once `is_stopped()` is true."""
        self._runner.is_stopped = is_stopped

    def stop(self) -> bool:
        """Interrupt the tool that runs, from any thread; return whether there is one."""
        return self._runner.stop()

    @property
    def consent_error(self) -> OptionError | None:
        """The error for calls that were refused since no one could answer; `None`: none were."""
        missing = self._consent.missing
        if not missing:
            return None
        options = " ".join(f"--allow {name}" for name in missing)
        return OptionError(
            f"no one could be asked whether {', '.join(missing)} may run, so the calls were"
            " refused",
            hint=f"add {options} to the cell, or run it where input is possible",
        )

    def _answered(self, call: ToolCall, place: CallPlace) -> CallRecord:
        tool = self._toolbox.get(call.name)
        source = f"{excerpt(call.name)}({excerpt(call.arguments_json)})"
        if tool is None:
            text = self._toolbox.unknown(call.name)
            return _record(call, text, "not run", "there is no such tool", source=source)
        try:
            arguments = tool.arguments(call.arguments_json)
        except ArgumentsError as error:
            shown = "the arguments do not fit"
            return _record(call, str(error), "not run", shown, source=source)
        decision = self._consent.decide(tool, arguments, place)
        if not decision.runs:
            self.has_ended = self.has_ended or decision.ends
            source = call_source(tool.name, decision.arguments.given)
            return _record(call, decision.reason, "refused", decision.reason, source=source)
        return self._run(call, tool, decision)

    def _run(self, call: ToolCall, tool: Tool, decision: Decision) -> CallRecord:
        source = call_source(tool.name, decision.arguments.given)
        self._view.started(source)
        outcome = self._runner.run(tool, decision.arguments.values)
        content = outcome.content
        text, shown = content.text, " · ".join(filter(None, [content.summary, content.cut]))
        details = [_ALLOWED[decision.how]] if decision.how else []
        if decision.changed:
            text = f"[the user changed the call to {source}]\n{text}"
            details.append(f"you changed the arguments; the model's: {call.arguments_json}")
        details += [*filter(None, [content.cut, *content.notes, content.traceback])]
        return CallRecord(
            call,
            ToolResult(call.id, (text, *content.images), is_error=content.is_error),
            _state(outcome),
            shown,
            source,
            outcome.duration_s,
            "\n".join(details),
        )


def _state(outcome: Outcome) -> CallState:
    if outcome.is_stopped:
        return "interrupted"
    if outcome.still_runs:
        return "running"
    return "error" if outcome.content.is_error else "ok"


def _record(
    call: ToolCall, text: str, state: CallState, shown: str, *, source: str = ""
) -> CallRecord:
    """Return the record of a call that did not run."""
    result = ToolResult(call.id, (text,), is_error=True)
    return CallRecord(call, result, state, shown, source)
