"""`%cmd trace`: the calls of a turn with tools, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cc_jupyter.commands.threads import turn_record
from cc_jupyter.core.display import FigureTable
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.text import excerpt, pluralize

if TYPE_CHECKING:
    from cc_jupyter.session.execution import ExecutionContext
    from cc_jupyter.session.session import Session


_SHOWN = ("call", "step", "tool", "state", "ran", "shown", "seconds")
"""The columns to read; the DataFrame has all."""


class TraceCommand:
    """The command in one shell."""

    def __init__(self, session: Session, cell: ExecutionContext) -> None:
        self._session = session
        self._cell = cell

    def trace(self, turn: str | None = None) -> object:
        """Show the calls of the last turn with tools, or of a turn by its number or id.

        Raises
        ------
        OptionError
            The turn called no tool.
        """
        from cc_jupyter.tools.trace import trace_rows  # noqa: PLC0415  only tools need it

        if turn is None:
            with_steps = [each for each in self._session.history.records() if each.steps]
            record = with_steps[-1] if with_steps else None
        else:
            record = turn_record(self._session, turn)
        rows = [] if record is None else trace_rows(record.steps)
        if record is None or not rows:
            which = "no turn of this session" if turn is None else f"turn {turn} has not"
            raise OptionError(
                f"{which} called a tool", hint="%%cmd --tools lookup lets the model call lookup"
            )
        calls, requests = pluralize(len(rows), "call"), pluralize(len(record.steps), "request")
        shown = [{name: _cell(row[name]) for name in _SHOWN} for row in rows]
        table = FigureTable(shown, rows, f"{calls} in {requests}; %cmd sent shows the requests")
        return table.for_cell(shown=self._cell.is_statement())


def _cell(value: object) -> object:
    return excerpt(value) if isinstance(value, str) else value
