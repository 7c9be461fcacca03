"""A key is removed in every spelling, wherever the text is cut."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from cc_jupyter.core.redaction import SecretFilter, redact

KEYS = {
    "a key of the provider": "user_test_0123456789abcdef",
    "signs that are escaped": 'an&odd<key>"7+/é',
    "one letter over and over": "x" * 30 + "9",
    "a long token": "".join(chr(35 + at * 7 % 57) for at in range(400)),
}
FORMS = {
    "plain": lambda key: key,
    "URL": lambda key: quote(key, safe=""),
    "URL of a form": quote_plus,
    "URL, every letter": lambda key: "".join(f"%{byte:02x}" for byte in key.encode()),
    "HTML": html.escape,
    "HTML, decimal": lambda key: "".join(f"&#{ord(letter)};" for letter in key),
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(letter):X};" for letter in key),
    "HTML, escaped twice": lambda key: html.escape("".join(f"&#{ord(each)};" for each in key)),
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON in JSON": lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
    "JSON, every letter": lambda key: "".join(f"\\u{ord(letter):04X}" for letter in key),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 after one byte": lambda key: base64.b64encode(f"B{key} x".encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"12{key}".encode()).decode(),
    "base64 in lines": lambda key: base64.encodebytes(f"Authorization: {key}".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
    "marks that no screen shows between the letters": "\u200b".join,
    "broken by a line": lambda key: f"{key[:9]}\n{key[9:]}",
    "broken by a line in a shell": lambda key: f"{key[:9]}\\\r\n{key[9:]}",
}


MOST_BESIDE = 30
"""Characters of a spelled header, or of its edges, that may stay beside the mask."""


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_removed_however_it_is_spelled(key, form):
    clean = redact(f"before {form(key)} after", (key,))
    assert "[key]" in clean
    assert len(clean) <= len("before [key] after") + MOST_BESIDE
    assert "[key]" in redact(form(key), (key,))
    assert clean.startswith("before ")
    assert clean.endswith(" after")


@pytest.mark.parametrize("key", list(KEYS.values())[:2], ids=list(KEYS)[:2])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_removed_wherever_the_text_is_cut(key, form):
    text = f"before {form(key)} after"
    whole = SecretFilter((key,))
    expected = whole.feed(text) + whole.flush()
    assert "[key]" in expected
    for at in range(len(text) + 1):
        cut = SecretFilter((key,))
        assert cut.feed(text[:at]) + cut.feed(text[at:]) + cut.flush() == expected
    bytewise = SecretFilter((key,))
    assert "".join(map(bytewise.feed, text)) + bytewise.flush() == expected


@pytest.mark.parametrize("key", ["000000\\\\", "a\\b\\\\c", "\\\\\\\\"])
def test_a_key_with_backslashes_is_removed_plain_and_as_json_spells_it(key):
    for form in (key, json.dumps(key)[1:-1], json.dumps(json.dumps(key)[1:-1])[1:-1]):
        assert redact(f"x {form} y", (key,)) == "x [key] y"


@pytest.mark.parametrize(
    "text",
    [
        "user_test_0123456789abcde",
        "use a user, User_test_0123456789abcdef in capitals",
        "100% & more \\n \\u0075 &amp; %41 &#117;",
        "\\\\\\\\",
        "u",
        "",
    ],
)
def test_other_text_comes_out_as_it_went_in(text):
    key = "user_test_0123456789abcdef"
    passing = SecretFilter((key,))
    assert "".join(map(passing.feed, text)) + passing.flush() == text


def test_text_that_begins_no_key_does_not_wait():
    passing = SecretFilter(("user_test_0123456789abcdef",))
    assert passing.feed("The quick brown fox") == "The quick brown fox"
    assert passing.feed(" is a user") == " is a "
    assert passing.feed(".") == "user."
