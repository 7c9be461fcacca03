"""What is typed below `%%cmd` is what the provider gets."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.kernel

PROMPTS = {
    "single braces": "a dict {'a': {1: 2}}, a set {x}, f'{y!r:>{width}}', }{ and {}",
    "dollars": "$x $HOME ${HOME} $$ `$(ls)` $x$ and $\\LaTeX$",
    "percent signs": "100 % of %s, %d, %(name)s, %%cmd, %time and 5%",
    "tabs": "\tone\ttwo\n\t\tthree\t",
    "line separators": "one\u2028two\u2029three\x85four\x0bfive\x0csix\x1cseven",
    "emoji": "🙂 👩\u200d👩\u200d👧 🇪🇺 e\u0301 \u202eright to left\u202c \ufeff",
    "backslashes": r"C:\new\table \n \\ \\\\ \u0041 \x41 \N{DASH} ends in \ ",
    "quotes": "don't \"say\" '''three''' \"\"\"three\"\"\" `tick` 'it\\'s'",
    "trailing blanks": "two blanks  \nthree   \n\n   \nend   ",
    "leading blanks": "   indented\n      more\nback",
    "question marks": "why?\nprint?\n?help\nwhat??",
    "magics and shell": "%ls\n!rm -rf /\n%%bash\n?print\n/f 1\n,f 1\n;f 1",
    "prompts of Python": "explain:\n>>> x = 1\n...     y\n>>> print(x)\n1\n    indented",
    "prompts of IPython": "In [1]: x = 1\n   ...: y = 2\nOut[1]: 1",
    "prompt in the first line": ">>> 1 + 1\n2",
    "comment": "# a heading\n#no comment\n<!-- this -->",
    "zero bytes and controls": "nul \x00 bell \x07 escape \x1b[31mred\x1b[0m",
    "carriage return": "one\rtwo\r\nthree",
    "options in the text": "-m gpt-5 --once -> answer",
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_what_is_typed_is_what_is_sent(notebook, prompt):
    notebook.check(f"%%cmd\n{prompt}")
    assert notebook.prompt == prompt


def test_ten_megabytes_go_out_to_the_letter(notebook):
    notebook.check("text = '{x}\\u2028🙂\\t%s$x {{\\n' * 700_000")
    line = "--once --raw -m test/burst-5"  # whose window nobody knows
    run = notebook.run(f"get_ipython().run_cell_magic('cmd', '{line}', text + 'end\\n')")
    assert run.status == "ok", run.error
    assert len(notebook.posts[-1].body) > 10 * 2**20
    assert notebook.prompt == "{x}\u2028🙂\t%s$x {{\n" * 700_000 + "end"


def test_a_megabyte_that_is_typed_goes_out_to_the_letter(notebook):
    prompt = ("{x}\u2028🙂\t%s$x" + "plain " * 500 + "\n") * 350 + "end"
    notebook.check(f"%%cmd --once\n{prompt}")
    assert len(notebook.posts[-1].body) > 2**20
    assert notebook.prompt == prompt


@pytest.mark.parametrize("newlines", [0, 1, 2, 3])
def test_exactly_one_final_newline_is_removed(notebook, newlines):
    notebook.check("%%cmd\nhello" + "\n" * newlines)
    assert notebook.prompt == "hello" + "\n" * max(0, newlines - 1)


def test_blank_lines_above_the_magic_and_its_indentation_are_dropped(notebook):
    notebook.check("\n\n  %%cmd\n  hello\n    more")
    assert notebook.prompt == "hello\n  more"


def test_raw_sends_double_braces_to_the_letter(notebook):
    prompt = r"{{ undefined }} \{{ x }} {{ never closed"
    notebook.check(f"%%cmd --raw\n{prompt}")
    assert notebook.prompt == prompt


def test_the_body_is_json_in_utf8_and_nothing_else(notebook):
    notebook.check("%%cmd\n🙂 \u2028 é")
    body = notebook.posts[-1].body
    assert json.loads(body.decode("utf-8"))["messages"][0]["content"] == "🙂 \u2028 é"
    assert "🙂 \u2028 é".encode() in body


@pytest.mark.parametrize("code", ["%%cmd", "%%cmd\n", "%%cmd\n \t\n\n", "%%cmd --raw\n\n"])
def test_an_empty_cell_is_an_error_in_two_lines(notebook, code):
    run = notebook.fail(code, "OptionError")
    assert run.error_lines == [
        "OptionError: the prompt is empty",
        "Hint: write it below the %%cmd line, or after %cmd ask",
    ]
    assert not notebook.posts


@pytest.mark.parametrize("line", ["%%cmd", "%%cmd --raw"])
def test_half_a_character_is_an_error_with_its_place(notebook, line):
    code = rf'get_ipython().run_cell_magic("cmd", "{line[6:]}", "abc\ud83d\n")'
    run = notebook.fail(code, "OptionError")
    assert run.error_lines[0] == (
        "OptionError: character 3 of the prompt is half a character (U+D83D), which cannot be sent"
    )
    assert not notebook.posts


def test_half_a_character_in_the_system_prompt_is_an_error_too(notebook):
    notebook.check(r"bad = 'x\ud83d'")
    run = notebook.fail("%%cmd -s '{{ bad }}'\nhello", "OptionError")
    assert "half a character" in run.error
    assert not notebook.posts


def test_an_emoji_written_as_two_halves_is_whole_when_python_joins_it(notebook):
    notebook.check(r"smile = '\ud83d\ude42'.encode('utf-16', 'surrogatepass').decode('utf-16')")
    notebook.check("%%cmd\n{{ smile }}")
    assert notebook.prompt == "🙂"


def test_a_cell_under_another_magic_keeps_its_text(notebook):
    notebook.check("%%time\n%%cmd\n{x} $y %s\t")
    assert notebook.prompt == "{x} $y %s\t"


def test_a_tab_after_the_magic_is_a_blank(notebook):
    notebook.check("%%cmd\t--max-tokens\t9\nhello")
    assert notebook.body["max_tokens"] == 9


@pytest.mark.parametrize("magic", ["  %%cmd", "\t%%cmd"])
def test_a_magic_further_in_than_its_text_is_left_to_ipython(notebook, magic):
    notebook.fail(f"{magic}\ntext", "IndentationError")
    assert not notebook.posts


def test_the_history_holds_the_cell_as_it_was_typed(notebook):
    notebook.check("%%cmd\nhello {x}")
    assert notebook.value("get_ipython().history_manager.input_hist_raw[-2]") == (
        "%%cmd\nhello {x}"
    )
