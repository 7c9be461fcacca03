"""What a run leaves in the notebook: the same for a page that trusts nothing, and as text."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser

import pytest
from support import jupyterlab_markdown

from cc_jupyter.core.errors import OptionError
from cc_jupyter.rows.outcomes import RowOutcome
from cc_jupyter.rows.progress import Progress
from cc_jupyter.rows.view import final_bundle

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)> $x$ \x1b[2J"
SHOWN = "<script>alert(1)</script><img src=x onerror=alert(1)> $x$"
TAGS = {"div", "strong", "span", "table", "thead", "tbody", "tr", "th", "td"}
SANITIZERS = {"none": str}
if jupyterlab_markdown.is_available():
    SANITIZERS["JupyterLab"] = jupyterlab_markdown.sanitize


class Page(HTMLParser):
    """Reads HTML: its tags with their attributes, and the texts of its cells and lines."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("div", "th", "td"):
            self.texts.append("")

    def handle_data(self, text):
        self.texts[-1] += text


def ended(**given):
    progress = Progress(
        12, requests=12, done=10, input_tokens=90, output_tokens=20, ended_s=0.0, **given
    )
    progress.started_s, progress.spent_usd = -2.0, Decimal("0.05")
    progress.count_failure(f"first {ATTACK}", RowOutcome(error=OptionError(ATTACK)))
    progress.count_failure("second", RowOutcome(error=OptionError("too long " * 100)))
    progress.notices.append(f"`{ATTACK}` is the whole row")
    return progress


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_a_notebook_that_is_not_trusted_shows_all_of_it(sanitizer):
    progress = ended(preview_of=400)
    progress.shown = [(f"label {ATTACK}", f"answer {ATTACK}"), (7, "word")]
    bundle = final_bundle(progress, "labels")
    page = Page(SANITIZERS[sanitizer](bundle["text/html"]))
    assert {tag for tag, _ in page.tags} == TAGS
    assert {name for _, given in page.tags for name in given} <= {"style", "tabindex"}
    texts = [text.strip() for text in page.texts if text.strip()]
    assert texts == [text.strip() for text in Page(bundle["text/html"]).texts if text.strip()]
    assert texts[0].startswith("preview: 12 of 400 rows → labels 10 of 12 requests answered")
    assert "2 failed (cannot be sent 2)" in texts[0]
    assert "$0.05" in texts[0]
    assert texts[1:3] == ["row", "answer"]
    assert any(text.startswith("answer <script>alert(1)</script>") for text in texts)
    assert texts[5:7] == ["7", "word"]
    assert texts[7:9] == ["row", "why it failed"]
    assert any(SHOWN in text for text in texts[9:])
    assert texts[-1] == "the full run sends only the rest: leave the preview out"
    styles = [given.get("style", "") for tag, given in page.tags if tag in ("td", "th")]
    assert all("padding" in style and "text-align" in style for style in styles)


def test_the_text_says_the_same_without_control_characters():
    bundle = final_bundle(ended(), "labels")
    text = bundle["text/plain"]
    assert "\x1b" not in text + bundle["text/html"]
    for cell in Page(bundle["text/html"]).texts:
        if cell.strip() not in ("", "row", "why it failed"):
            assert cell.strip().removeprefix("12 rows → labels ") in text
    assert text.splitlines()[0].startswith("12 rows → labels: 10 of 12 requests answered")
    assert text.splitlines()[-1].startswith("change what cannot be sent")
