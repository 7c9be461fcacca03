"""A blind vote in JupyterLab: by keyboard alone, and no key reaches the notebook."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.provider import answer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from support.lab_harness import LabNotebook

pytestmark = pytest.mark.browser

HAIKU, FLASH = "claude-haiku-5-5", "deepseek/deepseek-v4-flash"
WIDGET = "application/vnd.jupyter.widget-view+json"
CELLS = (
    f"%%cmd -m {HAIKU},{FLASH} -n 6 --blind -> g\nWhy is the sky blue?",
    "%cmd vote",
    "%%cmd\nAnd at dawn?",
    "%cmd votes",
)
GRID, VOTE, NEXT, VOTES = range(1, 5)
VOTING_KEYS = ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", *"12345678900-", " ", *"ud")
NOTEBOOK_KEYS = (
    *("a", "b", "x", "c", "v", "z", "m", "y", "h", "i", "o", "j", "k", "f", "l", "Delete"),
    *("Shift+Enter", "Control+Enter", "Alt+Enter", "Enter", "Shift+M", "Control+Shift+-"),
)
"""Keys that JupyterLab binds in command mode; `0 0` and `i i` are among the keys of the vote."""


def vote(page: Page) -> Locator:
    return page.locator(".cc-vote")


def radios(page: Page) -> Locator:
    return vote(page).get_by_role("radio")


def number_of(page: Page, text: str) -> str:
    """Return the key of the answer with a text."""
    shown = vote(page).locator(".cc-answer").all_inner_texts()
    return str(1 + next(at for at, each in enumerate(shown) if text in each))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press("Space" if key == " " else key)


def kernel_of(page: Page) -> str:
    found: str = page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id"
    )
    return found


@pytest.fixture
def opened(open_notebook, provider) -> LabNotebook:
    """Return a notebook with a finished blind grid and its vote open."""
    numbers = itertools.count()

    def by_model(record):
        cause = "It scatters." if record.json["model"] == HAIKU else "Because of Rayleigh."
        return answer(f"{cause} Take **{next(numbers)}**.")(record)

    provider.always(by_model)
    notebook = open_notebook(*CELLS)
    notebook.run(GRID)
    notebook.run(VOTE)
    expect(radios(notebook.page).first).to_be_focused()
    return notebook


def test_a_vote_by_keyboard_alone_where_every_key_pressed_twice_leaves_all_untouched(
    opened, page, provider
):
    kernel = kernel_of(page)
    for key in (*VOTING_KEYS, *NOTEBOOK_KEYS):
        press(page, key, key)
    expect(vote(page)).to_be_visible()
    press(page, *("u" * 10))  # what these keys have voted is taken back
    expect(vote(page)).to_contain_text("Ballot 1 of 8")
    for _ in range(8):
        press(page, number_of(page, "scatters"))
    expect(vote(page)).to_contain_text("All 8 ballots are done")
    for model in (HAIKU, FLASH):
        expect(opened.cell(VOTE)).not_to_contain_text(model)
        expect(opened.outputs(GRID).last).not_to_contain_text(model)
    press(page, "r", "r")
    expect(opened.cell(VOTE)).to_contain_text(f"{HAIKU} has most wins (6 wins on 6 ballots)")
    press(page, "r", "0", "0", "d", "d")  # pressed once too often
    expect(opened.cell(VOTE)).to_contain_text("the same choice on 2 of 2 repeated ballots")
    expect(opened.outputs(GRID).last).to_contain_text(HAIKU)  # the grid is revealed
    assert page.locator(".jp-Dialog").count() == 0
    assert kernel_of(page) == kernel
    assert opened.prompt(VOTES) is None
    press(page, "Escape")
    expect(vote(page)).to_have_count(0)
    # the keys go on in the notebook: the next cell continues from the winner
    press(page, "ArrowDown", "Control+Enter")
    opened.wait_for_status("idle")
    expect(opened.cell(NEXT)).to_contain_text("deepseek-v4-flash · in ")
    context = str(provider.posts[-1].json["messages"])
    assert "It scatters." in context
    assert "Rayleigh" not in context
    saved = opened.saved()
    assert [cell.source for cell in saved.cells[1:]] == list(CELLS)
    (output,) = saved.cells[VOTE].outputs
    assert set(output.data) == {"text/plain", "text/html"}
    assert f"{HAIKU} has most wins" in output.data["text/plain"]
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    opened.wait_for_status("idle")
    opened.start(0)  # its number is the same again
    opened.run(VOTES)
    expect(opened.cell(VOTES)).to_contain_text("6 blind votes on 1 grid")
    expect(opened.cell(VOTES)).to_contain_text(HAIKU)


def test_a_ballot_is_read_aloud_by_mouse_voted_on_and_ignores_an_input_method(opened, page):
    expect(vote(page).get_by_role("group", name="Ballot 1 of 8: which answer")).to_be_visible()
    expect(radios(page).first).to_have_accessible_name("answer 1 of 2")
    expect(vote(page).locator(".cc-answer strong").first).to_be_visible()  # Markdown
    radios(page).first.evaluate(
        """radio => radio.dispatchEvent(new KeyboardEvent(
             'keydown', { key: '1', isComposing: true, bubbles: true, cancelable: true }))"""
    )
    expect(vote(page)).to_contain_text("Ballot 1 of 8")
    press(page, "ArrowRight")
    expect(radios(page).nth(1)).to_be_focused()
    expect(radios(page).nth(1)).not_to_be_checked()
    press(page, "d")
    expect(vote(page).locator(".cc-diff ins").first).to_be_visible()
    press(page, "n")
    page.keyboard.type("1 is short, 0 0 dd")
    press(page, "Enter")
    expect(vote(page).get_by_role("status").first).to_contain_text("Note: 1 is short, 0 0 dd")
    radios(page).nth(1).click()
    expect(vote(page).get_by_role("status").first).to_have_text(
        "Ballot 1: answer 2 is best. Ballot 2 of 8."
    )
    vote(page).get_by_role("button", name="undo").click()
    expect(vote(page)).to_contain_text("Ballot 1 of 8")
    press(page, "1")  # the keys act after a click, too
    opened.saved()
    opened.open()  # the page is loaded again
    expect(vote(page)).to_contain_text("Ballot 2 of 8")
    vote(page).get_by_role("button", name="reveal and end").click()
    expect(opened.cell(VOTE)).to_contain_text("has most wins (1 win on 1 ballot)")
    opened.cell(NEXT).click()
    expect(vote(page)).to_have_count(0)
    expect(opened.cell(VOTE)).to_contain_text("has most wins (1 win on 1 ballot)")
    assert WIDGET not in opened.saved().cells[VOTE].outputs[0].data
