"""Write settings into `config.toml` or a `pyproject.toml`; everything else in them is preserved.

Nothing is written unless a command explicitly requests it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cc_jupyter.core.errors import ConfigError
from cc_jupyter.core.paths import config_folder, make_private, replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


PROJECT_TABLE = ("tool", "cc_jupyter")
"""Where a `pyproject.toml` holds our settings."""
_PUBLIC = 0o644


def config_path() -> Path:
    """Return the path of the user's own settings; the file may not exist."""
    return config_folder() / "config.toml"


def save_setting(names: Sequence[str], value: object, path: Path | None = None) -> Path:
    """Write one setting and return the file that now holds it.

    Parameters
    ----------
    names
        The tables that lead to it and its own name, such as `("alias", "fast")`.
    value
        Text, number or boolean; `None` removes the setting.
    path
        The file; by default the user's `config.toml`, which is made if there is none.

    Raises
    ------
    ConfigError
        The file cannot be read or written, or holds something else in that place.
    """
    import tomlkit  # noqa: PLC0415  settings are seldom written
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    path = path or config_path()
    try:
        before = path.read_bytes().decode() if path.exists() else ""
        document = tomlkit.parse(before.replace("\r\n", "\n"))
        _set(document, names, value, tomlkit.table)
    except (OSError, ValueError, TOMLKitError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="correct it by hand") from None
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
            raise ValueError(f"{name} is no table")
    if value is None:
        table.pop(names[-1], None)
    else:
        table[names[-1]] = value


def _write(path: Path, text: str) -> None:
    """Replace the file in one step: the user's own is private, a project's keeps its mode."""
    is_own = path == config_path()
    if is_own:
        make_private(path.parent)
    try:
        target = path.resolve()  # a link to a file elsewhere stays a link
        if not is_own and not target.is_relative_to(path.parent.resolve()):
            raise ConfigError(
                f"{path} is a link to {target}, outside of the project; it was not written",
                hint="write the setting there by hand, or drop --save",
            )
        mode = 0o600 if is_own else _PUBLIC
        with replace_file(target, mode=mode, keep_mode=not is_own) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="the setting holds for this session"
        ) from None
