"""Tab in JupyterLab: the list that a person sees, and what Enter puts into the cell."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.lab_harness import LAB_VERSION

pytestmark = pytest.mark.browser


def type_into(notebook, index, *lines):
    """Type into a cell as a person does, at its end."""
    editor = notebook.cell(index).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type("\n".join(lines))


def menu(notebook):
    """Return the entries of the menu that Tab opens."""
    return notebook.page.locator(".jp-Completer:visible .jp-Completer-item")


def source(notebook, index):
    return notebook.page.evaluate(
        "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.source",
        index,
    )


def test_tab_lists_models_by_any_part_and_enter_inserts_the_whole_id(open_notebook, provider):
    notebook = open_notebook("")
    type_into(notebook, 1, "%%cmd --once -m KIMI-k2")
    notebook.page.keyboard.press("Tab")
    expect(menu(notebook).first).to_contain_text("moonshotai/Kimi-K2.5")
    expect(menu(notebook).first).to_contain_text("model")
    shown = menu(notebook).locator(".jp-Completer-match").all_inner_texts()
    assert {"moonshotai/Kimi-K2.5", "moonshotai/Kimi-K2.6"} <= set(shown)
    assert all("Kimi-K2" in each for each in shown)
    notebook.page.keyboard.press("Enter")
    expect(menu(notebook)).to_have_count(0)
    assert source(notebook, 1) == "%%cmd --once -m moonshotai/Kimi-K2.5"
    assert provider.requests == []


@pytest.mark.skipif(
    LAB_VERSION < (4, 5),
    reason="JupyterLab 4.4 lists nothing behind a character of two UTF-16 units",
)
def test_what_stands_before_the_fragment_stays_whatever_it_is(open_notebook, provider):
    notebook = open_notebook("")
    type_into(notebook, 1, "💥 = %cmd use haiku-5")
    notebook.page.keyboard.press("Tab")
    expect(menu(notebook)).to_have_count(1)
    expect(menu(notebook)).to_contain_text("claude-haiku-5-5")
    notebook.page.keyboard.press("Enter")
    expect(menu(notebook)).to_have_count(0)
    assert source(notebook, 1) == "💥 = %cmd use claude-haiku-5-5"
    assert provider.requests == []


def test_tab_in_the_text_of_a_cell_lists_names_in_braces_only(open_notebook):
    notebook = open_notebook("alpha_one, alpha_two = 1, 2", "")
    notebook.run(1)
    type_into(notebook, 2, "%%cmd", "hello {{ alpha")
    notebook.page.keyboard.press("Tab")
    expect(menu(notebook)).to_have_count(2)
    expect(menu(notebook).first).to_contain_text("alpha_one")
    notebook.page.keyboard.press("Enter")
    expect(menu(notebook)).to_have_count(0)
    assert source(notebook, 2) == "%%cmd\nhello {{ alpha_one"
