"""The notebooks run from their cassettes from top to bottom, and are saved to be read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODEL = "deepseek/deepseek-v4-flash"
LARGEST_BYTES = 60_000
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


CASSETTE_MODELS = {("/chat/completions", MODEL), ("/messages", "claude-haiku-4-5-20251001")}
BY_THE_SCRIPTED_PROVIDER = {"07-rows.ipynb"}
"""For many rows; their first cell says so."""
PAPERMILL = """
import sys, papermill
for path in sys.argv[1:]:
    papermill.execute_notebook(path, None, cwd=".", progress_bar=False)
    print("ran", path)
"""


def cassette(path):
    return path.with_suffix(".cassette.jsonl")


@pytest.fixture
def cut_off(tmp_path):
    """Run Python in the folder of the notebooks without a key, cut off from the network."""
    log = tmp_path / "sockets"

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "tests" / "support" / "no_network"),
                "SOCKET_LOG": str(log),
                "CMD_CASSETTE": f"replay:{ROOT / 'notebooks'}",
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            cwd=ROOT / "notebooks",
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        lines = log.read_text("utf-8").splitlines()
        return done, lines.count("started"), [line for line in lines if line != "started"]

    return run


def test_an_attempt_to_reach_the_network_is_refused_and_noted(cut_off):
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done, processes, sockets = cut_off("-c", code)
    assert "the network is cut: socket.getaddrinfo" in done.stderr
    assert (processes, len(sockets)) == (1, 1)


@pytest.mark.kernel
def test_nbval_and_pytest_cmd_run_all_notebooks_without_key_and_network(cut_off):
    done, processes, sockets = cut_off(
        *("-m", "pytest", "-q", "--no-header", "-c", os.devnull, "-p", "no:cacheprovider"),
        *("-p", "cc_jupyter.testing.plugin", "--cmd"),
        *("-p", "nbval.plugin", "--nbval", f"--rootdir={ROOT / 'notebooks'}", *NOTEBOOKS),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    codes = [
        cell
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    ]
    tests = [cell for cell in codes if "--check" in cell.source]
    assert tests
    assert f"{len(codes) + len(tests) + len(NOTEBOOKS)} passed" in done.stdout
    assert (processes, sockets) == (1 + 2 * len(NOTEBOOKS), [])


@pytest.mark.kernel
def test_papermill_runs_all_notebooks_without_key_and_network(cut_off):
    names = [path.name for path in NOTEBOOKS]
    done, processes, sockets = cut_off("-c", PAPERMILL, *names)
    assert done.stdout.splitlines() == [f"ran {name}" for name in names], done.stderr
    assert (processes, sockets) == (1 + len(names), [])


def test_binder_opens_the_notebooks_replayed():
    shown = "import os; print(os.environ['CMD_CASSETTE'], os.environ['CMD_MODEL'])"
    start = [ROOT / ".binder" / "start", sys.executable, "-c", shown]
    done = subprocess.run(start, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"replay:{ROOT / 'notebooks'}", MODEL]


@each_notebook
def test_a_cassette_is_the_local_models_and_tells_nothing_of_a_machine(path):
    text = cassette(path).read_text("utf-8")
    assert not re.search(r"/(home|root|Users|tmp|work|var|usr|opt)/|\b[A-Z]:\\\\", text)
    lines = [json.loads(line) for line in text.splitlines()]
    by_others = {line["served_by"] for line in lines} - {"local"}
    assert len(by_others) == (path.name in BY_THE_SCRIPTED_PROVIDER), by_others
    if by_others:
        assert "the scripted provider" in nbformat.read(path, as_version=4).cells[0].source
    asked = {(line["request"]["endpoint"], line["request"]["body"]["model"]) for line in lines}
    assert asked <= CASSETTE_MODELS
    if path == NOTEBOOKS[0]:  # the first steps use both wire formats
        assert asked == CASSETTE_MODELS


@each_notebook
def test_the_saved_outputs_say_who_answered(path):
    saved = [
        output.metadata["cc_jupyter"]
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", ())
        if "cc_jupyter" in output.get("metadata", {})
    ]
    answers = [each for output in saved for each in output.get("answers", [output])]
    assert answers
    for answer in answers:
        assert answer["served_by"] == "local"
        assert answer["usage"]["output_tokens"]["origin"] == "reported"


@each_notebook
def test_an_answer_is_saved_as_at_most_three_outputs_with_plain_text(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if not cell.source.startswith("%%cmd"):
            continue
        assert 1 <= len(cell.outputs) <= 3, cell.source
        for output in cell.outputs:
            assert output.output_type == "error" or output.data["text/plain"].strip()


@each_notebook
def test_the_saved_notebook_is_small_and_tells_nothing_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST_BYTES
    assert not re.search(r"/(home|root|Users|tmp|work|var|usr|opt)/|\b[A-Z]:\\\\", text)
    notebook = nbformat.read(path, as_version=4)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
