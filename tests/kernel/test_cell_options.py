"""The option line of a cell: what each option does to the request, the screen, and nothing else."""

from __future__ import annotations

import re

import pytest
from support.kernel_notebook import CLAUDE, MODEL, WIRES, text_of
from support.provider import KEY, Tokens, answer

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("line", "chat", "messages"),
    [
        ("-t 0.3", {"temperature": 0.3}, {"temperature": 0.3}),
        ("--temperature=0", {"temperature": 0}, {"temperature": 0}),
        ("--top-p .5", {"top_p": 0.5}, {"top_p": 0.5}),
        ("--max-tokens 17", {"max_tokens": 17}, {"max_tokens": 17}),
        ("--stop END --stop ';'", {"stop": ["END", ";"]}, {"stop_sequences": ["END", ";"]}),
        ("--effort max", {"reasoning_effort": "max"}, {"output_config": {"effort": "max"}}),
        ("--param seed=7", {"seed": 7}, {"seed": 7}),
        (
            """--param 'a={"b c": [1, null]}' --param d="x" """,
            {"a": {"b c": [1, None]}, "d": "x"},
            {"a": {"b c": [1, None]}, "d": "x"},
        ),
    ],
)
def test_a_parameter_is_sent_only_if_given(notebook, line, chat, messages):
    plain, given = {}, {}
    for endpoint, model in WIRES.items():
        notebook.check(f"%%cmd --once -m {model}\nhello")
        plain[endpoint] = notebook.body
        notebook.check(f"%%cmd --once -m {model} {line}\nhello")
        given[endpoint] = notebook.body
        assert notebook.posts[-1].path.endswith(endpoint)
    bare = plain["/messages"].pop("max_tokens")  # this endpoint insists on it
    assert given["/messages"].pop("max_tokens") == messages.pop("max_tokens", bare)
    assert given["/chat/completions"] == plain["/chat/completions"] | chat
    assert given["/messages"] == plain["/messages"] | messages


def test_the_bodies_hold_what_each_wire_insists_on(notebook):
    hello = [{"role": "user", "content": "hello"}]
    notebook.check("%%cmd --once\nhello")
    assert notebook.body == {
        "model": MODEL,
        "messages": hello,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    notebook.check(f"%%cmd --once -m {CLAUDE}\nhello")
    assert notebook.body == {
        "model": CLAUDE,
        "max_tokens": 64_000,
        "messages": hello,
        "stream": True,
    }


def test_the_headers_say_who_asks_and_hold_the_key_once(notebook):
    notebook.check("%%cmd\nhello")
    headers = notebook.posts[-1].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["user-agent"].startswith("cc_jupyter/")
    assert headers["accept-encoding"] == "identity"
    assert "x-cmd-zdr" not in headers


def test_zero_data_retention_is_a_header_and_its_price_an_estimate(notebook):
    run = notebook.check("%%cmd --zdr\nhello")
    assert notebook.posts[-1].headers["x-cmd-zdr"] == "1"
    assert run.outputs[0].metadata["cc_jupyter"]["cost"]["origin"] == "estimated"
    assert " · ~<$0.0001 · " in run.texts[-1]


@pytest.mark.parametrize("model", WIRES.values())
def test_exactly_one_system_prompt_is_sent(notebook, model):
    notebook.check(f"%%cmd -m {model} -s 'be {{{{ 1 + 1 }}}} brief'\none")
    notebook.check(f"%%cmd -m {model}\ntwo")
    assert _systems(notebook.body) == ["be 2 brief"]
    notebook.check(f"%%cmd -m {model} -s 'be long'\nthree")
    assert _systems(notebook.body) == ["be long"]
    notebook.check(f"%%cmd -m {model} -s ''\nfour")
    assert _systems(notebook.body) == []
    notebook.check(f"%%cmd -m {model}\nfive")
    assert _systems(notebook.body) == []
    assert notebook.said[::2] == ["one", "two", "three", "four", "five"]


def _systems(body):
    said = [each["content"] for each in body["messages"] if each["role"] == "system"]
    return said + ([text_of(body["system"])] if "system" in body else [])


def test_quiet_shows_nothing_and_keeps_the_answer(notebook):
    run = notebook.check("%%cmd --quiet -> answer\nhello")
    assert run.shown == []
    assert notebook.value("answer == _cmd.text != ''") is True


def test_a_quiet_line_shows_nothing_and_its_reply_when_it_is_asked_for(notebook):
    assert notebook.check("%cmd ask --quiet hello").shown == []
    assert notebook.check("r = %cmd ask --quiet hello").shown == []
    (shown,) = notebook.check("r").outputs
    assert shown.text.startswith('You wrote: "hello"')
    (shown,) = notebook.check("r = %cmd ask --quiet hello\nr").outputs
    assert shown.text.startswith('You wrote: "hello"')


def test_quiet_shows_errors(notebook):
    run = notebook.fail("%%cmd --quiet -m no/such-model\nhello", "ModelError")
    assert len(run.error_lines) == 2


def test_text_format_means_no_markdown(notebook):
    run = notebook.check("%%cmd -f text\nhello")
    assert list(run.outputs[0].data) == ["text/plain"]
    for message in run.of_type("display_data") + run.of_type("update_display_data"):
        assert "text/markdown" not in message["content"]["data"]


def test_a_dry_run_sends_nothing_and_shows_no_key(notebook):
    notebook.check("%%cmd -s 'be brief'\nfirst")
    notebook.forget()
    run = notebook.check(f"%%cmd --dry-run --max-tokens 50 --param secret='\"{KEY}\"'\nhello {KEY}")
    assert notebook.provider.requests == []
    (shown,) = run.outputs
    assert set(shown.data) == {"text/plain", "text/html"}
    assert f"POST {notebook.provider.base_url}/v1/chat/completions" in shown.text
    assert "nothing was sent" in shown.text
    assert "out ~50" in shown.text
    assert '"content": "be brief"' in shown.text
    assert '"content": "hello [key]"' in shown.text
    for message in run.messages:
        if message["msg_type"] != "execute_input":  # what the user typed is theirs
            assert KEY not in str(message)


def test_a_dry_run_of_a_line_is_a_dict(notebook):
    run = notebook.check("plan = %cmd ask --dry-run hello?")
    assert run.shown == []
    assert notebook.value("plan['body']['messages']") == [{"role": "user", "content": "hello?"}]
    assert notebook.value("isinstance(plan, dict)") is True
    assert notebook.provider.requests == []


def test_a_dry_run_estimates_the_tokens_of_each_part(notebook):
    notebook.provider.play(answer("the answer " * 100))
    notebook.check("%%cmd\nfirst")
    (shown,) = notebook.check("%%cmd --dry-run -s 'be brief'\nsecond").outputs
    found = re.findall(r"^ +(\w+) +([\d,]+) bytes +~([\d,]+) tokens$", shown.text, re.MULTILINE)
    assert [role for role, *_ in found] == ["system", "user", "assistant", "user"]
    assert [size for _, size, _ in found] == ["8", "5", "1,100", "6"]
    assert 100 < int(found[2][2]) < 600
    assert re.search(r"^tokens: in ~\d{3}, out ~[\d,]+$", shown.text, re.MULTILINE)
    assert re.search(r"^cost: [~<]\$0\.\d+$", shown.text, re.MULTILINE)


def test_a_prompt_much_larger_than_the_last_one_is_mentioned_in_the_usage_line(notebook):
    for tokens, cell, mentioned in [
        (1000, "first", ""),
        (4000, "second", ""),
        (24_000, "third", "the prompt is 6 times the last one"),
        (23_000, "fourth", ""),
    ]:
        notebook.provider.play(answer("fine", usage=Tokens(tokens, 5)))
        line = notebook.check(f"%%cmd\n{cell}").texts[-1]
        assert mentioned in line
        assert ("times the last one" in line) == bool(mentioned)


def test_how_much_larger_a_prompt_must_be_to_be_mentioned_can_be_set(notebook):
    project = notebook.workdir / "pyproject.toml"
    project.write_text("[tool.cc_jupyter]\nlarge_prompt_factor = 3\n")
    try:
        for tokens in (2000, 6000):
            notebook.provider.play(answer("fine", usage=Tokens(tokens, 5)))
            line = notebook.check(f"%%cmd\n{tokens}").texts[-1]
    finally:
        project.unlink()
    assert "the prompt is 3 times the last one" in line


def test_a_dry_run_of_a_grid_shows_the_plan_and_sends_nothing(notebook):
    notebook.check("topics = ['rain', 'snow']")
    line = "%%cmd --dry-run -m local-a,local-b --vary topic=topics -n 3 -> g"
    (shown,) = notebook.check(f"{line}\nabout {{{{ topic }}}}").outputs
    assert "grid of 12 requests (4 combinations, 3 samples each); nothing was sent" in shown.text
    assert "local-b · topic: snow" in shown.text
    assert "about rain" in shown.text
    run = notebook.check("plan = %cmd ask --dry-run -n 5 hello?")
    assert run.outputs == []
    assert notebook.value("plan['requests']") == 5
    assert [each for each in notebook.provider.requests if each.method == "POST"] == []


def test_a_dry_run_leaves_no_turn(notebook):
    notebook.check("%%cmd --dry-run --new\nfirst")
    notebook.check("%%cmd\nsecond")
    assert notebook.said == ["second"]


def test_a_long_dry_run_stays_readable(notebook):
    notebook.check("long = 'word ' * 60_000")
    (shown,) = notebook.check("%%cmd --dry-run\n{{ long }}").outputs
    assert len(shown.text) < 25_000
    assert "[cut: " in shown.text


@pytest.mark.parametrize("code", ["%%cmd -h", "%%cmd --help\nhello", "%cmd ask -h", "%cmd -h"])
def test_help_is_shown_and_nothing_sent(notebook, code):
    (shown,) = notebook.check(code).outputs
    assert "%cmd ask [@NAME] [options]" in shown.text
    assert notebook.provider.requests == []


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("--modle x", "`--modle` is not an option", "did you mean --model"),
        ("-x", "`-x` is not an option", "%%cmd -h lists the options"),
        ("hello", "`hello` is not an option", "the prompt below the %%cmd line"),
        ("-m a -m a", "`-m` has `a` twice", "-n 2"),
        ("-m a, b", "a blank next to a comma in the list `a, b` of `-m`", "without blanks"),
        ("-n 1,500", "`-n` takes a number without a thousands comma", "write -n 1500"),
        ("--check len(answer) < 8", "`<` after `--check` `len(answer)` is not an option", "quotes"),
        ("--check 'a b'", "`a b` of `--check` is not a Python expression", "nothing was sent"),
        ("--dry-run --vary x=[1]", "`--vary x` changes nothing", "write {{ x }}"),
        ("-t 1 -t 2", "`--temperature` is given twice", "keep one"),
        ("-t hot", "`-t` takes a number from 0 to 2, not `hot`", "for example"),
        ("--top-p 7", "`--top-p` takes a number from 0 to 1", "for example"),
        ("--max-tokens -3", "`--max-tokens` takes a whole number", "for example"),
        ("-m", "`-m` needs a value", "-m, --model ID"),
        ("-s 'open", "the quote ' in `'open` is not closed", "close it"),
        ("--param model=1", "`--param` cannot set `model`", "-m sets the model"),
        ("--param stream=false", "`--param` cannot set `stream`", "always streamed"),
        ("--param messages=[]", "`--param` cannot set `messages`", ""),
        ('--param system="x"', "`--param` cannot set `system`", "-s sets"),
        ("--param seed", "`--param` takes KEY=JSON", "for example"),
        ("--param a=nan", "is not JSON", "double quotes"),
        ("--once --new", "`--once` uses no thread", "keep one"),
        ("-f jsno", "`-f` cannot be `jsno`", "one of"),
        (f"--key-env {KEY}", "is not the name of an environment variable", "never the key"),
    ],
)
def test_a_wrong_option_line_is_told_in_two_lines_and_nothing_is_sent(notebook, line, said, hint):
    run = notebook.fail(f"%%cmd {line}\nhello", "OptionError")
    assert said in run.error_lines[0]
    assert hint in run.error_lines[1]
    assert len(run.error_lines) == 2
    assert KEY not in run.error
    assert notebook.provider.requests == []


def test_the_key_comes_from_the_variable_that_is_named(notebook):
    notebook.check(f"import os; os.environ['MY_KEY'] = {KEY!r}; os.environ['CMD_API_KEY'] = 'x'")
    notebook.check("%%cmd --key-env MY_KEY\nhello")
    assert notebook.posts[-1].headers["authorization"] == f"Bearer {KEY}"
    notebook.check(f"os.environ['CMD_API_KEY'] = {KEY!r}")


def test_an_unset_variable_for_the_key_is_an_error(notebook):
    run = notebook.fail("%%cmd --key-env NO_SUCH_KEY\nhello", "ConfigError")
    assert "NO_SUCH_KEY" in run.error_lines[0]
    assert notebook.provider.requests == []
