"""The words of an option line: quotes, brackets, the arrow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cc_jupyter.core.errors import OptionError
from cc_jupyter.prompt.option_line.words import next_word, shown, unquoted


def words(line: str, *, arrow: bool = True) -> list[str]:
    found, position = [], 0
    while (word := next_word(line, position, arrow=arrow)) is not None:
        assert line[word.start : word.end] == word.text
        found.append(word.text)
        position = word.end
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        (" \t ", []),
        ("-m a  --new\t-t 1", ["-m", "a", "--new", "-t", "1"]),
        ("-s 'be brief' x", ["-s", "'be brief'", "x"]),
        ("-s \"a 'b' c\"", ["-s", "\"a 'b' c\""]),
        ("don't do 5' it", ["don't", "do", "5'", "it"]),
        ('--system="a b" c', ['--system="a b"', "c"]),
        ("--system='a b'", ["--system='a b'"]),
        ('-i df["a b"] c', ["-i", 'df["a b"]', "c"]),
        ("-i f(a, [1, 2], {3: 4}) c", ["-i", "f(a, [1, 2], {3: 4})", "c"]),
        ('--param x={"a": "b } c"} d', ["--param", 'x={"a": "b } c"}', "d"]),
        (r'--param x={"a": "b\" }"} d', ["--param", r'x={"a": "b\" }"}', "d"]),
        ("-s {{ persona }} d", ["-s", "{{ persona }}", "d"]),
        (r"-i C:\new\table d", ["-i", r"C:\new\table", "d"]),
        (r'-i "C:\my pictures\" d', ["-i", r'"C:\my pictures\"', "d"]),
        ("a) b] c}", ["a)", "b]", "c}"]),
        ("-m\N{NO-BREAK SPACE}a", ["-m", "a"]),
        ('""', ['""']),
    ],
)
def test_words_split_at_blanks_outside_quotes_and_brackets(line, expected):
    assert words(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m a -> x", ["-m", "a", "->", "x"]),
        ("->x", ["->", "x"]),
        ("-m a->x", ["-m", "a", "->", "x"]),
        ("-s 'a -> b' -> x", ["-s", "'a -> b'", "->", "x"]),
        ('--system="a -> b"', ['--system="a -> b"']),
        ('-i f("->") x', ["-i", 'f("->")', "x"]),
        ("-s don't -> x", ["-s", "don't", "->", "x"]),
    ],
)
def test_the_arrow_counts_outside_quotes_only(line, expected):
    assert words(line) == expected


def test_the_arrow_is_text_where_it_has_no_meaning():
    assert words("-s a->b -> c", arrow=False) == ["-s", "a->b", "->", "c"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a b'", "a b"),
        ('"a b"', "a b"),
        ("''", ""),
        ("'", "'"),
        ('"a"b', '"a"b'),
        ('"a""b"', '"a""b"'),
        ('df["a"]', 'df["a"]'),
        ("don't", "don't"),
        ("\"a'", "\"a'"),
        (r'"a\n"', r"a\n"),
    ],
)
def test_quotes_are_removed_only_where_they_enclose_a_whole_value(text, value):
    assert unquoted(text) == value


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("-s 'be brief", ["quote", "`'be brief`"]),
        ('--system="a', ["quote", '`"a`']),
        ("-i f(a, [1", ["bracket", "`[1`"]),
        ("-i f(a", ["bracket", "`(a`"]),
        ("-i (don't)", ["quote", "`'t)`"]),
        ("-i (a -> b)", ["bracket", "`(a`"]),
        (r'-i ["\"]', ["quote", r'`"\"]`']),
    ],
)
def test_an_unclosed_quote_or_bracket_names_itself(line, names):
    with pytest.raises(OptionError) as caught:
        words(line)
    assert all(name in str(caught.value) for name in names)
    assert "close it" in caught.value.hint


def test_a_word_in_a_message_is_short_on_one_line_and_no_key():
    assert shown("a\u2028b") == "`a b`"
    assert len(shown("x" * 1_000_000)) < 80
    assert "0123456789" not in shown("user_0123456789abcdef")


@given(st.text())
def test_any_line_is_cut_without_loss_or_refused(line):
    try:
        found = words(line)
    except OptionError:
        return
    assert "".join("".join(found).split()) == "".join(line.split())
