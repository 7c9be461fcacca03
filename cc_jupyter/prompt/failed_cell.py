"""Describe the kernel's last exception to a model, for `%cmd explain` and `%cmd fix`.

The prompt contains the exception, the user's own frames with the lines around them, and the type
and size of the variables used in these lines. It leaves out libraries, the values of long objects
and secrets. Everything is converted to text at once; no frame or object stays referenced.
"""

from __future__ import annotations

import builtins
import difflib
import linecache
import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, OptionError, StreamError, did_you_mean
from cc_jupyter.core.fences import fenced
from cc_jupyter.core.redaction import is_secret, masked, restored, secrets_in
from cc_jupyter.core.text import describe
from cc_jupyter.prompt.tracebacks import (
    cause_lines,
    is_cell,
    is_own_frame,
    is_timed,
    is_user_file,
    limited,
    message_text,
    short_path,
    user_frames,
)
from cc_jupyter.prompt.variables import is_of_user, summarize, used_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cc_jupyter.prompt.tracebacks import UserFrame


_EXPLAIN = (
    "A cell of a Jupyter notebook failed. Explain briefly and in plain words what went wrong,"
    " which line caused it and why, then how to fix it. Show code only where it helps."
)
_FIX = (
    "A cell of a Jupyter notebook failed. Correct it with as few changes as possible and leave"
    " everything else unchanged, including comments and layout. Answer with the whole corrected"
    " cell in exactly one fenced code block, preceded by one or two sentences on what was wrong."
    " If the cause is outside this cell, say so, and change the cell only as far as that helps."
    " Copy `[key]` exactly: it replaces a secret that was removed."
)


def last_exception(holder: object = sys, before: BaseException | None = None) -> BaseException:
    """Return the exception that the kernel saw last.

    Parameters
    ----------
    holder
        The object with the attribute `last_value`, normally `sys`.
    before
        The exception asked about before, returned again if only our own errors followed it.

    Raises
    ------
    OptionError
        There is none, or it is one of ours, whose own message says what to do.
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
    """Return the cell that raised, as typed; as executed where the history lacks it.

    Parameters
    ----------
    error
        The exception.
    executed
        The cells of this kernel as executed: IPython's `input_hist_parsed`.
    typed
        The same cells as typed: IPython's `input_hist_raw`.

    Returns
    -------
    str
        Empty if the exception did not come from a cell.
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
    """Return whether an exception is ours: one of our classes, or an interrupted request."""
    if isinstance(error, CcError):
        return True
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, KeyboardInterrupt) and any(
        is_own_frame(frame.f_code.co_filename) for frame, _ in frames
    )


def explain_prompt(error: LastError) -> str:
    """Return the prompt that asks what went wrong and how to fix it."""
    return _prompt(_EXPLAIN, error)


def fix_prompt(error: LastError) -> str:
    """Return the prompt that asks for the whole corrected cell in one fenced block.

    Raises
    ------
    OptionError
        There is no cell to correct, or it is too long to be sent whole.
    """
    if not error.cell.strip():
        raise OptionError(
            "the last exception did not come from a cell, so there is no cell to correct",
            hint="%cmd explain says what went wrong",
        )
    if len(error.typed) > CELL_LIMIT:
        raise OptionError(
            f"the failed cell has {len(error.typed):,} characters; at most {CELL_LIMIT:,} can be"
            " corrected",
            hint="split the cell; %cmd explain says what went wrong",
        )
    return _prompt(_FIX, error)


def corrected_cell(blocks: Sequence[str], error: LastError) -> str:
    """Return the corrected cell from an answer's code blocks, with its secrets put back.

    Of several blocks, the one most similar to the old cell is chosen; the others are examples.

    Raises
    ------
    StreamError
        The answer has no code block.
    """
    if not blocks:
        raise StreamError(
            "the answer has no code block, so there is no corrected cell",
            hint="read the answer for the reason; run %cmd fix again, or use another model",
        )
    old = error.cell.split("\n")

    def similarity(block: str) -> float:
        return difflib.SequenceMatcher(None, old, block.split("\n"), autojunk=False).ratio()

    return restored(max(blocks, key=similarity).strip("\n"), error.typed, error.secrets)


def unified_diff(old_cell: str, new_cell: str) -> str:
    """Return the diff from the old cell to the new one; empty if nothing changes."""
    old, new = (cell.strip("\n").split("\n") for cell in (old_cell, new_cell))
    names = ("the cell that failed", "the corrected cell")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def _prompt(task: str, error: LastError) -> str:
    parts = [task]
    if error.cell:
        parts += ["The cell:", fenced(error.cell.rstrip("\n"), "python")]
    parts += ["The exception:", fenced(error.message, "text")]
    if error.close_names:
        parts.append(f"Similar names that exist: {error.close_names}.")
    if error.frames:
        parts.append("Where it happened, outermost frame first; variables only by type and size:")
    for frame in error.frames:
        lines = [f"{name}: {summary}" for name, summary in frame.variables]
        parts.append(f"{frame.place}:")
        parts += [fenced(text, "text") for text in (frame.source, "\n".join(lines)) if text]
    if error.cuts:
        parts.append(f"Left out: {'; '.join(error.cuts)}.")
    return "\n\n".join(parts)


CONTEXT_LINES = 4
"""Lines of source before and after the one that failed."""
VARIABLE_LIMIT = 20
"""Maximum number of variables of one frame."""
CELL_LIMIT = 60_000
"""Maximum number of characters of the cell."""
_LINE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """One of the user's own frames."""

    place: str
    """The place in words, with the line number."""
    source: str
    """The surrounding lines, numbered, with the failing one marked; empty: unknown."""
    variables: tuple[tuple[str, str], ...] = ()
    """Each name, with its type and size in words."""


@dataclass(frozen=True, slots=True)
class LastError:
    """The description of an exception to send, with secrets removed."""

    message: str
    """Class, text and notes of the exception, then one line for each of its causes."""
    cell: str
    """The cell that failed, as typed; empty: it was not a cell."""
    frames: tuple[ErrorFrame, ...] = ()
    """Outermost first."""
    close_names: str | None = None
    """Existing names that are similar to the unknown one."""
    cuts: tuple[str, ...] = ()
    """What was left out, for a notice to the user."""
    typed: str = field(default="", repr=False)
    """The cell including its secrets; it is never sent."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The strings that were removed literally."""


def read_error(
    error: BaseException, cell: str, namespace: Mapping[str, object], secrets: Sequence[str] = ()
) -> LastError:
    """Describe an exception; the only user code run is the `repr` of short plain values.

    Parameters
    ----------
    error
        The exception, with its traceback.
    cell
        The source of the cell that failed, as typed.
    namespace
        The user's variables.
    secrets
        Strings to remove literally, such as the key.
    """
    frames = user_frames(error.__traceback__)
    scopes = [namespace, *(each.frame.f_locals for each in frames)]
    secrets = [*secrets, *{secret for scope in scopes for secret in secrets_in(scope)}]
    secrets.sort(key=len, reverse=True)  # one may be part of another
    shown, left_out = limited(frames)
    reader = _Reader(cell, cell_name(error), secrets, namespace)
    cuts = [f"{left_out:,} frames in the middle of the traceback"] if left_out else []
    if len(cell) > CELL_LIMIT:
        cuts.append(f"the cell after its first {CELL_LIMIT:,} characters")
    described = [reader.frame(each) for each in shown]
    if isinstance(error, SyntaxError):
        described += reader.unparsed(error)
    return LastError(
        message=masked("\n".join(_message(error)), secrets),
        cell="\n".join(masked(line, secrets) for line in cell[:CELL_LIMIT].split("\n")),
        frames=tuple(described),
        close_names=_close_names(error, namespace),
        cuts=tuple(cuts),
        typed=cell,
        secrets=tuple(secrets),
    )


def cell_name(error: BaseException) -> str | None:
    """Return the file name under which the outermost cell of a traceback was compiled."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if is_cell(frame.f_code.co_filename):
            return frame.f_code.co_filename
    if isinstance(error, SyntaxError) and error.filename and is_cell(error.filename):
        return error.filename
    return None


def _message(error: BaseException) -> list[str]:
    where = _raised_in(error)
    library = [] if where is None else [f"(raised inside {where})"]
    return [message_text(error), *library, *cause_lines(error)]


def _raised_in(error: BaseException) -> str | None:
    """Return the library function that raised; `None`: it was the user's own line."""
    all_frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not all_frames or isinstance(error, SyntaxError):
        return None
    frames, last = user_frames(error.__traceback__), all_frames[-1]
    if frames and frames[-1].frame is last:
        return None
    return f"{last.f_globals.get('__name__', '?')}.{last.f_code.co_qualname}"


def _close_names(error: BaseException, namespace: Mapping[str, object]) -> str | None:
    if not isinstance(error, NameError) or not error.name:
        return None
    names = [name for name, value in list(namespace.items()) if is_of_user(name, value)]
    names += [name for name in dir(builtins) if name not in {"copyright", "credits", "license"}]
    close = did_you_mean(error.name, names)
    return close and close.removeprefix("did you mean ").rstrip("?")


class _Reader:
    """Converts frames to text, with secrets removed."""

    def __init__(
        self,
        cell: str,
        compiled_name: str | None,
        secrets: Sequence[str],
        namespace: Mapping[str, object],
    ) -> None:
        self._cell = cell
        self._compiled_name = compiled_name
        self._secrets = secrets
        self._namespace = namespace

    def frame(self, frame: UserFrame) -> ErrorFrame:
        failing = self._is_failing_cell(frame.filename, frame.function)
        place = frame.place
        if is_cell(frame.filename):
            place = f"{'the failing' if failing else 'an earlier'} {place}"
        source = self._source_lines(frame.filename, failing=failing)
        context = _context(source, frame.line, 1 if failing else CONTEXT_LINES)
        variables = self._variables(frame, source)
        return ErrorFrame(place, self._numbered(context, frame.line), variables)

    def unparsed(self, error: SyntaxError) -> list[ErrorFrame]:
        """Return the place where Python stopped parsing, which is not a frame of the traceback."""
        filename, line = error.filename or "", error.lineno
        if line is None or not is_user_file(filename):
            return []
        failing = self._is_failing_cell(filename, "<module>")
        place = "the failing cell" if failing else short_path(filename)
        context = _context(self._source_lines(filename, failing=failing), line, CONTEXT_LINES)
        return [ErrorFrame(f"{place}, line {line}", self._numbered(context, line))]

    def _is_failing_cell(self, filename: str, function: str) -> bool:
        if not is_timed(filename):
            return filename == self._compiled_name
        if not self._cell.lstrip().startswith("%%time"):
            return False
        defined = f"def {function.rpartition('.')[2]}"
        return function.startswith("<") or defined in self._cell

    def _source_lines(self, filename: str, *, failing: bool) -> list[str]:
        if failing and is_timed(filename):
            return self._cell.split("\n")
        linecache.checkcache(filename)
        return [line.rstrip("\n") for line in linecache.getlines(filename)]

    def _numbered(self, lines: Mapping[int, str], line: int) -> str:
        width = len(str(max(lines, default=0)))
        return "\n".join(
            f"{'->' if number == line else '  '} {number:{width}} | "
            + masked(text, self._secrets)[:_LINE_LIMIT]
            for number, text in lines.items()
        )

    def _variables(self, frame: UserFrame, source: list[str]) -> tuple[tuple[str, str], ...]:
        local_ns, global_ns = frame.frame.f_locals, frame.frame.f_globals
        lines = _context(source, frame.line, CONTEXT_LINES)
        in_function = frame.function != "<module>"
        if in_function:  # leave out lines that do not belong to the function
            code = frame.frame.f_code
            own = {line for _, _, line in code.co_lines()} - {code.co_firstlineno} | {frame.line}
            lines = {number: text for number, text in lines.items() if number in own}
        found = dict(used_variables(lines, frame.line, (local_ns, global_ns, self._namespace)))
        if in_function:
            found |= {
                name: value
                for name, value in local_ns.items()
                if name not in found and is_of_user(name, value)
            }
        summaries = [(name, self._summary(name, value)) for name, value in found.items()]
        if len(summaries) > VARIABLE_LIMIT:
            summaries[VARIABLE_LIMIT:] = [("…", f"{len(summaries) - VARIABLE_LIMIT} more")]
        return tuple(summaries)

    def _summary(self, name: str, value: object) -> str:
        hidden = is_secret(name.rpartition(".")[2], value)
        return masked(summarize(value, hidden=hidden), self._secrets)


def _context(source: list[str], line: int, margin: int) -> dict[int, str]:
    """Return the lines around a line, by number."""
    first, last = max(1, line - margin), min(len(source), line + margin)
    return {number: source[number - 1] for number in range(first, last + 1)}
