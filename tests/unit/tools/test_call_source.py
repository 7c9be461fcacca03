"""A call as Python source: exact, readable, and read back without evaluating anything."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.terminal import safe_terminal
from cc_jupyter.tools.call_source import call_source, read_arguments, short_call

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ATTACK = "a\u202eb\x1b[31m\u200b\r\n\"'\\ {}\u2028\x00é"


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        ({}, "f()"),
        ({"city": "Rome", "limit": 3}, 'f(city="Rome", limit=3)'),
        ({"a": None, "b": True, "c": 1.5}, "f(a=None, b=True, c=1.5)"),
        ({"a": [1, "x"], "b": {"k": []}}, 'f(a=[1, "x"], b={"k": []})'),
        ({"a": 'say "hi"'}, "f(a='say \"hi\"')"),
        ({"a": "it's"}, 'f(a="it\'s")'),
        (
            {"sql": "SELECT 1\nFROM t"},
            'f(\n    sql=(\n        "SELECT 1\\n"\n        "FROM t"\n    ),\n)',
        ),
        ({"a": float("inf")}, 'f(a=float("inf"))'),
    ],
)
def test_a_call_reads_as_one_would_write_it(arguments, source):
    assert call_source("f", arguments) == source


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the first text is slow
@given(st.dictionaries(st.sampled_from(["a", "b_1"]), JSON, max_size=3), st.integers(1, 100))
def test_the_source_is_exact_and_obeys_nothing(arguments, width):
    source = call_source("f", arguments, width)
    assert safe_terminal(source) == source
    if arguments:
        assert read_arguments(source[2:-1]) == arguments
    assert eval(source, {"f": dict}) == arguments


def test_what_would_steer_a_terminal_or_hide_is_escaped():
    source = call_source("f", {"a": ATTACK})
    for character in "\u202e\x1b\u200b\r\u2028\x00":
        assert character not in source
    assert "é" in source
    assert eval(source, {"f": dict}) == {"a": ATTACK}


def test_forty_kilobytes_are_there_in_full():
    text = "".join(f"line {number}: {'x' * 40}\n" for number in range(800))
    assert eval(call_source("f", {"text": text}), {"f": dict}) == {"text": text}


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ('city="Rome"', {"city": "Rome"}),
        ("city='Rome', limit=-3, ", {"city": "Rome", "limit": -3}),
        ("a=[1, (2,)], b={'k': None}", {"a": [1, (2,)], "b": {"k": None}}),
        ("a=...", {"a": ...}),
        ('a=("x"\n"y")', {"a": "xy"}),
    ],
)
def test_typed_arguments_are_literals(typed, arguments):
    assert read_arguments(typed) == arguments


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "no names for its values"),
        ("3", "no names for its values"),
        ("Rome", "no names for its values"),
        ("city=Rome", "the value of city, `Rome`, is not a literal"),
        ("a=__import__('os').system('true')", "is not a literal"),
        ("a=1+x", "is not a literal"),
        ("a=f'{1}'", "is not a literal"),
        ("a=1, a=2", "given twice"),
        ("**{'a': 1}", "a dict with **"),
        ("a=1) or f(b=2", "no names for its values"),
        ("a=1).b(c=2", "no names for its values"),
        ("a=", "is not a list of arguments"),
        ("a=(", "is not a list of arguments"),
        ("a=" + "[" * 5_000, "is not a list of arguments"),
    ],
)
def test_anything_else_is_refused_with_an_example(typed, message):
    with pytest.raises(OptionError) as error:
        read_arguments(typed)
    assert message in str(error.value)
    assert error.value.hint


def test_a_short_call_cuts_long_arguments_only():
    assert short_call("f", {"a": 1, "b": "x" * 60}) == f'f(a=1, b="{"x" * 40}…)'
    assert short_call("f", {"a": list(range(100))}).endswith("…)")
