r"""The grammar of the option line: words, their values, and what an option is.

A quote opens at the start of a word, right after `=` or inside brackets, so `don't` is a word. A
backslash is a letter like any other (`"C:\"` is whole), but inside brackets, where code stands,
it protects a quote. Which options there are, and how they go together, is left to `options`.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NoReturn

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

ARROW = "->"

_QUOTES = "\"'"
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the option line as typed, quotes included."""

    text: str
    start: int
    """Its place in the line: `line[start:end] == text`."""
    end: int

    @property
    def value(self) -> str:
        """The word without the quotes that enclose all of it."""
        return unquoted(self.text)


def next_word(line: str, position: int, *, arrow: bool = True) -> Word | None:
    """Give the first word at or after `position`, or `None` at the end of the line.

    Parameters
    ----------
    line
        The option line.
    position
        Where to start; in the middle of blanks or at the start of a word.
    arrow
        Whether `->` outside quotes is a word of its own, even inside `a->b`.

    Raises
    ------
    OptionError
        A quote or bracket of this word is not closed.
    """
    start = skip_blanks(line, position)
    if start == len(line):
        return None
    if arrow and line.startswith(ARROW, start):
        return Word(ARROW, start, start + len(ARROW))
    end = _word_end(line, start, arrow=arrow)
    return Word(line[start:end], start, end)


def skip_blanks(line: str, position: int) -> int:
    """Give the place of the first letter at or after `position` that is no white space."""
    while position < len(line) and line[position].isspace():
        position += 1
    return position


def unquoted(text: str) -> str:
    """Remove the quotes that enclose all of `text`; `"a"b`, `df["a"]` and `don't` stay."""
    if is_quoted(text):
        return text[1:-1]
    return text


def is_quoted(text: str) -> bool:
    """Tell whether the quote that opens `text` closes at its very end."""
    return len(text) > 1 and text[0] in _QUOTES and text.find(text[0], 1) == len(text) - 1


def shown(text: str) -> str:
    """Give a word as messages quote it: short, on one line, without anything like a key."""
    return f"`{excerpt(redact(text))}`"


# ── values: each reader takes the option as typed and its value without quotes


def read_any_text(_option: str, text: str) -> str:
    """Give the text, which may be empty."""
    return text


def read_text(option: str, text: str) -> str:
    """Give the text, which must not be empty."""
    if not text:
        raise OptionError(f"the value of `{option}` is empty", hint="name one, or drop the option")
    return text


def number_reader(highest: float) -> Callable[[str, str], float]:
    """Give a reader of numbers from 0 to `highest`."""

    def read_number(option: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if 0 <= number <= highest:
            return number
        raise OptionError(
            f"`{option}` takes a number from 0 to {highest:g}, not {shown(text)}",
            hint=f"for example {option} 0.7",
        )

    return read_number


def read_count(option: str, text: str) -> int:
    """Give a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number >= 1:
        return number
    raise OptionError(
        f"`{option}` takes a whole number from 1 up, not {shown(text)}",
        hint=f"for example {option} 1000",
    )


def choice_reader(choices: tuple[str, ...]) -> Callable[[str, str], str]:
    """Give a reader of exactly these words."""

    def read_choice(option: str, text: str) -> str:
        if text in choices:
            return text
        raise OptionError(
            f"`{option}` cannot be {shown(text)}", hint=f"one of {', '.join(choices)}"
        )

    return read_choice


def read_variable(option: str, text: str) -> str:
    """Give the name of an environment variable; an error does not repeat what may be a key."""
    looks_like_a_key = redact(text) != text and not text.isupper()
    if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) and not looks_like_a_key:
        return text
    raise OptionError(
        f"what `{option}` was given is not the name of an environment variable",
        hint=f"name the variable that holds the key, never the key itself: {option} MY_KEY",
    )


def read_field(option: str, text: str) -> tuple[str, Any]:
    """Give the key and the JSON value of `KEY=JSON`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise OptionError(
            f"`{option}` takes KEY=JSON, not {shown(text)}", hint=f"for example {option} seed=7"
        )
    if value.startswith("'"):
        value = unquoted(value)
    try:
        return key, json.loads(value, parse_float=_finite, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"the value {shown(value)} of `{option}` {shown(key)} is not JSON",
            hint=f'text needs double quotes: {option} {excerpt(key)}="..."',
        ) from error


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


# ── options


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One option: what parsing, help, README and completion know about it."""

    names: tuple[str, ...]
    """As typed, the long one last."""
    help: str
    metavar: str | None = None
    """What stands for the value in the help; `None`: a flag."""
    read: Callable[[str, str], object] = read_text
    """Gives the value from the option as typed and the text; raises `OptionError`."""
    repeatable: bool = False
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """Where the value goes, in `CellOptions` or its `Parameters`."""
        return self.names[-1].removeprefix("--").replace("-", "_")

    @property
    def usage(self) -> str:
        """The names and the value, as the help shows them."""
        names = ", ".join(self.names)
        return names if self.metavar is None else f"{names} {self.metavar}"


# ── where a word ends


def _word_end(line: str, start: int, *, arrow: bool) -> int:
    brackets: list[int] = []
    at = start
    while at < len(line) and not (arrow and line.startswith(ARROW, at)):
        letter = line[at]
        if letter in _QUOTES and (at == start or brackets or line[at - 1] == "="):
            at = _closing_quote(line, at, code=bool(brackets))
        elif letter in _CLOSERS:
            brackets.append(at)
        elif brackets and letter == _CLOSERS[line[brackets[-1]]]:
            brackets.pop()
        elif letter.isspace() and not brackets:
            break
        at += 1
    if brackets:
        raise _unclosed("bracket", line[brackets[-1] : at])
    return at


def _closing_quote(line: str, opening: int, *, code: bool) -> int:
    """Give the place of the quote that closes the one at `opening`."""
    at = opening + 1
    while at < len(line):
        if line[at] == line[opening]:
            return at
        at += 2 if code and line[at] == "\\" else 1
    raise _unclosed("quote", line[opening:])


def _unclosed(what: str, rest: str) -> OptionError:
    return OptionError(
        f"the {what} {rest[0]} in {shown(rest)} is not closed",
        hint=f'close it; a {what} that is meant as a letter goes into quotes: -s "it\'s (so)"',
    )


def read_capture(text: str) -> tuple[str, str | None]:
    """Read what stands behind `->`: the name of a variable and, if given, its type as written."""
    name, colon, kind = (part.strip() for part in text.partition(":"))
    if not name:
        raise OptionError("`->` needs the name of a variable", hint="for example -> answer")
    if not name.isidentifier() or iskeyword(name):
        raise OptionError(
            f"{shown(name)} behind `->` is not the name of a variable",
            hint="one name, such as -> answer; options go before the `->`",
        )
    if colon and not kind:
        raise OptionError(f"`-> {name}:` needs a type", hint=f"for example -> {name}: int")
    # as Python reads names; what the type is, `typed_expression` reads in the user's namespace
    return unicodedata.normalize("NFKC", name), kind if colon else None
