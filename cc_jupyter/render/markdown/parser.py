"""Reads a model's Markdown: GFM with formulas, without HTML, in linear time.

markdown-it-py drops what is nested deeper than its limit, and its emphasis and brackets take
quadratic time (measured 2026-11-30: 120 kB of `*a ` 7.6 s, 20 kB of `[` 0.9 s). So what is nested
too deep is read as plain text, and so is a paragraph with too many marks.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from cc_jupyter.render.markdown.formulas import add_formulas
from cc_jupyter.render.markdown.links import may_be_read
from cc_jupyter.render.markdown.tokens import UNMARKED

if TYPE_CHECKING:
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore

MAX_NESTING = 100
"""Levels of quotes and lists; a list takes two."""
MAX_MARKS = 2_000
"""Marks of emphasis and brackets in one paragraph."""
_RESERVE = 20  # levels that markdown-it may add inside the deepest quote or item
_MARK = re.compile(r"[*_~\[\]]")
_TERMINATOR = re.compile(r"[\n\\`*_~\[\]!<&$]")
"""What inline rules begin with; markdown-it also stops where those of plug-ins might."""
_SPECIAL = re.compile(
    r"[\\`*_~\[\]<&$@|\x00-\x09\x0b-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
"""Marks, controls and odd blanks: a text without them has nothing to read."""
_ODD_START = r"[-+#>=: ]|\d(?:.*\d)?[.)]"
_ODD_FIRST_LINE, _ODD_LINE = re.compile(_ODD_START), re.compile(rf"\n(?:{_ODD_START})")


def parse(text: str, env: dict[str, Any] | None = None) -> list[Token]:
    """Return the tokens of a text; every character of it is in one of them.

    Parameters
    ----------
    env
        Gets what is known of the whole text: `references` has the definitions of links.
    """
    return _parser().parse(text, env)


def parse_blocks(text: str) -> list[Token]:
    """Return the block tokens alone, for their places: what is inside them stays unread.

    A table is a paragraph here, which ends where the table does and is read in a tenth of the time.
    """
    return _block_parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    md = _block_parser_with_rules()
    md.core.ruler.at("inline", _read_inline)
    md.inline.terminator_re = _TERMINATOR
    return md


@cache
def _block_parser() -> MarkdownIt:
    md = _block_parser_with_rules()
    md.core.ruler.disable(["inline", "text_join"])
    md.block.ruler.disable("table")
    return md


class _SafeMarkdownIt(MarkdownIt):
    """The parser, with our rule on the addresses of links and images."""

    def validateLink(self, url: str) -> bool:  # noqa: N802  markdown-it's name
        """Return whether the parser takes an address for one; otherwise its link is text."""
        return may_be_read(url)


def _block_parser_with_rules() -> MarkdownIt:
    options: dict[str, Any] = {"html": False, "maxNesting": MAX_NESTING + _RESERVE}
    md = _SafeMarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    md.block.ruler.before("table", "too_deep", _too_deep)
    add_formulas(md)
    return md


def _read_inline(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline":
            token.children = children = list[Token]()
            if token.meta.get("plain") or _has_too_many_marks(token.content):
                token.children = _plain(token.content)
            elif _is_unmarked(token.content):
                children.append(Token("text", "", 0, content=token.content, info=UNMARKED))
            else:
                state.md.inline.parse(token.content, state.md, state.env, children)


def _has_too_many_marks(text: str) -> bool:
    return len(text) > MAX_MARKS and len(_MARK.findall(text)) > MAX_MARKS


def _is_unmarked(text: str) -> bool:
    """Return whether a text has nothing to read or to escape, so its Markdown is the text itself.

    That is most paragraphs, for a sixth of the time.
    """
    return not (
        not text
        or _SPECIAL.search(text)
        or _ODD_FIRST_LINE.match(text)
        or _ODD_LINE.search(text)
        or text[-1] == " "
        or " \n" in text
        or "://" in text
        or "www." in text.lower()
    )


def _plain(text: str) -> list[Token]:
    children: list[Token] = []
    for line in text.split("\n"):
        if children:
            children.append(Token("softbreak", "br", 0))
        children.append(Token("text", "", 0, content=line.strip(" \t")))
    return children


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001  markdown-it's signature
    """Read all lines of the deepest quote or item as one paragraph of plain text."""
    if state.level < MAX_NESTING or silent:
        return False
    after, lines = start, list[str]()
    while after < end and (state.isEmpty(after) or state.sCount[after] >= state.blkIndent):
        lines.append(state.src[state.bMarks[after] + state.tShift[after] : state.eMarks[after]])
        after += 1
    state.push("paragraph_open", "p", 1).map = [start, after]
    inline = state.push("inline", "", 0)
    inline.content = "\n".join(line for line in lines if line.strip())
    inline.map, inline.children = [start, after], []
    inline.meta["plain"] = True
    state.push("paragraph_close", "p", -1)
    state.line = after
    return True
