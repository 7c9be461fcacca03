"""The values of `--vary`: which are taken, in which order, under which labels."""

from __future__ import annotations

import itertools
from collections import UserDict
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cc_jupyter.core.errors import OptionError
from cc_jupyter.experiments.varied_values import varied_values


class Point:
    """A value without a text of its own."""

    def __str__(self) -> str:
        raise AssertionError("the text of a user's object was made")


def broken():
    yield 1
    raise ValueError("no more")


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["rain", "snow"], ["rain", "snow"]),
        (("b", "a"), ["b", "a"]),
        ({"b", "a", "c"}, ["a", "b", "c"]),
        (frozenset({2, 1}), ["1", "2"]),
        ({"short": "x", "long": "y"}, ["short", "long"]),
        (UserDict({1: "x", None: "y"}), ["1", "None"]),
        ({" two\n words ": "x"}, ["two words"]),
        (range(3), ["0", "1", "2"]),
        ((each for each in "ab"), ["a", "b"]),
        ({"x": 1, "y": 2}.keys(), ["x", "y"]),
        ([1, 1.0, True, "1"], ["1 (1)", "1.0", "True", "1 (2)"]),
        ([0.1, None, date(2026, 1, 2)], ["0.1", "None", "2026-01-02"]),
        ([Path("a/b")], ["a/b"]),
        (["", "a\nb  c"], ["(empty)", "a b c"]),
        (["x" * 100, "x" * 200], [f"{'x' * 60}… (1)", f"{'x' * 60}… (2)"]),
        ([Point(), Point()], ["tests.Point (1)", "tests.Point (2)"]),
        ([[1, 2], {"a": 1}], ["list of 2 items (int)", "dict of 1 item (str: int)"]),
        (pd.Series(["a", "b"], index=[5, 6]), ["a", "b"]),
        (pl.Series(["a", "b"]), ["a", "b"]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1, 2]), ["1", "2"]),
        (np.array([0.5, 1]), ["0.5", "1.0"]),
        (
            [pd.DataFrame({"a": [1]})],
            ["pandas.DataFrame, 1 row \N{MULTIPLICATION SIGN} 1 column (a: int64)"],
        ),
        (range(500), [str(number) for number in range(500)]),
    ],
)
def test_values_are_listed_in_order_under_unique_labels(given, labels):
    found = varied_values("--vary x", given)
    assert list(found) == labels
    if not isinstance(given, set | frozenset) and hasattr(given, "__len__"):
        values = given.values() if hasattr(given, "values") and callable(given.values) else given
        assert all(a is b or a == b for a, b in zip(found.values(), values, strict=True))


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ([], "has no values", "at least one"),
        ({}, "has no values", "at least one"),
        (iter(()), "has no values", "at least one"),
        ("rain", "needs several values, but has one str", "such as [a, b]"),
        (b"rain", "needs several values, but has one bytes", "such as [a, b]"),
        (3, "needs several values, but has one int", "such as [a, b]"),
        (None, "needs several values, but has one NoneType", "such as [a, b]"),
        (len, "needs several values, but has one builtin_function", "such as [a, b]"),
        (pd.DataFrame({"a": [1]}), "is a DataFrame", 'name a column, such as df["text"]'),
        (pl.DataFrame({"a": [1]}), "is a DataFrame", 'name a column, such as df["text"]'),
        (["a", "b", "a"], "has the value 'a' twice", "-n 2"),
        ([0.5, 0.5], "has the value 0.5 twice", "-n 2"),
        ({1: "a", "1": "b"}, "two values of `--vary x` have the label `1`", "different keys"),
        ({"": "a"}, "a label of `--vary x` is empty", "name each value"),
        (itertools.count(), "has more than 500 values", "itertools.islice"),
        ({number: number for number in range(501)}, "has more than 500 values", "islice"),
        (broken(), "cannot be listed: ValueError: no more", "nothing was sent"),
    ],
)
def test_what_cannot_be_varied_says_why_and_what_to_do(given, message, hint):
    with pytest.raises(OptionError) as caught:
        varied_values("--vary x", given)
    assert message in str(caught.value)
    assert "`--vary x`" in str(caught.value)
    assert hint in caught.value.hint


def test_no_label_contains_a_secret():
    secret = "the-key-of-a-user-0123"
    given = ["user_0123456789abcdef", f"a {secret}", "user_abcdef0123456789"]
    found = varied_values("--vary x", given, [secret])
    assert list(found) == ["[key] (1)", "a [key]", "[key] (2)"]
    assert list(found.values()) == given
    assert list(varied_values("--vary x", {secret: 1, "b": 2}, [secret])) == ["[key]", "b"]
