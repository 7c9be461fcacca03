"""Results that display themselves: plain values to a program, tables and diffs to a reader.

A table becomes a DataFrame when it is assigned, if pandas is installed. Word diffs compare two
answers, in a notebook and in a terminal.
"""

from __future__ import annotations

import difflib
import html
import importlib.util
import re
import shutil
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.escaping import page_html, scrollable
from cc_jupyter.core.terminal import safe_line, safe_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


Row = dict[str, Any]
_GAP = "  "
_UNKNOWN = (None, "", "?", "-", "\N{EN DASH}", "unknown")
"""The values of a cell that do not decide on the alignment of its column."""
_FIGURE = re.compile(
    r"[~<>≤≥±+-]*\$?\d[\d,]*(?:\.\d+)?"
    r"(?: ?(?:%|ms|s|min|h|B|kB|MB|GB|k|K|M)| (?:tokens?|tokens/s|tok/s))?(?: \+ .+)?"
)
"""A number with its sign of money, its unit, and what is added to it: `$1.23 + ~$0.04`."""


class Table(list[Row]):
    """Rows with the same keys; to a program, a list of dicts."""

    def __init__(self, rows: list[Row], caption: str = "") -> None:
        super().__init__(rows)
        self.caption = caption
        """The line under the table: where the rows come from, and how old they are."""

    def _repr_html_(self) -> str:
        caption = f"<p><small>{html.escape(self.caption)}</small></p>" if self.caption else ""
        if not self:
            return caption
        sides = {name: "right" if self._has_figures(name) else "left" for name in self[0]}
        head = "".join(_tag("th", name, side) for name, side in sides.items())
        body = "".join(
            f"<tr>{''.join(_tag('td', row[name], side) for name, side in sides.items())}</tr>"
            for row in self
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{scrollable(table)}{caption}"

    def _has_figures(self, name: str) -> bool:
        """Return whether every known value of a column is a figure, with or without a unit."""
        known = [row[name] for row in self if row[name] not in _UNKNOWN]
        return bool(known) and all(map(_is_figure, known))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(self._text(_terminal_columns()))

    def __str__(self) -> str:
        return self._text(None)

    def _text(self, max_width: int | None) -> str:
        """Format the table; the columns that do not fit go on a line below each row."""
        caption = safe_terminal(self.caption)
        if not self:
            return caption
        names = list(self[0])
        rows = [[safe_line(_cell(row[name])) for name in names] for row in self]
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        columns = _fitting_columns(widths, max_width)
        below = [column for column in range(len(names)) if column not in columns]
        right = {at for at, name in enumerate(names) if self._has_figures(name)}
        lines = [_line(names, widths, columns, right)]
        for row in rows:
            lines.append(_line(row, widths, columns, right))
            if rest := " · ".join(f"{names[at]} {row[at]}" for at in below if row[at]):
                lines.append(f"    {rest}")
        return "\n".join([*lines, *([caption] if caption else [])])


class Card(dict[str, Any]):
    """Names and values; to a program, a dict."""

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align: left">{html.escape(name)}</th>'
            f'<td style="text-align: left">{html.escape(_cell(value))}</td></tr>'
            for name, value in self.items()
        )
        return scrollable(f"<table><tbody>{rows}</tbody></table>")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(
            f"{name:{width}}  {safe_line(_cell(value))}" for name, value in self.items()
        )


class TextOutput(str):
    """Text that displays line by line, not as a quoted string."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(safe_terminal(self))


class Diff(str):
    """A unified diff that displays as one, with a line on what was done with it.

    On a page it is escaped HTML with `<ins>` and `<del>`, which an untrusted notebook shows too.
    """

    __slots__ = ("note",)
    note: str

    def __new__(cls, diff: str, note: str) -> Self:
        """Create the text of the diff, which may be empty, with its note."""
        made = super().__new__(cls, diff)
        made.note = note
        return made

    def _repr_html_(self) -> str:
        head, lines = 2, safe_terminal(self.rstrip()).split("\n")  # both files are named above
        body = [*map(page_html, lines[:head]), *map(_diff_line, lines[head:])]
        # JupyterLab indents a <pre> that is not inside of something
        shown = "<div><pre>{}</pre></div>".format("\n".join(body)) if self else ""
        return f"{shown}<p><em>{page_html(self.note)}</em></p>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(safe_terminal(f"{self.rstrip()}\n{self.note}".lstrip()))


def _diff_line(line: str) -> str:
    return _marked(line[0], line) if line[:1] in _STYLES else page_html(line)


class MarkedText(str):
    """A text with marked parts: `<mark>` in a table on a page, plain text elsewhere."""

    __slots__ = ("parts",)
    parts: tuple[tuple[str, bool], ...]
    """The text in parts, each with whether it is marked."""

    @classmethod
    def of(cls, parts: Iterable[tuple[str, bool]]) -> Self:
        """Create a text from its parts."""
        whole = tuple(parts)
        text = cls("".join(part for part, _ in whole))
        text.parts = whole
        return text

    def as_html(self) -> str:
        """Return the text as escaped HTML."""
        escaped = ((html.escape(part), is_marked) for part, is_marked in self.parts)
        return "".join(f"<mark>{text}</mark>" if marked else text for text, marked in escaped)


def _tag(tag: str, value: object, side: str) -> str:
    """Format a cell."""
    text = value.as_html() if isinstance(value, MarkedText) else html.escape(_cell(value))
    return f'<{tag} style="text-align: {side}">{text}</{tag}>'


def _is_figure(value: object) -> bool:
    if isinstance(value, str):
        return _FIGURE.fullmatch(value) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _terminal_columns() -> int | None:
    """Return the width of the terminal; `None`: lines may have any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitting_columns(widths: Sequence[int], max_width: int | None) -> list[int]:
    """Return the columns that fit side by side: the widest are dropped, the first always stays."""
    columns = list(range(len(widths)))
    while max_width is not None and len(columns) > 1:
        if sum(widths[at] + len(_GAP) for at in columns) - len(_GAP) <= max_width:
            break
        columns.remove(max(columns[1:], key=widths.__getitem__))
    return columns


def _line(
    cells: Sequence[str], widths: Sequence[int], columns: Sequence[int], right: set[int]
) -> str:
    """Format a line of a table; the columns of `right` are right-aligned."""
    padded = {at: cells[at].rjust if at in right else cells[at].ljust for at in columns}
    return _GAP.join(pad(widths[at]) for at, pad in padded.items()).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)


def data_frame(rows: list[Row], columns: list[str] | None, *, instead: str) -> Any:  # noqa: ANN401  pandas is optional
    """Return a pandas DataFrame.

    Parameters
    ----------
    columns
        `None`: the keys of the first row.
    instead
        What has the same without pandas; for the hint.

    Raises
    ------
    ConfigError
        pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415  takes half a second
    except ImportError:
        raise ConfigError(
            "a DataFrame needs pandas, which is not installed",
            hint=f"pip install pandas; {instead}",
        ) from None
    return pd.DataFrame(rows, columns=columns)


class FigureTable(Table):
    """Rows to read; `figures` has the same rows with money as `Decimal`, unknowns as `None`."""

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
        """The columns of `figures`, which may be empty; `None`: the keys of its first row."""

    def to_dataframe(self) -> Any:  # noqa: ANN401  pandas is optional
        """Return a pandas DataFrame with one column for each figure.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        columns = None if self._columns is None else list(self._columns)
        return data_frame(self.figures, columns, instead="the table itself is a list of dicts")

    @property
    def df(self) -> Any:  # noqa: ANN401  as above
        """The figures as a pandas DataFrame."""
        return self.to_dataframe()

    def for_cell(self, *, shown: bool) -> Any:  # noqa: ANN401  as above
        """Return a command's result: the table if it is `shown`, else a DataFrame of figures."""
        if shown or importlib.util.find_spec("pandas") is None:
            return self
        return self.to_dataframe()


Piece: TypeAlias = tuple[str, str]
"""`=`, `-` or `+`, and the text that is unchanged, removed or added."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_MAX_WORDS = 20_000
"""Longer texts are compared line by line: comparing so many words takes seconds."""
_STYLES = {"-": "del", "+": "ins"}


class WordDiff(str):
    """A word diff as text, `[-removed-]{+added+}`; in a notebook with `<del>` and `<ins>`."""

    __slots__ = ("pieces",)
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Self:
        """Create a diff from its pieces."""
        whole = tuple(pieces)
        diff = cls("".join(_plain(kind, text) for kind, text in whole))
        diff.pieces = whole
        return diff

    def _repr_html_(self) -> str:
        shown = "".join(_html(kind, text) for kind, text in self.pieces)
        return f'<div style="white-space: pre-wrap">{shown}</div>'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(safe_terminal(self))


def word_diff(before: str, after: str) -> WordDiff:
    """Compare two texts word by word; above 20,000 words, line by line."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > _MAX_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return WordDiff.of(_pieces(old, new))


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
    # strikethrough and underline carry the meaning without colour, in both themes
    return f'<{tag} style="background: {colour}">{page_html(text)}</{tag}>'
