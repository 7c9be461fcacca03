"""The folders and files that are the user's alone: there, private, and to be written to."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cc_jupyter.config.credentials import key_file
from cc_jupyter.conversation.store import FILE
from cc_jupyter.core.paths import cache_folder, config_folder, data_folder
from cc_jupyter.doctor.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = 0o077
_SQLITE = b"SQLite format 3\0"
_MOVE = "set CMD_JUPYTER_HOME to a folder you can write to"


def examine_folders(*, history: bool) -> list[Finding]:
    """Look at folders, key file and history; nothing is made and nothing repaired."""
    folders = {"data": data_folder(), "config": config_folder(), "cache": cache_folder()}
    findings = [_folder(f"{name} folder", path) for name, path in folders.items()]
    if key_file().exists():
        findings.append(_private("key file", key_file(), "there"))
    return [*findings, _history(folders["data"] / FILE, kept=history)]


def _folder(check: str, path: Path) -> Finding:
    there = next(each for each in (path, *path.parents) if _exists(each))
    if not there.is_dir():
        return Finding(check, "fail", f"{there} is no folder", f"move it away, or {_MOVE}")
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(check, "fail", f"{there} cannot be written to", _MOVE)
    if there != path:
        return Finding(check, "ok", f"{path}, made when it is needed")
    return _private(check, path, str(path))


def _history(path: Path, *, kept: bool) -> Finding:
    """Look at the history without opening it: that would mend it, or put it aside."""
    if not kept:
        return Finding("history", "ok", "off; nothing is kept on disk")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except FileNotFoundError:
        return Finding("history", "ok", "not begun; the first answer begins it")
    except OSError as error:
        to_do = f"{_MOVE}, or CMD_HISTORY=off"
        return Finding("history", "fail", f"{path} cannot be read: {error.strerror}", to_do)
    if start not in (b"", _SQLITE):
        to_do = "the next answer puts it aside under another name and begins anew"
        return Finding("history", "look", f"{path} is no history file", to_do)
    return _private("history", path, f"{size / 2**20:.1f} MB")


def _private(check: str, path: Path, found: str) -> Finding:
    """See that nobody else may read it; on Windows the folder's own rights decide that."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name != "posix" or not mode & _OTHERS:
        return Finding(check, "ok", found)
    right = "700" if path.is_dir() else "600"
    found = f"{found}; others on this machine may look into it ({mode:04o})"
    return Finding(check, "look", found, f"chmod {right} {path}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it is closed to us
        return False
