"""The options of `%%cmd` and `%cmd ask`, good and bad."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cc_jupyter.core.errors import OptionError
from cc_jupyter.core.messages import Parameters
from cc_jupyter.prompt.options import (
    OPTIONS,
    Axis,
    CellOptions,
    EachOptions,
    GridOptions,
    option_help,
    option_table_markdown,
    parse_ask_line,
    parse_cell_line,
)


def options(**given) -> CellOptions:
    return CellOptions(**given)


def parameters(**given) -> CellOptions:
    return CellOptions(parameters=Parameters(**given))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", options()),
        ("-m deepseek/deepseek-v4-flash", options(model="deepseek/deepseek-v4-flash")),
        ("--model a", options(model="a")),
        ("--model=a", options(model="a")),
        ("-m=a", options(model="a")),
        ("-s 'be brief'", options(system="be brief")),
        ('--system="be brief"', options(system="be brief")),
        ("-s ''", options(system="")),
        ('--system=""', options(system="")),
        ("-s {{ persona }}", options(system="{{ persona }}")),
        ("-s --brief", options(system="--brief")),
        ("-s '--new'", options(system="--new")),
        (r"-s C:\new", options(system=r"C:\new")),
        ("-t 0.2", parameters(temperature=0.2)),
        ("--temperature=0", parameters(temperature=0.0)),
        ("-t 2", parameters(temperature=2.0)),
        ("--top-p 1", parameters(top_p=1.0)),
        ("--max-tokens 64000", parameters(max_tokens=64_000)),
        ("--stop END --stop '# 2'", parameters(stop=("END", "# 2"))),
        ("--effort high", parameters(effort="high")),
        ("--param seed=7", parameters(extra={"seed": 7})),
        ('--param user="a b"', parameters(extra={"user": "a b"})),
        ("""--param 'user="a b"'""", parameters(extra={"user": "a b"})),
        ("""--param user='"a"'""", parameters(extra={"user": "a"})),
        ('--param=a={"b": [1, "x }"]}', parameters(extra={"a": {"b": [1, "x }"]}})),
        ("--param a=null --param b=true", parameters(extra={"a": None, "b": True})),
        ('--param a="b=c"', parameters(extra={"a": "b=c"})),
        ("--thread plan", options(thread="plan")),
        ("--thread plan --new", options(thread="plan", new=True)),
        ("--new", options(new=True)),
        ("--once", options(once=True)),
        ("--table-rows 500", options(table_rows=500)),
        ("--table-rows=all", options(table_rows="all")),
        ("-f md", options(format="md")),
        ("--format=text", options(format="text")),
        ("--raw --dry-run --quiet --zdr", options(raw=True, dry_run=True, quiet=True, zdr=True)),
        ("--key-env MY_KEY", options(key_env="MY_KEY")),
        ("--key-env CC_PRODUCTION_SERVER_API_KEY", options(key_env="CC_PRODUCTION_SERVER_API_KEY")),
        ("-h", options(help=True)),
        ("--help", options(help=True)),
        ("-> answer", options(name="answer")),
        ("->answer", options(name="answer")),
        ("-m a -> größe ", options(model="a", name="größe")),
        ("-s 'a -> b' -> x", options(system="a -> b", name="x")),
        ("-> \ufb01t", options(name="fit")),
    ],
)
def test_a_line_says_what_was_given(line, expected):
    assert parse_cell_line(line) == expected


BAD = [
    # what is missing or too much
    ("-m", ["`-m` needs a value"], "ID"),
    ("-m --new", ["`-m` needs a value"], "ID"),
    ("-m --temperature=1", ["`-m` needs a value"], "ID"),
    ("-m -> x", ["`-m` needs a value"], "ID"),
    ("-m --", ["`-m` needs a value"], "ID"),
    ("--model=", ["`--model` needs a value"], "ID"),
    ("--model ''", ["`--model` is empty"], "add a value"),
    ("--new=yes", ["`--new` takes no value", "`yes`"], "start the conversation over"),
    ("-t 1 --temperature 1", ["`--temperature` is given twice"], "keep one"),
    ("--effort low --effort high", ["`--effort` is given twice"], "as a list"),
    ("--thread a --thread b", ["`--thread` is given twice"], "keep one"),
    ("--new --new", ["`--new` is given twice"], "keep one"),
    # numbers
    ("-t hot", ["`-t`", "from 0 to 2", "`hot`"], "-t 0.7"),
    ("-t 2.1", ["`-t`", "from 0 to 2", "`2.1`"], "-t 0.7"),
    ("-t -1", ["`-t`", "from 0 to 2", "`-1`"], "-t 0.7"),
    ("-t nan", ["`-t`", "`nan`"], "-t 0.7"),
    ("-t inf", ["`-t`", "`inf`"], "-t 0.7"),
    ("--top-p 1.5", ["`--top-p`", "from 0 to 1", "`1.5`"], "--top-p 0.7"),
    ("--max-tokens 0", ["`--max-tokens`", "`0`"], "--max-tokens 1000"),
    ("--max-tokens 1.5", ["`--max-tokens`", "`1.5`"], "--max-tokens 1000"),
    ("--max-tokens " + "9" * 5000, ["`--max-tokens`", "`9999"], "--max-tokens 1000"),
    # fields of the body
    ("--param seed", ["KEY=JSON", "`seed`"], "seed=7"),
    ("--param =7", ["KEY=JSON", "`=7`"], "seed=7"),
    ("--param mode=fast", ["`mode`", "`fast`", "not JSON"], '--param mode="..."'),
    ("--param x=", ["`x`", "not JSON"], '--param x="..."'),
    ("--param x={'a':1}", ["`{'a':1}`", "not JSON"], '"..."'),
    ("--param x=NaN", ["`NaN`", "not JSON"], '"..."'),
    ("--param x=1e999", ["`1e999`", "not JSON"], '"..."'),
    ("--param x=" + "[" * 100_000 + "]" * 100_000, ["not JSON"], '"..."'),
    ('--param model="a"', ["cannot set `model`"], "-m"),
    ("--param messages=[]", ["cannot set `messages`"], "prompt"),
    ("--param stream=false", ["cannot set `stream`"], "streamed"),
    ('--param system="a"', ["cannot set `system`"], "-s"),
    ("--param temperature=1", ["cannot set `temperature`"], "--temperature"),
    ("--param top_p=1", ["cannot set `top_p`"], "--top-p"),
    ("--param max_tokens=1", ["cannot set `max_tokens`"], "--max-tokens"),
    ('--param stop="a"', ["cannot set `stop`"], "--stop"),
    ('--param reasoning_effort="low"', ["cannot set `reasoning_effort`"], "--effort"),
    ("--param n=5", ["cannot set `n`"], "-n 5 in a cell"),
    ("--param n=1", ["cannot set `n`"], "n=5 of cc_jupyter.compare"),
    ("--param best_of=3", ["cannot set `best_of`"], "-n 5 in a cell"),
    ("--param candidate_count=2", ["cannot set `candidate_count`"], "-n 5 in a cell"),
    ("--param num_completions=2", ["cannot set `num_completions`"], "-n 5 in a cell"),
    ("--param num_return_sequences=2", ["cannot set `num_return_sequences`"], "-n 5 in a cell"),
    ("--param N=5", ["cannot set `N`"], "-n 5 in a cell"),
    ("--param candidateCount=2", ["cannot set `candidateCount`"], "-n 5 in a cell"),
    ("--param n_choices=2", ["cannot set `n_choices`"], "-n 5 in a cell"),
    (
        "--param 'generation_config={\"candidate_count\":2}'",
        ["cannot set `generation_config.candidate_count`"],
        "-n 5 in a cell",
    ),
    (
        '--param \'extra_body={"options":{"n":2}}\'',
        ["cannot set `extra_body.options.n`"],
        "-n 5 in a cell",
    ),
    ("--param logprobs=true", ["cannot set `logprobs`"], "leave it out"),
    ("--param top_logprobs=5", ["cannot set `top_logprobs`"], "leave it out"),
    ("--param prompt_logprobs=5", ["cannot set `prompt_logprobs`"], "leave it out"),
    ("--param echo=true", ["cannot set `echo`"], "leave it out"),
    ('--param prompt="a"', ["cannot set `prompt`"], "text of the cell"),
    ('--param input="a"', ["cannot set `input`"], "text of the cell"),
    ('--param instructions="a"', ["cannot set `instructions`"], "-s"),
    ("--param background=true", ["cannot set `background`"], "leave it out"),
    ("--param stream_options={}", ["cannot set `stream_options`"], "always requested"),
    ('--param audio={"voice":"alloy"}', ["cannot set `audio`"], 'modalities=["text"]'),
    ('--param models=["a","b"]', ["cannot set `models`"], "-m"),
    ('--param fallbacks=["a"]', ["cannot set `fallbacks`"], "-m"),
    ("--param a=1 --param a=2", ["`a` twice"], "keep one"),
    # words
    ("-f html", ["`-f`", "`html`"], "md, text, code, json"),
    ("--once --new", ["`--once`", "`--new`"], "keep one"),
    ("--once --thread plan", ["`--once`", "`--thread plan`"], "keep one"),
    ("--key-env my-key", ["`--key-env`", "not the name"], "never the key itself"),
    # what is no option
    ("--modle a", ["`--modle` is not an option"], "did you mean --model"),
    ("--modle=a", ["`--modle` is not an option"], "did you mean --model"),
    ("-model a", ["`-model` is not an option"], "did you mean --model"),
    ("--temp 0.2", ["`--temp` is not an option"], "did you mean --temperature?"),
    ("--te", ["`--te` is not an option"], "did you mean --temperature?"),
    ("-t0.2", ["`-t0.2` is not an option"], "a blank between -t"),
    ("-i", ["`-i` needs a value"], "image"),
    ("--imag cat.png", ["`--imag` is not an option"], "--image"),
    ("hello there", ["`hello` is not an option"], "below the %%cmd line (`%cmd ask …`"),
    ("-s be brief", ["`brief` is not an option"], "quotes"),
    ("-m a -", ["`-` is not an option"], "below the %%cmd line"),
    ("-- hello", ["`--` is not an option"], "below the %%cmd line"),
    ("'-m' a", ["`'-m'` is not an option"], "below the %%cmd line"),
    # quotes and brackets
    ("-s 'be brief", ["quote", "`'be brief`"], "close it"),
    ("--param a=[1", ["bracket", "`[1`"], "close it"),
    # the arrow
    ("->", ["`->` needs the name"], "-> answer"),
    ("-> In", ["`In` after `->`", "IPython uses"], "choose another name"),
    ("-> _: int", ["`_` after `->`", "IPython uses"], "choose another name"),
    ("-> ", ["`->` needs the name"], "-> answer"),
    ("-> : int", ["`->` needs the name"], "-> answer"),
    ("-> 2x", ["`2x`", "not the name of a variable"], "-> answer"),
    ("-> class", ["`class`", "not the name of a variable"], "-> answer"),
    ("-> a.b", ["`a.b`", "not the name of a variable"], "-> answer"),
    ("-> 'a'", ["`'a'`", "not the name of a variable"], "-> answer"),
    ("-> answer -m a", ["`answer -m a`", "not the name"], "before the `->`"),
    ("-> a -> b", ["`a -> b`", "not the name"], "-> answer"),
    ("-> x: ", ["`-> x:` needs a type"], "-> x: int"),
]


@pytest.mark.parametrize(("line", "names", "hint"), BAD, ids=[case[0][:40] for case in BAD])
def test_a_wrong_line_says_which_value_and_what_to_do(line, names, hint):
    with pytest.raises(OptionError) as caught:
        parse_cell_line(line)
    message = str(caught.value)
    assert [name for name in names if name not in message] == []
    assert hint in caught.value.hint
    lines = caught.value._render_traceback_()
    assert len(lines) == 2
    assert all(len(each.splitlines()) == 1 and len(each) < 240 for each in lines)


def grid(*axes, samples=1, blind=False, **given) -> CellOptions:
    return CellOptions(grid=GridOptions(axes, samples, blind), **given)


MODELS = Axis("model", ("a", "b"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m a,b", grid(MODELS)),
        ('-m "a,b"', grid(MODELS)),
        ("--model=a,b", grid(MODELS)),
        ("-m a -m b", grid(MODELS)),
        ("-m a,b --model c", grid(Axis("model", ("a", "b", "c")))),
        ("-m a,b -> g: int", grid(MODELS, name="g", type="int")),
        ("-t 0,1", grid(Axis("temperature", (0.0, 1.0)))),
        ("-t 1,0.5,0", grid(Axis("temperature", (1.0, 0.5, 0.0)))),
        ("--top-p .5,1", grid(Axis("top_p", (0.5, 1.0)))),
        ("--max-tokens 50,2000", grid(Axis("max_tokens", (50, 2_000)))),
        ("--max-tokens [100,200]", grid(Axis("max_tokens", (100, 200)))),
        ("-m [a,b/c]", grid(Axis("model", ("a", "b/c")))),
        ("-t [0, 1]", grid(Axis("temperature", (0.0, 1.0)))),
        ("-t [1]", parameters(temperature=1.0)),
        ("--effort low,high", grid(Axis("effort", ("low", "high")))),
        ("-s 'be brief, please'", options(system="be brief, please")),
        ("-s brief -s ''", grid(Axis("system", ("brief", "")))),
        ("-s 'a, b' -s c", grid(Axis("system", ("a, b", "c")))),
        ("--stop a,b", parameters(stop=("a,b",))),
        ("-n 1", grid()),
        ("--samples 1000", grid(samples=1_000)),
        ("-n=5 -m a", grid(samples=5, model="a")),
        ("-n 3 --blind", grid(samples=3, blind=True)),
        ("--vary topic=topics", grid(Axis("topic", expression="topics"))),
        ('--vary topic=["a b", 1]', grid(Axis("topic", expression='["a b", 1]'))),
        ("--vary topic='a + b'", grid(Axis("topic", expression="a + b"))),
        ("--vary 'topic=a + b'", grid(Axis("topic", expression="a + b"))),
        ('--vary=d={"x": "a, b"}', grid(Axis("d", expression='{"x": "a, b"}'))),
        ("--vary \ufb01t=x", grid(Axis("fit", expression="x"))),
        (
            "-t 0,1 --vary b=x -m a,b --vary c=y -n 2",
            grid(
                Axis("temperature", (0.0, 1.0)),
                Axis("b", expression="x"),
                MODELS,
                Axis("c", expression="y"),
                samples=2,
            ),
        ),
        ("-m a,b -t 1 -s x", grid(MODELS, parameters=Parameters(temperature=1.0), system="x")),
        ("-m a,b --thread t --new", grid(MODELS, thread="t", new=True)),
        ("-m a,b --once --raw", grid(MODELS, once=True, raw=True)),
        ("--check len(answer)<80", options(check=("len(answer)<80",))),
        ("--check 'len(answer) < 80' --check ok", options(check=("len(answer) < 80", "ok"))),
        ('--check value["a b"] -m a', options(check=('value["a b"]',), model="a")),
        ("--check ok --fail-on-check -n 2", grid(samples=2, check=("ok",), fail_on_check=True)),
        ("--check ok -> x", options(check=("ok",), name="x")),
        ("--max-usd 0.50", options(max_usd=Decimal("0.50"))),
        ("--max-usd 0 --max-requests 60", options(max_usd=Decimal(0), max_requests=60)),
        (
            "--until-pass -m a,b --check ok",
            options(until_pass=True, model="a", models=("a", "b"), check=("ok",)),
        ),
        (
            "-m b -m a --until-pass -> x: int",
            options(until_pass=True, model="b", models=("b", "a"), name="x", type="int"),
        ),
        (
            "-m a,b --until-pass -f json",
            options(until_pass=True, model="a", models=("a", "b"), format="json"),
        ),
    ],
)
def test_lists_make_a_grid_and_checks_alone_do_not(line, expected):
    assert parse_cell_line(line) == expected
    if "->" not in line:
        assert parse_ask_line(f"{line} -- why?") == (expected, "why?")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--each df -> x", EachOptions("df")),
        ("--each df[df.n > 1] -> x", EachOptions("df[df.n > 1]")),
        ("--each 'df[df.n > 1]' --preview 20 -> x", EachOptions("df[df.n > 1]", preview=20)),
        (
            "--each=df --concurrency 4 --fresh --on-error stop --retry length --retry type -> x",
            EachOptions("df", None, 4, fresh=True, on_error="stop", retry=("length", "type")),
        ),
    ],
)
def test_a_table_has_options_of_its_own(line, expected):
    found = parse_cell_line(line)
    assert (found.each, found.name, found.grid) == (expected, "x", None)


BAD_ROWS = [
    ("--each df", ["`--each` needs a variable"], "-> labels"),
    ("--each", ["`--each` needs a value"], "TABLE"),
    ("--each df -n 2 -> x", ["one answer a row", "`-n`"], "keep one"),
    ("--each df -m a,b -> x", ["a list of `--model`"], "keep one"),
    ("--each df -m a -t 0,1 -> x", ["a list of `--temperature`"], "keep one"),
    ("--each df --vary n=[1] -> x", ["`--vary n`"], "keep one"),
    ("--each df --thread t -> x", ["`--thread`"], "keep one"),
    ("--each df --new -> x", ["`--new`"], "keep one"),
    ("--each df --allow f -> x", ["`--allow` needs functions"], "--tools"),
    ("--each df --until-pass -m a,b --check ok -> x", ["combined with"], "keep one"),
    ("--preview 3 -> x", ["`--preview` needs a table"], "--each df --preview"),
    ("--on-error stop", ["`--on-error` needs a table"], "--each df --on-error"),
    ("--each df --on-error ignore -> x", ["`--on-error` cannot be `ignore`"], "keep, raise, stop"),
    ("--each df --retry lenght -> x", ["`--retry` cannot be `lenght`"], "length"),
    ("--each df --preview 0 -> x", ["`--preview` takes a whole number"], "--preview"),
    ("--each df --each df -> x", ["`--each` is given twice"], "keep one"),
]


@pytest.mark.parametrize(
    ("line", "names", "hint"), BAD_ROWS, ids=[case[0][:40] for case in BAD_ROWS]
)
def test_a_wrong_line_of_rows_says_which_value_and_what_to_do(line, names, hint):
    test_a_wrong_line_says_which_value_and_what_to_do(line, names, hint)


BAD_GRIDS = [
    # lists
    ("-m ,", ["the list of `-m` is empty"], "-m claude-haiku-5-5,"),
    ("-t []", ["the list of `-t` is empty"], "-t 0,1"),
    ("-m ,,", ["the list of `-m` is empty"], "-m claude-haiku-5-5,"),
    ("-m a,", ["a value is missing in the list `a,` of `-m`"], "-m claude"),
    ("-m a, -t 1", ["a value is missing in the list `a,` of `-m`"], "-m claude"),
    ("-m a, -> g", ["a value is missing in the list `a,` of `-m`"], "-m claude"),
    ("-m ,a", ["a value is missing in the list `,a` of `-m`"], "-m claude"),
    ("-t 0,,1", ["a value is missing in the list `0,,1` of `-t`"], "-t 0,1"),
    ("-m a, b", ["a blank next to a comma in the list `a, b` of `-m`"], "-m claude"),
    ("-m 'a, b'", ["a blank next to a comma in the list `a, b` of `-m`"], "-m claude"),
    ("-m a ,b", ["a blank next to a comma in the list `a ,b` of `-m`"], "-m claude"),
    ("-t 0, 1", ["a blank next to a comma in the list `0, 1` of `-t`"], "-t 0,1"),
    ("-m 'a' ,b", ["a blank before the comma in `,b`"], "-m a,b"),
    ("-m a,a", ["`-m` has `a` twice"], "-n 2"),
    ("-m a -m a", ["`-m` has `a` twice"], "-n 2"),
    ("-m a,b -m b", ["`-m` has `b` twice"], "-n 2"),
    ("-s x -s x", ["`-s` has `x` twice"], "-n 2"),
    ("-t 0,0.0", ["`0` and `0.0` are the same value of `-t`"], "-n 2"),
    ("-t 1,1e0", ["`1` and `1e0` are the same value of `-t`"], "-n 2"),
    ("--max-tokens 7,07", ["`7` and `07` are the same value"], "-n 2"),
    ("--effort low,low", ["`--effort` has `low` twice"], "-n 2"),
    ("-t 0,3", ["`-t`", "from 0 to 2", "`3`"], "-t 0.7"),
    ("-t 0,1 -t 2", ["`--temperature` is given twice"], "as a list"),
    ("--max-tokens 1,500", ["`1,500` looks like a number with a thousands comma"], "[1,500] for"),
    ("--max-tokens 100,200", ["`100,200` looks like"], "write --max-tokens 100200 for the number"),
    ("--max-tokens 50,x", ["`--max-tokens`", "`x`"], "--max-tokens 1000"),
    # samples and limits
    ("-n 0", ["`-n` takes a whole number from 1 up, not `0`"], "for example -n 3"),
    ("-n -1", ["`-n`", "not `-1`"], "for example -n 3"),
    ("-n 1.5", ["`-n`", "not `1.5`"], "for example -n 3"),
    ("-n 1,500", ["`-n` takes a number without a thousands comma, not `1,500`"], "-n 1500"),
    ("-n 1,2", ["`-n`", "not `1,2`"], "for example -n 3"),
    ("-n 1 --samples 2", ["`--samples` is given twice"], "keep one"),
    ("-n3", ["`-n3` is not an option"], "a blank between -n"),
    ("--max-usd $1", ["`--max-usd`", "not `$1`"], "--max-usd 0.50"),
    ("--max-usd -1", ["`--max-usd`", "not `-1`"], "--max-usd 0.50"),
    ("--max-usd nan", ["`--max-usd`", "not `nan`"], "--max-usd 0.50"),
    ("--max-usd inf", ["`--max-usd`", "not `inf`"], "--max-usd 0.50"),
    ("--max-usd 1,500.00", ["thousands comma, not `1,500.00`"], "--max-usd 1500.00"),
    ("--max-requests 0", ["`--max-requests`", "not `0`"], "--max-requests 1000"),
    ("--max-requests 1,500", ["thousands comma, not `1,500`"], "--max-requests 1500"),
    # names of the prompt
    ("--vary topic", ["NAME=EXPRESSION, not `topic`"], "--vary topic=topics"),
    ("--vary topic = topics", ["NAME=EXPRESSION, not `topic`"], "--vary topic=topics"),
    ("--vary 2x=topics", ["NAME=EXPRESSION, not `2x=topics`"], "--vary topic=topics"),
    ("--vary for=topics", ["NAME=EXPRESSION, not `for=topics`"], "--vary topic=topics"),
    ("--vary topic=", ["the expression of `--vary` is empty"], "needs quotes"),
    ("--vary topic=)", ["`)` of `--vary` is not a Python expression"], "nothing was sent"),
    ("--vary topic=a --vary topic=b", ["`--vary topic` is given twice"], "keep one"),
    ("--vary topic=a + b", ["`+` after `--vary` `topic=a` is not an option"], "quotes"),
    ("--vary model=names", ["`--vary model` has the name of an option"], "use another name"),
    ("--vary top_p=x", ["`--vary top_p` has the name of an option"], "use another name"),
    ("--raw --vary topic=a", ["`--raw`", "`--vary topic` changes nothing"], "keep one"),
    # checks
    ("--check", ["`--check` needs a value"], "EXPR"),
    ("--check ' '", ["the expression of `--check` is empty"], "needs quotes"),
    ("--check len(answer)<", ["`len(answer)<` of `--check` is not a Python"], "quotes"),
    ("--check 'answer = 1'", ["`answer = 1` of `--check` is not a Python"], "nothing was sent"),
    ("--check len(answer) < 80", ["`<` after `--check` `len(answer)`"], "quotes"),
    ("--check not answer", ["`answer` after `--check` `not`"], "quotes"),
    ("--check ok please", ["`please` after `--check` `ok` is not an option"], "quotes"),
    ("--check ok --modle a", ["`--modle` is not an option"], "did you mean --model"),
    ("--fail-on-check", ["`--fail-on-check` needs a check"], "add --check"),
    ("--blind", ["`--blind` needs several answers"], "-n 2"),
    ("--blind -m a --check ok", ["`--blind` needs several answers"], "-n 2"),
    # one answer from several models
    ("--until-pass --check ok", ["`--until-pass` needs the models to ask"], "-m deepseek"),
    ("--until-pass -m a --check ok", ["`--until-pass` needs the models to ask"], "-m deepseek"),
    ("--until-pass -m a,b", ["something to pass: a check or a type"], "add --check"),
    ("--until-pass -m a,b -> x", ["something to pass: a check or a type"], "add --check"),
    ("--until-pass -m a,b --check ok -t 0,1", ["a list of `--temperature`"], "only -m"),
    ("--until-pass -m a,b --check ok -s x -s y", ["a list of `--system`"], "only -m"),
    ("--until-pass -m a,b --check ok -n 2", ["cannot be combined with `-n`"], "only -m"),
    ("--until-pass -m a,b --check ok --vary x=y", ["with `--vary x`"], "only -m"),
    ("--until-pass -m a,b --check ok --blind", ["`--blind` needs several answers"], "-n 2"),
]


@pytest.mark.parametrize(
    ("line", "names", "hint"), BAD_GRIDS, ids=[case[0][:40] for case in BAD_GRIDS]
)
def test_a_wrong_grid_says_which_value_and_what_to_do(line, names, hint):
    test_a_wrong_line_says_which_value_and_what_to_do(line, names, hint)


@pytest.mark.parametrize("line", ["-m a,b", "-n 2", "--vary x=y", "-m a,b --until-pass --check ok"])
def test_a_command_with_one_answer_takes_no_grid(line):
    with pytest.raises(OptionError, match="this command asks for one answer"):
        parse_ask_line(line, one_answer=True)
    assert parse_ask_line("-m a --check ok", one_answer=True)[0].model == "a"


def test_a_command_on_one_answer_binds_no_variable():
    with pytest.raises(OptionError, match="does not bind `x`") as caught:
        parse_ask_line("-> x -- in short", one_answer=True)
    assert "_cmd" in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        "--key-env user_abcdefghij0123456789",
        "--key-env sk-abcdefghij0123456789",
        "user_abcdefghij0123456789",
        "--param user_abcdefghij0123456789",
        "-t user_abcdefghij0123456789",
        "-s 'user_abcdefghij0123456789",
    ],
)
def test_a_key_on_the_line_is_refused_and_not_repeated(line):
    with pytest.raises(OptionError) as caught:
        parse_cell_line(line)
    assert "abcdefghij" not in "".join(caught.value._render_traceback_())


@pytest.mark.parametrize(
    ("line", "given_options", "prompt"),
    [
        ("", options(), ""),
        ("   ", options(), ""),
        ("hello", options(), "hello"),
        ("  hello  there ", options(), "hello  there "),
        ("-m a hello", options(model="a"), "hello"),
        ("--model=a hello", options(model="a"), "hello"),
        ("-m a  --raw   don't {x} \"q", options(model="a", raw=True), "don't {x} \"q"),
        ("-s 'be brief' (so: {", options(system="be brief"), "(so: {"),
        ('"hello there"', options(), '"hello there"'),
        ("what is a -> b?", options(), "what is a -> b?"),
        ("-> x", options(), "-> x"),
        ("-m a -> x", options(model="a"), "-> x"),
        ("-s a->b c", options(system="a->b"), "c"),
        ("-> x -- why?", options(name="x"), "why?"),
        ("-m a -> x: int -- how many?", options(model="a", name="x", type="int"), "how many?"),
        ("->x:int --  hello ", options(name="x", type="int"), " hello "),
        (
            "-> x: Literal['a -- b'] -- c -- d",
            options(name="x", type="Literal['a -- b']"),
            "c -- d",
        ),
        (
            "--check answer>3 -> x: int -- hi",
            options(check=("answer>3",), name="x", type="int"),
            "hi",
        ),
        ("-- -> x: int -- hello", options(), "-> x: int -- hello"),
        ("what -> x: int -- hello", options(), "what -> x: int -- hello"),
        ("-5 + 3 is?", options(), "-5 + 3 is?"),
        ("- one - two", options(), "- one - two"),
        ("--- a", options(), "--- a"),
        ("why -m b and --new?", options(), "why -m b and --new?"),
        ("-- -m a", options(), "-m a"),
        ("--   hello ", options(), "  hello "),
        ("-m a --\thello -- there", options(model="a"), "hello -- there"),
        ("--", options(), ""),
        ("-m a --", options(model="a"), ""),
        ("-h", options(help=True), ""),
    ],
)
def test_ask_takes_options_first_and_the_rest_as_the_prompt(line, given_options, prompt):
    assert parse_ask_line(line) == (given_options, prompt)


@pytest.mark.parametrize(
    ("line", "names", "hint"),
    [
        ("--modle a hello", "`--modle` is not an option", "did you mean --model"),
        ("-don't do it", "`-don't` is not an option", "after `--`"),
        ("-m -- hello", "`-m` needs a value", "ID"),
        ("-m a, b hello", "a blank next to a comma in the list `a, b` of `-m`", "-m claude"),
        ("-m a -m a hello", "`-m` has `a` twice", "-n 2"),
        ("--check len(answer) < 80 why?", "`<` after `--check` `len(answer)`", "quotes"),
        ("--check answer in (1,) why?", "`in` after `--check` `answer`", "quotes"),
        ("-n 2 --blind --vary x hello", "NAME=EXPRESSION, not `x`", "topic=topics"),
        ("-t warm hello", "`warm`", "-t 0.7"),
        ("-s 'hello", "quote", "close it"),
        ("--once -> x: int how many?", "no prompt follows `-> x: int how many?`", "-> x: int --"),
        ("-> 2x -- hello", "`2x` after `->` is not the name", "one name"),
        ("-> -- hello", "`->` needs the name of a variable", "-> answer"),
        ("-> x: -- hello", "`-> x:` needs a type", "-> x: int"),
        ("-> In -- hello", "`In` after `->` is a name that IPython uses", "another name"),
        ("--temp 0.2 hello", "`--temp` is not an option", "did you mean --temperature?"),
    ],
)
def test_ask_refuses_wrong_options_too(line, names, hint):
    with pytest.raises(OptionError) as caught:
        parse_ask_line(line)
    assert names in str(caught.value)
    assert hint in caught.value.hint


AWKWARD = 'it\'s "{x}" $y %z \\{{ a }} -> b -m c\t\u2028\N{PILE OF POO} '


@given(st.text())
@example(AWKWARD)
def test_what_stands_behind_two_dashes_is_the_prompt_to_the_letter(prompt):
    assert parse_ask_line(f"-m a -- {prompt}") == (CellOptions(model="a"), prompt)


@given(st.text().filter(lambda text: text[:1] != "-" and text == text.lstrip()))
@example(AWKWARD)
def test_a_prompt_on_the_line_is_kept_to_the_letter(prompt):
    assert parse_ask_line(f"-t 1 --raw {prompt}")[1] == prompt


def test_a_prompt_of_ten_megabytes_on_the_line_is_kept():
    prompt = "don't (" * 1_500_000
    assert parse_ask_line(f"-m a {prompt}")[1] == prompt


def test_the_help_and_the_table_name_every_option():
    text, table = option_help(), option_table_markdown()
    for spec in OPTIONS:
        assert all(name in text and f"`{name}" in table for name in spec.names)
        assert spec.help in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_every_row_of_the_table_has_two_cells():
    for line in option_table_markdown().splitlines():
        assert line.replace(r"\|", "").count("|") == 3


def test_every_option_has_its_place_in_the_result():
    known = {
        *CellOptions._fields,
        *Parameters.__dataclass_fields__,
        *GridOptions._fields,
        *EachOptions._fields,
        *("param", "vary"),
    }
    assert {spec.field for spec in OPTIONS} <= known


@pytest.mark.parametrize("value", ["0", "-1", "ALL", "many", "1.5"])
def test_a_number_of_rows_that_is_none_is_named(value):
    with pytest.raises(OptionError) as caught:
        parse_cell_line(f"--table-rows {value}")
    assert str(caught.value) == (
        f"`--table-rows` takes a whole number from 1 up, or all, not `{value}`"
    )
    assert caught.value.hint == "for example --table-rows 500"
