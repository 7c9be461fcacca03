"""The reference of the site: each page is made from what the program itself uses."""

from __future__ import annotations

import re

import pytest

import cc_jupyter
from cc_jupyter.commands.registry import COMMANDS
from cc_jupyter.config.settings import setting_facts
from tools.reference_pages import ENVIRONMENT, PACKAGE, SCHEMAS, write_reference


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "reference"
    write_reference(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def headings(text: str, level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)


def test_every_setting_has_its_meaning_its_default_and_the_files_that_may_set_it(pages):
    rows = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (.*?) \| .*? \| (.+?) \|$", pages["settings"], re.MULTILINE
    )
    assert [name for name, *_ in rows] == [fact.name for fact in setting_facts()]
    by_name = {name: (default, files) for name, _, default, files in rows}
    assert by_name["table_rows"] == ("`100`", "both")
    assert by_name["idle_timeout_s"] == ("`300`", "both")
    assert by_name["history"] == ("on", "both; a project's only stricter")
    assert by_name["allow_http"] == ("off", "none")
    assert by_name["hosts"] == ("", "`config.toml`")


def test_every_command_and_name_has_a_part(pages):
    assert headings(pages["commands"], 2) == [spec.name for spec in COMMANDS]
    classes_and_functions = [name for name in cc_jupyter.__all__ if name[0] != "_"]
    assert set(headings(pages["python"], 3)) == set(classes_and_functions)


def test_every_schema_of_the_package_is_shown(pages):
    assert set(SCHEMAS.values()) == {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*_schema.json")
    }
    assert headings(pages["files"], 2) == list(SCHEMAS)


def test_every_variable_that_the_program_reads_is_listed(pages):
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", pages["environment"]))
    assert {fact.variable for fact in setting_facts() if fact.variable} <= named
    assert set(ENVIRONMENT) <= named
    read = {
        variable
        for path in PACKAGE.rglob("*.py")
        for variable in re.findall(r"\bCMD_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert read - named == set()
