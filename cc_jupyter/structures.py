"""Dicts, lists, tuples, sets and dataclasses as a person would lay them out.

What fits goes on one line, else each item has its own; strings are never broken, which is why the
standard library's `pprint` does not serve. The budget bounds the work too: of ten million items
only those shown are looked at.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 100
_INDENT = 2
_DEPTH_LIMIT = 20
_SHORT_ITEM = 20
"""Items up to this length share lines when the whole does not fit on one."""

_Items: TypeAlias = "Iterator[tuple[str, object]]"


def structure_text(value: object, limit: int) -> tuple[str, list[str]] | None:
    """Write a container in about `limit` characters; name what is cut.

    `None`: it is no container, or it has a text of its own.
    """
    if _opened(value) is None:
        return None
    writer = _Writer(limit - limit // 20)  # margins and marks need the rest
    return writer.write(value, 0), writer.cuts()


class _Writer:
    """Writes one value; every character written comes off the budget."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._open: set[int] = set()
        self._items = [0, 0]  # those shown, and all, of the containers that were cut
        self._characters = [0, 0]

    def cuts(self) -> list[str]:
        """Name what was left out."""
        found = ((self._items, "items"), (self._characters, "characters"))
        return [f"{shown:,} of {every:,} {what}" for (shown, every), what in found if every]

    def write(self, value: object, depth: int) -> str:
        opened = _opened(value)
        if opened is None:
            return self._leaf(value)
        opening, closing = opened
        if id(value) in self._open:
            return f"{opening}...{closing}"
        self._open.add(id(value))
        pieces = self._pieces(value, depth)
        self._open.remove(id(value))
        if type(value) is tuple and len(pieces) == 1:
            closing = ",)"
        return _laid_out(opening, pieces, closing, depth)

    def _pieces(self, value: object, depth: int) -> list[str]:
        length, items = _items(value)
        pieces: list[str] = []
        if depth < _DEPTH_LIMIT:
            for label, item in items:
                if self._left <= 0:
                    break
                self._left -= len(label) + 2
                pieces.append(label + self.write(item, depth + 1))
                if len(pieces[-1]) > _SHORT_ITEM:  # it will have a line of its own
                    self._left -= _INDENT * (depth + 1)
        if len(pieces) < length:
            self._items[0] += len(pieces)
            self._items[1] += length
            pieces.append(f"… {length - len(pieces):,} more")
        return pieces

    def _leaf(self, value: object) -> str:
        room = max(self._left, _SHORT_ITEM)
        if isinstance(value, str | bytes) and len(value) > room:
            text = repr(value[:room])  # of a long text only what is shown is escaped
            length = len(value)
        else:
            text = repr(value)
            length = len(text)
        self._left -= len(text)
        if length <= room:
            return text
        self._characters[0] += room
        self._characters[1] += length
        return f"{text[: room + 2]}… {length - room:,} more characters"


def _laid_out(opening: str, pieces: list[str], closing: str, depth: int) -> str:
    one_line = f"{opening}{', '.join(pieces)}{closing}"
    margin = " " * (_INDENT * (depth + 1))
    if not pieces or ("\n" not in one_line and len(one_line) + len(margin) <= _WIDTH):
        return one_line
    if all(len(piece) <= _SHORT_ITEM for piece in pieces[:-1]):
        pieces = _filled(pieces, _WIDTH - len(margin))
    body = f",\n{margin}".join(pieces)
    return f"{opening}\n{margin}{body}\n{margin[_INDENT:]}{closing}"


def _filled(pieces: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + len(piece) + 2 <= width:
            lines[-1] += f", {piece}"
        else:
            lines.append(piece)
    return lines


# ── what is a container


def _opened(value: object) -> tuple[str, str] | None:
    """Give what stands around the items; `None`: it is not taken apart."""
    kind = type(value)
    if kind.__str__ is not object.__str__:
        return None
    if _is_plain_dataclass(kind):
        return f"{kind.__qualname__}(", ")"
    if kind.__module__ == "collections" and issubclass(kind, dict | deque):
        inner = "[]" if kind is deque else "{}"
        return f"{kind.__name__}({inner[0]}", f"{inner[1]})"
    for base, brackets in ((dict, "{}"), (list, "[]"), (tuple, "()")):
        if kind.__repr__ is base.__repr__:
            return brackets[0], brackets[1]
    if kind in (set, frozenset) and cast("frozenset[object]", value):
        return ("{", "}") if kind is set else ("frozenset({", "})")
    return None


def _items(value: object) -> tuple[int, _Items]:
    """Give the number of items and each with what stands before it."""
    if isinstance(value, dict):
        return len(value), ((f"{_key(key)}: ", item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset | deque):
        return len(value), (("", item) for item in value)
    shown = [
        each.name for each in dataclasses.fields(cast("DataclassInstance", value)) if each.repr
    ]
    return len(shown), ((f"{name}=", getattr(value, name)) for name in shown)


def _key(key: object) -> str:
    text = repr(key)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _is_plain_dataclass(kind: type) -> bool:
    """Tell whether its text is the one `dataclass` wrote, so that ours says the same."""
    if not dataclasses.is_dataclass(kind):
        return False
    written = getattr(kind.__repr__, "__wrapped__", None)
    return getattr(getattr(written, "__code__", None), "co_filename", "") == "<string>"


if TYPE_CHECKING:
    from _typeshed import DataclassInstance
