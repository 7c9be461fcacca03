"""Large images of a request: each is one file, named by its hash, in a folder next to the cassette.

Only the words of a request are compared by people; a megabyte of base64 would hide them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.paths import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


IMAGE_PREFIX = "cassette-image:"
"""What a recorded body has in place of an image's data."""
LARGEST_INLINE_CHARS = 2**16
_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def named_by_hash(body: Any) -> tuple[Any, dict[str, bytes]]:  # noqa: ANN401  JSON
    """Return a JSON value with large images named by their hash, and the images by file name."""
    images: dict[str, bytes] = {}
    return _named(body, "", images), images


def save_images(images: Mapping[str, bytes], folder: Path) -> None:
    """Save images that are not in the folder yet.

    Raises
    ------
    OSError
        One cannot be written.
    """
    for name, data in images.items():
        path = folder / name
        if not path.is_file():
            folder.mkdir(exist_ok=True)
            with replace_file(path, mode=0o666) as file:
                file.write(data)


def _named(value: Any, media_type: str, images: dict[str, bytes]) -> Any:  # noqa: ANN401  JSON
    match value:
        case dict():
            kind = value.get("media_type")
            inner = kind if isinstance(kind, str) else ""
            return {name: _named(each, inner, images) for name, each in value.items()}
        case list():
            return [_named(each, media_type, images) for each in value]
        case str() if len(value) > LARGEST_INLINE_CHARS:
            return _named_text(value, media_type, images)
        case _:
            return value


def _named_text(text: str, media_type: str, images: dict[str, bytes]) -> str:
    found = _DATA_URL.match(text)
    encoded = text[found.end() :] if found else text
    kind = found[1] if found else media_type
    if not kind.startswith("image/") or not _BASE64.fullmatch(encoded):
        return text
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return text
    suffix = re.sub(r"[^a-z0-9]", "", kind.removeprefix("image/").partition("+")[0])
    name = f"{hashlib.sha256(data).hexdigest()}.{suffix}"
    images[name] = data
    return IMAGE_PREFIX + name
