"""Look for bytes that break the reading of answers: `python tests/client/fuzz.py [SECONDS [SEED]]`.

Takes the recordings, spoils them (bytes, lines, JSON values, two of them joined), cuts them
anywhere, and checks the properties of `test_properties.py` until the time is over. An input that
breaks one is printed with the places of its cuts, and the program fails.
"""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).parents[1]))

from client import test_properties as properties
from support.recordings import ENDPOINTS, load_recordings

_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+|null|true|false|\{\}|\[\]')
_OTHER_VALUES = (
    *(b"null", b"true", b"false", b"0", b"-1", b"1.5", b"1e400", b"NaN", b"9" * 4_301),
    *(b'""', b"{}", b"[]", b"[null]", b'[{"text":"a"}]', b'{"message":"a"}', b"[" * 9_999),
    *(b'"<think>"', b'"</think>"', b'"\xe2\x80\xa8"', b'"\xff"', b'{"a":{"b":[1,{"c":null}]}}'),
)  # fmt: skip
_OTHER_BYTES = (b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\x00", b"\xff", b"data: [DONE]\n\n", b"{")


def spoiled(pick: random.Random, bodies: list[bytes]) -> bytes:
    """Return a recording with one to four things wrong."""
    body = pick.choice(bodies)
    for _ in range(pick.randint(1, 4)):
        body = pick.choice((_value, _value, _bytes, _lines, _joined, _short))(pick, body, bodies)
    return body


def _value(pick: random.Random, body: bytes, _: list[bytes]) -> bytes:
    found = list(_VALUE.finditer(body))
    if not found:
        return body
    value = pick.choice(found)
    other = pick.choice((pick.choice(_OTHER_VALUES), pick.choice(found)[0]))
    return body[: value.start()] + other + body[value.end() :]


def _bytes(pick: random.Random, body: bytes, _: list[bytes]) -> bytes:
    at = pick.randint(0, len(body))
    other = pick.choice((pick.choice(_OTHER_BYTES), pick.randbytes(pick.randint(0, 4))))
    return body[:at] + other + body[at + pick.randint(0, 3) :]


def _lines(pick: random.Random, body: bytes, _: list[bytes]) -> bytes:
    lines = body.splitlines(keepends=True) or [b""]
    line = pick.randrange(len(lines))
    lines[line : line + 1] = [lines[line], pick.choice(lines)] if pick.random() < 0.5 else []
    return b"".join(lines)


def _joined(pick: random.Random, body: bytes, bodies: list[bytes]) -> bytes:
    other = pick.choice(bodies)
    return body[: pick.randint(0, len(body))] + other[pick.randint(0, len(other)) :]


def _short(pick: random.Random, body: bytes, _: list[bytes]) -> bytes:
    return body[: pick.randint(0, len(body))]


def main() -> None:
    """Fuzz until the time is over."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    pick = random.Random(seed)
    bodies = [one.body for one in load_recordings()]
    tried = tried_bytes = 0
    start_s = monotonic()
    while monotonic() - start_s < seconds:
        body = spoiled(pick, bodies)
        at = [pick.randint(0, len(body)) for _ in range(pick.randint(0, 6))]
        for wire in ENDPOINTS:
            try:
                properties.check_the_ending(wire, body, at)
                properties.check_the_cut(wire, body, at)
            except BaseException:
                print(f"broken after {tried:,} inputs of seed {seed}: {wire}, {at}\n{body!r}")
                raise
        tried += 1
        tried_bytes += len(body)
    took_s = monotonic() - start_s
    print(f"{tried:,} inputs, {tried_bytes:,} bytes, {took_s:.0f} s, seed {seed}: none broke")


if __name__ == "__main__":
    main()
