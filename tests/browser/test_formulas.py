"""Formulas counted on the page: none for prices and variables, one for each notation."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.provider import answer

pytestmark = pytest.mark.browser

NONE = {
    "prices": "A costs $5 and B costs $6.\n\n- A: $5\n- B: $6\n\n| a | b |\n|--|--|\n| $5 | $6 |",
    "escaped prices": "It is \\$5 or \\$6, **$7** or **$8**.",
    "shell variables": "Set $HOME, $PATH and $USER; echo $HOME/bin:$PATH and $$ and $$.",
    "regular expressions": "^a$|^b$ and (x|y)$|(z)$ and ^\\d+$",
    "stray signs": "a stray \\( and \\[ and \\begin{align} and \\ref{a} and \\\\server\\share",
    "code": "`$x$`, `\\(y\\)` and\n\n```bash\necho $HOME $PATH\n```\n\n- a\n  ```\n  $a $b\n  ```",
}
ONE = {
    "dollars": "$x_1$",
    "two dollars": "$$x_1$$",
    "parentheses": "\\(x_1\\)",
    "brackets": "\\[x_1\\]",
    "brackets on lines": "so\n\\[\nx_1\n= y\n\\]\nthen",
    "environment": "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
    "beside a price": "it costs $5 and \\(x_1\\) is $6",
    "in a list under code": "- a\n  ```\n  echo $HOME\n  ```\n- $x_1$",
}
SHOWN = "A costs $5 and B costs $6."
FORMULA = "mjx-container"


def test_formulas_are_typeset_and_prices_are_text(open_notebook, provider):
    samples = {**NONE, **ONE}
    for text in samples.values():
        provider.play(answer(f"{text}\n\nThe end: $z$"))
    notebook = open_notebook(*["%%cmd --once\nSay something."] * len(samples))
    notebook.command("notebook:run-all-cells")
    for index, name in enumerate(samples, start=1):
        shown = notebook.outputs(index).first
        # the last formula is always there: when it is typeset, so are those above it
        expect(shown.locator(FORMULA).last, name).to_be_visible(timeout=30_000)
        expect(shown.locator(FORMULA), name).to_have_count(1 + (name in ONE))
    expect(notebook.outputs(1).first).to_contain_text(SHOWN)


IMAGE = "<img src=x onerror='window.pwned = 1'>"
FIXES = {
    "a longer run of backticks": f"~~~python\n1 / 1\n{'`' * 40}\n{IMAGE}\n~~~",
    "a carriage return": f"~~~python\n1 / 1 #\r{'`' * 40}\r\r{IMAGE}\n~~~",
    "a formula": f"~~~python\n1 / 1 # $$ {IMAGE} $$\n~~~",
    "an end of pre": f"~~~python\n1 / 1 # </pre></del></ins>{IMAGE}<!--\n~~~",
}


def test_the_diff_of_a_corrected_cell_runs_nothing(open_notebook, provider, page):
    for text in FIXES.values():
        provider.play(answer(f"It divides by zero.\n\n{text}"))
    notebook = open_notebook("1 / 0", *["%cmd fix"] * len(FIXES))
    notebook.run(1)
    for index, name in enumerate(FIXES, start=2):
        # each fix puts its cell below, which moves the others down
        notebook.run(index)
        shown = notebook.outputs(index).last
        expect(shown.locator("ins").first, name).to_contain_text("1 / 1")
        expect(shown.locator("del").first, name).to_contain_text("1 / 0")
        assert shown.locator(f"img, script, {FORMULA}").count() == 0, shown.inner_html()
        notebook.command("notebook:undo-cell-action")
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
