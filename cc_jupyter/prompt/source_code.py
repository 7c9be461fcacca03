"""Find the source of functions and classes, whether they were written in a file or in a cell.

`inspect` finds no file for a class defined in a notebook (ipython/ipython#11249), so it is searched
for in the executed cells, whose lines are in `linecache`. `inspect` does not find classes whose
`__module__` names another module either, such as those of pandas.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from cc_jupyter.prompt.tracebacks import is_cell, is_user_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def source_text(value: object) -> str | None:
    """Return the source of a function, method or class, else its signature and documentation.

    `None`: the value is none of these.
    """
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return None
    if inspect.isclass(value) and value.__module__ == "__main__":
        # `inspect` comes last: it may find another class of the same name
        source = _class_source(value) or _by_inspect(value)
    else:
        source = _by_inspect(value) or (_class_source(value) if inspect.isclass(value) else None)
    return _outline(value) if source is None else textwrap.dedent(source).rstrip("\n")


def nested_source_text(value: object) -> str | None:
    """Return the source of a function or class inside another value, if the user wrote it.

    Of other functions only the signature is returned, of other classes nothing: a table of column
    types has no use for the documentation of `float`.
    """
    if inspect.isclass(value):
        return source_text(value) if value.__module__ == "__main__" else None
    if not inspect.isroutine(value):
        return None
    code = getattr(inspect.unwrap(cast("Any", value)), "__code__", None)
    if code is not None and is_user_file(code.co_filename):
        return source_text(value)
    return _head(value)


def _by_inspect(value: object) -> str | None:
    try:
        return inspect.getsource(cast("Any", value))
    except (OSError, TypeError):  # built in, written in C, or created by exec
        return None


def _outline(value: object) -> str:
    lines = [f"{_head(value)}  # its source is not available"]
    if doc := inspect.getdoc(value):
        lines += ["", doc]
    return "\n".join(lines)


def _head(value: object) -> str:
    try:
        signature = str(inspect.signature(cast("Any", value)))
    except (ValueError, TypeError):
        signature = "(...)"
    kind = "class" if inspect.isclass(value) else "def"
    return f"{kind} {getattr(value, '__qualname__', type(value).__name__)}{signature}: ..."


def _class_source(kind: type) -> str | None:
    """Find a class in the file or cell that defines its methods, else by name in the cells."""
    methods = {
        code.co_filename: code.co_firstlineno
        for code in _codes(kind)
        if code.co_qualname.startswith(f"{kind.__qualname__}.")
    }
    cells = filter(is_cell, reversed(list(linecache.cache)))  # newest first
    for filename in chain(methods, cells if kind.__module__ == "__main__" else ()):
        lines = linecache.getlines(filename)
        if (found := _class_lines("".join(lines), kind, methods.get(filename))) is not None:
            return "".join(lines[found])
    return None


def _codes(kind: type) -> Iterator[Any]:
    for member in vars(kind).values():
        for name in ("__func__", "fget", "func"):  # class and static methods, properties
            member = getattr(member, name, None) or member  # noqa: PLW2901
        code = getattr(inspect.unwrap(member) if callable(member) else member, "__code__", None)
        if code is not None:
            yield code


def _class_lines(source: str, kind: type, inside: int | None) -> slice | None:
    """Return the lines of a class with its decorators; `inside`: a line known to be part of it."""
    if f"class {kind.__name__}" not in source:
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    first_known: int | None = getattr(kind, "__firstlineno__", None)  # since Python 3.13
    found = None
    for node in _named(tree, kind.__qualname__.split(".")):
        start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        end = node.end_lineno or node.lineno
        if first_known not in {None, start, node.lineno}:
            continue
        if inside is None or start <= inside <= end:
            found = slice(start - 1, end)  # the last definition in a cell is the valid one
    return found


def _named(tree: ast.AST, path: list[str]) -> Iterator[ast.ClassDef]:
    """Yield the classes with this qualified name, at any depth."""
    for node in ast.iter_child_nodes(tree):
        named = getattr(node, "name", None) == path[0] if path else False
        if named and len(path) == 1 and isinstance(node, ast.ClassDef):
            yield node
        elif named and isinstance(node, ast.ClassDef):
            yield from _named(node, path[1:])
        elif named and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _named(node, path[2:])  # the part after `<locals>`
        elif not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _named(node, path)
