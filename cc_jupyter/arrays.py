"""numpy arrays as text: shape, type, and values as numpy itself prints them."""

from __future__ import annotations

import sys
from math import prod
from typing import Any, cast

from cc_jupyter.core.text import library_of

VALUE_LIMIT = 1_000
"""The most values of an array; of a larger one the first and last along each axis are sent."""
_WIDTH = 100


def is_array(value: object) -> bool:
    """Tell whether it is a numpy array, or of a subclass, without importing numpy."""
    return any(
        kind.__name__ == "ndarray" and library_of(kind) == "numpy" for kind in type(value).__mro__
    )


def array_text(value: object, _limit: int) -> tuple[str, list[str]] | None:
    """Write an array, rounded as numpy prints it; `None`: it is none."""
    if not is_array(value):
        return None
    array = cast("Any", value)
    shape: tuple[int, ...] = array.shape
    edge = max(1, int(VALUE_LIMIT ** (1 / max(1, len(shape)))) // 2)
    options = cast("Any", sys.modules["numpy"]).printoptions
    with options(threshold=VALUE_LIMIT, edgeitems=edge, linewidth=_WIDTH):
        text = f"array, shape {shape}, dtype {array.dtype}\n{array}"
    if array.size <= VALUE_LIMIT:
        return text, []
    shown = prod(min(length, 2 * edge) for length in shape)
    return text, [f"{shown:,} of {array.size:,} values"]
