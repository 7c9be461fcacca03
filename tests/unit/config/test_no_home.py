"""A hub may give a user no home folder, or one that nothing can be written to."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from support.provider import KEY, answer

import cc_jupyter as cc
from cc_jupyter.client.transport import Transport
from cc_jupyter.commands.doctor import examine
from cc_jupyter.config.credentials import has_login
from cc_jupyter.config.settings import load_settings
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import cache_folder, config_folder, data_folder
from cc_jupyter.usage.budget import load_budget

NEEDS_POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows asks elsewhere for the home")


@pytest.fixture
def no_home(monkeypatch):
    """Have no `HOME`, and a user whom the system does not know, as in some containers."""

    def unknown(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("pwd.getpwnam", unknown)


@NEEDS_POSIX
@pytest.mark.parametrize("folder", [config_folder, data_folder, cache_folder, load_settings])
def test_without_a_home_folder_one_line_says_what_to_set(folder, no_home, monkeypatch):
    monkeypatch.delenv("CMD_JUPYTER_HOME")
    with pytest.raises(ConfigError) as error:
        folder()
    assert str(error.value) == "this user has no home folder: HOME is not set"
    assert error.value.hint == "set CMD_JUPYTER_HOME to a folder you can write to"


@NEEDS_POSIX
def test_a_home_with_a_tilde_is_none(monkeypatch, no_home):
    """Older versions of platformdirs return `~/.config`, which is below the working folder."""
    monkeypatch.delenv("CMD_JUPYTER_HOME")
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: Path("~/.config"))
    with pytest.raises(ConfigError, match="has no home folder"):
        config_folder()


@NEEDS_POSIX
def test_with_a_folder_of_its_own_it_needs_no_home(no_home, provider, monkeypatch):
    provider.always(answer("fine"))
    monkeypatch.setenv("CMD_BASE_URL", provider.base_url)
    monkeypatch.setenv("CMD_API_KEY", KEY)
    monkeypatch.setenv("CMD_MODEL", "deepseek/deepseek-v4-flash")
    assert cc.ask("hello").text == "fine"
    transport = Transport()
    report = examine(load_settings, in_kernel=False, transport=transport, now=datetime.now)
    transport.close()
    assert report.failed == 0
    assert not has_login()


def test_a_home_that_is_no_folder_means_nothing_was_saved(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CMD_JUPYTER_HOME", str(tmp_path / "file" / "below"))
    assert load_budget("notebook.ipynb") is None
