"""Marks on answers, the order that the kernel is told, and running again what is stale."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab_harness import LabNotebook
from support.provider import openai_stream

if TYPE_CHECKING:
    from playwright.sync_api import Locator
    from support.provider import Provider

BUILT = Path(sys.prefix, "share/jupyter/labextensions/cc-jupyter/package.json")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not BUILT.exists(),
        reason="the JupyterLab extension is not built; `make front-end` does it and needs node",
    ),
]

TOLD = (
    "from cc_jupyter.session.session import shared_session as s; print(s().document_order._pages)"
)


def mark(notebook: LabNotebook, index: int, text: str) -> Locator:
    """Return a mark of a cell."""
    return notebook.cell(index).locator(".cc-warning", has_text=text)


def run(notebook: LabNotebook, provider: Provider, index: int, answer: str) -> None:
    """Run a prompt that is answered so."""
    provider.play(openai_stream([answer]))
    notebook.run(index)
    expect(notebook.outputs(index).first).to_have_text(answer)


@pytest.fixture
def two_turns(open_notebook, provider) -> LabNotebook:
    """Return a notebook with two prompts of one conversation that were answered."""
    notebook = open_notebook("%%cmd\nfirst", "%%cmd\nsecond")
    run(notebook, provider, 1, "One.")
    run(notebook, provider, 2, "Two.")
    expect(notebook.cell(2).locator(".cc-warning")).to_have_count(0)
    return notebook


def test_what_stands_on_a_changed_answer_is_stale(two_turns, provider):
    run(two_turns, provider, 1, "Another one.")
    expect(mark(two_turns, 2, "Stale: an earlier turn changed")).to_be_visible()
    expect(two_turns.cell(1).locator(".cc-warning")).to_have_count(0)
    run(two_turns, provider, 2, "Another two.")
    expect(two_turns.cell(2).locator(".cc-warning")).to_have_count(0)


def test_a_changed_variable_makes_an_answer_stale(open_notebook, provider):
    notebook = open_notebook("x = 1", "%%cmd\nabout {{ x }}", "x = 2", "x = 1")
    notebook.run(1)
    run(notebook, provider, 2, "It is one.")
    notebook.run(3)
    expect(mark(notebook, 2, "Stale: `x` changed")).to_be_visible()
    notebook.run(4)
    expect(notebook.cell(2).locator(".cc-warning")).to_have_count(0)


def press_refresh(notebook: LabNotebook) -> None:
    """Ask for a refresh by its key."""
    notebook.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.mode = 'command';
          content.activate();
        }"""
    )
    notebook.page.keyboard.press("Shift+U")


def test_refresh_asks_first_and_runs_what_is_stale_in_order(two_turns, provider):
    run(two_turns, provider, 1, "Another one.")
    known = len(provider.posts)
    mark(two_turns, 2, "Stale").click()
    dialog = two_turns.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Run one cell again?")
    expect(dialog.locator("li")).to_contain_text(["second"])
    expect(dialog).to_contain_text(re.compile(r"Estimated cost: <?~?<?\$"))
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert len(provider.posts) == known
    provider.play(openai_stream(["Fresh."]))
    press_refresh(two_turns)
    dialog.get_by_role("button", name="Run again").click()
    expect(two_turns.outputs(2).first).to_have_text("Fresh.")
    expect(two_turns.cell(2).locator(".cc-warning")).to_have_count(0)
    assert len(provider.posts) == known + 1
    assert "Another one." in json.dumps(provider.posts[-1].json)


def test_nothing_stale_is_said_and_nothing_runs(two_turns, provider):
    known = len(provider.posts)
    two_turns.command("cc-jupyter:refresh-stale")
    expect(two_turns.page.get_by_text("No answer in this notebook is stale.")).to_be_visible()
    assert len(provider.posts) == known


def test_cells_whose_order_differs_are_marked_until_it_fits(two_turns):
    two_turns.select(2)
    two_turns.command("notebook:move-cell-up")
    expect(mark(two_turns, 1, "Order differs")).to_be_visible()
    expect(mark(two_turns, 2, "Order differs")).to_be_visible()
    two_turns.select(1)
    two_turns.command("notebook:move-cell-down")
    expect(two_turns.page.locator(".cc-warning")).to_have_count(0)


def ids(notebook: LabNotebook) -> list[str]:
    found: list[str] = notebook.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.id)"
    )
    return found


def expect_order_known(notebook: LabNotebook, index: int) -> None:
    """Expect the kernel to know the order; it is told beside the cells, so it may take a moment."""
    known: list[str] = []
    for _ in range(20):
        notebook.run(index)
        shown = notebook.outputs(index).first.inner_text()
        known = re.findall(r"'([\w-]+)': \d+", shown)
        if known == ids(notebook):
            return
        notebook.page.wait_for_timeout(100)
    assert known == ids(notebook)


def test_the_kernel_knows_the_order_after_every_change(open_notebook):
    notebook = open_notebook(TOLD, "a = 1", "b = 2")
    expect_order_known(notebook, 1)
    notebook.select(3)
    notebook.command("notebook:move-cell-up")
    expect_order_known(notebook, 1)
    notebook.select(2)
    notebook.command("notebook:copy-cell")
    notebook.command("notebook:paste-cell-below")
    expect_order_known(notebook, 1)
    notebook.select(2)
    notebook.command("notebook:delete-cell")
    expect_order_known(notebook, 1)
    assert len(ids(notebook)) == 4


def test_a_restarted_kernel_is_told_the_order_again(open_notebook):
    notebook = open_notebook(TOLD, "a = 1")
    expect_order_known(notebook, 1)
    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    notebook.wait_for_status("idle")
    notebook.command("notebook:clear-all-cell-outputs")  # a new kernel counts from 1 again
    notebook.run(0)
    expect_order_known(notebook, 1)


def test_a_cut_answer_is_marked_and_carried_on_by_a_click(open_notebook, provider):
    provider.play(openai_stream(["One, two"], finish="length"))
    provider.play(openai_stream([", three."]))
    notebook = open_notebook("%%cmd\ncount")
    notebook.run(1)
    mark(notebook, 1, "Cut off").click()
    expect(notebook.outputs(1).first).to_have_text("One, two, three.")
    expect(notebook.cell(1).locator(".cc-warning")).to_have_count(0)


def test_marks_and_code_buttons_go_away_where_they_are_not_wanted(open_notebook, provider):
    notebook = open_notebook("%%cmd\nfirst", "%%cmd\nsecond")
    run(notebook, provider, 1, "One.")
    run(notebook, provider, 2, "Two.")
    provider.play(openai_stream(["```\ncode\n```"]))
    notebook.run(1)
    expect(mark(notebook, 2, "Stale")).to_be_visible()
    expect(notebook.cell(1).locator(".cc-code-bar")).to_have_count(1)
    assert "Stale" not in json.dumps(notebook.saved())
    change = """async values => {
      const { serviceManager } = window.jupyterapp;
      await serviceManager.settings.save('cc-jupyter:plugin', JSON.stringify(values));
    }"""
    try:
        notebook.page.evaluate(change, {"marks": False, "codeButtons": False})
        notebook.page.reload()
        notebook.wait_for_status("idle")
        expect(notebook.outputs(1).first).to_contain_text("code")
        expect(notebook.page.locator(".cc-status")).to_contain_text("default")
        expect(notebook.page.locator(".cc-warning, .cc-code-bar")).to_have_count(0)
    finally:
        notebook.page.evaluate(change, {})


def test_a_kernel_without_the_extension_is_left_in_peace(lab, page):
    notebook = LabNotebook(lab, page, lab.write("plain.ipynb", ["x = 1", "%%time\ny = 2"]))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    notebook.open()
    for index in (0, 1):
        notebook.run(index)
    notebook.select(1)
    notebook.command("notebook:move-cell-up")
    notebook.run(0)
    expect(page.locator(".cc-header, .cc-code-bar")).to_have_count(0)
    assert errors == []
    lab.end_kernels()
