"""Parse the TYPE of `-> NAME: TYPE`: a Python expression in the user's namespace.

`output_types` decides whether JSON can represent the type.
"""

from __future__ import annotations

import ast
import collections.abc
import enum
import functools
import operator
import sys
import types
import typing
import warnings
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.text import describe, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_TYPING = {
    name: getattr(typing, name)
    for name in (
        *("Annotated", "Any", "Dict", "Iterable", "Iterator", "List", "Literal", "Mapping"),
        *("Optional", "Sequence", "Set", "Tuple", "Union"),
    )
}
_LISTS = {
    *(collections.abc.Iterable, collections.abc.Iterator, collections.abc.Generator),
    *(collections.abc.Collection, collections.abc.Container, collections.abc.Reversible),
}
"""Types of a stream of items, which an answer is not: they are read into a list at once. Of some of
them pydantic would check an item only when it is used, others it refuses."""
_BUILTIN = ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple")
_JSON_WORDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}
_EXAMPLE = "for example -> x: list[str]"


def parse_type(
    source: str, user_ns: Mapping[str, object], local_ns: Mapping[str, object]
) -> object:
    """Parse the type after `-> NAME:`; `local_ns` is looked up first.

    Names of `typing` need no import, and names in quotes are looked up too.

    Raises
    ------
    OptionError
        A name is unknown, the expression failed, or its value is not a type.
    """
    if not source.strip():
        raise OptionError("there is no type after the `:`", hint=_EXAMPLE)
    names = {**_TYPING, **user_ns, **local_ns}
    try:
        return _evaluated(source.strip(), names)
    except OptionError:
        raise
    except SyntaxError as error:
        raise OptionError(
            f"the type `{excerpt(source)}` is not a Python expression: {excerpt(error.msg)}",
            hint=f"{_EXAMPLE}; options go before the `->`",
        ) from error
    except RecursionError as error:
        raise OptionError(
            f"the type `{excerpt(source)}` refers to itself",
            hint="use TypedDict from typing_extensions, or a dataclass",
        ) from error
    except NameError as error:
        raise _unknown(source.strip(), error.name or "", names) from error
    except Exception as error:  # the user's code may raise anything
        raise OptionError(
            f"the type `{excerpt(source)}` failed: {describe(error)}",
            hint="nothing was sent; try it in a separate cell",
        ) from error


def _evaluated(source: str, names: Mapping[str, object]) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes
        tree = ast.parse(source, "<type>", "eval")
        code = compile(source, "<type>", "eval", dont_inherit=True)
    if _uses_or(tree.body):
        raise OptionError(
            f"the type `{excerpt(source)}` uses `or`, which selects only one of the types",
            hint="write int | str to allow both",
        )
    kind = _with_names(eval(code, dict(names)), names)  # noqa: S307  the user's own code
    if not _is_type(kind):
        raise _no_type(source, kind, names)
    return _for_pydantic(kind, names)


def _uses_or(node: ast.AST) -> bool:
    """Return whether `or` joins types: Python would evaluate it to only one of them."""
    match node:
        case ast.BoolOp():
            return True
        case ast.Subscript(slice=inside):
            return _uses_or(inside)
        case ast.BinOp(left, _, right):
            return _uses_or(left) or _uses_or(right)
        case ast.Tuple(parts) | ast.List(parts):
            return any(map(_uses_or, parts))
        case _:
            return False


def _with_names(kind: object, names: Mapping[str, object]) -> object:
    """Look up the names in quotes, as in `list["Person"]`."""
    if kind is None:
        return None

    def holder() -> None: ...

    holder.__annotations__ = {"kind": kind}
    found: object = typing.get_type_hints(holder, dict(names), include_extras=True)["kind"]
    return found


def _is_type(kind: object) -> bool:
    return (
        isinstance(kind, (type, types.UnionType))
        or kind is Any
        or typing.get_origin(kind) is not None
        or isinstance(kind, typing.NewType)
        or type(kind).__name__ == "TypeAliasType"
    )


def _for_pydantic(kind: Any, names: Mapping[str, object]) -> Any:  # noqa: ANN401  any type
    """Replace the parts of a type that pydantic refuses; most types are returned unchanged.

    On Python 3.11 it refuses the `TypedDict` of `typing`, and everywhere an `Iterator`.
    """
    if typing.is_typeddict(kind) and type(kind).__module__ == "typing":
        return kind if sys.version_info >= (3, 12) else _extended(kind, names)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if any((origin or kind) is each for each in _LISTS):
        return list[_for_pydantic(arguments[0], names)] if arguments else list  # type: ignore[misc]
    if origin is typing.Literal:
        _check_literal(arguments)
    if origin is None or origin is typing.Literal:
        return kind
    if origin is typing.Annotated:
        return typing.Annotated[_for_pydantic(arguments[0], names), *arguments[1:]]
    rebuilt = tuple(_for_pydantic(argument, names) for argument in arguments)
    if rebuilt == arguments:
        return kind
    is_union = origin in (typing.Union, types.UnionType)
    return functools.reduce(operator.or_, rebuilt) if is_union else origin[rebuilt]


def _extended(kind: Any, names: Mapping[str, object]) -> Any:  # noqa: ANN401
    """Return the same `TypedDict`, made by the constructor that pydantic accepts."""
    try:
        import typing_extensions  # noqa: PLC0415  comes with pydantic
    except ImportError:
        return kind
    members = {}
    hints = typing.get_type_hints(kind, localns=dict(names), include_extras=True)
    for name, hint in hints.items():
        mark, inner = typing.get_origin(hint), hint
        if mark in (typing.Required, typing.NotRequired):
            inner = typing.get_args(hint)[0]
        else:
            mark = typing.Required if name in kind.__required_keys__ else typing.NotRequired
        members[name] = mark[_for_pydantic(inner, names)]
    make: Any = typing_extensions.TypedDict
    extended = make(kind.__name__, members)
    extended.__doc__, extended.__module__ = kind.__doc__, kind.__module__
    return extended


def _check_literal(choices: Iterable[object]) -> None:
    """Refuse a choice that JSON cannot represent: an Enum member that is not its own value."""
    for choice in choices:
        if isinstance(choice, enum.Enum) and choice != choice.value:
            raise OptionError(
                f"JSON cannot represent {choice} in Literal",
                hint=f"use Literal[{choice.value!r}], or the whole type {type(choice).__name__}",
            )


def _unknown(source: str, name: str, names: Mapping[str, object]) -> OptionError:
    known = [*_BUILTIN, *_TYPING]
    known += [each for each, value in names.items() if isinstance(value, type)]
    hint = did_you_mean(name, known) or "run the cell that defines or imports it first"
    if name in _JSON_WORDS:
        hint = f"did you mean {_JSON_WORDS[name]}?"
    shown = f"the type `{excerpt(name)}`"
    if name != source:
        shown = f"the name `{excerpt(name)}` in the type `{excerpt(source)}`"
    return OptionError(f"{shown} is unknown", hint=hint)


def _no_type(source: str, value: object, names: Mapping[str, object]) -> OptionError:
    shown = excerpt(source)
    kind = type(value).__name__
    hint = f"for a value of its type, write -> x: {kind}" if kind in names else _EXAMPLE
    match value:
        case None:
            hint = "leave out the type to store the text of the answer"
        case list() | tuple() | dict():
            hint = f"for a {kind}, write -> x: {kind}[…]"
        case types.ModuleType():
            twin = source.rpartition(".")[2]  # datetime.datetime
            hint = f"did you mean {shown}.{twin}?" if hasattr(value, twin) else _EXAMPLE
        case _:
            pass
    what = "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return OptionError(f"`{shown}` is {what}, not a type", hint=hint)
