"""A grid cell from before it runs to the next cell: cost, stop, retry, the kept answer, restart."""

from __future__ import annotations

import itertools
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.provider import answer, anthropic_stream, hang, openai_stream

if TYPE_CHECKING:
    from playwright.sync_api import Locator
    from support.lab_harness import LabNotebook

pytestmark = pytest.mark.browser

MODELS = ("deepseek/deepseek-v4-flash", "deepseek/deepseek-v4-pro", "claude-haiku-5-5")
GRID = f"%%cmd -m {','.join(MODELS)} -t 0,1 -n 3 -> g\nExplain rain in two sentences."
RESTART = "window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
PICTURES = os.environ.get("GRID_PICTURES")


def keep_buttons(notebook: LabNotebook, index: int) -> Locator:
    return notebook.outputs(index).locator(".cc-keep button")


def expect_active(notebook: LabNotebook, index: int, place: int) -> None:
    """Expect that one answer is marked as active, the one in this place."""
    pressed = notebook.outputs(index).locator(".cc-keep button[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    expect(keep_buttons(notebook, index).nth(place)).to_have_text("✓ Active")


def press(notebook: LabNotebook, index: int, key: str) -> None:
    """Press a key at a cell, in command mode."""
    notebook.select(index)
    notebook.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.mode = 'command';
          content.activate();
        }"""
    )
    notebook.page.keyboard.press(key)


def picture(notebook: LabNotebook, name: str) -> None:
    """Take a picture of the page for a person to look at, light, dark and narrow, if asked for."""
    page = notebook.page
    if PICTURES is None:
        return
    for theme in ("Dark", "Light"):
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            f"JupyterLab {theme}",
        )
        page.wait_for_timeout(500)
        page.screenshot(path=Path(PICTURES, f"{name}-{theme.lower()}.png"))
    page.set_viewport_size({"width": 480, "height": 900})
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    page.wait_for_timeout(500)
    page.screenshot(path=Path(PICTURES, f"{name}-narrow.png"))
    page.set_viewport_size({"width": 1280, "height": 900})


def rain(complete: int):
    """Return a script for every request, numbered; all after the first ones hang in the middle."""
    numbers, lock = itertools.count(1), threading.Lock()

    def play(record):
        with lock:
            number = next(numbers)
        text = f"Rain is water, says answer {number}."
        if number <= complete:
            return answer(text)(record)
        stream = anthropic_stream if record.path.endswith("/messages") else openai_stream
        return (*stream([text])[:3], hang())

    return play


def test_a_grid_is_stopped_retried_kept_and_continued(open_notebook, provider, page):
    notebook = open_notebook(GRID, "%cmd retry", "%%cmd\nGo on.", "%cmd thread default")
    edge = notebook.cell(1).locator(".cc-model-line")
    expect(edge).to_have_attribute("data-cc-model", re.compile(r"^18 requests · ~\$0\.\d+$"))
    picture(notebook, "1-before")

    provider.always(rain(12))
    notebook.start(1)
    expect(notebook.outputs(1)).to_contain_text("12 of 18 done", timeout=30_000)
    picture(notebook, "2-running")
    notebook.cell(1).locator(".cc-stop").click()
    expect(notebook.outputs(1).locator(".cc-column")).to_have_count(6)
    notebook.wait_for_status("idle")
    expect(keep_buttons(notebook, 1).first).to_be_visible()

    provider.always(rain(99))
    sent = len(provider.posts)
    notebook.run(2)
    assert len(provider.posts) - sent == 18 - 12
    expect(page.locator(".cc-status")).to_contain_text(
        re.compile(r"in [1-9][\d,]* \+ \? · out [1-9]")
    )
    expect(keep_buttons(notebook, 2)).to_have_count(18)
    expect_active(notebook, 2, 0)
    picture(notebook, "3-retried")

    answers = notebook.outputs(2).locator(".cc-answer")
    kept = answers.nth(7).text_content()
    keep_buttons(notebook, 2).nth(7).click()
    expect_active(notebook, 2, 7)
    bar = notebook.cell(2).locator(".cc-version-message")
    expect(bar).to_contain_text("Answer 8 of 18 is active · deepseek/deepseek-v4-pro")
    expect(answers).to_have_count(18)
    notebook.cell(2).get_by_role("button", name="Undo").click()
    expect_active(notebook, 2, 0)
    keep_buttons(notebook, 2).nth(7).click()
    expect_active(notebook, 2, 7)
    picture(notebook, "4-kept")

    notebook.run(3)
    assert kept is not None
    assert provider.posts[-1].json["messages"][-2]["content"].strip() == kept.strip()

    page.evaluate(RESTART)
    notebook.wait_for_status("idle")
    expect(keep_buttons(notebook, 2)).to_have_count(0)
    notebook.start(0)  # its number is the same as before
    notebook.run(4)
    expect_active(notebook, 2, 7)
    expect(edge).to_have_attribute("data-cc-model", re.compile(r"^18 requests · ~\$0\.\d+$"))
    picture(notebook, "5-restarted")
    html = "".join(
        output.get("data", {}).get("text/html", "")
        for cell in notebook.saved().cells
        for output in cell.get("outputs", ())
    )
    assert "cc-answer" in html
    assert "cc-keep" not in html


def test_the_keys_step_through_a_grid_and_the_panel_groups_it(open_notebook, provider, page):
    provider.always(rain(99))
    notebook = open_notebook(f"%%cmd -m {','.join(MODELS[:2])} -n 2\nExplain rain.")
    notebook.run(1)
    expect_active(notebook, 1, 0)
    shown = notebook.outputs(1).locator(".cc-answer").all_text_contents()
    for _ in range(2):
        press(notebook, 1, "n")
    expect_active(notebook, 1, 2)
    press(notebook, 1, "p")
    expect_active(notebook, 1, 1)
    press(notebook, 1, "p")
    press(notebook, 1, "p")
    expect(notebook.cell(1).locator(".cc-version-message")).to_contain_text("no answer before")
    assert notebook.outputs(1).locator(".cc-answer").all_text_contents() == shown

    notebook.command("cc-jupyter:show-panel")
    tree = page.get_by_role("tree", name="Conversations")
    grid = tree.get_by_role("treeitem", name=re.compile("Explain rain"))
    expect(grid).to_contain_text("grid · version 1 of 4")
    grid.locator(".cc-twist").click()
    lines = tree.get_by_role("treeitem")
    expect(lines.nth(2)).to_contain_text("deepseek-v4-flash")
    expect(lines.nth(2)).to_contain_text("versions 1 to 2 · version 1 is active")
    expect(lines.nth(3)).to_contain_text("versions 3 to 4")
    picture(notebook, "6-panel")


def test_models_chosen_in_the_panel_are_compared_in_the_active_prompt(open_notebook, page):
    notebook = open_notebook("%%cmd -m claude-haiku-5-5 -t 0\nhello")
    notebook.select(1)
    notebook.command("cc-jupyter:show-panel")
    search = page.locator("#cc-jupyter-panel, .cc-panel").get_by_role(
        "combobox", name="Search models"
    )
    for name in ("v4-flash", "v4-pro"):
        search.fill(name)
        search.press("Shift+Enter")
    picture(notebook, "7-compare")
    page.get_by_role("button", name="Compare these 2").press("Enter")
    source = page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.source"
    )
    assert source.startswith("%%cmd -m deepseek/deepseek-v4-flash")
    assert source.endswith(" -t 0\nhello")
    expect(notebook.cell(1).locator(".cc-model-line")).to_have_attribute(
        "data-cc-model", re.compile("^2 requests")
    )
