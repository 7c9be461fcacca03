"""Consent in JupyterLab: the question is read on the page and answered with keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.provider import ToolCall, answer

pytestmark = pytest.mark.browser

TOOLS = '''
ran = []

def save(path: str, text: str = "") -> str:
    """Write a text to a file."""
    ran.append((path, len(text)))
    return "saved"
'''
SHOW = "print(ran)"
LINES = [f"line {number}: <b>{'x' * 40}</b>" for number in range(700)]
LONG = ToolCall("save", {"path": "a.txt", "text": "\n".join(LINES)})
CALL = ToolCall("save", {"path": "a.txt", "text": "x"})
WATCH = """() => {
  // what the page shows at the moment when the line to type in appears
  window.seenAtPrompt = [];
  new MutationObserver(changes => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node.querySelector?.('.jp-Stdin-input') || node.matches?.('.jp-Stdin-input')) {
          window.seenAtPrompt.push(document.querySelector('.jp-Notebook').innerText);
        }
      }
    }
  }).observe(document.body, { childList: true, subtree: true });
}"""


def begin(open_notebook, provider, *scripts, line="%%cmd --tools save"):
    notebook = open_notebook(TOOLS, f"{line}\nSave it.", SHOW)
    notebook.run(1)
    for each in scripts:
        provider.play(each)
    notebook.page.evaluate(WATCH)
    notebook.start(2)
    return notebook


def prompt(notebook):
    return notebook.cell(2).locator(".jp-Stdin-input:not([data-answered])")


def reply(notebook, keys):
    """Type an answer as a person does."""
    expect(prompt(notebook)).to_be_visible()
    field = prompt(notebook).element_handle()
    field.type(keys)
    field.evaluate("field => field.setAttribute('data-answered', '')")  # it goes a little later
    field.press("Enter")


def ran(notebook):
    notebook.wait_for_status("idle")
    notebook.run(3)
    return notebook.outputs(3).first.inner_text().strip()


def test_forty_kilobytes_are_on_the_page_before_the_question_is_asked(open_notebook, provider):
    notebook = begin(open_notebook, provider, answer("", calls=[LONG]), answer("Done."))
    expect(prompt(notebook)).to_be_visible(timeout=60_000)  # thousands of pieces
    seen = notebook.page.evaluate("window.seenAtPrompt")
    assert len(seen) == 1
    for line in LINES:
        assert line in seen[0]
    reply(notebook, "y")
    expect(notebook.cell(2)).to_contain_text("1 ✓ save(")
    expect(notebook.cell(2)).not_to_contain_text("asks to run")
    assert ran(notebook) == f"[('a.txt', {len(LONG.arguments['text'])})]"


def test_a_stray_enter_asks_again_and_n_refuses_with_a_reason(open_notebook, provider):
    notebook = begin(open_notebook, provider, answer("", calls=[CALL]), answer("Then not."))
    reply(notebook, "")
    expect(notebook.cell(2)).to_contain_text("an empty line is no answer")
    reply(notebook, "n")
    reply(notebook, "wrong folder")
    expect(notebook.cell(2)).to_contain_text("the user refused this call: wrong folder")
    assert ran(notebook) == "[]"


def test_changed_arguments_are_asked_about_again(open_notebook, provider):
    notebook = begin(open_notebook, provider, answer("", calls=[CALL]), answer("Done."))
    reply(notebook, "e")
    reply(notebook, 'path="b.txt"')
    expect(notebook.cell(2)).to_contain_text('save(path="b.txt", text="x")')
    reply(notebook, "y")
    expect(notebook.cell(2)).to_contain_text('1 ✓ save(path="b.txt", text="x") → "saved"')
    assert ran(notebook) == "[('b.txt', 1)]"


def test_a_reload_loses_neither_the_question_nor_the_way_to_answer_it(open_notebook, provider):
    long = ToolCall("save", {"path": "a.txt", "text": "\n".join(LINES)}, "call_0002")
    notebook = begin(open_notebook, provider, answer("", calls=[CALL, long]), answer("Done."))
    reply(notebook, "y")
    expect(notebook.cell(2)).to_contain_text("1 ✓ save(", timeout=60_000)
    expect(prompt(notebook)).to_be_visible()
    notebook.page.wait_for_function(
        "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"
    )
    notebook.load()
    field = notebook.cell(2).get_by_label("Run save? y/s/f/e/n/q:")
    expect(field).to_be_visible(timeout=60_000)  # JupyterLab is loaded again
    shown = notebook.cell(2).inner_text()
    for line in LINES:
        assert line in shown
    field.fill("n")
    field.press("Enter")
    reason = notebook.cell(2).get_by_label("Reason for the model (Enter: none):")
    expect(reason).to_be_visible()
    reason.fill("too long")
    reason.press("Enter")
    expect(notebook.cell(2)).to_contain_text("the user refused this call: too long")
    expect(notebook.cell(2).locator(".cc-question")).to_have_count(0)
    assert ran(notebook) == "[('a.txt', 1)]"
