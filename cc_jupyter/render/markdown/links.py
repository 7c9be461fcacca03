"""Which links and images of a model's text stay, and how their addresses are written."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = {"http", "https", "ftp", "mailto", "tel"}
_WEB = re.compile(r"https?://", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=]*", re.IGNORECASE)
_UNPLAIN = re.compile(r"[^A-Za-z0-9\-._~:/?#@!',;=+%&]|@(?=@)")
_PLAIN = r"[-\w.~/?#!+*',;=%:@]|&(?!#?\w+;)"
_AUTOLINK = re.compile(
    rf"https?://(?:{_PLAIN}|[()])+|[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
BARE_URL = (
    rf"(?i:(?:https?|ftp)://|(?<![\w.])(?P<www>www\.(?=\w)))(?:(?:{_PLAIN}|\((?:{_PLAIN})*\))*"
    r"(?:[-\w/=#%+~]|\((?:[-\w.~/?#!+*',;=%:@]*)\)))?"
)
"""A web address in a text, which the renderers end at different characters."""


def may_be_read(address: str) -> bool:
    """Return whether the parser takes an address for one; otherwise its link is text."""
    return is_link(address) or is_data_image(address)


def is_link(address: str) -> bool:
    """Return whether a link may lead there: to the web, a mailbox, a phone or a file near by."""
    found = _SCHEME.match(address)
    return found is None or found[1].lower() in _SCHEMES


def is_data_image(address: str) -> bool:
    """Return whether the address holds the image itself, in a format without scripts."""
    return _DATA_IMAGE.fullmatch(address) is not None


def is_remote_image(address: str) -> bool:
    """Return whether the address is that of an image on the web."""
    return _WEB.match(address) is not None


def is_autolink(text: str) -> bool:
    """Return whether every renderer reads `<text>` as a link to that address or mailbox."""
    return _AUTOLINK.fullmatch(text) is not None and "@@" not in text


def destination(address: str) -> str:
    """Return an address in which no renderer finds the end of a link, code or a formula."""
    plain = _UNPLAIN.sub(_percent, address)
    return plain.replace("&", "&amp;")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))
