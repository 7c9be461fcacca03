"""Escapes foreign text where it reaches a screen: a terminal or a page.

A page is typeset once more after it is rendered (JupyterLab runs MathJax over it, seen on
4.6.6): text that looks like a formula becomes one, even when its `$` was an entity. MathJax reads
the text between two tags at a time, so a `$` or a backslash in a `<span>` starts no formula.
"""

from __future__ import annotations

import html
import re

DOLLAR = "<span>&#36;</span>"
"""A dollar sign that starts no formula."""
BACKSLASH = "<span>&#92;</span>"
"""A backslash that starts no formula and escapes nothing."""
TYPESET_BACKSLASH = r"\\(?=[\\()\[\]$]|begin|end|(?:eq)?ref|\s*\Z)"
"""A backslash that MathJax may take for the start of a formula, an environment or an escape."""

_TYPESET = re.compile(rf"\$|{TYPESET_BACKSLASH}")
_VISIBLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def safe_terminal(text: str) -> str:
    """Return text that moves no cursor: control characters are shown, not obeyed.

    Newlines and tabs stay, CRLF becomes a newline. Marks that change the writing direction are
    shown as well, lone surrogates become U+FFFD.
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def page_html(text: str) -> str:
    """Return HTML that shows the text exactly: no element of its own, no formula."""
    return _TYPESET.sub(_apart, html.escape(text))


def _apart(found: re.Match[str]) -> str:
    return DOLLAR if found[0] == "$" else BACKSLASH
