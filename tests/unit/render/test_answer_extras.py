"""Images and sources under an answer, in each front end."""

from __future__ import annotations

import base64
import html
import io
import re
from dataclasses import replace

import pytest
from unit.render.test_notebook_renderer import Shell

from cc_jupyter.core.events import Source, TextDelta
from cc_jupyter.core.messages import Image
from cc_jupyter.core.reply import Reply
from cc_jupyter.render.answer_extras import image_bundles, shown_text
from cc_jupyter.render.markdown import safe_markdown
from cc_jupyter.render.notebook import NotebookRenderer, Screen
from cc_jupyter.render.plain import TextRenderer
from cc_jupyter.render.terminal import TerminalRenderer

PNG = Image("image/png", b"\x89PNG\r\n", None, "image 1")
LINKED = Image("", None, "https://example.org/a.png", "image 2")
SOURCES = (Source("A page", "https://example.org/a"), Source("My text", ""))
LIST = "Sources:\n\n1. [A page](https://example.org/a)\n2. My text"
PLAIN = Reply("Hi [1]", "", "m", "stop")
WHOLE = replace(PLAIN, images=(PNG, LINKED), sources=SOURCES)


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (PLAIN, "Hi [1]"),
        (replace(PLAIN, sources=SOURCES), f"Hi [1]\n\n{LIST}"),
        (replace(PLAIN, text="", sources=SOURCES), LIST),
        (replace(PLAIN, images=(PNG,)), "Hi [1]"),
        (WHOLE, f"Hi [1]\n\n![image 2](https://example.org/a.png)\n\n{LIST}"),
        (
            replace(PLAIN, text="", sources=(Source("", "https://example.org/a_b"),)),
            "Sources:\n\n1. [https://example.org/a\\_b](https://example.org/a_b)",
        ),
    ],
)
def test_sources_are_a_numbered_list_under_the_answer(reply, shown):
    assert shown_text(reply.text, reply.images, reply.sources) == shown


@pytest.mark.parametrize(
    "source",
    [
        Source("<script>alert(1)</script>", "https://example.org/"),
        Source("](javascript:alert(1))", "https://example.org/"),
        Source("![x](https://evil.example/track.png)", "https://example.org/"),
        Source("A", "https://example.org/><script>alert(1)</script>"),
        Source("$x$ `code` | a", "https://example.org/`|"),
        Source("a\n\n# heading", "https://example.org/"),
    ],
)
def test_a_hostile_source_stays_one_item(source):
    shown = safe_markdown(shown_text("", (), (source,)))
    assert "<script" not in shown
    assert "\n#" not in shown
    assert "![" not in shown.replace("\\!\\[", "")
    assert len([line for line in shown.splitlines() if line.strip()]) == 2


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://example.org/a?b=1&c=2#d", "https://example.org/a?b=1&c=2#d"),
        ("https://example.org/wiki/A_(b)", "https://example.org/wiki/A_%28b%29"),
        ("https://example.org/~x/a_b_c", "https://example.org/~x/a_b_c"),
        ("https://example.org/[a]*b*", "https://example.org/%5Ba%5D%2Ab%2A"),
    ],
)
def test_a_source_is_a_link_that_the_page_keeps(url, link):
    shown = safe_markdown(shown_text("", (), (Source("A [b] page", url),)))
    assert "displaystyle" not in shown
    (shown_link,) = re.findall(r"\]\(<?([^)>]*)>?\)", shown)
    assert html.unescape(shown_link) == link


def test_an_image_is_an_output_with_a_text_beside_it():
    encoded = base64.b64encode(PNG.data).decode()
    described = "[image 1 (image/png, 6 bytes)]"
    assert image_bundles(WHOLE.images) == [{"image/png": encoded, "text/plain": described}]


@pytest.mark.parametrize("owns_cell", [True, False], ids=["whole cell", "among others"])
@pytest.mark.parametrize("text", ["Hi [1]", ""])
def test_a_notebook_shows_the_answer_then_its_images_then_the_usage(owns_cell, text):
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=owns_cell)
    if text:
        renderer.show(TextDelta(text))
    renderer.finish(replace(WHOLE, text=text))
    answer, image, usage = (
        [data for data, _ in shell.display_pub.outputs.values()]
        if owns_cell
        else sorted(
            (data for data, _ in shell.display_pub.outputs.values()),
            key=lambda data: ("image/png" in data) + 2 * ("in ?" in data["text/plain"]),
        )
    )
    assert "1. [A page]" in answer["text/markdown"]
    assert image["image/png"]
    assert usage["text/plain"].startswith("m · in ?")
    assert "no text" not in usage["text/plain"]


def test_an_image_alone_has_its_metadata_at_the_usage_line():
    shell = Shell()
    renderer = NotebookRenderer(Screen(shell), label="m", owns_cell=True)
    renderer.finish(replace(PLAIN, text="", images=(PNG,)))
    (image, no_metadata), (usage, metadata) = shell.display_pub.outputs.values()
    assert image["image/png"]
    assert not no_metadata
    assert metadata["cc_jupyter"]["model"] == "m"
    assert "in ?" in usage["text/plain"]


@pytest.mark.parametrize("renderer", [TextRenderer, lambda out: TerminalRenderer(out, label="m")])
def test_a_terminal_lists_sources_and_names_images(renderer):
    out = io.StringIO()
    drawn = renderer(out)
    drawn.show(TextDelta("Hi [1]"))
    drawn.finish(WHOLE)
    text = out.getvalue()
    assert text.index("Hi") < text.index("A page") < text.index("My text")
    assert text.index("My text") < text.index("[image 1 (image/png, 6 bytes)]") < text.index("in ?")
