"""Read, store and remove API keys: environment, keyring, key file and the CLI's login.

`client.endpoint` decides which host gets a key. The CLI's login file belongs to the CLI: it is read
and never written. Source of its format: provider-api.md, section 3 (CLI 1.64.0).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import re
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder, make_private, write_private
from cc_jupyter.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


KEY_VARIABLES = ("CMD_API_KEY", "COMMAND_CODE_API_KEY", "COMMANDCODE_API_KEY")
KEYRING = "the system keyring"
KEY_FILE = "the key file"
CLI_LOGIN = "the CLI's login"
_SERVICE, _USER = "cc-jupyter", "api-key"
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class Key(Record):
    """A key and its source; only the source is ever shown."""

    value: str = field(repr=False)
    source: str


def clean(value: str, source: str) -> Key | None:
    """Return a key without surrounding white space; `None` if it is blank.

    Raises
    ------
    ConfigError
        It contains a space, a line break or a character no key has; the message does not show it.
    """
    value = value.strip()
    if not value:
        return None
    if not _VISIBLE.fullmatch(value):
        del value  # a traceback may show the variables of a frame
        raise ConfigError(
            f"the key from {source} contains a space, a line break or a character no key has",
            hint="copy the whole key again, without anything around it; nothing was sent",
        )
    return Key(value, source)


def key_in(variable: str) -> Key | None:
    """Return the key in an environment variable; `None` if it has none."""
    return clean(os.environ.get(variable, ""), variable)


def is_set(variable: str) -> bool:
    """Return whether an environment variable is set and not blank."""
    return bool(os.environ.get(variable, "").strip())


def stored_keys() -> Iterator[Key]:
    """Yield the keys stored outside the environment, in order of precedence."""
    places = ((KEYRING, _from_keyring), (KEY_FILE, _from_file), (CLI_LOGIN, _from_login))
    for source, read in places:
        if (key := clean(read(), source)) is not None:
            yield key


def every_secret() -> list[str]:
    """Return the raw values from all these sources; no text may show any of them."""
    raw = [os.environ.get(name, "") for name in KEY_VARIABLES]
    raw += [_from_keyring(), _from_file(), _from_login()]
    return [value.strip() for value in raw if value.strip()]


def has_login() -> bool:
    """Return whether the CLI is logged in."""
    return bool(_from_login().strip())


def key_file() -> Path:
    """Return the path of the key file, which may not exist."""
    return data_folder() / "key"


def login_file() -> Path:
    """Return the path of the CLI's login file, which may not exist."""
    return Path.home() / ".commandcode" / "auth.json"


def keyring_name() -> str | None:
    """Return the name of this machine's keyring; `None` if it has none that works."""
    library = _keyring_library()
    if library is None:
        return None
    try:
        backend = library.get_keyring()
        works = backend.priority > 0  # placeholders for a missing keyring have no priority
    except _keyring_failures():
        return None
    return str(backend.name) if works else None


def save_in_keyring(key: Key) -> bool:
    """Store a key in the keyring; return whether it is there now."""
    library = _keyring_library()
    if library is None:
        return False
    try:
        library.set_password(_SERVICE, _USER, key.value)
    except _keyring_failures():
        return False
    return _from_keyring() == key.value


def remove_from_keyring() -> bool:
    """Remove the key from the keyring; return whether there was one.

    Raises
    ------
    ConfigError
        The key cannot be removed.
    """
    library = _keyring_library()
    if library is None or not _from_keyring():
        return False
    removed = False
    with contextlib.suppress(*_keyring_failures()):  # the error below has no context
        library.delete_password(_SERVICE, _USER)
        removed = True
    if not removed:
        raise ConfigError(
            "the key cannot be removed from the system keyring",
            hint=f"remove the entry {_SERVICE} / {_USER} with your keyring's own program",
        )
    return True


def _from_keyring() -> str:
    library = _keyring_library()
    if library is None:
        return ""
    try:
        return library.get_password(_SERVICE, _USER) or ""
    except _keyring_failures():  # no keyring on this machine, or it is locked
        return ""


def _keyring_library() -> Any | None:  # noqa: ANN401  an optional library
    if importlib.util.find_spec("keyring") is None:
        return None
    return importlib.import_module("keyring")


def _keyring_failures() -> tuple[type[Exception], ...]:
    """Return the errors a keyring raises: its own, and those of a broken configuration."""
    errors = importlib.import_module("keyring.errors")
    return (errors.KeyringError, ImportError, AttributeError, RuntimeError, OSError)


def save_in_file(key: Key) -> Path:
    """Write the key file, readable by this user only, and return its path.

    Raises
    ------
    ConfigError
        It cannot be written.
    """
    path = key_file()
    make_private(path.parent)
    try:
        write_private(path, f"{key.value}\n")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}",
            hint="set the environment variable CMD_API_KEY instead",
        ) from None
    return path


def remove_file() -> bool:
    """Remove the key file; return whether there was one.

    Raises
    ------
    ConfigError
        It cannot be removed.
    """
    path = key_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be removed: {error.strerror}", hint="remove the file by hand"
        ) from None
    return True


def _from_file() -> str:
    return _content(key_file())


def _from_login() -> str:
    """Return the key of the CLI's login; a file in any other format means "not logged in"."""
    try:
        login = json.loads(_content(login_file()) or "{}")
    except (ValueError, RecursionError, RuntimeError):  # the last one: there is no home folder
        return ""
    value = login.get("apiKey") if isinstance(login, dict) else None
    return value if isinstance(value, str) else ""


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):  # usually there is none
        return ""
