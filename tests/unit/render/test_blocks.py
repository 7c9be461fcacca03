"""Settled blocks: each piece renders alone, the live one stays small, nothing is lost."""

import time
from itertools import pairwise

import pytest
from cc_jupyter.render.markdown_stream import LIMIT, Blocks
from hypothesis import example, given
from hypothesis import strategies as st


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
        ("- ```\n  x\n\ny\n\nz", "- ```\n  x\n\ny\n\n", "z"),
        ("   ```\n\n```` \nc", "   ```\n\n```` \n", "c"),
        ("```\n~~~\n\n``\n\nb", "", "```\n~~~\n\n``\n\nb"),
        ("a ```b\n\nc", "a ```b\n\n", "c"),
        ("\tTab é\u2028\n\n中", "\tTab é\u2028\n\n", "中"),
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
    "a table of long rows": "|a|b|\n|-|-|\n" + f"|{'x' * 300}|2|\n" * 60,
    "a fence in a list": "1. a\n   ```\n" + "   code line\n" * 1500,
    "a fence in a quote": "> ```\n" + "> code line\n" * 1500,
    "lines that end in CR": "a line\r" * 2500,
    "lines that end in CRLF": "a line\r\n" * 2500,
    "backticks": "`" * 20_000,
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


@pytest.mark.parametrize(
    "text",
    [
        "word " + "x" * 50_000,
        "```" + "info " * 2000 + "\n" + "x\n" * 3000,
        "`" * 5000 + "\n" + "x\n" * 3000,
        "|a" * 3000 + "|\n" + "|-" * 3000 + "|\n" + "|1|\n" * 3000,
        " " * 5000 + "```\n" + "x\n" * 3000,
        "a\n" * 3000 + "x" * 5000,
    ],
)
def test_what_is_live_stays_small_though_much_comes_at_once(text):
    (frame,) = frames(text, len(text))
    assert len(frame.live) <= 2 * LIMIT
    assert len(frame.settled) < 1.1 * len(text)


def is_within(text, whole):
    """Return whether a text is what stays of another one when some of its letters are left out."""
    letters = iter(whole)
    return all(letter in letters for letter in text)


@given(st.text(alphabet="ab `~|-\n>1.\r\té", max_size=6000), st.integers(1, 3000))
@example("```\n" + "a b\n" * 1500 + "```\nb", 700)
@example("|a|b|\n|-|-|\n" + "|1|2|\n" * 900 + "\nb", 500)
def test_without_what_was_repeated_it_is_the_text_to_the_letter(text, size):
    taken = frames(text, size)
    whole = "".join(frame.settled for frame in taken) + (taken[-1].live if taken else "")
    if text.strip():
        assert is_within("".join(text.split()), whole)
    cuts = sum(bool(frame.settled) for frame in taken)
    assert len(whole) - len(text) <= cuts * 600
    assert max((len(frame.live) for frame in taken), default=0) <= 2 * LIMIT


@given(st.text(alphabet="ab `~|-\n>1.", max_size=200), st.integers(1, 50))
def test_how_the_text_is_cut_on_its_way_decides_nothing(text, size):
    (at_once,) = frames(text, 200) or [("", "")]
    taken = frames(text, size)
    assert "".join(frame.settled for frame in taken).split() == at_once[0].split()
    assert (taken[-1].live if taken else "").split() == at_once[1].split()


def test_what_is_settled_stays_and_what_is_live_only_grows_or_settles():
    text = "".join(SHAPES[name][:3000] for name in sorted(SHAPES))
    for before, after in pairwise(frames(text, 40)):
        if not after.settled:
            assert after.live.startswith(before.live)


@pytest.mark.parametrize(
    "unit", ["Some words, `code`.\n\n", "word ", "x", "x = 1\n", "\n", "|a|\n"]
)
def test_a_megabyte_in_small_pieces_takes_less_than_a_second(unit):
    text = unit * (1_000_000 // len(unit))
    blocks = Blocks()
    start = time.process_time()
    for at in range(0, len(text), 500):
        for piece in range(at, at + 500, 10):
            blocks.add(text[piece : piece + 10])
        blocks.take()
    assert time.process_time() - start < 3  # a busy machine, measured: 0.1 to 0.5 s
