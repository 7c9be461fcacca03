"""How messages quote what the user wrote: short, on one line, without secrets."""

from __future__ import annotations

from cc_jupyter.redact import redact

_EXCERPT = 60


def name_expression(expression: str) -> str:
    """Give an expression as messages quote it."""
    return f"`{{{{ {excerpt(expression)} }}}}`"


def excerpt(text: str, limit: int = _EXCERPT) -> str:
    """Give the start of `text` on one line, so that a message stays readable."""
    line = " ".join(text[: 4 * limit].split())
    whole = len(line) <= limit and len(text) <= 4 * limit
    return line if whole else f"{line[:limit]}…"


def describe(error: BaseException) -> str:
    """Give the class and message of somebody else's exception on one line, without secrets."""
    try:
        message = excerpt(redact(str(error)), 2 * _EXCERPT)
    except Exception:  # noqa: BLE001  an exception whose own text fails still has a class
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def counted(number: int, what: str) -> str:
    """Give a number with its noun, which takes an s in the plural."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def library_of(kind: type) -> str:
    """Give the top-level module of a class: how it is known without importing it."""
    return str(kind.__module__).partition(".")[0]
