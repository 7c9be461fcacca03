"""Sanitize a model's Markdown for front ends that run what they show.

The output of a user's own cell is trusted: JupyterLab inserts raw HTML of its Markdown into the
page and runs the scripts in it. Therefore anything that could start a tag becomes text, links lead
only to the web, images from the web become links, and code stays unchanged. `inline` reads
paragraphs; `fences` decides which lines are code.
"""

from __future__ import annotations

import re
from itertools import pairwise

from cc_jupyter.render.sanitize.fences import LINE_START, MARK, Mark, hides, hides_line_ends, scan
from cc_jupyter.render.sanitize.inline import (
    harmless,
    needs_nothing,
    starts_or_ends_display,
    without_tags,
)

_INFO = re.compile(r"[^\w+#./:,={}()\[\]*?!%~^; \t-]")
# lines of code that some renderer joins to a paragraph just above the fence
_JOINS = re.compile(LINE_START + r"[ \t]*+(?:-++|=++|:[ \t][^\r\n]*+)[ \t]*+(?=[\r\n]|\Z)")
# a last line after which marked may go on with a list item's text behind an empty line
_HANGS = re.compile(LINE_START + r"(?: {4}| {0,3}\t| *+\[)[^\r\n]*+(?:\r\n|\r|\n)?+\Z")
_BLANKS = re.compile(r"[ \t]++")


def safe_markdown(text: str, *, allow_remote_images: bool = False) -> str:
    """Return Markdown that looks the same and is harmless in every renderer.

    Parameters
    ----------
    allow_remote_images
        Whether images from the web stay images; loading one tells its server that it was read.
    """
    if needs_nothing(text) and "```" not in text and "~~~" not in text:
        return text
    return _Writer(text, images=allow_remote_images).run()


class _Writer:
    """Joins the items of a text again, each made harmless."""

    def __init__(self, text: str, *, images: bool) -> None:
        self._text = text
        self._images = images
        self._out: list[str] = []
        self._read = 0
        self._kind = "blank"
        self._last: dict[str, int] = {}  # the last position of each end of formulas
        self._ends = True  # whether the paragraph surely ends with these lines
        self._hanging = False  # whether marked may go on with it after a blank line
        self._lost = False  # some renderer may be anywhere: nothing counts as code any more
        self._unsure = False  # the same, up to the next blank line
        self._formula = False  # one may have begun since the last blank line
        self._diagram = False  # whether the open fence holds one
        self._joint: int | None = None  # the last border of code that no empty line keeps apart

    def run(self) -> str:
        items = [*scan(self._text), ("blank", "")]
        for (kind, lines), (following, _) in pairwise(items):
            self._ends = following != "doubt"
            self._read += len(lines)
            match kind:
                case "text":
                    self._write_text(lines)
                case "open" if lines.endswith(("\n", "\r")):
                    self._write_opening(lines)
                case "code":
                    self._write_code(lines)
                case "close":
                    self._out.append(lines)
                    self._diagram = self._hanging = False
                    self._joint = len(self._out)
                case "doubt" | "open":
                    self._write_doubt(lines)
                case "blank":
                    self._write_blank(lines)
            self._kind = kind
        return "".join(self._out)

    def _write_text(self, lines: str) -> None:
        if self._kind == "close" and self._formula:
            self._part(len(self._out))
            self._formula = False
        self._part_joined(lines)
        self._diagram = False
        self._formula = self._formula or hides(lines)
        self._unsure = self._unsure or (self._hanging and lines[0] in " \t")
        trust = not (self._lost or self._unsure)
        paragraph = harmless(lines, trust=trust, images=self._images, ends=self._ends)
        self._out.append(paragraph.text)
        self._hanging = paragraph.loose and (
            _HANGS.search(lines) is not None or hides_line_ends(lines)
        )
        self._lost = self._lost or (not trust and starts_or_ends_display(lines))
        for end in paragraph.reaching:
            if end not in self._last:
                self._last[end] = self._text.rfind(end)
            self._lost = self._lost or self._last[end] >= self._read

    def _write_opening(self, line: str) -> None:
        if self._formula and self._kind != "blank":
            self._part(len(self._out))
            self._formula = False
        self._joint = len(self._out) if self._out and self._out[-1].strip("\r\n") else None
        self._out.append(_clean_info(line))
        self._diagram = self._diagram or "mermaid" in line.casefold()
        self._unsure = self._hanging = False

    def _write_code(self, lines: str) -> None:
        self._part_joined(lines)
        self._formula = self._formula or hides(lines)
        if self._lost:
            lines = harmless(lines, trust=False, images=self._images).text
        elif self._diagram:
            lines = without_tags(lines)  # nbconvert inserts a diagram into the page unchanged
        self._out.append(lines)

    def _write_doubt(self, lines: str) -> None:
        self._part_joined(lines)
        self._unsure = self._hanging = True
        self._diagram = self._diagram or "mermaid" in lines.casefold()
        self._formula = self._formula or hides(lines)
        self._lost = self._lost or starts_or_ends_display(lines)
        self._out.append(harmless(_clean_info(lines), trust=False, images=self._images).text)

    def _write_blank(self, lines: str) -> None:
        lines = _BLANKS.sub("", lines)  # to mistune five spaces are text
        if lines[:1] == "\n" and self._ends_in_cr(len(self._out)):
            lines = f"\r{lines}"
        self._out.append(lines)
        self._unsure = self._formula = False
        self._joint = None

    def _part_joined(self, lines: str) -> None:
        """Keep code apart from a paragraph that some renderer would make it a part of."""
        if self._joint is not None and _JOINS.search(lines):
            self._part(self._joint)
            self._joint = None

    def _part(self, place: int) -> None:
        """Insert an empty line into the output, so that nothing extends across that position."""
        self._out.insert(place, "\r" if self._ends_in_cr(place) else "\n")

    def _ends_in_cr(self, place: int) -> bool:
        return place > 0 and self._out[place - 1].endswith("\r")


def _clean_info(line: str) -> str:
    """Reduce a fence's info string to what JupyterLab can safely insert into an attribute."""
    found = MARK.match(line)
    if not found or not Mark.of(found):
        return line
    info = _INFO.sub("_", found["info"])
    return f"{found['prefix']}{found['run']}{info}{found['end']}"
