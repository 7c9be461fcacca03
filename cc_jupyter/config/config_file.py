"""Write settings to `config.toml` or a `pyproject.toml`; everything else in them is preserved.

Nothing is written unless a command requests it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import config_folder, make_private, replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


PROJECT_TABLE = ("tool", "cc_jupyter")
"""The table of a `pyproject.toml` that holds our settings."""
_PUBLIC = 0o644


def config_path() -> Path:
    """Return the path of the user's settings file, which may not exist."""
    return config_folder() / "config.toml"


def save_setting(names: Sequence[str], value: object, path: Path | None = None) -> Path:
    """Write one setting and return the file that now holds it.

    Parameters
    ----------
    names
        The names of its tables and its own name, such as `("alias", "fast")`.
    value
        A string, number or boolean; `None` removes the setting.
    path
        The file; by default the user's `config.toml`, which is created if it does not exist.

    Raises
    ------
    ConfigError
        The file cannot be read or written, or something else has one of these names.
    """
    import tomlkit  # noqa: PLC0415  settings are rarely written
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415  as above

    path = path or config_path()
    try:
        before = path.read_bytes().decode() if path.exists() else ""
        document = tomlkit.parse(before.replace("\r\n", "\n"))
        _set(document, names, value, tomlkit.table)
    except (OSError, ValueError, TOMLKitError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="correct the file by hand"
        ) from None
    after = tomlkit.dumps(document)
    _write(path, after.replace("\n", "\r\n") if "\r\n" in before else after)
    return path


def _set(document: Any, names: Sequence[str], value: object, new_table: Any) -> None:  # noqa: ANN401  tomlkit's
    table = document
    for name in names[:-1]:
        if name not in table:
            if value is None:
                return
            table[name] = new_table()
        table = table[name]
        if not hasattr(table, "keys"):
            raise ValueError(f"{name} is not a table")
    if value is None:
        table.pop(names[-1], None)
    else:
        table[names[-1]] = value


def _write(path: Path, text: str) -> None:
    """Replace the file atomically: the user's file is private, a project file keeps its mode."""
    is_private = path == config_path()
    if is_private:
        make_private(path.parent)
    try:
        target = path.resolve()  # a symbolic link stays a link
        if not is_private and not target.is_relative_to(path.parent.resolve()):
            raise ConfigError(
                f"{path} is a link to {target}, outside the project; nothing was written",
                hint="edit the linked file yourself, or leave out --save",
            )
        mode = 0o600 if is_private else _PUBLIC
        with replace_file(target, mode=mode, keep_mode=not is_private) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}",
            hint="the setting applies only to this session",
        ) from None
