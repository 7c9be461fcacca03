r"""Writes the tokens of a text as Markdown that marked, markdown-it and mistune read alike.

Fences stand at their item's column between blank lines, inline code is one line long, HTML is
text. The only HTML written is the `<span>` around a `$` or a backslash that starts no formula.

JupyterLab and nbconvert cut formulas out of the source before they look for code. They respect
most code, but a fence in a quote may begin a formula that ends below it: the fence's end would be
swallowed. For JupyterLab a blank line ends a formula, but not one that begins with `>`; so such a
fence gets its own quote, or is written as text where an item around it would end as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cc_jupyter.render.markdown.canonical_inline import InlineWriter
from cc_jupyter.render.markdown.text_escapes import escape
from cc_jupyter.render.markdown.tokens import UnknownTokenError, fence_language, is_closed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_BLANK = "\0"
"""A line that stays blank in a quote; no token holds NUL, which markdown-it replaces."""
_SOFT = "\0\0"
"""A line that is blank if the list around turns out to be loose, and none otherwise."""
_FORMULA_SIGN = re.compile(r"\$|\\\\[()\[\]]|\\begin\{", re.IGNORECASE)
_COMMENT = re.compile(r"(?<!\\)%")
_RUN = re.compile(r"`+")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LARGEST_NUMBER = 999_999_999
_OTHER_MARK = {"-": "*", "*": "-", "+": "-", ".": ")", ")": "."}
_DELIMITERS = {"left": ":--", "center": ":-:", "right": "--:"}


def write(tokens: Sequence[Token], size: int, *, remote_images: bool = False) -> str:
    """Return canonical Markdown.

    Parameters
    ----------
    size
        Characters of the text the tokens come from.
    remote_images
        Whether images from the web stay images; otherwise they are links.

    Raises
    ------
    UnknownTokenError
        The parser returned a token that this writer does not know.
    """
    writer = _Writer(tokens, InlineWriter(size, remote_images=remote_images))
    lines = writer.blocks("")
    return writer.inline.decide("\n".join("" if line == _BLANK else line for line in lines))


class Written(NamedTuple):
    """Canonical Markdown of a part of a text."""

    text: str
    is_closed: bool
    """Whether it is the same wherever the part stands between blocks, and changes no other part."""
    ends_in_list: bool
    """Whether its last block is a list, which an item behind it would continue."""
    address_chars: int
    """The length of the addresses in it, which are limited for the whole text."""


def write_apart(tokens: Sequence[Token], source: str, *, remote_images: bool = False) -> Written:
    """Return the canonical Markdown of a part of a text; the error is that of `write`."""
    writer = _Writer(tokens, InlineWriter(len(source), remote_images=remote_images))
    lines = writer.blocks("")
    text = writer.inline.decide("\n".join("" if line == _BLANK else line for line in lines))
    last = tokens[-1] if tokens else None
    is_open = last is not None and last.type == "fence" and not is_closed(last, source.split("\n"))
    return Written(
        text,
        is_closed=not (is_open or writer.has_empty_blocks or writer.inline.has_reaching_code),
        ends_in_list=last is not None and last.type.endswith("list_close"),
        address_chars=writer.inline.address_chars,
    )


def write_plain(text: str) -> str:
    """Return Markdown that shows a text as it is, line by line."""
    return "\n".join(_code_as_text(text.replace("\0", "\ufffd").splitlines()))


class _Writer:
    """Walks over the block tokens; its methods return lines, to be put into their container."""

    def __init__(self, tokens: Sequence[Token], inline: InlineWriter) -> None:
        self.inline = inline
        self.has_empty_blocks = False
        """Whether a block was left out since nothing of it shows."""
        self._tokens = tokens
        self._at = 0
        self._around: list[str] = []  # the quotes and items around, outermost first
        self._list_mark = ""  # of the list just before, which must not be continued
        self._apart = 0  # fences and formulas so far, which need blank lines around
        self._writers = {
            "blockquote_open": self._quote,
            "bullet_list_open": self._list,
            "ordered_list_open": self._list,
            "paragraph_open": self._paragraph,
            "heading_open": self._heading,
            "table_open": self._table,
            "fence": self._fence,
            "code_block": self._fence,
            "hr": self._rule,
            "formula_block": self._formula,
        }

    def blocks(self, end: str, *, tight: bool = False) -> list[str]:
        """Write the blocks up to the token `end`, with blank lines between them.

        Parameters
        ----------
        tight
            Whether a nested list follows its item's text without one.
        """
        lines: list[str] = []
        before = self._list_mark = ""
        while self._at < len(self._tokens) and self._tokens[self._at].type != end:
            token = self._next()
            if token.type not in self._writers:
                raise UnknownTokenError(token.type)
            if "list" not in before:
                self._list_mark = ""
            written = self._writers[token.type](token)
            if not written:
                self.has_empty_blocks = True
                continue
            if lines and _BLANK not in (lines[-1], written[0]):
                joined = tight and before == "paragraph_open" and self._interrupts(token, written)
                lines.append(_SOFT if joined else "")
            lines += written
            before = token.type
        self._at += 1
        return lines

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _interrupts(self, token: Token, written: list[str]) -> bool:
        """Return whether a list is read as one right below a line of text."""
        begins = token.type == "bullet_list_open" or token.attrGet("start") is None
        return "list" in token.type and begins and " " in written[0]

    def _paragraph(self, _: Token) -> list[str]:
        children = self._next().children or []
        self._next()
        lines: list[str] = []
        for kind, text in self.inline.paragraph(children, item=self._around[-1:] == ["item"]):
            if lines:
                lines.append("")
            lines += self._display(text) if kind == "formula" else text.split("\n")
        return lines

    def _heading(self, token: Token) -> list[str]:
        text = self.inline.line(self._next().children or [])
        self._next()
        if text.endswith("#"):
            text = f"{text[:-1]}\\#"
        return [f"{'#' * int(token.tag[1:])} {text}".rstrip()]

    def _rule(self, _: Token) -> list[str]:
        return ["***"]

    def _quote(self, _: Token) -> list[str]:
        self._around.append("quote")
        lines = self.blocks("blockquote_close") or [""]
        self._around.pop()
        if "quote" not in self._around:  # blank lines are around it anyway
            lines = lines[lines[0] == _BLANK : len(lines) - (lines[-1] == _BLANK)]
        return [line if line == _BLANK else f"> {line}" if line else ">" for line in lines]

    def _list(self, token: Token) -> list[str]:
        mark = token.markup if token.markup != self._list_mark else _OTHER_MARK[token.markup]
        number = int(token.attrGet("start") or 1) if mark in ".)" else None
        if token.attrGet("start") == 0:
            number = 0
        items: list[list[str]] = []
        loose = False
        self._around.append("item")
        while self._next().type == "list_item_open":
            first = self._tokens[self._at]
            tight = first.hidden or first.type != "paragraph_open"
            apart = self._apart
            items.append(self.blocks("list_item_close", tight=tight))
            loose = loose or not tight or not {"", _BLANK}.isdisjoint(items[-1])
            loose = loose or self._apart > apart
        self._around.pop()
        self._list_mark = mark
        lines: list[str] = []
        for place, item in enumerate(items):
            marker = mark if number is None else f"{min(number + place, _LARGEST_NUMBER)}{mark}"
            lines += [""] if loose and place else []
            lines += _item([line for line in item if loose or line != _SOFT], marker)
        return lines

    def _table(self, _: Token) -> list[str]:
        rows: list[list[str]] = []
        delimiters: list[str] = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(self.inline.line(token.children or [], in_table=True))
            elif token.type == "th_open":
                style = str(token.attrGet("style") or "")
                delimiters.append(_DELIMITERS.get(style.removeprefix("text-align:"), "---"))
        return [_row(row) for row in [rows[0], delimiters, *rows[1:]]]

    def _fence(self, token: Token) -> list[str]:
        self._apart += 1
        code = token.content.removesuffix("\n")
        language = fence_language(token.info) if token.type == "fence" else ""
        if language.casefold().startswith("mermaid"):
            code = _TAG.sub("&lt;", code)  # nbconvert puts a diagram into the page unescaped
        lines = code.split("\n") if token.content else []
        inside = self._around[self._around.index("quote") :] if "quote" in self._around else []
        alone = bool(inside) and _FORMULA_SIGN.search(code) is not None
        if alone and "item" in inside:
            return _code_as_text(lines)
        mark = "`" * max(3, 1 + max(map(len, _RUN.findall(code)), default=0))
        fence = [f"{mark}{language}", *lines, mark]
        return [_BLANK, *fence, _BLANK] if alone else fence

    def _formula(self, token: Token) -> list[str]:
        return self._display(token.content)

    def _display(self, body: str) -> list[str]:
        self._apart += 1
        lines = [line.strip() for line in body.split("\n")]
        if len(lines) == 1 and not body.endswith("\\"):
            return [f"$${body}$$"]
        if "quote" not in self._around:
            return ["$$", *lines, "$$"]
        if _COMMENT.search(body):
            return _code_as_text(lines)
        return [f"$${' '.join(lines)} $$"]  # JupyterLab would take `>` for a part of it


def _item(lines: list[str], marker: str) -> list[str]:
    indent = " " * (len(marker) + 1)
    first, *rest = lines or [""]
    written = [f"{marker} {'' if first == _BLANK else first}".rstrip()]
    return written + ["" if line in {"", _SOFT} else _indented(line, indent) for line in rest]


def _indented(line: str, indent: str) -> str:
    return line if line == _BLANK else indent + line


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code_as_text(lines: list[str]) -> list[str]:
    """Write code as paragraphs that keep its lines and indentation."""
    written = []
    for line in lines:
        text = line.expandtabs(4).lstrip(" ")
        indent = len(line.expandtabs(4)) - len(text)
        written.append("&nbsp;" * indent + escape(text, line_start=not indent))
    return [f"{line}\\" for line in written[:-1]] + written[-1:]
