"""Where a cassette is chosen: a variable, a settings file, and a project, which may only replay."""

from __future__ import annotations

import pytest

from cc_jupyter.config.settings import load_settings
from cc_jupyter.config.validators import CassetteChoice
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import config_folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    (folder / "inner").mkdir(parents=True)
    monkeypatch.chdir(folder / "inner")
    return folder / "pyproject.toml"


def write_config(line: str) -> None:
    config_folder().mkdir(parents=True, exist_ok=True)
    (config_folder() / "config.toml").write_text(line, "utf-8")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("record", CassetteChoice("record")),
        ("replay:demo.cassette.jsonl", CassetteChoice("replay", "demo.cassette.jsonl")),
        ("AUTO : a folder", CassetteChoice("auto", "a folder")),
        (r"replay:C:\demo", CassetteChoice("replay", r"C:\demo")),
        ("off", CassetteChoice("off")),
        ("", None),
    ],
)
def test_a_variable_holds_mode_and_path(monkeypatch, text, choice):
    monkeypatch.setenv("CMD_CASSETTE", text)
    assert load_settings().cassette == choice


@pytest.mark.parametrize(
    ("line", "choice"),
    [
        ('cassette = "auto"', CassetteChoice("auto")),
        (
            'cassette = {mode = "replay", path = "x", speed = 1}',
            CassetteChoice("replay", "x", 1.0),
        ),
    ],
)
def test_the_users_file_may_choose_any(line, choice):
    write_config(line)
    assert load_settings().cassette == choice


@pytest.mark.parametrize(
    "value",
    ['"tape"', '"off:x"', "true", '{path = "x"}', '{mode = "replay", sped = 1}', "{mode = 1}"],
)
def test_anything_else_is_an_error_that_names_it(value):
    write_config(f"cassette = {value}")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "cassette" in str(caught.value)
    assert caught.value.hint.startswith("it must be record, replay, auto or off")


def test_a_speed_must_be_positive():
    write_config('cassette = {mode = "replay", speed = 0}')
    with pytest.raises(ConfigError, match="cassette"):
        load_settings()


def test_a_project_may_replay_from_a_path_inside_it(project):
    project.write_text('[tool.cc_jupyter]\ncassette = "replay:notebooks/demo.cassette.jsonl"')
    path = project.parent / "notebooks" / "demo.cassette.jsonl"
    assert load_settings().cassette == CassetteChoice("replay", str(path))
    write_config('cassette = "auto"')
    assert load_settings().cassette == CassetteChoice("replay", str(path))


@pytest.mark.parametrize(
    "value",
    [
        '"record:demo.cassette.jsonl"',
        '"auto:demo.cassette.jsonl"',
        '"auto"',
        '"off"',
        '"replay"',
        '"replay:../outside.cassette.jsonl"',
        '"replay:/etc/passwd"',
        '"replay:link.cassette.jsonl"',
    ],
)
def test_a_project_may_choose_nothing_else(project, tmp_path, value):
    (project.parent / "link.cassette.jsonl").symlink_to(tmp_path / "outside")
    project.write_text(f"[tool.cc_jupyter]\ncassette = {value}")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(project) in str(caught.value)
    assert caught.value.hint.startswith("it must be replay with a path inside the project")
