"""Run grid cells: several models, options and samples in one cell, and `%cmd retry`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.display import TextOutput
from cc_jupyter.core.errors import BrokenCheckError, CcError, OptionError
from cc_jupyter.experiments.checks import Checks, error_of_many
from cc_jupyter.experiments.grid_view import GridView
from cc_jupyter.experiments.run_grid import NullGridView, failure, retry, run_grid
from cc_jupyter.session.execution import ReplyDisplay
from cc_jupyter.session.run_limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.core.reply import Reply
    from cc_jupyter.experiments.grid import Grid
    from cc_jupyter.experiments.plan import Plan
    from cc_jupyter.experiments.run_grid import GridRun
    from cc_jupyter.experiments.run_grid import GridView as View
    from cc_jupyter.prompt.options import CellOptions
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


class GridCells:
    """Runs the grids of one shell, and remembers the last one for `%cmd retry`."""

    def __init__(self, shell: InteractiveShell, session: Session, cell: ExecutionContext) -> None:
        self._shell = shell
        self._session = session
        self._cell = cell
        self._last: tuple[GridRun, CellOptions, Checks] | None = None

    def run(
        self,
        options: CellOptions,
        text: str,
        make_plan: Callable[[CellOptions, str], Plan],
        local_ns: dict[str, object],
    ) -> Grid:
        """Run a grid, show it, and bind it and its active answer.

        Raises
        ------
        OptionError
            Something in the cell cannot be used, or it may cost too much; nothing was sent.
        GridError, CheckError
            Requests failed, or a check did with `--fail-on-check`; the grid is bound.
        KeyboardInterrupt
            The grid was interrupted; it is bound with what has come.
        """
        plan = make_plan(options, text)
        checks = self.checks(options, plan, local_ns)
        self._cell.count_request()
        is_blind = options.grid is not None and options.grid.blind
        run = run_grid(
            self._session,
            plan,
            self._view(options, plan, is_blind=is_blind),
            RunLimits(options.max_usd, options.max_requests),
            checker=checks.passed,
            is_blind=is_blind,
        )
        return self._ended(run, options, checks)

    def checks(self, options: CellOptions, plan: Plan, local_ns: dict[str, object]) -> Checks:
        """Compile the checks of a grid.

        Raises
        ------
        OptionError
            One of them cannot be evaluated.
        """
        names = {} if local_ns is self._shell.user_ns else local_ns
        return Checks(options.check, self._shell.user_ns, names, secrets=plan.keys)

    def retry(self) -> Grid | None:
        """Send again what failed or was interrupted in the last grid.

        Raises
        ------
        OptionError
            There is no grid in this kernel, or nothing in it can be sent again.
        GridError, CheckError, KeyboardInterrupt
            As in `run`.
        """
        if self._last is None:
            raise OptionError(
                "there is no grid to send again",
                hint="run its cell: after a restart the values in it are unknown",
            )
        before, options, checks = self._last
        if not before.failed:
            raise OptionError(
                "every answer of the last grid is complete", hint="run its cell again for new ones"
            )
        is_blind = before.grid.hides_models
        view = self._view(options, before.plan, before=before.grid, is_blind=is_blind)
        grid = self._ended(retry(self._session, before, view), options, checks)
        return None if self._cell.is_statement() else grid

    def _view(
        self,
        options: CellOptions,
        plan: Plan,
        *,
        before: Grid | None = None,
        is_blind: bool,
    ) -> View:
        if options.quiet:
            return NullGridView()
        settings = self._session.settings()
        return GridView(
            plan,
            self._cell.run_output(),
            before=before,
            is_blind=is_blind,
            remote_images=settings.remote_images,
        )

    def _ended(self, run: GridRun, options: CellOptions, checks: Checks) -> Grid:
        """Bind the grid, then say what failed."""
        self._last = run, options, checks
        grid = self._bind(run, options)
        for result in checks.broken:
            if not options.fail_on_check:
                self._show(f"{result.message}\n{result.hint or ''}".rstrip())
        self._raise_failures(run, options, checks)
        return grid

    def _raise_failures(self, run: GridRun, options: CellOptions, checks: Checks) -> None:
        error: CcError | None
        if run.is_interrupted:
            interrupt = KeyboardInterrupt()
            for note in (*run.interrupt_notes, _kept(run.grid, options.name)):
                interrupt.add_note(note)
            raise interrupt
        error = failure(run, options.name)
        if error is None and options.fail_on_check:
            if checks.broken:
                broken = checks.broken[0]
                error = BrokenCheckError(broken.message, hint=broken.hint)
            else:
                results = [answer.checks for answer in run.grid.answers]
                error = error_of_many(checks.expressions, results)
        if error is not None:
            raise error

    def _bind(self, run: GridRun, options: CellOptions) -> Grid:
        """Bind `-> NAME` to the grid and `_cmd` to its active answer."""
        display = ReplyDisplay(self._cell, None)
        grid = dataclasses.replace(
            run.grid,
            answers=tuple(
                dataclasses.replace(
                    answer, reply=dataclasses.replace(answer.reply, display=display)
                )
                for answer in run.grid.answers
            ),
        )
        names: dict[str, Any] = self._shell.user_ns
        names["_cmd"] = self._active(run, grid)
        if options.name is not None:
            names[options.name] = grid
        return grid

    def _active(self, run: GridRun, grid: Grid) -> Reply:
        """Return the answer that later cells continue from; the first one if all have failed."""
        turn = None if run.slot is None else run.slot.turn
        replies = [answer.reply for answer in grid.answers]
        active = next(
            (each for each in replies if turn and each.provenance.turn_id == turn.id),
            next((each for each in replies if each.error is None), replies[0]),
        )
        display = ReplyDisplay(self._cell, self._cell.token, "shown above")
        return dataclasses.replace(active, grid=grid, display=display)

    def _show(self, text: str) -> None:
        from IPython.display import display  # noqa: PLC0415  loaded in every kernel

        display(TextOutput(text))  # type: ignore[no-untyped-call]  # IPython's own


def _kept(grid: Grid, name: str | None) -> str:
    complete = sum(not answer.failed for answer in grid.answers)
    has = f"{name or '_cmd.grid'} has {complete:,} of {len(grid):,} answers"
    return has if complete == len(grid) else f"{has}; send the rest: %cmd retry"
