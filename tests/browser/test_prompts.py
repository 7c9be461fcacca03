"""Prompt cells look like prompts while they are edited: in JupyterLab and in Notebook 7."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab_harness import LabNotebook

if TYPE_CHECKING:
    from playwright.sync_api import Locator
    from support.lab_harness import Lab

BUILT = Path(sys.prefix, "share/jupyter/labextensions/cc-jupyter/package.json")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not BUILT.exists(),
        reason="the JupyterLab extension is not built; `make front-end` does it and needs node",
    ),
]

PROMPT = """%%cmd -m deepseek/deepseek-v4-flash -s "be *brief*" -> answer
# Title
Is {{ 2*a*b }} *so*?

```python
def f(): return "{{ a }}"
```"""
PYTHON = "def g(): pass"
PLACE_CURSOR = """([index, line, column]) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = index;
  content.mode = 'edit';
  content.activeCell.editor.setCursorPosition({ line, column });
  content.activeCell.editor.focus();
}"""


def editor(notebook: LabNotebook, index: int) -> Locator:
    """Return what the user types into."""
    return notebook.cell(index).locator(".cm-content")


def word(notebook: LabNotebook, index: int, text: str) -> Locator:
    """Return a piece of a cell that is shown in one style."""
    return editor(notebook, index).get_by_text(text, exact=True)


def lines(notebook: LabNotebook, index: int) -> Locator:
    return editor(notebook, index).locator(".cm-line")


def place_cursor(notebook: LabNotebook, index: int, line: int, column: int) -> None:
    notebook.page.evaluate(PLACE_CURSOR, [index, line, column])


def expect_prompt(notebook: LabNotebook, index: int, title: str = "Title") -> None:
    """Expect a cell that is edited as Markdown, with a heading in it."""
    expect(editor(notebook, index).locator(".cc-magic")).to_have_text("%%cmd")
    expect(word(notebook, index, title)).to_have_css("font-weight", "700")
    expect(editor(notebook, index)).to_have_attribute("spellcheck", "true")


def expect_python(notebook: LabNotebook, index: int) -> None:
    """Expect a cell that has nothing of ours."""
    expect(editor(notebook, index)).to_have_attribute("spellcheck", "false")
    expect(notebook.cell(index).locator("[class*='cc-'], [data-cc-model]")).to_have_count(0)
    expect(editor(notebook, index)).not_to_have_class(re.compile("cm-lineWrapping"))


def colour(piece: Locator) -> str:
    shown: str = piece.evaluate("element => getComputedStyle(element).color")
    return shown


def is_spelled(piece: Locator) -> bool:
    shown: bool = piece.evaluate("it => it.closest('[spellcheck]').spellcheck")
    return shown


def drag(notebook: LabNotebook, index: int, onto: int) -> None:
    """Drag a cell by its prompt to the place of another."""
    target = notebook.cell(onto).bounding_box()
    assert target is not None
    mouse = notebook.page.mouse
    notebook.cell(index).locator(".jp-InputPrompt").hover()
    mouse.down()
    mouse.move(target["x"] + 40, target["y"] + 30, steps=8)
    mouse.move(target["x"] + 40, target["y"] + 6, steps=4)
    mouse.up()


@pytest.fixture
def patient_completer(lab: Lab) -> None:
    """Let JupyterLab wait for the kernel's first completions, which load a lot."""
    settings = lab.root.parent / "settings/@jupyterlab/completer-extension"
    settings.mkdir(parents=True, exist_ok=True)
    patience = json.dumps({"providerTimeout": 60_000})
    (settings / "manager.jupyterlab-settings").write_text(patience, encoding="utf-8")


def test_the_parts_of_a_prompt_are_told_apart(open_notebook):
    notebook = open_notebook(PROMPT)
    expect_prompt(notebook, 1)
    shown = editor(notebook, 1)
    expect(shown.locator(".cc-option-line")).to_have_text(PROMPT.splitlines()[0])
    expect(shown.locator(".cc-option")).to_have_text(["-m", "-s"])
    expect(shown.locator(".cc-value")).to_have_text(["deepseek/deepseek-v4-flash", '"be *brief*"'])
    expect(shown.locator(".cc-capture")).to_have_text("-> answer")
    expect(shown.locator(".cc-expression")).to_have_text(["{{ 2*a*b }}", "{{ a }}"])
    expect(word(notebook, 1, "so")).to_have_css("font-style", "italic")
    expect(shown.locator(".cc-option-line [class*='ͼ']")).to_have_count(0)  # no Markdown there


def test_a_fence_is_coloured_as_a_cell_of_its_language_and_not_spelled(open_notebook):
    notebook = open_notebook(PROMPT, PYTHON)
    for text in ("def", "f"):  # they come with the language
        expect(word(notebook, 1, text)).to_have_count(1)
    assert colour(word(notebook, 1, "def")) == colour(word(notebook, 2, "def"))
    assert colour(word(notebook, 1, "f")) == colour(word(notebook, 2, "g"))
    assert colour(word(notebook, 1, "def")) != colour(editor(notebook, 1))
    spelled = {text: is_spelled(word(notebook, 1, text)) for text in ("so", "def", "-m")}
    assert spelled == {"so": True, "def": False, "-m": False}


def test_other_cells_are_as_without_the_extension(open_notebook):
    cells = [PYTHON, "# %%cmd\nx = 1", "%%time\nx = '{{ x }}'", "%cmd ask why"]
    notebook = open_notebook(*cells, PROMPT)
    expect_prompt(notebook, 5)
    for index in range(1, 5):
        expect_python(notebook, index)


def test_the_letter_that_makes_a_prompt_switches_and_the_one_that_ends_it_too(open_notebook):
    notebook = open_notebook("%%cm\n# Title")
    expect_python(notebook, 1)
    place_cursor(notebook, 1, 0, 4)
    notebook.page.keyboard.type("d")
    expect_prompt(notebook, 1)
    notebook.page.keyboard.press("Control+z")
    expect(lines(notebook, 1).first).to_have_text("%%cm")
    expect_python(notebook, 1)
    notebook.page.keyboard.press("Control+Shift+z")
    expect_prompt(notebook, 1)
    notebook.page.keyboard.press("Backspace")
    expect_python(notebook, 1)


def test_typed_and_pasted_prompts_are_saved_to_the_letter(open_notebook):
    notebook = open_notebook("", "")
    place_cursor(notebook, 1, 0, 0)
    notebook.page.keyboard.type("%%cmd -> x\n# Title\nIs {{ 2*a }} so (or not)? Don't say [it]:\n")
    expect_prompt(notebook, 1)
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    place_cursor(notebook, 2, 0, 0)
    notebook.page.evaluate("text => navigator.clipboard.writeText(text)", PROMPT)
    notebook.page.keyboard.press("Control+v")
    expect_prompt(notebook, 2)
    typed, pasted = notebook.saved().cells[1:]
    assert typed.source == ("%%cmd -> x\n# Title\nIs {{ 2*a }} so (or not)? Don't say [it]:\n")
    assert pasted.source == PROMPT
    assert set(typed.metadata) | set(pasted.metadata) <= {"trusted"}


def test_split_and_merged_cells_are_what_their_first_line_says(open_notebook):
    notebook = open_notebook(f"x = 1\n{PROMPT}")
    expect_python(notebook, 1)
    place_cursor(notebook, 1, 1, 0)
    notebook.command("notebook:split-cell-at-cursor")
    expect_prompt(notebook, 2)
    expect_python(notebook, 1)
    notebook.select(1)
    notebook.command("notebook:merge-cell-below")
    expect(lines(notebook, 1)).to_have_text(["x = 1", "", *PROMPT.splitlines()])
    expect_python(notebook, 1)


def test_dragged_and_copied_cells_stay_prompts(open_notebook):
    notebook = open_notebook(PYTHON, PROMPT)
    expect_prompt(notebook, 2)
    notebook.select(2)
    drag(notebook, 2, 1)
    expect(lines(notebook, 2)).to_have_text(PYTHON)
    expect_prompt(notebook, 1)
    expect_python(notebook, 2)
    notebook.select(1)
    notebook.command("notebook:copy-cell")
    notebook.select(2)
    notebook.command("notebook:paste-cell-below")
    expect_prompt(notebook, 3)


# every ground from the page up is painted, then the text: some of them let others through
CONTRAST = """([element, pseudo]) => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const paint = canvas.getContext('2d');
  const light = colour => {
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
      .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  };
  const grounds = [];
  for (let each = element; each; each = each.parentElement) {
    grounds.unshift(getComputedStyle(each).backgroundColor);
  }
  const ground = ['white', ...grounds].map(light).at(-1);
  const text = light(getComputedStyle(element, pseudo).color);
  const [low, high] = [ground, text].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


def test_the_parts_of_a_prompt_read_well_in_both_themes(open_notebook, page):
    notebook = open_notebook(PROMPT)
    expect_prompt(notebook, 1)
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        page.evaluate(
            f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})"
        )
        expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        for part in ("magic", "option", "value", "capture", "expression", "model-line"):
            shown = editor(notebook, 1).locator(f".cc-{part}").first
            pseudo = "::after" if part == "model-line" else None
            contrast = page.evaluate(CONTRAST, [shown.element_handle(), pseudo])
            assert contrast >= 4.5, (theme, part)  # what WCAG asks of small text


@pytest.mark.usefixtures("fresh_page")  # which reads the settings
def test_the_kernel_completes_in_a_prompt_as_before(open_notebook, patient_completer):
    notebook = open_notebook("a_long_name = 1", "%%cmd\n# Title\nIs {{ a_lon")
    notebook.run(1)
    expect_prompt(notebook, 2)
    place_cursor(notebook, 2, 2, 11)
    notebook.page.keyboard.type("g")
    notebook.page.keyboard.press("Tab")
    expect(notebook.page.locator(".jp-Completer-item")).to_contain_text("a_long_name")
    notebook.page.keyboard.press("Enter")
    expect(lines(notebook, 2).last).to_have_text("Is {{ a_long_name")


def test_the_model_that_is_asked_stands_at_the_edge_beside_wrapped_text(open_notebook):
    notebook = open_notebook("%%cmd\n" + "many words " * 60)
    expect(editor(notebook, 1)).to_have_attribute("spellcheck", "true")
    expect(lines(notebook, 1).last).to_have_attribute("data-cc-model", "deepseek-v4-flash")
    place_cursor(notebook, 1, 0, 5)
    notebook.page.keyboard.type(" -m deepseek/deepseek-v4-pro")
    expect(lines(notebook, 1).last).to_have_attribute("data-cc-model", "deepseek-v4-pro")
    shown = lines(notebook, 1).last.evaluate("line => getComputedStyle(line, '::after').content")
    assert shown == '"deepseek-v4-pro"'
    assert editor(notebook, 1).evaluate("text => text.scrollWidth <= text.clientWidth")
    assert not notebook.saved().cells[1].metadata.keys() - {"trusted"}


def test_notebook_7_shows_prompts_too(notebook7, page):
    notebook = LabNotebook(notebook7, page, notebook7.write("prompts.ipynb", [PYTHON, PROMPT]))
    notebook.open()
    expect_prompt(notebook, 1)
    expect_python(notebook, 0)
