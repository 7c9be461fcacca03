"""A page shows whole answers, and marks those that are not part of the conversation."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.kernel_notebook import halves
from support.lab_harness import LabNotebook
from support.provider import openai_stream, wait

pytestmark = pytest.mark.browser

SET = """async values => {
  const { serviceManager } = window.jupyterapp;
  await serviceManager.settings.save('cc-jupyter:plugin', JSON.stringify(values));
}"""
RESTART = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


def mark(notebook, index, text):
    return notebook.cell(index).locator(".cc-warning", has_text=text)


def load_extension(notebook, index):
    """Click the mark: it is a button once the new kernel has said that it lacks the extension."""
    notebook.cell(index).get_by_role("button", name="Incomplete answer").click()


def run(notebook, provider, index, answer):
    provider.play(openai_stream([answer]))
    notebook.run(index)
    expect(notebook.outputs(index).first).to_have_text(answer)


def test_a_page_that_is_reloaded_during_an_answer_shows_the_whole_one(open_notebook, provider):
    before, after = halves(openai_stream(["one ", "two ", "three"]), "three")
    provider.play(before, wait("rest"), after)
    notebook = open_notebook("%%cmd\nhello", "%%cmd\nmore")
    notebook.start(1)
    expect(notebook.outputs(1).first).to_have_text("one two")
    saved = notebook.saved().cells[1].outputs
    assert saved[0].metadata["cc_jupyter"] == {"unfinished": True}
    notebook.load()
    expect(mark(notebook, 1, "Still arriving…")).to_be_visible()
    provider.gate("rest").set()
    expect(notebook.outputs(1).first).to_have_text("one two three")
    expect(notebook.outputs(1)).to_have_count(2)
    expect(notebook.cell(1).locator(".cc-warning")).to_have_count(0)
    about = notebook.saved().cells[1].outputs[0].metadata["cc_jupyter"]
    assert about["stop_reason"] == "stop"
    run(notebook, provider, 2, "fine")
    assert [each["content"] for each in provider.posts[-1].json["messages"]] == [
        *("hello", "one two three", "more")
    ]


@pytest.mark.parametrize("ends", ["answers", "kernel"])
def test_a_page_that_is_reloaded_during_a_grid_shows_all_of_it(ends, open_notebook, provider):
    before, after = halves(openai_stream(["A gro", "wing ", "house."]), "house.")
    if ends == "kernel":  # one answer is finished, and so it is in the history
        provider.play(openai_stream("Finished."))
    provider.always(lambda _: (*before, wait("rest"), *after))
    notebook = open_notebook("%%cmd -m deepseek/deepseek-v4-flash -n 2\nhello")
    notebook.start(1)
    expect(notebook.outputs(1)).to_contain_text("2 running" if ends == "answers" else "1 running")
    saved = notebook.saved().cells[1].outputs
    assert saved[0].metadata["cc_jupyter"] == {"unfinished": True}
    notebook.load()
    expect(mark(notebook, 1, "Still arriving…")).to_be_visible()
    if ends == "answers":
        provider.gate("rest").set()
        expect(notebook.outputs(1).locator(".cc-answer")).to_have_count(2)
        expect(notebook.outputs(1)).to_have_count(1)
        expect(notebook.cell(1).locator(".cc-warning")).to_have_count(0)
        assert "grid" in notebook.saved().cells[1].outputs[0].metadata["cc_jupyter"]
        return
    notebook.page.evaluate(RESTART)
    notebook.wait_for_status("idle")
    expect(notebook.outputs(1).last).to_have_text(
        "The kernel ended before the answer was complete."
    )
    load_extension(notebook, 1)
    expect(notebook.outputs(1).first).to_contain_text("The kernel that ran this grid has ended.")
    expect(mark(notebook, 1, "Incomplete answer")).to_have_count(0)


def test_a_kernel_that_ends_during_an_answer_leaves_what_the_history_has(open_notebook, provider):
    numbers = [f"{number} " for number in range(8)]
    before, after = halves(openai_stream([*numbers, "end"], pause_s=0.4), "end")
    provider.play(before, wait("never"), after)
    notebook = open_notebook("%%cmd\nhello")
    notebook.start(1)
    # the growing answer is saved every 1.5 s
    expect(notebook.outputs(1).first).to_have_text("".join(numbers).strip())
    notebook.page.evaluate(RESTART)
    notebook.wait_for_status("idle")
    incomplete = mark(notebook, 1, "Incomplete answer")
    expect(incomplete).to_be_visible()
    expect(notebook.outputs(1).last).to_have_text(
        "The kernel ended before the answer was complete."
    )
    load_extension(notebook, 1)
    expect(notebook.outputs(1).last).to_contain_text("interrupted")
    expect(incomplete).to_have_count(0)
    expect(mark(notebook, 1, "Not in the conversation")).to_be_visible()


def test_marks_name_what_the_conversation_lacks_and_put_it_right(open_notebook, provider):
    notebook = open_notebook(
        "%%cmd\nfirst", "%%cmd\nsecond", "%cmd rewind", "%%cmd --thread essay\nthird"
    )
    run(notebook, provider, 1, "One.")
    run(notebook, provider, 2, "Two.")
    notebook.run(3)
    mark(notebook, 2, "Not in the conversation").click()
    expect(notebook.cell(2).locator(".cc-warning")).to_have_count(0)
    run(notebook, provider, 4, "Three.")
    mark(notebook, 4, "Thread essay").click()
    expect(mark(notebook, 1, "Thread default")).to_be_visible()
    mark(notebook, 1, "Thread default").click()
    expect(mark(notebook, 1, "Thread default")).to_have_count(0)
    notebook.select(2)
    notebook.command("notebook:copy-cell")
    notebook.command("notebook:paste-cell-below")
    expect(mark(notebook, 3, "A copy")).to_be_visible()
    notebook.command("notebook:delete-cell")
    notebook.select(1)
    notebook.command("notebook:delete-cell")
    mark(notebook, 1, "Sends a missing cell").click()
    expect(mark(notebook, 1, "Stale")).to_be_visible()
    expect(mark(notebook, 1, "Sends a missing cell")).to_have_count(0)
    run(notebook, provider, 1, "Two again.")
    assert [each["content"] for each in provider.posts[-1].json["messages"]] == ["second"]
    notebook.command("notebook:clear-all-cell-outputs")
    mark(notebook, 1, "Answer not shown").click()
    expect(notebook.outputs(1).first).to_have_text("Two again.")


def test_a_prompt_in_a_kernel_without_the_extension_loads_it_and_runs(lab, page, provider):
    notebook = LabNotebook(lab, page, lab.write("unloaded.ipynb", ["%%cmd\nhello"]))
    notebook.open()
    notebook.run(0)
    provider.play(openai_stream(["Hello."]))
    mark(notebook, 0, "has not loaded cc_jupyter").click()
    expect(notebook.outputs(0).first).to_have_text("Hello.")
    expect(notebook.cell(0).locator(".cc-warning")).to_have_count(0)
    page.evaluate(SET, {"loadExtension": True})
    try:
        notebook.open()  # which reads the settings
        provider.play(openai_stream(["Hello again."]))
        page.evaluate("""async () => {
          const { sessionContext } = window.jupyterapp.shell.currentWidget;
          await sessionContext.restartKernel();
          void window.jupyterapp.commands.execute('notebook:run-all-cells');
        }""")
        expect(notebook.outputs(0).first).to_have_text("Hello again.")
    finally:
        page.evaluate(SET, {})
    lab.end_kernels()
