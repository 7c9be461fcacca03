"""Settled blocks: each piece renders alone, the live one stays small, nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cc_jupyter.render.blocks import LIMIT, Blocks


def frames(text, size):
    blocks = Blocks()
    taken = []
    for start in range(0, len(text), size):
        blocks.add(text[start : start + size])
        taken.append(blocks.take())
    return taken


@pytest.mark.parametrize(
    ("text", "settled", "live"),
    [
        ("One", "", "One"),
        ("One\n", "", "One\n"),
        ("One\n\nTwo", "One\n\n", "Two"),
        ("One\r\n\r\nTwo", "One\r\n\r\n", "Two"),
        ("One\n \t\nTwo\n\nThr", "One\n \t\nTwo\n\n", "Thr"),
        ("```python\na\n\nb", "", "```python\na\n\nb"),
        ("```python\na\n\nb\n```\nc", "```python\na\n\nb\n```\n", "c"),
        ("````\n```\n\n````\nc", "````\n```\n\n````\n", "c"),
        ("~~~\n```\n\n~~~\nc", "~~~\n```\n\n~~~\n", "c"),
        ("- a\n  ```\n\n  b", "", "- a\n  ```\n\n  b"),
        ("- ```\n  x\n\n  ```\ny", "- ```\n  x\n\n  ```\n", "y"),
        ("> ```\n>\n> x", "", "> ```\n>\n> x"),
        ("a ```b\n\nc", "a ```b\n\n", "c"),
        ("\n\n", "", ""),
    ],
)
def test_a_block_ends_at_a_blank_line_outside_a_fence(text, settled, live):
    blocks = Blocks()
    blocks.add(text)
    assert blocks.take() == (settled, live)


@pytest.mark.parametrize("mark", ["```", "~~~~"])
def test_a_long_fence_is_closed_and_opened_again(mark):
    code = "".join(f"x{n} = {n}\n" for n in range(1000))
    taken = frames(f"{mark}python\n{code}{mark}\n", 100)
    pieces = [frame.settled for frame in taken if frame.settled]
    assert len(pieces) > 3
    for piece in pieces:
        assert piece.startswith(f"{mark}python\n")
        assert piece.rstrip().endswith(mark)
    inside = [line for piece in pieces for line in piece.splitlines() if " = " in line]
    assert inside == code.splitlines()


def test_a_long_table_repeats_its_head():
    rows = [f"| {n} | value {n} |" for n in range(500)]
    text = "\n".join(["| n | value |", "| --- | --- |", *rows]) + "\n\n"
    pieces = [frame.settled for frame in frames(text, 50) if frame.settled]
    assert len(pieces) > 2
    assert all(piece.startswith("| n | value |\n| --- | --- |\n") for piece in pieces)
    assert [line for piece in pieces for line in piece.splitlines() if line in rows] == rows


SHAPES = {
    "one line": "word " * 5000,
    "one word": "x" * 20_000,
    "a list": "".join(f"- item {n}\n" for n in range(2000)),
    "a fence": "```\n" + "code line\n" * 2000,
    "a fence of one line": "```\n" + "x" * 20_000,
    "a table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 3000,
    "paragraphs": "A few words here.\n\n" * 1000,
}


@pytest.mark.parametrize("size", [7, 400])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_live_stays_small_whatever_the_shape(shape, size):
    taken = frames(SHAPES[shape], size)
    assert max(len(frame.live) for frame in taken) <= LIMIT + size + 50
    total = sum(len(frame.settled) for frame in taken) + len(taken[-1].live)
    assert total < 1.2 * len(SHAPES[shape]) + 100


@given(st.text(alphabet="ab `~|-\n>1.", max_size=4000), st.integers(1, 500))
def test_nothing_is_lost_however_it_is_cut(text, size):
    taken = frames(text, size)
    whole = "".join(frame.settled for frame in taken) + (taken[-1].live if taken else "")
    for letter in "ab":
        assert whole.count(letter) >= text.count(letter)
    if len(text) <= LIMIT:
        assert whole.split() == text.split()
