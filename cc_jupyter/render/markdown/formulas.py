r"""Reads formulas: `$x$`, `$$x$$`, `\(x\)`, `\[x\]` and the environments of amsmath.

Dollars follow pandoc's rule (no blank inside the signs, no digit after the closing one), made a
little stricter so that prices, shell variables and regular expressions stay text: no letter after
the closing sign unless it is the ending of an ordinal or a plural, and none before the opening
one. A formula is accepted only if JupyterLab, which cuts formulas out of the source before
anything else reads it, finds the same two ends; otherwise it is text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

_LONGEST_ENVIRONMENT = 20_000  # characters
_ENVIRONMENTS = (
    r"(?:align|alignat|aligned|alignedat|array|[bBpvV]?matrix|smallmatrix|[dr]?cases|CD|equation"
    r"|eqnarray|flalign|gather|gathered|multline|split|xalignat)\*?"
)
_DOLLAR = re.compile(
    r"(?<![A-Za-z0-9_$\\^)\]}+?.])\$(?![\s$])(?P<body>(?:[^$`\\]|\\[^`])++)(?<!\s)\$"
    r"(?![0-9$_{(])(?:(?![A-Za-z])|(?=(?:st|nd|rd|th|s|e|er|re|d|ies)\b))"
)
_DOUBLE_DOLLAR = re.compile(r"\$\$(?P<body>(?:[^$`\\]|\\[^`]|\$(?!\$))++)\$\$(?!\$)")
_WORDS = re.compile(r"\s(?:[A-Za-z]{2,}[\s,.;]*)+")  # between two `$$` of a shell
_OPENING = re.compile(rf"\\\\?[(\[]|\\begin\{{(?P<name>{_ENVIRONMENTS})\}}")
_BLOCK_OPENING = re.compile(rf"\$\$|\\\\?\[|\\begin\{{(?P<name>{_ENVIRONMENTS})\}}")
_BRACES = re.compile(r"\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]", re.IGNORECASE)
_UNUSABLE = re.compile(r"[`\x00-\x08\x0b-\x1f]|~~~|@@\d|\$\$")
_BARE_DOLLAR = re.compile(r"(?<!\\)\$")
_BLANK_LINES = re.compile(r"\n[ \t]*(?=\n)")
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(:\[])|!(?=\[)")
_BLOCK_START = re.compile(r"^[ \t]*(?:[-+*#>]|\d+[.)])", re.MULTILINE)
_REST = re.compile(r"[ \t]*([.,;:]?)[ \t]*")


def add_formulas(md: MarkdownIt) -> None:
    """Make a parser read formulas, as tokens `formula` and `formula_block`."""
    md.inline.ruler.before("escape", "formula", _inline)
    # what a fence may interrupt
    md.block.ruler.before(
        "fence",
        "formula_block",
        _block,
        {"alt": ["paragraph", "reference", "blockquote", "list"]},
    )


def usable(body: str, *, display: bool) -> str | None:
    """Return what is written between the signs; `None` if some renderer would misread it."""
    body = _MARKUP.sub(r"\g<0> ", _BLANK_LINES.sub("", body.strip()))
    if not body or _UNUSABLE.search(body) or not _balanced(body):
        return None
    if body[0] == "$" or body[-1] == "$":
        return None
    if not display and (body[-1] == "\\" or _BARE_DOLLAR.search(body)):
        return None
    return body if display else re.sub(r"\s*\n\s*", " ", body)


def _balanced(body: str) -> bool:
    """Return whether JupyterLab, which counts braces, ends the formula at its closing sign."""
    depth = 0
    for brace in _BRACES.findall(body):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return False
    return not depth


@lru_cache(maxsize=16)
def _last(text: str, closing: str) -> int:
    """Return where `closing` occurs last: an opening sign after it needs no search."""
    return text.rfind(closing)


def _closing(opening: str, name: str | None) -> str:
    if name is not None:
        return f"\\end{{{name}}}"
    return opening if opening == "$$" else opening[:-1] + {"(": ")", "[": "]"}[opening[-1]]


def _inline(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  markdown-it's signature
    sign = state.src[state.pos]
    if sign == "$":
        return _read_dollars(state, silent=silent)
    return sign == "\\" and _read_backslash(state, silent=silent)


def _read_dollars(state: StateInline, *, silent: bool) -> bool:
    pos, src = state.pos, state.src
    end = pos
    while end < state.posMax and src[end] == "$":
        end += 1
    display = end - pos == 2  # noqa: PLR2004  $$
    pattern = _DOUBLE_DOLLAR if display else _DOLLAR
    found = pattern.match(src, pos, state.posMax) if end - pos <= 2 else None  # noqa: PLR2004
    body = usable(found["body"], display=display) if found else None
    if found is None or body is None or _WORDS.fullmatch(found["body"]):
        return _stray(state, end, silent=silent)
    return _push(state, body, found.end(), display=display, silent=silent)


def _read_backslash(state: StateInline, *, silent: bool) -> bool:
    found = _OPENING.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    opening, name = found[0], found["name"]
    closing = _closing(opening, name)
    body = None
    end = found.end()
    if _last(state.src, closing) >= end:
        limit = min(state.posMax, end + _LONGEST_ENVIRONMENT)
        stop = state.src.find(closing, end, limit)
        if stop >= 0 and state.src.find(opening, end, stop) < 0:
            display = name is not None or opening[-1] == "["
            start = state.pos if name is not None else end
            body = usable(state.src[start : stop + (len(closing) if name else 0)], display=display)
            if body is not None:
                end = stop + len(closing)
                return _push(state, body, end, display=display, silent=silent)
    if name is not None or opening.startswith("\\\\"):
        return False
    return _stray(state, end, silent=silent)


def _stray(state: StateInline, end: int, *, silent: bool) -> bool:
    r"""Keep a sign that starts no formula as text: `\(` would lose its backslash otherwise."""
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _push(state: StateInline, body: str, end: int, *, display: bool, silent: bool) -> bool:
    if not silent:
        token = state.push("formula", "", 0)
        token.content = body
        token.markup = "$$" if display else "$"
    state.pos = end
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001  as above
    at = state.bMarks[start] + state.tShift[start]
    if at >= state.eMarks[start] or state.src[at] not in "$\\" or state.is_code_block(start):
        return False
    found = _BLOCK_OPENING.match(state.src, at, state.eMarks[start])
    if found is None:
        return False
    closing = _closing(found[0], found["name"])
    read = _read_block(state, start, end, found, closing)
    if read is None:
        return False
    body, after = read
    if silent:  # right below an item's text it continues that text, or the list would end here
        inside = state.sCount[start] >= state.blkIndent
        return inside or (after > start + 1 and _BLOCK_START.search(body) is not None)
    token = state.push("formula_block", "", 0)
    token.block, token.content, token.map = True, body, [start, after]
    state.line = after
    return True


def _read_block(
    state: StateBlock, start: int, end: int, found: re.Match[str], closing: str
) -> tuple[str, int] | None:
    """Return the body of a display formula and the line behind it; `None` if there is none."""
    unclosed: dict[str, int] = state.env.setdefault("unclosed formulas", {})
    if start < unclosed.get(closing, 0):
        return None  # an earlier search went over this line and found no end
    opening, lines = found[0], list[str]()
    indent = min(state.blkIndent, state.sCount[start])
    for line in range(start, end):
        at = state.bMarks[line] + state.tShift[line]
        if line > start and (state.isEmpty(line) or state.sCount[line] < indent):
            break
        text = state.src[found.end() if line == start else at : state.eMarks[line]]
        stop = text.find(closing)
        if line > start and stop < 0 and text.startswith(opening):
            break
        if stop < 0:
            lines.append(text)
            continue
        rest = _REST.fullmatch(text, stop + len(closing))
        if rest is None:
            return None
        inner = "\n".join([*lines, text[:stop]])
        if found["name"]:
            inner = f"{opening}{inner}{closing}"
        body = usable(inner + rest[1], display=True)
        return None if body is None else (body, line + 1)
    unclosed[closing] = start + 1 + len(lines)
    return None
