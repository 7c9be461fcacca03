"""Finds the JSON in an answer: alone, in a code fence, or with words around it.

Nothing is mended: what is cut or broken is no JSON, and a part of it is never taken for the whole.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder(strict=False)  # models write line breaks into strings
_TICKS = 3
# an object begins anywhere, an array only a line: `[1]` in a sentence is a footnote; what cannot
# go on as JSON is text about braces
_START = re.compile(
    r'\{(?=\s*["}])|^[ \t]*\[(?=\s*(?:["\[{\]\d-]|true\b|false\b|null\b))', re.MULTILINE
)


def find_json(answer: str) -> list[Any]:
    """Give the JSON values of an answer: all of it, else those in fences, else those in the text.

    Of what stands in the text only objects and arrays count.
    """
    text = answer.strip().removeprefix("\ufeff")
    found = _decoded(text)
    if not found and "```" in text:
        found = [value for body in dict.fromkeys(_fenced(text)) for value in _decoded(body)]
    return found or _inside(text)


def complaint(answer: str) -> str:
    """Say why an answer in which nothing was found is no JSON."""
    begin = re.search(r"[{\[]", answer)
    if begin is None:
        return "there is no JSON in it"
    try:
        _DECODER.raw_decode(answer, begin.start())
    except json.JSONDecodeError as error:
        if error.pos >= len(answer.rstrip()) or error.msg.startswith("Unterminated"):
            return "the JSON breaks off"
        return f"not JSON: {error.msg} at character {error.pos + 1:,}"
    except (ValueError, RecursionError):
        return "the JSON cannot be read"
    return "the JSON cannot be told from the text around it"


def _decoded(text: str) -> list[Any]:
    try:
        return [_DECODER.decode(text)]
    except (ValueError, RecursionError):
        return []


def _fenced(text: str) -> Iterator[str]:
    """Give the contents of the closed code fences; by lines, so that no text is read twice."""
    fence, body = 0, list[str]()
    for line in text.split("\n"):
        bare = line.strip()
        ticks = len(bare) - len(bare.lstrip("`"))
        if fence and ticks >= fence and ticks == len(bare):
            yield "\n".join(body).strip()
            fence = 0
        elif fence:
            body.append(line)
        elif ticks >= _TICKS:
            fence, body = ticks, []


def _inside(text: str) -> list[Any]:
    found: dict[str, Any] = {}
    position = 0
    while start := _START.search(text, position):
        place = start.end() - 1
        try:
            value, position = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return []  # broken or cut: what is whole inside it is only a part
        found[text[place:position]] = value
    return list(found.values())
