"""Two people have one notebook open with jupyter-collaboration; each sees what the other does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support import lab_harness
from support.kernel_notebook import halves
from support.lab_harness import CHROMIUM, LAUNCH, VIEWPORT, LabNotebook, running_lab
from support.private_environment import private_environment
from support.provider import KEY, Provider, answer, openai_stream, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser
    from support.lab_harness import Lab

pytest.importorskip("jupyter_collaboration")
expect.set_options(timeout=60_000)  # the cores may be busy with other things

MODEL = "deepseek/deepseek-v4-flash"
RESTART = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
SHARED = """index => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  return cell.sharedModel.getOutputs().map(({ data }) => data['text/plain']);
}"""
SOURCES = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(
  ({ model }) => model.sharedModel.getSource())"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    return {**browser_type_launch_args, **LAUNCH}


@pytest.fixture(scope="module")
def lab_provider() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, lab_provider: Provider) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("shared")
    environment = private_environment(home) | {
        "CMD_BASE_URL": lab_provider.base_url,
        "CMD_API_KEY": KEY,
        "CMD_MODEL": MODEL,
    }
    with pytest.MonkeyPatch.context() as patch, running_lab(home, environment) as started:
        patch.setattr(lab_harness, "LIMIT_MS", 120_000)  # as above
        yield started


@pytest.fixture
def provider(lab_provider: Provider) -> Provider:
    lab_provider.clear()
    return lab_provider


@dataclass
class Pair:
    """One notebook in the browsers of two people."""

    mine: LabNotebook
    theirs: LabNotebook
    complaints: list[str]

    @property
    def both(self) -> tuple[LabNotebook, LabNotebook]:
        return self.mine, self.theirs


@pytest.fixture
def share(
    request: pytest.FixtureRequest, lab: Lab, browser: Browser
) -> Iterator[Callable[..., Pair]]:
    contexts = [browser.new_context(viewport=VIEWPORT) for _ in range(2)]
    pages = [context.new_page() for context in contexts]
    complaints: list[str] = []
    for page in pages:
        page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_(*cells: str) -> Pair:
        name = re.sub(r"\W+", "_", request.node.name)
        path = lab.write(f"{name}.ipynb", ["%load_ext cc_jupyter", *cells])
        mine, theirs = (LabNotebook(lab, page, path) for page in pages)
        mine.open()
        mine.run(0)
        theirs.open()
        for notebook in (mine, theirs):
            expect(notebook.page.locator(".cc-status")).to_contain_text("deepseek-v4-flash")
        return Pair(mine, theirs, complaints)

    yield open_
    for context in contexts:
        context.close()
    lab.end_kernels()


def warnings(notebook: LabNotebook, index: int):
    return notebook.cell(index).locator(".cc-warning")


def expect_answer(pair: Pair, index: int, text: str) -> None:
    """Expect that both see an answer and its usage line, once, and that the document has them."""
    for notebook in pair.both:
        expect(notebook.outputs(index).first).to_have_text(text)
        expect(notebook.outputs(index)).to_have_count(2)
        expect(notebook.outputs(index).last).to_contain_text("deepseek-v4-flash · in ")
        expect(warnings(notebook, index)).to_have_count(0)
        shown = notebook.page.evaluate(SHARED, index)
        assert [each.split(" · ")[0] for each in shown] == [text, "deepseek-v4-flash"]


def test_an_answer_arrives_on_both_pages_and_is_sent_once(share, provider):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.play(before, wait("rest"), after)
    pair = share("%%cmd\nhello")
    pair.mine.start(1)
    for notebook in pair.both:
        expect(notebook.outputs(1).first).to_have_text("one two")
        expect(notebook.cell(1).locator(".cc-stop")).to_have_count(1)
        expect(warnings(notebook, 1)).to_have_count(0)
    provider.gate("rest").set()
    expect_answer(pair, 1, "one two three")
    assert len(provider.posts) == 1
    assert pair.complaints == []


def test_a_version_that_one_chooses_is_what_both_see(share, provider):
    pair = share("%%cmd\nhello")
    for person, text in zip(pair.both, ("first", "second"), strict=True):
        provider.play(answer(text))
        person.run(1)
        expect_answer(pair, 1, text)
    pair.mine.select(1)
    pair.mine.command("cc-jupyter:previous-version")
    expect_answer(pair, 1, "first")
    for notebook in pair.both:
        expect(notebook.cell(1).locator(".cc-header-count")).to_have_text("Version 1 of 2")
    pair.theirs.select(1)
    pair.theirs.command("cc-jupyter:next-version")
    expect_answer(pair, 1, "second")
    assert len(provider.posts) == 2


def test_an_answer_beside_other_outputs_has_the_same_order_on_both_pages(share, provider):
    provider.play(answer("aside"))
    pair = share("print('before')\n_ = None\n%cmd ask hello")
    pair.mine.run(1)
    for notebook in pair.both:
        expect(notebook.outputs(1)).to_have_count(3)
        texts = notebook.outputs(1)
        expect(texts.nth(0)).to_have_text("before")
        expect(texts.nth(1)).to_have_text("aside")
        expect(texts.nth(2)).to_contain_text("deepseek-v4-flash · in ")


@pytest.mark.parametrize("text", ["%%cmd\nhello", f"%%cmd -m {MODEL} -n 2\nhello"])
def test_an_answer_whose_page_is_reloaded_is_completed_once(text, share, provider):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.always(lambda _: (*before, wait("rest"), *after))
    pair = share(text)
    pair.mine.start(1)
    expect(pair.theirs.outputs(1).first).to_contain_text("two")
    sent = len(provider.posts)
    pair.mine.load()
    expect(warnings(pair.mine, 1)).to_have_text("Still arriving…")
    provider.gate("rest").set()
    if sent == 1:
        expect_answer(pair, 1, "one two three")
    else:
        for notebook in pair.both:
            expect(notebook.outputs(1).locator(".cc-answer")).to_have_count(2)
            expect(notebook.outputs(1)).to_have_count(1)
    assert len(provider.posts) == sent
    for notebook in pair.both:  # the page that ran it is gone, and yet it has ended
        notebook.wait_for_status("idle")


def test_the_end_of_a_kernel_is_written_once(share, provider):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.play(before, wait("never"), after)
    pair = share("%%cmd\nhello")
    pair.mine.start(1)
    expect(pair.theirs.outputs(1).first).to_have_text("one two")
    pair.mine.page.evaluate(RESTART)
    for notebook in pair.both:
        expect(notebook.outputs(1).last).to_have_text(
            "The kernel ended before the answer was complete."
        )
        expect(warnings(notebook, 1)).to_have_text(re.compile("Incomplete answer"))
    pair.mine.page.wait_for_timeout(2_500)  # the second page would have written it by now
    for notebook in pair.both:
        expect(notebook.outputs(1)).to_have_count(2)


def test_each_undoes_only_their_own_changes(share, provider):
    provider.play(answer("fine"))
    pair = share("%%cmd\nhello", "x = 1")
    pair.mine.run(1)
    expect_answer(pair, 1, "fine")
    pair.mine.select(2)
    pair.mine.command("cc-jupyter:toggle-prompt")
    expect(pair.theirs.cell(2).locator(".cc-magic")).to_have_count(1)
    pair.theirs.select(1)
    pair.theirs.command("notebook:undo")
    assert pair.theirs.page.evaluate(SOURCES)[2] == "%%cmd\nx = 1"
    pair.mine.command("notebook:undo")
    pair.theirs.page.wait_for_function(f"({SOURCES})()[2] === 'x = 1'")
    expect_answer(pair, 1, "fine")
    assert len(provider.posts) == 1
