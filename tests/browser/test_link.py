"""The page and its kernel find each other: after a reload, in two tabs, after an unload."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from support.kernel_notebook import halves
from support.lab_harness import LabNotebook
from support.provider import answer, openai_stream, wait

pytestmark = pytest.mark.browser

KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
FOLLOW_STATUS = f"""() => {{
  window.statuses = [];
  {KERNEL}.statusChanged.connect((_, status) => window.statuses.push(status));
}}"""


def status(page):
    return page.locator(".cc-status")


def watched(page):
    """Return what a page complains about, from now on."""
    found = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if "cc_jupyter" in said.text else None)
    return found


def test_a_reloaded_page_knows_where_the_notebook_stands(open_notebook, provider):
    provider.play(answer("fine", usage={"prompt_tokens": 1234, "completion_tokens": 5}))
    notebook = open_notebook("%%cmd\nhello")
    complaints = watched(notebook.page)
    notebook.run(1)
    notebook.saved()
    expect(status(notebook.page)).to_contain_text("in 1,234 · out 5")
    notebook.open()
    expect(status(notebook.page)).to_contain_text("in 1,234 · out 5")
    assert complaints == []


def test_two_tabs_on_one_notebook_follow_the_same_kernel(open_notebook, provider, lab):
    provider.play(answer("fine", usage={"prompt_tokens": 1234, "completion_tokens": 5}))
    provider.play(answer("fine", usage={"prompt_tokens": 1000, "completion_tokens": 5}))
    notebook = open_notebook("%%cmd\nhello", "%%cmd\nmore")
    notebook.saved()
    second = LabNotebook(lab, notebook.page.context.new_page(), notebook.path)
    complaints = watched(notebook.page), watched(second.page)
    second.open()
    expect(status(second.page)).to_contain_text("in 0 · out 0")
    notebook.run(1)
    for page in (notebook.page, second.page):
        expect(status(page)).to_contain_text("in 1,234 · out 5")
    second.page.close()
    notebook.run(2)
    expect(status(notebook.page)).to_contain_text("in 2,234 · out 10")
    assert complaints == ([], [])


def test_the_other_tab_counts_along_while_an_answer_comes(open_notebook, provider, lab):
    provider.play(*openai_stream(["one ", "two ", "three "])[:-2], wait("rest"))
    notebook = open_notebook("%%cmd\nhello")
    notebook.saved()
    second = LabNotebook(lab, notebook.page.context.new_page(), notebook.path)
    second.open()
    expect(status(second.page)).to_be_visible()
    notebook.start(1)
    expect(status(second.page)).to_contain_text(re.compile(r"~\d+ tokens, \d+ s"))
    provider.gate("rest").set()
    expect(status(second.page)).not_to_contain_text("tokens,")


def test_the_other_tab_knows_at_once_what_is_chosen_in_this_one(open_notebook, provider, lab):
    notebook = open_notebook("%%cmd\nhello")
    notebook.saved()
    second = LabNotebook(lab, notebook.page.context.new_page(), notebook.path)
    second.open()
    expect(status(second.page)).to_contain_text("deepseek-v4-flash")
    status(second.page).click()
    chooser = second.page.get_by_role("dialog")
    chooser.get_by_role("combobox").fill("opus-5-5")
    expect(chooser.get_by_role("option")).to_have_count(1)
    second.page.keyboard.press("Enter")
    expect(status(second.page)).to_contain_text("claude-opus-5-5")
    # nobody has turned to the first page meanwhile, and no cell has run
    expect(status(notebook.page)).to_contain_text("claude-opus-5-5")


def test_the_other_tab_can_stop_the_answer(open_notebook, provider, lab):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.play(before, wait("never"), after)
    notebook = open_notebook("%%cmd\nhello")
    notebook.saved()
    second = LabNotebook(lab, notebook.page.context.new_page(), notebook.path)
    second.open()
    expect(status(second.page)).to_be_visible()
    notebook.start(1)
    second.cell(1).get_by_role("button", name="Stop").click()
    expect(notebook.outputs(1).last).to_contain_text("KeyboardInterrupt: stopped")
    notebook.wait_for_status("idle")
    expect(second.cell(1).get_by_role("button", name="Stop")).to_have_count(0)


def test_the_kernel_is_shown_as_busy_for_as_long_as_an_answer_comes(open_notebook, provider):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.play(before, wait("rest"), after)
    notebook = open_notebook("%%cmd\nhello")
    page = notebook.page
    notebook.start(1)
    # what the page asks when it has just found its kernel is answered by then
    expect(status(page)).to_contain_text(re.compile(r"~[1-9]\d* tokens, [1-9]\d* s"))
    page.evaluate(FOLLOW_STATUS)
    seen, texts = [], []
    for _ in range(20):
        seen.append(page.evaluate(f"{KERNEL}.status"))
        texts.append(status(page).inner_text())
        page.wait_for_timeout(100)
    expect(status(page)).not_to_have_text(texts[0])  # it counts on
    assert seen == ["busy"] * 20
    assert page.evaluate("window.statuses") == []
    provider.gate("rest").set()
    notebook.wait_for_status("idle")
    expect(status(page)).not_to_contain_text("tokens,")


def test_what_the_page_asks_beside_a_cell_does_not_make_the_kernel_look_idle(
    open_notebook, provider
):
    waits = "import pathlib, time\nwhile not pathlib.Path('go-on').exists():\n    time.sleep(0.05)"
    notebook = open_notebook("x = 1", waits, "y = 2")
    page = notebook.page
    expect(status(page)).to_be_visible()
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.content.widgets[1].model.executionCount !== null"
    )
    page.wait_for_timeout(1000)  # the state is asked for when the first cell has ended
    assert page.evaluate(f"{KERNEL}.status") == "busy"
    (notebook.path.parent / "go-on").touch()
    notebook.wait_for_status("idle")


def test_an_unloaded_extension_is_missed_in_silence_until_it_is_back(open_notebook, provider):
    notebook = open_notebook("%unload_ext cc_jupyter", "1 + 1", "%reload_ext cc_jupyter")
    complaints = watched(notebook.page)
    expect(status(notebook.page)).to_be_visible()
    notebook.run(1)
    expect(status(notebook.page)).to_be_hidden()
    notebook.run(2)
    expect(status(notebook.page)).to_be_hidden()
    notebook.run(3)
    expect(status(notebook.page)).to_be_visible()
    notebook.run(3)  # which closes and opens at once
    expect(status(notebook.page)).to_be_visible()
    assert complaints == []


def test_a_kernel_that_restarts_again_and_again_is_found_each_time(open_notebook, provider):
    notebook = open_notebook("1 + 1")
    complaints = watched(notebook.page)
    for _ in range(3):
        expect(status(notebook.page)).to_be_visible()
        notebook.page.evaluate(
            "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )
        expect(status(notebook.page)).to_be_hidden()
        notebook.wait_for_status("idle")
        notebook.start(0)
    expect(status(notebook.page)).to_be_visible()
    assert complaints == []
