"""Remove secrets from what a cassette is about to hold.

A server may echo the key, in one piece or spread over many events of a stream. A cassette is meant
to be shared, and whoever replays it has no key to look for, so the file itself must not hold it in
any spelling.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from cc_jupyter.core.redaction import MASK, SecretFilter
from cc_jupyter.core.spellings import SHORTEST_SECRET, spellings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cc_jupyter.cassettes.recording import Piece


_SPREAD = re.compile(
    r'"(content|text|reasoning|reasoning_content|thinking|arguments|partial_json|summary|refusal)"'
    r'\s*:\s*"((?:[^"\\]|\\.)*)"'
)
"""The members of an event that hold the next piece of a text."""
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


def clean_pieces(pieces: Sequence[Piece], secrets: Sequence[str]) -> list[Piece]:
    """Return the pieces of a body without secrets; a body without any is returned unchanged."""
    if not secrets:
        return list(pieces)
    texts = [piece.decode(*_CODEC) for _, piece in pieces]
    text = "".join(texts)
    if without_secrets(text, secrets) != text:
        waiting = SecretFilter(secrets)
        texts = [waiting.feed(each) for each in texts]
        texts[-1] += waiting.flush()
        text = "".join(texts)
    ends = list(accumulate(map(len, texts)))
    if spans := _spread_over_events(text, secrets):
        text, ends = _replaced(text, ends, spans)
    starts = [0, *ends[:-1]]
    return [
        (at_ms, text[start:end].encode(*_CODEC))
        for (at_ms, _), start, end in zip(pieces, starts, ends, strict=True)
    ]


def _spread_over_events(text: str, secrets: Sequence[str]) -> list[Span]:
    """Return the texts of events over which a secret is spread, each without its part."""
    by_name: dict[str, list[re.Match[str]]] = {}
    for found in _SPREAD.finditer(text):
        by_name.setdefault(found[1], []).append(found)
    spans: list[Span] = []
    for matches in by_name.values():
        joined = "".join(found[2] for found in matches)
        if without_secrets(joined, secrets) == joined:
            continue
        waiting = SecretFilter(secrets)
        shown = [waiting.feed(found[2]) for found in matches]
        shown[-1] += waiting.flush()
        spans += [
            (*found.span(2), new)
            for found, new in zip(matches, shown, strict=True)
            if found[2] != new
        ]
    return sorted(spans)


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
