"""The README: its tables match the program, and its session runs unchanged.

`python tests/test_readme.py` writes the tables anew.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from support.provider import KEY

from cc_jupyter.commands.registry import command_table_markdown
from cc_jupyter.config.custom_models import FIELDS, read_custom_models
from cc_jupyter.prompt.options import option_table_markdown

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_TABLES = {"options": option_table_markdown, "commands": command_table_markdown}
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def with_tables(text: str) -> str:
    for name, write in _TABLES.items():
        table = re.compile(rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        parts = table.search(text)
        assert parts is not None
        text = text.replace(parts[0], f"{parts[1]}{write()}\n{parts[2]}")
    return text


def python_blocks() -> list[str]:
    return _PYTHON.findall(README.read_text(encoding="utf-8"))


def test_the_tables_are_the_programs_own():
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "stale: run `python tests/test_readme.py`"


@pytest.mark.parametrize("block", python_blocks())
def test_every_python_block_parses(block):
    ast.parse(TransformerManager().transform_cell(block))


def test_the_session_runs_from_top_to_bottom(provider, tmp_path):
    cells = [nbformat.v4.new_code_cell(block.rstrip("\n")) for block in python_blocks()]
    path = tmp_path / "readme.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks" / "demo.py", "--headless", path],
        env={
            **os.environ,
            "CMD_BASE_URL": provider.base_url,
            "CMD_API_KEY": KEY,
            "CMD_MODEL": "deepseek/deepseek-v4-flash",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    paths = {post.path.rpartition("/v1")[2] for post in provider.posts}
    assert paths == {"/chat/completions", "/messages"}


def test_the_entry_of_a_model_is_one_and_all_its_words_are_named():
    text = README.read_text(encoding="utf-8")
    toml = re.search(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert toml is not None
    assert read_custom_models(tomllib.loads(toml[1])["models"])["my/llama"].has_price
    named = re.search(r"^An entry can have (.*?)\.", text, re.MULTILINE)
    assert named is not None
    assert re.findall(r"`(\w+)`", named[1]) == list(FIELDS)


def test_it_names_no_plan_and_no_price():
    text = README.read_text(encoding="utf-8")
    assert not re.search(r"\$(?!0 \(local\)|x\b)\d", text)
    assert "](http" not in text.partition("## What it never does")[2].partition("\n## ")[0]


def test_the_commands_it_names_are_in_the_makefile():
    commands = set(re.findall(r"(?m)(?:^|`)make ([a-z-]+)", README.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert commands
    assert commands <= targets


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
