"""What a person sees of a `%%cmd` cell in JupyterLab, and what the saved file keeps of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.provider import MARKDOWN, answer, error, hang, openai_stream, tokens, wait
from support.provider.script import Body

if TYPE_CHECKING:
    from support.provider.script import Playable, Script

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


KINDS = r"""- outer

  - inner

    ```text
    code in a list
    ```

  still outer

See [the manual][m] and `[not a link][m]`.

> quoted
>
> > twice

| a | b |
|---|---|
| 1 | 2 |

The sum $a_1 + a_2$ and <em>no tag</em>.

[m]: https://far.example/manual
"""
CONTRAST = """element => {
  const [text, ground] = [getComputedStyle(element).color, (() => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  })()].map(colour => colour.match(/[\\d.]+/g).map(Number));
  const alpha = text[3] ?? 1;
  const seen = text.slice(0, 3).map((part, n) => alpha * part + (1 - alpha) * ground[n]);
  const light = ([r, g, b]) => [r, g, b].map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const [high, low] = [light(seen), light(ground)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}"""


def test_every_kind_of_markdown_stands_right_and_reads_well_in_both_themes(open_notebook, provider):
    provider.play(openai_stream(tokens(KINDS), pause_s=0.01))
    notebook = open_notebook(PROMPT)
    notebook.run(1)
    shown = notebook.outputs(1).first
    expect(shown.locator("li li pre")).to_have_text("code in a list")
    expect(shown.locator("a[href='https://far.example/manual']")).to_have_text("the manual")
    expect(shown.locator("p code")).to_have_text("[not a link][m]")
    expect(shown.locator("blockquote blockquote")).to_have_text("twice")
    expect(shown.locator("td")).to_have_text(["1", "2"])
    expect(shown.locator("mjx-container")).to_have_count(1)
    expect(shown.locator("em")).to_have_count(0)
    expect(shown).to_contain_text("<em>no tag</em>")
    line = notebook.outputs(1).nth(1).locator("small")
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        choose = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
        notebook.page.evaluate(choose, theme)
        expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        assert line.evaluate(CONTRAST) >= 4.5, theme  # what WCAG asks of small text


def test_other_displays_keep_their_place_while_an_answer_comes_and_after(open_notebook, provider):
    script = openai_stream(["First part. ", "\n\nSecond part. ", "Third."])
    provider.play(*after(script, "Second", wait("rest")))
    notebook = open_notebook(
        "from IPython.display import display\n"
        "mine = display('mine', display_id=True)\n"
        "print('before')\n"
        "r = %cmd ask why?\n"
        "print('after')\n"
        "mine.update('mine, updated')"
    )
    notebook.start(1)
    expect(notebook.cell(1)).to_contain_text("Second part.")
    shown = notebook.cell(1).locator(".jp-OutputArea").first
    found = re.findall(r"mine|before|First|Second", shown.inner_text())
    assert found[-4:] == ["mine", "before", "First", "Second"]
    provider.gate("rest").set()
    notebook.wait_for_status("idle")
    expect(notebook.cell(1)).to_contain_text("mine, updated")
    words = r"mine, updated|before|First|Second|Third|to first token|after"
    assert re.findall(words, shown.inner_text()) == words.split("|")


def test_a_browser_six_times_slower_shows_the_end_too(open_notebook, provider):
    provider.play(openai_stream(tokens(MARKDOWN), pause_s=0.005))
    notebook = open_notebook(PROMPT)
    session = notebook.page.context.new_cdp_session(notebook.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    notebook.start(1)
    expect(notebook.outputs(1).first).to_contain_text("Reading")
    provider.posts[0].wait_until_over(30)
    expect(notebook.outputs(1).nth(1)).to_have_text(USAGE, timeout=20_000)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})


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
    assert about["schema"] == 2
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
