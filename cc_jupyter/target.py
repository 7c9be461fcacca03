"""Where a request goes and with which key: the one place that decides who gets the key.

Sources: spec.md, section 1; the CLI's login file: provider-api.md, section 3 (CLI 1.64.0).
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cc_jupyter.base_url import api_root, is_provider
from cc_jupyter.errors import ConfigError
from cc_jupyter.folders import data_folder
from cc_jupyter.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cc_jupyter.settings import Settings

__all__ = ["KEY_VARIABLES", "Key", "Target", "api_root", "find_key", "find_target"]

KEY_VARIABLES = ("CMD_API_KEY", "COMMAND_CODE_API_KEY", "COMMANDCODE_API_KEY")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_NO_KEY_HINT = (
    "create one in Command Code Studio and set CMD_API_KEY, or use the local model: %cmd use local"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key and who gave it; only the source is ever shown."""

    value: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Target:
    """An API root and the key that goes there."""

    api_root: str
    """Ends in `/v1`; endpoints are appended."""
    key: Key
    served_by: str
    """`api`, `local`, or the host."""

    @property
    def is_default_host(self) -> bool:
        """Whether this is the provider itself, whose list of models is complete."""
        return self.served_by == "api"


def find_target(settings: Settings, key_env: str | None = None) -> Target:
    """Decide where requests go.

    Parameters
    ----------
    key_env
        The variable that holds the key, as the option line names it.

    Raises
    ------
    ConfigError
        No usable base URL or no key for it.
    """
    if settings.base_url == "local":
        return _local_target()
    root = api_root(settings.base_url, allow_http=settings.allow_http)
    host = urlsplit(root).netloc
    key = find_key(settings, root, key_env=key_env)
    if key is None:
        where = "for the Provider API" if is_provider(root) else f"for {host}"
        raise ConfigError(f"there is no key {where}", hint=_NO_KEY_HINT)
    return Target(root, key, "api" if is_provider(root) else host)


def find_key(settings: Settings, root: str, *, key_env: str | None = None) -> Key | None:
    """Give the first key that may go to `root`.

    Keys from the keyring, the key file and the CLI's login go to the provider's own host only.

    Raises
    ------
    ConfigError
        The variable that was asked for is empty, or a key holds characters no key has.
    """
    asked = key_env or settings.hosts.get(root, {}).get("key_env") or settings.key_env
    if asked is not None:
        key = _clean(os.environ.get(asked, ""), asked)
        if key is None:
            raise ConfigError(
                f"the variable {redact(asked)}, which should hold the key, is empty or not set",
                hint="name the variable, never the key itself",
            )
        return key
    for name in KEY_VARIABLES:
        if (key := _clean(os.environ.get(name, ""), name)) is not None:
            return key
    if not is_provider(root):
        return None
    return next((key for key in _stored_keys() if key is not None), None)


def _stored_keys() -> Iterator[Key | None]:
    yield _keyring_key()
    path = data_folder() / "key"
    yield _clean(_content(path), "the key file")
    yield _clean(_login_key(), "the CLI's login")


def _keyring_key() -> Key | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    keyring = importlib.import_module("keyring")
    errors = importlib.import_module("keyring.errors")
    try:
        value = keyring.get_password("cc-jupyter", "api-key")
    except errors.KeyringError:  # no keyring on this machine, or it is locked
        return None
    return _clean(value or "", "the system keyring")


def _login_key() -> str:
    """Read the CLI's login; a file of any other shape means "not logged in"."""
    try:
        login = json.loads(_content(Path.home() / ".commandcode" / "auth.json") or "{}")
    except (ValueError, RecursionError):
        return ""
    value = login.get("apiKey") if isinstance(login, dict) else None
    return value if isinstance(value, str) else ""


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):  # most people have none
        return ""


def _clean(value: str, source: str) -> Key | None:
    """Trim a key; one with a space, a newline or an odd letter inside is refused, never sent."""
    value = value.strip()
    if not value:
        return None
    if not _VISIBLE.fullmatch(value):
        raise ConfigError(
            f"the key from {source} holds a space, a line break or a letter no key has",
            hint="copy it again, alone and in one piece; nothing was sent",
        )
    return Key(value, source)


def _local_target() -> Target:
    from cc_jupyter.local import running  # noqa: PLC0415  most sessions use no local model

    server = running()
    return Target(f"{server.url}/v1", Key(server.key, "the local server"), "local")
