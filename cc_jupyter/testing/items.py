"""Notebooks and their tests as pytest knows them."""

from __future__ import annotations

import importlib.util
import os
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from cc_jupyter.core.errors import CcError
from cc_jupyter.core.money import format_usd
from cc_jupyter.testing.notebook import read_cells
from cc_jupyter.testing.results import CellRun, Verdict, read_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from cc_jupyter.testing.kernel import NotebookKernel
    from cc_jupyter.testing.notebook import Cell


OTHER_CELLS = "cells-without-check"
"""The id of the test that all other cells run without an error."""
_SUFFIX = ".ipynb"
_OUTPUTS = "outputs of the cell"


class RunOptions(NamedTuple):
    """The options of a run."""

    is_live: bool
    times: int
    min_pass: float
    max_usd: Decimal | None
    """What this process may spend: with xdist, an equal share."""


class PromptTests:
    """The plugin with `--cmd`."""

    def __init__(self, config: pytest.Config) -> None:
        self.options = _read_options(config)
        self.spent_usd = Decimal(0)
        self._rates: list[str] = []
        self._usd = Decimal(0)
        if self.options.is_live:
            _check_key()

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect a notebook."""
        is_copy = file_path.parent.name == ".ipynb_checkpoints"
        if file_path.suffix != _SUFFIX or is_copy:
            return None
        notebook = NotebookFile.from_parent(parent, path=file_path)
        notebook.tests = self
        return notebook

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:  # noqa: ANN401  of xdist
        """Run all tests of a notebook in one process: they share a kernel."""
        if config.getoption("dist") not in ("load", "worksteal"):
            return None
        from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # noqa: PLC0415  only with `-n`

        return LoadFileScheduling(config, log)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a rate; with xdist it comes from another process."""
        found = dict(report.user_properties)
        if report.when != "call" or "passed" not in found:
            return
        self._usd += Decimal(str(found["cost_usd"]))
        if int(str(found["answers"])) > 1:
            self._rates.append(f"{report.nodeid}  {found['rate']}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401  a private class
        """Show the rates with their intervals, and what the run has cost."""
        if not self._rates and not self.options.is_live:
            return
        terminalreporter.section("prompt tests")
        for rate in self._rates:
            terminalreporter.line(rate)
        if self.options.is_live:
            terminalreporter.line(f"cost of this run: {format_usd(self._usd)}")


class NotebookFile(pytest.File):
    """A notebook: one kernel, which runs the cells from the top as far as they are needed."""

    tests: PromptTests

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each cell with a check, and one for all others."""
        try:
            self.cells = read_cells(self.path)
        except CcError as error:
            raise self.CollectError(str(error)) from None
        self._kernel: NotebookKernel | None = None
        self._runs: list[list[CellRun]] = []
        for place, cell in enumerate(self.cells):
            if cell.is_test:
                yield PromptItem.from_parent(self, name=cell.id, place=place)
        if not all(cell.is_test for cell in self.cells):
            yield CellsItem.from_parent(self, name=OTHER_CELLS)

    def runs_until(self, place: int) -> list[list[CellRun]]:
        """Return the executions of the cells up to a place; those that have not run yet run now."""
        while len(self._runs) <= place:
            cell = self.cells[len(self._runs)]
            times = self.tests.options.times if self._is_selected(cell) else 1
            self._runs.append([self._run(cell) for _ in range(times)])
        return self._runs

    def teardown(self) -> None:
        """End the kernel."""
        if self._kernel is not None:
            self._kernel.stop()
            self._kernel = None
            self._runs = []

    def _is_selected(self, cell: Cell) -> bool:
        return any(item.parent is self and item.name == cell.id for item in self.session.items)

    def _run(self, cell: Cell) -> CellRun:
        if self._kernel is None:
            self._kernel = self._start()
        ended = self._kernel.run(cell.source, cell.id)
        run = read_run(
            self._kernel.call("report"),
            error_name=ended.error_name,
            error=ended.error,
            outputs=ended.text,
        )
        self.tests.spent_usd += run.usd
        return run

    def _start(self) -> NotebookKernel:
        for name in ("jupyter_client", "ipykernel"):
            if importlib.util.find_spec(name) is None:
                raise pytest.UsageError(
                    f"--cmd needs a kernel, and {name} is not installed:"
                    " pip install 'cc-jupyter[pytest]'"
                )
        from cc_jupyter.testing.kernel import NotebookKernel  # noqa: PLC0415  collecting needs none

        options = self.tests.options
        environment = {**os.environ, "JPY_SESSION_NAME": str(self.path)}
        kernel = NotebookKernel(self.path.parent, environment)
        left = None if options.max_usd is None else options.max_usd - self.tests.spent_usd
        kernel.call(
            "start",
            is_live=options.is_live,
            folder=kernel.folder,
            max_usd=None if left is None else str(max(left, Decimal(0))),
        )
        return kernel


class PromptItem(pytest.Item):
    """A cell with a check."""

    def __init__(self, *, place: int, **parts: Any) -> None:  # noqa: ANN401  pytest's
        super().__init__(**parts)
        self._place = place

    @property
    def _notebook(self) -> NotebookFile:
        return cast("NotebookFile", self.parent)

    def runtest(self) -> None:
        """Run the notebook up to this cell."""
        runs = self._notebook.runs_until(self._place)[self._place]
        verdict = Verdict(runs, self._notebook.tests.options.min_pass)
        self.user_properties += [
            ("passed", verdict.passed),
            ("answers", verdict.count),
            ("rate", verdict.rate),
            ("cost_usd", f"{verdict.usd:f}"),
        ]
        if not verdict.is_passed:
            outputs = "\n".join(filter(None, (run.outputs for run in runs)))
            self.add_report_section("call", _OUTPUTS, outputs)
            raise PromptTestFailedError(verdict.explanation())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:  # noqa: ANN401  pytest's
        """Return what failed, without a traceback through this package."""
        return _reason(excinfo) or super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[os.PathLike[str], int | None, str]:
        """Return the place of the test: its id and its first words."""
        return self.path, None, self._notebook.cells[self._place].title


class CellsItem(pytest.Item):
    """All cells without a check: they must run."""

    def runtest(self) -> None:
        """Run all cells."""
        notebook = cast("NotebookFile", self.parent)
        runs = notebook.runs_until(len(notebook.cells) - 1)
        failed = [
            (cell, each[-1])
            for cell, each in zip(notebook.cells, runs, strict=True)
            if each[-1].error_name and not cell.is_test and not cell.may_fail
        ]
        if failed:
            told = [f"the cell {cell.title} failed\n{run.failure}" for cell, run in failed]
            raise PromptTestFailedError("\n\n".join(told))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:  # noqa: ANN401  pytest's
        """Return what failed, without a traceback through this package."""
        return _reason(excinfo) or super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[os.PathLike[str], int | None, str]:
        """Return the place of the test."""
        return self.path, None, self.name


class PromptTestFailedError(Exception):
    """A test has not passed; the message says why."""


def _reason(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the message of an error that needs no traceback; empty for all others."""
    from cc_jupyter.testing.kernel import KernelDiedError  # noqa: PLC0415  a kernel has been started

    is_plain = isinstance(excinfo.value, PromptTestFailedError | KernelDiedError)
    return str(excinfo.value) if is_plain else ""


def _read_options(config: pytest.Config) -> RunOptions:
    """Read the options.

    Raises
    ------
    pytest.UsageError
        One of them cannot be used.
    """
    is_live = bool(config.getoption("cmd_live"))
    times, rate, usd = (config.getoption(f"cmd_{name}") for name in ("n", "min_pass", "max_usd"))
    if times is not None and not (times.isdecimal() and int(times)):
        raise pytest.UsageError(f"--cmd-n must be a whole number from 1 on, not {times!r}")
    try:
        min_pass = 1.0 if rate is None else float(rate)
    except ValueError:
        min_pass = -1.0
    if not 0 <= min_pass <= 1:
        raise pytest.UsageError(f"--cmd-min-pass must be a share from 0 to 1, not {rate!r}")
    try:
        max_usd = None if usd is None else Decimal(usd)
    except InvalidOperation:
        max_usd = Decimal("NaN")
    if max_usd is not None and not (max_usd.is_finite() and max_usd > 0):
        raise pytest.UsageError(f"--cmd-max-usd must be an amount above 0, not {usd!r}")
    if not is_live and times is not None:
        raise pytest.UsageError(
            "--cmd-n repeats live answers, and a cassette answers the same each time:"
            " add --cmd-live"
        )
    if not is_live and max_usd is not None:
        raise pytest.UsageError("--cmd-max-usd limits live answers; replayed ones cost nothing")
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    share = None if max_usd is None else max_usd / processes
    return RunOptions(is_live, int(times or 1), min_pass, share)


def _check_key() -> None:
    """Refuse a live run without a key before anything starts.

    Raises
    ------
    pytest.UsageError
        There is none.
    """
    from cc_jupyter.client.endpoint import find_key  # noqa: PLC0415  live runs only
    from cc_jupyter.config.settings import load_settings  # noqa: PLC0415  as above

    try:
        settings = load_settings()
        if settings.base_url == "local":
            return
        missing = find_key(settings, settings.api_root) is None
    except CcError as error:
        raise pytest.UsageError(f"--cmd-live: {error}") from None
    if missing:
        raise pytest.UsageError(
            "--cmd-live needs a key, and there is none; nothing was sent. Set CMD_API_KEY, or leave"
            " --cmd-live out to replay the cassettes"
        )
