r"""Split the option line into words.

A quote opens at the start of a word, right after `=` or inside brackets, so `don't` is a word. A
backslash is an ordinary character (`"C:\"` is complete), except inside brackets, where it escapes a
quote as in Python code.
"""

from __future__ import annotations

from typing import NamedTuple

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact
from cc_jupyter.core.text import excerpt

ARROW = "->"
_QUOTES = "\"'"
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Word(NamedTuple):
    """A word of the option line as typed, quotes included."""

    text: str
    start: int
    """Its position in the line: `line[start:end] == text`."""
    end: int

    @property
    def value(self) -> str:
        """The word without enclosing quotes."""
        return unquoted(self.text)


def next_word(line: str, position: int, *, arrow: bool = True) -> Word | None:
    """Return the first word at or after `position`, or `None` at the end of the line.

    Parameters
    ----------
    line
        The option line.
    position
        Where to start: among blanks or at the start of a word.
    arrow
        Whether `->` outside quotes is a separate word, even inside `a->b`.

    Raises
    ------
    OptionError
        A quote or bracket in this word is not closed.
    """
    start = skip_blanks(line, position)
    if start == len(line):
        return None
    if arrow and line.startswith(ARROW, start):
        return Word(ARROW, start, start + len(ARROW))
    end = _word_end(line, start, arrow=arrow)
    return Word(line[start:end], start, end)


def skip_blanks(line: str, position: int) -> int:
    """Return the position of the first character at or after `position` that is not a blank."""
    while position < len(line) and line[position].isspace():
        position += 1
    return position


def unquoted(text: str) -> str:
    """Return `text` without enclosing quotes; `"a"b`, `df["a"]` and `don't` are unchanged."""
    return text[1:-1] if is_quoted(text) else text


def is_quoted(text: str) -> bool:
    """Return whether `text` starts with a quote that closes at its end."""
    return len(text) > 1 and text[0] in _QUOTES and text.find(text[0], 1) == len(text) - 1


def shown(text: str) -> str:
    """Return a word as messages quote it: short, on one line, with keys redacted."""
    return f"`{excerpt(redact(text))}`"


def _word_end(line: str, start: int, *, arrow: bool) -> int:
    """Return the end of the word that starts at `start`."""
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
    """Return the position of the quote that closes the one at `opening`."""
    at = opening + 1
    while at < len(line):
        if line[at] == line[opening]:
            return at
        at += 2 if code and line[at] == "\\" else 1
    raise _unclosed("quote", line[opening:])


def _unclosed(what: str, rest: str) -> OptionError:
    return OptionError(
        f"the {what} {rest[0]} in {shown(rest)} is not closed",
        hint=f'close it; to use a {what} as plain text, quote the value: -s "it\'s (so)"',
    )
