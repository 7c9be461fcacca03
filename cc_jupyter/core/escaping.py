"""Escapes foreign text where it reaches a page.

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


def page_html(text: str) -> str:
    """Return HTML that shows the text exactly: no element, no formula."""
    return _TYPESET.sub(_apart, html.escape(text))


def scrollable(content: str) -> str:
    """Return HTML that scrolls sideways where it is too wide, by keyboard too."""
    return f'<div style="overflow-x: auto" tabindex="0">{content}</div>'


def _apart(found: re.Match[str]) -> str:
    return DOLLAR if found[0] == "$" else BACKSLASH
