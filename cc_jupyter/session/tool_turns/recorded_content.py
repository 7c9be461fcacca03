"""Read the results of tools back from a recorded request body, with their images.

`client.tool_rounds.messages` writes them: a result with images is a list of blocks on `/messages`;
a message of the chat format holds a text with a marker for each image, and the images of all
results follow in a message of the user's.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from cc_jupyter.cassettes.images import IMAGE_PREFIX
from cc_jupyter.core.messages import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,(.*)", re.DOTALL)
_MARKER = re.compile(r"\[image: (.*)\]", re.DOTALL)


class RecordedContent(NamedTuple):
    """The content of one recorded result."""

    content: tuple[str | Image, ...]
    is_error: bool = False
    """Always `False` in the chat format, which does not mark errors."""


class _Unreadable(Exception):  # noqa: N818  not an error of the user's
    """The body is not what we write."""


def contents_of(
    messages: Sequence[Any], names: Sequence[str], load: Callable[[str], bytes]
) -> list[RecordedContent] | None:
    """Return the contents of the results at the beginning of recorded messages.

    Returns `None` if they are not results of as many calls, in a form that we write.

    Parameters
    ----------
    messages
        The messages of the body from the first one that holds results.
    names
        The names of the called tools, in order.
    load
        Returns the bytes of a large image, which is a file next to the cassette.

    Raises
    ------
    CassetteError
        The file of an image is missing or another one; raised by `load`.
    """
    try:
        if messages and messages[0].get("role") == "tool":
            return _of_chat(messages, len(names), load)
        blocks = messages[0]["content"] if messages else ()
        results = [block for block in blocks if block["type"] == "tool_result"]
        if len(results) != len(names):
            return None
        return [
            RecordedContent(
                tuple(_of_blocks(block.get("content", ""), f"{name}()", load)),
                bool(block.get("is_error")),
            )
            for block, name in zip(results, names, strict=True)
        ]
    except (_Unreadable, AttributeError, KeyError, TypeError):  # a file that was edited by hand
        return None


def _of_blocks(
    content: Any,  # noqa: ANN401  JSON
    name: str,
    load: Callable[[str], bytes],
) -> Iterator[str | Image]:
    if isinstance(content, str):
        yield content
        return
    for block in content:
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] != "image":
            raise _Unreadable
        elif block["source"]["type"] == "url":
            yield Image("", None, block["source"]["url"], name)
        else:
            source = block["source"]
            yield Image(source["media_type"], _data(source["data"], load), None, name)


def _of_chat(
    messages: Sequence[Any], count: int, load: Callable[[str], bytes]
) -> list[RecordedContent] | None:
    texts = [each["content"] for each in messages[:count] if each.get("role") == "tool"]
    if len(texts) != count or not all(isinstance(text, str) for text in texts):
        return None
    if len(messages) > count and messages[count].get("role") == "tool":
        return None
    images = [*_of_parts(messages[count], load)] if len(messages) > count else []
    found: list[RecordedContent] = []
    for text in texts:
        own = _own_images(text, images)
        markers = "".join(f"\n{image.marker}" for image in own)
        found.append(RecordedContent((text.removesuffix(markers), *own)))
        del images[: len(own)]
    return None if images else found


def _own_images(text: str, images: Sequence[Image]) -> list[Image]:
    """Return the images whose markers end a text: as many of the next ones as possible."""
    for count in range(len(images), 0, -1):
        if text.endswith("".join(f"\n{image.marker}" for image in images[:count])):
            return [*images[:count]]
    return []


def _of_parts(message: dict[str, Any], load: Callable[[str], bytes]) -> Iterator[Image]:
    """Yield the images of the message after results; none if it is another message."""
    parts = message["content"]
    if message["role"] != "user" or isinstance(parts, str) or len(parts) % 2:
        return
    for marker, part in zip(parts[::2], parts[1::2], strict=True):
        name = _MARKER.fullmatch(marker["text"]) if marker["type"] == "text" else None
        if name is None:
            raise _Unreadable
        url: str = part["image_url"]["url"]
        inline = _DATA_URL.fullmatch(url)
        if inline is not None:
            yield Image(inline[1], _data(inline[2], load), None, name[1])
        elif url.startswith(IMAGE_PREFIX):
            kind = url.rpartition(".")[2]
            yield Image(f"image/{kind}", _data(url, load), None, name[1])
        else:
            yield Image("", None, url, name[1])


def _data(text: str, load: Callable[[str], bytes]) -> bytes:
    if text.startswith(IMAGE_PREFIX):
        return load(text.removeprefix(IMAGE_PREFIX))
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _Unreadable from error
