"""Run cells with `--each`: one prompt over the rows of a table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import TextOutput
from cc_jupyter.core.errors import BrokenCheckError, OptionError
from cc_jupyter.core.text import describe, excerpt
from cc_jupyter.experiments.checks import error_of_many
from cc_jupyter.rows.calls import RowCall, read_retry, run_call
from cc_jupyter.rows.progress import NullRowView
from cc_jupyter.rows.view import RowProgressView
from cc_jupyter.session.execution import ReplyDisplay
from cc_jupyter.session.run_limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.prompt.builder import PromptBuilder
    from cc_jupyter.prompt.options import CellOptions
    from cc_jupyter.rows.calls import RowsEnded
    from cc_jupyter.rows.plan import RowTools
    from cc_jupyter.rows.progress import RowView
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class RowCells:
    """Runs the cells with `--each` of one shell.

    Parameters
    ----------
    tools
        The functions that the model may call for each row; `None`: none.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        cell: ExecutionContext,
        tools: RowTools | None = None,
    ) -> None:
        self._shell = shell
        self._session = session
        self._cell = cell
        self._tools = tools

    def run(
        self,
        options: CellOptions,
        text: str,
        local_ns: dict[str, object],
        builder: PromptBuilder,
        value_of: Callable[[str], object],
    ) -> Any:  # noqa: ANN401  of the library of the table
        """Run the prompt over a table, show it, and bind the result and the last reply.

        Parameters
        ----------
        value_of
            Evaluates the expression of the table.

        Raises
        ------
        OptionError
            Something in the cell cannot be used, or it may cost too much; nothing was sent.
        RowsError, CheckError, BrokenCheckError
            Rows failed, or a check did with `--fail-on-check`; the result is bound.
        KeyboardInterrupt
            The run was interrupted; the result is bound with what has come.
        """
        each = options.each
        assert each is not None  # noqa: S101  the caller knows
        table = self._table(each.table, value_of)
        if options.dry_run or options.format == "code":
            what = "--dry-run" if options.dry_run else "-f code"
            raise OptionError(
                f"`{what}` is for a single answer or a grid, not for `--each`",
                hint="--preview 5 sends five rows and projects the bill",
            )
        call = self._call(options, text, local_ns, builder)
        view: RowView = NullRowView()
        if not options.quiet:
            view = RowProgressView(self._cell.run_output(), call.name)
        ended = run_call(self._session, table, call, view)
        self._bind(options, ended)
        for message in ended.broken_checks:
            if not options.fail_on_check:
                self._show(message)
        ended.raise_failures(call)
        if options.fail_on_check:
            self._judge(ended)
        return ended.result

    def _call(
        self,
        options: CellOptions,
        text: str,
        local_ns: dict[str, object],
        builder: PromptBuilder,
    ) -> RowCall:
        each = options.each
        assert each is not None  # noqa: S101  the caller knows
        into, output_type = builder.annotation(options)
        user_ns = self._shell.user_ns
        return RowCall(
            text,
            into=into,
            label=options.type,
            output_type=output_type,
            model=options.model,
            system=options.system,
            images=options.image,
            parameters=options.parameters,
            checks=options.check,
            preview=each.preview,
            concurrency=each.concurrency,
            limits=RunLimits(options.max_usd, options.max_requests),
            on_error=each.on_error,
            fresh=each.fresh,
            retry=read_retry(each.retry),
            tools=self._tools,
            name=options.name,
            raw=options.raw,
            key_env=options.key_env,
            zdr=options.zdr,
            value_limits=builder.limits(options),
            user_ns=user_ns,
            local_ns={} if local_ns is user_ns else local_ns,
            notebook=self._cell.notebook,
            turn_key=self._cell.count_request(),
        )

    def _table(self, expression: str, value_of: Callable[[str], object]) -> object:
        try:
            return value_of(expression)
        except OptionError as error:
            cause = error.__cause__ or error
            raise OptionError(
                f"`--each {excerpt(expression)}` failed: {describe(cause)}",
                hint="nothing was sent; name a frame, a series or a list of dicts",
            ) from cause

    def _bind(self, options: CellOptions, ended: RowsEnded) -> None:
        names: dict[str, Any] = self._shell.user_ns
        if options.name is not None:
            names[options.name] = ended.result
        if ended.reply is not None:
            display = ReplyDisplay(self._cell, None)
            names["_cmd"] = dataclasses.replace(ended.reply, display=display)

    def _judge(self, ended: RowsEnded) -> None:
        results = ended.run.results
        if ended.broken_checks:
            message, _, hint = ended.broken_checks[0].partition("\n")
            raise BrokenCheckError(message, hint=hint or None)
        rows = [[column[at] for column in results.checks.values()] for at in results.places]
        error = error_of_many([*results.checks], rows)
        if error is not None:
            raise error

    def _show(self, text: str) -> None:
        from IPython.display import display  # noqa: PLC0415  loaded in every kernel

        display(TextOutput(text))  # type: ignore[no-untyped-call]  # IPython's own
