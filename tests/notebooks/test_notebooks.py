"""The notebooks run with the scripted server from top to bottom, and are saved to be read."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from support.provider import KEY, Provider

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODEL = "deepseek/deepseek-v4-flash"
LARGEST_BYTES = 60_000
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


@functools.cache
def nbval(path):
    """Run a notebook under nbval; give its output and the requests it sent.

    Outputs are compared where no tag says that they vary.
    """
    # a process of its own: its kernels must inherit this provider and nothing of ours
    command = [sys.executable, "-m", "pytest", "--nbval", "--no-header", "-q", "-c", os.devnull]
    with Provider() as provider:
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", f"--rootdir={path.parent}", str(path)],
            env={
                **os.environ,
                "CMD_BASE_URL": provider.base_url,
                "CMD_API_KEY": KEY,
                "CMD_MODEL": MODEL,
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done, provider.posts


@pytest.mark.kernel
@each_notebook
def test_every_cell_runs_against_the_scripted_server(path):
    done, _ = nbval(path)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert f"{len(cells)} passed" in done.stdout


@pytest.mark.kernel
def test_the_first_steps_use_both_wire_formats_and_the_chosen_model():
    _, posts = nbval(NOTEBOOKS[0])
    asked = {(post.path.rpartition("/v1")[2], post.json["model"]) for post in posts}
    assert asked == {
        ("/chat/completions", MODEL),
        ("/messages", "claude-haiku-4-5-20251001"),
    }


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
