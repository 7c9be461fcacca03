"""The commands about code: `insert`, `explain` and `fix`. None of them runs anything.

All code blocks of an answer go into one new cell, separated by a comment, because
`set_next_input` keeps only its last call.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cc_jupyter.core.display import Diff, TextOutput
from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import secrets_in
from cc_jupyter.core.reply import Reply
from cc_jupyter.core.text import pluralize
from cc_jupyter.prompt.failed_cell import (
    LastError,
    corrected_cell,
    explain_prompt,
    failing_cell,
    fix_prompt,
    last_exception,
    read_error,
    unified_diff,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.shell import Shell


def one_cell(blocks: Sequence[str]) -> str:
    """Join code blocks; empty if there are none."""
    if len(blocks) < 2:  # noqa: PLR2004  a single block needs no number
        return "".join(blocks).rstrip("\n")
    numbered = [f"# block {n} of {len(blocks)}\n{block}" for n, block in enumerate(blocks, 1)]
    return "\n".join(numbered).rstrip("\n")


def chosen_blocks(blocks: Sequence[str], number: int | None) -> list[str]:
    """Return the block with the given number (from 1), or all blocks without one.

    Raises
    ------
    OptionError
        There is no such block.
    """
    if number is None and blocks:
        return list(blocks)
    if number is not None and 1 <= number <= len(blocks):
        return [blocks[number - 1]]
    missing = "" if number is None else f", no number {number}"
    raise OptionError(
        f"the last answer has {pluralize(len(blocks), 'code block')}{missing}",
        hint="%cmd insert puts all of them into a new cell, %cmd insert 2 the second",
    )


class CodeCommands:
    """Run the commands on code in answers and in failed cells.

    Parameters
    ----------
    ask
        Sends a prompt verbatim, with the options of a line and notices for the user, and shows
        the answer.
    """

    def __init__(self, shell: Shell, ask: Callable[[str, str, tuple[str, ...]], Reply]) -> None:
        self._shell = shell
        self._ask = ask
        self._asked: BaseException | None = None

    def insert(self, block: int | None = None) -> TextOutput:
        """Put the code blocks of the last answer, or one of them, into a new cell, not run."""
        reply = self._shell.user_ns.get("_cmd")
        if not isinstance(reply, Reply):
            raise OptionError("there is no answer yet", hint="ask for some code first")
        blocks = chosen_blocks(reply.code, block)
        self._shell.set_next_input(one_cell(blocks))
        return TextOutput(f"added {pluralize(len(blocks), 'code block')} as a new cell, not run")

    def explain(self, line: str = "") -> Reply:
        """Ask what went wrong in the cell that failed last."""
        error = self._last_error()
        return self._ask(explain_prompt(error), line, tuple(error.cuts))

    def fix(self, line: str = "") -> Diff:
        """Ask for a corrected cell, show the difference and offer it as a new cell."""
        error = self._last_error()
        reply = self._ask(fix_prompt(error), line, tuple(error.cuts))
        fixed = corrected_cell(reply.code, error)
        diff = unified_diff(error.typed, fixed)
        if not diff:
            return Diff("", "the answer changes nothing in the cell")
        self._shell.set_next_input(fixed)
        note = "the corrected cell is below, not run"
        if "[key]" in fixed:
            note += "; put the secret back where it says [key]"
        return Diff(diff, note)

    def _last_error(self) -> LastError:
        error = self._asked = last_exception(sys, self._asked)
        history = self._shell.history_manager
        parsed = history.input_hist_parsed if history is not None else []
        typed = history.input_hist_raw if history is not None else []
        cell = failing_cell(error, parsed, typed)
        return read_error(error, cell, self._shell.user_ns, list(secrets_in(os.environ)))
