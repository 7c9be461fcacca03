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

if TYPE_CHECKING:
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore

MAX_NESTING = 100
"""Levels of quotes and lists; a list takes two."""
MAX_MARKS = 2_000
"""Marks of emphasis and brackets in one paragraph."""
_RESERVE = 20  # levels that markdown-it may add inside the deepest quote or item
_MARK = re.compile(r"[*_~\[\]]")


def parse(text: str) -> list[Token]:
    """Return the tokens of a text; every character of it is in one of them."""
    return _parser().parse(text)


def parse_blocks(text: str) -> list[Token]:
    """Return the block tokens alone, for their places: what is inside them stays unread.

    A table is a paragraph here, which ends where the table does and is read in a tenth of the time.
    """
    return _block_parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    md = _block_parser_with_rules()
    md.core.ruler.at("inline", _read_inline)
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
            if token.meta.get("plain") or len(_MARK.findall(token.content)) > MAX_MARKS:
                token.children = _plain(token.content)
            else:
                state.md.inline.parse(token.content, state.md, state.env, children)


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
