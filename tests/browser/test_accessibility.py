"""No view keeps anybody out: axe-core in both themes, high contrast, 480 pixels, zoom 200 %."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from playwright.sync_api import expect
from support.axe import AXE, each_theme, serious_faults
from support.lab_harness import settled
from support.provider import answer, openai_stream

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from support.lab_harness import LabNotebook

BUILT = Path(sys.prefix, "share/jupyter/labextensions/cc-jupyter/package.json")
HAIKU, FLASH = "claude-haiku-5-5", "deepseek/deepseek-v4-flash"
CODE = "Two blocks:\n\n```python\nx = 1\n```\n\n- and `more`\n\n```\ny = 2\n```\n"
HALF = nbformat.v4.new_output(
    "display_data",
    {"text/markdown": "The beginning of an", "text/plain": "The beginning of an"},
    metadata={"cc_jupyter": {"unfinished": True}},
)
SCREENS = {"wide": (1280, 900), "480 pixels": (480, 900), "1280 pixels at 200 %": (640, 450)}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not BUILT.exists(),
        reason="the JupyterLab extension is not built; `make front-end` does it and needs node",
    ),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core comes with `npm ci` in labextension/"),
]


def run(notebook: LabNotebook, provider: Any, index: int, text: str, **script: Any) -> None:
    provider.play(openai_stream([text], **script))
    notebook.run(index)


def press(notebook: LabNotebook, index: int, *keys: str) -> None:
    """Press keys at a cell, in command mode."""
    notebook.select(index)
    notebook.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.mode = 'command';
          content.activate();
        }"""
    )
    for key in keys:
        notebook.page.keyboard.press(key)


def mark(notebook: LabNotebook, index: int, kind: str) -> Locator:
    return notebook.cell(index).locator(f".cc-warning-{kind}")


def close_left_area(notebook: LabNotebook) -> None:
    """Leave the room of a narrow page to the notebook."""
    if notebook.page.locator("#jp-left-stack").is_visible():
        notebook.command("application:toggle-left-area")


def panel(notebook: LabNotebook) -> Locator:
    notebook.command("cc-jupyter:show-panel")
    return notebook.page.locator("#cc-jupyter-panel")


def assert_in_sight(shown: Locator) -> None:
    """Assert that nothing of an element is cut off at the right, and its text is not squeezed."""
    outside = shown.evaluate_all(
        """all => all.filter(each => each.checkVisibility()).filter(each => {
          const { left, right, width } = each.getBoundingClientRect();
          const around = each.closest('.jp-Cell, #cc-jupyter-panel').getBoundingClientRect();
          return left < around.left || right > around.right + 1 || width < 24
            || each.scrollWidth > each.clientWidth + 1;
        }).map(each => each.outerHTML)"""
    )
    assert outside == []


def test_cells_with_answers_and_every_mark_have_no_serious_fault(open_notebook, provider):
    notebook = open_notebook(
        *("%%cmd\nfirst", "%%cmd\nsecond", "%%cmd --thread side\naside", "%%cmd\nto be deleted"),
        *("%%cmd\nafter", "%%cmd\nto be rewound", "%cmd rewind", "%%cmd\nhalf", "%cmd help"),
        f"%%cmd -m {HAIKU},{FLASH} -n 2\nGrid.",
    )
    page = notebook.page
    provider.always(answer(CODE))
    for index in (1, 2, 3, 4, 5, 6, 7, 9, 10):
        notebook.run(index)
    run(notebook, provider, 1, "Two answers", finish="length")
    page.evaluate(
        """half => window.jupyterapp.shell.currentWidget.content.widgets[8]
             .model.outputs.fromJSON([half])""",
        HALF,
    )
    notebook.select(5)
    notebook.command("notebook:copy-cell")
    notebook.command("notebook:paste-cell-below")
    notebook.select(4)
    notebook.command("notebook:delete-cell")
    for index, kind in ((1, "cut"), (2, "stale"), (3, "thread"), (4, "deleted"), (5, "copy")):
        expect(mark(notebook, index, kind)).to_be_visible()
    expect(mark(notebook, 6, "outside")).to_be_visible()
    expect(mark(notebook, 8, "unfinished")).to_be_visible()
    press(notebook, 1, "p", "n")
    expect(notebook.cell(1).get_by_role("status")).to_contain_text("Version 2 of 2")
    notebook.cell(1).get_by_role("button", name="Show changes").click()
    expect(notebook.cell(1).locator(".cc-diff")).to_be_visible()
    for theme in each_theme(page):
        notebook.outputs(2).first.hover()
        shown = (".cc-prompt", ".cc-header", ".cc-diff", ".cc-code-bar .cc-icon", ".cc-keep")
        assert serious_faults(page, *shown, ".jp-OutputArea-output", ".cc-status") == [], theme
    close_left_area(notebook)
    for name, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert_in_sight(notebook.page.locator(".cc-header :is(.cc-warning, .cc-text-button)"))
        assert mark(notebook, 4, "deleted").evaluate("mark => mark.offsetHeight") < 60, name


def test_the_panel_with_all_its_sections_and_the_list_of_models_have_no_serious_fault(
    open_notebook, provider
):
    notebook = open_notebook("%%cmd\nfirst", "%%cmd\nsecond", "%cmd save an-example")
    page = notebook.page
    for index in (1, 2, 1):
        notebook.run(index)
    notebook.run(3)
    shown = panel(notebook)
    box = shown.get_by_role("searchbox")
    box.fill("first")
    box.press("Enter")
    expect(shown.locator(".cc-snippet mark").first).to_be_visible()
    expect(shown.get_by_role("img")).to_be_visible()
    expect(shown.get_by_text("an-example")).to_be_visible()
    shown.get_by_role("treeitem").nth(2).click()
    chooser = page.locator(".cc-chooser")
    for theme in each_theme(page):
        assert serious_faults(page, "#cc-jupyter-panel", ".cc-status") == [], theme
        for keys in ("Enter", "Shift+Q"):
            if keys == "Enter":
                page.locator(".cc-status").press(keys)
            else:
                press(notebook, 1, keys)
            expect(chooser.get_by_role("option", selected=True)).to_be_visible()
            assert serious_faults(page, ".cc-chooser") == [], theme
            page.keyboard.press("Escape")
            expect(chooser).to_have_count(0)
    assert_marked_without_colours(page, shown.locator(".cc-tree"), shown.locator(".cc-model-list"))


def assert_marked_without_colours(page: Page, *lists: Locator) -> None:
    """Assert that the chosen line of each list is marked in high contrast too."""
    page.emulate_media(forced_colors="active")
    try:
        for each in lists:
            outline = "line => getComputedStyle(line).outlineStyle"
            assert each.locator("[aria-selected=true]").evaluate(outline) == "solid"
            assert each.locator("[aria-selected=false]").first.evaluate(outline) == "none"
    finally:
        page.emulate_media(forced_colors="none")


def test_the_widgets_and_the_tables_have_no_serious_fault(open_notebook, provider):
    notebook = open_notebook(
        f"%%cmd -m {HAIKU},{FLASH} -n 2 --blind -> g\nWhy?",
        *("%cmd vote", "%cmd usage", "%cmd models haiku", "%cmd help versions", "%cmd versions"),
        "%cmd pick",
    )
    page = notebook.page
    provider.always(lambda record: answer(f"**{record.json['model']}**\n\n{CODE}")(record))
    for index in range(1, 8):
        notebook.run(index)
    picker, vote = page.locator(".cc-picker"), page.locator(".cc-vote")
    expect(picker.locator(".cc-form")).to_have_attribute("aria-busy", "false")
    picker.locator("summary").click()
    vote.get_by_role("button", name="differences").click()
    expect(vote.locator(".cc-diff ins").first).to_be_visible()
    for theme in each_theme(page):
        assert serious_faults(page, ".cc-picker", ".cc-vote", ".jp-OutputArea-output") == [], theme
    assert_marked_without_colours(page, picker.locator(".cc-list"))
    vote.get_by_role("button", name="reveal and end").click()
    expect(notebook.cell(2)).to_contain_text(re.compile("The vote ended|most wins"))
    for theme in each_theme(page):
        assert serious_faults(page, ".cc-vote") == [], theme


PROMPTS = (
    "%%cmd",
    "%%cmd @name",
    "%%cmd -m deepseek/deepseek-v4-pro why?",
    "%%cmd " + "many words " * 9,
    "%%cmd " + "many words " * 40,
    "%%cmd\nx",
    "%%cmd\n" + "many words " * 12,
    f"%%cmd -m {HAIKU},{FLASH} -n 2\nx",
)
BOXES = """cell => {
  const box = ({ left, top, right, bottom }) => [left, top, right, bottom];
  const found = [...cell.querySelectorAll('.jp-cell-toolbar [data-command]')]
    .filter(each => each.checkVisibility()).map(each => box(each.getBoundingClientRect()));
  for (const line of cell.querySelectorAll('.cm-line')) {
    const text = document.createRange();
    text.selectNodeContents(line);
    found.push(...[...text.getClientRects()].filter(each => each.width > 0).map(box));
  }
  return found;
}"""


def badge_box(cell: Locator) -> tuple[float, float, float, float]:
    """Return where the badge of a cell is laid out: left, top, right and bottom.

    Only the browser's debugging protocol measures what a style sheet adds to an element.
    """
    session = cell.page.context.new_cdp_session(cell.page)
    try:
        line = cell.locator(".cc-model-line").element_handle()
        line.evaluate("line => { window.ccModelLine = line; }")
        found = session.send("Runtime.evaluate", {"expression": "window.ccModelLine"})["result"]
        node = session.send("DOM.describeNode", {"objectId": found["objectId"]})["node"]
        (badge,) = [each for each in node["pseudoElements"] if each["pseudoType"] == "after"]
        model = session.send("DOM.getBoxModel", {"backendNodeId": badge["backendNodeId"]})["model"]
    finally:
        session.detach()
    left, top, right, _, _, bottom, *_ = model["content"]
    assert left < right
    assert top < bottom
    return left, top, right, bottom


def assert_badge_covers_nothing(cell: Locator, prompt: str) -> None:
    left, top, right, bottom = badge_box(cell)
    boxes = cell.evaluate(BOXES)
    assert boxes
    covered = [
        box
        for box in boxes
        if box[0] < right and left < box[2] and box[1] < bottom and top < box[3]
    ]
    assert covered == [], prompt


@pytest.mark.parametrize("width", [480, 1280])
def test_the_badge_covers_neither_text_nor_buttons(open_notebook, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    notebook = open_notebook(*PROMPTS)
    close_left_area(notebook)
    for index, prompt in enumerate(PROMPTS, 1):
        press(notebook, index)
        notebook.cell(index).scroll_into_view_if_needed()
        expect(notebook.cell(index).locator(".cc-model-line")).to_be_visible()
        page.wait_for_function(
            "document.querySelector('.jp-mod-active .jp-cell-toolbar, .jp-toolbar-overlap')"
        )
        cell = notebook.cell(index)
        settled(page, functools.partial(assert_badge_covers_nothing, cell, prompt), 30)
