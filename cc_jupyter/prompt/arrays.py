"""Recognize arrays and the other sequences of numpy, pandas and pyarrow, and format arrays.

An array shows its shape, type and values as numpy prints them. A pandas index, categorical or
other array and an Arrow array abbreviate themselves, so `formatters` writes their items.
Libraries are recognized by class name, so none is imported here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, cast

from cc_jupyter.core.text import pluralize, top_level_module

if TYPE_CHECKING:
    from cc_jupyter.prompt.omissions import Omissions


VALUE_LIMIT = 1_000
"""Maximum number of values of an array; of a larger one, both ends of each axis are sent."""
WIDTH = 100
"""Maximum length of a line of values."""

_SEQUENCES = {
    ("pandas", "Index"),
    ("pandas", "ExtensionArray"),
    ("pyarrow", "Array"),
    ("pyarrow", "ChunkedArray"),
}


def is_array(value: object) -> bool:
    """Return whether a value is a numpy array or of a subclass, without importing numpy."""
    return any(
        kind.__name__ == "ndarray" and top_level_module(kind) == "numpy"
        for kind in type(value).__mro__
    )


def array_text(value: object, omissions: Omissions) -> str | None:
    """Format an array, rounded as numpy prints it; `None`: it is not one, or holds objects."""
    if not is_array(value) or is_object_array(value):
        return None
    array = cast("Any", value)
    shape: tuple[int, ...] = array.shape
    edge = max(1, int(VALUE_LIMIT ** (1 / max(1, len(shape)))) // 2)
    options = cast("Any", sys.modules["numpy"]).printoptions
    with options(threshold=VALUE_LIMIT, edgeitems=edge, linewidth=WIDTH):
        text = f"{array_header(array)}\n{array}"
    if array.size <= VALUE_LIMIT:
        return text
    shown = prod(min(length, 2 * edge) for length in shape)
    return f"{text}\n… [cut: {omissions.add(shown, array.size, 'values')}]"


def is_object_array(value: object) -> bool:
    """Return whether a value is an array of Python objects, whose items are written one by one."""
    return is_array(value) and cast("Any", value).dtype.kind == "O"


def array_header(array: Any) -> str:  # noqa: ANN401  numpy is not imported here
    """Return the shape and type of an array."""
    return f"array, shape {array.shape}, dtype {array.dtype}"


@dataclass(frozen=True, slots=True)
class LongSequence:
    """A sequence that abbreviates its own text."""

    header: str
    items: list[Any]
    """The first items."""
    length: int


def long_sequence(value: object, max_items: int) -> LongSequence | None:
    """Return the first items of an index or array of pandas or pyarrow; `None`: it is neither.

    A `RangeIndex` is written whole by its own `repr`, in a few characters.
    """
    kinds = {(top_level_module(kind), kind.__name__) for kind in type(value).__mro__}
    if not kinds & _SEQUENCES or ("pandas", "RangeIndex") in kinds:
        return None
    sequence = cast("Any", value)
    length = len(sequence)
    facts = [type(value).__name__, pluralize(length, "value")]
    if any(library == "pyarrow" for library, _ in kinds):
        items = sequence.slice(0, max_items).to_pylist()
        facts.append(f"type {sequence.type}")
    else:
        items = list(sequence[:max_items])
        facts.append(f"dtype {sequence.dtype}")
        name = getattr(sequence, "name", None)
        facts += [] if name is None else [f"name {name!r}"]
    return LongSequence(", ".join(facts), items, length)


def scalar_text(value: object) -> str | None:
    """Return the text of a number or string of numpy, without its class; `None`: it is neither."""
    if top_level_module(type(value)) != "numpy" or not hasattr(value, "dtype"):
        return None
    kind = getattr(cast("Any", value).dtype, "kind", "")
    if getattr(value, "shape", None) != () or is_array(value):
        return None
    if kind == "U":
        return repr(str(value))
    return str(value) if kind in "biufc" else None
