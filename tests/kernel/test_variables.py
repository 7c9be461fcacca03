"""`{{ expression }}`: what goes in, once, and what the reader is told about it."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.kernel


def test_an_expression_becomes_its_value(notebook):
    notebook.check("names = ['a', 'b']; n = 3")
    notebook.check("%%cmd\n{{ ', '.join(names) }} and {{ n * 2 }} and {{ {'k': {'v': 1}}['k'] }}.")
    assert notebook.prompt == "a, b and 6 and {'v': 1}."


def test_interpolated_once_a_value_with_braces_sends_the_braces(notebook):
    notebook.check("secret = 'TOP'; text = 'see {{ secret }} and {{ unknown }}'")
    notebook.check("%%cmd\n{{ text }}")
    assert notebook.prompt == "see {{ secret }} and {{ unknown }}"


def test_locals_of_the_calling_function_are_seen_first(notebook):
    notebook.check(
        "word = 'global'; other = 'outside'\n"
        "def f():\n"
        "    word = 'local'\n"
        "    r = %cmd ask {{ word }} and {{ other }}?\n"
        "    return r"
    )
    notebook.check("reply = f()")
    assert notebook.prompt == "local and outside?"


def test_a_cell_as_typed_is_at_hand(notebook):
    first = notebook.value("len(In)")
    notebook.check("%%time\nx = 1  # 100 %")
    notebook.check(f"%%cmd\nexplain: {{{{ In[{first}] }}}}")
    assert notebook.prompt == "explain: %%time\nx = 1  # 100 %"


def test_a_result_is_at_hand(notebook):
    number = notebook.value("len(In)")
    notebook.check("21 * 2")
    notebook.check(f"%%cmd\nwhy {{{{ Out[{number}] }}}} and {{{{ _ }}}}")
    assert notebook.prompt == "why 42 and 42"


def test_the_last_reply_is_at_hand(notebook):
    notebook.check("%%cmd --once\nfirst")
    answer = notebook.value("_cmd.text")
    notebook.check("%%cmd --once\nshorter: {{ _cmd }}|{{ _cmd.usage.output_tokens }}")
    text, _, tokens = notebook.prompt.rpartition("|")
    assert text == f"shorter: {answer}"
    assert tokens.isdecimal()


def test_a_variable_of_ones_own_called_in_is_that_variable(notebook):
    notebook.check("%%cmd\n{{ [In := 5] and In }}")
    notebook.check("saved, In = In, ['mine']")
    notebook.check("%%cmd\n{{ In[0] }}")
    assert notebook.prompt == "mine"


def test_a_data_frame_becomes_a_table_with_its_shape(notebook):
    notebook.check("import pandas as pd\ndf = pd.DataFrame({'a|b': [1, 2], 'c': ['x', None]})")
    notebook.check("%%cmd\n{{ df }}")
    assert notebook.prompt.splitlines()[0] == "2 rows \N{MULTIPLICATION SIGN} 2 columns"
    assert r"| a\|b | c |" in notebook.prompt
    assert "| 1 | x |" in notebook.prompt


def test_a_cut_value_says_so_in_the_prompt_and_under_the_answer(notebook):
    notebook.check("import pandas as pd\ndf = pd.DataFrame({'n': range(1000)})")
    run = notebook.check("%%cmd\n{{ df }} {{ 'x' * 500_000 }}")
    assert "[cut: 100 of 1,000 rows]" in notebook.prompt
    assert "[cut: 400,000 of 500,000 characters]" in notebook.prompt
    assert "`{{ df }}` was cut: 100 of 1,000 rows sent" in run.texts[-1]
    assert "400,000 of 500,000 characters" in run.texts[-1]
    assert "\n" not in run.texts[-1]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("hello {{ nmae }}", "the name `nmae` in `{{ nmae }}` is unknown"),
        ("{{ 1 / 0 }}", "`{{ 1 / 0 }}` failed: ZeroDivisionError"),
        ("one\ntwo {{ name", "the `{{ name` on line 2 of the prompt is never closed"),
        ("{{ }}", "`{{  }}` on line 1 of the prompt is not a Python expression"),
        ("{{ for }}", "`{{ for }}` on line 1 of the prompt is not a Python expression"),
        ("{{ boom() }}", "`{{ boom() }}` failed: RuntimeError: at night"),
    ],
)
def test_a_wrong_expression_names_itself_and_nothing_is_sent(notebook, prompt, said):
    notebook.check("name = 'Ada'\ndef boom():\n    raise RuntimeError('at night')")
    run = notebook.fail(f"%%cmd\n{prompt}", "OptionError")
    assert said in run.error_lines[0]
    assert len(run.error_lines) == 2
    assert not notebook.posts


def test_an_unknown_name_names_a_close_one(notebook):
    notebook.check("customers = 1")
    run = notebook.fail("%%cmd\n{{ custmers }}", "OptionError")
    assert "did you mean customers?" in run.error


def test_a_backslash_sends_the_braces(notebook):
    notebook.check("%%cmd\n" + r"\{{ x }} and \\{{ x }}")
    assert notebook.prompt == r"{{ x }} and \{{ x }}"


def test_an_assignment_in_braces_leaves_no_name_behind(notebook):
    notebook.check("%%cmd\n{{ (left := 5) + left }}")
    assert notebook.prompt == "10"
    assert notebook.value("'left' in globals()") is False


def test_what_an_expression_prints_stays_on_the_screen(notebook):
    notebook.check("def f():\n    print('computing')\n    return 'value'")
    run = notebook.check("%%cmd\n{{ f() }}")
    assert [each.kind for each in run.shown] == ["stream", "display_data", "display_data"]
    assert run.streams == "computing\n"


def test_what_an_expression_of_the_system_prompt_prints_stays_too(notebook):
    notebook.check("def f():\n    print('computing')\n    return 'be brief'")
    run = notebook.check("%%cmd -s '{{ f() }}'\nhello")
    assert run.streams == "computing\n"
    assert notebook.body["messages"][0] == {"role": "system", "content": "be brief"}


def test_an_expression_sees_every_kind_of_string(notebook):
    notebook.check('d = {"}}": "brace", "q": "it\'s"}')
    notebook.check("%%cmd\n{{ d['}}'] }} {{ d[\"q\"] }} {{ f'{1:>3}' }}")
    assert notebook.prompt == "brace it's   1"
