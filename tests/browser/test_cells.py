"""What a person sees of a `%%cmd` cell in JupyterLab, and what the saved file keeps of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from provider import MARKDOWN, answer, error, hang, openai_stream, tokens, wait
from provider.script import Body

if TYPE_CHECKING:
    from provider.script import Playable, Script

pytestmark = pytest.mark.browser

PROMPT = "%%cmd\nSay something."
USAGE = re.compile(r"^deepseek-v4-flash · in 9 · out \d+ · <?\$[\d.]+ · .* to first token")


def after(script: Script, text: str, *steps: Playable) -> list[Playable]:
    """Put steps behind the event that carries `text`."""
    mark = text.encode()
    place = next(
        number
        for number, step in enumerate(script)
        if isinstance(step, Body) and mark in step.pieces[0]
    )
    return [*script[: place + 1], *steps, *script[place + 1 :]]


def test_text_is_seen_while_the_answer_still_streams(open_notebook, provider):
    provider.play(*after(openai_stream(["Hello ", "from ", "afar."]), "from ", wait("rest")))
    notebook = open_notebook(PROMPT)
    notebook.start(1)
    expect(notebook.outputs(1).first).to_contain_text("Hello from")
    expect(notebook.outputs(1).first).not_to_contain_text("afar")
    expect(notebook.cell(1).locator(".jp-InputPrompt")).to_contain_text("[*]")
    provider.gate("rest").set()
    notebook.wait_for_status("idle")
    expect(notebook.outputs(1)).to_have_count(2)
    expect(notebook.outputs(1).nth(0)).to_have_text("Hello from afar.")
    expect(notebook.outputs(1).nth(1)).to_have_text(USAGE)


def test_nothing_of_a_long_answer_is_lost_or_shown_twice(open_notebook, provider):
    provider.play(openai_stream(tokens(MARKDOWN), pause_s=0.002))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    expect(notebook.outputs(1)).to_have_count(2)
    shown = notebook.outputs(1).nth(0)
    expect(shown.locator("h2")).to_have_text("Reading a large file in pieces¶")
    expect(shown.locator("pre")).to_have_count(2)
    expect(shown.locator("table")).to_have_count(1)
    unseen = re.compile(r"^```\w+|^\d+\.", re.MULTILINE)  # a fence's language, a list's numbers
    said = re.findall(r"\w+", unseen.sub("", MARKDOWN))
    assert re.findall(r"\w+", shown.inner_text()) == said


def test_reasoning_is_folded_and_opens(open_notebook, provider):
    provider.play(answer("Forty-two.", reasoning=["Six times ", "seven <b>is</b>."]))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    expect(notebook.outputs(1)).to_have_count(3)
    thoughts = notebook.outputs(1).nth(0)
    expect(thoughts.locator("summary")).to_contain_text("10 tokens")
    expect(thoughts.locator("pre")).to_be_hidden()
    thoughts.locator("summary").click()
    expect(thoughts.locator("pre")).to_be_visible()
    expect(thoughts.locator("pre")).to_have_text("Six times seven <b>is</b>.")
    expect(notebook.outputs(1).nth(1)).to_have_text("Forty-two.")
    expect(notebook.outputs(1).nth(2)).to_contain_text("reasoning)")


def test_stop_keeps_the_text_and_shows_one_line(open_notebook, provider):
    provider.play(*after(openai_stream(["This much ", "came."]), "came.", hang()))
    notebook = open_notebook(PROMPT, "print(repr(_cmd.text), _cmd.stop_reason)")
    notebook.start(1)
    expect(notebook.outputs(1).first).to_have_text("This much came.")
    notebook.command("notebook:interrupt-kernel")
    notebook.wait_for_status("idle")
    expect(notebook.outputs(1)).to_have_count(3)
    expect(notebook.outputs(1).nth(0)).to_have_text("This much came.")
    expect(notebook.outputs(1).nth(1)).to_contain_text("interrupted")
    line = notebook.outputs(1).nth(2)
    expect(line).to_contain_text("KeyboardInterrupt")
    assert len(line.inner_text().strip().splitlines()) == 1
    notebook.run(2)
    expect(notebook.outputs(2).first).to_have_text("'This much came.' interrupted")


def test_an_error_is_two_lines_without_a_traceback(open_notebook, provider):
    provider.play(error(401))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    expect(notebook.outputs(1)).to_have_count(1)
    shown = notebook.outputs(1).first.inner_text().strip()
    assert shown.startswith("AuthError: ")
    assert len(shown.splitlines()) == 2
    assert "Traceback" not in shown
    assert notebook.saved().cells[1].outputs[0].output_type == "error"


def test_the_saved_notebook_has_at_most_three_outputs_with_metadata(open_notebook, provider):
    provider.play(answer(tokens(MARKDOWN), reasoning=["Hm."], pause_s=0.002))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    thoughts, text, usage = notebook.saved().cells[1].outputs
    assert text.data["text/plain"] == MARKDOWN
    assert "text/markdown" in text.data
    assert USAGE.match(usage.data["text/plain"]) or "reasoning" in usage.data["text/plain"]
    assert thoughts.data["text/plain"].endswith("Hm.")
    about = text.metadata["cc_jupyter"]
    assert about["schema"] == 1
    assert about["model"] == "deepseek/deepseek-v4-flash"
    assert about["served_by"].startswith("127.0.0.1:")
    assert about["usage"]["output_tokens"]["origin"] == "reported"
    assert about["stop_reason"] == "stop"


def test_a_loop_of_asked_lines_keeps_every_answer(open_notebook, provider):
    for word in ("one", "two", "three"):
        provider.play(answer(f"Answer {word}."))
    notebook = open_notebook("for n in range(3):\n    print(n)\n    %cmd ask Say {{ n }}.")
    notebook.run(1)
    shown = notebook.cell(1).locator(".jp-OutputArea").first.inner_text()
    found = re.findall(r"^\d$|Answer \w+\.", shown, re.MULTILINE)
    assert found == ["0", "Answer one.", "1", "Answer two.", "2", "Answer three."]
