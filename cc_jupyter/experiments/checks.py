"""Evaluate `--check EXPR` for an answer: true, false, or an error in the expression itself.

Expressions are compiled, and their names looked for, before anything is sent. Each is evaluated on
the cell's thread when an answer has ended. `check_values` explains why one is false.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import symtable
import sys
import sysconfig
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Final, TextIO

from cc_jupyter.core.errors import BrokenCheckError, CheckError, OptionError, did_you_mean
from cc_jupyter.core.text import describe, excerpt, pluralize
from cc_jupyter.experiments.check_values import explain
from cc_jupyter.prompt.template import complaint
from cc_jupyter.session.in_flight import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import CodeType

    from cc_jupyter.core.reply import Reply

SCOPE: Final = ("answer", "value", "reply", "usage", "cost_usd")
"""The names of an answer that a check can use; they precede the user's names."""
EXPRESSION_CHARS: Final = 120
"""Characters of an expression that a message quotes."""

observers: Final[list[Callable[[Reply, Sequence[CheckResult]], None]]] = []
"""Called with the results of each answer; with an observer, every false check is explained."""

_FILE = "<check>"
_EXAMPLE = 'a check is one expression, for example --check "len(answer) < 100"'
_MAX_SHOWN_TEXTS = 20
"""Different printed texts of one check to show; all others are only mentioned."""
_MAX_FALSE_SHOWN = 3
_ALWAYS_TRUE = (
    (inspect.isclass, "is a class, which is always true", "compare it, or call it"),
    (inspect.isroutine, "is a function, not its result", "call it, for example {}(answer)"),
    (inspect.iscoroutine, "is a coroutine, which is never awaited", "use a function without async"),
    (
        inspect.isgenerator,
        "is a generator, which is always true",
        "put all(...) or any(...) around it",
    ),
)
"""Values that would count as true although nothing was checked, and what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One compiled expression."""

    expression: str
    """As written, without surrounding white space."""
    tree: ast.expr
    code: CodeType


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check for one answer."""

    expression: str
    passed: bool | None
    """`None`: the check raised, or its value is neither true nor false."""
    message: str = ""
    """Why it did not pass, as one sentence; empty if it did."""
    hint: str | None = None
    error: Exception | None = None
    """The exception of a check that raised, for its first answer only: it holds frames."""


def compile_check(expression: str) -> Check:
    """Compile an expression.

    Raises
    ------
    OptionError
        It is not a Python expression; the message shows the place.
    """
    source = expression.strip()
    if not source:
        raise OptionError("the check is empty", hint=_EXAMPLE)
    problem = complaint(source)
    if problem is not None:
        raise OptionError(
            f"the check {_quoted(source)} is not a Python expression: {problem}", hint=_EXAMPLE
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about an invalid escape in a pattern
        tree = ast.parse(source, _FILE, "eval")
        code: CodeType = compile(source, _FILE, "eval", dont_inherit=True)
    return Check(source, tree.body, code)


class Checks:
    """The checks of a cell, a grid or a table.

    Parameters
    ----------
    expressions
        As written.
    user_ns
        The user's names, as they are when a check runs.
    local_ns
        The names of a calling function, which precede them.
    names
        More names that each answer brings along, such as the columns of a table.
    secrets
        Texts that no message may show, such as the key.

    Raises
    ------
    OptionError
        An expression cannot be compiled, or uses an unknown name; nothing was evaluated.
    """

    def __init__(
        self,
        expressions: Iterable[str],
        user_ns: Mapping[str, object],
        local_ns: Mapping[str, object],
        *,
        names: Collection[str] = (),
        secrets: Collection[str] = (),
    ) -> None:
        given = (expressions,) if isinstance(expressions, str) else tuple(expressions)
        self._checks = tuple(map(compile_check, given))
        self._user_ns = user_ns
        self._local_ns = local_ns
        self._secrets = tuple(secrets)
        self._output = {check.expression: _Output(check.expression) for check in self._checks}
        self._broken: dict[str, CheckResult] = {}
        for check in self._checks:
            _refuse_unknown(check, {*SCOPE, *names, *local_ns, *user_ns})

    def __len__(self) -> int:
        return len(self._checks)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The expressions, in order."""
        return tuple(check.expression for check in self._checks)

    @property
    def broken(self) -> tuple[CheckResult, ...]:
        """The first result of each check that raised so far: each is shown once."""
        return tuple(self._broken.values())

    def evaluate(
        self, reply: Reply, value: object, names: Mapping[str, object] | None = None
    ) -> tuple[CheckResult, ...]:
        """Evaluate all checks for one answer, in order, on the calling thread.

        A text that a check prints is shown when it prints it for the first time.

        Parameters
        ----------
        value
            The parsed value of a typed answer; the text of any other.
        names
            The names that this answer brings along.

        Raises
        ------
        KeyboardInterrupt
            It came while a check ran; a note names the check.
        """
        return self._results(reply, value, names, explained=True)

    def passed(
        self, reply: Reply, value: object, names: Mapping[str, object] | None = None
    ) -> tuple[bool | None, ...]:
        """Return only whether each check is true, for many answers; `None`: it raised."""
        results = self._results(reply, value, names, explained=bool(observers))
        return tuple(result.passed for result in results)

    def _results(
        self,
        reply: Reply,
        value: object,
        names: Mapping[str, object] | None,
        *,
        explained: bool,
    ) -> tuple[CheckResult, ...]:
        usd = reply.cost_usd
        scope = {
            "answer": reply.text,
            "value": value,
            "reply": reply,
            "usage": reply.usage,
            "cost_usd": None if usd is None else float(usd),
        }
        namespace = {**self._user_ns, **self._local_ns, **(names or {}), **scope}
        results = tuple(
            self._evaluate(check, dict(namespace), explained=explained) for check in self._checks
        )
        for observer in observers:
            observer(reply, results)
        return results

    def _evaluate(
        self, check: Check, namespace: dict[str, object], *, explained: bool
    ) -> CheckResult:
        """Evaluate one check in a namespace of its own, so that a `:=` leaves no name behind."""
        value: object = None
        try:
            with self._output[check.expression].shown(), interruptible():
                value = eval(check.code, namespace)  # noqa: S307  the user's own code
                passed = None if _is_always_true(value) else bool(value)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"the check {_quoted(check.expression)} was running")
            raise
        except Exception as error:  # noqa: BLE001  the user's code may raise anything
            return self._note_broken(check, _broken(check, value, error))
        if passed is None:
            return self._note_broken(check, _not_a_condition(check, value))
        if passed:
            return CheckResult(check.expression, passed=True)
        message = f"the check {excerpt(check.expression, EXPRESSION_CHARS)} is false"
        if not explained:
            return CheckResult(check.expression, passed=False, message=message)
        reasons = explain(check.expression, check.tree, namespace, self._secrets)
        return CheckResult(
            check.expression, passed=False, message=f"{message}: {reasons}" if reasons else message
        )

    def _note_broken(self, check: Check, result: CheckResult) -> CheckResult:
        if check.expression in self._broken:
            return CheckResult(check.expression, None, result.message, result.hint)
        self._broken[check.expression] = result
        return result


def error_of(results: Sequence[CheckResult], reply: Reply) -> CheckError | BrokenCheckError | None:
    """Return the error of a single answer's checks; `None`: all have passed.

    A check that raised precedes one that is false.
    """
    error: CheckError | BrokenCheckError
    false = [result.message for result in results if result.passed is False]
    broken = next((result for result in results if result.passed is None), None)
    if broken is not None:
        error = BrokenCheckError(broken.message, hint=broken.hint)
        error.__cause__ = broken.error
    elif false:
        more = len(false) - _MAX_FALSE_SHOWN
        rest = (f"and {pluralize(more, 'more check')} failed",) if more > 0 else ()
        error = CheckError("; ".join((*false[:_MAX_FALSE_SHOWN], *rest)))
    else:
        return None
    error.reply = reply
    return error


def error_of_many(
    expressions: Sequence[str], results: Iterable[Sequence[bool | None]]
) -> CheckError | None:
    """Return the error of `--fail-on-check` for many answers; `None`: no check was false.

    Parameters
    ----------
    results
        For each answer the results of the checks, in order.
    """
    rows = [row for row in results if row]
    failed = sum(False in row for row in rows)
    if not failed:
        return None
    counts = [sum(row[at] is False for row in rows) for at in range(len(expressions))]
    shown = ", ".join(
        f"{excerpt(expression, EXPRESSION_CHARS)} ({count:,})"
        for expression, count in zip(expressions, counts, strict=True)
        if count
    )
    return CheckError(f"{failed:,} of {pluralize(len(rows), 'answer')} failed a check: {shown}")


class _Output:
    """Shows what a check prints: each text once, however many answers are checked.

    Nothing else can have printed the same before the first text, so it is shown at once, and a
    check that loops shows where. Only the thread that runs the check is concerned.
    """

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._seen: set[str] = set()
        self._pieces: list[str] = []
        self._out: TextIO = sys.stdout
        self._thread = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show what is printed within the block, unless it has been shown."""
        self._out, self._thread, self._pieces = sys.stdout, threading.get_ident(), []
        sys.stdout = self
        try:
            yield
        finally:
            sys.stdout = self._out
            self._end("".join(self._pieces))

    def write(self, text: str) -> int:
        """Take a printed text."""
        if threading.get_ident() != self._thread:
            return self._out.write(text)
        self._pieces.append(text)
        return len(text) if self._seen else self._out.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._out, name)

    def _end(self, text: str) -> None:
        if not text or text in self._seen or len(self._seen) > _MAX_SHOWN_TEXTS:
            return
        is_first = not self._seen
        self._seen.add(text)
        if len(self._seen) > _MAX_SHOWN_TEXTS:
            self._out.write(f"more output of the check {_quoted(self._expression)} is not shown\n")
        elif not is_first:
            self._out.write(text)


def _refuse_unknown(check: Check, known: set[str]) -> None:
    """Refuse a check with a name that nothing defines, before the answer is paid for."""
    table = symtable.symtable(check.expression, _FILE, "eval")
    for name in sorted(_names_of(table)):
        if name in known or hasattr(builtins, name):
            continue
        private = name.startswith("_")
        close = [each for each in map(str, known) if private or not each.startswith("_")]
        raise OptionError(
            f"the name {excerpt(name)} in the check {_quoted(check.expression)} is unknown",
            hint=did_you_mean(name, [*close, *dir(builtins)])
            or "nothing was sent; run the cell that defines it first, or put quotes around text",
        )


def _names_of(table: symtable.SymbolTable) -> set[str]:
    """Return the names that an expression reads and does not define itself."""
    own = {each.get_name() for each in table.get_symbols() if each.is_assigned()}
    names = {
        each.get_name()
        for each in table.get_symbols()
        if each.is_referenced() and (each.is_global() or table.get_type() == "module")
    }
    for child in table.get_children():
        names |= _names_of(child)
    return names - own if table.get_type() == "module" else names


def _is_always_true(value: object) -> bool:
    return any(is_kind(value) for is_kind, _, _ in _ALWAYS_TRUE)


def _not_a_condition(check: Check, value: object) -> CheckResult:
    """Return the result for a value that says nothing about the answer."""
    if inspect.iscoroutine(value):
        value.close()
    what, hint = next((what, hint) for is_kind, what, hint in _ALWAYS_TRUE if is_kind(value))
    shown = excerpt(check.expression, EXPRESSION_CHARS)
    return CheckResult(check.expression, None, f"the check {shown} {what}", hint.format(shown))


def _broken(check: Check, value: object, error: Exception) -> CheckResult:
    """Return the result of a check that raised, or whose value has no truth."""
    shown = excerpt(check.expression, EXPRESSION_CHARS)
    where = _user_line(error)
    if where is None and value is not None:  # bool() raised
        kind = type(value).__name__
        has_all = callable(getattr(type(value), "all", None))
        return CheckResult(
            check.expression,
            None,
            f"the check {shown} is neither true nor false: its value is of type {kind}, which has"
            " no truth value",
            "add .all() or .any() to the comparison" if has_all else "compare it with a value",
            error,
        )
    message = f"the check {shown} raised {describe(error)}"
    if where is not None:
        message += f" ({where})"
    return CheckResult(check.expression, None, message, "try the expression on _cmd.text", error)


def _user_line(error: Exception) -> str | None:
    """Return the last line of the user's own code that an exception passed through."""
    stdlib = sysconfig.get_path("stdlib")
    found: str | None = None
    for frame, number in walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        line = linecache.getline(name, number).strip()
        is_library = "site-packages" in name or name.startswith(stdlib)
        if not line or is_library or name == __file__:
            continue
        is_cell = any(mark in name for mark in ("ipykernel_", "ipython-input", "<ipython"))
        inside = frame.f_code.co_name if is_cell else Path(name).name
        found = f"line {number} of {inside}: {excerpt(line)}"
    return found


def _quoted(expression: str) -> str:
    return f"`{excerpt(expression, EXPRESSION_CHARS)}`"
