"""Results that display themselves: values for a program, tables and diffs for a reader.

A table becomes a DataFrame when it is assigned, if pandas is installed. Word diffs compare two
answers in a notebook and in a terminal.
"""

from __future__ import annotations

import difflib
import html
import importlib.util
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.escaping import page_html, safe_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence


Row = dict[str, Any]
_GAP = "  "


class Table(list[Row]):
    """Rows of equal keys; a list of dicts to a program."""

    def __init__(self, rows: list[Row], caption: str = "") -> None:
        super().__init__(rows)
        self.caption = caption
        """A line under the table: where the rows come from, and how old they are."""

    def _repr_html_(self) -> str:
        caption = f"<p><small>{html.escape(self.caption)}</small></p>" if self.caption else ""
        if not self:
            return caption
        kinds = {name: self._like(name) for name in self[0]}
        head = "".join(_tag("th", name, like=like) for name, like in kinds.items())
        body = "".join(
            f"<tr>{''.join(_tag('td', row[name], like=kinds[name]) for name in kinds)}</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{caption}"

    def _like(self, name: str) -> object:
        """Return the first value of a column that is known: an unknown one has no kind."""
        return next((row[name] for row in self if row[name] not in (None, "?")), None)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(self._text(_terminal_columns()))

    def __str__(self) -> str:
        return self._text(None)

    def _text(self, most: int | None) -> str:
        """Write the table; columns that do not fit into `most` letters stand below their row."""
        if not self:
            return self.caption
        names = list(self[0])
        rows = [[_cell(row[name]) for name in names] for row in self]
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        beside = _fitting(widths, most)
        below = [column for column in range(len(names)) if column not in beside]
        lines = [_line(names, widths, beside)]
        for row in rows:
            lines.append(_line(row, widths, beside))
            if rest := " · ".join(f"{names[at]} {row[at]}" for at in below if row[at]):
                lines.append(f"    {rest}")
        return "\n".join([*lines, *([self.caption] if self.caption else [])])


class Card(dict[str, Any]):
    """Names and values; a dict to a program."""

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align: left">{html.escape(name)}</th>'
            f'<td style="text-align: left">{html.escape(_cell(value))}</td></tr>'
            for name, value in self.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:{width}}  {_cell(value)}" for name, value in self.items())


class TextOutput(str):
    """A text that shows itself as text, line by line, not as a quoted string."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))


class Diff(str):
    """A unified diff that shows itself as one, with a line on what became of it.

    On a page it is escaped HTML with `<ins>` and `<del>`, which an untrusted notebook shows too.
    """

    __slots__ = ("note",)
    note: str

    def __new__(cls, diff: str, note: str) -> Self:
        """Make the text of the diff, which may be empty, with its note."""
        made = super().__new__(cls, diff)
        made.note = note
        return made

    def _repr_html_(self) -> str:
        head, lines = 2, safe_terminal(self.rstrip()).split("\n")  # both files are named above
        body = [*map(page_html, lines[:head]), *map(_diff_line, lines[head:])]
        shown = "<pre>{}</pre>".format("\n".join(body)) if self else ""
        return f"{shown}<p><em>{page_html(self.note)}</em></p>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(f"{safe_terminal(self.rstrip())}\n{self.note}".lstrip())


def _diff_line(line: str) -> str:
    return _marked(line[0], line) if line[:1] in _STYLES else page_html(line)


def _tag(tag: str, value: object, *, like: object) -> str:
    """Write a cell: numbers to the right, where notebooks put everything, and texts to the left."""
    style = ' style="text-align: left"' if isinstance(like, str) else ""
    return f"<{tag}{style}>{html.escape(_cell(value))}</{tag}>"


def _terminal_columns() -> int | None:
    """Return the width of the terminal; `None`: lines can be of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitting(widths: Sequence[int], most: int | None) -> list[int]:
    """Return the columns that stand beside one another: the widest give way, the first stays."""
    beside = list(range(len(widths)))
    while most is not None and len(beside) > 1:
        if sum(widths[at] + len(_GAP) for at in beside) - len(_GAP) <= most:
            break
        beside.remove(max(beside[1:], key=widths.__getitem__))
    return beside


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[int]) -> str:
    return _GAP.join(cells[at].ljust(widths[at]) for at in columns).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)


class FigureTable(Table):
    """Rows to read; `figures` are the same with money as `Decimal` and unknowns as `None`."""

    def __init__(
        self,
        rows: list[Row],
        figures: list[Row],
        caption: str,
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__(rows, caption)
        self.figures = figures
        self._columns = columns
        """Those of `figures`, which may be empty; `None`: as its first row has them."""

    def to_dataframe(self) -> Any:  # noqa: ANN401  pandas is not always there
        """Return a pandas DataFrame with every figure in a column of its own.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415  half a second, and only where it is wanted
        except ImportError:
            raise ConfigError(
                "a DataFrame needs pandas", hint="pip install pandas; the table itself is a list"
            ) from None
        columns = None if self._columns is None else list(self._columns)
        return pd.DataFrame(self.figures, columns=columns)

    def for_cell(self, *, shown: bool) -> Any:  # noqa: ANN401  as above
        """Return a command's result: the table where it is `shown`, else figures to work with."""
        if shown or importlib.util.find_spec("pandas") is None:
            return self
        return self.to_dataframe()


Piece: TypeAlias = tuple[str, str]
"""`=`, `-` or `+`, and the text that stayed, went or came."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_MOST_WORDS = 20_000
"""Longer texts are compared line by line: words of such a length take seconds."""
_STYLES = {"-": "del", "+": "ins"}


class WordDiff(str):
    """A word diff as text, `[-gone-]{+come+}`; in a notebook with `<del>` and `<ins>`."""

    __slots__ = ("pieces",)
    pieces: tuple[Piece, ...]

    def _repr_html_(self) -> str:
        shown = "".join(_html(kind, text) for kind, text in self.pieces)
        return f'<div style="white-space: pre-wrap">{shown}</div>'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(safe_terminal(self))


def word_diff(before: str, after: str) -> WordDiff:
    """Compare two texts; one of over 20,000 words by its lines."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > _MOST_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces = tuple(_pieces(old, new))
    diff = WordDiff("".join(_plain(kind, text) for kind, text in pieces))
    diff.pieces = pieces
    return diff


def _pieces(before: Sequence[str], after: Sequence[str]) -> list[Piece]:
    found: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i, j, k, end in matcher.get_opcodes():
        if tag == "equal":
            found.append(("=", "".join(before[i:j])))
            continue
        if i < j:
            found.append(("-", "".join(before[i:j])))
        if k < end:
            found.append(("+", "".join(after[k:end])))
    return found


def _plain(kind: str, text: str) -> str:
    return {"=": text, "-": f"[-{text}-]", "+": f"{{+{text}+}}"}[kind]


def _html(kind: str, text: str) -> str:
    shown = safe_terminal(text)
    return page_html(shown) if kind == "=" else _marked(kind, shown)


def _marked(kind: str, text: str) -> str:
    colour = "rgba(220, 60, 60, 0.25)" if kind == "-" else "rgba(60, 170, 80, 0.25)"
    tag = _STYLES[kind]
    # the strike and the underline say it without the colour, in both themes
    return f'<{tag} style="background: {colour}">{page_html(text)}</{tag}>'
