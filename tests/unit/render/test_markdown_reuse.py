"""An answer put together from the pieces written while it arrived is the one read as a whole."""

from __future__ import annotations

import random

import pytest
from support.markdown_judges import FRAGMENTS
from support.provider.prose import MARKDOWN

from cc_jupyter.render.markdown import parser, safe_markdown
from cc_jupyter.render.markdown.reuse import WrittenPieces
from cc_jupyter.render.markdown.stream import Blocks

BLOCKS = [f"{block}\n" for block in MARKDOWN.split("\n\n")]
BLOCKS += [
    *("# h\n", "- a\n", "- b\n", "1. x\n", "2. y\n", "> q\n", "| a |\n|---|\n| b |\n", "para\n"),
    *(
        "```\nc\n```\n",
        "```\n",
        "~~~\n",
        "> ```\n",
        "  ```\n",
        "    code\n",
        "  - in\n",
        "   more\n",
    ),
    *("$$\n", "x\n$$\n", "`$$`\n", "`\\begin{a}`\n", "[r]: /u\n", "[r]\n", "a [r] b\n", "***\n"),
    *("&#32;\n", "&nbsp;\n", "\\\n", "* * *\n", "- [ ] t\n", "==\n", "---\n", "\u2028\n", "\0\n"),
]


def streamed(text, *, steps):
    """Let an answer arrive in steps; return what wrote its settled pieces."""
    blocks, written = Blocks(), WrittenPieces(remote_images=False)
    for step in steps:
        blocks.add(step)
        for piece in blocks.take().settled:
            assert written.add(piece) == safe_markdown(piece)
    assert "".join(steps) == text
    return written


def in_steps(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("seed", range(60))
def test_the_whole_is_the_same_as_if_nothing_had_been_written_before(seed):
    pick = random.Random(seed)
    for source in (BLOCKS, BLOCKS[16:], BLOCKS[16:] + FRAGMENTS, FRAGMENTS):
        parts = pick.choices(source, k=pick.randint(2, 30))
        text = "".join(part + pick.choice(["", "\n", "\n", " \n", "\n\n"]) for part in parts)
        written = streamed(text, steps=in_steps(text, pick.randint(1, len(text))))
        assert written.whole(text) == safe_markdown(text)


@pytest.mark.parametrize(
    "text",
    [
        "[a] link\n\nmore\n\n[a]: https://x.example/\n",  # defined at the end
        "[a]: https://x.example/\n\nmore\n\n[a] link\n",
        "1. one\n\n2. two\n\ntext\n\n3. three\n",  # a list in several pieces
        "- one\n\n* other\n\n- third\n\ntext\n",
        "- one\n\n  more\n\n\n  and more\n\ntext\n",
        "a `$$` b\n\ntext\n\nc `$$` d\n",  # code that begins a formula and code that ends it
        "```\ncode\n\ntext\n\nmore code\n",  # a fence that stays open
        "```\ncode\n\n> ```\n\nmore code\n",
        "- item\n\n&#32;\n\n- item\n\ntext\n",  # nothing of it shows
        "$$\nx\n# no heading\ny\n$$\n\ntext\n",  # it looks like a heading until the formula ends
        "    code\n\n    more code\n\ntext\n",
        "> quote\n\n> other\n\ntext\n",
        "text\n\n" + "".join(f"{n}. item {n} of a long list\n" for n in range(1, 200)) + "\nend\n",
        "text\n\n```\n" + "code\n" * 1_000 + "```\n\nend\n",
        "a\n\n" + f"[b](https://x.example/{'c' * 30_000})\n\n" * 5,  # more than addresses may take
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_reaches_from_one_piece_into_another_is_read_as_a_whole(text, size):
    steps = in_steps(text, size if len(text) < 500 else 500)
    assert streamed(text, steps=steps).whole(text) == safe_markdown(text)


@pytest.mark.parametrize("size", [100, 1_000, 9_000])
def test_an_ordinary_answer_is_not_read_again_when_it_ends(size, monkeypatch):
    text = "".join(MARKDOWN.replace("piece", f"piece{number}") for number in range(20))
    written = streamed(text, steps=in_steps(text, size))
    expected = safe_markdown(text)
    read = []
    parse = parser.parse
    monkeypatch.setattr(parser, "parse", lambda text, env: read.append(text) or parse(text, env))
    assert written.whole(text) == expected
    assert sum(map(len, read)) < len(MARKDOWN) + size


def test_a_text_that_is_not_the_one_that_arrived_is_read():
    written = streamed("one\n\ntwo\n\n", steps=["one\n\n", "two\n\n"])
    assert written.whole("two\n\n*one*\n\nthree") == "two\n\n*one*\n\nthree"
    assert written.whole("one\r\n\r\ntwo") == "one\n\ntwo"


def test_hostile_pieces_are_as_safe_as_the_whole():
    text = "a\n\n<script>alert(1)</script>\n\n[x](javascript:y)\n\n![z](https://x.example/p)\n\n"
    assert streamed(text, steps=in_steps(text, 9)).whole(text) == safe_markdown(text)
