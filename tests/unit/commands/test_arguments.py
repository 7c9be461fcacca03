"""The arguments of a `%cmd` line: one parser, and functions that take what it returns."""

from __future__ import annotations

import html
import inspect
from decimal import Decimal

import pytest

from cc_jupyter.commands.arguments import parse_arguments
from cc_jupyter.commands.cassette import CassetteCommand
from cc_jupyter.commands.code import CodeCommands
from cc_jupyter.commands.history import HistoryCommands
from cc_jupyter.commands.local import local
from cc_jupyter.commands.login import LoginCommands
from cc_jupyter.commands.models import ModelCommands
from cc_jupyter.commands.prompts import PromptCommands
from cc_jupyter.commands.registry import (
    BY_NAME,
    COMMANDS,
    GROUPS,
    Commands,
    help_page,
    help_text,
)
from cc_jupyter.commands.threads import ThreadCommands
from cc_jupyter.commands.usage import UsageCommands
from cc_jupyter.commands.votes import VoteCommands
from cc_jupyter.core.errors import OptionError
from cc_jupyter.frontend.picker.command import PickCommand
from cc_jupyter.frontend.vote.command import VoteCommand
from cc_jupyter.magics.cell_runner import CellRunner
from cc_jupyter.magics.grid_cells import GridCells

ELSEWHERE = {
    "ask": lambda line="": line,  # the cell runner needs the caller's variables, too
    "status": lambda: None,
    "help": lambda topic="": topic,
    "local": local,
    "continue": CellRunner._continue,
    "retry": GridCells.retry,
    "save": PromptCommands.save,
}
CLASSES = (
    *(CodeCommands, HistoryCommands, LoginCommands, ModelCommands, PickCommand),
    *(CassetteCommand, PromptCommands, ThreadCommands, UsageCommands, VoteCommand, VoteCommands),
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("status", {}),
        ("models", {}),
        ("models ;", {}),
        ("models free ;", {"words": ("free",)}),
        ("models free  # no money", {"words": ("free",)}),
        ("models # free; cheap", {}),
        ("models free; # and a comment", {"words": ("free",)}),
        ("thread c#", {"name": "c#"}),
        ("search the # key;", {"text": "the # key;"}),
        ("models free >=200k", {"words": ("free", ">=200k")}),
        ("models --sort price kimi", {"words": ("kimi",), "sort": "price"}),
        ("models --sort=window --refresh", {"sort": "window", "refresh": True}),
        ("use kimi", {"model": "kimi"}),
        ("save tone", {"name": "tone"}),
        (
            "save tone 3.2 --no-examples --project --overwrite",
            {
                "name": "tone",
                "turn": "3.2",
                **dict.fromkeys(("no_examples", "project", "overwrite"), True),
            },
        ),
        ("prompts", {}),
        ("prompts --remove ./tone", {"remove": "./tone"}),
        ("use kimi --save", {"model": "kimi", "save": "user"}),
        ("use --save kimi", {"model": "kimi", "save": "user"}),
        ("use kimi --save project", {"model": "kimi", "save": "project"}),
        ("use kimi --save=project", {"model": "kimi", "save": "project"}),
        ("alias", {}),
        ("alias fast kimi", {"name": "fast", "model": "kimi"}),
        ("alias --remove fast", {"name": "fast", "remove": True}),
        ("local", {}),
        ("local start", {"action": "start"}),
        ("thread my-essay", {"name": "my-essay"}),
        ("history --full", {"full": True}),
        ("rewind", {}),
        ("rewind 2", {"turns": 2}),
        ("versions --use 1", {"use": 1}),
        ("versions 3 --use 1", {"turn": 3, "use": 1}),
        ("diff 3.1 3.2", {"first": "3.1", "second": "3.2"}),
        ("vote", {}),
        ("vote g --pairs", {"name": "g", "pairs": True}),
        ("votes --export pairs.jsonl", {"export": "pairs.jsonl"}),
        ("reveal g", {"name": "g"}),
        ("search two  words --with 'a dash'", {"text": "two  words --with 'a dash'"}),
        ("export my notes.md", {"path": "my notes.md"}),
        ("export 'my notes.md' --overwrite", {"path": "my notes.md", "overwrite": True}),
        ("export a=b.md", {"path": "a=b.md"}),
        ("forget everything", {"what": "everything"}),
        ("forget turn 3", {"what": "turn", "name": "3"}),
        ("forget rows", {"what": "rows"}),
        ("forget rows labels", {"what": "rows", "name": "labels"}),
        ("usage --by day --since all --plot", {"by": "day", "since": "all", "plot": True}),
        ("usage --by day --by cell", {"by": "cell"}),
        ("budget off", {"amount": "off"}),
        ("budget 0.50", {"amount": Decimal("0.50")}),
        ("budget $2", {"amount": Decimal(2)}),
        ("budget 0.1 --per day", {"amount": Decimal("0.1"), "per": "day"}),
        ("budget 1e-3 --per notebook", {"amount": Decimal("0.001"), "per": "notebook"}),
        ("receipt --since week --notebook", {"since": "week", "notebook": True}),
        ("sent 3 --as curl", {"turn": "3", "as_": "curl"}),
        ("help -m", {"topic": "-m"}),
        ("explain -m kimi  why? ", {"line": "-m kimi  why? "}),
    ],
)
def test_a_good_line(line, expected):
    name, _, rest = line.partition(" ")
    assert parse_arguments(BY_NAME[name], rest) == expected


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("status x", "%cmd status takes no arguments, not 'x'", "for example: %cmd status"),
        ("status --full", "%cmd status has no option --full", "it has no options"),
        ("use", "%cmd use needs a model", "for example: %cmd use local"),
        ("use --save", "%cmd use needs a model", "for example: %cmd use local"),
        ("use a b", "%cmd use takes MODEL [--save [project]], not 'a b'", "%cmd use local"),
        ("use a --save projct", "%cmd use takes MODEL [--save [project]], not 'a --save", ""),
        ("use --sve a", "%cmd use has no option --sve", "did you mean --save?"),
        ("use --xyz a", "%cmd use has no option --xyz", "its options: --save"),
        ("use --save=x a", "%cmd use --save takes project, not 'x'", "%cmd use local"),
        (
            "models --sort",
            "%cmd models --sort needs a value: name, price or window",
            "--sort price",
        ),
        ("models --sort prise", "--sort takes name, price or window, not 'prise'", "price?"),
        ("models --refresh=no", "%cmd models --refresh takes no value", ""),
        ("alias -m kimi", "%cmd alias has no option -m", "its options: --remove"),
        (
            "local strat",
            "%cmd local takes setup, start, stop or status, not 'strat'",
            "did you mean start",
        ),
        ("new a b", "%cmd new takes [NAME], not 'a b'", "for example: %cmd new essay"),
        ("fork", "%cmd fork needs a name", "for example: %cmd fork bolder"),
        ("rewind x", "%cmd rewind takes a number from 1, not 'x'", "%cmd rewind 2"),
        ("rewind 0", "%cmd rewind takes a number from 1, not '0'", "%cmd rewind 2"),
        ("rewind -1", "%cmd rewind takes a number from 1, not '-1'", "%cmd rewind 2"),
        ("versions --use", "%cmd versions --use needs a value: a number from 1", "%cmd versions 3"),
        ("vote g h", "%cmd vote takes [NAME] [--pairs], not 'g h'", "%cmd vote g --pairs"),
        ("votes g", "%cmd votes takes [--export FILE.jsonl], not 'g'", "preferences.jsonl"),
        ("votes --export", "%cmd votes --export needs a value", "preferences.jsonl"),
        ("search", "%cmd search needs a text", "%cmd search glaciers"),
        ("export", "%cmd export needs a path", "%cmd export notes.md"),
        ("export ''", "%cmd export needs a path", "%cmd export notes.md"),
        ("export a.md --overwite", "no option --overwite", "did you mean --overwrite?"),
        (
            "forget trun 3",
            "takes turn, thread, rows or everything, not 'trun'",
            "did you mean turn",
        ),
        ("usage --by moon", "takes model, thread, notebook, day or cell, not 'moon'", ""),
        ("usage --plt", "%cmd usage has no option --plt", "did you mean --plot?"),
        ("budget much", "takes an amount in US dollars or off, not 'much'", "0.50 --per day"),
        ("budget -1", "takes an amount in US dollars or off, not '-1'", "0.50 --per day"),
        ("budget nan", "takes an amount in US dollars or off, not 'nan'", "0.50 --per day"),
        ("budget inf", "takes an amount in US dollars or off, not 'inf'", "0.50 --per day"),
        ("budget 1,5", "takes an amount in US dollars or off, not '1,5'", "0.50 --per day"),
        ("budget 1 2", "%cmd budget takes [AMOUNT|off] [--per PERIOD], not '1 2'", ""),
        ("budget 1 --per week", "--per takes session, day or notebook, not 'week'", ""),
        ("budget 1 --per", "--per needs a value: session, day or notebook", ""),
        ("budget 1 per day", "%cmd budget takes [AMOUNT|off] [--per PERIOD], not '1 per day'", ""),
        ("sent --as cli", "%cmd sent --as takes json, curl or python, not 'cli'", ""),
        ("insert 1 2", "%cmd insert takes [N], not '1 2'", "%cmd insert 2"),
    ],
)
def test_a_bad_line_names_the_value_and_what_to_write(line, message, hint):
    name, _, rest = line.partition(" ")
    with pytest.raises(OptionError) as caught:
        parse_arguments(BY_NAME[name], rest)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["login", "logout", "doctor"])
def test_a_key_that_was_typed_on_the_line_is_not_repeated(name):
    with pytest.raises(OptionError) as caught:
        parse_arguments(BY_NAME[name], "--key odd-letters")
    assert "odd-letters" not in f"{caught.value}{caught.value.hint}"
    assert "create a new one" in (caught.value.hint or "")


def test_the_doctor_takes_its_option_but_no_key_after_it():
    doctor = BY_NAME["doctor"]
    assert parse_arguments(doctor, "") == {}
    assert parse_arguments(doctor, "--check") == {"check": True}
    with pytest.raises(OptionError, match="%cmd doctor takes only --check on its line") as caught:
        parse_arguments(doctor, "--check odd-letters")
    assert "odd-letters" not in f"{caught.value}{caught.value.hint}"


def test_a_key_in_an_error_is_masked():
    with pytest.raises(OptionError) as caught:
        parse_arguments(BY_NAME["use"], "kimi user_0123456789abcdef")
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_a_command_is_a_function_with_the_declared_arguments(spec):
    function = ELSEWHERE.get(spec.name)
    if function is None:
        (owner,) = [each for each in CLASSES if spec.name in vars(each)]
        function = getattr(owner, spec.name)
    parameters = inspect.signature(function).parameters
    assert {each.parameter for each in spec.arguments} <= set(parameters)
    for argument in spec.arguments:
        is_optional = parameters[argument.parameter].default is not inspect.Parameter.empty
        assert is_optional or argument.required, argument.name
    others = set(parameters) - {each.parameter for each in spec.arguments} - {"self"}
    assert all(parameters[name].default is not inspect.Parameter.empty for name in others)


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)
def test_each_command_has_an_example_that_is_a_good_line(spec):
    line = spec.example.removeprefix(f"%cmd {spec.name}").strip()
    assert bool(parse_arguments(spec, line)) is bool(spec.arguments)
    assert spec.example in help_text(spec.name)
    assert html.escape(spec.example) in help_page()._repr_html_()


def test_the_help_lists_each_command_once_in_its_group():
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(BY_NAME)
    lines = help_text().splitlines()
    assert lines.index("Models") < next(
        at for at, line in enumerate(lines) if line.startswith("%cmd use")
    )


def test_the_function_gets_the_arguments_of_the_line():
    commands = Commands({"use": lambda **arguments: arguments, "status": lambda: "the status"})
    assert commands.run("use", "kimi --save") == {"model": "kimi", "save": "user"}
    assert commands.run("", "") == "the status"
    with pytest.raises(OptionError, match="unknown command 'usse'"):
        commands.run("usse", "kimi")
