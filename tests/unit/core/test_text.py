"""Excerpts of texts, as tables and messages show them."""

from __future__ import annotations

import pytest

from cc_jupyter.core.text import excerpt_of_change

SAME = "All of these words are the same in both texts, and "


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("the dog", "the cat", "the dog"),
        ("two\n\nlines", "other", "two lines"),
        (SAME + "the dog barks", SAME + "the cat sleeps", "…texts, and the dog barks"),
        (SAME + "x" * 80, SAME + "y", f"…both texts, and {'x' * 44}…"),
        (SAME, SAME + "more", "…both texts, and"),
        (SAME + "more", SAME, "…both texts, and more"),
        ("x" * 100, "x" * 99, f"…{'x' * 60}…"),
        ("", "the cat", ""),
    ],
)
def test_a_text_is_shown_where_it_differs_from_another(text, other, expected):
    assert excerpt_of_change(text, other) == expected
