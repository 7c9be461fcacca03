r"""Writes the tokens of a paragraph, heading or table cell as canonical Markdown.

JupyterLab and nbconvert look for some formulas before they look for code: `\begin{x}` or `$$` in
inline code may begin a formula that ends in other code, all that lies between would be swallowed,
and the rest of that code would be read as Markdown. Such code stays code where nothing can end the
formula; elsewhere it is written as text, which `decide` finds out when all is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cc_jupyter.render.markdown.links import (
    destination,
    is_autolink,
    is_data_image,
    is_link,
    is_remote_image,
)
from cc_jupyter.render.markdown.text_escapes import before_link, escape, escape_title
from cc_jupyter.render.markdown.tokens import (
    UNMARKED,
    AddressBudget,
    UnknownTokenError,
    plain_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_RUN = re.compile(r"`+")
_CODE_SIGN = re.compile(r"\$\$|\\\\[()\[\]]|\\(?:begin|end)\b", re.IGNORECASE)
_REACHING = re.compile(r"(\$\$)|\\\\([(\[])|\\begin(\{[a-z]*\*?\})", re.IGNORECASE)
_DOUBTFUL = re.compile(r"[*_~<\[\]$\\|]")
_ODD_SPACES = str.maketrans(dict.fromkeys("\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029", " "))
_HELD = re.compile(r"\0(\d+)\0")
_BETWEEN_PARAGRAPHS = re.compile(r"(\n[ \t]*\n)")
_BAR = re.compile(r"(\\?)\|")
_TASK = re.compile(r"\[[ xX]\](?=\s)")
_LINK_SIGN = re.compile(r"\]\(|!\[|www\.", re.IGNORECASE)
_MARKS = {"em_open", "em_close", "strong_open", "strong_close", "s_open", "s_close"}

Part: TypeAlias = tuple[Literal["text", "formula"], str]


@dataclass(slots=True)
class _Place:
    """Where inline tokens are written."""

    one_line: bool = True
    in_table: bool = False
    in_link: bool = False
    struck: bool = False
    brackets: bool = False
    """Whether square brackets may stay."""


class InlineWriter:
    """Writes inline tokens; one for a whole text.

    Parameters
    ----------
    size
        Characters of the text.
    remote_images
        Whether images from the web stay images.
    """

    def __init__(self, size: int, *, remote_images: bool) -> None:
        self._addresses = AddressBudget(size)
        self._remote_images = remote_images
        self._held: list[tuple[str, str]] = []  # code that begins a formula, and the same as text

    @property
    def has_reaching_code(self) -> bool:
        """Whether some code may begin a formula that ends anywhere in the text."""
        return bool(self._held)

    @property
    def address_chars(self) -> int:
        """The length of all addresses, also of those that were left out."""
        return self._addresses.used_chars

    def line(self, children: Sequence[Token], *, in_table: bool = False) -> str:
        """Write tokens as one line: a heading or the cell of a table."""
        if _is_unmarked(children):
            return children[0].content.replace("\n", " ")
        place = _Place(in_table=in_table, brackets=_no_links(children))
        return self._write(children, place).strip(" ")

    def paragraph(self, children: Sequence[Token], *, item: bool) -> list[Part]:
        """Write a paragraph; display formulas are parts, because they get lines of their own.

        Parameters
        ----------
        item
            Whether it is part of a list's item, where `[ ]` is a task.
        """
        if _is_unmarked(children):
            return [("text", children[0].content)]
        parts: list[Part] = []
        start = depth = 0
        for at, token in enumerate(children):
            depth += token.nesting
            if token.type == "formula" and token.markup == "$$" and not depth:
                parts += [*self._text(children[start:at], item=item), ("formula", token.content)]
                start = at + 1
        return parts + self._text(children[start:], item=item)

    def _text(self, children: Sequence[Token], *, item: bool) -> list[Part]:
        while children and children[0].type in {"softbreak", "hardbreak"}:
            children = children[1:]
        task = ""
        if item and children and children[0].type == "text":
            found = _TASK.match(children[0].content)
            task = found[0] if found else ""
        place = _Place(one_line=False, brackets=_no_links(children))
        text = self._write(children, place, task=task).rstrip(" \n")
        return [("text", text.removesuffix("\\\n"))] if text.strip() else []

    def _write(self, children: Sequence[Token], place: _Place, task: str = "") -> str:
        out: list[str] = [task]
        at = 0
        while at < len(children):
            token = children[at]
            at += 1
            following = children[at].type if at < len(children) else ""
            if token.type == "text":
                text = token.content.removeprefix(task) if task and at == 1 else token.content
                marks = _unused_marks(children, at - 1)
                out.append(marks + self._plain(text[len(marks) :], place, out[-1], following))
            elif token.type in _MARKS:
                if token.type[0] == "s" and token.type[1] == "_":
                    place.struck = token.nesting > 0
                out.append(token.markup)
            elif token.type == "link_open":
                end = _link_end(children, at)
                out.append(self._link(token, children[at:end], place))
                at = end + 1
            elif token.type in {"softbreak", "hardbreak"}:
                out[-1] = out[-1].rstrip(" ")
                out.append(_line_break(token, place))
            else:
                out.append(self._leaf(token, place, out[-1]))
        return "".join(out)

    def _plain(self, text: str, place: _Place, before: str, following: str) -> str:
        written = escape(
            text,
            line_start=not place.one_line and (not before or before.endswith("\n")),
            in_table=place.in_table,
            in_link=place.in_link,
            brackets=place.brackets,
        )
        if following in {"link_open", "image"}:
            written = before_link(written)
        if before.endswith("$") and written[:1].isdigit():
            written = f"&#{ord(written[0])};{written[1:]}"  # VS Code: no digit after a formula
        return written

    def _leaf(self, token: Token, place: _Place, before: str) -> str:
        apart = " " if before.endswith("$") else ""  # JupyterLab would lose the formula's end
        match token.type:
            case "code_inline":
                return apart + self._code(token.content.translate(_ODD_SPACES), place)
            case "formula":
                return apart + _formula(token, place)
            case "image":
                return self._image(token, place)
            case _:
                raise UnknownTokenError(token.type)

    def _code(self, code: str, place: _Place) -> str:
        text = escape(code, in_table=place.in_table, in_link=place.in_link)
        if (
            ("`" in code and _DOUBTFUL.search(code))  # marked may end emphasis in it
            or (place.in_link and any(char in code for char in "`[]\\"))
            or (place.struck and "~" in code)
            or (place.in_table and "|" in code and ("\\" in code or "`" in code))
        ):
            return text
        runs = set(map(len, _RUN.findall(code)))
        mark = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
        padded = (
            code[0] == "`"
            or code[-1] in "`\\"  # to marked it is an escaped mark when it looks for emphasis
            or (code[0] == code[-1] == " " and code.strip())
        )
        shown = code.replace("|", "\\|") if place.in_table else code
        written = f"{mark} {shown} {mark}" if padded else f"{mark}{shown}{mark}"
        if not _CODE_SIGN.search(code):
            return written
        self._held.append((written, text))
        return f"\0{len(self._held) - 1}\0"

    def _link(self, token: Token, children: Sequence[Token], place: _Place) -> str:
        address, title = str(token.attrGet("href") or ""), str(token.attrGet("title") or "")
        if token.markup == "autolink" and is_autolink(children[0].content):
            return f"<{children[0].content}>"
        if not is_link(address):
            shown = self._write(children, place)
            return f"&#91;{shown}{escape(f']({address})', in_table=place.in_table)}"
        if not self._addresses.allows(address + title):
            return self._write(children, place)
        inside = _Place(in_table=place.in_table, in_link=True, struck=place.struck)
        tail = f" {escape_title(title)}" if title else ""
        return f"[{self._write(children, inside)}]({destination(address)}{tail})"

    def _image(self, token: Token, place: _Place) -> str:
        address, title = str(token.attrGet("src") or ""), str(token.attrGet("title") or "")
        name = plain_text(token.children or [])
        alone = not place.in_link
        text = escape(name, in_table=place.in_table, in_link=True)
        if not self._addresses.allows(address + title):
            return text
        if is_data_image(address) or (self._remote_images and is_remote_image(address)):
            tail = f" {escape_title(title)}" if title else ""
            shown = escape_title(name)[1:-1]
            return f"![{shown}]({destination(address)}{tail})"
        return f"[image: {text}]({destination(address)})" if alone else f"image: {text}"

    def decide(self, text: str) -> str:
        """Put the code that begins a formula into the finished text, as code where that is safe."""
        if not self._held:
            return text
        safe = self._unreached(text)
        parts = _BETWEEN_PARAGRAPHS.split(text)
        for place, part in enumerate(parts):
            held = _HELD.findall(part)
            crowded = len(held) > 1 or _CODE_SIGN.search(part) is not None or "$" in part
            parts[place] = _HELD.sub(
                lambda found, crowded=crowded: self._held[int(found[1])][
                    crowded or int(found[1]) not in safe
                ],
                part,
            )
        return "".join(parts)

    def _unreached(self, text: str) -> set[int]:
        """Return the codes whose formula ends nowhere below, not even in other blocks."""
        whole, starts, at = [], list[int](), 0
        for place, piece in enumerate(_HELD.split(text)):
            shown = self._held[int(piece)][0] if place % 2 else piece
            if place % 2:
                starts.append(at)
            whole.append(shown)
            at += len(shown)
        full, last = "".join(whole), dict[str, int]()
        safe = set()
        for index, start in enumerate(starts):
            code = self._held[index][0]
            ends = [(found.end(), _end_of(found)) for found in _REACHING.finditer(code)]
            for _, end in ends:
                last.setdefault(end, full.rfind(end))
            if all(last[end] < start + offset for offset, end in ends):
                safe.add(index)
        return safe


def _end_of(found: re.Match[str]) -> str:
    """Return what ends the formula that the match begins."""
    if found[1]:
        return "$$"
    return f"\\\\{')' if found[2] == '(' else ']'}" if found[2] else f"\\end{found[3]}"


def _is_unmarked(children: Sequence[Token]) -> bool:
    return len(children) == 1 and children[0].info == UNMARKED


def _no_links(children: Sequence[Token]) -> bool:
    """Return whether no link is near, and nothing that some renderer may take for one."""
    return not any(
        token.type in {"link_open", "image", "formula"} or _LINK_SIGN.search(token.content)
        for token in children
    )


def _unused_marks(children: Sequence[Token], at: int) -> str:
    """Return the marks at the start of a text that belong to the run which ends emphasis before it.

    `**R* is:** ` is emphasis in emphasis and a mark too many. Escaped, the last mark would shorten
    the run, and the renderers decide by its length and by what follows it whether it ends anything.
    """
    before = children[at - 1] if at else None
    if before is None or before.type not in {"em_close", "strong_close"}:
        return ""
    text, mark = children[at].content, before.markup[0]
    rest = text.lstrip(mark)
    ends_line = at + 1 == len(children) or children[at + 1].type in {"softbreak", "hardbreak"}
    return text[: len(text) - len(rest)] if rest[:1].isspace() or (not rest and ends_line) else ""


def _link_end(children: Sequence[Token], at: int) -> int:
    while children[at].type != "link_close":  # links do not nest
        at += 1
    return at


def _line_break(token: Token, place: _Place) -> str:
    if place.one_line:
        return " "
    return "\n" if token.type == "softbreak" else "\\\n"


def _formula(token: Token, place: _Place) -> str:
    body = token.content
    if token.markup == "$$":
        body = rf"\displaystyle {' '.join(body.split())}"
    if place.in_table:
        body = _BAR.sub(lambda bar: r"\Vert " if bar[1] else r"\vert ", body)
    return f"${body}$"
