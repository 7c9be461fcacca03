"""No spelling of a key reaches the file, in one piece or spread; all else stays byte for byte."""

from __future__ import annotations

import base64
import json

import pytest

from cc_jupyter.cassettes.secrets import clean_pieces, without_secrets

KEY = "user_0123456789abcdef"


def event(text: str) -> str:
    chunk = {"choices": [{"delta": {"content": text}}]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


CLEAN = {
    "words": ["the key", " is secret"],
    "what only looks like a key": ["sk-0123456789abcdef and user_somebody_else_1"],
    "signs of escapes": ["50 % of a &amp; b, \\u0041\\x41, 100%25"],
    "line ends": ["a\r\nb\u2028c\u0085d"],
    "invisible marks": ["soft\u00adhyphen\u200bspace"],
}


@pytest.mark.parametrize("texts", CLEAN.values(), ids=CLEAN)
@pytest.mark.parametrize("is_spread", [False, None])
def test_a_body_without_a_key_is_returned_byte_for_byte(texts, is_spread):
    pieces = [(at, event(text).encode()) for at, text in enumerate(texts)]
    assert clean_pieces(pieces, (KEY,), is_spread=is_spread) == pieces
    broken = [(0, b"\xff\xfe"), (1, b"\xe6\x97")]
    assert clean_pieces(broken, (KEY,), is_spread=is_spread) == broken
    assert clean_pieces([], (KEY,), is_spread=is_spread) == []


ONE_PIECE = {
    "plain": event(f"it is {KEY}!"),
    "escaped": event("x").replace("x", "".join(f"\\u{ord(letter):04X}" for letter in KEY)),
    "percent": event("".join(f"%{ord(letter):02x}" for letter in KEY)),
    "base64": event(base64.b64encode(f"Bearer {KEY}".encode()).decode()),
    "hexadecimal": event(KEY.encode().hex()),
    "broken lines": event(f"{KEY[:9]}\n{KEY[9:]}"),
    "a member nobody reads": f'data: {{"debug": {{"auth": "Bearer {KEY}"}}}}\n\n',
    "a comment": f": {KEY}\n\n",
    "HTML": f"<html>Bearer {KEY}</html>",
}


@pytest.mark.parametrize("text", ONE_PIECE.values(), ids=ONE_PIECE)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_key_in_one_piece_is_found_however_the_body_is_cut(text, size):
    raw = text.encode()
    pieces = [(at, raw[at : at + size]) for at in range(0, len(raw), size)]
    cleaned = clean_pieces(pieces, (KEY,), is_spread="broken" in text or None)
    whole = b"".join(piece for _, piece in cleaned).decode()
    assert "[key]" in whole
    assert without_secrets(whole, (KEY,)) == whole
    assert [at for at, _ in cleaned] == [at for at, _ in pieces]
    decoded = "".join(_contents(whole)) if "content" in text else whole
    assert without_secrets(decoded, (KEY,)) == decoded


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_key_over_several_events_is_found_and_each_event_stays_whole(size):
    said = f"the key {KEY} is it"
    parts = [said[at : at + size] for at in range(0, len(said), size)]
    pieces = [(at, event(part).encode()) for at, part in enumerate(parts)]
    cleaned = clean_pieces(pieces, (KEY,), is_spread=True)
    contents = [_contents(piece.decode()) for _, piece in cleaned]
    assert [len(each) for each in contents] == [1] * len(parts)
    assert "".join(each[0] for each in contents) == "the key [key] is it"


def _contents(text: str) -> list[str]:
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    return [each["choices"][0]["delta"]["content"] for each in events]
