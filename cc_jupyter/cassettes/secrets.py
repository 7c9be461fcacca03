"""Remove secrets from what a cassette is about to hold.

A server may echo the key, in one piece or spread over many events of a stream. A cassette is meant
to be shared, and whoever replays it has no key to look for, so the file itself must not hold it in
any spelling. Almost no body does: a few searches prove that, and only the others are taken apart.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from cc_jupyter.core.redaction import MASK, SecretFilter
from cc_jupyter.core.spellings import SHORTEST_SECRET, spellings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cc_jupyter.cassettes.recording import Piece


_VALUES = re.compile(
    r'"(content|text|reasoning|reasoning_content|thinking|arguments|partial_json|summary|refusal'
    r'|message|error|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"'
)
"""The members of an event that hold words: the next piece of a text, or an error."""
_BLANKS = b" \t\r\n\\"
_ESCAPES = {
    b"%": re.compile(rb"%(?:25)*[0-9A-Fa-f]{2}"),
    b"&": re.compile(rb"&(?:#|amp;|lt;|gt;|quot;|apos;)"),
    b"\\": re.compile(
        rb"\\(?:u(?:00[2-7]|00[aA][dD]|200|2060|[fF][eE][fF][fF])|x[2-7])",
    ),
    b"\xe2": re.compile(rb"\xe2(?:\x80[\x8b-\x8d]|\x81\xa0)"),
    b"\xef": re.compile(rb"\xef\xbb\xbf"),
    b"\xc2": re.compile(rb"\xc2\xad"),
}
"""With these a letter may be written in another way, or an invisible mark divides two letters.

Each by the byte that it begins with: searching a body for a byte takes next to no time.
"""
_LONGEST_ERROR = 2**16
_CODEC = ("utf-8", "surrogateescape")
"""Reads any bytes as text and writes the same bytes again."""
Span = tuple[int, int, str]
"""Where a text is replaced, and by what."""


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Replace every spelling of each secret by `[key]`; what only looks like a key stays."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = spellings(secret).replace(text, MASK)
    return text


def clean_pieces(
    pieces: Sequence[Piece], secrets: Sequence[str], *, is_spread: bool | None = None
) -> list[Piece]:
    """Return the pieces of a body without secrets; a body without any is returned unchanged.

    Parameters
    ----------
    is_spread
        Whether the decoded answer held a secret, which several events may spell; `None`: unknown.
    """
    secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    body = b"".join(piece for _, piece in pieces)
    if not (secrets and body) or (
        is_spread is False and not any(_may_hold(body, each) for each in secrets)
    ):
        return list(pieces)
    texts = [piece.decode(*_CODEC) for _, piece in pieces]
    text = "".join(texts)
    if without_secrets(text, secrets) != text:
        waiting = SecretFilter(secrets)
        texts = [waiting.feed(each) for each in texts]
        texts[-1] += waiting.flush()
        text = "".join(texts)
    ends = list(accumulate(map(len, texts)))
    if spans := sorted(_spread_over_events(text, secrets)):
        text, ends = _replaced(text, ends, spans)
    starts = [0, *ends[:-1]]
    return [
        (at_ms, text[start:end].encode(*_CODEC))
        for (at_ms, _), start, end in zip(pieces, starts, ends, strict=True)
    ]


def _may_hold(body: bytes, secret: str) -> bool:
    """Return whether a body may hold a secret in one piece; `False` is certain."""
    if any(start in body and escape.search(body) for start, escape in _ESCAPES.items()):
        return True
    # without what may divide two letters; a line break as JSON writes it is in the words of an
    # error, or was found in the decoded answer
    joined = body
    if len(body) <= _LONGEST_ERROR:
        joined = body.replace(b"\\r\\n", b"").replace(b"\\n", b"")
    joined = joined.translate(None, _BLANKS)
    needles = (each.encode().translate(None, _BLANKS) for each in spellings(secret).needles)
    return any(needle in joined for needle in needles)


def _spread_over_events(text: str, secrets: Sequence[str]) -> Iterator[Span]:
    """Yield the texts of events over which a secret is spread, each without its part."""
    by_name: dict[str, list[re.Match[str]]] = {}
    for found in _VALUES.finditer(text):
        by_name.setdefault(found[1], []).append(found)
    for matches in by_name.values():
        values = [_unescaped(found[2]) for found in matches]
        if without_secrets("".join(values), secrets) == "".join(values):
            continue
        waiting = SecretFilter(secrets)
        shown = [waiting.feed(value) for value in values]
        shown[-1] += waiting.flush()
        for found, value, new in zip(matches, values, shown, strict=True):
            if value != new:
                yield (*found.span(2), json.dumps(new, ensure_ascii=False)[1:-1])


def _unescaped(value: str) -> str:
    """Return what a JSON string says; one that is broken is returned as it is written."""
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


def _replaced(text: str, ends: list[int], spans: list[Span]) -> tuple[str, list[int]]:
    """Replace spans; an end of a piece within one moves behind what replaces it."""
    parts: list[str] = []
    at = 0
    for start, end, new in spans:
        parts += [text[at:start], new]
        at = end
    parts.append(text[at:])
    stops = [end for _, end, _ in spans]
    grown = list(accumulate((len(new) - (end - start) for start, end, new in spans), initial=0))

    def moved(position: int) -> int:
        passed = bisect_right(stops, position)
        if passed < len(spans) and spans[passed][0] < position:  # within a replaced span
            position = spans[passed][1]
            passed += 1
        return position + grown[passed]

    return "".join(parts), [moved(end) for end in ends]
