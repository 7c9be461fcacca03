"""`make demo` without make: a notebook in the terminal, with its answers as they arrive."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.provider import KEY, error, openai_stream, wait

from cc_jupyter.client.local import model as local
from cc_jupyter.core import paths as folders

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "notebooks" / "demo.py"
FIRST_STEPS = ROOT / "notebooks" / "01-first-steps.ipynb"
# read on import, while the user's own folders are still known: each test gets others
WEIGHTS = Path(os.environ.get("CMD_JUPYTER_TEST_WEIGHTS") or local.weights_path())


@pytest.fixture
def by_provider(provider, monkeypatch):
    """Let the provider of this test answer."""
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    monkeypatch.setenv("CMD_MODEL", "deepseek/deepseek-v4-flash")
    return provider


@pytest.fixture
def notebook(tmp_path):
    def write(*sources, tags=()):
        cells = [nbformat.v4.new_markdown_cell("# A title")]
        cells += [
            nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
            for source in ("%load_ext cc_jupyter", *sources)
        ]
        path = tmp_path / "some.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


def demo(*arguments):
    return subprocess.run(
        [sys.executable, DEMO, "--headless", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_an_answer_is_on_screen_while_it_still_comes(by_provider, notebook):
    stream = openai_stream(["Hello ", "from ", "afar."])
    by_provider.play(*stream[:4], wait("rest"), *stream[4:])
    with subprocess.Popen(
        [sys.executable, DEMO, "--headless", notebook("%%cmd\nSay hello.")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        killer = threading.Timer(60, process.kill)
        killer.start()
        seen = b""
        while b"Hello from" not in seen:
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, seen.decode()
            seen += piece
        assert b"afar" not in seen
        by_provider.gate("rest").set()
        seen += process.stdout.read()
        killer.cancel()
    assert process.returncode == 0
    text = seen.decode()
    assert "# A title" in text
    assert "%%cmd\nSay hello.\n" in text
    assert "Hello from afar.\ndeepseek-v4-flash · in 9 · out 3 · " in text


def test_it_says_first_who_serves(by_provider, notebook):
    done = demo(notebook("%%cmd\nSay hello."))
    assert done.stdout.startswith("Served by: your CMD_BASE_URL, 127.0.0.1:")
    assert KEY not in done.stdout + done.stderr


def test_the_first_failing_cell_stops_it(by_provider, notebook):
    by_provider.play(error(401))
    done = demo(notebook("%%cmd\nSay hello.", "print('never')"))
    assert done.returncode == 1
    assert "AuthError: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "\nnever" not in done.stdout
    assert "failed at cell 3 of 4" in done.stderr


def test_a_cell_that_is_tagged_may_fail(by_provider, notebook):
    done = demo(notebook("%%cmd --nonsense\nSay hello.", tags=["raises-exception"]))
    assert done.returncode == 0
    assert "OptionError: " in done.stdout
    assert not by_provider.posts


def test_scripted_needs_neither_key_nor_model():
    done = demo("--scripted", FIRST_STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Served by: the scripted server of the tests. No model")
    assert "This is the scripted provider" in done.stdout


def test_it_leaves_nothing_in_the_working_directory(by_provider, notebook):
    path = notebook("%%cmd\nSay hello.")
    before = sorted(path.parent.glob("*.*"))
    assert demo(path).returncode == 0
    assert sorted(path.parent.glob("*.*")) == before


def test_replayed_needs_neither_key_nor_model_nor_server():
    done = demo("--replay", FIRST_STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Served by: 01-first-steps.cassette.jsonl: recorded answers.")
    lines = [line for line in done.stdout.splitlines() if "replayed · $0 (local on " in line]
    assert len(lines) >= 8
    assert any("claude-haiku-4-5-20251001 played by SmolLM2" in line for line in lines)


@pytest.mark.local
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights of the local model")
def test_without_a_key_the_local_model_answers_with_reported_usage(notebook):
    pytest.importorskip("xllamacpp")
    folders.make_private(folders.cache_folder())
    local.weights_path().symlink_to(WEIGHTS)
    claude = "%%cmd -m claude-haiku-4-5-20251001 --max-tokens 20\nSay bye."
    done = demo(notebook("%%cmd --max-tokens 20\nSay hello.", claude))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Served by: the local model, SmolLM2-135M-Instruct, on this machine." in done.stdout
    lines = [line for line in done.stdout.splitlines() if "$0 (local)" in line]
    assert len(lines) == 2
    assert all("out ?" not in line and "in ?" not in line for line in lines)
    assert "claude-haiku-4-5-20251001 played by SmolLM2" in lines[1]


# ── on a new machine `make demo` has what the extra `notebooks` brings, and nothing else

WITHOUT_OTHERS = """
import json, sys
from importlib.machinery import PathFinder
class Finder(PathFinder):
    absent = frozenset(json.loads({names!r}))
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in cls.absent else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def required(name: str, extras: frozenset[str], found: set[str]) -> set[str]:
    """Return the distributions that an installation brings."""
    found.add(canonicalize_name(name))
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        ):
            inner = canonicalize_name(requirement.name)
            if inner not in found or requirement.extras:
                with contextlib.suppress(metadata.PackageNotFoundError):
                    required(inner, frozenset(requirement.extras), found)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_runs_with_what_make_demo_installs(path, tmp_path, monkeypatch):
    installed = required("cc-jupyter", frozenset({"notebooks"}), set())
    absent = [
        module
        for module, owners in metadata.packages_distributions().items()
        if module.isidentifier() and not installed & set(map(canonicalize_name, owners))
    ]
    assert "hypothesis" in absent
    assert "pandas" not in absent
    script = WITHOUT_OTHERS.format(names=json.dumps(absent))
    (tmp_path / "sitecustomize.py").write_text(script, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = demo("--replay", path)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
