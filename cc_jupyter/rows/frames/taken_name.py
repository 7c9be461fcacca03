"""The error for a frame or series whose `.cmd` is already a column or a label."""

from __future__ import annotations

from cc_jupyter.core.errors import OptionError


class TakenNameError(OptionError, AttributeError):
    """The error of pandas objects: being an `AttributeError`, it disturbs no inspection of them."""


def taken_error(data: object, *, is_pandas: bool) -> OptionError:
    """Return the error, which names what to use; Dask reads the column at an `AttributeError`."""
    what, name = ("column", "frame") if hasattr(data, "columns") else ("label", "series")
    kind = TakenNameError if is_pandas else OptionError
    return kind(
        f"this {name} has a {what} `cmd`, so `.cmd` could mean either",
        hint=f'use cc_jupyter.map_rows({name}, "…"), and {name}["cmd"] for the {what}',
    )
