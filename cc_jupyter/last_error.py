"""The kernel's last exception, for `%cmd explain` and `%cmd fix`: which it is, what is asked.

How an exception is told is left to `error_report`.
"""

from __future__ import annotations

import difflib
import linecache
import re
import sys
import traceback
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, OptionError, StreamError
from cc_jupyter.core.redaction import restored
from cc_jupyter.core.text import describe
from cc_jupyter.error_report import CELL_LIMIT, LastError, cell_name, read_error
from cc_jupyter.tracebacks import is_own_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LastError",
    "corrected_cell",
    "explain_prompt",
    "failing_cell",
    "fix_prompt",
    "last_exception",
    "read_error",
    "unified_diff",
]

_EXPLAIN = (
    "A cell of a Jupyter notebook failed. Explain briefly and in plain words what went wrong,"
    " which line is to blame and why, then how to mend it. Show code only where it helps."
)
_FIX = (
    "A cell of a Jupyter notebook failed. Correct it with as few changes as possible and keep"
    " everything else as it is, comments and layout included. Answer with the whole corrected"
    " cell in exactly one fenced code block, with one or two sentences before it on what was"
    " wrong. If the cause lies outside this cell, say so, and change the cell only as far as that"
    " helps. Copy `[key]` to the letter: it stands for a secret that was taken out."
)


# ── which exception, which cell


def last_exception(holder: object = sys, before: BaseException | None = None) -> BaseException:
    """Give the exception that the kernel saw last.

    Parameters
    ----------
    holder
        What has `last_value`, as `sys` does.
    before
        What was asked about before, to be asked about again if only our own errors came since.

    Raises
    ------
    OptionError
        There is none, or it is one of ours, which says itself what to do.
    """
    found = getattr(holder, "last_value", None) or getattr(holder, "last_exc", None)
    if not isinstance(found, BaseException):
        raise OptionError(
            "no cell has failed in this kernel yet",
            hint="run the cell that fails, then ask again",
        )
    if not _is_own(found):
        return found
    if before is not None:
        return before
    raise OptionError(
        f"the last error is cc_jupyter's own and is not explained by a model: {describe(found)}",
        hint=getattr(found, "hint", None) or "run the failing cell again, then ask",
    )


def failing_cell(error: BaseException, executed: Sequence[str], typed: Sequence[str]) -> str:
    """Give the cell that raised, as typed; as executed where the history lacks it.

    Parameters
    ----------
    error
        What it raised.
    executed
        The cells of this kernel as they ran, IPython's `input_hist_parsed`.
    typed
        The same as typed, its `input_hist_raw`.

    Returns
    -------
    str
        Empty: what raised was no cell.
    """
    filename = cell_name(error)
    if filename is None:
        return ""
    source = "".join(linecache.getlines(filename))
    for number in range(min(len(executed), len(typed)) - 1, -1, -1):
        if executed[number].strip() == source.strip():
            return typed[number]
    return source


def _is_own(error: BaseException) -> bool:
    """Tell whether it is ours: our class, or an interrupt of a request."""
    if isinstance(error, CcError):
        return True
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, KeyboardInterrupt) and any(
        is_own_frame(frame.f_code.co_filename) for frame, _ in frames
    )


# ── what is asked


def explain_prompt(error: LastError) -> str:
    """Ask what went wrong and how to mend it."""
    return _prompt(_EXPLAIN, error)


def fix_prompt(error: LastError) -> str:
    """Ask for the whole corrected cell in one fenced block.

    Raises
    ------
    OptionError
        There is no cell to correct, or it is too long to be sent whole.
    """
    if not error.cell.strip():
        raise OptionError(
            "the last exception did not come from a cell, so there is none to correct",
            hint="%cmd explain tells what went wrong",
        )
    if len(error.typed) > CELL_LIMIT:
        raise OptionError(
            f"the cell that failed is longer than the {CELL_LIMIT:,} characters that are corrected",
            hint="split the cell; %cmd explain tells what went wrong",
        )
    return _prompt(_FIX, error)


def corrected_cell(blocks: Sequence[str], error: LastError) -> str:
    """Give the new cell out of the code blocks of an answer, secrets put back where they stood.

    Of several blocks the one most like the old cell is the cell; the others illustrate.

    Raises
    ------
    StreamError
        The answer has no code block.
    """
    if not blocks:
        raise StreamError(
            "the answer has no code block, so there is no corrected cell to offer",
            hint="its text says why; run %cmd fix again, or with another model",
        )
    old = error.cell.split("\n")

    def likeness(block: str) -> float:
        return difflib.SequenceMatcher(None, old, block.split("\n"), autojunk=False).ratio()

    return restored(max(blocks, key=likeness).strip("\n"), error.typed, error.secrets)


def unified_diff(old_cell: str, new_cell: str) -> str:
    """Give what changes from the old cell to the new one; empty: nothing does."""
    old, new = (cell.strip("\n").split("\n") for cell in (old_cell, new_cell))
    names = ("the cell that failed", "the corrected cell")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def _prompt(task: str, error: LastError) -> str:
    parts = [task]
    if error.cell:
        parts += ["The cell:", _fenced(error.cell.rstrip("\n"), "python")]
    parts += ["The exception:", _fenced(error.message, "text")]
    if error.close_names:
        parts.append(f"Names like it that exist: {error.close_names}.")
    if error.frames:
        parts.append("Where it happened, outermost first; of the variables only types and sizes:")
    for frame in error.frames:
        lines = [f"{name}: {summary}" for name, summary in frame.variables]
        parts.append(f"{frame.place}:")
        parts += [_fenced(text, "text") for text in (frame.source, "\n".join(lines)) if text]
    if error.cuts:
        parts.append(f"Left out: {'; '.join(error.cuts)}.")
    return "\n\n".join(parts)


def _fenced(text: str, language: str) -> str:
    """Put a text between fences longer than any it holds."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
