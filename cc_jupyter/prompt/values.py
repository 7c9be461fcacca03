"""Format the value of a `{{ expression }}` as text, or as an image sent with the text.

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
"""Maximum number of characters of a `str`, which is sent on purpose."""
FILE_LIMIT = 100_000
"""Maximum number of characters of a file that a `Path` names."""
OTHER_LIMIT = 20_000
"""Maximum number of characters of any other value, whose text is generated."""

_FORMATTERS: tuple[Callable[[object, int], tuple[str, list[str]] | None], ...] = (
    table_text,
    array_text,
    error_text,
    source_text,
    structure_text,
)
"""Each returns the text and what it left out, or `None` for a value of another kind."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value as text."""

    text: str
    """For an image, the marker that shows its place in the text."""
    notice: str | None = None
    """The notice to the user of how much was cut; `None`: nothing was."""
    image: Image | None = None
    """The image sent with the text."""


def to_text(value: object, expression: str) -> Rendered:
    """Format `value`, the result of `expression`, as text.

    Raises
    ------
    OptionError
        The value cannot be formatted; the error names the expression.
    ConfigError
        The value is an image that must be converted, and Pillow is not installed.
    """
    if type(value) is str:
        return _limited(value, STR_LIMIT, [], expression)
    try:
        return _formatted(value, expression)
    except CcError:
        raise
    except Exception as error:
        raise OptionError(
            f"the value of {quote_expression(expression)}, a {type(value).__name__}, cannot be"
            f" converted to text: {describe(error)}",
            hint="nothing was sent; convert it to a str inside the braces",
        ) from error


def _formatted(value: object, expression: str) -> Rendered:
    if (image := image_in(value, expression)) is not None:
        return Rendered(image.marker, image=image)
    if isinstance(value, Path):
        return _file(value, expression)
    for formatter in _FORMATTERS:
        if (formatted := formatter(value, OTHER_LIMIT)) is not None:
            return _limited(formatted[0], OTHER_LIMIT, formatted[1], expression)
    # a subclass of str may redefine its length and slices: use the plain characters
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
    """Return the text or the image in a file; of a large file only the start is read."""
    try:
        path = path.expanduser()
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4 * FILE_LIMIT + 4)  # UTF-8 has at most 4 bytes per character
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, expression, describe(error)) from error
    if media_type_of(start) is not None:
        image = image_file(path, expression)
        return Rendered(image.marker, image=image)
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        text = decoder.decode(start, final=len(start) >= size_bytes)
    except UnicodeDecodeError as error:
        raise _unreadable(path, expression, "it is not UTF-8 text") from error
    if "\0" in text:
        raise _unreadable(path, expression, "it is not text")
    if len(text) <= FILE_LIMIT and len(start) >= size_bytes:
        return Rendered(text)
    cut = f"the first {FILE_LIMIT:,} characters of {size_bytes:,} bytes"
    return _limited(text[:FILE_LIMIT], FILE_LIMIT, [cut], expression)


def _unreadable(path: Path, expression: str, why: str) -> OptionError:
    return OptionError(
        f"the file `{excerpt(str(path))}` of {quote_expression(expression)} cannot be sent: {why}",
        hint="a Path is replaced by the contents of its file; str(path) sends only the name",
    )
