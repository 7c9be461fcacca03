"""The view of a grid on a page: while it runs, reopened untrusted, narrow, and as HTML export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect
from support.attacks import ATTACKS
from support.lab_harness import LabNotebook
from support.provider import answer

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

MODELS = ("deepseek/deepseek-v4-flash", "deepseek/deepseek-v4-pro", "claude-haiku-5-5")
WIDE = f"""It costs $5 or $6, and $x_1$.

| {"| ".join(["a column"] * 12)} |
|{"---|" * 12}
| {"| ".join(["1"] * 12)} |

The end."""
FORBIDDEN = (
    "script, style, iframe, svg:not(.cc-code-bar *), button:not(.cc-code-bar *, .cc-keep *),"
    " [onerror], [onload], [ontoggle], a[href*='script:' i], a[href^='data:' i]"
)
SIDEWAYS = "element => element.scrollWidth - element.clientWidth"

SIDE_BY_SIDE = """() => {
  const columns = [...document.querySelectorAll('.cc-live > div')];
  const tops = columns.map(element => element.getBoundingClientRect().top);
  return tops.length === 2 && tops[0] === tops[1];
}"""


def columns(shown: Locator) -> Locator:
    return shown.locator(".cc-column")


def assert_side_by_side(shown: Locator, *, count: int) -> None:
    """Assert that the first columns stand beside each other, in order, and none is cut off."""
    expect(columns(shown)).to_have_count(3)
    boxes = [columns(shown).nth(at).bounding_box() for at in range(3)]
    assert all(boxes)
    tops = [box["y"] for box in boxes if box]
    lefts = [box["x"] for box in boxes if box]
    assert tops.count(tops[0]) == count, tops
    assert lefts[:count] == sorted(lefts[:count])
    widths = [box["width"] for box in boxes if box]
    assert max(widths) - min(widths) <= 1
    assert shown.locator(".cc-grid").evaluate(SIDEWAYS) <= 0


def assert_harmless(shown: Locator, page: Page, forbidden: str) -> None:
    assert shown.locator(forbidden).count() == 0, shown.inner_html()
    page.evaluate(
        "() => document.querySelectorAll('.cc-grid :is(a, summary)').forEach(e => e.click())"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.pwned") is None


def saved_grid(notebook: LabNotebook) -> Path:
    """Save the notebook and return a copy that JupyterLab has never trusted."""
    book = notebook.saved()
    book.cells.append(nbformat.v4.new_markdown_cell("Sent by somebody else."))
    path = notebook.path.with_name(f"received-{notebook.path.name}")
    nbformat.write(book, path)
    return path


@pytest.mark.usefixtures("fresh_page")
def test_a_grid_reads_well_as_run_as_received_and_as_exported(open_notebook, provider, page, lab):
    provider.always(answer("\n\n".join([*ATTACKS.values(), WIDE])))
    notebook = open_notebook(f"%%cmd -m {','.join(MODELS)} --check \"'end' in answer\"\nhello")
    notebook.run(1)
    shown = notebook.outputs(1)
    expect(shown).to_have_count(1)
    expect(shown.locator("mjx-container")).to_have_count(3 + 3, timeout=30_000)
    assert_side_by_side(shown, count=3)
    for model, column in zip(MODELS, columns(shown).all(), strict=True):
        expect(column).to_contain_text(model)
        expect(column).to_contain_text("✓ 'end' in answer")
    assert_harmless(shown, page, FORBIDDEN.replace("style, ", ""))

    received = LabNotebook(lab, page, saved_grid(notebook))
    received.open()
    assert not page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.trusted"
    )
    shown = received.outputs(1)
    expect(shown.locator("mjx-container")).to_have_count(3 + 3, timeout=30_000)
    assert_side_by_side(shown, count=3)
    assert_harmless(shown, page, FORBIDDEN)
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    page.set_viewport_size({"width": 320, "height": 900})
    page.wait_for_timeout(500)  # the page lays itself out again
    assert_side_by_side(shown, count=1)
    # what is wide scrolls inside its answer
    assert shown.locator(".cc-answer").first.evaluate(SIDEWAYS) > 0

    html, _ = HTMLExporter().from_filename(str(received.path))
    exported = received.path.with_suffix(".html")
    exported.write_text(html, encoding="utf-8")
    page.set_viewport_size({"width": 1000, "height": 900})
    page.route("https://**", lambda route: route.abort())  # MathJax, which tests do not load
    page.goto(exported.as_uri())
    shown = page.locator(".jp-OutputArea-output").last
    assert_side_by_side(shown, count=3)
    assert_harmless(shown, page, FORBIDDEN.replace("style, ", ""))


def test_columns_grow_while_the_grid_runs(open_notebook, provider):
    models = "test/burst-400@10ms,claude-test-burst-400@10ms"
    notebook = open_notebook(f"%%cmd -m {models} -n 2\nhello")
    notebook.start(1)
    shown = notebook.outputs(1)
    live = shown.locator(".cc-live > div")
    expect(live).to_have_count(2)
    expect(live.nth(1)).to_contain_text("claude-test-burst-400@10ms")
    expect(live.nth(0)).to_contain_text("writing")
    expect(shown).to_contain_text("4 running")
    notebook.page.wait_for_function(SIDE_BY_SIDE)  # each update replaces the elements
    expect(columns(shown)).to_have_count(2, timeout=30_000)
    expect(shown.locator("details")).to_have_count(4)
    expect(live).to_have_count(0)
    assert shown.count() == 1
