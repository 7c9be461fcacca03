"""Format the value of a `{{ expression }}` as text, with images sent along.

`formatters` writes the text; this module limits how much of it is sent and reads files. A value
that is too long is cut, and both the text and a notice to the user say so. `template` evaluates
the expressions.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cc_jupyter.core.errors import CcError, OptionError
from cc_jupyter.core.messages import ValueLimits
from cc_jupyter.core.text import describe, quote_expression, with_article
from cc_jupyter.prompt.formatters import ValueWriter
from cc_jupyter.prompt.images import image_file, media_type_of, quoted
from cc_jupyter.prompt.omissions import Omissions

if TYPE_CHECKING:
    from cc_jupyter.core.messages import Image


_DEFAULT_LIMITS = ValueLimits()
_FIRST_PRINTABLE = 32


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value as text."""

    text: str
    """In place of each image, the text has a marker."""
    notices: tuple[str, ...] = ()
    """Notices to the user: how much was cut, and which texts say nothing."""
    images: tuple[Image, ...] = ()
    """The images sent with the text."""


def to_text(value: object, expression: str, limits: ValueLimits = _DEFAULT_LIMITS) -> Rendered:
    """Format `value`, the result of `expression`, as text.

    Raises
    ------
    OptionError
        The value cannot be formatted; the error names the expression.
    ConfigError
        The value is an image that must be converted, and Pillow is not installed.
    """
    if type(value) is str:
        return _limited(value, limits.text_chars, Omissions(), expression)
    try:
        return _formatted(value, expression, limits)
    except CcError:
        raise
    except Exception as error:  # the user's objects may raise anything
        raise OptionError(
            f"the value of {quote_expression(expression)}, {with_article(type(value).__name__)},"
            f" cannot be converted to text: {describe(error)}",
            hint="nothing was sent; convert it to a str inside the braces",
        ) from error


def _formatted(value: object, expression: str, limits: ValueLimits) -> Rendered:
    if isinstance(value, Path):
        return _file(value, expression, limits.file_chars)
    writer = ValueWriter(limits, expression)
    text = writer.text(value)
    limit = limits.text_chars if isinstance(value, str) else limits.value_chars
    rendered = _limited(
        text,
        limit + (limits.table_chars or 0),
        writer.omissions,
        expression,
        is_container=writer.is_container,
    )
    return replace(rendered, images=tuple(writer.images))


def _limited(
    text: str, limit: int, omissions: Omissions, expression: str, *, is_container: bool = False
) -> Rendered:
    """Cut a text that is too long, and say at its end what is left out of it."""
    if len(text) > limit:
        omissions.add(limit, len(text), "characters")
        text = text[:limit]
    cuts = omissions.cuts()
    note = f"… [cut: {', '.join(cuts)}]"
    if cuts and not text.endswith(f"\n{note}"):
        text = f"{text}\n{note}"
    return Rendered(text, omissions.notices(expression, inside=is_container))


def _file(path: Path, expression: str, limit: int) -> Rendered:
    """Return the text or the image in a file; of a large file only the start is read."""
    try:
        path = path.expanduser()
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4 * limit + 4)  # UTF-8 has at most 4 bytes per character
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, expression, describe(error)) from error
    if media_type_of(start) is not None:
        image = image_file(path, expression)
        return Rendered(image.marker, images=(image,))
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        text = decoder.decode(start, final=len(start) >= size_bytes)
    except UnicodeDecodeError as error:
        if (encoding := _other_encoding(start)) is None:
            raise _unreadable(path, expression, "it is not UTF-8 text") from error
        raise OptionError(
            f"the file {quoted(str(path))} of {quote_expression(expression)} is not UTF-8 text;"
            f" it looks like {encoding}",
            hint=f'nothing was sent; pathlib.Path(…).read_text(encoding="{encoding}") reads it',
        ) from error
    if "\0" in text:
        raise _unreadable(path, expression, "it is not text")
    if len(text) <= limit and len(start) >= size_bytes:
        return Rendered(text)
    cut = f"the first {limit:,} characters of {size_bytes:,} bytes"
    notice = f"{quote_expression(expression)} was cut: {cut} sent"
    return Rendered(f"{text[:limit]}\n… [cut: {cut}]", (notice,))


def _other_encoding(start: bytes) -> str | None:
    """Return the encoding that bytes which are not UTF-8 seem to have; `None`: not text."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        text = start.decode("cp1252")  # five bytes have no character in it
    except UnicodeDecodeError:
        return None
    is_text = not any(ord(each) < _FIRST_PRINTABLE and not each.isspace() for each in text)
    return "cp1252" if is_text else None


def _unreadable(path: Path, expression: str, why: str) -> OptionError:
    return OptionError(
        f"the file {quoted(str(path))} of {quote_expression(expression)} cannot be sent: {why}",
        hint="a Path is replaced by the contents of its file; str(path) sends only the name",
    )
