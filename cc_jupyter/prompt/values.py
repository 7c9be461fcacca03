"""Formats the value of a `{{ expression }}` as text, or as an image sent with the text.

Each kind of value has a formatter; this module selects one and limits how much is sent.
Libraries are recognized by class name, so none is imported. A value that is too long is cut, and
both the text and a notice to the user say so. `template` evaluates the expressions.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.text import describe, excerpt, quote_expression
from cc_jupyter.prompt.formatters import array_text, structure_text, table_text
from cc_jupyter.prompt.images import image_file, image_in, media_type_of
from cc_jupyter.prompt.source_code import source_text
from cc_jupyter.prompt.tracebacks import error_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cc_jupyter.core.messages import Image


STR_LIMIT = 400_000
"""The most characters of a `str`: text that was made to be sent."""
FILE_LIMIT = 100_000
"""The most characters of a file that a `Path` names."""
OTHER_LIMIT = 20_000
"""The most characters of any other value, whose text is generated."""

_WRITERS: tuple[Callable[[object, int], tuple[str, list[str]] | None], ...] = (
    table_text,
    array_text,
    error_text,
    source_text,
    structure_text,
)
"""Each gives the text and what it left out, or `None` for a value that is not its own."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value as text."""

    text: str
    """For an image, the marker that shows its place in the text."""
    notice: str | None = None
    """What to tell the user: that, and how much, was cut; `None` when all is there."""
    image: Image | None = None
    """The image sent with the text."""


def to_text(value: object, expression: str) -> Rendered:
    """Write `value`, which `expression` gave, as text.

    Raises
    ------
    OptionError
        The value cannot be written; the error names the expression.
    ConfigError
        It is an image that must be converted, and Pillow is missing.
    """
    if type(value) is str:
        return _limited(value, STR_LIMIT, [], expression)
    try:
        return _written(value, expression)
    except CcError:
        raise
    except Exception as error:
        raise OptionError(
            f"the value of {quote_expression(expression)}, a {type(value).__name__}, cannot be"
            f" written as text: {describe(error)}",
            hint="nothing was sent; make a str of it inside the braces",
        ) from error


def _written(value: object, expression: str) -> Rendered:
    if (image := image_in(value, expression)) is not None:
        return Rendered(image.marker, image=image)
    if isinstance(value, Path):
        return _file(value, expression)
    for write in _WRITERS:
        if (written := write(value, OTHER_LIMIT)) is not None:
            return _limited(written[0], OTHER_LIMIT, written[1], expression)
    # a subclass of str may lie about its length and slices: take the characters
    text = str.__str__(str(value))
    return _limited(text, STR_LIMIT if isinstance(value, str) else OTHER_LIMIT, [], expression)


def _limited(text: str, limit: int, cuts: list[str], expression: str) -> Rendered:
    if len(text) > limit:
        cuts = [*cuts, f"{limit:,} of {len(text):,} characters"]
        text = text[:limit]
    if not cuts:
        return Rendered(text)
    cut = ", ".join(cuts)
    return Rendered(
        f"{text}\n… [cut: {cut}]", f"{quote_expression(expression)} was cut: {cut} sent"
    )


def _file(path: Path, expression: str) -> Rendered:
    """Return the text of the file, or the image in it; of a large one only the start is read."""
    try:
        path = path.expanduser()
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4 * FILE_LIMIT + 4)  # no character has more bytes in UTF-8
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, expression, describe(error)) from error
    if media_type_of(start) is not None:
        image = image_file(path, expression)
        return Rendered(image.marker, image=image)
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        text = decoder.decode(start, final=len(start) >= size_bytes)
    except UnicodeDecodeError as error:
        raise _unreadable(path, expression, "it is not text in UTF-8") from error
    if "\0" in text:
        raise _unreadable(path, expression, "it is not text")
    if len(text) <= FILE_LIMIT and len(start) >= size_bytes:
        return Rendered(text)
    cut = f"the first {FILE_LIMIT:,} characters of {size_bytes:,} bytes"
    return _limited(text[:FILE_LIMIT], FILE_LIMIT, [cut], expression)


def _unreadable(path: Path, expression: str, why: str) -> OptionError:
    return OptionError(
        f"the file `{excerpt(str(path))}` of {quote_expression(expression)} cannot be sent: {why}",
        hint="a Path stands for what is in its file; str(path) sends the name alone",
    )
