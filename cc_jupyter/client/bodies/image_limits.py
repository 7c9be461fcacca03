"""The size limits of images, and how each wire format encodes them.

`prompt.images` loads the images.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import too_large
from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cc_jupyter.core.messages import ApiPath, Image


MESSAGES_IMAGE_BYTES = 5 * 1024 * 1024
"""The maximum number of base64 characters of one image on `/messages`; the encoded form counts.

Source: provider-api.md, section 12 ("up to 5 MB per image"); that the encoded form counts:
lobehub/lobehub#14711, anthropics/claude-code#19631 (read 2026-11-23).
"""
CHAT_IMAGE_BYTES = 20 * 1024 * 1024
"""The maximum number of bytes of one image on `/chat/completions`.

Source: OpenAI, "Images and vision", image input requirements (a mirror, read 2026-11-23); some
upstreams may accept less.
"""
REQUEST_BYTES = {"/messages": 30_000_000, "/chat/completions": 45_000_000}
"""The maximum number of base64 characters of all images in one request.

The gateway answers 413 above about 50 MB (provider-api.md, section 14), the Messages API above
32 MB; the difference is reserved for the text.
"""


def check_images(images: Sequence[Image], endpoint: ApiPath) -> None:
    """Raise an error for images that the endpoint would reject.

    Raises
    ------
    OptionError
        An image is too large, or all images together are.
    """
    total = 0
    for image in images:
        if image.data is None:
            continue
        encoded = encoded_bytes(image)
        total += encoded
        if endpoint == "/messages" and encoded > MESSAGES_IMAGE_BYTES:
            raise too_large(f"the image `{excerpt(image.name)}`", encoded, MESSAGES_IMAGE_BYTES)
        if len(image.data) > CHAT_IMAGE_BYTES:
            raise too_large(f"the image `{excerpt(image.name)}`", len(image.data), CHAT_IMAGE_BYTES)
    if total > REQUEST_BYTES[endpoint]:
        raise too_large(f"the total size of {len(images)} images", total, REQUEST_BYTES[endpoint])


def encoded_bytes(image: Image) -> int:
    """Return the length of an image in the request; 0 for a URL."""
    return 0 if image.data is None else 4 * -(-len(image.data) // 3)


def openai_image_part(image: Image) -> dict[str, Any]:
    """Return an image as a message part of Chat Completions (provider-api.md, section 12)."""
    url = image.url or f"data:{image.media_type};base64,{_base64(image)}"
    return {"type": "image_url", "image_url": {"url": url}}


def anthropic_image_part(image: Image) -> dict[str, Any]:
    """Return an image as a message part of the Messages API (provider-api.md, section 12)."""
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": image.media_type, "data": _base64(image)}
    return {"type": "image", "source": source}


def message_content(
    text: str, images: Sequence[Image], part: Callable[[Image], dict[str, Any]]
) -> str | list[dict[str, Any]]:
    """Return the content of a message: only the text, or the images followed by the text.

    If there are several images, each follows its marker, so that the text can refer to it.
    """
    if not images:
        return text
    parts: list[dict[str, Any]] = []
    for image in images:
        if len(images) > 1:
            parts.append({"type": "text", "text": image.marker})
        parts.append(part(image))
    return [*parts, {"type": "text", "text": text}]


def _base64(image: Image) -> str:
    return base64.b64encode(image.data or b"").decode("ascii")
