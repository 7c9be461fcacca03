"""Writes the tokens of a text as HTML, with the same filters as the canonical Markdown.

For places that show HTML: diffs, panels, grids. Formulas stay between their signs, for MathJax.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

from cc_jupyter.core.escaping import page_html
from cc_jupyter.render.markdown.links import (
    BARE_URL,
    is_autolink,
    is_data_image,
    is_link,
    is_remote_image,
)
from cc_jupyter.render.markdown.tokens import (
    AddressBudget,
    UnknownTokenError,
    fence_language,
    plain_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

_URL = re.compile(BARE_URL)
_AS_THEY_ARE = {
    *("paragraph_open", "paragraph_close", "heading_open", "heading_close", "hr", "softbreak"),
    *("blockquote_open", "blockquote_close", "bullet_list_open", "bullet_list_close", "hardbreak"),
    *("ordered_list_open", "ordered_list_close", "list_item_open", "list_item_close", "inline"),
    *("table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
    *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
    *("em_open", "em_close", "strong_open", "strong_close", "s_open", "s_close"),
}


def write(tokens: Sequence[Token], size: int, *, remote_images: bool = False) -> str:
    """Return HTML; the parameters and the error are those of the canonical Markdown.

    Raises
    ------
    UnknownTokenError
        The parser returned a token that this writer does not know.
    """
    renderer = _Renderer(size, remote_images=remote_images)
    for token in tokens:
        for each in (token, *(token.children or ())):
            if each.type not in _AS_THEY_ARE and each.type not in renderer.rules:
                raise UnknownTokenError(each.type)
    return renderer.render(tokens, _OPTIONS, {})


def write_plain(text: str) -> str:
    """Return HTML that shows a text as it is, line by line."""
    return f"<pre>{html.escape(text)}</pre>\n"


_OPTIONS = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).options


class _Renderer(RendererHTML):
    """markdown-it's writer, with our rules for all that holds a model's own characters."""

    def __init__(self, size: int, *, remote_images: bool) -> None:
        super().__init__()
        self._addresses = AddressBudget(size)
        self._remote_images = remote_images
        self._closing: list[str] = []  # what ends the links that are open

    def text(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Write text; its web addresses are links."""
        text = tokens[idx].content
        if self._closing:
            return page_html(text)
        parts, at = [], 0
        for found in _URL.finditer(text):
            address = f"http://{found[0]}" if found["www"] else found[0]
            if is_autolink(address):
                parts += [page_html(text[at : found.start()]), _anchor(address)]
                parts += [page_html(found[0]), "</a>"]
                at = found.end()
        return "".join([*parts, page_html(text[at:])])

    def code_inline(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Write inline code; MathJax leaves code alone."""
        return f"<code>{html.escape(tokens[idx].content)}</code>"

    def code_block(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Write indented code."""
        return f"<pre><code>{html.escape(tokens[idx].content)}</code></pre>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Write a fence, with its language as a class."""
        del options, env
        language = fence_language(tokens[idx].info).partition(" ")[0]
        kind = f' class="language-{html.escape(language)}"' if language else ""
        return f"<pre><code{kind}>{html.escape(tokens[idx].content)}</code></pre>\n"

    def formula(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Write a formula between the signs that MathJax looks for."""
        token = tokens[idx]
        return f"{token.markup}{html.escape(token.content)}{token.markup}"

    def formula_block(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Write a display formula."""
        return f"<p>$${html.escape(tokens[idx].content)}$$</p>\n"

    def link_open(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        """Begin a link, or the text of one that may not lead there."""
        token = tokens[idx]
        address, title = str(token.attrGet("href") or ""), str(token.attrGet("title") or "")
        if not is_link(address):
            self._closing.append(page_html(f"]({address})"))
            return "["
        if not self._addresses.allows(address + title):
            self._closing.append("")
            return ""
        self._closing.append("</a>")
        return _anchor(address, title)

    def link_close(self, *_: object) -> str:
        """End a link as it began."""
        return self._closing.pop()

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Write an image that may be shown, or a link to it."""
        del options, env
        token = tokens[idx]
        address, title = str(token.attrGet("src") or ""), str(token.attrGet("title") or "")
        name = plain_text(token.children or [])
        if not self._addresses.allows(address + title):
            return page_html(name)
        if is_data_image(address) or (self._remote_images and is_remote_image(address)):
            about = f' title="{html.escape(title)}"' if title else ""
            return f'<img src="{html.escape(address)}" alt="{html.escape(name)}"{about}>'
        shown = page_html(f"image: {name}")
        return shown if self._closing else f"{_anchor(address)}{shown}</a>"


def _anchor(address: str, title: str = "") -> str:
    about = f' title="{html.escape(title)}"' if title else ""
    return f'<a href="{html.escape(address)}" rel="noopener noreferrer"{about}>'
