"""What a front end's message holds, read with care: it may be newer, older, or broken."""

from __future__ import annotations

from typing import Any, TypeAlias

from cc_jupyter.core.errors import OptionError

Body: TypeAlias = dict[str, Any]
Answer: TypeAlias = tuple[str, Body]
"""The type of an answer, and its body."""


def text_in(body: Body, name: str) -> str:
    """Read a text that must not be empty."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _ill_typed(name, value, "a text")
    return value


def path_in(body: Body, name: str) -> str:
    """Read the path of a notebook; a page without one sends an empty text."""
    value = body.get(name)
    if not isinstance(value, str):
        raise _ill_typed(name, value, "a text")
    return value


def word_in(body: Body, name: str) -> str:
    """Read a text that becomes a word of a command: without blanks, and no option."""
    value = text_in(body, name)
    if value.split() != [value] or value.startswith("-"):
        raise _ill_typed(name, value, "one word, and no option")
    return value


def number_in(body: Body, name: str) -> int:
    """Read a number that counts from 1."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _ill_typed(name, value, "a number from 1")
    return value


def texts_in(body: Body, name: str) -> list[str]:
    """Read a list of texts."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _ill_typed(name, value, "a list of texts")
    return value


def _ill_typed(name: str, value: object, kind: str) -> OptionError:
    return OptionError(f"`{name}` must be {kind}, not {value!r:.60}")
