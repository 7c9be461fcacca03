"""Explain why a check is false: the values of the names, attributes and lengths in it.

Nothing of the user's runs a second time. A value is read again only where reading cannot run code
of the user's: names, instance attributes, items of plain containers, `len()` of built-in types, and
comparisons of plain values. Only the `repr` of a value is called, and what it raises is ignored.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import operator
from reprlib import Repr
from types import BuiltinFunctionType, ModuleType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any, Final

from cc_jupyter.core.events import Usage
from cc_jupyter.core.money import Cost
from cc_jupyter.core.redaction import MASK, is_secret, masked
from cc_jupyter.core.reply import Reply
from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.template import MISSING, UNKNOWN, look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

_MAX_VALUES = 5
_MAX_VALUE_CHARS = 60
_MAX_REPR_CHARS = 10_000
"""Characters of a text or a `repr` that are searched for secrets."""
_MAX_DEPTH = 50
_PLAIN = (str, bytes, int, float, bool, type(None))
_OWN = (Reply, Usage, Cost)
"""Our own values: their fields can be read, and are shown in place of the whole."""
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], object]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: operator.contains(right, left),
    ast.NotIn: lambda left, right: not operator.contains(right, left),
}


def explain(
    source: str, tree: ast.expr, namespace: Mapping[str, object], secrets: Collection[str] = ()
) -> str:
    """Return the values in a false expression: `len(answer) = 312, limit = 100`.

    Of clauses joined by `and`, only one that is known to be false is explained. Values look as in
    Python, each is cut at 60 characters, and at most five are named. Empty: there is none to show.
    """
    namer = _Values(tree, namespace, secrets)
    tree = namer.false_clause(tree)
    shown: dict[str, str] = {}
    for node in namer.parts(tree):
        name = excerpt(ast.get_source_segment(source, node) or "", _MAX_VALUE_CHARS)
        if name and name not in shown:
            shown[name] = namer.shown(node)
        if len(shown) == _MAX_VALUES:
            break
    return ", ".join(f"{name} = {value}" for name, value in shown.items())


class _Values:
    """The values of parts of one expression."""

    def __init__(
        self, tree: ast.expr, namespace: Mapping[str, object], secrets: Collection[str]
    ) -> None:
        self._namespace = namespace
        self._secrets = secrets
        self._bound = _bound_names(tree)
        """Names that the expression itself defines, whose values are gone."""

    def false_clause(self, tree: ast.expr) -> ast.expr:
        """Return the first clause of an `and` that is known to be false, else the whole."""
        if not isinstance(tree, ast.BoolOp) or not isinstance(tree.op, ast.And):
            return tree
        return next((each for each in tree.values if self._value(each) is False), tree)

    def parts(self, tree: ast.expr) -> Iterator[ast.expr]:
        """Yield the parts of an expression whose values say something, in its order."""
        yield from self._parts(tree, 0)

    def _parts(self, node: ast.AST, depth: int) -> Iterator[ast.expr]:
        if depth > _MAX_DEPTH:
            return
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            value = self._value(node)
            if value is not UNKNOWN and value is not MISSING:
                if not callable(value) and not isinstance(value, (ModuleType, *_OWN)):
                    yield node
                return
        for child in ast.iter_child_nodes(node):
            yield from self._parts(child, depth + 1)

    def shown(self, node: ast.expr) -> str:
        """Return a part's value on one short line, without secrets."""
        names = []
        for each in ast.walk(node):
            match each:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                    names.append(name)
                case _:
                    pass
        value = self._value(node)
        is_length = isinstance(node, ast.Call)
        if not is_length and any(is_secret(name, value) for name in names):
            return MASK
        return short_repr(value, self._secrets)

    def _value(self, node: ast.expr) -> object:
        """Return the value of a part without running the user's code; `UNKNOWN`: not so."""
        value: object = UNKNOWN
        match node:
            case ast.Constant(value=constant):
                value = constant
            case ast.Call(func=ast.Name(id="len"), args=[inner], keywords=[]):
                value = self._length(inner)
            case ast.Compare():
                value = self._comparison(node)
            case ast.Attribute(value=inner, attr=name) if type(self._value(inner)) in _OWN:
                owner = self._value(inner)
                value = getattr(owner, name) if name in _fields(type(owner)) else UNKNOWN
            case ast.Name() | ast.Attribute() | ast.Subscript() if not self._defines(node):
                value = look_up(ast.unparse(node), self._namespace)
            case _:
                pass
        return value

    def _defines(self, node: ast.expr) -> bool:
        """Return whether a part depends on a name that the expression itself defines."""
        return any(isinstance(each, ast.Name) and each.id in self._bound for each in ast.walk(node))

    def _length(self, node: ast.expr) -> object:
        if self._namespace.get("len", builtins.len) is not builtins.len:
            return UNKNOWN
        value = self._value(node)
        length = getattr(type(value), "__len__", None)
        if not isinstance(length, WrapperDescriptorType | BuiltinFunctionType):
            return UNKNOWN  # missing, or written in Python
        return len(value)  # type: ignore[arg-type]  # it has the method

    def _comparison(self, node: ast.Compare) -> object:
        operands = [self._value(each) for each in (node.left, *node.comparators)]
        if not all(type(each) in _PLAIN for each in operands):
            return UNKNOWN
        try:
            return all(
                _COMPARISONS[type(sign)](left, right)
                for sign, left, right in zip(node.ops, operands, operands[1:], strict=False)
            )
        except TypeError:
            return UNKNOWN


def short_repr(value: object, secrets: Collection[str] = ()) -> str:
    """Return a value as Python writes it, on one line of at most 60 characters, without secrets."""
    try:
        shown = _ShortRepr(secrets).repr(value)
    except Exception:  # noqa: BLE001  the user's `__repr__` may raise anything
        shown = f"<{type(value).__name__}>"
    return excerpt(masked(shown, secrets), _MAX_VALUE_CHARS)


class _ShortRepr(Repr):
    """Cuts long values in the middle; secrets are removed first, so none is cut into a piece."""

    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__()
        self.maxstring = self.maxother = _MAX_VALUE_CHARS - 2
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 4
        self._secrets = secrets

    def repr_str(self, value: str, level: int) -> str:
        """Return the `repr` of a text."""
        return super().repr_str(masked(value[:_MAX_REPR_CHARS], self._secrets), level)

    def repr_instance(self, value: object, level: int) -> str:  # noqa: ARG002  Repr's own signature
        """Return the `repr` of any other value."""
        shown = masked(builtins.repr(value)[:_MAX_REPR_CHARS], self._secrets)
        if len(shown) <= self.maxother:
            return shown
        half = (self.maxother - 3) // 2
        return f"{shown[:half]}...{shown[-half:]}"


def _fields(kind: Any) -> Collection[str]:  # noqa: ANN401  a dataclass
    return {each.name for each in dataclasses.fields(kind)}


def _bound_names(tree: ast.expr) -> set[str]:
    stored = {
        each.id
        for each in ast.walk(tree)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    return stored | {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
