"""Where keys are stored: the keyring and a private file; the CLI's login is only read."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError

from cc_jupyter.config import credentials
from cc_jupyter.config.credentials import Key
from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "odd-secret-letters-42"
KEY = Key(SECRET, "the prompt")
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


class Memory(KeyringBackend):
    """A keyring that forgets everything when the test is over."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError


class Forgetful(Memory):
    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Locked(Memory):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked

    def delete_password(self, service: str, username: str) -> None:
        raise KeyringLocked


@contextlib.contextmanager
def using(backend: KeyringBackend) -> Iterator[None]:
    before = keyring.core._keyring_backend
    keyring.set_keyring(backend)
    try:
        yield
    finally:
        keyring.core._keyring_backend = before


@pytest.fixture
def memory() -> Iterator[Memory]:
    backend = Memory()
    with using(backend):
        yield backend


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sources() -> list[str]:
    return [key.source for key in credentials.stored_keys()]


# ── the keyring


def test_a_key_in_the_keyring_is_found_again_and_removed(memory):
    assert credentials.save_in_keyring(KEY)
    assert memory.entries == {("cc-jupyter", "api-key"): SECRET}
    assert [(key.value, key.source) for key in credentials.stored_keys()] == [
        (SECRET, credentials.KEYRING)
    ]
    assert credentials.remove_from_keyring()
    assert memory.entries == {}
    assert not credentials.remove_from_keyring()


def test_a_working_keyring_has_a_name(memory):
    assert credentials.keyring_name() == memory.name


@pytest.mark.parametrize("backend", [null.Keyring, fail.Keyring])
def test_a_placeholder_for_a_missing_keyring_does_not_count(backend):
    with using(backend()):
        assert credentials.keyring_name() is None
        assert not credentials.save_in_keyring(KEY)
        assert not credentials.remove_from_keyring()
        assert sources() == []


@pytest.mark.parametrize("backend", [Forgetful, Locked])
def test_a_keyring_that_does_not_keep_the_key_is_not_believed(backend):
    with using(backend()):
        assert not credentials.save_in_keyring(KEY)


def test_a_keyring_that_keeps_the_key_for_good_is_an_error_that_says_what_to_do():
    backend = Locked()
    backend.entries["cc-jupyter", "api-key"] = SECRET
    with (
        using(backend),
        pytest.raises(ConfigError, match="cannot be removed from the system keyring") as error,
    ):
        credentials.remove_from_keyring()
    assert "cc-jupyter / api-key" in str(error.value.hint)
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_a_keyring_that_is_configured_wrongly_is_passed_over(monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Backend")
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    credentials.save_in_file(KEY)
    assert credentials.keyring_name() is None
    assert sources() == [credentials.KEY_FILE]


# ── the key file


@POSIX
def test_files_are_private_also_the_key_file_under_any_umask():
    before = os.umask(0)
    try:
        path = credentials.save_in_file(KEY)
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    assert [(key.value, key.source) for key in credentials.stored_keys()] == [
        (SECRET, credentials.KEY_FILE)
    ]


@POSIX
def test_at_no_moment_can_others_read_the_key(monkeypatch):
    """What takes the place of an open file was private before the key stood in it."""
    seen = []
    replace = os.replace

    def looking(source: str, target: Path) -> None:
        seen.append((mode(Path(source)), Path(source).read_text(encoding="utf-8").strip()))
        replace(source, target)

    path = data_folder() / "key"
    path.parent.mkdir(parents=True)
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setattr(os, "replace", looking)
    credentials.save_in_file(KEY)
    assert seen == [(0o600, SECRET)]
    assert mode(path) == 0o600


def test_a_link_in_the_place_of_the_key_file_leads_the_key_nowhere(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine", encoding="utf-8")
    data_folder().mkdir(parents=True)
    credentials.key_file().symlink_to(elsewhere)
    credentials.save_in_file(KEY)
    assert elsewhere.read_text(encoding="utf-8") == "mine"
    assert not credentials.key_file().is_symlink()


def test_a_failed_write_leaves_the_old_key_and_no_second_file(monkeypatch):
    credentials.save_in_file(Key("user_old_1", "the prompt"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigError, match="cannot be written: No space") as error:
        credentials.save_in_file(KEY)
    assert SECRET not in f"{error.value} {error.value.hint}"
    assert credentials.key_file().read_text(encoding="utf-8") == "user_old_1\n"
    assert [each.name for each in data_folder().iterdir()] == ["key"]


def test_a_key_file_is_removed_once():
    credentials.save_in_file(KEY)
    assert credentials.remove_file()
    assert not credentials.key_file().exists()
    assert not credentials.remove_file()


def test_a_key_file_that_cannot_be_removed_is_an_error():
    (credentials.key_file() / "in the way").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be removed"):
        credentials.remove_file()


# ── the CLI's login


def test_the_login_of_the_cli_is_read_and_its_unknown_members_are_left_alone():
    path = credentials.login_file()
    path.parent.mkdir()
    content = json.dumps({"apiKey": SECRET, "openai": {"key": "x"}, "ü": [1, None]}, indent=3)
    path.write_bytes(content.encode())
    assert credentials.has_login()
    assert sources() == [credentials.CLI_LOGIN]
    credentials.save_in_file(KEY)
    credentials.remove_file()
    credentials.remove_from_keyring()
    assert path.read_bytes() == content.encode()


# ── secrets


def test_a_key_that_is_refused_is_in_no_traceback():
    with pytest.raises(ConfigError, match="contains a space") as error:
        credentials.clean(f"{SECRET} {SECRET}", "the prompt")
    told = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    frames = [frame for frame in told.stack if frame.filename == credentials.__file__]
    assert frames
    assert all(SECRET not in str(frame.locals) for frame in frames)


def test_every_secret_is_known_whatever_its_shape(monkeypatch, memory):
    monkeypatch.setenv("CMD_API_KEY", " in the environment ")
    memory.entries["cc-jupyter", "api-key"] = "in the keyring"
    data_folder().mkdir(parents=True)
    credentials.key_file().write_text("in the file\n", encoding="utf-8")
    credentials.login_file().parent.mkdir()
    credentials.login_file().write_text('{"apiKey": "in the login"}', encoding="utf-8")
    assert sorted(credentials.every_secret()) == [
        "in the environment",
        "in the file",
        "in the keyring",
        "in the login",
    ]
