"""`pytest --cmd` on a notebook: live against the scripted provider, then replayed without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import nbformat
import pytest
from support.private_environment import private_environment
from support.provider import KEY, Provider, answer

pytestmark = pytest.mark.kernel

MODEL = "deepseek/deepseek-v4-flash"
CELLS = {
    "load": "%load_ext cc_jupyter",
    "topic": "topic = 'rain'",
    "tone": "%%cmd --once --check \"'H' in answer\" -> a\nSay hello about {{ topic }}",
    "grid": "%%cmd --once -n 4 --check 'len(answer) > 10' -> g\nSay something long",
    "broken": "%%cmd --once --check 'answer.nope'\nBroken",
    "false": "%%cmd --once --check \"answer == 'x'\"\nFalse",
    "later": 'reply = %cmd ask --once --check "topic not in answer" Later',
    "typo": "print(toopic)",
}
SAID = ["Hello", "short", *["long enough"] * 3, "broken", "y", "fine"]
DEAD = {"end": "import os\nos._exit(3)", "after": "%%cmd --check answer\nhi"}
IDS = ["tone", "grid", "broken", "false", "later", "cells-without-check"]


def write(folder, name, cells):
    path = folder / f"{name}.ipynb"
    written = [nbformat.v4.new_code_cell(source, id=id_) for id_, source in cells.items()]
    nbformat.write(nbformat.v4.new_notebook(cells=written), path)
    return path


def run(folder, *arguments, provider=None, **env):
    """Run pytest in a folder as someone does who has nothing else installed."""
    plugins = ("cc_jupyter.testing.plugin", "xdist.plugin", "nbval.plugin")
    served = {} if provider is None else {"CMD_BASE_URL": provider.base_url, "CMD_API_KEY": KEY}
    options = [option for each in plugins for option in ("-p", each)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull),
            *(f"--rootdir={folder}", *options, "-rA", *arguments),
        ],
        env=private_environment(folder)
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        # in CI, pytest repeats whole messages in its summary
        | {"CMD_MODEL": MODEL, "COLUMNS": "200", "CI": "", "BUILD_NUMBER": "", "PYTEST_ADDOPTS": ""}
        | served
        | env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def outcomes(text, notebook="some.ipynb"):
    """Return the outcome of each test by its id."""
    words = [line.split() for line in text.splitlines() if f" {notebook}::" in line]
    return {each[1].partition("::")[2]: each[0] for each in words}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tests")


@pytest.fixture(scope="module")
def live(folder):
    """Run the notebook live and record its answers, as one does before committing them."""
    write(folder, "some", CELLS)
    write(folder, "dead", DEAD)
    cassette = folder / "some.cassette.jsonl"
    with Provider() as provider:
        for text in SAID:
            provider.play(answer(text))
        said = run(
            folder,
            *("--cmd", "--cmd-live", "--cmd-min-pass", "0.75", "some.ipynb", "dead.ipynb"),
            provider=provider,
            CMD_CASSETTE=f"record:{cassette}",
        )
        return said, len(provider.posts), cassette.read_text("utf-8")


def test_each_cell_passes_by_its_own_checks_and_later_ones_run(live):
    said, sent, recorded = live
    assert outcomes(said) == {
        "tone": "PASSED",
        "grid": "PASSED",  # 3 of 4
        "broken": "FAILED",
        "false": "FAILED",
        "later": "PASSED",
        "cells-without-check": "FAILED",
    }
    assert sent == len(SAID) == len(recorded.splitlines())
    assert "some.ipynb::grid  3 of 4 passed (75 %, 95 % interval 30 to 95 %)" in said
    assert "cost of this run: " in said


def test_a_failure_shows_prompt_answer_check_and_values(live):
    said, _, _ = live
    lines = said.splitlines()
    assert any(line.strip("_ ") == "false: False" for line in lines)
    assert "0 of 1 passed: the check answer == 'x' is false: answer = 'y'" in lines
    assert lines.count("prompt:") == lines.count("answer (deepseek/deepseek-v4-flash):") == 2
    assert "0 of 1 passed: the check answer.nope raised AttributeError: 'str' object" in said
    assert "the cell typo: print(toopic) failed" in lines
    assert "items.py" not in said


def test_a_kernel_that_ends_fails_its_tests_and_no_others(live):
    said, _, _ = live
    assert outcomes(said, "dead.ipynb") == {"after": "FAILED", "cells-without-check": "FAILED"}
    assert "the kernel has ended" in said


def test_replayed_without_a_key_the_outcomes_are_the_same_with_xdist_junit_and_nbval(folder, live):
    report = folder / "report.xml"
    said = run(
        folder,
        *("--cmd", "--nbval-lax", "-v", "-n", "2", f"--junitxml={report}", "some.ipynb"),
        CMD_CASSETTE=f"auto:{folder / 'some.cassette.jsonl'}",
    )
    workers = re.findall(r"\[(gw\d)\].* some\.ipynb::[a-z]", said)
    assert len(workers) == len(IDS)
    assert len(set(workers)) == 1  # they share a kernel
    found = outcomes(said)
    expected = outcomes(live[0]) | {"grid": "FAILED"}  # 3 of 4 are not enough by default
    assert {name: found[name] for name in IDS} == expected
    assert found["Cell"] in {"PASSED", "FAILED"}  # nbval's own
    cases = {each.get("name"): each for each in ET.parse(report).iter("testcase")}
    assert cases.keys() >= set(IDS)
    properties = {each.get("name"): each.get("value") for each in cases["grid"].iter("property")}
    assert (properties["passed"], properties["answers"]) == ("3", "4")
    assert "3 of 4 passed" in cases["grid"].find("failure").get("message")


def test_a_changed_prompt_fails_with_what_differs_and_only_its_test_is_selected(folder, live):
    del live  # it has recorded the cassette
    changed = CELLS | {"tone": CELLS["tone"].replace("Say hello", "Say goodbye")}
    write(folder, "changed", changed)
    (folder / "changed.cassette.jsonl").write_bytes((folder / "some.cassette.jsonl").read_bytes())
    said = run(folder, "--cmd", "changed.ipynb", "-k", "tone or later")
    assert outcomes(said, "changed.ipynb") == {"tone": "FAILED", "later": "PASSED"}
    assert "CassetteError: changed.cassette.jsonl does not contain this request" in said
    assert "differs in message 1 (user)" in said
    assert "message 1 (user): Say [-hello-]{+goodbye+} about rain" in said


def test_live_tests_are_repeated_within_what_they_may_cost(folder):
    write(folder, "some", CELLS)
    with Provider() as provider:
        for text in ("Hi", "no", "Ha"):
            provider.play(answer(text))
        said = run(
            folder,
            *("--cmd", "--cmd-live", "some.ipynb::tone", "--cmd-n", "3", "--cmd-min-pass", "0.6"),
            provider=provider,
        )
        assert outcomes(said) == {"tone": "PASSED"}
        assert "some.ipynb::tone  2 of 3 passed (67 %, 95 % interval 21 to 94 %)" in said
        assert len(provider.posts) == 3
        said = run(
            folder,
            *("--cmd", "--cmd-live", "some.ipynb::tone", "--cmd-max-usd", "0.00000001"),
            provider=provider,
        )
        assert outcomes(said) == {"tone": "FAILED"}
        assert "would exceed --cmd-max-usd 0.00000001" in said
        assert len(provider.posts) == 3
