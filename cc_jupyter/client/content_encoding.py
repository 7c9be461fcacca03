"""Decompresses a body in bounded pieces, though no request asks for compression.

Proxies compress all the same, and some put a wrong label on it. httpx's own decoders let unknown
encodings pass, stop after one gzip member, and inflate a whole chunk in one piece (0.28.1).
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


MAX_PIECE_BYTES = 2**20
_MAX_LAYERS = 4
_SNIFFED_BYTES = 16
_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_FAMILY = ("gzip", "x-gzip", "deflate")
# texts: `re` compiles them once the request is on its way, and keeps them
_PLAIN_START = rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry|[:{\[<])"
_CONTROL = rb"[\x00-\x08\x0e-\x1f\x7f]"
_PROSE = rb"[\t\r\n\x20-\x7e]{8,}"
"""An error in plain words. Of 8 compressed bytes, all are such characters once in 2,600 bodies."""


class UnreadableEncodingError(ValueError):
    """The body cannot be decompressed; the text names the encoding."""


class _Inflater(Protocol):
    """A decompression object of zlib."""

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...

    def flush(self) -> bytes: ...


def decompress(chunks: Iterable[bytes], content_encoding: str) -> Iterator[bytes]:
    """Yield a body in pieces of at most `MAX_PIECE_BYTES` where it was compressed.

    Parameters
    ----------
    content_encoding
        The header's value. It is a claim: plain text is read whatever it says, and gzip is read
        where it is missing.

    Raises
    ------
    UnreadableEncodingError
        The encoding is none of gzip and deflate, or the body is broken.
    """
    labels = [label.strip().lower() for label in content_encoding.split(",")]
    labels = [label for label in labels if label not in ("", "identity")]
    if len(labels) > _MAX_LAYERS:
        raise UnreadableEncodingError(f"compressed {len(labels)} times")
    if not labels:
        yield from _unlabelled(chunks)
        return
    for label in reversed(labels):
        chunks = _layer(chunks, label)
    yield from chunks


def _unlabelled(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass a body on as it comes, unless its first bytes say gzip: no text starts with them."""
    rest = iter(chunks)
    head = next(rest, b"")
    while head and len(head) < len(_GZIP_MAGIC) and _GZIP_MAGIC.startswith(head):
        more = next(rest, b"")
        if not more:
            break
        head += more
    if head.startswith(_GZIP_MAGIC):
        yield from _inflated(_joined(head, rest), "gzip", lambda: _inflater(zlib.MAX_WBITS | 16))
    elif head:
        yield head
        yield from rest


def _layer(chunks: Iterable[bytes], label: str) -> Iterator[bytes]:
    """Undo one encoding, or pass the body on if it is plain text under a wrong label."""
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        if len(head) >= _SNIFFED_BYTES or head.startswith(_GZIP_MAGIC):
            break
    if not head:
        return
    body = _joined(head, rest)
    if head.startswith(_GZIP_MAGIC):
        yield from _inflated(body, label, lambda: _inflater(zlib.MAX_WBITS | 16))
    elif _is_plain(head[:_SNIFFED_BYTES]):
        yield from body
    elif label not in _ZLIB_FAMILY:
        raise UnreadableEncodingError(label)
    else:
        yield from _inflated(body, label, lambda: _inflater(_window_bits(label, head)))


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _is_plain(head: bytes) -> bool:
    """Return whether a body starts like a stream, JSON, HTML or a sentence."""
    starts_as_known = bool(re.match(_PLAIN_START, head)) and not re.search(_CONTROL, head)
    return starts_as_known or bool(re.fullmatch(_PROSE, head))


def _window_bits(label: str, head: bytes) -> int:
    """Tell the header of gzip or zlib (RFC 1950) from the bare deflate that some servers send."""
    is_zlib = head[0] & 0x0F == zlib.DEFLATED and int.from_bytes(head[:2]) % 31 == 0
    return -zlib.MAX_WBITS if label == "deflate" and not is_zlib else zlib.MAX_WBITS | 32


def _inflater(window_bits: int) -> _Inflater:
    return zlib.decompressobj(window_bits)


def _inflated(
    chunks: Iterable[bytes], label: str, new_inflater: Callable[[], _Inflater]
) -> Iterator[bytes]:
    """Decompress one or several members in a row; zeros after the last are padding."""
    inflater = new_inflater()
    held = b""  # the start of a member whose first bytes are still to come
    try:
        for chunk in chunks:
            packed = held + chunk
            held = b""
            while packed:
                if inflater.eof:
                    packed = packed.lstrip(b"\0")
                    if len(packed) < len(_GZIP_MAGIC):
                        held = packed
                        break
                    inflater = new_inflater()
                if piece := inflater.decompress(packed, MAX_PIECE_BYTES):
                    yield piece
                packed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        if rest := inflater.flush():
            yield rest
    except zlib.error as error:
        reason = str(error).rpartition(": ")[2]
        raise UnreadableEncodingError(f"{label}: {reason}") from None
    if held:
        raise UnreadableEncodingError(f"{label}: incorrect header check")
