"""Escapes plain text so that every renderer shows its characters and reads no markup in them.

Backslash escapes keep the source readable; entities stand where a renderer disagrees about
escapes: a lone backtick (JupyterLab finds code with its own pattern), a bar in a table,
and the `@@0@@` by which JupyterLab marks the place of a formula.
"""

from __future__ import annotations

import re

from cc_jupyter.core.escaping import BACKSLASH, DOLLAR, TYPESET_BACKSLASH
from cc_jupyter.render.markdown.links import BARE_URL, destination, is_autolink

_URL = re.compile(BARE_URL)
_SPECIAL = re.compile(
    rf"(?P<typeset>{TYPESET_BACKSLASH})|\\(?=[!-/:-@\[-`{{-~])"
    r"|(?<=@)@|&(?=#?\w{1,40};|#?\w*\Z)|<(?=[A-Za-z/!?]|\Z)|(?P<word>(?<=[^\W_])_+(?=[^\W_]))"
    r"|:(?=//)|(?i:(?<=www))\.|[*`\[\]~_$|]|\A[^\S ]|[^\S ]\Z"
)
_ENTITIES = {
    "\\": "&#92;",
    "@": "&#64;",
    "&": "&amp;",
    "<": "&lt;",
    "`": "&#96;",
    "|": "&#124;",
    "$": DOLLAR,
}
_LINE_START = re.compile(r"[-+](?=\s|\Z)|[#>~]|[-=:|](?=[-=:| \t]*\Z)|:(?=\s)|\|")
_NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|\Z)")
_CONTROLS = str.maketrans(
    {code: chr(0x2400 + code) for code in range(0x20)}
    | dict.fromkeys("\n\r\t\v\f\x1c\x1d\x1e\x1f\x85", " ")
)
_TITLE = re.compile(r"[!-~](?<![\w.,:;!?'/=+-])")


def escape(
    text: str,
    *,
    line_start: bool = False,
    in_table: bool = False,
    in_link: bool = False,
    brackets: bool = False,
) -> str:
    """Return Markdown that shows a text; a line break in it becomes a space.

    Parameters
    ----------
    line_start
        Whether a line begins with it, where more characters have a meaning.
    in_table, in_link
        Whether it is part of a table cell, where bars part cells, or of a link's text.
    brackets
        Whether square brackets may stay, since nothing around can make a link of them.
    """
    text = text.translate(_CONTROLS)
    if not in_link and ("://" in text or "www." in text.lower()):
        shown = _with_links(text, in_table=in_table)
    else:
        shown = _without_links(text, in_table=in_table, in_link=in_link, brackets=brackets)
    if line_start:
        shown = shown.lstrip(" ")
        if shown[:1] == "[" and text.lstrip(" ")[0] == "[":
            return f"&#91;{shown[1:]}"
        if _LINE_START.match(shown):
            return f"\\{shown}"
        return _NUMBER.sub(r"\1\\\2", shown, count=1) if shown[:1].isdigit() else shown
    return shown


def _without_links(text: str, *, in_table: bool, in_link: bool, brackets: bool = False) -> str:
    """Escape text in which nothing may become a link."""

    def written(found: re.Match[str]) -> str:
        mark = found[0]
        if found["typeset"]:
            return BACKSLASH
        if found["word"] or (mark in "[]" and brackets) or (mark == "|" and not in_table):
            return mark
        if mark == "]" and not in_link and text[found.end() : found.end() + 1] not in {"", "("}:
            return mark
        return f"\\{mark}" if mark in "*~_" else _ENTITIES.get(mark) or f"&#{ord(mark)};"

    return _SPECIAL.sub(written, text)


def _with_links(text: str, *, in_table: bool) -> str:
    """Escape text with its web addresses written as links with clear ends."""
    parts, at = [], 0
    for found in _URL.finditer(text):
        address = found[0]
        parts.append(_without_links(text[at : found.start()], in_table=in_table, in_link=False))
        at = found.end()
        if is_autolink(address):
            parts.append(f"<{address}>")
            continue
        shown = _without_links(address, in_table=True, in_link=True)
        if not found["www"]:
            parts.append(shown)
            continue
        parts[-1] = before_link(parts[-1])
        parts.append(f"[{shown}]({destination(f'http://{address}')})")
    parts.append(_without_links(text[at:], in_table=in_table, in_link=False))
    return "".join(parts)


def before_link(written: str) -> str:
    """Return escaped text that a link may follow: `!` would make an image of it."""
    return f"{written[:-1]}\\!" if written.endswith("!") else written


def escape_title(text: str) -> str:
    """Return a link's title, in quotes, in which no renderer finds their end."""
    words = " ".join(text.translate(_CONTROLS).split())
    return '"' + _TITLE.sub(lambda found: f"&#{ord(found[0])};", words) + '"'
