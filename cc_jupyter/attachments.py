"""Where images come from: URLs, files, values of expressions.

How a value becomes the bytes of an image is left to `pictures`, how an image is sent to `images`.
A URL is passed on, never fetched: nothing here touches the network.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from cc_jupyter.client.image_limits import (
    anthropic_image_part,
    check_images,
    message_content,
    openai_image_part,
    too_large,
)
from cc_jupyter.core.errors import OptionError, did_you_mean
from cc_jupyter.core.messages import Image
from cc_jupyter.core.text import describe, excerpt, library_of
from cc_jupyter.pictures import any_picture, media_type_of, quoted, sendable, shown_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "Image",
    "anthropic_image_part",
    "check_images",
    "image_file",
    "image_in",
    "load_image",
    "message_content",
    "openai_image_part",
    "to_image",
]

_FILE_BYTES = 200 * 1024 * 1024
"""The largest file that is read at all: a photograph in TIFF may shrink to what can be sent."""

_SCHEME = re.compile(r"(?i)([a-z][a-z0-9+.-]*)://")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".svg", ".pdf")
_PATH_STARTS = ("/", "./", "../", "~", ".\\", "..\\")


# ── where images come from


def load_image(source: str, evaluate: Callable[[str], object], folder: Path) -> Image:
    """Give the image that an https URL, else an existing file, else an expression names.

    Parameters
    ----------
    source
        As `-i` was given it, quotes removed.
    evaluate
        Gives the value of an expression; called only for what is neither URL nor file.
    folder
        What a relative path is relative to.

    Raises
    ------
    OptionError
        There is no such image, it is none, or it cannot be sent.
    ConfigError
        It must be converted and Pillow is missing.
    """
    if (image := _located(source, folder)) is not None:
        return image
    try:
        value = evaluate(source)
    except OptionError as error:
        raise _not_found(source, folder, error) from error
    return to_image(value, excerpt(source), folder)


def to_image(value: object, name: str, folder: Path) -> Image:
    """Give the image that a value holds, shows or locates; a text is never evaluated.

    Raises
    ------
    OptionError
        It is no image, or cannot be sent.
    ConfigError
        It must be converted and Pillow is missing.
    """
    if isinstance(value, str | PurePath):
        located = _located(str(value), folder)
        if located is None:
            raise OptionError(
                f"{quoted(name)} is {quoted(str(value))}, which is neither an https URL nor a file",
                hint=f"relative paths start at {folder}",
            )
        return located
    if (image := _displayed(value, name, folder)) is not None:
        return image
    data = any_picture(value, quoted(name))
    if data is None:
        raise OptionError(
            f"{quoted(name)} is a {type(value).__name__}, not an image",
            hint="a figure, a Pillow image, an array of pixels, bytes, a file or an https URL",
        )
    return _image(data, name)


def image_in(value: object, name: str) -> Image | None:
    """Give the image of a value that shows as one, as `{{ }}` needs it; `None`: it is text.

    Figures and their axes, Pillow images, IPython's `Image`, and bytes that are an image.
    """
    if (image := _displayed(value, name, Path())) is not None:
        return image
    data = shown_picture(value, quoted(name))
    return None if data is None else _image(data, excerpt(name))


def image_file(path: Path, name: str | None = None) -> Image:
    """Give the image in a file.

    Raises
    ------
    OptionError
        It cannot be read, is none, or cannot be sent.
    ConfigError
        It must be converted and Pillow is missing.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > _FILE_BYTES:
            raise too_large(f"the file {quoted(path.name)}", size_bytes, _FILE_BYTES)
        data = path.read_bytes()
    except OSError as error:
        raise OptionError(
            f"the file {quoted(str(path))} cannot be read: {describe(error)}",
            hint="nothing was sent; check its permissions",
        ) from error
    return _image(data, name or path.name)


def _image(data: bytes, name: str) -> Image:
    data = sendable(data, quoted(name))
    return Image(media_type_of(data) or "", data, None, excerpt(name))


def _located(source: str, folder: Path) -> Image | None:
    """Give the image at a URL or in an existing file; `None`: the text is neither."""
    if (scheme := _SCHEME.match(source)) is not None:
        return _linked(source, scheme[1])
    try:
        path = folder / Path(source).expanduser()
        found = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long or odd for a path, or no home
        return None
    return image_file(path) if found else None


def _linked(url: str, scheme: str) -> Image:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if scheme.lower() != "https" or not host or re.search(r"[\s\x00-\x1f]", url):
        raise OptionError(
            f"the image {quoted(url)} cannot be sent: only whole https URLs can",
            hint="the provider fetches it, we do not; save it and give its path",
        )
    # what stands behind `?` may be a signature
    return Image("", None, url, excerpt(f"{host}{parts.path}"))


def _displayed(value: object, name: str, folder: Path) -> Image | None:
    """Give the image of IPython's own `Image`, which holds bytes or a URL."""
    kind = type(value)
    if kind.__name__ != "Image" or library_of(kind) != "IPython":
        return None
    held = cast("Any", value)
    if isinstance(held.data, bytes):
        return _image(held.data, name)
    located = _located(str(held.url or held.filename or ""), folder)
    if located is None:
        raise OptionError(f"{quoted(name)} holds no image", hint="Image(data=...) holds bytes")
    return located


def _not_found(source: str, folder: Path, error: OptionError) -> OptionError:
    path = Path(source)
    if source.lower().endswith(_SUFFIXES) or source.startswith(_PATH_STARTS):
        if (folder / path).is_dir():
            return OptionError(f"{quoted(source)} is a folder", hint="name an image in it")
        near = (folder / path).parent
        files = [each.name for each in near.iterdir()] if near.is_dir() else []
        hint = did_you_mean(path.name, [name for name in files if name.endswith(_SUFFIXES)])
        return OptionError(
            f"there is no file {quoted(source)}", hint=hint or f"relative paths start at {folder}"
        )
    why = describe(error.__cause__) if error.__cause__ is not None else str(error)
    close = (error.hint or "").partition("?")[0]
    return OptionError(
        f"{quoted(source)} is no file, and as an expression it fails: {why}",
        hint=f"{close}?"
        if close.startswith("did you mean")
        else "-i takes an https URL, a path, or an expression that gives an image",
    )
