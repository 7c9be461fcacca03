"""Commands on one cell and its answer: toolbar, keys, versions, stop, code blocks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab_harness import LabNotebook, settled
from support.provider import error, hang, openai_stream, wait

import cc_jupyter

if TYPE_CHECKING:
    from playwright.sync_api import Locator

BUILT = Path(sys.prefix, "share/jupyter/labextensions/cc-jupyter/package.json")
SCHEMAS = Path(sys.prefix, "share/jupyter/lab/schemas")
FRONT = Path(cc_jupyter.__file__).parents[1] / "labextension"
MODEL = "deepseek/deepseek-v4-flash"
OTHER = "deepseek/deepseek-v4-pro"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not BUILT.exists(),
        reason="the JupyterLab extension is not built; `make front-end` does it and needs node",
    ),
]

PROMPT = "%%cmd\nSay something."
CODE = "Two blocks:\n\n```python\nx = 1\nprint(x)\n```\n\nand\n\n```python\ny = 2\n```\n"
SOURCE = "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.source"


def source(notebook: LabNotebook, index: int) -> str:
    """Return the text of a cell."""
    text: str = notebook.page.evaluate(SOURCE, index)
    return text


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


def tool(notebook: LabNotebook, name: str) -> Locator:
    """Return a button of the cell toolbar."""
    return notebook.page.locator(f".jp-cell-toolbar [data-command='cc-jupyter:{name}']")


def answered(open_notebook, provider, *answers: str, cells: tuple[str, ...] = (PROMPT,)):
    """Return a notebook whose cell 1 got these answers, one after the other."""
    notebook = open_notebook(*cells)
    for text in answers:
        provider.play(openai_stream([text]))
        notebook.run(1)
        expect(notebook.outputs(1).first).to_contain_text(
            re.sub(r"\W+$", "", text.replace("*", ""))
        )
    return notebook


def test_a_cell_becomes_a_prompt_and_back(open_notebook):
    notebook = open_notebook("why?")
    press(notebook, 1, "q")
    expect(notebook.cell(1).locator(".cc-magic")).to_have_text("%%cmd")
    assert source(notebook, 1) == "%%cmd\nwhy?"
    press(notebook, 1, "q")
    expect(notebook.cell(1).locator(".cc-magic")).to_have_count(0)
    assert source(notebook, 1) == "why?"


def test_cells_that_are_removed_or_replaced_leave_no_error(open_notebook, provider):
    notebook = answered(open_notebook, provider, "An answer.", cells=(PROMPT, "x = 1"))
    errors: list[str] = []
    notebook.page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    notebook.page.on("pageerror", lambda error: errors.append(str(error)))
    press(notebook, 1, "m", "y", "Control+Shift+ArrowDown")
    notebook.select(1)
    notebook.command("notebook:merge-cell-below")
    press(notebook, 1, "z", "d", "d")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).not_to_have_count(3)
    assert errors == []


def test_what_was_typed_before_is_not_undone_with_the_prompt(open_notebook):
    notebook = open_notebook("")
    press(notebook, 1, "Enter")
    notebook.page.keyboard.type("why?")
    notebook.command("cc-jupyter:toggle-prompt")
    assert source(notebook, 1) == "%%cmd\nwhy?"
    press(notebook, 1, "Enter", "Control+z")
    assert source(notebook, 1) == "why?"


def test_a_prompt_that_was_none_for_a_while_has_its_options_again(open_notebook):
    prompt = "%%cmd -t 0.5 -> x\nwhy?"
    notebook = open_notebook(prompt)
    press(notebook, 1, "q")
    assert source(notebook, 1) == "why?"
    press(notebook, 1, "q")
    assert source(notebook, 1) == prompt


def test_a_note_becomes_a_prompt_in_one_step(open_notebook):
    notebook = open_notebook("why?")
    press(notebook, 1, "m", "q")
    expect(notebook.cell(1).locator(".cc-magic")).to_have_text("%%cmd")
    assert source(notebook, 1) == "%%cmd\nwhy?"
    press(notebook, 1, "z")
    expect(notebook.cell(1)).to_have_class(re.compile("jp-MarkdownCell"))
    assert source(notebook, 1) == "why?"


def test_run_in_another_model_writes_it_into_the_option_line(open_notebook, provider):
    notebook = answered(open_notebook, provider, "First.")
    provider.play(openai_stream(["Second."], model=OTHER))
    press(notebook, 1, "Shift+Q")
    search = notebook.page.get_by_role("combobox", name="Search models")
    search.fill("v4-pro")
    expect(notebook.page.get_by_role("option", name=re.compile("v4-pro")).first).to_be_visible()
    search.press("Enter")
    expect(notebook.cell(1)).to_contain_text("Second.")
    assert source(notebook, 1) == f"%%cmd -m {OTHER}\nSay something."
    assert [post.json["model"] for post in provider.posts] == [MODEL, OTHER]


def test_the_toolbar_shows_what_fits_the_cell(open_notebook, provider):
    notebook = answered(open_notebook, provider, "Hello.", cells=(PROMPT, "x = 1"))
    for index, names in ((2, {"toggle-prompt"}), (1, {"toggle-prompt", "run-in-model"})):
        notebook.select(index)
        ours = notebook.cell(index).locator(".jp-cell-toolbar [data-command^='cc-jupyter:']")
        expect(ours.locator("visible=true")).to_have_count(len(names))
        for name in names:
            expect(tool(notebook, name).locator("visible=true")).to_have_count(1)
    tool(notebook, "toggle-prompt").get_by_role("button").click()
    assert source(notebook, 1) == "Say something."
    expect(tool(notebook, "run-in-model")).to_be_hidden()


def menu(notebook: LabNotebook, index: int) -> Locator:
    """Open the context menu of an output; return our items."""
    notebook.outputs(index).first.click(button="right")
    return notebook.page.locator(".lm-Menu [data-command^='cc-jupyter:']").locator("visible=true")


def test_the_context_menu_of_an_answer_has_what_fits_it(open_notebook, provider):
    notebook = answered(open_notebook, provider, "One.", "Two.", cells=(PROMPT, "'plain'"))
    notebook.run(2)
    expect(menu(notebook, 2)).to_have_count(0)
    notebook.page.keyboard.press("Escape")
    items = menu(notebook, 1)
    expect(items).to_have_text(
        ["Copy Answer as Markdown", "Previous Answer Version", "Next Answer Version"]
    )
    items.nth(1).click()
    expect(notebook.outputs(1).first).to_have_text("One.")


def saved_answer(notebook: LabNotebook) -> tuple[list[str], int]:
    """Return the answers that the file holds in cell 1, and how many outputs there are."""
    outputs = notebook.saved().cells[1].outputs
    texts = [
        each.data["text/markdown"] for each in outputs if "cc_jupyter" in each.get("metadata", {})
    ]
    return texts, len(outputs)


def test_one_key_brings_the_version_before_back(open_notebook, provider):
    notebook = answered(
        open_notebook, provider, "A good answer.", "A bad answer.", cells=(PROMPT, "%%cmd\nMore.")
    )
    shown = notebook.outputs(1).first
    press(notebook, 1, "p")
    diff = notebook.cell(1).locator(".cc-diff")
    expect(shown).to_have_text("A good answer.")
    expect(diff).to_be_hidden()
    notebook.cell(1).get_by_role("button", name="Show changes").click()
    expect(diff).to_be_visible()
    expect(diff.locator("del")).to_have_text("bad")
    expect(diff.locator("ins")).to_have_text("good")
    expect(shown).to_be_hidden()
    said = notebook.cell(1).get_by_role("status")
    expect(said).to_contain_text("Version 1 of 2 · deepseek-v4-flash · ")
    assert saved_answer(notebook) == (["A good answer."], 2)
    press(notebook, 1, "Escape")
    expect(diff).to_be_hidden()
    expect(shown).to_have_text("A good answer.")
    provider.play(openai_stream(["More."]))
    notebook.run(2)
    sent = json.dumps(provider.posts[-1].json)
    assert "A good answer." in sent
    assert "A bad answer." not in sent
    press(notebook, 1, "n")
    expect(said).to_contain_text("Version 2 of 2")
    assert saved_answer(notebook) == (["A bad answer."], 2)
    press(notebook, 1, "n")
    expect(said).to_contain_text("There is no newer answer.")
    notebook.cell(1).get_by_role("button", name="Hide versions").click()
    expect(said).to_have_count(0)
    expect(shown).to_have_text("A bad answer.")


def test_a_version_comes_with_its_prompt_which_one_key_restores(open_notebook, provider):
    notebook = answered(open_notebook, provider, "A dog.", cells=("%%cmd\nfirst prompt",))
    notebook.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.widgets[1].model.sharedModel.setSource('%%cmd\\nsecond prompt');
        }"""
    )
    provider.play(openai_stream(["A cat."]))
    notebook.run(1)
    count = notebook.cell(1).locator(".cc-header-count")
    expect(count).to_have_text("Version 2 of 2")
    count.get_by_role("button", name="Previous version").click()
    expect(notebook.cell(1).get_by_role("status")).to_contain_text("answer to another prompt")
    expect(notebook.cell(1).locator(".cc-version-prompt")).to_have_text("first prompt")
    press(notebook, 1, "Shift+P")
    assert source(notebook, 1) == "%%cmd\nfirst prompt"
    notebook.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.undo()"
    )
    assert source(notebook, 1) == "%%cmd\nsecond prompt"


def test_the_saved_version_is_the_one_that_an_answer_of_its_own_leaves(open_notebook, provider):
    notebook = answered(open_notebook, provider, "First.", "Second.")
    before = notebook.saved().cells[1].outputs
    press(notebook, 1, "p")
    expect(notebook.cell(1).get_by_role("status")).to_contain_text("Version 1 of 2")
    press(notebook, 1, "n")
    expect(notebook.cell(1).get_by_role("status")).to_contain_text("Version 2 of 2")
    after = notebook.saved().cells[1].outputs
    assert [each.metadata for each in after] == [each.metadata for each in before]
    assert [each.data for each in after] == [each.data for each in before]


def clipboard(notebook: LabNotebook) -> str:
    """Return what was copied, as soon as something is."""
    text: str = notebook.page.evaluate(
        """async () => {
          let text = '';
          for (let tries = 0; text === '' && tries < 300; tries++) {
            await new Promise(resolve => setTimeout(resolve, 50));
            text = await navigator.clipboard.readText();
          }
          return text;
        }"""
    )
    return text


def test_an_answer_is_copied_as_the_model_wrote_it(open_notebook, provider):
    notebook = answered(open_notebook, provider, "Some *Markdown*.", cells=(PROMPT,))
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(notebook, 1, "Shift+C")
    assert clipboard(notebook) == "Some *Markdown*."


def test_code_of_an_answer_goes_into_a_cell(open_notebook, provider):
    provider.play(openai_stream([CODE]))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    expect(notebook.outputs(1).first).to_contain_text("y = 2")
    press(notebook, 1, "Shift+V")
    expect(notebook.cell(2)).to_contain_text("block 1 of 2")
    assert source(notebook, 2) == "# block 1 of 2\nx = 1\nprint(x)\n\n# block 2 of 2\ny = 2"
    assert notebook.prompt(2) is None


def test_code_blocks_have_buttons_that_are_not_saved(open_notebook, provider):
    notebook = open_notebook(
        PROMPT, "from IPython.display import Markdown\nMarkdown('```\\nz\\n```')"
    )
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.run(2)
    expect(notebook.outputs(2).locator("pre")).to_have_count(1)
    expect(notebook.outputs(2).get_by_role("button")).to_have_count(0)
    for _ in range(2):  # also when it is drawn again
        provider.play(openai_stream([CODE]))
        notebook.run(1)
        expect(notebook.outputs(1).get_by_role("button", name="Copy code")).to_have_count(2)
    notebook.outputs(1).get_by_role("button", name="Copy code").first.click()
    assert clipboard(notebook) == "x = 1\nprint(x)"
    notebook.outputs(1).get_by_role("button", name=re.compile("Insert")).nth(1).click()
    expect(notebook.cell(2)).to_contain_text("y = 2")
    assert source(notebook, 2) == "y = 2"
    assert "button" not in json.dumps(notebook.saved().cells[1].outputs)


def assert_within(inner: Locator, outer: Locator) -> None:
    """Assert that an element is within another one."""
    small, large = inner.bounding_box(), outer.bounding_box()
    assert small is not None
    assert large is not None
    assert large["x"] <= small["x"]
    assert large["y"] <= small["y"]
    assert small["x"] + small["width"] <= large["x"] + large["width"]
    assert small["y"] + small["height"] <= large["y"] + large["height"]


def test_the_running_cell_has_a_stop_button(open_notebook, provider):
    script = openai_stream(["Begun", " and never ended."])
    place = next(at for at, step in enumerate(script) if "Begun" in repr(step))
    provider.play([*script[: place + 1], wait("never"), *script[place + 1 :]])
    notebook = open_notebook(PROMPT, "reply = %cmd ask More.")
    notebook.start(1)
    expect(notebook.cell(1)).to_contain_text("Begun")
    expect(notebook.cell(2).get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    notebook.cell(1).get_by_role("button", name="Stop", exact=True).click()
    notebook.wait_for_status("idle")
    expect(notebook.cell(1)).to_contain_text("KeyboardInterrupt")
    expect(notebook.cell(1)).to_contain_text("Begun")
    expect(notebook.cell(1).get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    provider.gate("never").set()
    provider.play(hang())
    notebook.start(2)
    stop = notebook.cell(2).get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_visible()
    # it covers no part of the next cell
    settled(notebook.page, lambda: assert_within(stop, notebook.cell(2)))
    notebook.page.evaluate("window.jupyterapp.shell.collapseLeft()")  # else it takes 300 pixels
    notebook.page.set_viewport_size({"width": 480, "height": 900})
    settled(notebook.page, lambda: assert_within(stop, notebook.cell(2)))
    press(notebook, 2, "Shift+S")
    notebook.wait_for_status("idle")
    expect(notebook.cell(2)).to_contain_text("KeyboardInterrupt")


def test_a_cut_answer_is_carried_on_in_its_own_cell(open_notebook, provider):
    provider.play(openai_stream(["One, two"], finish="length"))
    provider.play(openai_stream([", three."]))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    mark = notebook.cell(1).locator(".cc-warning-cut")
    expect(mark).to_be_visible()
    press(notebook, 1, "Shift+E")
    expect(notebook.outputs(1).first).to_have_text("One, two, three.")
    expect(mark).to_have_count(0)
    assert source(notebook, 1) == PROMPT
    texts, _ = saved_answer(notebook)
    assert texts == ["One, two, three."]


def test_every_command_is_in_the_palette_under_its_label(open_notebook):
    notebook = open_notebook("")
    labels = notebook.page.evaluate(
        """() => {
          const { commands } = window.jupyterapp;
          return commands.listCommands().filter(id => id.startsWith('cc-jupyter:'))
            .map(id => commands.label(id));
        }"""
    )
    assert len(labels) > 8
    notebook.command("apputils:activate-command-palette")
    notebook.page.locator(".lm-CommandPalette-input").fill("Prompt Cells")
    for label in labels:
        expect(notebook.page.locator(".lm-CommandPalette-itemLabel", has_text=label)).to_have_count(
            1
        )


def shortcuts(path: Path) -> list[tuple[str, ...]]:
    """Return the keys of a schema's shortcuts, as strokes one after the other."""
    found = json.loads(path.read_text(encoding="utf-8")).get("jupyter.lab.shortcuts", [])
    kinds = ("keys", "macKeys", "winKeys", "linuxKeys")
    keys = [tuple(each[kind]) for each in found for kind in kinds if each.get(kind)]
    return [each for each in keys if any(each)]


def test_no_shortcut_clashes_with_jupyterlabs_own():
    ours = shortcuts(FRONT / "schema/plugin.json")
    theirs = {keys for path in SCHEMAS.rglob("*.json") for keys in shortcuts(path)}
    assert len(ours) > 5
    assert len(theirs) > 50
    assert len(set(ours)) == len(ours)
    for keys in ours:
        clashing = [
            each for each in theirs if each[: len(keys)] == keys or keys[: len(each)] == each
        ]
        assert not clashing, f"{keys} is JupyterLab's {clashing}"


def test_an_answer_that_cannot_be_carried_on_stays(open_notebook, provider):
    provider.play(openai_stream(["One, two"], finish="length"))
    provider.play(error(401))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    expect(notebook.cell(1).locator(".cc-warning-cut")).to_be_visible()
    press(notebook, 1, "Shift+E")
    expect(notebook.cell(1)).to_contain_text("AuthError")
    expect(notebook.outputs(1).first).to_have_text("One, two")
    texts, _ = saved_answer(notebook)
    assert texts == ["One, two"]


def test_notebook_7_has_the_toolbar_the_keys_and_the_stop_button(notebook7, provider, page):
    path = notebook7.write("actions.ipynb", ["%load_ext cc_jupyter", PROMPT])
    notebook = LabNotebook(notebook7, page, path)
    notebook.open()
    notebook.run(0)
    for text in ("A good answer.", "A bad answer."):
        provider.play(openai_stream([text]))
        notebook.run(1)
        expect(notebook.outputs(1).first).to_have_text(text)
    press(notebook, 1, "p")
    notebook.cell(1).get_by_role("button", name="Show changes").click()
    expect(notebook.cell(1).locator(".cc-diff ins")).to_have_text("good")
    provider.play(hang())
    notebook.start(1)
    notebook.cell(1).get_by_role("button", name="Stop", exact=True).click()
    expect(notebook.cell(1)).to_contain_text("KeyboardInterrupt")
