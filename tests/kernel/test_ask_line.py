"""`%cmd ask`: one line, in any place where Python code may stand."""

from __future__ import annotations

import pytest
from support.provider import answer, error

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("why?", "why?"),
        ("why??", "why??"),
        ("print?", "print?"),
        ("is x[1] or f(2)?", "is x[1] or f(2)?"),
        ('don\'t you "know"?', 'don\'t you "know"?'),
        ("what is f(x?", "what is f(x?"),
        ("what does '''mean?", "what does '''mean?"),
        ("{x} $y {1: 2}?", "{x} $y {1: 2}?"),
        ("a -> b?", "a -> b?"),
        ("100 % sure # not a comment?", "100 % sure # not a comment?"),
        ("🙂 é?", "🙂 é?"),
        (r"C:\new?", r"C:\new?"),
        ("   leading and trailing  ", "leading and trailing  "),
        ("-- -m is an option?", "-m is an option?"),
        ("no mark", "no mark"),
        ("a = b?", "a = b?"),
        ("%cmd ask what?", "%cmd ask what?"),
    ],
)
@pytest.mark.parametrize("target", ["", "r = "])
def test_the_rest_of_the_line_is_the_prompt_untouched(notebook, target, typed, sent):
    notebook.check(f"{target}%cmd ask {typed}")
    assert [post.json["messages"][-1]["content"] for post in notebook.posts] == [sent]


@pytest.mark.parametrize(
    "code",
    [
        "for n in range(2):\n    %cmd ask number {{ n }}?",
        "for n in range(2):\n\t%cmd ask number {{ n }}?",
        "for n in range(2): r = %cmd ask number {{ n }}?",
        "def f(n):\n    %cmd ask number {{ n }}?\nf(0)\nf(1)",
        "def f(n):\n    reply = %cmd ask number {{ n }}?\n    return reply\nrs = [f(0), f(1)]",
        "if True:\n    if True:\n        %cmd ask number {{ 0 }}?\n%cmd ask number {{ 1 }}?",
        "n = 0\n%cmd ask number {{ n }}?\nn += 1\nr = %cmd ask number {{ n }}?\nn",
        "%cmd ask number 0\n%cmd ask number 1?",
        "def f():\n    '''Doc?'''\n    # so?\n    %cmd ask number 0?\nf()\n%cmd ask number 1?",
        "class A: pass\nA.r = %cmd ask number 0?\nd = {}\nd['k' + 'l'] = %cmd ask number 1?",
        "d = [0, 0]\nd[1 - 1] = %cmd ask number {{ len(d) - 2 }}?\nx: object = %cmd ask number 1?",
        "try:\n    %cmd ask number 0?\nfinally:\n    %cmd ask number 1?",
        "async def f():\n    %cmd ask number 0?\nawait f()\n%cmd ask number 1?",
        "%%time\nfor n in range(2):\n    %cmd ask number {{ n }}?",
    ],
)
def test_it_stands_wherever_a_statement_may(notebook, code):
    notebook.check(code)
    said = [
        post.json["messages"][-1]["content"].replace("?", "").strip() for post in notebook.posts
    ]
    assert said == ["number 0", "number 1"]


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("s = '''\n%cmd ask why?\n'''\nprint(s)", "\n%cmd ask why?\n\n"),
        ('s = """\n    r = %cmd ask why?\n"""\nprint(s)', "\n    r = %cmd ask why?\n\n"),
        ("s = '%cmd ask why?'\nprint(s)", "%cmd ask why?\n"),
        ("s = f'''{1}\n%cmd ask why?'''\nprint(s)", "1\n%cmd ask why?\n"),
        ("# %cmd ask why?\nprint(1)", "1\n"),
        ("cmd, ask = 7, 2\nprint(9 %cmd -ask)", "0\n"),
    ],
)
def test_in_a_string_a_comment_or_a_sum_it_is_none(notebook, code, printed):
    assert notebook.check(code).streams == printed
    assert not notebook.posts


def test_a_line_that_goes_on_behind_a_backslash_is_one_prompt(notebook):
    notebook.check("r = %cmd ask one \\\n  and two?\nprint(1)")
    assert notebook.prompt.split() == ["one", "and", "two?"]


@pytest.mark.parametrize("code", ["%cmd?", "%%cmd?", "%cmd??", "?%cmd", "?%%cmd"])
def test_help_stays_help(notebook, code):
    run = notebook.check(code)
    (page,) = run.reply["payload"]
    # two marks show the source, as everywhere
    said = "Ask a language model" if "??" in code else "send the text of the cell as a prompt"
    assert said in page["data"]["text/plain"]
    assert not notebook.posts


def test_print_and_answers_stand_in_the_order_in_which_they_came(notebook):
    notebook.provider.play(answer("one"))
    notebook.provider.play(answer("two"))
    run = notebook.check(
        "print('before')\n"
        "from IPython.display import display, HTML\n"
        "display(HTML('<b>mine</b>'))\n"
        "for n in range(2):\n"
        "    print('ask', n)\n"
        "    %cmd ask number {{ n }}?\n"
        "print('after')"
    )
    texts = [each.text for each in run.shown]
    assert texts[0] == "before\n"
    assert "HTML" in texts[1]
    assert [texts[2], texts[3], texts[5], texts[6]] == ["ask 0\n", "one", "ask 1\n", "two"]
    assert texts[8] == "after\n"
    assert len(texts) == 9
    assert not run.of_type("clear_output")


def test_a_display_of_ones_own_keeps_its_place_and_can_still_be_updated(notebook):
    notebook.provider.play(answer("the answer"))
    run = notebook.check(
        "from IPython.display import display\n"
        "first = display('waiting', display_id=True)\n"
        "%cmd ask why?\n"
        "last = display('working', display_id=True)\n"
        "first.update('came')\n"
        "last.update('done')"
    )
    assert [run.texts[n] for n in (0, 1, 3)] == ["'came'", "the answer", "'done'"]
    assert len(run.texts) == 4


def test_a_cell_magic_called_from_python_never_clears_other_output(notebook):
    run = notebook.check(
        "for n in range(2):\n"
        "    print('ask', n)\n"
        "    get_ipython().run_cell_magic('cmd', '', f'number {n}')\n"
        "print('after')"
    )
    assert run.streams == "ask 0\nask 1\nafter\n"
    assert not run.of_type("clear_output")
    assert [post.json["messages"][-1]["content"] for post in notebook.posts] == [
        "number 0",
        "number 1",
    ]


def test_a_timed_cell_magic_keeps_the_time(notebook):
    run = notebook.check("%%time\n%%cmd\nhello")
    assert "Wall time" in run.streams
    assert len(run.outputs) == 2
    assert not run.of_type("clear_output")


def test_a_reply_in_a_variable_shows_its_text_later(notebook):
    notebook.provider.play(answer("the *text*"))
    run = notebook.check("r = %cmd ask why?")
    assert run.texts[0] == "the *text*"
    assert len(run.outputs) == 2
    (shown,) = notebook.check("r").outputs
    assert shown.data == {"text/markdown": "the *text*", "text/plain": "the *text*"}
    assert notebook.value("str(r)") == "the *text*"


def test_a_bare_line_shows_its_answer_once(notebook):
    notebook.provider.play(answer("the text"))
    run = notebook.check("%cmd ask why?")
    assert run.texts[0] == "the text"
    assert len(run.outputs) == 2
    assert notebook.value("_.text") == "the text"


def test_a_reply_shown_in_the_same_cell_is_not_shown_twice(notebook):
    notebook.provider.play(answer("the text"))
    run = notebook.check("r = %cmd ask why?\nr")
    assert run.texts.count("the text") == 1


def test_display_shows_a_reply_of_an_earlier_cell(notebook):
    notebook.provider.play(answer("the text"))
    notebook.check("r = %cmd ask why?")
    run = notebook.check("for _ in range(2): display(r)")
    assert run.texts == ["the text", "the text"]


def test_a_reply_can_be_stored(notebook):
    notebook.provider.play(answer("the text"))
    notebook.check("import pickle\nr = %cmd ask why?")
    (shown,) = notebook.check("pickle.loads(pickle.dumps(r))").outputs
    assert shown.text == "the text"
    assert notebook.value("pickle.loads(pickle.dumps(_cmd)).cost_usd == r.cost_usd") is True


def test_a_captured_line_shows_its_answer_when_it_is_asked_for(notebook):
    notebook.provider.play(answer("the text"))
    assert notebook.check("%%capture out\n%cmd ask why?").shown == []
    assert notebook.check("out.show()").texts[0] == "the text"


def test_a_line_with_nothing_to_send_is_an_error(notebook):
    for code in ("%cmd ask", "%cmd ask --", "%cmd ask -t 1", "%cmd ask   "):
        run = notebook.fail(code, "OptionError")
        assert run.error_lines[0] == "OptionError: the prompt is empty"
    assert not notebook.posts


def test_options_stand_before_the_prompt_and_nowhere_else(notebook):
    notebook.check("%cmd ask -t 0.5 -s 'be brief' what is -t 2?")
    assert notebook.prompt == "what is -t 2?"
    assert notebook.body["temperature"] == 0.5
    assert notebook.body["messages"][0] == {"role": "system", "content": "be brief"}


def test_an_error_in_a_python_cell_adds_the_line_of_the_user(notebook):
    run = notebook.fail("x = 1\n\ny = %cmd ask --nope why?\n", "OptionError")
    assert run.error_lines[0] == "OptionError: `--nope` is not an option"
    assert run.error_lines[-1].startswith("at line 3 of the cell")
    assert len(run.error_lines) == 3


def test_a_failure_in_a_loop_can_be_caught(notebook):
    notebook.check(
        "caught = []\n"
        "for word in ['{{ nope }}', 'hello']:\n"
        "    try:\n"
        "        r = %cmd ask --raw {{ word }}\n"
        "        get_ipython().run_line_magic('cmd', 'ask ' + word)\n"
        "    except Exception as error:\n"
        "        caught.append(type(error).__name__)"
    )
    assert notebook.value("caught") == ["OptionError"]


@pytest.mark.parametrize("line", ["%cmd ask why?", "r = %cmd ask -t 1 why?  ", "  %cmd ask why?"])
def test_a_question_in_the_cell_that_loads_the_extension_is_not_lost(notebook, line):
    """IPython reads the whole cell before it loads: it takes the line for a request for help."""
    notebook.check("%unload_ext cc_jupyter")
    code = f"if True:\n  %load_ext cc_jupyter\n{line if line[0] == ' ' else f'  {line}'}"
    run = notebook.fail(code, "UsageError")
    assert "was not sent" in run.streams
    assert "run the cell again" in run.streams
    assert notebook.posts == []
    notebook.check(code)
    assert len(notebook.posts) == 1


@pytest.mark.parametrize("line", ["%cmd ask why", "x = 'why?'", "%cmd status"])
def test_other_cells_that_load_the_extension_run(notebook, line):
    notebook.check("%unload_ext cc_jupyter")
    notebook.check(f"%load_ext cc_jupyter\n{line}")


def test_an_arrow_in_front_of_two_dashes_binds_the_answer(notebook):
    for text in ("a walrus", '{"value": 7}', '{"value": 8}'):
        notebook.provider.play(answer(text))
    notebook.check("%cmd ask --once -> animal -- who dives -> deep?")
    assert notebook.prompt == "who dives -> deep?"
    assert notebook.value("animal") == "a walrus"
    notebook.check("%cmd ask --once -> depth: int -- how deep?")
    assert notebook.prompt == "how deep?"
    assert notebook.body["response_format"]["type"] == "json_schema"
    assert notebook.value("depth") == 7
    notebook.check("reply = %cmd ask --once --quiet -> depth: int -- how deep?")
    assert notebook.value("(depth, reply.text)") == [8, '{"value": 8}']


def test_a_failure_says_that_the_name_of_the_line_keeps_its_value(notebook):
    notebook.check("depth = 1")
    notebook.provider.play(error(400, "no such thing"))
    run = notebook.fail("%cmd ask --once -> depth: int -- how deep?", "StatusError")
    assert "depth keeps its old value" in run.error
    assert notebook.value("depth") == 1
