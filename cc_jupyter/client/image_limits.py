"""One image that goes with a prompt: what it is, how large it may be, how each wire writes it.

Pure values: where images come from is left to `attachments`.
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
"""The most base64 characters of one image on `/messages`: what is counted is the field as sent.

Source: provider-api.md, section 12 ("up to 5 MB per image"); that the encoded form counts:
lobehub/lobehub#14711, anthropics/claude-code#19631 (read 2026-11-23).
"""
CHAT_IMAGE_BYTES = 20 * 1024 * 1024
"""The most bytes of one image on `/chat/completions`.

Source: OpenAI, "Images and vision", image input requirements (a mirror, read 2026-11-23); single
upstreams may take less.
"""
REQUEST_BYTES = {"/messages": 30_000_000, "/chat/completions": 45_000_000}
"""The most base64 characters of all images of one request.

The gateway answers 413 above about 50 MB (provider-api.md, section 14), the Messages API above
32 MB; the difference is left to the text.
"""


# ── what may be sent


def check_images(images: Sequence[Image], endpoint: ApiPath) -> None:
    """Refuse what the endpoint would refuse, before anything is sent.

    Raises
    ------
    OptionError
        An image, or all together, are too large.
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
        what = f"what {len(images)} images need together"
        raise too_large(what, total, REQUEST_BYTES[endpoint])


def encoded_bytes(image: Image) -> int:
    """Return the length of an image as it stands in the request; 0 for a URL."""
    return 0 if image.data is None else 4 * -(-len(image.data) // 3)


# ── how they are sent (provider-api.md, section 12)


def openai_image_part(image: Image) -> dict[str, Any]:
    """Return an image as a part of a message of Chat Completions."""
    url = image.url or f"data:{image.media_type};base64,{_base64(image)}"
    return {"type": "image_url", "image_url": {"url": url}}


def anthropic_image_part(image: Image) -> dict[str, Any]:
    """Return an image as a part of a message of the Messages API."""
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": image.media_type, "data": _base64(image)}
    return {"type": "image", "source": source}


def message_content(
    text: str, images: Sequence[Image], part: Callable[[Image], dict[str, Any]]
) -> str | list[dict[str, Any]]:
    """Return the content of a message: the text alone, else images first and the text last.

    Several images are each announced by their marker, so that the text can speak of them.
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
