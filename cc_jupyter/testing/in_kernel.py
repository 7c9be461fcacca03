"""The kernel's side of prompt tests: what was asked, answered and checked in each cell.

The functions are called by expressions and return JSON, so that no name of the notebook's changes.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.commands.cassette import difference_text
from cc_jupyter.conversation.history import History
from cc_jupyter.conversation.store import open_store
from cc_jupyter.core.errors import CassetteError
from cc_jupyter.core.money import EXACT
from cc_jupyter.core.reply import Reply
from cc_jupyter.experiments import checks
from cc_jupyter.session.run_limits import RunBudget
from cc_jupyter.session.session import shared_session
from cc_jupyter.testing.results import CheckedAnswer, CheckOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.experiments.checks import CheckResult
    from cc_jupyter.experiments.grid import Grid


_seen: list[tuple[Reply, Sequence[CheckResult]]] = []
_counted: dict[str, Any] = {"replies": 0, "grid": None, "miss": None}
"""How many replies, which grid, and which request without a recording earlier cells have brought.
"""


def start(*, is_live: bool, folder: str, max_usd: str | None) -> str:
    """Decide where answers come from, and what they may cost; observe the checks.

    Parameters
    ----------
    folder
        Where replayed answers are stored, which are no part of the user's history.
    """
    session = shared_session()
    if not is_live:
        session.history = History(session.now, lambda: open_store(Path(folder)))
    session.tapes.is_live = is_live
    if max_usd is not None:
        session.budget_guard.ceiling = RunBudget(Decimal(max_usd), "--cmd-max-usd")
    checks.observers.append(_observe)
    return "null"


def report() -> str:
    """Return what the last cell has brought."""
    session = shared_session()
    replies = session.replies[_counted["replies"] :]
    _counted["replies"] = len(session.replies)
    grid = _new_grid()
    answers = [] if grid is None else _answers_of(grid)
    known = set() if grid is None else {each.provenance.turn_id for each in grid}
    others = [_answer(*each) for each in _seen if each[0].provenance.turn_id not in known]
    is_grid = grid is not None or any(reply.provenance.grid for reply, _ in _seen)
    _seen.clear()
    billed = [reply.billed.usd for reply in replies]
    spent = functools.reduce(EXACT.add, (usd for usd in billed if usd is not None), Decimal(0))
    return json.dumps(
        {
            "is_grid": is_grid,
            "answers": [asdict(each) for each in (*others, *answers)],
            "usd": str(spent),
            "unknown": billed.count(None),
            "difference": _difference(),
        }
    )


def _observe(reply: Reply, results: Sequence[CheckResult]) -> None:
    _seen.append((reply, results))


def _new_grid() -> Grid | None:
    """Return the grid that the last cell has run; `None` if it has run none."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415  only a kernel has it

    shell = get_ipython()
    reply = None if shell is None else shell.user_ns.get("_cmd")
    grid: Grid | None = reply.grid if isinstance(reply, Reply) else None
    if grid is None or grid.id == _counted["grid"]:
        return None
    _counted["grid"] = grid.id
    return grid


def _difference() -> str:
    """Return how the last request differs from the nearest recorded one, if none was recorded."""
    tape = shared_session().tapes.last
    asked = None if tape is None else tape.last_miss
    if tape is None or asked is None or asked is _counted["miss"]:
        return ""
    _counted["miss"] = asked
    try:
        nearest = tape.nearest(asked)
    except CassetteError:  # the cell has failed with it
        return ""
    return "" if nearest is None else str(difference_text(nearest))


def _answers_of(grid: Grid) -> list[CheckedAnswer]:
    """Return the answers of a grid in the order of its plan, those without an answer included."""
    results = {reply.provenance.turn_id: each for reply, each in _seen}
    return [
        _answer(
            answer.reply,
            () if answer.failed else results.get(answer.reply.provenance.turn_id, ()),
            answer.combination.label,
        )
        for answer in grid.answers
    ]


def _answer(
    reply: Reply, results: Sequence[CheckResult], label: str | None = None
) -> CheckedAnswer:
    record = shared_session().history.record(reply.provenance.turn_id)
    error = reply.error
    return CheckedAnswer(
        label or reply.model,
        "" if record is None else record.prompt,
        reply.text if record is None else record.answer,
        "" if error is None else f"{type(error).__name__}: {error}",
        [
            CheckOutcome(each.expression, each.passed, each.message, each.hint or "")
            for each in results
        ],
    )
