"""Model output is text: nothing in it runs, loads or sends anything, whatever it says."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from support.attacks import ATTACKS
from support.provider import answer

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("fresh_page")]

FAR = "http://far.example"


FORBIDDEN = (
    "script, style, iframe, svg:not(.cc-code-bar *), button:not(.cc-code-bar *),"  # ours on code
    " [onerror], [onload], [ontoggle], a[href*='script:' i], a[href^='data:' i]"
)
PRESS_ALL = """() => document
  .querySelectorAll('.jp-OutputArea-output :is(a, button):not(.cc-code-bar *)')
  .forEach(element => element.click())"""


def test_this_would_see_what_is_executed(open_notebook, page):
    raw = {"text/markdown": ATTACKS["image that fails"], "text/plain": "x"}
    notebook = open_notebook(f"from IPython.display import display\ndisplay({raw}, raw=True)")
    notebook.run(1)
    page.wait_for_function("window.pwned === 1")


def test_nothing_in_an_answer_is_executed(open_notebook, provider, page):
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for text in ATTACKS.values():
        provider.play(answer(f"{text}\n\nThe end."))
    notebook = open_notebook(*["%%cmd --once\nSay something."] * len(ATTACKS))
    notebook.command("notebook:run-all-cells")
    _assert_harmless(notebook, page)
    # once more as a reader of the saved file meets it
    notebook.saved()
    notebook.open()
    _assert_harmless(notebook, page)
    assert not dialogs


def _assert_harmless(notebook, page):
    for index, name in enumerate(ATTACKS, start=1):
        shown = notebook.outputs(index).first
        expect(shown, name).to_contain_text("The end.", timeout=20_000)
        assert shown.locator(FORBIDDEN).count() == 0, (name, shown.inner_html())
    page.evaluate(PRESS_ALL)
    page.wait_for_timeout(200)
    assert page.evaluate("window.pwned") is None


def test_nothing_in_reasoning_is_executed(open_notebook, provider, page):
    provider.play(answer("The end.", reasoning=list(ATTACKS.values())))
    notebook = open_notebook("%%cmd\nSay something.")
    notebook.run(1)
    notebook.outputs(1).first.locator("summary").click()
    expect(notebook.outputs(1).first.locator("pre")).to_contain_text("<script>")
    assert page.evaluate("window.pwned") is None
    assert notebook.outputs(1).first.locator("img, script, iframe, svg, a").count() == 0


def test_showing_an_answer_asks_no_other_host(open_notebook, provider, page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    provider.play(
        answer(
            f"![a]({FAR}/a.png) <img src='{FAR}/b.png'>\n\n![c][c]\n\n[c]: {FAR}/c.png\n\n"
            f"<style>@import '{FAR}/d.css';</style>\n\nThe end."
        )
    )
    notebook = open_notebook("%%cmd\nSay something.")
    notebook.run(1)
    expect(notebook.outputs(1).first).to_contain_text("The end.")
    hosts = {urlsplit(url).hostname for url in asked if url.startswith("http")}
    assert hosts <= {"127.0.0.1", "localhost"}
