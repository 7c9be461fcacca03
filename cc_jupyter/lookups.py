"""Looks up what stood in a prompt again, without running any code of the user's.

Only plain expressions can be told: a name, its attributes, items by a constant. What an object
stores in itself and what a plain container holds is looked up; a property, a method, a class's own
way to find its members is never asked.
"""

from __future__ import annotations

import ast
import hashlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from cc_jupyter.core.redaction import held_by

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Missing:
    """Why there is no value."""


GONE: Final = _Missing()
"""The name, or the item, is no longer there."""
UNTOLD: Final = _Missing()
"""Only code of the user's could tell."""

_OF_IPYTHON = {"In", "Out"}
_LONGEST = 1_000
_CONTAINERS = (dict, list, tuple)
_USUAL_WAYS = (object.__getattribute__, SimpleNamespace.__getattribute__)


def digest_of(text: str) -> str:
    """Give what is remembered of a text that was put into a prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain_name(expression: str) -> str | None:
    """Give the name that a plain expression begins with; `None`: it is no plain one.

    Names of IPython's own, which change with each cell, count as none.
    """
    node = _parsed(expression)
    while not isinstance(node, ast.Name):
        if not isinstance(node, ast.Attribute) and not (
            isinstance(node, ast.Subscript) and _constant(node.slice) is not UNTOLD
        ):
            return None
        node = node.value
    name = node.id
    return None if name.startswith("_") or name in _OF_IPYTHON else name


def look_up(expression: str, user_ns: Mapping[str, object]) -> object:
    """Give the value that a plain expression names now, `GONE` or `UNTOLD`."""
    return _value(_parsed(expression), user_ns)


def _value(node: ast.expr | None, user_ns: Mapping[str, object]) -> object:
    match node:
        case ast.Name(id=name):
            return user_ns.get(name, GONE)
        case ast.Attribute(value=inner, attr=name):
            return _attribute(_value(inner, user_ns), name)
        case ast.Subscript(value=inner, slice=at):
            return _item(_value(inner, user_ns), _constant(at))
        case _:
            return UNTOLD


def _attribute(value: object, name: str) -> object:
    """Give what an object stores in itself, where its class has no say in it."""
    if isinstance(value, _Missing):
        return value
    kind = type(value)
    says = any(name in vars(each) for each in kind.__mro__)
    if says or kind.__getattribute__ not in _USUAL_WAYS:
        return UNTOLD
    return held_by(value).get(name, UNTOLD)


def _item(value: object, at: object) -> object:
    if isinstance(value, _Missing):
        return value
    if type(value) not in _CONTAINERS or isinstance(at, _Missing):
        return UNTOLD
    try:
        return value[at]  # type: ignore[index]  # one of three kinds, which take what they take
    except (LookupError, TypeError):
        return GONE


def _constant(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
        case _:
            return UNTOLD


def _parsed(expression: str) -> ast.expr | None:
    if len(expression) > _LONGEST:  # nobody writes a plain one so long
        return None
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
