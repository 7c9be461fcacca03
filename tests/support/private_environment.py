"""Keeps the settings, keys, folders and keyring of whoever runs the tests out of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = ("CMD_", "COMMAND_CODE_", "COMMANDCODE_", "OPENAI_", "ANTHROPIC_", "XDG_", "JPY_")


def is_foreign(name: str) -> bool:
    """Return whether a variable would let somebody's own setup into a test."""
    return name.upper().startswith(_FOREIGN) or name.upper().endswith("_PROXY")


def private_environment(folder: Path) -> dict[str, str]:
    """Return this process's environment with all that is anybody's own moved into `folder`."""
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # each kernel would compile the package anew
    return kept | private_folders(folder)


def private_folders(folder: Path) -> dict[str, str]:
    """Create a home in `folder`; return the variables that move all that is personal there."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "CMD_JUPYTER_HOME": str(folder / "cc_jupyter"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
