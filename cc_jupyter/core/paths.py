"""The folders of the user's files, private writing into them, and paths without the user's name.

One variable, `CMD_JUPYTER_HOME`, moves all folders. The folder functions only compute a path: call
`make_private` before you write there. No saved, printed or pasted path contains the user's name.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import os
import re
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cc_jupyter.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_APP = "cc_jupyter"
_OTHERS = 0o077


def config_folder() -> Path:
    """Return the folder of `config.toml`."""
    return _folder("config")


def data_folder() -> Path:
    """Return the folder of history, key, saved prompts and the state of a running local server."""
    return _folder("data")


def cache_folder() -> Path:
    """Return the folder of files that can be downloaded again: weights and model lists."""
    return _folder("cache")


def make_private(path: Path) -> Path:
    """Create the folder `path` for this user alone (0700) and return it.

    Missing folders above it become private too, as the XDG base directory rules ask.

    Raises
    ------
    ConfigError
        The folder cannot be created.
    """
    try:
        for folder in [*reversed(path.parents), path]:
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder {path} cannot be created: {error.strerror}",
            hint="set CMD_JUPYTER_HOME to a folder you can write to",
        ) from error
    if path.stat().st_mode & _OTHERS:
        # some file systems (CIFS, vfat) have no modes; there the mount decides who can read
        with contextlib.suppress(OSError):
            path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a UTF-8 file that only this user can read (0600).

    Raises
    ------
    OSError
        It cannot be written; an older file is unchanged.
    """
    with replace_file(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replace_file(path: Path, *, mode: int = 0o600, keep_mode: bool = False) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path`, in one step, when the block ends.

    An exception in the block leaves `path` unchanged and no second file. The new file has a random
    name and must not exist, so nothing that lies in the folder is followed, opened or waited for.

    Parameters
    ----------
    path
        A symbolic link is replaced, not followed.
    mode
        The permissions of the new file from the start; the umask narrows them.
    keep_mode
        Whether a regular file that is replaced passes its permissions on.

    Raises
    ------
    OSError
        It cannot be written.
    """
    part = path.with_name(f".cc_jupyter-{os.urandom(8).hex()}.part")
    flags = getattr(os, "O_NOFOLLOW", 0)
    with open(part, "xb", opener=lambda name, wb: os.open(name, wb | flags, mode)) as file:
        try:
            yield file
            file.close()
            if keep_mode and (before := _permissions(path)) is not None:
                part.chmod(before)
            os.replace(part, path)  # noqa: PTH105  one step, also over an existing file
        except BaseException:  # an interrupt too: no temporary file stays behind
            with contextlib.suppress(OSError):  # what is still in its buffer: the disk may be full
                file.close()  # an open file cannot be removed on Windows
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def _permissions(path: Path) -> int | None:
    """Return the permissions of a regular file; `None` for anything else and for no file."""
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found) & 0o777 if stat.S_ISREG(found) else None


def _folder(kind: str) -> Path:
    home = os.environ.get("CMD_JUPYTER_HOME")
    if home:
        return _own_folder(home, os.environ.get("HOME")) / kind
    import platformdirs  # noqa: PLC0415  keeps loading the extension fast

    try:
        path: Path = getattr(platformdirs, f"user_{kind}_path")(_APP, appauthor=False)
    except RuntimeError:  # what pathlib raises where there is no home folder
        path = Path()
    if not path.is_absolute():  # older versions of platformdirs leave a `~` in it
        raise ConfigError(
            "this user has no home folder: HOME is not set",
            hint="set CMD_JUPYTER_HOME to a folder you can write to",
        )
    return path


def short_path(path: Path) -> str:
    """Return the path with the home folder as `~`."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # outside the home folder, or there is none
        return str(path)


def without_user(text: str) -> str:
    """Replace the home folder in a text by `~`, and folders named after the user by `[user]`."""
    try:
        home = str(Path.home())
    except RuntimeError:  # there is no home folder
        home = ""
    if len(Path(home).parts) > 1:
        text = re.sub(rf"{re.escape(home)}(?![^\s/\\,;:)'\"])", "~", text)
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user id without a name, as in some containers
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?![^\s/\\,;:)'\"])", "[user]", text)


@functools.lru_cache(maxsize=8)
def _own_folder(home: str, user_home: str | None) -> Path:  # noqa: ARG001  what `~` stands for
    """Return the folder that `CMD_JUPYTER_HOME` names."""
    folder = Path(home).expanduser()
    if not folder.is_absolute():
        # relative to the working folder, it would let a cloned repository provide the settings
        raise ConfigError(
            f"CMD_JUPYTER_HOME must be an absolute path, not {home!r}",
            hint=f"set it to {str(folder.resolve())!r} if that folder is meant",
        )
    return folder
