"""Code blocks of an answer: which lines are code, whether the block ends, what a fence may hold."""

import time

import pytest

from cc_jupyter.core.fences import fenced, fenced_blocks


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("no code", []),
        ("```python\na = 1\n```", [("a = 1\n", True)]),
        ("```\na\n```\n\n~~~ sh\nls\n~~~\n", [("a\n", True), ("ls\n", True)]),
        ("```\n```", [("", True)]),
        ("````\n```\nx\n```\n````", [("```\nx\n```\n", True)]),
        ("```\na\n~~~\nb\n`````", [("a\n~~~\nb\n", True)]),
        ("```\na", [("a", False)]),
        ("```\na\n", [("a\n", False)]),
        ("```", []),
        ("```a``` is a span\n", []),
        ("~~~ a`b\nx\n~~~", [("x\n", True)]),
        ("``\na\n``", []),
        ("```\r\na\r\n```\r\n", [("a\r\n", True)]),
        ("  ```\n  if x:\n    y\n  ```", [("if x:\n  y\n", True)]),
        ("- ```py\n  a\n\n  b\n  ```\n", [("a\n\nb\n", True)]),
        ("1. ```\n   a\n   ```\n2. ```\n   b\n   ```\n", [("a\n", True), ("b\n", True)]),
        ("- ```\n  a\n\nafter\n", [("a\n\n", False)]),
        ("> ```\n> a\n>\n> b\n> ```\n", [("a\n\nb\n", True)]),
        ("> ```\n> a\n\nafter\n", [("a\n", False)]),
        ("```\n> ```\n> a\n> ```\n```", [("> ```\n> a\n> ```\n", True)]),
        (f"{'~' * 300}\na\n", []),
    ],
)
def test_the_code_of_an_answer(text, blocks):
    assert [(block.code, block.is_closed) for block in fenced_blocks(text)] == blocks


@pytest.mark.parametrize("code", ["x", "```\nx\n```", "a ````` b", ""])
def test_a_fenced_text_comes_back(code):
    assert [block.code for block in fenced_blocks(fenced(code, "text"))] == [f"{code}\n"]


@pytest.mark.parametrize("piece", ["```\n", "> ```\n", "- ```\n", "`", "~", "> ", "- ", "1. "])
def test_the_time_grows_only_with_the_length(piece):
    text = piece * (200_000 // len(piece))
    start_s = time.process_time()
    list(fenced_blocks(text))
    assert time.process_time() - start_s < 2
