"""Settled blocks: each piece renders alone, the live one stays small, nothing is lost."""

import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cc_jupyter.render.markdown.parser import parse
from cc_jupyter.render.markdown.stream import LIMIT, Blocks


def frames(text, size):
    blocks = Blocks()
    taken = []
    for start in range(0, len(text), size):
        blocks.add(text[start : start + size])
        taken.append(blocks.take())
    return taken


def pieces(taken):
    return [piece for frame in taken for piece in frame.settled]


@pytest.mark.parametrize(
    ("text", "settled", "live"),
    [
        ("One", "", "One"),
        ("One\n", "", "One\n"),
        ("One\n\nTwo", "One\n\n", "Two"),
        ("One\r\n\r\nTwo", "One\n\n", "Two"),
        ("One\r\rTwo", "One\n\n", "Two"),
        ("One\n \t\nTwo\n\nThr", "One\n \t\nTwo\n\n", "Thr"),
        ("One\n# Two\nThree", "One\n# Two\n", "Three"),
        ("One\n# Two", "", "One\n# Two"),
        ("One\n#Two\n***\n", "One\n#Two\n***\n", ""),
        ("Head\n===\nTwo", "Head\n===\n", "Two"),
        ("```python\na\n\nb", "", "```python\na\n\nb"),
        ("```python\na\n\nb\n```\nc", "```python\na\n\nb\n```\n", "c"),
        ("````\n```\n\n````\nc", "````\n```\n\n````\n", "c"),
        ("~~~\n```\n\n~~~\nc", "~~~\n```\n\n~~~\n", "c"),
        ("- a\n  ```\n\n  b", "", "- a\n  ```\n\n  b"),
        ("- a\n\n- b\n\n", "", "- a\n\n- b\n\n"),
        ("- a\n\n  b\n\nc\n", "- a\n\n  b\n\n", "c\n"),
        ("- ```\n  x\n\n  ```\ny\n", "- ```\n  x\n\n  ```\n", "y\n"),
        ("> ```\n>\n> x", "", "> ```\n>\n> x"),
        ("> a\n\nb", "> a\n\n", "b"),
        ("- ```\n  x\n\ny\n\nz", "- ```\n  x\n\ny\n\n", "z"),
        ("   ```\n\n```` \nc", "   ```\n\n```` \n", "c"),
        ("```\n~~~\n\n``\n\nb", "", "```\n~~~\n\n``\n\nb"),
        ("a ```b\n\nc", "a ```b\n\n", "c"),
        ("|a|\n|-|\n|1|\n\nb", "|a|\n|-|\n|1|\n\n", "b"),
        ("\\[\nx\n= y\n\\]\nb", "\\[\nx\n= y\n\\]\n", "b"),
        ("Tab\té\u2028\n\n中", "Tab\té\u2028\n\n", "中"),
        ("\n\n", "", "\n\n"),
    ],
)
def test_a_block_is_settled_when_the_parser_has_closed_it(text, settled, live):
    blocks = Blocks()
    blocks.add(text)
    frame = blocks.take()
    assert ("".join(frame.settled), frame.live) == (settled, live)


@pytest.mark.parametrize("mark", ["```", "~~~~"])
def test_a_long_fence_is_opened_again(mark):
    code = "".join(f"x{n} = {n}\n" for n in range(1000))
    found = pieces(frames(f"{mark}python\n{code}{mark}\n", 100))
    assert len(found) > 3
    assert all(piece.startswith(f"{mark}python\n") for piece in found)
    inside = "".join(token.content for piece in found for token in parse(piece))
    assert inside == code


def test_a_long_table_repeats_its_head():
    rows = [f"| {n} | value {n} |" for n in range(500)]
    text = "\n".join(["| n | value |", "| --- | --- |", *rows]) + "\n\n"
    found = pieces(frames(text, 50))
    assert len(found) > 2
    assert all(piece.startswith("| n | value |\n| --- | --- |\n") for piece in found)
    assert [line for piece in found for line in piece.splitlines() if line in rows] == rows


@pytest.mark.parametrize("numbers", ["1.", "counted"])
def test_a_long_list_settles_item_by_item_with_its_numbers(numbers):
    marks = [f"{n}. " if numbers == "counted" else "1. " for n in range(1, 200)]
    text = "".join(
        f"{mark}item\n{' ' * len(mark)}- nested {n}\n" for n, mark in enumerate(marks, 1)
    )
    taken = frames(text, 60)
    found = [*pieces(taken), taken[-1].live]
    assert len(found) > 2
    for piece in found:
        tokens = parse(piece)
        assert tokens[0].type == "ordered_list_open"
        first = next(int(token.content[7:]) for token in tokens if "nested" in token.content)
        if first < 10 or numbers == "counted":  # another width would move what is nested
            assert int(tokens[0].attrGet("start") or 1) == first
        assert all(token.type != "code_block" for token in tokens)


def test_code_in_an_item_is_still_code_after_a_cut_and_what_follows_is_not():
    code = "".join(f"line {n}\n" for n in range(600))
    inside = "".join(f"     {line}\n" for line in code.splitlines())
    text = f"- a\n   - b\n     ```py\n{inside}     ```\n     after\n- c\n\nend\n"
    taken = frames(text, 90)
    tokens = [token for piece in [*pieces(taken), taken[-1].live] for token in parse(piece)]
    fences = [token for token in tokens if token.type == "fence"]
    assert "".join(token.content for token in fences) == code
    assert all(token.info.strip() == "py" for token in fences)
    texts = [token.content for token in tokens if token.type == "inline"]
    assert texts == ["a", "b", "after", "c", "end"]
    assert not [token for token in tokens if token.type == "code_block"]


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
    total = sum(map(len, pieces(taken))) + len(taken[-1].live)
    assert total < 1.2 * len(SHAPES[shape]) + 100


@given(st.text(alphabet="ab `~|-\n>1.", max_size=4000), st.integers(1, 500))
def test_nothing_is_lost_however_it_is_cut(text, size):
    taken = frames(text, size)
    whole = "".join(pieces(taken)) + (taken[-1].live if taken else "")
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
    assert len("".join(frame.settled)) < 1.1 * len(text)


def is_within(text, whole):
    """Return whether a text is what stays of another one when some of its letters are left out."""
    letters = iter(whole)
    return all(letter in letters for letter in text)


@given(st.text(alphabet="ab `~|-\n>1.\r\té", max_size=6000), st.integers(1, 3000))
@example("```\n" + "a b\n" * 1500 + "```\nb", 700)
@example("|a|b|\n|-|-|\n" + "|1|2|\n" * 900 + "\nb", 500)
def test_without_what_was_repeated_it_is_the_text_to_the_letter(text, size):
    taken = frames(text, size)
    whole = "".join(pieces(taken)) + (taken[-1].live if taken else "")
    if text.strip():
        assert is_within("".join(text.split()), whole)
    cuts = sum(bool(frame.settled) for frame in taken)
    assert len(whole) - len(text) <= cuts * 600
    assert max((len(frame.live) for frame in taken), default=0) <= 2 * LIMIT


@given(st.text(alphabet="ab `~|-\n>1.", max_size=200), st.integers(1, 50))
def test_how_the_text_is_cut_on_its_way_decides_nothing(text, size):
    (at_once,) = frames(text, 200) or [((), "")]
    taken = frames(text, size)
    assert "".join(pieces(taken)).split() == "".join(at_once[0]).split()
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
