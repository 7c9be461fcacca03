"""The model picker on the screen: by keyboard, by mouse, in every width, and after reopening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.lab_harness import LabNotebook
from support.provider import answer, error

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

MODEL = "deepseek/deepseek-v4-flash"
HAIKU = "claude-haiku-5-5"
ATTACK = "<img src=x onerror='window.pwned = 1'>"
WIDGET = "application/vnd.jupyter.widget-view+json"


def picker(page: Page) -> Locator:
    return page.locator(".cc-picker")


def search(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search models")


def options(page: Page) -> Locator:
    return picker(page).get_by_role("listbox", name="Models").get_by_role("option")


def pointed_at(page: Page) -> Locator:
    """Return the option that a screen reader would read."""
    return picker(page).locator("[role=option][aria-selected=true]")


def showing(notebook: LabNotebook, index: int) -> None:
    """Run a cell that shows a picker, and wait until the provider's list is there."""
    notebook.run(index)
    expect(options(notebook.page).first).to_be_visible()
    expect(picker(notebook.page).locator(".cc-form")).to_have_attribute("aria-busy", "false")


@pytest.fixture
def opened(open_notebook) -> LabNotebook:
    notebook = open_notebook("%cmd pick", "%%cmd\nhello")
    showing(notebook, 1)
    return notebook


def test_a_model_is_chosen_by_keyboard_alone_and_the_next_cell_uses_it(opened, page, provider):
    expect(search(page)).to_be_focused()
    page.keyboard.type("haiku")
    expect(options(page)).to_have_count(2)
    page.keyboard.press("ArrowDown")
    expect(pointed_at(page)).to_contain_text("Claude Haiku 5.5")
    expect(search(page)).to_have_attribute(
        "aria-activedescendant", pointed_at(page).get_attribute("id")
    )
    page.keyboard.press("Enter")
    expect(picker(page)).to_have_count(0)
    expect(opened.cell(1)).to_contain_text(f"Model of this notebook: {HAIKU}")
    if (bar := page.locator(".cc-status")).count():  # with the JupyterLab extension
        expect(bar).to_contain_text("claude-haiku-5-5")
    # the keys go on in the notebook: down to the next cell, and run it
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Enter")
    expect(opened.cell(2)).to_contain_text("claude-haiku-5-5 · in ")
    assert provider.posts[-1].json["model"] == HAIKU


def test_what_was_chosen_is_there_after_reopening_with_and_without_a_kernel(opened, page, lab):
    search(page).fill("haiku 5")
    search(page).press("Enter")
    expect(picker(page)).to_have_count(0)
    (output,) = opened.saved().cells[1].outputs
    assert set(output.data) == {"text/plain", "text/html"}
    page.goto("about:blank")
    lab.end_kernels()
    opened.open()  # with a new kernel
    expect(opened.cell(1)).to_contain_text(f"Model of this notebook: {HAIKU}")
    opened.command("kernelmenu:shutdown")
    expect(opened.cell(1)).to_contain_text(f"%cmd use {HAIKU}")
    assert "Error displaying widget" not in opened.cell(1).inner_text()


def test_an_open_picker_is_there_after_a_reload_and_its_choice_is_saved(opened, page):
    opened.saved()
    opened.open()
    expect(options(page).first).to_be_visible()
    search(page).fill("haiku 5")
    expect(pointed_at(page)).to_contain_text("Claude Haiku 5.5")
    search(page).press("Enter")
    expect(picker(page)).to_have_count(0)
    (output,) = opened.saved().cells[1].outputs
    assert WIDGET not in output.data
    assert f"%cmd use {HAIKU}" in output.data["text/plain"]


def test_escape_clears_the_search_and_then_leaves_everything_as_it_is(opened, page):
    search(page).fill("nothing is called so")
    expect(options(page)).to_have_count(0)
    expect(picker(page)).to_contain_text("No model fits")
    search(page).press("Escape")
    expect(search(page)).to_have_value("")
    expect(options(page).first).to_be_visible()
    search(page).press("Escape")
    expect(opened.cell(1)).to_contain_text(f"Model of this notebook: {MODEL} (nothing was chosen)")


def test_keys_typed_in_the_picker_are_none_of_the_notebooks(opened, page):
    search(page).focus()
    page.keyboard.type("ddaabbxxmy")
    page.keyboard.press("Escape")
    assert [cell.source for cell in opened.saved().cells] == [
        "%load_ext cc_jupyter",
        "%cmd pick",
        "%%cmd\nhello",
    ]


def test_chips_and_order_choose_what_is_listed(opened, page):
    every = options(page).count()
    free = picker(page).get_by_role("button", name="free", exact=True)
    free.click()
    expect(free).to_have_attribute("aria-pressed", "true")
    expect(options(page).first.locator(".cc-price")).to_have_text("free")
    assert options(page).count() < every
    free.click()
    expect(options(page)).to_have_count(every)
    picker(page).locator("summary").click()
    picker(page).get_by_role("button", name="DeepSeek").click()
    expect(options(page).first).to_contain_text("deepseek/")
    assert 0 < options(page).count() < every
    search(page).press("Escape")
    expect(options(page)).to_have_count(every)
    picker(page).get_by_label("Sort models").select_option("largest window")
    windows = options(page).locator(".cc-window").all_inner_texts()
    assert windows[0].startswith("1.05M")
    assert windows[-1].startswith("?")


def test_the_words_of_the_models_command_are_understood_while_they_are_typed(opened, page):
    every = options(page).count()
    search(page).fill("claude >")
    assert 0 < options(page).count() < every
    search(page).fill("cheap image >1m")
    prices = [
        [float(usd.strip("$")) for usd in text.split()]
        for text in options(page).locator(".cc-price").all_inner_texts()
    ]
    cost = [3 * prompt + answer for prompt, answer in prices]
    assert len(cost) > 1
    assert cost == sorted(cost)  # cheapest first, as the command has it
    search(page).fill("<$0.3")
    assert 0 < options(page).count() < every
    search(page).fill("son")  # a part of a name, not the middle of `reasoning`
    expect(pointed_at(page)).to_contain_text("Claude Sonnet 5")
    assert all("Sonnet" in text for text in options(page).all_inner_texts())


def test_tokens_are_limited_by_the_window_where_no_ceiling_is_known_and_read_aloud(opened, page):
    search(page).fill("haiku 5.5")
    slider = picker(page).get_by_role("slider", name="max tokens, slider")
    expect(slider).to_have_attribute("aria-valuetext", "unset")
    longest = picker(page).get_by_label("max tokens", exact=True)
    longest.fill("999999999")
    longest.press("Tab")
    expect(longest).to_have_value("1000000")
    expect(slider).to_have_attribute("aria-valuetext", "1000000")


def test_the_pickers_looks_are_its_own(opened, page):
    display = """tag => {
      const outside = document.body.appendChild(document.createElement('span'));
      outside.className = 'cc-option';  // the option line of a prompt has such words
      return getComputedStyle(outside).display;
    }"""
    assert page.evaluate(display) == "inline"
    expect(options(page).first).to_have_css("display", "grid")


def test_settings_are_limited_to_what_the_model_takes_and_hold(opened, page, provider):
    heat = picker(page).get_by_label("temperature", exact=True)
    heat.fill("1.7")
    heat.press("Tab")
    picker(page).get_by_label("effort").select_option("high")
    search(page).fill("haiku 4.5")
    expect(pointed_at(page)).to_contain_text("Claude Haiku 4.5")
    expect(picker(page).get_by_label("effort")).to_be_disabled()
    expect(heat).to_have_value("1")
    heat.fill("5")
    heat.press("Tab")
    expect(heat).to_have_value("1")
    longest = picker(page).get_by_label("max tokens", exact=True)
    longest.fill("700")
    longest.press("Enter")
    expect(picker(page)).to_have_count(0)
    opened.run(2)
    body = provider.posts[-1].json
    assert (body["temperature"], body["max_tokens"]) == (1, 700)
    assert "output_config" not in body


def test_typing_in_one_field_after_another_loses_nothing(opened, page):
    thread, system = (picker(page).get_by_label(name) for name in ("thread", "system prompt"))
    thread.fill("research notes")
    thread.press("Tab")
    expect(system).to_be_focused()
    page.keyboard.type("Be brief.")
    search(page).focus()
    expect(system).to_have_value("Be brief.")
    expect(picker(page).locator("code")).to_contain_text("%cmd thread research-notes")
    expect(picker(page).locator("code")).to_contain_text('%%cmd -s "Be brief."')
    system.press("Escape")  # out of the field, not out of the picker
    expect(search(page)).to_be_focused()
    expect(system).to_have_value("Be brief.")


def test_the_code_is_written_into_new_cells_below(opened, page, provider):
    search(page).fill("haiku 5")
    picker(page).get_by_label("system prompt").fill("Be brief.")
    picker(page).get_by_role("button", name="Use and write a cell").click()
    expect(picker(page)).to_have_count(0)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(5)
    sources = [cell.source for cell in opened.saved().cells]
    assert sources[1:4] == ["%cmd pick", f"%cmd use {HAIKU}", '%%cmd -s "Be brief."\n']
    opened.run(2)
    expect(opened.cell(2)).to_contain_text(HAIKU)


def test_a_favourite_is_marked_and_listed_alone(opened, page):
    search(page).fill("haiku 5")
    mark = picker(page).get_by_role("button", name="favourite Claude Haiku 5.5")
    mark.click()
    expect(mark).to_have_attribute("aria-pressed", "true")
    search(page).press("Escape")
    chip = picker(page).get_by_role("button", name="★ favourites")
    chip.click()
    expect(options(page)).to_have_count(1)
    expect(options(page)).to_contain_text("Claude Haiku 5.5")
    chip.click()
    mark.click()
    expect(chip).to_have_count(0)


def test_refresh_brings_new_models_and_being_offline_keeps_the_old(opened, page, provider):
    known = provider.models[:]
    provider.models.append({"id": "new/model", "name": "Brand New", "object": "model"})
    refresh = picker(page).get_by_role("button", name="Refresh")
    status = picker(page).get_by_role("status")
    try:
        refresh.click()
        expect(status).to_have_text("the list is up to date")
        search(page).fill("brand new")
        expect(options(page)).to_have_count(1)
        expect(options(page)).to_contain_text("price ?")
        provider.play_models(error(503))
        refresh.click()
        expect(status).to_contain_text("the last known models are shown: the provider's list of 20")
        expect(options(page)).to_have_count(1)
    finally:
        provider.models[:] = known


def test_a_choice_made_while_a_cell_runs_holds_when_it_has_ended(open_notebook, page, provider):
    notebook = open_notebook("%cmd pick", "import time; time.sleep(60)", "%%cmd\nhello")
    showing(notebook, 1)
    notebook.start(2)
    notebook.wait_for_status("busy")
    search(page).fill("haiku 5")
    search(page).press("Enter")
    expect(picker(page).get_by_role("status")).to_contain_text("when no cell runs")
    notebook.command("notebook:interrupt-kernel")
    expect(picker(page)).to_have_count(0)
    notebook.wait_for_status("idle")
    notebook.run(3)
    assert provider.posts[-1].json["model"] == HAIKU


def test_what_a_list_of_models_says_is_text(open_notebook, page, provider):
    known = provider.models[:]
    provider.models.append({"id": f"bad/{ATTACK}", "name": ATTACK, "object": "model"})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        notebook = open_notebook("%cmd models --refresh", "%cmd pick")
        notebook.run(1)
        showing(notebook, 2)
    finally:
        provider.models[:] = known
    search(page).fill("onerror")
    expect(options(page)).to_have_count(1)
    expect(options(page)).to_contain_text(ATTACK)
    expect(picker(page).locator(".cc-details")).to_contain_text(ATTACK)
    expect(picker(page).locator("code")).to_contain_text("%config CmdMagics.model")
    search(page).press("Enter")
    expect(notebook.cell(2)).to_contain_text(ATTACK)
    assert page.evaluate("window.pwned") is None
    assert not [url for url in asked if "127.0.0.1" not in url and not url.startswith("data:")]


def test_thousands_of_models_are_searched_and_few_are_drawn(open_notebook, page):
    notebook = open_notebook(
        "import cc_jupyter as cc\n"
        "picker = cc.ModelPicker()\n"
        "rows = picker._table['rows']\n"
        "more = [[f'many/m{n}', f'Many {n}', *rows[0][2:]] for n in range(5000)]\n"
        "picker._table = {**picker._table, 'rows': rows + more}\n"
        "picker"
    )
    notebook.run(1)
    expect(options(page)).to_have_count(200)
    expect(picker(page)).to_contain_text("more: type to narrow")
    search(page).fill("many 4321")
    expect(options(page)).to_have_count(1)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [460, 1280])
def test_it_fits_every_width_and_is_legible_in_both_themes(open_notebook, page, theme, width):
    page.set_viewport_size({"width": width, "height": 900})
    notebook = open_notebook("%cmd pick")
    choose = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    page.evaluate(choose, theme)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    if page.locator("#jp-left-stack").is_visible():
        notebook.command("application:toggle-left-area")
    showing(notebook, 1)
    if width < 1000:
        assert picker(page).bounding_box()["width"] < 420
    assert picker(page).evaluate(
        "box => [box, ...box.querySelectorAll('.cc-form, .cc-form > *')]"
        ".every(each => each.scrollWidth <= each.clientWidth + 1 || each.matches('.cc-code'))"
    )
    contrasts = picker(page).evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert min(contrasts.values()) >= 4.5, contrasts


CONTRASTS = """root => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = (top, ground) => {
    const alpha = top[3] ?? 1;
    return [0, 1, 2].map(at => top[at] * alpha + ground[at] * (1 - alpha));
  };
  const groundOf = element => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return (own[3] ?? 1) === 1 && own.length ? own : over(own.length ? own : [0, 0, 0, 0],
      groundOf(element.parentElement));
  };
  const found = {};
  for (const element of root.querySelectorAll('*')) {
    const says = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!says || !element.checkVisibility() || element.matches(':disabled, option')) continue;
    const ground = groundOf(element);
    const [a, b] = [light(over(parse(getComputedStyle(element).color), ground)), light(ground)];
    found[`${element.className || element.tagName} ${element.textContent.slice(0, 20)}`] =
      (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
}"""


def test_every_control_has_a_name(opened, page):
    unnamed = picker(page).evaluate(
        """root => [...root.querySelectorAll('input, select, textarea, button')]
             .filter(each => !each.labels?.length && !each.getAttribute('aria-label')
                          && !(each.tagName === 'BUTTON' && each.textContent.trim()))
             .map(each => each.outerHTML)"""
    )
    assert unnamed == []
    expect(picker(page).get_by_role("listbox", name="Models")).to_have_count(1)


def test_as_an_object_it_has_a_value_and_no_buttons(open_notebook, page):
    notebook = open_notebook(
        "import cc_jupyter as cc, ipywidgets\n"
        "picker = cc.ModelPicker('claude')\n"
        "chosen = ipywidgets.Label()\n"
        "ipywidgets.dlink((picker, 'value'), (chosen, 'value'), lambda value: f'chosen: {value}')\n"
        "ipywidgets.VBox([picker, chosen])",
        "print(picker.value)",
    )
    notebook.run(1)
    expect(options(page).first).to_be_visible()
    search(page).fill("haiku 5")
    search(page).press("Enter")
    expect(notebook.cell(1)).to_contain_text(f"chosen: {HAIKU}")
    expect(picker(page).get_by_role("button", name="Use for this notebook")).to_have_count(0)
    notebook.run(2)
    expect(notebook.outputs(2)).to_have_text(HAIKU)


# ── Notebook 7


def test_in_notebook_7_it_is_the_same(notebook7, provider, page):
    path = notebook7.write("pick.ipynb", ["%load_ext cc_jupyter", "%cmd pick", "%%cmd\nhello"])
    notebook = LabNotebook(notebook7, page, path)
    notebook.open()
    notebook.run(0)
    showing(notebook, 1)
    expect(search(page)).to_be_focused()
    page.keyboard.type("haiku 5")
    picker(page).get_by_role("button", name="Use and write a cell").click()
    expect(picker(page)).to_have_count(0)
    expect(notebook.cell(1)).to_contain_text(f"Model of this notebook: {HAIKU}")
    provider.play(answer("Hello."))
    notebook.run(3)
    assert provider.posts[-1].json["model"] == HAIKU
    cells = notebook.saved().cells
    assert cells[2].source == f"%cmd use {HAIKU}"
    page.goto("about:blank")
    notebook7.end_kernels()
    notebook.open()
    expect(notebook.cell(1)).to_contain_text(f"Model of this notebook: {HAIKU}")
