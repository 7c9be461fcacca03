"""The parts of an answer that are not text: images, and the sources it refers to."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cc_jupyter.core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.core.events import Source
    from cc_jupyter.core.messages import Image


_LONGEST_TITLE = 120
_MARKUP = {
    **{ord(mark): f"\\{mark}" for mark in "`*_<>!#|~&"},
    **{ord(mark): f"&#{ord(mark)};" for mark in "\\[]$"},  # `\[` would begin a formula
}
_NOT_IN_A_LINK = str.maketrans({sign: f"%{ord(sign):02X}" for sign in "<>()\\`|*$[]{}\"' "})
"""Signs that would end the address of a link, or mean something else in Markdown."""


def shown_text(text: str, images: Sequence[Image], sources: Sequence[Source]) -> str:
    """Return the text of an answer as it is shown: images at an address and sources follow it."""
    links = [
        f"![{image.name}]({image.url.translate(_NOT_IN_A_LINK)})" for image in images if image.url
    ]
    return "\n\n".join(filter(None, (text, *links, _source_list(sources))))


def image_bundles(images: Sequence[Image]) -> list[dict[str, str]]:
    """Return the images that came with the answer, each as an output."""
    return [
        {
            image.media_type: base64.b64encode(image.data).decode(),
            "text/plain": image_line(image),
        }
        for image in images
        if image.data
    ]


def image_line(image: Image) -> str:
    """Return the text in place of an image that cannot be shown."""
    return f"[{image.described}]"


def _source_list(sources: Sequence[Source]) -> str:
    """Return a numbered list of links, in Markdown."""
    if not sources:
        return ""
    items = (f"{number}. {_link(source)}" for number, source in enumerate(sources, 1))
    return "\n".join(("Sources:", "", *items))


def _link(source: Source) -> str:
    title = excerpt(source.title or source.url, _LONGEST_TITLE).translate(_MARKUP)
    return f"[{title}]({source.url.translate(_NOT_IN_A_LINK)})" if source.url else title
