"""Text helpers for messages, checks and ids."""

from __future__ import annotations

import os
import re

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.redaction import redact

_EXCERPT = 60


def quote_expression(expression: str) -> str:
    """Return an expression as messages quote it."""
    return f"`{{{{ {excerpt(expression)} }}}}`"


def excerpt(text: str, limit: int = _EXCERPT) -> str:
    """Return the start of `text` on one line, so that a message stays readable."""
    line = " ".join(text[: 4 * limit].split())
    is_complete = len(line) <= limit and len(text) <= 4 * limit
    return line if is_complete else f"{line[:limit]}…"


def excerpt_of_change(text: str, other: str, limit: int = _EXCERPT) -> str:
    """Return the start of `text` on one line; if it equals that of `other`, where they differ."""
    pairs = enumerate(zip(text, other, strict=False))
    same = next((at for at, (one, two) in pairs if one != two), min(len(text), len(other)))
    start = text.rfind(" ", 0, max(0, same - limit // 4)) + 1
    return excerpt(text, limit) if same < limit // 2 else f"…{excerpt(text[start:], limit)}"


def describe(error: BaseException) -> str:
    """Return class and message of a foreign exception on one line, without secrets."""
    try:
        message = excerpt(redact(str(error)), 2 * _EXCERPT)
    except Exception:  # noqa: BLE001  if the text itself raises, the class is left
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun, with an s in the plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article."""
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def short_name(model: str) -> str:
    """Return a model's id without the vendor's prefix."""
    return model.rpartition("/")[2]


def top_level_module(kind: type) -> str:
    """Return the top-level module of a class, which identifies a library without importing it."""
    return str(kind.__module__).partition(".")[0]


_SURROGATE = re.compile("[\ud800-\udfff]")


def check_prompt(text: str, *, where_to: str) -> None:
    """Refuse a prompt that cannot be sent; `where_to` is the hint on where to write it.

    Raises
    ------
    OptionError
        The prompt is empty, or contains half a character.
    """
    if not text.strip():
        raise OptionError("the prompt is empty", hint=where_to)
    check_characters(text)


def check_characters(text: str) -> None:
    """Refuse a text that UTF-8 cannot encode.

    Raises
    ------
    OptionError
        The text contains half a character; the message says where.
    """
    found = None if text.isascii() else _SURROGATE.search(text)
    if found is not None:
        raise OptionError(
            f"character {found.start():,} of the prompt is half a character"
            f" (U+{ord(found[0]):04X}), which cannot be sent",
            hint="it comes from broken text; text.encode('utf-8', 'replace').decode() repairs it",
        )


def new_id() -> str:
    """Return 32 random hexadecimal digits."""
    return os.urandom(16).hex()
