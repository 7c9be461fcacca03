"""README and guides: each block of code runs, parses or names something that exists."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.shellapp import InteractiveShellApp
from support.provider import KEY
from traitlets.config import Config

from cc_jupyter.commands.arguments import parse_arguments
from cc_jupyter.commands.registry import COMMANDS
from cc_jupyter.config.custom_models import FIELDS, read_custom_models
from cc_jupyter.config.policy import read_policy
from cc_jupyter.config.settings import setting_facts
from cc_jupyter.config.validators import read_hosts
from cc_jupyter.core.events import Usage
from cc_jupyter.core.messages import ToolCall, ToolResult
from cc_jupyter.core.money import Cost
from cc_jupyter.core.reply import Provenance, Reply
from cc_jupyter.core.steps import CallRecord
from cc_jupyter.experiments.checks import Checks
from cc_jupyter.prompt.options import SavedPrompt, parse_cell_line
from cc_jupyter.render.usage_line import usage_line
from cc_jupyter.tools.trace import trace_line
from tools.reference_pages import ENVIRONMENT

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
ARCHITECTURE = ROOT / "docs" / "architecture.md"
NOT_RUN = {"pip": "it would install", "pixi": "it would install", "jupyter": "it would not end"}
"""Programs whose lines only have to be right in their extras and variables, and why."""
_BLOCK = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(r"`([a-z_/]+\.py):([A-Za-z_.]+)`")
_LINK = re.compile(r"\]\(([^)#]+?)(?:#[\w-]+)?\)")
SPECS = {spec.name: spec for spec in COMMANDS}
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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


def test_every_block_has_a_language_that_a_test_reads():
    read = {"python", "text", "console", "sh", "toml", "{toctree}"}
    assert {block.language for block in BLOCKS} == read


@pytest.mark.parametrize("block", of("text"))
def test_every_line_with_a_command_or_options_is_understood(block):
    if block.page == ARCHITECTURE:
        return  # drawings
    for line in block.text.splitlines():
        words = re.split(r"\s{2,}", line)[0]  # what follows explains it
        if words.startswith("%%cmd"):
            parse_cell_line(words.removeprefix("%%cmd"), _saved)
        elif words.startswith("%cmd"):
            name, _, arguments = words.removeprefix("%cmd").strip().partition(" ")
            parse_arguments(SPECS[name or "status"], _with_values(arguments))
        else:
            assert line in {"", *_shown_lines()}


def _saved(name: str) -> SavedPrompt:
    return SavedPrompt(name, "text")


def _with_values(arguments: str) -> str:
    """Return the arguments with a value for each placeholder in capitals."""
    return re.sub(r"\b(?:NAME|TEXT|PATH|MODEL|MODE)\b", "chat.md", arguments)


def _shown_lines() -> tuple[str, ...]:
    """Return what the program says where a page shows its words."""
    answer = Reply("x" * 2312, "", "m", "stop")
    (check,) = Checks(["len(answer) < 2_000"], {}, {}).evaluate(answer, answer.text)
    result = ToolResult("c1", ("text",))
    call = CallRecord(
        ToolCall("c1", "lookup", "{}"), result, "ok", "2 items", 'lookup(city="Rome")', 0.001
    )
    reply = Reply(
        "",
        "",
        "SmolLM2-135M-Instruct",
        "stop",
        usage=Usage(87, 24, 68),
        cost=Cost(Decimal(0), "local", None),
        time_to_first_token_s=0.1,
        duration_s=0.1 + 24 / 47,
        provenance=Provenance(served_by="local"),
    )
    return f"CheckError: {check.message}", trace_line(1, call), usage_line(reply)


@pytest.mark.parametrize("block", of("console", "sh"))
def test_every_line_for_a_shell_names_what_exists(block):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in block.text.splitlines():
        for extras in re.findall(r"(?:\.|cc-jupyter)\[([\w,-]+)\]", line):
            assert set(extras.split(",")) <= set(project["optional-dependencies"])
        words = shlex.split(line.removeprefix("export "), comments=True)
        while words and "=" in words[0]:
            assert words.pop(0).partition("=")[0] in _variables()
        program = words[0].rpartition("/")[2] if words else ""
        if program == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets
        elif program == "cc-jupyter":
            _run("-m", "cc_jupyter.cli", *words[1:2], "--help")
        elif program == "pytest" and "--cmd" in words:
            _run("-m", "pytest", "-p", "no:cacheprovider", "--collect-only", *words[1:])
        elif program == "pytest":
            assert all((ROOT / word).exists() for word in words if "/" in word)
        else:
            assert program in {"", *NOT_RUN}, line


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "CMD_API_KEY": KEY},  # nothing is sent
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def _variables() -> set[str]:
    settings = {fact.variable for fact in setting_facts() if fact.variable}
    return {*settings, *re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", " ".join(ENVIRONMENT))}


@pytest.mark.parametrize(
    "block", [case for case in of("python") if case.values[0].page.name in NO_SESSION]
)
def test_the_configuration_of_another_program_names_what_exists(block):
    config = Config()
    exec(compile(block.text, block.page.name, "exec"), {"c": config})
    if "Spawner" in config:
        assert set(config.Spawner.environment) <= _variables()
    else:
        assert set(config) == {"InteractiveShellApp"}
        assert set(config.InteractiveShellApp) <= set(InteractiveShellApp.class_trait_names())
        assert config.InteractiveShellApp.extensions == ["cc_jupyter"]


@pytest.mark.parametrize("page", [page for page in PAGES if page != README], ids=lambda p: p.name)
def test_pictures_are_in_markdown_so_that_the_site_has_them(page):
    assert not re.search(r"<(?:img|picture|source)\b", page.read_text(encoding="utf-8"))


def test_every_place_that_the_architecture_names_exists():
    found = _PLACE.findall(ARCHITECTURE.read_text(encoding="utf-8"))
    assert len(found) > 10
    for path, name in found:
        module = ast.parse((ROOT / "cc_jupyter" / path).read_text(encoding="utf-8"))
        names = {
            f"{outer.name}.{inner.name}" if inner is not None else outer.name
            for outer in ast.walk(module)
            if isinstance(outer, _DEFINITIONS)
            for inner in (None, *(each for each in outer.body if isinstance(each, _DEFINITIONS)))
        }
        assert name in names, f"{path}:{name}"


def test_every_package_is_in_the_table_of_the_architecture():
    packages = {path.parent.name for path in (ROOT / "cc_jupyter").glob("*/__init__.py")}
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == packages
    assert text.splitlines()[2].startswith(f"cc_jupyter is {len(packages)} packages in one line")


@pytest.mark.parametrize("block", of("toml"))
def test_every_settings_file_can_be_read(block, tmp_path):
    table = tomllib.loads(block.text)
    if "[hosts" in block.text:
        read_hosts(table["hosts"])
    elif block.page == DEPLOYMENTS:
        path = tmp_path / "policy.toml"
        path.write_text(block.text, encoding="utf-8")
        policy = read_policy([path])
        assert len(policy.sources) + len(policy.hosts) + len(policy.models) == len(table)
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
