"""Recognize containers whose own text is nothing but their items, and read these items.

A class that defines its own text is left alone. A subclass of a builtin is read through the builtin
itself, since a subclass may redefine its length or iterate forever.
"""

from __future__ import annotations

import collections
import dataclasses
from collections import UserDict, UserList, deque
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from cc_jupyter.core.record import Record
from cc_jupyter.core.redaction import instance_dict
from cc_jupyter.core.text import top_level_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


Items: TypeAlias = "Iterator[tuple[str, str, object]]"

_MAX_KEY_CHARS = 100
_NAMEDTUPLE_FILE = collections.namedtuple.__code__.co_filename  # noqa: PYI024  makes them
_BRACKETS: dict[type, tuple[str, str]] = {
    type({}.keys()): ("dict_keys([", "])"),
    type({}.values()): ("dict_values([", "])"),
    type({}.items()): ("dict_items([", "])"),
    SimpleNamespace: ("namespace(", ")"),
    MappingProxyType: ("mappingproxy({", "})"),
}
_BASES: tuple[tuple[type, str], ...] = (
    *((dict, "{}"), (list, "[]"), (tuple, "()")),
    *((UserDict, "{}"), (UserList, "[]")),
)


def brackets_of(value: object) -> tuple[str, str] | None:
    """Return the brackets around the items; `None`: the value is not expanded."""
    kind = type(value)
    if kind in _BRACKETS:
        return _BRACKETS[kind]
    if _field_names(value) is not None:
        return f"{kind.__qualname__}(", ")"
    return _builtin_brackets(kind, value) if kind.__str__ is object.__str__ else None


def _builtin_brackets(kind: type, value: object) -> tuple[str, str] | None:
    """Return the brackets of a builtin container, or of a class that prints as one."""
    if kind.__module__ == "collections" and issubclass(kind, dict | deque):
        inner = "[]" if kind is deque else "{}"
        return f"{kind.__name__}({inner[0]}", f"{inner[1]})"
    if kind in (set, frozenset) and cast("frozenset[object]", value):
        return ("{", "}") if kind is set else ("frozenset({", "})")
    abbreviates = top_level_module(kind) == "pandas"  # such as df.groupby(…).groups
    for base, brackets in _BASES:
        if kind.__repr__ is cast("Any", base).__repr__ or (abbreviates and issubclass(kind, base)):
            return brackets[0], brackets[1]
    return None


def items_of(value: object) -> tuple[int, Items]:
    """Return the number of items, and each item with its label and its place in an expression."""
    if isinstance(value, UserDict | UserList):
        value = value.data
    if isinstance(value, MappingProxyType):
        value = dict(value)
    if (names := _field_names(value)) is not None:
        return len(names), ((f"{name}=", f".{name}", getattr(value, name)) for name in names)
    if isinstance(value, SimpleNamespace):
        attributes = instance_dict(value)
        return len(attributes), (
            (f"{name}=", f".{name}", item) for name, item in attributes.items()
        )
    if isinstance(value, dict):
        return dict.__len__(value), (
            (f"{(text := _key(key))}: ", f"[{text}]", item) for key, item in dict.items(value)
        )
    for base in (list, tuple, set, frozenset, deque):
        if isinstance(value, base):
            kind = cast("Any", base)
            return kind.__len__(value), _numbered(kind.__iter__(value))
    view = cast("Any", value)
    return len(view), _numbered(iter(view))


def _numbered(items: Iterable[object]) -> Items:
    return (("", f"[{at}]", item) for at, item in enumerate(items))


def _key(key: object) -> str:
    text = repr(key)
    return text if len(text) <= _MAX_KEY_CHARS else f"{text[:_MAX_KEY_CHARS]}…"


def _field_names(value: object) -> list[str] | None:
    """Return the fields of a class whose generated text shows them; `None`: it has none."""
    kind = type(value)
    if kind.__str__ is object.__str__:
        return _generated_fields(kind)
    for base in kind.__mro__:
        if base.__module__ == "pydantic.main" and base.__name__ == "BaseModel":
            is_generated = all(
                getattr(kind, name) is getattr(base, name) for name in ("__str__", "__repr__")
            )
            shown = cast("Any", value).__repr_args__() if is_generated else ()
            return [name for name, _ in shown if name is not None] if is_generated else None
    return None


def _generated_fields(kind: Any) -> list[str] | None:  # noqa: ANN401  a class
    """Return the fields that a `repr` shows which was generated for the class."""
    method: Any = getattr(kind.__repr__, "__wrapped__", kind.__repr__)
    file = str(getattr(getattr(method, "__code__", None), "co_filename", ""))
    is_record = issubclass(kind, Record) and method is Record.__repr__
    if is_record or (dataclasses.is_dataclass(kind) and file == "<string>"):
        return [each.name for each in dataclasses.fields(kind) if each.repr]
    if issubclass(kind, tuple) and file == _NAMEDTUPLE_FILE:
        return list(kind._fields)
    if file.startswith("<attrs generated"):
        return [each.name for each in kind.__attrs_attrs__ if each.repr]
    return None
