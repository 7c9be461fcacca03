"""Every way in which a secret is met: its letters escaped one by one, or all of it encoded.

A server that echoes a key may quote it as JSON, HTML or a URL, mix these, break its lines, or
encode a whole header in base64 or hexadecimal. `Spellings` finds them all, and at the end of a text
the beginning of one whose rest is still to come.
"""

from __future__ import annotations

import base64
import functools
import json
import re

SHORTEST_SECRET = 4
_BREAK = r"(?:\\{0,2}\r?\n[ \t]{0,40}|[\u200b-\u200d\u2060\ufeff\u00ad])*"
"""Between two letters: where a line is broken and indented, and marks that no screen shows."""
_BETWEEN = re.compile(_BREAK)
_HALF_BREAK = re.compile(r"\\{0,2}\r?\Z")
_ESCAPE_START = r"\\\\{0,2}[ux]|%[0-9A-Fa-f]|&(?:#|a|l|g|q)"
_SIGNS = "\\%&"
"""With these an escape begins."""
_MOST_BACKSLASHES = 3
_LONGEST_LETTER = 16
_NO, _OPEN = -1, -2
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class Spellings:
    """Finds one secret of at least `SHORTEST_SECRET` characters."""

    def __init__(self, secret: str) -> None:
        self.needles = needles = [secret, *_encoded(secret)]
        """The secret itself, and all of it in base64 and hexadecimal."""
        self._by_first = dict.fromkeys(_SIGNS, needles)
        for needle in needles:
            if needle[0] not in _SIGNS:
                alike = [each for each in needles if each[0] == needle[0]]
                self._by_first[needle[0]] = alike
        self._start = re.compile("|".join([_ESCAPE_START, *map(_beginning, needles)]))
        openings = "|".join([rf"(?<=[{re.escape(_SIGNS)}])", *map(_opening, needles)])
        self._open = re.compile(f"[{re.escape(''.join(self._by_first))}](?:{openings})")
        # how many of a run of backslashes belong to which letter, only the whole can tell
        once = json.dumps(secret)[1:-1]
        twice = json.dumps(once)[1:-1]
        self._literal = (twice, once, secret) if "\\" in secret else ()
        self._longest = max(map(len, needles)) * _LONGEST_LETTER

    def replace(self, text: str, mask: str, *, whole: bool = True) -> str:
        """Return the text with each spelling of the secret replaced.

        Parameters
        ----------
        whole
            Whether nothing follows; else a spelling that may still go on is left for later.
        """
        for literal in self._literal:
            text = text.replace(literal, mask)
        pieces: list[str] = []
        written = at = 0
        while found := self._start.search(text, at):
            start = found.start()
            end = max(
                _match(each, text, start, whole=whole) for each in self._by_first[text[start]]
            )
            if end < 0:
                at = start + 1
                continue
            pieces += [text[written:start], mask]
            written = at = end
        return "".join([*pieces, text[written:]]) if pieces else text

    def open_at(self, text: str) -> int:
        """Return where a spelling begins that the text may be too short for, else its length."""
        at = max(0, len(text) - self._longest)
        while found := self._open.search(text, at):
            at = found.start()
            if any(
                _match(each, text, at, whole=False) == _OPEN for each in self._by_first[text[at]]
            ):
                return at
            at += 1
        return len(text)


@functools.lru_cache(maxsize=16)
def spellings(secret: str) -> Spellings:
    """Return the finder of a secret, made once."""
    return Spellings(secret)


def _beginning(needle: str) -> str:
    """Return a pattern of the first two letters that is quick to search for."""
    first, second = map(re.escape, needle[:2])
    # each way begins with one literal: the engine then skips all other letters at once
    return rf"{first}{_BREAK}(?:{second}|[\\%&])|\\\\{{0,2}}{first}"


def _opening(needle: str) -> str:
    """Return a pattern, right behind its first letter, of all that may be open in `_match`."""
    first, second = map(re.escape, needle[:2])
    return rf"(?<={first}){_BREAK}(?:{second}|[\\%&\r]|\Z)"


def _match(needle: str, text: str, at: int, *, whole: bool) -> int:
    """Return where the needle that begins at `at` ends, `_NO`, or `_OPEN` at the text's end."""
    for place, letter in enumerate(needle):
        if place and at < len(text) and text[at] != letter and (gap := _BETWEEN.match(text, at)):
            at = gap.end()
        if at >= len(text) or (place and not whole and _HALF_BREAK.match(text, at)):
            return _OPEN
        if text[at] in _SIGNS and (end := _escaped(letter, text, at, whole=whole)) != _NO:
            if end == _OPEN:
                return _OPEN
            at = end
        elif text[at] == letter:
            at += 1
        else:
            return _NO
    return at


def _escaped(letter: str, text: str, at: int, *, whole: bool) -> int:
    """Return where an escape of the letter ends, `_NO`, or `_OPEN` at the text's end."""
    here = text[at : at + _LONGEST_LETTER]
    folded = here.lower()
    ways = _ways(letter)
    if not whole and at + len(here) == len(text):
        longer = any(way.startswith(folded) and way != folded for way in ways)
        if longer or not here.strip("\\"):
            return _OPEN
    for way in ways:
        if folded.startswith(way):
            return at + len(way)
    for count in range(_MOST_BACKSLASHES, 0, -1):
        if here.startswith("\\" * count + letter):
            return at + count + 1
    return _NO


@functools.lru_cache(maxsize=512)
def _ways(letter: str) -> tuple[str, ...]:
    """Return the escapes of a letter for JSON, HTML and URLs, folded."""
    code = ord(letter)
    numbers = (f"{code}", f"0{code}", f"x{code:x}", f"x0{code:x}", f"x00{code:x}")
    entities = [f"&#{number};" for number in numbers]
    entities += [f"&{name};" for name, sign in _NAMED.items() if sign == letter]
    ways = [
        *(
            "".join(f"{sign}{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
            for sign in ("%", "%25")  # also quoted twice
        ),
        *("\\" * count + f"u{code:04x}" for count in (1, 2)),
        *("\\" * count + f"x{code:02x}" for count in (1, 2)),
        *entities,
        *(f"&amp;{entity[1:]}" for entity in entities),
    ]
    return tuple(sorted(ways, key=len, reverse=True))  # `&amp;#38;` is no `&` before `#38;`


def _encoded(secret: str) -> list[str]:
    """Return the secret in base64, at each of the three places it can begin, and in hexadecimal.

    The characters at the edges also contain bits of the neighbouring text and are left out.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    found = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        inner = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found += [inner, inner.replace("+", "-").replace("/", "_")]
    found += [raw.hex(), raw.hex().upper()]
    return [each for each in dict.fromkeys(found) if len(each) >= SHORTEST_SECRET]
