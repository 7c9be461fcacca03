"""Make one paragraph of a model's Markdown harmless.

Anything that could start a tag, an image or a link to a script is shown as text. The paragraph is
read as marked, markdown-it and mistune would read it. JupyterLab also removes formulas first and
inserts them into the finished HTML, attributes included. Characters are replaced by entities, since
no renderer treats an entity as markup.

Inline code is code only where every renderer agrees. They pair a run of backticks with the next of
the same length unless something else comes first: a formula that holds one of them (JupyterLab, VS
Code, nbconvert), a table cell, an address up to the next blank, emphasis that marked closes inside
code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cc_jupyter.render.sanitize.fences import LINE_END, LINE_START, hides, hides_line_ends

if TYPE_CHECKING:
    from collections.abc import Iterator


Span: TypeAlias = tuple[int, int, bool]
"""Start, end, and whether it is code for sure."""

_DISPLAYS = {"$$": "$$", "\\\\[": "\\\\]", "\\begin": "\\end"}
"""Starts and ends of the formulas that some renderer follows over blank lines."""

_RUN = re.compile(r"`++")
_LINE_END = re.compile(r"[\r\n]")
_OPENERS = re.compile(r"[$~*_\[]")
_ROW = re.compile(LINE_START + r"[ \t>*+\d.):|-]*+(?=[\r\n]|\Z)")
_SQUARE = re.compile(r"[\[\]]")
_GLUED = re.compile(r"://|www\.|<", re.IGNORECASE)
_BREAKS = re.compile(r"[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\\\\[()\[\]]|\\(?:begin|end)\b")


class CodeSpans:
    """The inline code of one paragraph, up to the first run that has no partner in its line.

    Parameters
    ----------
    text
        The paragraph.
    ends
        Whether it surely ends where the text does.
    """

    def __init__(self, text: str, *, ends: bool = True) -> None:
        self.found: list[Span] = []
        self.reaching: set[str] = set()
        """Ends of formulas that seem to begin in code: some renderer looks for them further on."""
        self._text = text
        self._end = 0  # of the last one
        self._seen: set[str] = set()  # characters outside that may begin something
        self._sure = True
        self._table: bool | None = None  # not asked yet
        if not self._read() or not ends:
            self._doubt_brackets()

    @property
    def loose(self) -> bool:
        """Whether something may have begun outside and not ended."""
        rest = self._text[self._end :]
        return any(char in rest for char in "`$~") or not self._seen.isdisjoint("$~")

    def _read(self) -> bool:
        runs: list[tuple[int, int]] = []
        line_end = -1
        for run in _RUN.finditer(self._text):
            if run.start() > line_end:
                if runs and not self._read_line(runs):
                    return False
                found = _LINE_END.search(self._text, run.end())
                line_end, runs = found.start() if found else len(self._text), []
            runs.append(run.span())
        return not runs or self._read_line(runs)

    def _read_line(self, runs: list[tuple[int, int]]) -> bool:
        index, whole, first = 0, True, len(self.found)
        while index < len(runs):
            start, start_end = runs[index]
            size = start_end - start
            index += 1
            while index < len(runs) and runs[index][1] - runs[index][0] != size:
                index += 1
            if index == len(runs) or not self._begins(start):
                return False
            code = self._text[start_end : runs[index][0]]
            if "$" in code or "\\" in code:
                self.reaching.update(end for begin, end in _DISPLAYS.items() if begin in code)
            self._sure = self._sure and self._agreed(code, nested="`" in code or size > 1)
            whole = whole and not ("|" in code and self._in_table())
            self._end = runs[index][1]
            self.found.append((start, self._end, self._sure and whole))
            index += 1
        if not whole and "[" in self._seen:  # a cell may end inside code: see _doubt_brackets
            self.found[first:] = [(start, end, False) for start, end, _ in self.found[first:]]
        return True

    def _begins(self, start: int) -> bool:
        outside = self._text[self._end : start]
        self._seen.update(_OPENERS.findall(outside))
        word = outside[1 + max(map(outside.rfind, " \t\r\n")) :]
        return not (outside.endswith(("\\", "~")) or _GLUED.search(word))

    def _agreed(self, code: str, *, nested: bool) -> bool:
        linked = "[" in self._seen
        if _BREAKS.search(code) or (linked and not _bracketed(code)):
            return False
        risky = self._seen.intersection("$~*_" if nested or linked else "$~")
        return not any(char in code for char in risky)

    def _in_table(self) -> bool:
        """Return whether a bar may part cells here; if lines may be hidden, all is unsure."""
        if self._table is None:
            self._table = any({"|", ":"} & set(row[0]) for row in _ROW.finditer(self._text))
            self._sure = self._sure and not (self._table and hides_line_ends(self._text))
        return self._table

    def _doubt_brackets(self) -> None:
        """Drop what markdown-it forgets at a run without a partner: runs behind a bracket."""
        bracket = self._text.find("[")
        if bracket >= 0:
            self.found = [(start, end, sure and start < bracket) for start, end, sure in self.found]


def _bracketed(code: str) -> bool:
    """Return whether each bracket has its partner."""
    depth = 0
    for char in _SQUARE.findall(code):
        depth += 1 if char == "[" else -1
        if depth < 0:
            return False
    return depth == 0


_SPECIAL = re.compile(r"[<\[\]$\\]|@@|://|www\.|" + LINE_START + r"[ \t>]*+:[ \t]", re.IGNORECASE)
_ACTIVE = re.compile(r"[<\[\]$\\]|@@")
_LEAD = r"[^\S\r\n]*+(?:[>*+.):|\d-][^\S\r\n]*+)*+"  # what may precede a line's own text

# characters of a destination that no renderer takes for anything else
_PLAIN = r"-\w.~/?#!*+,;=%&:"
_PATH = rf"[{_PLAIN}']|@(?!@)"
_WEB = rf"(?:https?|ftp)://(?:{_PATH}|\\[()_*~-]|\((?:{_PATH})*+\))*+"
_NEAR = r"(?![\w.+-]*+:)[\w./?#=%~+,-]++(?![&:@])"
_DESTINATION = rf"(?i:{_WEB}|(?:mailto|tel):(?:{_PATH})*+|{_NEAR})"
_TITLE = r'(?:[ ]++"[^"\\$@`<>&|\[\]\r\n]*+")?+'
_TAIL = rf"[ ]*+(?:{_DESTINATION})?+{_TITLE}[ ]*+\)"
_ALT = r"[^\[\]\\`$@<>&\"|!\r\n]*+"
_DATA = r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=]*+"
_IMAGE = (
    rf"(?<!\\)(?P<slashes>\\*+)(?P<bangs>!++)\["
    rf"(?:(?P<image>{_ALT}\]\((?:{_DATA}|(?P<remote>{_WEB}){_TITLE})\))"
    rf"|(?P<name>{_ALT})\](?:\[\])?+(?![\[(:]))?+"
)
_BADGE = rf"(?<![!\\])\[!\[(?P<badge>{_ALT})\]\({_WEB}{_TITLE}\)(?=\]\()"
_LINK = rf"\]\((?P<tail>{_TAIL})?+"
_BRACKET = re.compile(f"{_IMAGE}|{_BADGE}|{_LINK}")
_BRACKET_WITH_IMAGES = re.compile(f"{_IMAGE}|(?P<badge>(?!))|{_LINK}")
_MATH_BRACKET = re.compile(rf"!\[|{_LINK}")
_AUTOLINK = (
    rf"(?:https?://(?:[{_PLAIN}]|@(?!@))++|[A-Za-z0-9._+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++)>"
)
_TAG = re.compile(rf"(?<!\\)(?P<slashes>\\*+)<(?=[A-Za-z/!?])(?P<link>{_AUTOLINK})?+")
_LESS = re.compile(r"<(?=[A-Za-z/!?])")
_AT = re.compile(r"(?<!\\)(\\++)@|@@(?=\d)")
_DEFINITION = re.compile(
    rf" {{0,3}}\[[^\[\]\\`$@<>&|\r\n]{{1,200}}+\]:[ \t]++(?:{_DESTINATION}){_TITLE}[ \t]*+"
    rf"(?={LINE_END})(?!{LINE_END}[ \t]*+[\"'(])"
)
_LABEL = re.compile(
    LINE_START
    + rf"(?P<lead>{_LEAD})(?P<bang>!?)\["
    + r"(?P<label>(?:[^\[\]\\\r\n]|\\[^\r\n])*+)(?P<stop>\]:?|\[|)"
)
_TERM = re.compile(LINE_START + r"([ \t>]*+):(?=[ \t])")
_URL = re.compile(r"(?:https?://|ftp://|www\.)[^ \t\r\n]*+", re.IGNORECASE)
_SLASHES = re.compile(r"\\{2,}+|\\(?=begin|end)")
_DISPLAY = re.compile(
    LINE_START
    + rf"(?P<lead>{_LEAD})(?=\$\$)(?P<good>\$\$[^$\r\n]*+\$\$(?={LINE_END})"
    + rf"|\$\$(?:[^$\r\n]|\$(?!\$))*+[\r\n](?:[^$]|\$(?!\$))*+\$\$(?=[ \t]*+{LINE_END}))?+"
)
_DISPLAY_END = re.compile(r"\$\$|\\\\[\[\]]|\\(?:begin|end)")
_DISPLAY_LINE = re.compile(LINE_START + rf"({_LEAD})(?=\$\$)")
_MATH = re.compile(
    r"(?P<slashes>(?<!\\)\\++)?+(?P<sign>\$++|(?<=\\)[()\[\]]"
    r"|(?<=\\)(?P<side>begin|end)\s*+\{(?P<name>[^{}]*+)\})"
)
_FORMULA = re.compile(
    r"((?<![\\$])\$\$[^$]++\$\$(?!\$)|(?<![\\$])\$(?![\s$])[^$]++(?<!\s)\$(?![\d$])"
    r"|\\begin\{[^{}]*+\}(?:[^\\]|\\(?!begin\{|end\{))*+\\end\{[^{}]*+\})"
)


_Piece: TypeAlias = "tuple[Literal['text', 'maybe code', 'code'], str]"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph that can do no harm, and what it leaves open for what follows."""

    text: str
    loose: bool = False
    """Whether something may have begun in it and not ended."""
    reaching: frozenset[str] = frozenset()
    """Ends of formulas that seem to begin in its code: some renderer looks for them further on."""


def harmless(text: str, *, trust: bool, images: bool, ends: bool = True) -> Paragraph:
    """Make one paragraph harmless.

    Parameters
    ----------
    trust
        Whether inline code may stay unchanged and formulas may be corrected; without it the text
        may be anywhere, also inside code.
    images
        Whether images from the web stay images.
    ends
        Whether the paragraph surely ends where the text does.
    """
    if needs_nothing(text):
        return Paragraph(text, loose="`" in text or "~" in text)
    if "[" in text:
        text = _LABEL.sub(_without_label, text)
    text = _TERM.sub(r"\1&#58;", text)
    if not trust:
        return Paragraph(without_tags(_plain(_addresses(text), images=images)), loose=True)
    if "$$" in text:
        text = _DISPLAY.sub(_without_display, text)
    spans = CodeSpans(text, ends=ends)
    pieces = list(_pieces(text, spans))
    if not _balanced(pieces):
        pieces = [(kind, _unmath(piece) if kind == "text" else piece) for kind, piece in pieces]
    out = [piece if kind == "code" else _plain(piece, images=images) for kind, piece in pieces]
    return Paragraph("".join(out), spans.loose, frozenset(spans.reaching))


def needs_nothing(text: str) -> bool:
    """Return whether the text contains nothing to sanitize, apart from fences."""
    return _SPECIAL.search(text) is None


def without_tags(text: str) -> str:
    """Escape what could start a tag, and nothing else."""
    return _LESS.sub("&lt;", text)


def starts_or_ends_display(text: str) -> bool:
    """Return whether the text holds an end of a formula that may reach over blank lines."""
    return _DISPLAY_END.search(text) is not None


def _addresses(text: str) -> str:
    return _URL.sub(_without_math, text) if "/" in text or "." in text else text


def _pieces(text: str, spans: CodeSpans) -> Iterator[_Piece]:
    at = 0
    for start, end, sure in spans.found:
        yield "text", _addresses(text[at:start])
        code = text[start:end]
        yield ("code", code) if sure else ("maybe code", _addresses(code))
        at = end
    yield "text", _addresses(text[at:])


def _balanced(pieces: list[_Piece]) -> bool:
    """Return whether no formula of several lines is left open, in whatever way it is read."""
    if not any(hides(piece) for _, piece in pieces):
        return True
    inside: list[str] = []
    text = "".join(piece if kind == "text" else "x" for kind, piece in pieces)
    for found in _MATH.finditer(text):
        slashes, sign = len(found["slashes"] or ""), found["sign"]
        if sign[0] == "$" and len(sign) > 1:
            if len(sign) > 2 or slashes:  # noqa: PLR2004  more dollars are read in many ways
                return False
            if inside[-1:] == [sign]:
                inside.pop()
            else:
                inside.append(sign)
        elif found["side"] == "begin":
            inside.append(found["name"])
        elif found["side"] == "end" and inside:
            if inside.pop() != found["name"]:
                return False
        elif sign == "[" and slashes > 1 and "$$" not in inside:
            return False
    return not inside


def _unmath(text: str) -> str:
    return _MATH.sub(_no_math, text)


def _plain(text: str, *, images: bool) -> str:
    if not _ACTIVE.search(text):
        return text
    parts = _FORMULA.split(_AT.sub(_no_placeholder, text))
    bracket = _BRACKET_WITH_IMAGES if images else _BRACKET
    keep = _keep_image if images else _keep_data
    parts[::2] = [_TAG.sub(_no_tag, bracket.sub(keep, part)) for part in parts[::2]]
    parts[1::2] = [_LESS.sub("< ", _MATH_BRACKET.sub(_apart, part)) for part in parts[1::2]]
    return "".join(parts)


def _even(slashes: str | None) -> str:
    """Drop the backslash that would escape what follows, which becomes an entity."""
    return (slashes or "")[: len(slashes or "") // 2 * 2]


def _no_tag(found: re.Match[str]) -> str:
    if found["link"] and not found["slashes"]:
        return found[0]
    return f"{_even(found['slashes'])}&lt;{found['link'] or ''}"


def _keep_data(found: re.Match[str]) -> str:
    return _no_bracket(found, keep=not found["remote"])


def _keep_image(found: re.Match[str]) -> str:
    return _no_bracket(found, keep=True)


def _no_bracket(found: re.Match[str], *, keep: bool) -> str:
    whole, slashes = found[0], found["slashes"]
    if slashes is None:
        badge = found["badge"]
        return f"[image: {badge}" if badge is not None else whole if found["tail"] else "]&#40;"
    bangs = "&#33;" * len(found["bangs"])
    rest = whole[len(slashes) + len(found["bangs"]) + 1 :]
    if slashes:
        rest = rest if found["remote"] else rest.replace("](", "]&#40;")
        return f"{_even(slashes)}{bangs}[{rest}"
    if found["image"] and keep:
        return f"{bangs[5:]}![{rest}"
    if found["name"]:
        rest = f"{found['name']}][{found['name']}]"
    return f"{bangs[5:]}[image: {rest}"


def _apart(found: re.Match[str]) -> str:
    """Separate two characters by a blank, which has no meaning in a formula."""
    whole = found[0]
    return whole if whole[0] == "]" and found["tail"] else f"{whole[0]} {whole[1:]}"


def _without_label(found: re.Match[str]) -> str:
    """Disable a link definition, unless it is one line that all renderers read alike."""
    whole, lead, bang, stop = found[0], found["lead"], found["bang"], found["stop"]
    if stop == "]:" and not bang and _DEFINITION.match(found.string, found.start()):
        return whole
    if stop in {"[", "]"} and not hides(found["label"]):
        return whole
    return f"{lead}{'&#33;' if bang else ''}&#91;{whole[len(lead) + len(bang) + 1 :]}"


def _without_display(found: re.Match[str]) -> str:
    """Limit a formula to its line where VS Code might extend it to the end of the text."""
    whole, lead = found[0], found["lead"]
    lines = re.split(r"\r\n|\r|\n", found["good"] or "")
    if found["good"] and all(line.startswith(" " * len(lead)) for line in lines[1:]):
        return whole
    return _DISPLAY_LINE.sub(r"\1&#8203;", whole + "$$")[:-2]


def _no_math(found: re.Match[str]) -> str:
    slashes, sign = found["slashes"] or "", found["sign"]
    if sign[0] == "$" and len(sign) > 1:
        return _even(slashes) + "&#36;" * len(sign)
    if sign == "[" and len(slashes) > 1:
        return _even(slashes) + "&#91;"
    if found["side"] == "begin":
        return "&#92;" * ((len(slashes) + 1) // 2) + sign
    return found[0]


def _without_math(found: re.Match[str]) -> str:
    """Keep formulas out of an address, which becomes an attribute."""
    address = found[0].replace("$", "&#36;").replace("![", "&#33;[")
    return _SLASHES.sub(lambda slashes: "&#92;" * len(slashes[0]), address)


def _no_placeholder(found: re.Match[str]) -> str:
    """Disable `@@0@@`, JupyterLab's placeholder of a formula."""
    slashes = found[1]
    if slashes is None:
        return "@&#64;"
    return _even(slashes) + ("&#64;" if len(slashes) % 2 else "@")
