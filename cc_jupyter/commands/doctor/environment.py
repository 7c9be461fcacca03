"""Checks what is installed, which front end this is, and the user's private folders."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import platform
import re
import stat
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cc_jupyter.commands.doctor.finding import Finding
from cc_jupyter.config.credentials import key_file
from cc_jupyter.conversation.store import FILE
from cc_jupyter.core.paths import cache_folder, config_folder, data_folder
from cc_jupyter.core.version import __version__

_NEEDED = ("ipython", "ipykernel", "httpx", "httpx-sse", "httpcore")
_XEUS = "xeus_python_shell"
_SHOWN = (*_NEEDED, "jupyterlab", "notebook")
_WIDGETS = ("ipywidgets", "anywidget")
_FRONT_ENDS = (
    ("VSCODE_PID", "VS Code"),
    ("COLAB_RELEASE_TAG", "Colab"),
    ("JPY_SESSION_NAME", "JupyterLab, Notebook or another client of a Jupyter server"),
)
"""Environment variables and the front end that sets each, most specific first."""
_LABEXTENSION = "cc-jupyter"
_OLDEST_LAB = (4, 2)
"""What the extension is built for; `lab` in pyproject.toml says the same."""


def examine_machine() -> list[Finding]:
    """Check the installed packages."""
    return [_versions(), _widgets(), _labextension()]


def front_end(*, in_kernel: bool | None) -> Finding:
    """Name the front end."""
    if in_kernel is None:
        return Finding("front end", "ok", "a shell, without IPython")
    if not in_kernel:
        return Finding("front end", "ok", "IPython in a terminal")
    names = (name for variable, name in _FRONT_ENDS if os.environ.get(variable))
    return Finding("front end", "ok", f"a kernel; {next(names, 'its front end is unknown')}")


def _versions() -> Finding:
    found = {name: _version(name) for name in _SHOWN}
    parts = [f"cc_jupyter {__version__}", f"Python {platform.python_version()}"]
    parts += [f"{name} {number}" for name, number in found.items() if number]
    parts.append(f"on {platform.system()} {platform.machine()}")
    missing = [name for name in _NEEDED if not found[name]]
    if _XEUS in sys.modules:  # a kernel that takes the place of ipykernel
        parts.insert(2, f"xeus-python {_version('xeus-python') or ''}".rstrip())
        missing = [name for name in missing if name != "ipykernel"]
    if missing:
        to_do = f"pip install {' '.join(missing)}"
        found_text = f"{', '.join(missing)} missing; {' · '.join(parts)}"
        return Finding("versions", "fail", found_text, to_do)
    return Finding("versions", "ok", " · ".join(parts))


def _widgets() -> Finding:
    found = {name: _version(name) for name in _WIDGETS}
    missing = [name for name in _WIDGETS if not found[name]]
    versions = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    if missing:
        to_do = f"for %cmd pick: pip install {' '.join(missing)}"
        return Finding("picker", "look", versions, to_do)
    return Finding("picker", "ok", versions)


def _labextension() -> Finding:
    """Search JupyterLab's folders; JupyterLab may also run elsewhere, out of our sight."""
    for folder in _jupyter_folders():
        place = folder / "labextensions" / _LABEXTENSION
        if (place / "package.json").is_file():
            return _found_labextension(place)
    return Finding(
        "JupyterLab extension",
        "look",
        "not found here; everything works without it",
        "for its extra features: pip install cc-jupyter where JupyterLab itself is installed",
    )


def _found_labextension(place: Path) -> Finding:
    check = "JupyterLab extension"
    try:
        package = json.loads((place / "package.json").read_text(encoding="utf-8"))
        number = str(package["version"])
    except (OSError, ValueError, KeyError, TypeError):
        to_do = "pip install --force-reinstall cc-jupyter"
        return Finding(check, "look", f"{place} cannot be read", to_do)
    if number != __version__:
        found = f"{number} in {place}, while the Python side is {__version__}"
        return Finding(check, "look", found, "pip install -U cc-jupyter in both, then reload")
    lab = _version("jupyterlab")
    if lab is not None and _release(lab) < _OLDEST_LAB:
        found = f"{number} in {place}, but JupyterLab {lab} is too old for it"
        to_do = "for its extra features: pip install -U 'cc-jupyter[lab]', then reload"
        return Finding(check, "look", found, to_do)
    return Finding(check, "ok", f"{number} in {place}")


def _release(number: str) -> tuple[int, ...]:
    """Return major and minor version."""
    return tuple(int(part) for part in re.findall(r"\d+", number)[:2])


def _jupyter_folders() -> list[Path]:
    folders = [Path(sys.prefix) / "share" / "jupyter"]
    if importlib.util.find_spec("jupyter_core") is not None:
        paths = importlib.import_module("jupyter_core.paths")
        with contextlib.suppress(RuntimeError):  # there is no home folder
            folders += [Path(folder) for folder in paths.jupyter_path()]
    return folders


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


_OTHER_USERS = 0o077
_SQLITE = b"SQLite format 3\0"
_MOVE = "set CMD_JUPYTER_HOME to a folder you can write to"


def examine_folders(*, history: bool) -> list[Finding]:
    """Check folders, key file and history without creating or repairing anything."""
    folders = {"data": data_folder(), "config": config_folder(), "cache": cache_folder()}
    findings = [_folder(f"{name} folder", path) for name, path in folders.items()]
    if key_file().exists():
        findings.append(_private("key file", key_file(), "exists"))
    return [*findings, _history(folders["data"] / FILE, enabled=history)]


def _folder(check: str, path: Path) -> Finding:
    there = next(each for each in (path, *path.parents) if _exists(each))
    if not there.is_dir():
        return Finding(check, "fail", f"{there} is not a folder", f"move it away, or {_MOVE}")
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(check, "fail", f"{there} cannot be written to", _MOVE)
    if there != path:
        return Finding(check, "ok", f"{path}, created when it is needed")
    return _private(check, path, str(path))


def _history(path: Path, *, enabled: bool) -> Finding:
    """Check the history without opening it, which would repair or quarantine it."""
    if not enabled:
        return Finding("history", "ok", "off; nothing is stored on disk")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except FileNotFoundError:
        return Finding("history", "ok", "empty; the first answer creates it")
    except OSError as error:
        to_do = f"{_MOVE}, or CMD_HISTORY=off"
        return Finding("history", "fail", f"{path} cannot be read: {error.strerror}", to_do)
    if start not in (b"", _SQLITE):
        to_do = "the next answer renames it and starts a new one"
        return Finding("history", "look", f"{path} is not a history file", to_do)
    return _private("history", path, f"{size / 2**20:.1f} MB")


def _private(check: str, path: Path, found: str) -> Finding:
    """Check that only the user can read it; on Windows the folder's permissions decide."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name != "posix" or not mode & _OTHER_USERS:
        return Finding(check, "ok", found)
    right = "700" if path.is_dir() else "600"
    found = f"{found}; other users of this machine can read it ({mode:04o})"
    return Finding(check, "look", found, f"chmod {right} {path}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it cannot be read
        return False
