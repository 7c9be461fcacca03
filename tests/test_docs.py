"""README and guides: each block of code runs, parses or names something that exists."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from support.provider import KEY

from cc_jupyter.commands.arguments import parse_arguments
from cc_jupyter.commands.registry import COMMANDS
from cc_jupyter.config.custom_models import FIELDS, read_custom_models
from cc_jupyter.config.policy import read_policy
from cc_jupyter.config.validators import read_hosts
from cc_jupyter.prompt.options import SavedPrompt, parse_cell_line

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MODELS = ROOT / "docs" / "guides" / "models.md"
DEPLOYMENTS = ROOT / "docs" / "deployments.md"
PAGES = (
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted(each for each in (ROOT / "docs").glob("*.md") if each.name != "changelog.md"),
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
)
NO_SESSION = {"deployments.md"}
"""Pages whose Python is the configuration of another program."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#]+?)(?:#[\w-]+)?\)")
SPECS = {spec.name: spec for spec in COMMANDS}


class Block(NamedTuple):
    page: Path
    language: str
    text: str


BLOCKS = [
    Block(page, language, text)
    for page in PAGES
    for language, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
]


def of(*languages: str) -> list:
    return [
        pytest.param(block, id=f"{block.page.name}:{block.text.splitlines()[0][:40]}")
        for block in BLOCKS
        if block.language in languages
    ]


def session_of(page: Path) -> list[str]:
    return [each.text for each in BLOCKS if each.page == page and each.language == "python"]


@pytest.mark.parametrize("block", of("python"))
def test_every_python_block_parses(block):
    ast.parse(TransformerManager().transform_cell(block.text))


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if session_of(page) and page.name not in NO_SESSION],
    ids=lambda page: page.name,
)
def test_the_session_of_a_page_runs_from_top_to_bottom(page, provider, tmp_path):
    cells = [nbformat.v4.new_code_cell(block.rstrip("\n")) for block in session_of(page)]
    path = tmp_path / "page.ipynb"
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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if page == README:
        paths = {post.path.rpartition("/v1")[2] for post in provider.posts}
        assert paths == {"/chat/completions", "/messages"}


@pytest.mark.parametrize("block", of("text"))
def test_every_line_with_a_command_or_options_is_understood(block):
    for line in block.text.splitlines():
        words = re.split(r"\s{2,}", line)[0]  # what follows explains it
        if words.startswith("%%cmd"):
            parse_cell_line(words.removeprefix("%%cmd"), _saved)
        elif words.startswith("%cmd"):
            name, _, arguments = words.removeprefix("%cmd").strip().partition(" ")
            parse_arguments(SPECS[name or "status"], _with_values(arguments))


def _saved(name: str) -> SavedPrompt:
    return SavedPrompt(name, "text")


def _with_values(arguments: str) -> str:
    """Return the arguments with a value for each placeholder in capitals."""
    return re.sub(r"\b(?:NAME|TEXT|PATH|MODEL|MODE)\b", "chat.md", arguments)


@pytest.mark.parametrize("block", of("console", "sh"))
def test_every_line_for_a_shell_names_what_exists(block):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets
        for extras in re.findall(r"(?:\.|cc-jupyter)\[([\w,-]+)\]", line):
            assert set(extras.split(",")) <= set(project["optional-dependencies"])
        if words[:1] == ["cc-jupyter"]:
            shown = subprocess.run(
                [sys.executable, "-m", "cc_jupyter.cli", *words[1:2], "--help"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("block", of("toml"))
def test_every_settings_file_can_be_read(block, tmp_path):
    table = tomllib.loads(block.text)
    if "[hosts" in block.text:
        read_hosts(table["hosts"])
    elif block.page == DEPLOYMENTS:
        path = tmp_path / "policy.toml"
        path.write_text(block.text, encoding="utf-8")
        assert len(read_policy([path]).sources) == len(table)
    else:
        assert read_custom_models(table["models"])["my/llama"].has_price


def test_all_words_of_the_entry_of_a_model_are_named():
    named = re.search(r"^An entry can have (.*?)\.", MODELS.read_text("utf-8"), re.MULTILINE)
    assert named is not None
    assert re.findall(r"`(\w+)`", named[1]) == list(FIELDS)


def test_it_names_no_plan_and_no_price():
    text = README.read_text(encoding="utf-8")
    assert not re.search(r"\$(?!0 \(local\)|x\b)\d", text)


def test_the_commands_in_the_text_are_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?m)(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
