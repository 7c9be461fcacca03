"""Results that show themselves: a list or a dict to a program, a table to a person."""

from __future__ import annotations

import html
from typing import Any, Self

Row = dict[str, Any]


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
        first = self[0]
        head = "".join(_tag("th", name, like=first[name]) for name in first)
        body = "".join(
            f"<tr>{''.join(_tag('td', row[name], like=row[name]) for name in first)}</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{caption}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))

    def __str__(self) -> str:
        if not self:
            return self.caption
        names = list(self[0])
        lines = [names, *([_cell(row[name]) for name in names] for row in self)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([*text, *([self.caption] if self.caption else [])])


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


class Page(str):
    """A text that shows itself as text, line by line, not as a quoted string."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(str(self))


class Diff(str):
    """A unified diff that shows itself as one, and a line on what became of it."""

    __slots__ = ("note",)
    note: str

    def __new__(cls, diff: str, note: str) -> Self:
        """Make the text of the diff, which may be empty, with its note."""
        made = super().__new__(cls, diff)
        made.note = note
        return made

    def _repr_markdown_(self) -> str:
        fence = "`" * (3 + self.count("```"))
        shown = f"{fence}diff\n{self.rstrip()}\n{fence}\n\n" if self else ""
        return f"{shown}*{self.note}*"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001  IPython's
        printer.text(f"{self.rstrip()}\n{self.note}".lstrip())


def _tag(tag: str, value: object, *, like: object) -> str:
    """Write a cell: numbers to the right, where notebooks put everything, and texts to the left."""
    style = ' style="text-align: left"' if isinstance(like, str) else ""
    return f"<{tag}{style}>{html.escape(_cell(value))}</{tag}>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)
