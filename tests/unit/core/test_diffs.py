"""Diffs show what a model wrote and obey none of it, on a page and in a terminal."""

from __future__ import annotations

import io
import re

import pytest
from IPython.lib.pretty import RepresentationPrinter
from support.markdown_judges import formulas, harm_of, visible

from cc_jupyter.core.display import Diff, word_diff
from cc_jupyter.core.escaping import page_html

IMG = "<img src=x onerror=alert(1)>"
ATTACKS = [
    IMG,
    f"{'`' * 40}\n{IMG}",
    f"x\r{'`' * 40}\r\r{IMG}",
    f"</pre></ins></del>{IMG}<!--",
    f"$$ {IMG} $$ \\( {IMG} \\)",
    "[x](javascript:alert(1)) ![a](https://far.example/p.png)",
    "\x1b]52;c;AAAA\x07\x1b[2J\x9b31m\u202e",
]


def unified(before, after):
    changed = [f"-{line}" for line in before.split("\n")] + [
        f"+{line}" for line in after.split("\n")
    ]
    lines = ["--- old", "+++ new", "@@ -1 +1 @@", " same", *changed]
    return Diff("\n".join(lines), "the note")


def printed(shown):
    out = io.StringIO()
    shown._repr_pretty_(RepresentationPrinter(out), cycle=False)
    return out.getvalue()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("make", [unified, word_diff])
def test_model_output_is_text_in_a_diff(make, attack):
    shown = make("old", f"new {attack}")
    html = re.sub(r' style="background: rgba\([\d., ]+\)"', "", shown._repr_html_())
    page = html.replace('<div style="white-space: pre-wrap">', "<div>")
    assert harm_of(re.sub(r"</?(?:ins|del)>", "", page)) == []
    assert formulas(html) == []
    for text in (html, printed(shown)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_insertions_and_deletions_are_elements_of_their_own_and_heads_are_not():
    html = unified("a", "b\nc")._repr_html_()
    assert re.findall(r"<(ins|del)[^>]*>(.*?)</\1>", html) == [
        ("del", "-a"),
        ("ins", "+b"),
        ("ins", "+c"),
    ]
    assert visible(html)[1] == ["--- old\n+++ new\n@@ -1 +1 @@\n same\n-a\n+b\n+c"]
    assert html.endswith("<p><em>the note</em></p>")


def test_a_diff_has_no_markdown_and_its_text_is_the_diff():
    shown = unified("a", "b")
    assert not hasattr(shown, "_repr_markdown_")
    assert printed(shown) == f"{shown}\nthe note"
    assert printed(Diff("", "nothing changed")) == "nothing changed"
    assert Diff("", "nothing changed")._repr_html_() == "<p><em>nothing changed</em></p>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("$5 and $6", "<span>&#36;</span>5 and <span>&#36;</span>6"),
        ("\\(x\\)", "<span>&#92;</span>(x<span>&#92;</span>)"),
        ("\\\\a \\begin{x} C:\\dir", "<span>&#92;</span>\\a <span>&#92;</span>begin{x} C:\\dir"),
        ('<b> & "c"', "&lt;b&gt; &amp; &quot;c&quot;"),
        ("end\\", "end<span>&#92;</span>"),
    ],
)
def test_text_on_a_page_is_no_element_and_no_formula(text, html):
    assert page_html(text) == html
    assert formulas(html) == []
