"""The tools of a cell, from its options to what answers the calls of its turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import ToolSpec
from cc_jupyter.session.in_flight import interruptible
from cc_jupyter.tools.consent import Consent
from cc_jupyter.tools.runner import Runner
from cc_jupyter.tools.tool import tool_for
from cc_jupyter.tools.tool_run import ToolRun
from cc_jupyter.tools.toolbox import Toolbox, split_expressions, toolbox_for
from cc_jupyter.tools.trace_view import NullTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cc_jupyter.core.messages import ValueLimits
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


def without_tools(limits: ValueLimits, cell: ExecutionContext | None) -> ToolRun:
    """Return what answers the calls of a turn that offers no function."""
    return CellTools(Toolbox(), (), limits, cell).new_run()


def check_all_allowed(toolbox: Toolbox, allowed: Sequence[str]) -> None:
    """Refuse tools that would ask: nobody answers for many requests at once.

    Raises
    ------
    OptionError
        A tool is not allowed.
    """
    missing = [name for name in toolbox.names if name not in allowed]
    if missing:
        raise OptionError(
            f"a grid runs allowed tools only, and {', '.join(missing)} would ask first",
            hint=f"add {' '.join(f'--allow {name}' for name in missing)}",
        )


def functions_as_tools(
    functions: Iterable[Callable[..., object]], allowed: Sequence[str], limits: ValueLimits
) -> CellTools:
    """Return functions as tools that are called without a cell: nobody is asked.

    Raises
    ------
    OptionError
        A function cannot be a tool, or an allowed name is none.
    ConfigError
        pydantic is not installed.
    """
    tools = [tool_for(each, getattr(each, "__name__", repr(each))) for each in functions]
    return CellTools(Toolbox(tools), allowed, limits)
