"""Cuts the option line into words: quotes, brackets and `->`, but no meaning.

A quote opens at the start of a word, right after `=` or inside brackets, so `don't` is a word. A
backslash is a letter like any other (`"C:\\"` is whole), but inside brackets, where code stands,
it protects a quote. What the words mean is left to `options`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cc_jupyter.errors import OptionError
from cc_jupyter.redact import redact
from cc_jupyter.values import excerpt

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
