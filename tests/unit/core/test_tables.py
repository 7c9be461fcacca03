"""Tables: which columns are figures, and how marked texts show."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from cc_jupyter.core.display import MarkedText, Table


def sides(table):
    """Return the alignment of each cell of the page, the header first."""
    return re.findall(r'<t[hd] style="text-align: (left|right)">', table._repr_html_())


@pytest.mark.parametrize(
    "values",
    [
        [1, 20_000],
        [None, 3],
        ["?", 0.5],
        [Decimal("1.5"), ""],
        ["30", "30 + ?", "60 + ?"],
        ["$1.23", "~$0.0400", "$1.23 + 1 request of unknown cost"],
        ["<$0.0001", "-"],
        ["1,000,000", "12 tokens/s"],
        ["0.8 s", "120 ms", "85 %"],
    ],
)
def test_a_column_of_figures_is_right_aligned_with_its_header(values):
    table = Table([{"name": "a", "figure": value} for value in values])
    assert sides(table) == ["left", "right"] * (len(values) + 1)
    header, *lines = str(table).splitlines()
    known = [line for line, value in zip(lines, values, strict=True) if value not in (None, "")]
    assert {len(line) for line in known} == {len(header)}


@pytest.mark.parametrize(
    "values",
    [
        ["a"],
        ["12ab34cd"],
        ["2026-11-27"],
        ["4o", "3"],
        [1, "two"],
        [True, False],
        [None, "?"],
        [[1, 2]],
    ],
)
def test_every_other_column_is_left_aligned(values):
    table = Table([{"word": value} for value in values])
    assert set(sides(table)) == {"left"}


def test_marked_words_are_marks_on_a_page_and_plain_in_text():
    found = MarkedText.of([("a < ", False), ("gl<b>acier", True), (" **moves**", False)])
    table = Table([{"found": found}])
    assert "a &lt; <mark>gl&lt;b&gt;acier</mark> **moves**</td>" in table._repr_html_()
    assert str(table).splitlines()[1] == "a < gl<b>acier **moves**"
    assert found == "a < gl<b>acier **moves**"
