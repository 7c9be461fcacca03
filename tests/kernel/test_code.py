"""Code of answers and of failed cells: into a new cell, explained, mended; never run by us."""

from __future__ import annotations

import pytest
from support.provider import answer

pytestmark = pytest.mark.kernel

TWO_BLOCKS = "First:\n\n```python\na = 1\n```\n\nthen\n\n```bash\nls\n```\n"
BROKEN = "def half(x):\n    return x / 0\n\nhalf(3)"


def next_inputs(run):
    """The cells that the front end is asked to add."""
    payload = run.reply.get("payload") or []
    return [item["text"] for item in payload if item["source"] == "set_next_input"]


def test_the_code_blocks_of_an_answer_go_into_one_new_cell_in_order(notebook):
    notebook.provider.play(answer(TWO_BLOCKS))
    run = notebook.check("%%cmd -f code\ncode please")
    assert next_inputs(run) == ["# block 1 of 2\na = 1\n\n# block 2 of 2\nls"]
    assert run.texts[0] == TWO_BLOCKS


def test_model_output_is_text_the_inserted_code_is_not_run(notebook):
    notebook.provider.play(answer("```python\nran = True\n```"))
    notebook.check("%%cmd -f code\ncode please")
    assert notebook.value("'ran' in globals()") is False


def test_an_answer_without_code_adds_no_cell_and_says_so(notebook):
    notebook.provider.play(answer("There is none."))
    run = notebook.check("%%cmd -f code\ncode please")
    assert next_inputs(run) == []
    assert "no code block" in run.texts[-1]


def test_insert_puts_the_blocks_of_the_last_answer_or_one_of_them_into_a_cell(notebook):
    notebook.provider.play(answer(TWO_BLOCKS))
    notebook.check("%%cmd\ncode please")
    assert next_inputs(notebook.check("%cmd insert 2")) == ["ls"]
    assert next_inputs(notebook.check("%cmd insert"))[0].startswith("# block 1 of 2\na = 1")
    run = notebook.fail("%cmd insert 3", "OptionError")
    assert "2 code blocks, no number 3" in run.error


def test_insert_without_an_answer_says_what_to_do(notebook):
    assert "there is no answer yet" in notebook.fail("%cmd insert", "OptionError").error


def test_explain_sends_the_failed_cell_with_its_values_by_type_and_shows_the_answer(notebook):
    notebook.run(BROKEN)
    notebook.provider.play(answer("You divide by zero."))
    run = notebook.check("%cmd explain")
    assert "You divide by zero." in run.texts[0]
    assert "return x / 0" in notebook.prompt
    assert "ZeroDivisionError" in notebook.prompt
    assert "ipykernel" not in notebook.prompt


def test_explain_without_a_failure_sends_nothing(notebook):
    notebook.run("import sys; sys.last_value = sys.last_exc = None")
    notebook.fail("%cmd explain", "OptionError")
    assert notebook.posts == []


@pytest.mark.parametrize("command", ["explain", "fix"])
def test_a_limit_of_the_line_holds_before_anything_is_sent(notebook, command):
    notebook.fail("1 / 0", "ZeroDivisionError")
    run = notebook.fail(f"%cmd {command} --max-usd 0.00000001", "BudgetError")
    assert "--max-usd" in run.error
    assert notebook.posts == []


def test_the_key_is_nowhere_in_what_explain_sends(notebook):
    notebook.run("import os; token = os.environ['CMD_API_KEY']\nopen(token)")
    notebook.check("%cmd explain")
    assert notebook.provider.key not in notebook.posts[-1].body.decode()


def test_fix_shows_what_changes_before_it_offers_the_new_cell(notebook):
    notebook.run(BROKEN)
    fixed = BROKEN.replace("/ 0", "/ 2")
    notebook.provider.play(answer(f"Divide by two.\n\n```python\n{fixed}\n```"))
    run = notebook.check("%cmd fix")
    diff = run.texts[-1]
    assert "-    return x / 0\n+    return x / 2" in diff
    assert next_inputs(run) == [fixed]


def test_the_braces_of_a_failed_cell_are_sent_to_the_letter(notebook):
    notebook.run("secret = 'never sent'\ntext = '{{ secret }}'\nlen(5)")
    notebook.check("%cmd explain")
    assert "{{ secret }}" in notebook.prompt
    assert "never sent" not in notebook.prompt.replace("secret = 'never sent'", "")
