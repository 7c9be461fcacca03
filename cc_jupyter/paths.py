"""How paths are shown: no user's name stands in what is saved, printed or pasted."""

from __future__ import annotations

import getpass
import re
from pathlib import Path


def short_path(path: Path) -> str:
    """Write the home folder as `~`."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or a user without a home
        return str(path)


def without_user(text: str) -> str:
    """Write the home folder as `~` wherever it stands in a text, and a folder named as the user."""
    try:
        home = str(Path.home())
    except RuntimeError:  # a user without a home
        home = ""
    if len(Path(home).parts) > 1:
        text = re.sub(rf"{re.escape(home)}(?![^\s/\\,;:)'\"])", "~", text)
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a number without a name, as in some containers
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?![^\s/\\,;:)'\"])", "[user]", text)
