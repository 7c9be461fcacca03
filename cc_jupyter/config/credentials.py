"""Where a key may be kept, and how it gets there and out again: environment, keyring, two files.

Who gets a key is `target`'s to decide. The CLI's login file belongs to the CLI: it is read, and
never written. Source of its form: provider-api.md, section 3 (CLI 1.64.0).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import data_folder, make_private, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator


KEY_VARIABLES = ("CMD_API_KEY", "COMMAND_CODE_API_KEY", "COMMANDCODE_API_KEY")
KEYRING = "the system keyring"
KEY_FILE = "the key file"
CLI_LOGIN = "the CLI's login"
_SERVICE, _USER = "cc-jupyter", "api-key"
_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Key:
    """A key and who gave it; only the source is ever shown."""

    value: str = field(repr=False)
    source: str


def clean(value: str, source: str) -> Key | None:
    """Trim a key; one with a space, a newline or an odd letter inside is refused, never sent.

    Raises
    ------
    ConfigError
        It holds such a character; the words do not repeat it.
    """
    value = value.strip()
    if not value:
        return None
    if not _VISIBLE.fullmatch(value):
        del value  # a traceback may show what a frame holds
        raise ConfigError(
            f"the key from {source} holds a space, a line break or a letter no key has",
            hint="copy it again, alone and in one piece; nothing was sent",
        )
    return Key(value, source)


def key_in(variable: str) -> Key | None:
    """Return the key that a variable of the environment holds."""
    return clean(os.environ.get(variable, ""), variable)


def is_set(variable: str) -> bool:
    """Return whether a variable of the environment holds anything."""
    return bool(os.environ.get(variable, "").strip())


def stored_keys() -> Iterator[Key]:
    """Return the keys that are kept outside the environment, first the one that comes first."""
    places = ((KEYRING, _from_keyring), (KEY_FILE, _from_file), (CLI_LOGIN, _from_login))
    for source, read in places:
        if (key := clean(read(), source)) is not None:
            yield key


def every_secret() -> list[str]:
    """Return what stands in all these places, as it stands there: no text may show any of it."""
    raw = [os.environ.get(name, "") for name in KEY_VARIABLES]
    raw += [_from_keyring(), _from_file(), _from_login()]
    return [value.strip() for value in raw if value.strip()]


def has_login() -> bool:
    """Return whether the CLI is logged in."""
    return bool(_from_login().strip())


def key_file() -> Path:
    """Return the path of the key file, whether it is there or not."""
    return data_folder() / "key"


def login_file() -> Path:
    """Return the path of the CLI's login file, whether it is there or not."""
    return Path.home() / ".commandcode" / "auth.json"


# ── the keyring


def keyring_name() -> str | None:
    """Name the keyring of this machine; `None`: there is none that keeps anything."""
    library = _keyring_library()
    if library is None:
        return None
    try:
        backend = library.get_keyring()
        works = backend.priority > 0  # the ones that only stand in for a missing one have none
    except _keyring_failures():
        return None
    return str(backend.name) if works else None


def save_in_keyring(key: Key) -> bool:
    """Put a key into the keyring; tell whether it is there now."""
    library = _keyring_library()
    if library is None:
        return False
    try:
        library.set_password(_SERVICE, _USER, key.value)
    except _keyring_failures():
        return False
    return _from_keyring() == key.value


def remove_from_keyring() -> bool:
    """Take the key out of the keyring; tell whether there was one.

    Raises
    ------
    ConfigError
        It is there and cannot be removed.
    """
    library = _keyring_library()
    if library is None or not _from_keyring():
        return False
    try:
        library.delete_password(_SERVICE, _USER)
    except _keyring_failures():
        refused = True
    else:
        refused = False
    if refused:
        raise ConfigError(
            "the system keyring does not give the key up",
            hint=f"remove the entry {_SERVICE} / {_USER} in the program of your keyring",
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


def _keyring_library() -> Any | None:  # noqa: ANN401  it is an option, and need not be there
    if importlib.util.find_spec("keyring") is None:
        return None
    return importlib.import_module("keyring")


def _keyring_failures() -> tuple[type[Exception], ...]:
    """Return the errors a keyring raises: its own, and those of a wrong configuration."""
    errors = importlib.import_module("keyring.errors")
    return (errors.KeyringError, ImportError, AttributeError, RuntimeError, OSError)


def save_in_file(key: Key) -> Path:
    """Write the key file, which other users can never read, and return its path.

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
            hint="set CMD_API_KEY in the environment instead",
        ) from None
    return path


def remove_file() -> bool:
    """Remove the key file; return whether there was one.

    Raises
    ------
    ConfigError
        It is there and cannot be removed.
    """
    path = key_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be removed: {error.strerror}", hint="remove it by hand"
        ) from None
    return True


def _from_file() -> str:
    return _content(key_file())


def _from_login() -> str:
    """Read the CLI's login; a file of any other shape means "not logged in"."""
    try:
        login = json.loads(_content(login_file()) or "{}")
    except (ValueError, RecursionError):
        return ""
    value = login.get("apiKey") if isinstance(login, dict) else None
    return value if isinstance(value, str) else ""


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):  # most people have none
        return ""
