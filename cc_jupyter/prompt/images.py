"""Convert URLs, files and values of expressions to images that can be sent.

matplotlib, Pillow and numpy are recognized by class name; none is imported unless a conversion
needs it. The media type comes from the bytes, never from a file's suffix. A URL is passed on and
never fetched: this module does not use the network.
"""

from __future__ import annotations

import base64
import io
import re
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from cc_jupyter.core.errors import ConfigError, OptionError, did_you_mean, too_large
from cc_jupyter.core.messages import Image
from cc_jupyter.core.text import describe, excerpt, top_level_module, with_article
from cc_jupyter.prompt.arrays import is_array, is_object_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""Formats that every model with image input accepts. Source: provider-api.md, section 12."""
LOSSLESS_LIMIT_BYTES = 3_900_000
"""A Pillow image or array whose PNG is larger becomes a JPEG, which every wire format accepts."""

_Result = TypeVar("_Result")


class _Converter(NamedTuple):
    """What draws the charts of a library."""

    module: str
    package: str
    """The package to install."""
    method: str
    """The method of a chart that uses it."""


_CONVERTERS = {
    "plotly": _Converter("kaleido", "kaleido", "to_image"),
    "altair": _Converter("vl_convert", "vl-convert-python", "save"),
}

_CONVERTED = {"BMP", "TIFF", "ICO", "AVIF"}
"""Formats that Pillow reads and models do not accept."""
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}
_OTHER_MODES = {"PA": "RGBA", "RGBa": "RGBA", "La": "LA"}
_JPEG_QUALITY = 90
_SAVE_AS_PNG = "save it as PNG or JPEG first"


def media_type_of(data: bytes) -> str | None:
    """Return the media type of an image by its first bytes; `None`: no model accepts it."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return None


def sendable(data: bytes, name: str) -> bytes:
    """Return an image in a format that can be sent, converted to PNG by Pillow if necessary.

    Raises
    ------
    OptionError
        The data is not an image, or not of a format that can be sent.
    ConfigError
        Pillow is needed and not installed.
    """
    if media_type_of(data) is not None:
        return data
    kind = _other_kind(data)
    if kind in _CONVERTED:
        pillow = _pillow(name, f"is a {kind} image, which models do not accept")
        try:
            with pillow.open(io.BytesIO(data), formats=[kind]) as image:
                return _encoded(image)
        except Exception as error:  # Pillow's decoders raise anything
            raise OptionError(
                f"{name} looks like {kind} but cannot be read: {describe(error)}",
                hint=_SAVE_AS_PNG,
            ) from error
    what = "is empty" if not data else f"is {kind}" if kind else "is not an image"
    raise OptionError(f"{name} {what}", hint=f"PNG, JPEG, WebP and GIF can be sent; {_SAVE_AS_PNG}")


def shown_picture(value: object, name: str) -> bytes | None:
    """Return the image of a figure, of its axes, of a chart, of a Pillow image or of its bytes.

    `None`: the value is none of these, or a chart without its converter. Numbers and text are never
    treated as images here.

    Raises
    ------
    CcError
        The value is an image but cannot be converted.
    """
    if isinstance(value, bytes | bytearray):
        return bytes(value) if media_type_of(bytes(value[:16])) else None
    if (figure := _figure_of(value)) is not None:
        return _convert(_figure_png, figure, name)
    chart = _chart_kind(value)
    if chart is not None and find_spec(_CONVERTERS[chart].module) is not None:
        return _convert(_chart_png, value, name)
    if any(
        top_level_module(kind) == "PIL" and kind.__name__ == "Image" for kind in type(value).__mro__
    ):
        return _convert(_encoded, value, name)
    return None


def any_picture(value: object, name: str) -> bytes | None:
    """Return the image of any value that can be meant as one; `None`: it cannot.

    In addition to what `shown_picture` accepts: any bytes, arrays of pixels or of axes, and objects
    that a notebook shows as PNG or JPEG.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, io.BytesIO):
        return value.getvalue()
    if (shown := shown_picture(value, name)) is not None:
        return shown
    if (chart := _chart_kind(value)) is not None:
        converter = _CONVERTERS[chart]
        raise ConfigError(
            f"{name} is a chart of {chart}, which needs {converter.module} to become an image;"
            " that is not installed",
            hint=f"pip install {converter.package}",
        )
    if is_array(value):
        return _array_image(cast("Any", value), name)
    return _convert(_notebook_image, value, name)


def _figure_of(value: object) -> object | None:
    """Return the matplotlib figure that a figure, axes, another artist or an array of them has."""
    if is_object_array(value) and cast("Any", value).size:
        value = cast("Any", value).flat[0]
    if top_level_module(type(value)) == "seaborn":
        value = getattr(value, "figure", None)
    if not any(top_level_module(kind) == "matplotlib" for kind in type(value).__mro__):
        return None
    figure: object | None = value
    while figure is not None and not hasattr(figure, "savefig"):
        parent = getattr(figure, "figure", None)
        figure = None if parent is figure else parent
    return figure


def _figure_png(figure: object) -> bytes:
    buffer = io.BytesIO()
    cast("Any", figure).savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def _chart_kind(value: object) -> str | None:
    """Return the library of a chart that only a converter can draw; `None`: it is no chart."""
    library = top_level_module(type(value))
    is_chart = library in _CONVERTERS and hasattr(value, _CONVERTERS[library].method)
    return library if is_chart and not isinstance(value, type) else None


def _chart_png(chart: object) -> bytes:
    if top_level_module(type(chart)) == "plotly":
        png: bytes = cast("Any", chart).to_image(format="png")
        return png
    buffer = io.BytesIO()
    cast("Any", chart).save(buffer, format="png")
    return buffer.getvalue()


def _encoded(value: object) -> bytes:
    """Encode a Pillow image upright as PNG; a large one without transparency as JPEG."""
    from PIL import ImageOps  # noqa: PLC0415  the value is a Pillow image

    image = cast("Any", value)
    if image.getexif():
        image = ImageOps.exif_transpose(image)
    if image.mode not in _PNG_MODES:
        image = image.convert(_OTHER_MODES.get(image.mode, "RGB"))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    opaque = "A" not in image.mode and "transparency" not in image.info
    if buffer.tell() > LOSSLESS_LIMIT_BYTES and opaque:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _notebook_image(value: object) -> bytes | None:
    """Return the image that an object shows in a notebook."""
    for name in ("_repr_png_", "_repr_jpeg_"):
        method = None if isinstance(value, type) else getattr(value, name, None)
        result = method() if callable(method) else None
        data = result[0] if isinstance(result, tuple) else result  # metadata may come with it
        if isinstance(data, str):
            return base64.b64decode(data)
        if isinstance(data, bytes):
            return data
    return None


def _convert(encode: Callable[[object], _Result], value: object, name: str) -> _Result:
    """Convert an object of another library; its failures become our errors."""
    try:
        return encode(value)
    except Exception as error:  # the library may raise anything
        raise OptionError(
            f"{name}, {with_article(type(value).__name__)}, cannot be converted to an image:"
            f" {describe(error)}",
            hint="nothing was sent; show it in a separate cell to see why",
        ) from error


def _array_image(pixels: Any, name: str) -> bytes:  # noqa: ANN401  numpy is not imported here
    """Encode height x width values, or x 3 or 4 channels; integers 0..255 or floats 0..1."""
    shape: tuple[int, ...] = pixels.shape
    is_image_shape = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))  # noqa: PLR2004
    if not is_image_shape or not pixels.size:
        raise OptionError(
            f"{name} is an array of shape {shape}, which is not an image",
            hint="an image has the shape (height, width), or 3 or 4 channels last:"
            " np.moveaxis(a, 0, -1) moves them there",
        )
    if shape[-1] == 1 and len(shape) == 3:  # noqa: PLR2004
        pixels = pixels[..., 0]
    pillow = _pillow(name, "is an array, which must be converted to an image")
    return _encoded(pillow.fromarray(_as_bytes(pixels, name)))


def _as_bytes(pixels: Any, name: str) -> Any:  # noqa: ANN401
    """Return the pixels as integers of one byte each."""
    kind = pixels.dtype.kind
    if kind == "b":
        return pixels.astype("uint8") * 255
    if kind not in "uif":
        raise OptionError(
            f"{name} is an array of {pixels.dtype}, which is not an image",
            hint="an image has values of uint8, or floats from 0 to 1",
        )
    limit = 1 if kind == "f" else 255
    low, high = pixels.min(), pixels.max()
    if not (low >= 0 and high <= limit):  # NaN fails too
        raise OptionError(
            f"the values of {name} range from {low} to {high}; an image of {pixels.dtype} has"
            f" values from 0 to {limit}",
            hint="scale them: (a - a.min()) / (a.max() - a.min())",
        )
    return (pixels * 255).round().astype("uint8") if kind == "f" else pixels.astype("uint8")


def _other_kind(data: bytes) -> str | None:
    start = data[:1000].lstrip().lower()
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "AVIF" if brand in (b"avif", b"avis") else "HEIC" if brand[:3] in _HEIC else "video"
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            return kind
    if b"<svg" in start:
        return "SVG"
    return "a web page" if start.startswith((b"<!doctype html", b"<html")) else None


_HEIC = (b"hei", b"hev", b"mif", b"msf")
_MAGIC = {
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x01\x00": "ICO",
    b"%PDF": "PDF",
    b"8BPS": "PSD",
}


def _pillow(name: str, why: str) -> Any:  # noqa: ANN401  Pillow's module, if installed
    try:
        from PIL import Image  # noqa: PLC0415  only needed for conversions
    except ImportError as error:
        raise ConfigError(
            f"{name} {why}; this needs Pillow, which is not installed",
            hint=f"pip install pillow, or {_SAVE_AS_PNG}",
        ) from error
    module: ModuleType = Image
    return module


def quoted(name: str) -> str:
    """Return the name of an image as messages quote it."""
    return f"`{excerpt(name)}`"


_MAX_FILE_BYTES = 200 * 1024 * 1024
"""Larger files are not read. The limit is high because a TIFF photograph shrinks a lot as PNG."""

_SCHEME = re.compile(r"(?i)([a-z][a-z0-9+.-]*)://")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".svg", ".pdf")
_PATH_STARTS = ("/", "./", "../", "~", ".\\", "..\\")


def working_folder() -> Path | None:
    """Return the working folder; `None`: it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def load_image(source: str, evaluate: Callable[[str], object], folder: Path | None) -> Image:
    """Return the image at an https URL, in an existing file, or in the value of an expression.

    Parameters
    ----------
    source
        The value of `-i`, without quotes.
    evaluate
        Returns the value of an expression; called only if `source` is neither URL nor file.
    folder
        The folder that relative paths start at; `None`: it was deleted.

    Raises
    ------
    OptionError
        There is no such image, it is not an image, or it cannot be sent.
    ConfigError
        It must be converted and Pillow is not installed.
    """
    if (image := _located(source, folder)) is not None:
        return image
    try:
        value = evaluate(source)
    except OptionError as error:
        raise _not_found(source, folder, error) from error
    return to_image(value, excerpt(source), folder)


def to_image(value: object, name: str, folder: Path | None) -> Image:
    """Return the image that a value contains, shows or locates; a string is never evaluated.

    Raises
    ------
    OptionError
        It is not an image, or cannot be sent.
    ConfigError
        It must be converted and Pillow is not installed.
    """
    if isinstance(value, str | PurePath):
        located = _located(str(value), folder)
        if located is None:
            raise OptionError(
                f"{quoted(name)} is {quoted(str(value))}, which is neither an https URL nor a file",
                hint=_start_of_paths(folder),
            )
        return located
    if (image := _displayed(value, name, folder)) is not None:
        return image
    data = any_picture(value, quoted(name))
    if data is None:
        raise OptionError(
            f"{quoted(name)} is {with_article(type(value).__name__)}, not an image",
            hint="use a figure, a Pillow image, an array of pixels, bytes, a file or an https URL",
        )
    return _image(data, name)


def image_in(value: object, name: str) -> Image | None:
    """Return the image of a value in `{{ }}` that is shown as one; `None`: the value is text.

    These are figures and their axes, Pillow images, IPython's `Image`, and bytes of an image.
    """
    if (image := _displayed(value, name, Path())) is not None:
        return image
    data = shown_picture(value, quoted(name))
    return None if data is None else _image(data, excerpt(name))


def image_file(path: Path, name: str | None = None) -> Image:
    """Return the image in a file.

    Raises
    ------
    OptionError
        The file cannot be read, is not an image, or cannot be sent.
    ConfigError
        It must be converted and Pillow is not installed.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > _MAX_FILE_BYTES:
            raise too_large(f"the file {quoted(path.name)}", size_bytes, _MAX_FILE_BYTES)
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


def _located(source: str, folder: Path | None) -> Image | None:
    """Return the image at a URL or in an existing file; `None`: the source is neither."""
    if (scheme := _SCHEME.match(source)) is not None:
        return _linked(source, scheme[1])
    try:
        path = (folder or Path()) / Path(source).expanduser()
        found = path.is_file()
    except (OSError, ValueError, RuntimeError):  # not a valid path, or no home folder
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
            f"the image {quoted(url)} cannot be sent: only complete https URLs can",
            hint="the URL is fetched by the provider; save the image and pass its path instead",
        )
    # the query after `?` may contain a signature
    return Image("", None, url, excerpt(f"{host}{parts.path}"))


def _displayed(value: object, name: str, folder: Path | None) -> Image | None:
    """Return the image of IPython's own `Image`, which contains bytes or a URL."""
    kind = type(value)
    if kind.__name__ != "Image" or top_level_module(kind) != "IPython":
        return None
    displayed = cast("Any", value)
    if isinstance(displayed.data, bytes):
        return _image(displayed.data, name)
    located = _located(str(displayed.url or displayed.filename or ""), folder)
    if located is None:
        raise OptionError(f"{quoted(name)} contains no image", hint="use Image(data=...) for bytes")
    return located


def _start_of_paths(folder: Path | None) -> str:
    if folder is None:
        return "the working folder was deleted: use an absolute path, or os.chdir to another folder"
    return f"relative paths start at {folder}"


def _not_found(source: str, folder: Path | None, error: OptionError) -> OptionError:
    path = Path(source)
    if source.lower().endswith(_SUFFIXES) or source.startswith(_PATH_STARTS):
        path = (folder or Path()) / path
        if path.is_dir():
            return OptionError(f"{quoted(source)} is a folder", hint="name an image file in it")
        parent = path.parent
        files = [each.name for each in parent.iterdir()] if parent.is_dir() else []
        hint = did_you_mean(path.name, [name for name in files if name.endswith(_SUFFIXES)])
        return OptionError(
            f"there is no file {quoted(source)}", hint=hint or _start_of_paths(folder)
        )
    why = describe(error.__cause__) if error.__cause__ is not None else str(error)
    suggestion, mark, _ = (error.hint or "").partition("?")
    if not suggestion.startswith("did you mean"):
        suggestion, mark = "-i takes an https URL, a path, or an expression for an image", ""
    return OptionError(
        f"{quoted(source)} is not a file, and as an expression it fails: {why}",
        hint=suggestion + mark,
    )
