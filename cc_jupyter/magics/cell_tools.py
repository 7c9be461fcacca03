"""The tools of a cell, from its options to what answers the calls of its turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import MAX_STEPS, ToolSpec
from cc_jupyter.session.in_flight import interruptible
from cc_jupyter.tools.consent import Consent
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.tool import tool_for
from cc_jupyter.tools.tool_run import ToolRun
from cc_jupyter.tools.toolbox import Toolbox, split_expressions, toolbox_for
from cc_jupyter.tools.trace_view import NullTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from cc_jupyter.core.messages import ValueLimits
    from cc_jupyter.rows.plan import RowTools
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.tools.trace_view import TraceView


class CellTools:
    """The tools that one cell offers, and what the user has allowed so far.

    Parameters
    ----------
    toolbox
        All of them.
    allowed
        The names of `--allow`.
    limits
        How much of a result is sent.
    cell
        Where calls are shown and the user is asked; `None`: nothing is shown, nobody is asked.

    Raises
    ------
    OptionError
        `--allow` names no tool.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        allowed: Sequence[str],
        limits: ValueLimits,
        cell: ExecutionContext | None = None,
    ) -> None:
        self._toolbox = toolbox
        self._limits = limits
        self._cell = cell
        self._view: TraceView = NullTrace()
        asker = None if cell is None else cell.asker(lambda: self._view)
        self._consent = Consent(toolbox.allowed(allowed), asker)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is offered."""
        return tuple(ToolSpec(tool.name, tool.description, tool.schema) for tool in self._toolbox)

    def new_run(self) -> ToolRun:
        """Return what answers the calls of the next turn, with a trace of its own."""
        self._view = NullTrace() if self._cell is None else self._cell.trace_view()
        runner = Runner(self._limits, on_blocked=self._view.blocked, interruptible=interruptible)
        return ToolRun(self._toolbox, self._consent, runner, self._view)

    def for_rows(self, max_steps: int | None, *, live_tools: bool = False) -> RowTools:
        """Return the tools as a run over rows takes them; `max_steps` of `None` is the default."""
        from cc_jupyter.rows.plan import RowTools  # noqa: PLC0415  few cells are run over rows

        return RowTools(self.specs, self.new_run, max_steps or MAX_STEPS, live_tools)


def toolbox_of(expressions: Iterable[str], evaluate: Callable[[str], object]) -> Toolbox:
    """Return the tools of the values of `--tools`, each a list of expressions.

    Raises
    ------
    OptionError
        A tool cannot be used.
    ConfigError
        pydantic is not installed.
    """
    each = [one for text in expressions for one in split_expressions(text)]
    return toolbox_for(each, evaluate)


def check_all_allowed(
    toolbox: Toolbox, allowed: Collection[str], *, run: str, in_python: bool = False
) -> None:
    """Refuse tools that would ask: nobody answers for many requests at once.

    Parameters
    ----------
    run
        What runs them, for the error: `a grid runs`.
    in_python
        Whether the hint names an argument in place of an option.

    Raises
    ------
    OptionError
        A tool is not allowed.
    """
    missing = [name for name in toolbox.names if name not in allowed]
    if not missing:
        return
    options = " ".join(f"--allow {name}" for name in missing)
    if in_python:
        options = f"allow={[*allowed, *missing]!r}"
    raise OptionError(
        f"{run} allowed tools only, and {', '.join(missing)} would ask first; nothing was sent",
        hint=f"add {options}",
    )


def functions_as_tools(
    functions: Iterable[Callable[..., object]],
    allowed: Iterable[str | Callable[..., object]],
    limits: ValueLimits,
    *,
    all_allowed_in: str | None = None,
) -> CellTools:
    """Return functions as tools that are called without a cell: nobody is asked.

    Parameters
    ----------
    allowed
        The functions that run, or their names.
    all_allowed_in
        What runs only allowed tools, as `check_all_allowed` has it; `None`: others are refused when
        they are called.

    Raises
    ------
    OptionError
        A function cannot be a tool, an allowed name is none, or not all are allowed that must be.
    ConfigError
        pydantic is not installed.
    """
    tools = [tool_for(each, _name_of(each)) for each in functions]
    toolbox, names = Toolbox(tools), []
    for each in allowed:
        same = (tool.name for tool in tools if tool.function is each)
        names.append(each if isinstance(each, str) else next(same, _name_of(each)))
    if all_allowed_in is not None:
        check_all_allowed(toolbox, names, run=all_allowed_in, in_python=True)
    return CellTools(toolbox, names, limits)


def _name_of(function: Callable[..., object]) -> str:
    return getattr(function, "__name__", repr(function))
