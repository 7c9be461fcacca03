"""`{{ expression }}`: what goes in, once, and what the reader is told about it."""

from __future__ import annotations

import pytest
from support.provider import answer, pause

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


FRAME = "import pandas as pd\ndf = pd.DataFrame({'n': range(1000)})"
CUT = "`{{ df }}` was cut: 100 of 1,000 rows sent"


@pytest.mark.parametrize(
    ("before", "options", "rows"),
    [
        ("", "", 100),
        ("", "--table-rows 7", 7),
        ("", "--table-rows all", 1000),
        ("%config CmdMagics.table_rows = 5", "", 5),
        ("%config CmdMagics.table_rows = 'all'", "", 1000),
        ("%config CmdMagics.table_rows = 5", "--table-rows 8", 8),
    ],
)
def test_the_rows_of_a_table_are_an_option_and_a_setting(notebook, before, options, rows):
    notebook.check(f"{before}\n{FRAME}")
    notebook.check(f"%%cmd {options}\n{{{{ [df] }}}}")
    assert f"| {rows - 1} |" in notebook.prompt
    assert f"| {rows} |" not in notebook.prompt
    assert ("[cut: " in notebook.prompt) == (rows < 1000)
    notebook.check(f"%cmd ask {options} {{{{ df }}}}")
    assert f"| {rows - 1} |" in notebook.prompt
    notebook.check("%config CmdMagics.table_rows = None")


def test_a_project_sets_the_limits_of_values(notebook):
    project = notebook.folder / "pyproject.toml"
    project.write_text("[tool.cc_jupyter]\ntable_columns = 1\nmax_text_chars = 3\n")
    notebook.check("import pandas as pd")
    notebook.check("%%cmd\n{{ pd.DataFrame([[1, 2]]) }} {{ 'abcdef' }}")
    project.unlink()
    assert "[cut: 1 of 2 columns]" in notebook.prompt
    assert "abc\n… [cut: 3 of 6 characters]" in notebook.prompt


def test_a_dry_run_says_what_would_be_cut(notebook):
    notebook.check(FRAME)
    (shown,) = notebook.check("%%cmd --dry-run\n{{ df }}").outputs
    assert f"notice: {CUT}" in shown.text
    notebook.check("plan = %cmd ask --dry-run {{ df }}")
    assert notebook.value("plan['notices']") == [CUT]
    assert notebook.provider.requests == []


def test_the_waiting_cell_says_what_is_cut_before_the_answer_begins(notebook):
    notebook.check(FRAME)
    notebook.provider.play(pause(1.5), answer("done"))
    run = notebook.check("%%cmd\n{{ df }}")
    shown = [
        message["content"]["data"]["text/plain"]
        for message in run.messages
        if message["msg_type"] in ("display_data", "update_display_data")
    ]
    assert shown[0] == f"*{CUT}*"
    waiting = shown[1 : shown.index("done")]
    assert waiting
    assert all(CUT in line and " s · " in line for line in waiting)
    assert CUT in run.texts[-1]


def test_quiet_cells_say_nothing_of_it(notebook):
    notebook.check(FRAME)
    assert notebook.check("%%cmd --quiet\n{{ df }}").shown == []


def test_an_answer_with_other_limits_is_not_stale_while_its_value_is_the_same(notebook):
    notebook.check(FRAME)
    notebook.check("%%cmd --table-rows 3\n{{ df }}", "a")
    assert notebook.value(STALE) == []
    notebook.check("df = df + 1")
    assert notebook.value(STALE) == ["`df` changed"]


STALE = (
    "[*__import__('cc_jupyter.session.staleness', fromlist=['Staleness']).Staleness("
    "(s := __import__('cc_jupyter.session.session', fromlist=['x']).shared_session()),"
    " get_ipython().user_ns).reasons(s.conversations.thread(None), -1 + len("
    "s.conversations.thread(None).slots))]"
)


def test_images_inside_a_value_are_sent_with_their_markers(notebook):
    notebook.check("from PIL import Image\npictures = {'a': [Image.new('RGB', (1, 1))]}")
    notebook.check("%%cmd -m gpt-5.4-mini\nwhat is {{ pictures }}?")
    content = str(notebook.body["messages"][-1]["content"])
    assert "[image: pictures['a'][0]]" in content.replace("\\'", "'")
    assert "data:image/png;base64," in content


def test_a_deleted_working_folder_stops_only_what_needs_it(notebook):
    notebook.check("import os\nhere = os.getcwd()\nos.mkdir('gone')\nos.chdir('gone')")
    notebook.check("os.rmdir(os.path.join(here, 'gone'))\npixel = b'GIF89a' + bytes(9)")
    notebook.check("%%cmd -m gpt-5.4-mini -i pixel\nwhat is it?")
    assert "data:image/gif;base64," in str(notebook.body)
    run = notebook.run("%%cmd -m gpt-5.4-mini -i x.png\nwhat is it?")
    assert "the working folder was deleted" in str(run.error)
    notebook.check("os.chdir(here)")
