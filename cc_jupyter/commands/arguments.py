"""Parse the arguments of a `%cmd` line: each command declares them, one parser reads them all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence


# fmt: off
Kind: TypeAlias = Literal[
    "alias", "amount", "choice", "file", "filter", "grid", "model", "number", "options", "prompt",
    "switch", "text", "thread", "topic", "word",
]
# fmt: on
"""What an argument is: how its words are read, and what Tab offers for it."""

_WHOLE_LINE = ("options", "text", "topic")
"""The kinds that take the rest of the line unchanged."""
_ALL_WORDS = ("file", "filter")
"""The kinds that take all words that are not options."""
_OPTION = re.compile(r"--?[A-Za-z]")
_END_OF_CODE = re.compile(r"(?:\s*;)?\s*(?:(?<!\S)#.*)?\Z")
"""What may end a line of Python: the `;` that hides a value, and a comment."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command."""

    name: str
    """An option begins with a dash, such as `--save`; any other name is positional."""
    kind: Kind = "word"
    words: tuple[str, ...] = ()
    """The values that it knows; a `choice` accepts no others."""
    required: bool = False
    bare: str | None = None
    """The value of an option that is given without one; `None`: it needs a value."""

    @property
    def is_option(self) -> bool:
        """Whether it is an option, not positional."""
        return self.name.startswith("-")

    @property
    def parameter(self) -> str:
        """The name of the function's parameter."""
        name = self.name.lstrip("-").replace("-", "_")
        return f"{name}_" if iskeyword(name) else name


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: how it is called and what it does."""

    name: str
    usage: str
    """The arguments as the help shows them; may be empty."""
    summary: str
    arguments: tuple[Argument, ...] = ()
    details: str = ""
    """Whole sentences that only `%cmd help NAME` adds; may be empty."""
    example: str = ""
    """A line that works, as the hint of an error; may be empty."""
    may_hold_key: bool = False
    """Whether people type a key on this line, so that no message may repeat it."""

    @property
    def positional(self) -> list[Argument]:
        """The arguments that are not options, in their order."""
        return [each for each in self.arguments if not each.is_option]

    @property
    def options(self) -> dict[str, Argument]:
        """The options by name."""
        return {each.name: each for each in self.arguments if each.is_option}


def parse_arguments(spec: CommandSpec, line: str) -> dict[str, Any]:
    """Return the arguments on a line by parameter; those that are not given are left out.

    Parameters
    ----------
    line
        The text after the command's name, without blanks at its ends.

    Raises
    ------
    OptionError
        An argument is unknown, missing, of the wrong kind, or one too many.
    """
    if spec.may_hold_key and any(word not in spec.options for word in line.split()):
        only = " or ".join(spec.options)
        takes = f"only {only}" if only else "no arguments"
        raise OptionError(
            f"%cmd {spec.name} takes {takes} on its line",
            hint="if you typed a key there, it is in the notebook now: remove it and create a"
            " new one",
        )
    whole = next((each for each in spec.arguments if each.kind in _WHOLE_LINE), None)
    if whole is not None:
        if whole.required and not line:
            raise _missing(spec, whole)
        return {whole.parameter: line} if line else {}
    line = _END_OF_CODE.sub("", line, count=1)
    given, words = _split(spec, line)
    for argument in spec.positional:
        count = len(words) if argument.kind in _ALL_WORDS else 1
        own, words = words[:count], words[count:]
        value = _positional(spec, argument, own) if own else None
        if value:
            given[argument.parameter] = value
        elif argument.required:
            raise _missing(spec, argument)
    if words:
        raise OptionError(
            f"%cmd {spec.name} takes {spec.usage or 'no arguments'}, not {_quoted(line)}",
            hint=_hint(spec),
        )
    return given


def one_of(words: Sequence[str]) -> str:
    """Return alternatives as a sentence lists them."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _split(spec: CommandSpec, line: str) -> tuple[dict[str, Any], list[str]]:
    """Return the options of a line with their values, and its other words."""
    given: dict[str, Any] = {}
    others: list[str] = []
    words = line.split()
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        option = spec.options.get(name)
        if option is not None:
            given[option.parameter] = _option(spec, option, value if equals else None, words)
        elif _OPTION.match(word):
            known = ", ".join(spec.options)
            raise OptionError(
                f"%cmd {spec.name} has no option {redact(name)}",
                hint=did_you_mean(name, spec.options)
                or (f"its options: {known}" if known else "it has no options"),
            )
        else:
            others.append(word)
    return given, others


def _option(spec: CommandSpec, option: Argument, value: str | None, following: list[str]) -> object:
    """Return the value of an option: the one behind its `=`, else the word that follows it."""
    if option.kind == "switch":
        if value is not None:
            raise OptionError(f"%cmd {spec.name} {option.name} takes no value", hint=_hint(spec))
        return True
    if value is None:
        if option.bare is not None and (not following or following[0] not in option.words):
            return option.bare
        value = following.pop(0) if following else ""
    return _value(spec, option, value)


def _positional(spec: CommandSpec, argument: Argument, words: list[str]) -> object:
    match argument.kind:
        case "filter":
            return tuple(words)
        case "file":
            return " ".join(words).strip("\"'")
        case _:
            return _value(spec, argument, words[0])


def _value(spec: CommandSpec, argument: Argument, word: str) -> object:
    if word in argument.words:
        return word
    match argument.kind:
        case "choice":
            raise _wrong(spec, argument, word, one_of(argument.words))
        case "number":
            if not word.isdecimal() or int(word) < 1:
                raise _wrong(spec, argument, word, "a number from 1")
            return int(word)
        case "file" if not word:
            raise _wrong(spec, argument, word, "a path")
        case "amount":
            return _amount(spec, argument, word)
        case _:
            return word


def _amount(spec: CommandSpec, argument: Argument, word: str) -> Decimal:
    try:
        usd = Decimal(word.removeprefix("$"))
    except InvalidOperation:
        usd = Decimal("nan")
    if not usd.is_finite() or usd < 0:
        raise _wrong(spec, argument, word, one_of(["an amount in US dollars", *argument.words]))
    return usd


def _wrong(spec: CommandSpec, argument: Argument, word: str, expected: str) -> OptionError:
    name = f"%cmd {spec.name} {argument.name}" if argument.is_option else f"%cmd {spec.name}"
    if not word:
        return OptionError(f"{name} needs a value: {expected}", hint=_hint(spec))
    return OptionError(
        f"{name} takes {expected}, not {_quoted(word)}",
        hint=did_you_mean(word, argument.words) or _hint(spec),
    )


def _missing(spec: CommandSpec, argument: Argument) -> OptionError:
    return OptionError(f"%cmd {spec.name} needs a {argument.name}", hint=_hint(spec))


def _hint(spec: CommandSpec) -> str:
    return f"for example: {spec.example}" if spec.example else f"%cmd help {spec.name} explains it"


def _quoted(text: str) -> str:
    """Return typed text as messages quote it: short and without anything like a key."""
    return repr(excerpt(redact(text)))
