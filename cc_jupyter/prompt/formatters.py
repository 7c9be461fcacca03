"""Format a value as text for a prompt, with the same rules at every depth.

Data frames become tables, arrays show their shape and type, figures and images become markers,
exceptions and the user's functions come with their source, also inside other values. Dicts, lists,
tuples, sets, dataclasses and their kin go on one line if they fit, otherwise each item has its own
line. Strings are never broken, which rules out the standard library's `pprint`. The character
budget also limits the work: of ten million items only those shown are read, and an iterator is
never read at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.arrays import (
    WIDTH,
    LongSequence,
    array_header,
    array_text,
    is_object_array,
    long_sequence,
    scalar_text,
)
from cc_jupyter.prompt.containers import brackets_of, items_of
from cc_jupyter.prompt.images import image_in
from cc_jupyter.prompt.omissions import Omissions
from cc_jupyter.prompt.source_code import nested_source_text, source_text
from cc_jupyter.prompt.tables import TableRoom, frame_kind, table_text, value_writer
from cc_jupyter.prompt.tracebacks import error_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cc_jupyter.core.messages import Image, ValueLimits


_INDENT = 2
_DEPTH_LIMIT = 20
_SHORT_ITEM = 20
"""Items up to this length share a line if the container does not fit on one."""
_SCALARS = {int, float, bool, complex, str, type(None)}
_MAX_NAME_CHARS = 30
_PLAIN_EXPRESSION = re.compile(r"[\w.\[\]'\"-]+")


class _Block(str):
    """A text of several lines that is not a Python literal, so no comma follows it."""

    __slots__ = ()


class ValueWriter:
    """Formats one value within a budget of characters.

    Parameters
    ----------
    expression
        The expression of the value, which names the images in it.
    """

    def __init__(self, limits: ValueLimits, expression: str) -> None:
        self._limits = limits
        self._left = limits.value_chars
        self._table_left = limits.table_chars
        self._open: set[int] = set()
        self._expression = expression
        self._path: list[str] = []
        self.omissions = Omissions()
        self.images: list[Image] = []
        """The images in the value, each of which has a marker in the text."""
        self.is_container = False
        """Whether the value consists of others; known after it was written."""

    def text(self, value: object) -> str:
        """Return the text of the value."""
        if source := source_text(value):
            return source
        if brackets_of(value) is not None or is_object_array(value):
            # indentation and "… more" marks come on top of the items
            self._left -= max(self._left // 20, min(self._left // 2, _SHORT_ITEM))
        compound = self._compound(value, 0)
        if compound is not None:
            self.is_container = True
            return str(compound)
        # a subclass of str may redefine its length and slices: use the plain characters
        text = str.__str__(str(value))
        self.omissions.check(value, text)
        return text

    def _write(self, value: object, depth: int) -> str:
        """Return the text of a value inside another."""
        if type(value) in _SCALARS:
            return self._leaf(value)
        compound = self._compound(value, depth)
        return self._leaf(value) if compound is None else compound

    def _compound(self, value: object, depth: int) -> str | None:
        """Return the text of anything but a leaf; `None`: the value is one."""
        marker = self._marker(value)
        return self._expanded(value, depth) if marker is None else marker

    def _expanded(self, value: object, depth: int) -> str | None:
        """Return the text of a value that consists of others; `None`: it does not."""
        brackets = brackets_of(value)
        if id(value) in self._open:
            return "...".join(brackets or ("", ""))
        if depth > _DEPTH_LIMIT and (frame_kind(value) is not None or is_object_array(value)):
            self.omissions.add(0, 1, "items")
            return "…"
        self._open.add(id(value))
        try:
            if frame_kind(value) is not None:
                return self._table(value, depth)
            if brackets is not None:
                return self._container(value, brackets, depth)
            return self._other(value, depth)
        finally:
            self._open.remove(id(value))

    def _other(self, value: object, depth: int) -> str | None:
        """Return the text of an array, a sequence, an exception or a function."""
        if is_object_array(value):
            return self._object_array(value, depth)
        if (sequence := long_sequence(value, max(self._left, 0) // 2 + 1)) is not None:
            return self._block(self._sequence(sequence, depth), depth)
        text = array_text(value, self.omissions) or error_text(value, self.omissions)
        if text is None and depth:
            text = nested_source_text(value)
        return None if text is None else self._block(text, depth)

    def _marker(self, value: object) -> str | None:
        """Take the image of a figure or picture, and return its marker."""
        image = image_in(value, self._name())
        if image is None:
            return None
        same = (each for each in self.images if (each.data, each.url) == (image.data, image.url))
        known = next(same, None)  # several axes belong to one figure
        if known is None:
            self.images.append(known := image)
        self._left -= len(known.marker)
        return known.marker

    def _name(self) -> str:
        if not self._path:
            return self._expression
        expression = excerpt(self._expression, _MAX_NAME_CHARS)
        if not _PLAIN_EXPRESSION.fullmatch(expression):
            expression = f"({expression})"
        return "".join([expression, *self._path])

    def _table(self, value: object, depth: int) -> str:
        # a number of rows that the option line asks for is not cut to the size of other values
        chosen, outer = self._table_left, self._left
        self._left = chars = max(outer if chosen is None else chosen, _SHORT_ITEM)
        limits = self._limits
        room = TableRoom(limits.table_rows, limits.table_columns, chars, _margin(depth))
        text = table_text(value, room, self.omissions, lambda cell: self._cell(cell, depth + 1))
        self._left = outer
        if chosen is None:
            return self._block(text or "", depth)
        self._table_left = chars - len(text or "")
        return _Block(text or "")

    def _cell(self, value: object, depth: int) -> str:
        """Return the text of a cell, without the quotes of a string."""
        left = self._left
        text = None if type(value) in _SCALARS else self._expanded(value, depth)
        self._left = left  # the table counts the length of its lines
        if text is None:
            text = str(value)
            self.omissions.check(value, text)
        return text

    def _sequence(self, sequence: LongSequence, depth: int) -> str:
        write = value_writer(sequence.items, lambda item: self._write(item, depth + 1))
        left = self._left - len(sequence.header)
        room = left - left // 50  # for the breaks between lines
        pieces: list[str] = []
        for item in sequence.items:
            if room <= 0 and pieces:
                break
            pieces.append(repr(str.__str__(item)) if isinstance(item, str) else write(item))
            room -= len(pieces[-1]) + 2
        self._left = left
        if len(pieces) < sequence.length:
            self.omissions.add(len(pieces), sequence.length, "values")
            pieces.append(f"… {sequence.length - len(pieces):,} more")
        lines = ",\n ".join(_wrap(pieces, WIDTH - 2))
        return f"{sequence.header}\n[{lines}]"

    def _object_array(self, value: object, depth: int) -> str:
        header = array_header(value)
        self._left -= len(header)
        items = value.tolist()  # type: ignore[attr-defined]  # an array of numpy
        text = f"{header}\n{self._write(items, depth)}"
        return _Block(text) if "\n" in text else text

    def _container(self, value: object, brackets: tuple[str, str], depth: int) -> str:
        opening, closing = brackets
        pieces = self._pieces(value, depth)
        if type(value) is tuple and len(pieces) == 1:
            closing = ",)"
        return _layout(opening, pieces, closing, depth)

    def _pieces(self, value: object, depth: int) -> list[str]:
        length, items = items_of(value)
        pieces: list[str] = []
        if depth < _DEPTH_LIMIT:
            for label, step, item in items:
                if self._left <= 0:
                    break
                self._left -= len(label) + 2
                self._path.append(step)
                piece = self._write(item, depth + 1)
                self._path.pop()
                pieces.append(_labelled(label, piece))
                if len(piece) > _SHORT_ITEM:  # goes on a separate line
                    self._left -= _INDENT * (depth + 1)
        if len(pieces) < length:
            self.omissions.add(len(pieces), length, "items")
            pieces.append(f"… {length - len(pieces):,} more")
        return pieces

    def _leaf(self, value: object) -> str:
        room = max(self._left, _SHORT_ITEM)
        if isinstance(value, str | bytes) and len(value) > room:
            text = repr(value[:room])  # of a long text, only the part shown is escaped
            length = len(value)
        else:
            text = scalar_text(value) or repr(value)
            if type(value) not in _SCALARS:
                self.omissions.check(value, text)
            length = len(text)
        self._left -= len(text)
        if length <= room:
            return text
        self.omissions.add(room, length, "characters")
        return f"{text[: room + 2]}… {length - room:,} more characters"

    def _block(self, text: str, depth: int) -> str:
        """Count a text of several lines, and cut one inside a container if it is too long."""
        room = max(self._left, _SHORT_ITEM)
        self._left -= len(text) + text.count("\n") * _margin(depth)
        if depth and len(text) > room + WIDTH:
            self.omissions.add(room, len(text), "characters")
            text = f"{text[:room]}\n… [cut: {room:,} of {len(text):,} characters]"
        return _Block(text) if "\n" in text else text


def _margin(depth: int) -> int:
    """Return the indentation of a block: that of its container, and one more below a key."""
    return _INDENT * (depth + 1) if depth else 0


def _labelled(label: str, piece: str) -> str:
    if not isinstance(piece, _Block) or not label:
        return piece if not label else label + piece
    return _Block(f"{label.rstrip()}\n{_indented(piece)}")


def _indented(text: str) -> str:
    return " " * _INDENT + re.sub(r"\n(?=[^\n])", "\n" + " " * _INDENT, text)


def _layout(opening: str, pieces: list[str], closing: str, depth: int) -> str:
    one_line = f"{opening}{', '.join(pieces)}{closing}"
    margin_chars = _INDENT * (depth + 1)
    if not pieces or ("\n" not in one_line and len(one_line) + margin_chars <= WIDTH):
        return one_line
    if all(len(piece) <= _SHORT_ITEM for piece in pieces[:-1]):
        pieces = _wrap(pieces, WIDTH - margin_chars)
    lines = [_indented(piece) + ("" if isinstance(piece, _Block) else ",") for piece in pieces]
    lines[-1] = _indented(pieces[-1])
    body = "\n".join(lines)
    return f"{opening}\n{body}\n{closing}"


def _wrap(pieces: Iterable[str], width: int) -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        fits = lines and len(lines[-1]) + len(piece) + 2 <= width
        if fits and not isinstance(piece, _Block) and not isinstance(lines[-1], _Block):
            lines[-1] += f", {piece}"
        else:
            lines.append(piece)
    return lines
