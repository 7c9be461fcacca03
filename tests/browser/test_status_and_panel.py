"""The status bar's item, the quick chooser and the side panel."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support.lab_harness import LAB_VERSION, LabNotebook
from support.provider import openai_stream, wait

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

BUILT = Path(sys.prefix, "share/jupyter/labextensions/cc-jupyter/package.json")
ACTIVE_CELL = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
SOURCES = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .map(({ model }) => model.sharedModel.getSource())"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not BUILT.exists(),
        reason="the JupyterLab extension is not built; `make front-end` does it and needs node",
    ),
]


def status(page: Page) -> Locator:
    """Return the item in the status bar."""
    return page.locator(".cc-status")


def chooser(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Model of this notebook")


def panel(notebook: LabNotebook) -> Locator:
    """Open the side panel."""
    notebook.command("cc-jupyter:show-panel")
    shown = notebook.page.locator("#cc-jupyter-panel")
    expect(shown).to_be_visible()
    return shown


def lines(shown: Locator) -> Locator:
    """Return the lines of the tree."""
    return shown.get_by_role("treeitem")


def button(shown: Locator, name: str) -> Locator:
    return shown.get_by_role("button", name=name, exact=True)


def sources(notebook: LabNotebook) -> list[str]:
    """Return the sources of all cells, those that are not on screen as well."""
    found: list[str] = notebook.page.evaluate(SOURCES)
    return found


def append(notebook: LabNotebook, source: str) -> int:
    """Add a cell at the end; gives its place."""
    place: int = notebook.page.evaluate(
        """source => {
          const { sharedModel } = window.jupyterapp.shell.currentWidget.content.model;
          const at = sharedModel.cells.length;
          sharedModel.insertCell(at, { cell_type: 'code', source });
          return at;
        }""",
        source,
    )
    return place


def asked(record: Any) -> list[str]:
    """Return what the user said in the messages of a request."""
    return [each["content"] for each in record.json["messages"] if each["role"] == "user"]


# ── the status bar


def test_the_status_bar_says_where_the_notebook_stands(open_notebook, provider):
    notebook = open_notebook("%cmd budget 5", "%%cmd\nhello")
    item = status(notebook.page)
    expect(item).to_have_text("deepseek-v4-flash · default · in 0 · out 0 · $0")
    notebook.run(1)
    expect(item).to_contain_text("$5.00 of $5.00")
    notebook.run(2)
    expect(item).to_have_text(
        re.compile(r"^deepseek-v4-flash · default · in \d+ · out \d+ · <?\$[\d.]+ · \$.* left$")
    )
    expect(item).to_have_attribute("title", re.compile("Cost of this notebook.*: <?\\$"))


@pytest.mark.skipif(
    LAB_VERSION < (4, 4), reason="before 4.4 JupyterLab's questions wait until the cell has ended"
)
def test_the_status_bar_counts_while_an_answer_comes(open_notebook, provider):
    provider.play(*openai_stream(["one ", "two ", "three "])[:-2], wait("rest"))
    notebook = open_notebook("%%cmd\nhello")
    notebook.start(1)
    expect(status(notebook.page)).to_contain_text(re.compile(r"~?\d+ tokens, \d+ s"))
    provider.gate("rest").set()
    expect(status(notebook.page)).not_to_contain_text("tokens,")


def test_the_status_bar_is_silent_where_nobody_answers(open_notebook, provider):
    notebook = open_notebook("1 + 1")
    expect(status(notebook.page)).to_be_visible()
    notebook.page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    expect(status(notebook.page)).to_be_hidden()
    notebook.wait_for_status("idle")
    expect(status(notebook.page)).to_be_hidden()
    notebook.start(0)
    expect(status(notebook.page)).to_be_visible()


# ── the quick chooser


def test_the_chooser_is_used_by_keyboard_alone(open_notebook, provider):
    notebook = open_notebook("%%cmd\nhello")
    page = notebook.page
    expect(status(page)).to_be_visible()
    status(page).focus()
    page.keyboard.press("Enter")
    expect(chooser(page).get_by_role("option", selected=True)).to_contain_text("in use")
    page.keyboard.type("deepseek pro")
    expect(chooser(page).get_by_role("option").first).to_contain_text("deepseek-v4-pro")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(chooser(page)).to_be_hidden()
    expect(status(page)).to_contain_text("deepseek-v4-pro · ")
    expect(status(page)).to_be_focused()
    edge = notebook.cell(1).locator("[data-cc-model]")
    expect(edge).to_have_attribute("data-cc-model", "deepseek-v4-pro")
    notebook.run(1)
    assert provider.requests[-1].json["model"] == "deepseek/deepseek-v4-pro"


def test_the_model_in_use_is_in_sight_and_esc_leaves_it(open_notebook, provider):
    notebook = open_notebook("1")
    page = notebook.page
    expect(status(page)).to_be_visible()
    notebook.command("apputils:activate-command-palette")
    page.keyboard.type("Choose Notebook Model")
    page.keyboard.press("Enter")
    expect(chooser(page).get_by_role("option", selected=True)).to_be_in_viewport(ratio=0.9)
    expect(chooser(page).get_by_role("option", selected=True)).to_contain_text("in use")
    page.keyboard.type("nothing has such a name")
    expect(chooser(page)).to_contain_text("No model matches")
    page.keyboard.press("Escape")
    expect(chooser(page).get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(chooser(page)).to_be_hidden()
    expect(status(page)).to_contain_text("deepseek-v4-flash · ")


# ── the side panel


def test_the_panel_finds_a_model_and_all_about_it(open_notebook, provider):
    notebook = open_notebook("%%cmd\nhello")
    shown = panel(notebook)
    box = shown.get_by_role("combobox", name="Search models")
    box.fill("deepseek pro")
    details = shown.get_by_role("region", name="Model details")
    expect(details).to_contain_text("deepseek/deepseek-v4-pro")
    expect(details).to_contain_text("longest answer")
    box.press("Enter")
    expect(status(notebook.page)).to_contain_text("deepseek-v4-pro · ")
    expect(shown.get_by_role("option", selected=True)).to_contain_text("in use")


def test_a_click_in_the_tree_goes_to_the_cell_and_a_fork_goes_on_from_there(
    open_notebook, provider
):
    notebook = open_notebook("%%cmd\nfirst", "%%cmd\nsecond", "%%cmd\nthird")
    for cell in (1, 2, 3):
        notebook.run(cell)
    shown = panel(notebook)
    expect(lines(shown)).to_have_text(
        [
            re.compile("default current · 3 turns"),
            *[re.compile(f"{text} deepseek-v4-flash · ") for text in ("first", "second", "third")],
        ]
    )
    lines(shown).nth(2).click()
    notebook.page.wait_for_function(f"{ACTIVE_CELL} === 2")
    button(shown, "Fork from here…").click()
    name = notebook.page.locator(".jp-Dialog input")
    name.fill("aside")
    name.press("Enter")
    expect(status(notebook.page)).to_contain_text(" · aside · ")
    expect(lines(shown).nth(3)).to_have_text(re.compile("aside current · 2 turns · shares 2"))
    expect(lines(shown).nth(3)).to_have_attribute("aria-level", "2")
    notebook.run(append(notebook, "%%cmd\nfourth"))
    assert asked(provider.requests[-1]) == ["first", "second", "fourth"]
    lines(shown).first.click()
    button(shown, "Continue conversation").click()
    expect(status(notebook.page)).to_contain_text(" · default · ")


def test_the_tree_is_used_by_keyboard_and_marks_what_is_stale(open_notebook, provider):
    notebook = open_notebook("%%cmd\nfirst", "%%cmd\nsecond")
    notebook.run(1)
    notebook.run(2)
    notebook.run(1)
    shown = panel(notebook)
    expect(lines(shown).nth(1)).to_contain_text("version 2 of 2")
    expect(lines(shown).nth(2)).to_contain_text("second stale")
    lines(shown).first.focus()
    page = notebook.page
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(lines(shown).nth(2)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(lines(shown)).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{ACTIVE_CELL} === 1")


def test_usage_is_a_table_and_a_plot_that_says_in_words_what_it_shows(open_notebook, provider):
    notebook = open_notebook("%%cmd\nfirst", "%%cmd -m deepseek/deepseek-v4-pro\nsecond")
    notebook.run(1)
    shown = panel(notebook)
    plot = shown.get_by_role("img")
    expect(plot).to_have_attribute(
        "aria-label", re.compile(r"Cost so far: .*\$.* after 1 request,")
    )
    notebook.run(2)
    expect(plot).to_have_attribute("aria-label", re.compile("after 2 requests, "))
    heads = shown.get_by_role("table").locator("tbody th")
    expect(heads).to_have_text(["deepseek-v4-flash", "deepseek-v4-pro", "all"])


def test_a_past_prompt_of_another_notebook_is_put_in_to_the_letter(open_notebook, provider, lab):
    notebook = open_notebook('word = "{{ word }}"', "%%cmd\nthe zebrafish <b>swims</b> {{ word }}")
    notebook.run(1)
    notebook.run(2)
    other = LabNotebook(lab, notebook.page, lab.write("other.ipynb", ["%load_ext cc_jupyter", "1"]))
    other.open()
    other.run(0)
    other.select(0)
    shown = panel(other)
    box = shown.get_by_role("searchbox")
    box.fill("zebrafish")
    box.press("Enter")
    found = shown.get_by_role("list", name="Search results").get_by_role("listitem")
    expect(found.first).to_contain_text("the zebrafish <b>swims</b>")
    expect(found.first.locator("mark").first).to_have_text("zebrafish")
    expect(found.first).to_contain_text(notebook.path.name)
    button(found.first, "Insert as cell").click()
    assert sources(other) == [
        "%load_ext cc_jupyter",
        "%%cmd --raw\nthe zebrafish <b>swims</b> {{ word }}",
        "1",
    ]
    other.command("notebook:undo-cell-action")
    assert len(sources(other)) == 2
    box.fill("axolotl-without-a-trace")
    box.press("Enter")
    expect(shown).to_contain_text("Nothing found.")
    expect(found).to_have_count(0)


def test_the_panel_says_what_is_missing_and_puts_it_in(lab, provider, page):
    page.goto(f"{lab.url}lab?reset&token={lab.token}")
    page.wait_for_function("window.jupyterapp?.restored.then(() => true)")
    page.evaluate("window.jupyterapp.commands.execute('cc-jupyter:show-panel')")
    shown = page.locator("#cc-jupyter-panel")
    expect(shown).to_contain_text("Open a notebook to see its models")
    notebook = LabNotebook(lab, page, lab.write("bare.ipynb", ["1 + 1"]))
    notebook.open()
    expect(panel(notebook)).to_contain_text("The kernel of bare.ipynb has not loaded cc_jupyter.")
    expect(status(page)).to_be_hidden()
    button(shown, "Load it in a new first cell").click()
    expect(status(page)).to_be_visible()
    assert sources(notebook) == ["%load_ext cc_jupyter", "1 + 1"]
    expect(shown).to_contain_text("No prompts yet.")
    lab.end_kernels()


def test_bar_and_panel_follow_the_notebook_in_front(open_notebook, provider, lab):
    notebook = open_notebook("%%cmd\nfirst")
    notebook.run(1)
    shown = panel(notebook)
    expect(lines(shown)).to_have_count(2)
    lab.write("second.ipynb", ["1"])
    notebook.page.evaluate(
        "void window.jupyterapp.commands.execute('docmanager:open', { path: 'second.ipynb' })"
    )
    expect(shown).to_contain_text("The kernel of second.ipynb has not loaded cc_jupyter.")
    expect(status(notebook.page)).to_be_hidden()
    notebook.command("application:activate-previous-tab")
    expect(status(notebook.page)).to_be_visible()
    expect(lines(shown)).to_have_count(2)


def test_two_pages_show_one_notebook_and_both_are_right(open_notebook, provider, lab, context):
    notebook = open_notebook("%%cmd\nfirst")
    second = LabNotebook(lab, context.new_page(), notebook.path)
    second.open()
    for each in (notebook, second):
        expect(status(each.page)).to_contain_text("deepseek-v4-flash · default · in 0 ·")
    shown = panel(second)
    notebook.run(1)
    expect(lines(shown).nth(1)).to_contain_text("first")
    told = status(notebook.page).inner_text()
    expect(status(second.page)).to_have_text(told)


def test_a_page_that_is_turned_to_knows_what_another_one_chose(
    open_notebook, provider, lab, context
):
    notebook = open_notebook("%%cmd\nfirst")
    second = LabNotebook(lab, context.new_page(), notebook.path)
    second.open()
    expect(status(second.page)).to_contain_text("deepseek-v4-flash")
    status(second.page).click()
    second.page.keyboard.type("v4-pro")
    chosen = second.page.locator(".cc-chooser [aria-selected=true]")
    expect(chosen).to_contain_text("deepseek-v4-pro")
    second.page.keyboard.press("Enter")
    expect(status(second.page)).to_contain_text("deepseek-v4-pro")
    notebook.page.evaluate("window.dispatchEvent(new Event('focus'))")  # no page here loses it
    expect(status(notebook.page)).to_contain_text("deepseek-v4-pro")


# ── Notebook 7


def test_notebook_7_has_the_panel_and_the_chooser(notebook7, provider, page):
    path = notebook7.write("n.ipynb", ["%load_ext cc_jupyter", "%%cmd\nhello"])
    notebook = LabNotebook(notebook7, page, path)
    notebook.open()
    notebook.run(0)
    notebook.run(1)
    shown = panel(notebook)
    expect(lines(shown).nth(1)).to_contain_text("hello")
    page.evaluate("void window.jupyterapp.commands.execute('cc-jupyter:choose-model')")
    page.keyboard.type("deepseek pro")
    expect(chooser(page).get_by_role("option").first).to_contain_text("deepseek-v4-pro")
    page.keyboard.press("Enter")
    expect(shown.get_by_role("option", selected=True)).to_contain_text("in use")
