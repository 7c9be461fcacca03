"""Summarize variables by type and size: what a model needs to know about them, and no more.

Objects of other classes are never converted to text, which may be long, slow or private. Short
plain values are written out; the caller decides which ones to hide.
"""

from __future__ import annotations

import re
from inspect import isclass, isfunction
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from cc_jupyter.core.redaction import instance_dict
from cc_jupyter.core.text import pluralize, top_level_module
from cc_jupyter.prompt.arrays import is_array
from cc_jupyter.prompt.tables import frame_kind, shape_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping


VALUE_LIMIT = 80
"""Maximum number of characters of a value that is written out."""
SCHEMA_LIMIT = 30
"""Maximum number of columns of a data frame that are named."""
_NAME_LIMIT = 40
_SAMPLE_SIZE = 100
_KINDS_LIMIT = 4

_PLAIN = {"NoneType", "bool", "int", "float", "complex"}
_PLAIN_MODULES = {"datetime", "decimal", "fractions", "uuid", "pathlib", "pathlib._local"}
_SHAPED = {"numpy", "torch", "jax", "jaxlib", "tensorflow", "xarray", "scipy", "cupy"}
_USED = re.compile(r"(?<![\w.])[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_IPYTHON_NAMES = {"In", "Out", "get_ipython", "exit", "quit", "open", "display"}


def summarize(value: object, *, hidden: bool = False) -> str:
    """Return the type and size of a value, and a short plain value itself unless `hidden`."""
    name = _type_name(type(value))
    if hidden:
        return f"{name}, value hidden"
    for write in (_text, _plain, _frame, _container, _callable, _shaped):
        if (text := write(value)) is not None:
            return text
    return name


def used_variables(
    lines: Mapping[int, str], line: int, scopes: tuple[Mapping[str, object], ...]
) -> Iterator[tuple[str, object]]:
    """Yield the variables used in these lines, nearest to `line` first, each once.

    Attributes are included if they are stored in the object itself; nothing is computed. Modules
    and IPython's own names are left out.

    Parameters
    ----------
    lines
        Lines of source by number.
    line
        The number of the line that failed.
    scopes
        The namespaces to search, innermost first.
    """
    seen: set[str] = set()
    for number in sorted(lines, key=lambda each: abs(each - line)):
        for found in _USED.finditer(lines[number]):
            for path, value in _resolved(found[0].split("."), scopes):
                if path not in seen and is_of_user(path, value):
                    seen.add(path)
                    yield path, value


def is_of_user(name: str, value: object) -> bool:
    """Return whether a variable is the user's: not a module, not hidden, not IPython's."""
    return not (
        isinstance(value, ModuleType) or name.startswith(("_", ".")) or name in _IPYTHON_NAMES
    )


def _resolved(
    path: list[str], scopes: tuple[Mapping[str, object], ...]
) -> Iterator[tuple[str, object]]:
    scope = next((scope for scope in scopes if path[0] in scope), None)
    if scope is None:
        return
    value = scope[path[0]]
    yield path[0], value
    for count, attribute in enumerate(path[1:], start=2):
        attributes = instance_dict(value)
        if attribute not in attributes:
            return
        value = attributes[attribute]
        yield ".".join(path[:count]), value


def _text(value: object) -> str | None:
    kind = type(value)
    if kind not in (str, bytes, bytearray):
        return None
    text = cast("str | bytes", value)
    if kind is str and len(text) < VALUE_LIMIT and len(repr(text)) <= VALUE_LIMIT:
        return f"str {text!r}"
    return f"{kind.__name__} of {pluralize(len(text), 'character' if kind is str else 'byte')}"


def _plain(value: object) -> str | None:
    kind = type(value)
    known = kind.__module__ == "builtins" and kind.__name__ in _PLAIN
    if not known and kind.__module__ not in _PLAIN_MODULES:
        return None
    try:
        text = repr(value)
    except ValueError:  # an int of thousands of digits
        text = ""
    if not 0 < len(text) <= VALUE_LIMIT:
        return kind.__name__
    return f"{kind.__name__} {text}" if known and value is not None else text


def _frame(value: object) -> str | None:
    known = frame_kind(value)
    if known is None:
        return None
    frame, name = cast("Any", value), ".".join(known)
    if known[1] == "Series":
        return f"{name} of {pluralize(len(frame), 'value')}, dtype {frame.dtype}"
    names, types = (
        (frame.column_names, frame.schema.types)
        if known[0] == "pyarrow"
        else (frame.columns, frame.dtypes)
    )
    columns = [
        f"{column[:_NAME_LIMIT]}: {dtype}"
        for column, dtype in zip(names, types, strict=False)
        if isinstance(column, str)
    ]
    more = [f"… {len(columns) - SCHEMA_LIMIT:,} more"] if len(columns) > SCHEMA_LIMIT else []
    schema = f" ({', '.join([*columns[:SCHEMA_LIMIT], *more])})" if columns else ""
    return f"{name}, {shape_text(*frame.shape)}{schema}"


def _container(value: object) -> str | None:
    kind = type(value)
    if kind not in (list, tuple, set, frozenset, dict):
        return None
    items = cast("Collection[object]", value)
    kinds = _kinds(items)
    if isinstance(items, dict) and items:
        kinds = f"{kinds}: {_kinds(items.values())}"
    return f"{kind.__name__} of {pluralize(len(items), 'item')}" + (f" ({kinds})" if items else "")


def _kinds(values: Iterable[object]) -> str:
    kinds = list(dict.fromkeys(_type_name(type(value)) for value in islice(values, _SAMPLE_SIZE)))
    return ", ".join([*kinds[:_KINDS_LIMIT], *(["…"] if len(kinds) > _KINDS_LIMIT else [])])


def _callable(value: object) -> str | None:
    if isfunction(value):
        code = value.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return f"function({', '.join(names)})"
    return f"class {value.__qualname__}" if isclass(value) else None


def _shaped(value: object) -> str | None:
    """Return the shape of a kind of array whose shape is cheap to read."""
    kind = type(value)
    if not (is_array(value) or top_level_module(kind) in _SHAPED):
        return None
    array = cast("Any", value)
    shape = getattr(array, "shape", None)
    if not isinstance(shape, tuple):
        return None
    if not shape and top_level_module(kind) == "numpy" and not is_array(value):
        return f"{_type_name(kind)} {array!s:.{VALUE_LIMIT}}"
    return f"{_type_name(kind)}, shape {tuple(shape)}, dtype {getattr(array, 'dtype', '?')}"


def _type_name(kind: type) -> str:
    if kind.__module__ in {"builtins", "__main__"}:
        return kind.__qualname__
    return f"{top_level_module(kind)}.{kind.__qualname__}"
