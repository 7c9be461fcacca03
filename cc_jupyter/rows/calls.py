"""A run over rows as it is called: from what a cell or Python asks for to the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.core.errors import OptionError, RowsError
from cc_jupyter.core.messages import Parameters, ValueLimits
from cc_jupyter.core.text import pluralize
from cc_jupyter.experiments.checks import Checks
from cc_jupyter.prompt.options import RETRY_WORDS
from cc_jupyter.prompt.template import names_in
from cc_jupyter.rows.engine import OnError, RowOptions, run_rows
from cc_jupyter.rows.frames.results import make_result
from cc_jupyter.rows.frames.tables import table_of
from cc_jupyter.rows.plan import RowPrompt, make_plan
from cc_jupyter.rows.sensitive_values import sensitive_notice
from cc_jupyter.rows.template import RowTemplate
from cc_jupyter.session.run_limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cc_jupyter.config.settings import Settings
    from cc_jupyter.core.messages import TurnKey
    from cc_jupyter.core.reply import Reply
    from cc_jupyter.prompt.output_types import OutputType
    from cc_jupyter.rows.engine import RowRun
    from cc_jupyter.rows.frames.tables import RowTable
    from cc_jupyter.rows.plan import RowTools
    from cc_jupyter.rows.progress import RowView
    from cc_jupyter.rows.protocols import Table
    from cc_jupyter.session.in_flight import Interrupter
    from cc_jupyter.session.session import Session


_NAME_CHARS = 40
_NO_NAMES: Mapping[str, object] = MappingProxyType({})


class RowCall(NamedTuple):
    """What a run over rows is asked for, with everything read and checked."""

    prompt: str
    into: object | None = None
    """The type of the answers; `None`: text."""
    label: str | None = None
    """The type as the user wrote it."""
    model: str | None = None
    system: str | None = None
    images: tuple[str, ...] = ()
    """URLs, files or expressions, evaluated for each row."""
    parameters: Parameters = Parameters()
    checks: tuple[str, ...] = ()
    preview: int | None = None
    concurrency: int | None = None
    limits: RunLimits = RunLimits()
    on_error: OnError = "keep"
    unique: bool | None = None
    fresh: bool = False
    retry: frozenset[str] = frozenset()
    executor: object = None
    tools: RowTools | None = None
    """Functions that the model may call; `None`: none."""
    name: str | None = None
    """The variable that gets the result; `None`: the prompt's first words name the rows."""
    raw: bool = False
    key_env: str | None = None
    zdr: bool = False
    value_limits: ValueLimits = ValueLimits()
    user_ns: Mapping[str, object] = _NO_NAMES
    local_ns: Mapping[str, object] = _NO_NAMES
    notebook: str = ""
    turn_key: TurnKey | None = None
    control: Interrupter | None = None
    output_type: OutputType | None = None
    settings: Settings | None = None
    """`None`: the effective ones."""

    @property
    def stored_name(self) -> str:
        """The name under which `%cmd forget rows NAME` finds the rows."""
        words = re.sub(r"\W+", "-", self.prompt).strip("-")
        return self.name or words[:_NAME_CHARS].rstrip("-") or "rows"


@dataclass(frozen=True, slots=True)
class RowsEnded:
    """A run that has ended, with its result."""

    run: RowRun
    result: Any
    """A frame or a series of the library of the table, or a list of dicts."""
    reply: Reply | None
    """The last row's; `None`: there is none."""
    broken_checks: tuple[str, ...] = ()
    """The messages of checks that raised, each once."""

    def raise_failures(self, call: RowCall) -> None:
        """Raise what the caller must know.

        Raises
        ------
        KeyboardInterrupt
            The run was interrupted; notes say what is there.
        RowsError
            Rows failed and `on_error` says so, all failed, or the run ended early. Its cause is
            what ended the run, or the error of the first row that failed.
        """
        progress = self.run.progress
        where = call.name or "cc_jupyter.last_rows()"
        answered = progress.done + progress.cached
        total = progress.requests + progress.cached + progress.unsendable
        kept = f"{where} has {answered:,} of {pluralize(total, 'answer')}"
        if progress.is_interrupted:
            interrupt = KeyboardInterrupt()
            again = f"; run it again to send the other {progress.left:,}" if progress.left else ""
            for note in (*self.run.interrupt_notes, kept + again):
                interrupt.add_note(note)
            text = "; ".join(("KeyboardInterrupt: stopped", *interrupt.__notes__))
            interrupt._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]  # IPython's
            raise interrupt
        failed, stopped = progress.failed, self.run.stopped_by
        is_red = stopped is not None or (failed and (call.on_error != "keep" or not answered))
        if not is_red:
            return
        if stopped is not None:
            unsent = f", {pluralize(progress.left, 'row')} not sent" if progress.left else ""
            error = RowsError(
                f"{pluralize(failed, 'row')} failed{unsent}: {stopped}; {kept}",
                hint=stopped.hint or "run it again to send the rest",
                result=self.result,
            )
            raise error from stopped
        counts = progress.reasons.most_common()
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts)
        raise RowsError(
            f"{failed:,} of {pluralize(progress.rows, 'row')} failed ({reasons}); {kept}",
            hint=progress.advice,
            result=self.result,
        ) from next(iter(self.run.results.errors.values()), None)


def run_call(session: Session, data: object, call: RowCall, view: RowView) -> RowsEnded:
    """Run a prompt over a table and return its result; failures are in it.

    Raises
    ------
    OptionError, ConfigError, StoreError
        Something cannot be used, or it may cost too much; nothing was sent.
    """
    if call.tools is not None and call.executor is not None:
        raise OptionError(
            "tools are functions of this kernel, so an executor cannot send rows with tools",
            hint="leave out executor=, or the tools",
        )
    if _is_dask(data):
        from cc_jupyter.rows.executors.dask_frames import run_dask_call  # noqa: PLC0415  rarely used

        return run_dask_call(session, data, call, view)
    table = table_of(data)
    template = RowTemplate(
        call.prompt,
        call.system,
        call.value_limits,
        raw=call.raw,
        images=call.images,
        user_ns=call.user_ns,
        local_ns=call.local_ns,
    )
    checks = Checks(call.checks, call.user_ns, call.local_ns, names=table.template_names)
    in_checks = names_in_checks(checks)
    limited = table.limited_to(template.used | in_checks)
    return run_planned(
        session,
        call,
        view,
        RowsToRun(
            limited,
            template,
            checks,
            limited.notices(template.used, in_checks),
            lambda: sensitive_notice(limited, template.used),
            lambda run: _result(table, call, run),
        ),
    )


class RowsToRun(NamedTuple):
    """What a call is run over."""

    table: Table
    template: RowTemplate
    checks: Checks
    notices: tuple[str, ...]
    sensitive: Callable[[], str | None]
    """Says what looks sensitive among the values that are sent, before a costly run."""
    result: Callable[[RowRun], Any]
    """Makes the result in the user's library."""


def run_planned(session: Session, call: RowCall, view: RowView, rows: RowsToRun) -> RowsEnded:
    """Plan a call and run it."""
    prompt = RowPrompt(
        rows.template,
        call.output_type,
        call.model,
        call.parameters,
        call.key_env,
        zdr=call.zdr,
        notebook=call.notebook,
        tools=call.tools,
    )
    plan = make_plan(session, rows.table, prompt, unique=call.unique, settings=call.settings)
    plan.notices = (*rows.notices, *plan.notices)
    options = RowOptions(
        call.stored_name,
        call.limits,
        call.concurrency,
        call.on_error,
        call.fresh,
        call.retry,
        call.preview,
        call.turn_key,
        call.executor,
        rows.sensitive,
        call.control,
    )
    run = run_rows(session, plan, options, view, rows.checks)
    result = rows.result(run)
    _last[:] = [result]
    broken = tuple(f"{each.message}\n{each.hint or ''}".rstrip() for each in rows.checks.broken)
    return RowsEnded(run, result, run.last_reply, broken)


def names_in_checks(checks: Checks) -> frozenset[str]:
    """Return the names that checks use."""
    return frozenset[str]().union(*map(names_in, checks.expressions))


def _is_dask(data: object) -> bool:
    """Return whether this is a frame or a series of Dask, without importing Dask to ask."""
    return any(
        each.__module__.partition(".")[0] in ("dask", "dask_expr")
        and each.__name__ in ("DataFrame", "Series")
        for each in type(data).__mro__
    )


_last: list[Any] = []


def last_rows() -> Any:  # noqa: ANN401  of the library of the table
    """Return the result of the last run over rows, also of one that was interrupted.

    Raises
    ------
    OptionError
        There was none in this kernel.
    """
    if not _last:
        raise OptionError(
            "no prompt was sent over rows yet",
            hint="run it: finished rows are taken from the history, and only the rest is sent",
        )
    return _last[0]


def read_retry(given: str | Sequence[str]) -> frozenset[str]:
    """Return the words of `retry`.

    Raises
    ------
    OptionError
        One of them is unknown.
    """
    words = frozenset((given,) if isinstance(given, str) else given)
    for word in sorted(words, key=str):
        if word not in RETRY_WORDS:
            raise OptionError(
                f"`retry` cannot be {word!r:.40}", hint=f"choose from {', '.join(RETRY_WORDS)}"
            )
    return words


def _result(table: RowTable, call: RowCall, run: RowRun) -> Any:  # noqa: ANN401  of any library
    results = run.results
    places = None if isinstance(results.places, range) else results.places
    return make_result(
        table, call.into, results.values, results.checks, meta=results.meta, places=places
    )
