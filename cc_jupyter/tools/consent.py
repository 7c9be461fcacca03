"""Whether a call may run: by `--allow`, by an answer of the user's, or not at all.

Nothing runs without one of the two. An answer is one of six letters, so that a stray Enter, or a
word typed for something else, allows nothing; nor does an answer count for a function that has
changed since it was shown. There is no time limit. `e` changes arguments and
asks again, so the user has always read exactly what runs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from cc_jupyter.core.errors import CcError, OptionError, did_you_mean
from cc_jupyter.tools.call_source import read_arguments
from cc_jupyter.tools.signature import check_is_json
from cc_jupyter.tools.tool import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cc_jupyter.core.steps import CallPlace
    from cc_jupyter.tools.tool import Arguments, Tool

MEANINGS = (
    ("y", "run it once"),
    ("s", "run it, and this same call again in this run"),
    ("f", "run it, and every call of this function in this run"),
    ("e", "change arguments, then ask again"),
    ("n", "refuse, with a reason for the model"),
    ("q", "refuse, and end here with the text so far"),
)
"""The answers to a question and what they do."""
KEYS = "/".join(key for key, _ in MEANINGS)
_EDIT_PROMPT = 'Arguments to change, such as city="Rome" (name=... leaves one out): '
_REASON_PROMPT = "Reason for the model (Enter: none): "
UNANSWERED = "refused: the call needs the user's consent, and no one can be asked here"
"""The result of a call where no one can answer."""

How: TypeAlias = Literal["--allow", "once", "same call", "function"]


class Question(NamedTuple):
    """One call that the user is asked about."""

    tool: Tool
    arguments: Arguments
    place: CallPlace
    changed: bool = False
    """Whether the user has changed arguments of the model's."""
    complaint: str = ""
    """Why the last answer was none."""


class Asker(Protocol):
    """Shows questions and reads the answers."""

    def show(self, question: Question) -> None:
        """Show a question in full, before its answer is read."""

    def read(self, prompt: str) -> str:
        """Return one line of the user's.

        Raises
        ------
        EOFError, NotImplementedError
            No one can answer.
        KeyboardInterrupt
            The user stops the cell.
        """


class Decision(NamedTuple):
    """Whether a call runs, and with which arguments."""

    arguments: Arguments
    how: How | None = None
    """By what it was allowed; `None`: it does not run."""
    reason: str = ""
    """Why it does not run, for the model."""
    changed: bool = False
    """Whether the user has changed arguments."""
    ends: bool = False
    """Whether the run ends here."""

    @property
    def runs(self) -> bool:
        """Whether the call runs."""
        return self.how is not None


class Consent:
    """Decides on the calls of one run.

    Parameters
    ----------
    allowed
        The names of `--allow`.
    asker
        Who asks the user; `None`: no one can answer.
    """

    def __init__(self, allowed: Collection[str] = (), asker: Asker | None = None) -> None:
        self._allowed = frozenset(allowed)
        self._asker = asker
        self._functions: set[tuple[str, object]] = set()
        self._calls: set[tuple[str, object, str]] = set()
        self._missing: dict[str, None] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the tools that were refused since no one could answer, in order."""
        return tuple(self._missing)

    def decide(self, tool: Tool, arguments: Arguments, place: CallPlace) -> Decision:
        """Decide on one call; asks as often as it takes.

        Raises
        ------
        KeyboardInterrupt
            The user stopped the cell instead of answering.
        """
        if tool.name in self._allowed:
            return Decision(arguments, "--allow")
        if (tool.name, tool.code) in self._functions:
            return Decision(arguments, "function")
        if (tool.name, tool.code, _canonical(arguments)) in self._calls:
            return Decision(arguments, "same call")
        if self._asker is None:
            return self._unanswered(tool, arguments)
        try:
            return self._asked(self._asker, Question(tool, arguments, place))
        except (EOFError, NotImplementedError):
            return self._unanswered(tool, arguments)

    def _unanswered(self, tool: Tool, arguments: Arguments) -> Decision:
        self._missing[tool.name] = None
        return Decision(arguments, reason=UNANSWERED)

    def _asked(self, asker: Asker, question: Question) -> Decision:
        while True:
            tool, arguments = question.tool, question.arguments
            code = tool.code
            asker.show(question)
            answer = asker.read(question_prompt(tool.name)).strip()
            if tool.code is not code:
                question = question._replace(complaint="the function has changed; read it again")
                continue
            match answer.lower():  # `casefold` would take other letters for an s
                case "y":
                    return Decision(arguments, "once", changed=question.changed)
                case "s":
                    self._calls.add((tool.name, code, _canonical(arguments)))
                    return Decision(arguments, "same call", changed=question.changed)
                case "f":
                    self._functions.add((tool.name, code))
                    return Decision(arguments, "function", changed=question.changed)
                case "e":
                    question = _edited(asker, question)
                case "n":
                    given = asker.read(_REASON_PROMPT).strip()
                    reason = f"the user refused this call: {given}" if given else ""
                    return Decision(arguments, reason=reason or "the user refused this call")
                case "q":
                    reason = "the user refused this call and ended the run"
                    return Decision(arguments, reason=reason, ends=True)
                case "":
                    question = question._replace(complaint="an empty line is no answer")
                case _:
                    question = question._replace(complaint=f"{answer!r} is no answer")


def question_prompt(name: str) -> str:
    """Return the short line that asks about a tool."""
    return f"Run {name}? {KEYS}: "


def _edited(asker: Asker, question: Question) -> Question:
    """Return the question with the arguments that the user types."""
    typed = asker.read(_EDIT_PROMPT).strip()
    if not typed:
        return question._replace(complaint="no argument was changed")
    tool, before = question.tool, question.arguments.given
    try:
        given = {**before, **read_arguments(typed)}
        given = {name: value for name, value in given.items() if value is not ...}
        known = [each.name for each in tool.signature.parameters]
        for name in given:
            if name not in known:
                raise OptionError(
                    f"{tool.name} has no parameter {name}", hint=did_you_mean(name, known)
                )
        arguments = tool.arguments(check_is_json(given))
    except ArgumentsError as error:
        return question._replace(complaint=str(error))
    except CcError as error:
        return question._replace(complaint=f"{error}; {error.hint}" if error.hint else str(error))
    return question._replace(arguments=arguments, changed=True, complaint="")


def _canonical(arguments: Arguments) -> str:
    return json.dumps(arguments.given, sort_keys=True)
