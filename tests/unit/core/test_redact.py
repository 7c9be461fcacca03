"""No secret passes: keys by their shape, and the key in use by its own letters."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cc_jupyter.core.redaction import redact

LETTERS = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
KEYS = st.text(LETTERS, min_size=4, max_size=80)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer user_abc123def", "Authorization: Bearer [key]"),
        ("authorization: bearer abc123", "authorization: bearer [key]"),
        ("BEARER  abc.def-1_x=, next", "BEARER  [key], next"),
        ('{"auth": "Bearer tok_1"}', '{"auth": "Bearer [key]"}'),
        ("Bearer abcdefghijklmnopq", "Bearer [key]"),
        ("key user_test_0123456789abcdef is wrong", "key [key] is wrong"),
        ("sk-proj-abc123DEF456", "[key]"),
        ("sk-ant-api03-x_y-9999", "[key]"),
        ("cc_live_0123456789", "[key]"),
        ("'user_aaaaaaaaaaaaaaaaaaaaaaaa'", "'[key]'"),
        ("a=user_12345678&b=sk-12345678", "a=[key]&b=[key]"),
        ("user_12345678…", "[key]…"),
    ],
)
def test_what_looks_like_a_key_is_taken_out(text, clean):
    assert redact(text) == clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user_messages must alternate",
        "the user_id field",
        "bearer token required",
        "a Bearer of news",
        "cc_jupyter 0.1",
        "risk-free",
        "task-12345678",
        "sk-short",
        "no key at all",
    ],
)
def test_ordinary_words_stay(text):
    assert redact(text) == text


@given(KEYS, st.text(), st.text())
def test_the_key_in_use_is_taken_out_whatever_its_shape(key, before, after):
    assert key not in redact(f"{before} {key} {after}", (key,)).replace("[key]", "")


@given(st.text(LETTERS, min_size=8, max_size=80))
def test_the_key_is_also_taken_out_as_an_address_or_json_spells_it(key):
    for spelled in (quote(key, safe=""), json.dumps(key)[1:-1]):
        assert spelled not in redact(f"x {spelled} y", (key,)).replace("[key]", "")


@given(st.text())
def test_redacting_twice_is_redacting_once(text):
    assert redact(redact(text)) == redact(text)


def test_several_keys_are_all_taken_out():
    assert redact("alpha-one beta-two", ("alpha-one", "beta-two")) == "[key] [key]"


def test_what_is_too_short_to_be_a_key_stays():
    assert redact("an xyz in a text", ("xyz", "")) == "an xyz in a text"


@pytest.mark.parametrize("before", [" ", "\n", "\t", "\r\n", "\x0b", '"', "\\"])
@pytest.mark.parametrize("secret", ["user_0123456789abcdef", '"Authorization: Bearer x1y2z3w4"'])
def test_json_stays_json_and_holds_no_key(before, secret):
    text = json.dumps({"said": f"line{before}{secret} end"})
    clean = json.loads(redact(text))
    assert clean["said"].endswith(" end")
    assert "0123456789" not in clean["said"]
    assert "x1y2z3w4" not in clean["said"]
