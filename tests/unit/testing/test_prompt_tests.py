"""Prompt tests without a kernel: options, cells that are tests, verdicts."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.provider import KEY

from cc_jupyter.config.validators import CassetteChoice
from cc_jupyter.core.errors import OptionError
from cc_jupyter.session.tapes import Tapes
from cc_jupyter.testing import plugin
from cc_jupyter.testing.items import NotebookFile, PromptTests
from cc_jupyter.testing.notebook import read_cells
from cc_jupyter.testing.results import CellRun, CheckedAnswer, CheckOutcome, Verdict

ROOT = Path(__file__).parents[3]


def config(**given):
    names = ("cmd", "cmd_live", "cmd_n", "cmd_min_pass", "cmd_max_usd")
    options = dict.fromkeys(names) | given
    registered = []
    manager = SimpleNamespace(register=lambda each, name: registered.append(each))
    return SimpleNamespace(getoption=options.get, pluginmanager=manager, registered=registered)


def test_without_the_flag_the_plugin_imports_only_pytest():
    code = (
        "import pytest, sys; before = set(sys.modules)\n"
        "import cc_jupyter.testing.plugin as plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = ["cc_jupyter", "cc_jupyter.testing", "cc_jupyter.testing.plugin"]
    assert done.stdout.strip() == str(ours)
    quiet = config()
    plugin.pytest_configure(quiet)
    assert not quiet.registered


def test_pytest_finds_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"cc_jupyter": plugin.__name__}
    assert any(each.startswith("pytest") for each in project["optional-dependencies"]["pytest"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cmd_live": True}, "--cmd-live needs --cmd: pytest --cmd NOTEBOOK --cmd-live"),
        ({"cmd_n": "3"}, "--cmd-n needs --cmd"),
        ({"cmd": True, "cmd_live": True, "cmd_n": "0"}, "a whole number from 1 on, not '0'"),
        ({"cmd": True, "cmd_live": True, "cmd_n": "many"}, "not 'many'"),
        ({"cmd": True, "cmd_n": "3"}, "--cmd-n repeats live answers"),
        ({"cmd": True, "cmd_min_pass": "80"}, "a share from 0 to 1, not '80'"),
        ({"cmd": True, "cmd_min_pass": "nan"}, "a share from 0 to 1, not 'nan'"),
        ({"cmd": True, "cmd_max_usd": "1"}, "replayed ones cost nothing"),
        ({"cmd": True, "cmd_live": True, "cmd_max_usd": "0"}, "an amount above 0, not '0'"),
        ({"cmd": True, "cmd_live": True, "cmd_max_usd": "1 $"}, "not '1 $'"),
        ({"cmd": True, "cmd_live": True}, "--cmd-live needs a key, and there is none"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line_before_anything_starts(given, said):
    with pytest.raises(pytest.UsageError) as caught:
        plugin.pytest_configure(config(**given))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_process_may_spend_its_share(monkeypatch):
    monkeypatch.setenv("CMD_API_KEY", KEY)
    given = config(cmd=True, cmd_live=True, cmd_n="2", cmd_min_pass="0.8", cmd_max_usd="0.50")
    given.workerinput = {"workercount": 2}
    options = PromptTests(given).options
    assert (options.times, options.min_pass, str(options.max_usd)) == (2, 0.8, "0.25")


@pytest.mark.parametrize(
    ("source", "is_test"),
    [
        ("%%cmd --check \"'a' in answer\"\nhi", True),
        ("\n%%cmd -n 2 --once --check=answer -> a\nhi", True),
        ("%%cmd\nwhat does --check do?", False),
        ('%%cmd -s "never say --check"\nhi', False),
        ("%%cmd --check\nhi", True),
        ("%%cmd --nonsense --check answer\nhi", True),
        ("a = %cmd ask --check answer hi", True),
        ("for x in y:\n    %cmd ask --once \\\n --check answer hi", True),
        ("%cmd ask why --check is good", False),
        ("# %cmd ask --check answer hi", False),
        ("print('--check')", False),
    ],
)
def test_a_cell_with_a_check_among_its_options_is_a_test(tmp_path, source, is_test):
    path = tmp_path / "a.ipynb"
    cell = {"cell_type": "code", "source": source.splitlines(keepends=True), "metadata": {}}
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown"}, cell]}))
    (read,) = read_cells(path)
    assert (read.is_test, read.id) == (is_test, "cell-2")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"worksheets": []}', '{"cells": [3]}'])
def test_a_file_that_is_no_notebook_is_one_line(tmp_path, text):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"a\.ipynb is not a notebook of format 4"):
        read_cells(path)


def checked(passed, message="", error="", hint=""):
    checks = [] if passed == "none" else [CheckOutcome("c", passed, message, hint)]
    return CheckedAnswer("m", "the prompt", "the answer", error, checks)


TRUE, FALSE = checked(passed=True), checked(passed=False, message="the check c is false: x = 1")
BROKEN = checked(passed=None, message="the check c raised KeyError: 'k'", hint="try it")
REFUSED = checked("none", error="RateLimitError: busy")


def single(*answers, error=""):
    return CellRun(error.partition(":")[0], error, answers=list(answers))


def missed(difference):
    error = "CassetteError: not recorded"
    return CellRun(error.partition(":")[0], error, difference=difference)


def grid(*answers, error=""):
    return CellRun(error.partition(":")[0], error, answers=list(answers), is_grid=True)


@pytest.mark.parametrize(
    ("runs", "min_pass", "is_passed", "rate"),
    [
        ([single(TRUE)], 1, True, "1 of 1 passed"),
        ([single(FALSE, error="CheckError: no")], 1, False, "0 of 1 passed"),
        ([single()], 1, False, "0 of 1 passed"),
        # until a model passes: the earlier ones are no failure
        ([single(FALSE, TRUE)], 1, True, "1 of 1 passed"),
        ([single(TRUE)] * 4 + [single(FALSE, error="CheckError: no")], 0.8, True, "4 of 5 passed"),
        ([single(TRUE)] * 3 + [single(FALSE, error="CheckError: no")], 0.8, False, "3 of 4 passed"),
        ([grid(TRUE, FALSE)], 0.5, True, "1 of 2 passed"),
        ([grid(TRUE, REFUSED, error="GridError: 1 of 2")], 0.5, True, "1 of 2 passed"),
        ([grid(TRUE, REFUSED, error="GridError: 1 of 2")], 1, False, "1 of 2 passed"),
        ([grid(TRUE, TRUE), grid(TRUE, FALSE)], 0.75, True, "3 of 4 passed"),
        # an error in the check is never a matter of the rate
        ([grid(TRUE, BROKEN)], 0.1, False, "1 of 2 passed"),
        ([single(TRUE), single(BROKEN, error="BrokenCheckError: no")], 0, False, "1 of 2 passed"),
        ([grid(TRUE, TRUE, error="NameError: x")], 1, False, "2 of 2 passed"),
    ],
)
def test_a_verdict_compares_the_rate_and_accepts_no_broken_check(runs, min_pass, is_passed, rate):
    verdict = Verdict(runs, min_pass)
    assert verdict.is_passed is is_passed
    assert verdict.rate.startswith(rate)
    assert ("95 % interval" in verdict.rate) is (verdict.count > 1)


@pytest.mark.parametrize(
    ("run", "first_line", "others"),
    [
        (
            single(FALSE, error="CheckError: the check c is false"),
            "0 of 1 passed: the check c is false: x = 1",
            ["prompt:", "    the prompt", "answer (m):", "    the answer"],
        ),
        (
            single(BROKEN, error="BrokenCheckError: the check c raised"),
            "0 of 1 passed: the check c raised KeyError: 'k'",
            ["try it"],
        ),
        (
            single(error="CassetteError: not recorded\nHint: %cmd cassette diff"),
            "0 of 1 passed: CassetteError: not recorded",
            ["Hint: %cmd cassette diff"],
        ),
        (
            missed("message 1 (user): Say [-hello-]{+goodbye+}"),
            "0 of 1 passed: CassetteError: not recorded",
            ["    message 1 (user): Say [-hello-]{+goodbye+}"],
        ),
        (
            single(),
            "0 of 1 passed: no check was evaluated: the cell asked nothing",
            [],
        ),
    ],
)
def test_a_failure_says_the_reason_first_then_prompt_answer_and_check(run, first_line, others):
    lines = Verdict([run], 1).explanation().splitlines()
    assert lines[0] == first_line
    assert [each for each in others if each not in lines] == []
    assert sum("CheckError" in line for line in lines) == 0


@pytest.mark.parametrize(
    ("is_live", "mode", "decided"),
    [
        (None, "auto", "auto"),
        (None, None, None),
        (False, None, "replay"),
        (False, "off", "replay"),
        (False, "auto", "replay"),
        (False, "record", "replay"),
        (True, None, None),
        (True, "replay", None),
        (True, "auto", None),
        (True, "record", "record"),
    ],
)
def test_a_run_of_tests_decides_whether_anything_is_sent(is_live, mode, decided):
    tapes = Tapes()
    tapes.is_live = is_live
    choice = None if mode is None else CassetteChoice(mode, "a.cassette.jsonl")
    found = tapes.decide(choice)
    assert (found.mode if found else None) == decided
    assert found is None or choice is None or found.path == choice.path


@pytest.mark.parametrize("missing", ["jupyter_client", "ipykernel"])
def test_without_what_starts_a_kernel_one_line_names_the_extra(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(pytest.UsageError) as caught:
        NotebookFile._start(SimpleNamespace())
    assert str(caught.value) == (
        f"--cmd needs a kernel, and {missing} is not installed: pip install 'cc-jupyter[pytest]'"
    )
