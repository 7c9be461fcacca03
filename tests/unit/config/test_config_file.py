"""Settings are written only on request, and everything else in the file is preserved."""

from __future__ import annotations

import stat
import sys

import pytest

from cc_jupyter.config.config_file import PROJECT_TABLE, config_path, save_setting
from cc_jupyter.config.settings import load_settings
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import make_private

HAND_WRITTEN = """\
# mine, do not touch
model = "old"   # the old one

[alias]
"big" = "claude-opus-5"

[hosts."https://gate.example"]
key_env = "GATE"
"""


def write(text: str) -> None:
    make_private(config_path().parent)
    config_path().write_text(text, encoding="utf-8")


def test_the_first_setting_makes_a_private_file():
    path = save_setting(("model",), "gpt-5.5")
    assert path == config_path()
    assert path.read_text(encoding="utf-8") == 'model = "gpt-5.5"\n'
    assert load_settings().model == "gpt-5.5"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_line_ends_of_a_file_from_windows_stay(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_bytes(b"[tool.x]\r\na = 1  # ours\r\n")
    save_setting((*PROJECT_TABLE, "model"), "gpt-5.5", project)
    lines = project.read_bytes().splitlines(keepends=True)
    assert lines[:2] == [b"[tool.x]\r\n", b"a = 1  # ours\r\n"]
    assert lines[-1] == b'model = "gpt-5.5"\r\n'
    assert all(line.endswith(b"\r\n") for line in lines)


def test_comments_order_and_other_settings_stay():
    write(HAND_WRITTEN)
    save_setting(("model",), "gpt-5.5")
    save_setting(("alias", "fast"), "deepseek/deepseek-v4-flash")
    expected = HAND_WRITTEN.replace('"old"', '"gpt-5.5"').replace(
        '"claude-opus-5"\n', '"claude-opus-5"\nfast = "deepseek/deepseek-v4-flash"\n'
    )
    assert config_path().read_text(encoding="utf-8") == expected


def test_removing_takes_one_setting_and_leaves_the_rest():
    write(HAND_WRITTEN)
    save_setting(("alias", "big"), None)
    assert config_path().read_text(encoding="utf-8") == HAND_WRITTEN.replace(
        '"big" = "claude-opus-5"\n', ""
    )


def test_removing_what_is_not_there_changes_nothing():
    write(HAND_WRITTEN)
    save_setting(("alias", "no-such"), None)
    save_setting(("models", "no-such"), None)
    assert config_path().read_text(encoding="utf-8") == HAND_WRITTEN


def test_a_project_gets_its_table_and_keeps_its_mode(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "x"  # ours\n', encoding="utf-8")
    project.chmod(0o664)
    save_setting((*PROJECT_TABLE, "model"), "gpt-5.5", project)
    text = project.read_text(encoding="utf-8")
    assert text.startswith('[project]\nname = "x"  # ours\n')
    assert load_settings(folder=tmp_path).model == "gpt-5.5"
    if sys.platform != "win32":
        assert stat.S_IMODE(project.stat().st_mode) == 0o664


@pytest.mark.parametrize("text", ["model = ", '[alias\nx="y"', "alias = 3"])
def test_a_file_that_cannot_be_read_is_named_and_left_alone(text):
    write(text)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read"):
        save_setting(("alias", "fast"), "gpt-5.5")
    assert config_path().read_text(encoding="utf-8") == text
    assert [path.name for path in config_path().parent.iterdir()] == ["config.toml"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_a_file_elsewhere_stays_a_link(tmp_path):
    real = tmp_path / "dotfiles.toml"
    real.write_text(HAND_WRITTEN, encoding="utf-8")
    make_private(config_path().parent)
    config_path().symlink_to(real)
    save_setting(("model",), "gpt-5.5")
    assert config_path().is_symlink()
    assert 'model = "gpt-5.5"' in real.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_projects_link_that_leads_out_of_it_is_not_followed(tmp_path):
    outside = tmp_path / "outside.toml"
    outside.write_text("[tool.x]\na = 1\n", encoding="utf-8")
    project = tmp_path / "repository" / "pyproject.toml"
    project.parent.mkdir()
    project.symlink_to(outside)
    with pytest.raises(ConfigError, match="outside the project"):
        save_setting((*PROJECT_TABLE, "model"), "gpt-5.5", project)
    assert outside.read_text(encoding="utf-8") == "[tool.x]\na = 1\n"
    inside = project.with_name("real.toml")
    inside.write_text("", encoding="utf-8")
    project.unlink()
    project.symlink_to(inside)
    save_setting((*PROJECT_TABLE, "model"), "gpt-5.5", project)
    assert "gpt-5.5" in inside.read_text(encoding="utf-8")
