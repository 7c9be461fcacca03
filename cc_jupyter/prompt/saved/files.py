"""Saved prompts: one file each, in the user's data folder and in the `prompts` folder of a project.

`NAME` is the user's own prompt, or the project's if the user has none of that name; `./NAME` is the
project's. A project's files are data from someone else: `front_matter` limits what they can do, and
a symbolic link among them is not followed.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cc_jupyter.config.settings import nearest_project
from cc_jupyter.core.errors import ConfigError, OptionError, did_you_mean
from cc_jupyter.core.paths import data_folder, make_private, replace_file, short_path, write_private
from cc_jupyter.core.text import excerpt
from cc_jupyter.prompt.saved.front_matter import parse_prompt_file
from cc_jupyter.prompt.template import names_needed

if TYPE_CHECKING:
    from collections.abc import Container

    from cc_jupyter.prompt.options import SavedPrompt
    from cc_jupyter.prompt.saved.front_matter import PromptFile


_FOLDER = "prompts"
_PROJECT = "./"
_NAME = re.compile(r"[^\W_][\w-]{0,99}")
_MAX_BYTES = 10_000_000
_PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """The file of one saved prompt, usable or not."""

    name: str
    """As typed after `@`."""
    path: Path
    is_project: bool
    file: PromptFile | None = None
    """`None`: it cannot be used."""
    problem: str = ""
    """Why not."""

    @property
    def needs(self) -> dict[str, str]:
        """The names that the prompt needs, each with the first expression that uses it."""
        return {} if self.file is None else names_of(self.file)

    @property
    def cost(self) -> str:
        """What it cost when it was saved; empty if that is unknown."""
        return "" if self.file is None else excerpt(str(self.file.origin.get("cost", "")))


def names_of(file: PromptFile) -> dict[str, str]:
    """Return the names that a prompt and its system prompt need, with their expressions."""
    system = file.options.get("system", "")
    texts = (file.text, *(system if isinstance(system, list) else [system]))
    found: dict[str, str] = {}
    for text in texts:
        found = {**names_needed(str(text)), **found}
    return found


class SavedPrompts:
    """Finds, writes and removes the files of saved prompts.

    Parameters
    ----------
    notebook
        The path of the notebook; a project without `pyproject.toml` has its prompts in its folder.
    """

    def __init__(self, notebook: str = "") -> None:
        self._notebook = notebook

    def folder(self, *, is_project: bool) -> Path | None:
        """Return a folder of prompts, which may not exist; `None`: there is no project folder."""
        if not is_project:
            return data_folder() / _FOLDER
        project = nearest_project()
        if project is not None:
            return project.parent / _FOLDER
        notebook = Path(self._notebook)
        try:
            return (notebook.parent if notebook.is_absolute() else Path.cwd()) / _FOLDER
        except FileNotFoundError:  # the working folder was deleted
            return None

    def names(self) -> list[str]:
        """Return the names of all prompts, as typed after `@`; no file is read."""
        own, projects = self._stems(is_project=False), self._stems(is_project=True)
        return [*own, *(f"{_PROJECT}{each}" if each in own else each for each in projects)]

    def entries(self) -> list[PromptEntry]:
        """Return all prompts, the user's own first; one that cannot be used says why."""
        own = self._stems(is_project=False)
        found = [self._entry(each, each, is_project=False) for each in own]
        return found + [
            self._entry(f"{_PROJECT}{each}" if each in own else each, each, is_project=True)
            for each in self._stems(is_project=True)
        ]

    def find(self, name: str) -> SavedPrompt | None:
        """Return the prompt of a name; `None`: there is none.

        Raises
        ------
        ConfigError
            Its file cannot be used.
        """
        place = self._place(name)
        if place is None:
            return None
        path, is_project = place
        file = _read(path, is_project=is_project)
        notice = None
        plain = _plain(name)
        if not is_project and self._exists(plain, is_project=True):
            notice = f"@{plain} is your own prompt; the project's is @{_PROJECT}{plain}"
        return file.to_prompt(name, notice)

    def load(self, name: str) -> SavedPrompt:
        """Return the prompt of a name.

        Raises
        ------
        OptionError
            There is none.
        ConfigError
            Its file cannot be used.
        """
        found = self.find(name)
        if found is None:
            raise self._unknown(name)
        return found

    def write(self, name: str, file: PromptFile, *, is_project: bool, overwrite: bool) -> Path:
        """Save a prompt and return its path.

        Raises
        ------
        OptionError
            The name cannot be used, or there is such a prompt.
        ConfigError
            The file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise _invalid(name)
        folder = self.folder(is_project=is_project)
        if folder is None:
            raise ConfigError(
                "the working folder was deleted, so there is no project to save to",
                hint="save the prompt without --project",
            )
        path = folder / f"{_normalized(name)}.md"
        if os.path.lexists(path) and not overwrite:
            raise OptionError(
                f"there is a saved prompt @{name} already: {short_path(path)}",
                hint="use another name, or replace it with --overwrite",
            )
        content = file.to_text()
        parse_prompt_file(content, short_path(path), is_project=is_project)
        try:
            if is_project:
                _check_link(folder)
                folder.mkdir(exist_ok=True)
                with replace_file(path, mode=_PUBLIC, keep_mode=True) as out:
                    out.write(content.encode())
            else:
                write_private(make_private(folder) / path.name, content)
        except OSError as error:
            raise ConfigError(
                f"{short_path(path)} cannot be written: {error.strerror or error}",
                hint="check the permissions of the folder",
            ) from error
        return path

    def remove(self, name: str) -> Path:
        """Delete a prompt and return the path that its file had.

        Raises
        ------
        OptionError
            There is none.
        ConfigError
            The file cannot be deleted.
        """
        place = self._place(name)
        if place is None:
            raise self._unknown(name)
        path, is_project = place
        if is_project:
            _check_link(path.parent)
        try:
            path.unlink()
        except OSError as error:
            raise ConfigError(
                f"{short_path(path)} cannot be deleted: {error.strerror or error}",
                hint="check the permissions of the folder",
            ) from error
        return path

    def _place(self, name: str) -> tuple[Path, bool] | None:
        """Return the path of an existing prompt, and whether it is the project's."""
        plain = _plain(name)
        if not _NAME.fullmatch(plain):
            return None
        for is_project in (False, True):
            if (is_project or not name.startswith(_PROJECT)) and self._exists(
                plain, is_project=is_project
            ):
                folder = self.folder(is_project=is_project)
                return (folder or Path()) / f"{_normalized(plain)}.md", is_project
        return None

    def _exists(self, name: str, *, is_project: bool) -> bool:
        folder = self.folder(is_project=is_project)
        return folder is not None and os.path.lexists(folder / f"{_normalized(name)}.md")

    def _stems(self, *, is_project: bool) -> list[str]:
        folder = self.folder(is_project=is_project)
        try:
            names = [] if folder is None else os.listdir(folder)  # noqa: PTH208  names are all it takes
        except OSError:  # no prompt has been saved
            return []
        stems = (each.removesuffix(".md") for each in names if each.endswith(".md"))
        return sorted(each for each in stems if _NAME.fullmatch(each))

    def _entry(self, name: str, stem: str, *, is_project: bool) -> PromptEntry:
        path = (self.folder(is_project=is_project) or Path()) / f"{stem}.md"
        try:
            return PromptEntry(name, path, is_project, _read(path, is_project=is_project))
        except ConfigError as error:
            return PromptEntry(name, path, is_project, problem=str(error))

    def _unknown(self, name: str) -> OptionError:
        if not _NAME.fullmatch(_plain(name)):
            return _invalid(name)
        where = "in the project" if name.startswith(_PROJECT) else ""
        known = did_you_mean(name, self.names())
        return OptionError(
            f"there is no saved prompt @{excerpt(name)} {where}".rstrip(),
            hint=known or "%cmd prompts lists them, and %cmd save NAME saves the last prompt",
        )


def check_names(prompt: SavedPrompt, known: Container[str]) -> None:
    """Refuse to send a prompt while a name that it needs is unknown.

    Raises
    ------
    OptionError
        A name is unknown; the message lists what the prompt needs.
    """
    texts = (prompt.text, *map(str, prompt.given.get("system", ())))
    needed = list(dict.fromkeys(name for text in texts for name in names_needed(text)))
    missing = [name for name in needed if name not in known]
    if not missing:
        return
    examples = (
        f"{name} (such as {excerpt(prompt.examples[name])})" if prompt.examples.get(name) else name
        for name in needed
    )
    verb = "is" if len(missing) == 1 else "are"
    raise OptionError(
        f"the saved prompt @{prompt.name} needs {', '.join(examples)};"
        f" {', '.join(missing)} {verb} not defined",
        hint=f"define {', '.join(missing)} in a cell and run this cell again",
    )


def _plain(name: str) -> str:
    return name.removeprefix(_PROJECT)


def _normalized(name: str) -> str:
    """Return a name as it is stored: one form for letters that Unicode has in two."""
    return unicodedata.normalize("NFC", name)


def _invalid(name: str) -> OptionError:
    return OptionError(
        f"`@{excerpt(name)}` is not the name of a saved prompt",
        hint="a name has letters, digits, - and _, such as @summary; @./summary is the project's",
    )


def _check_link(path: Path) -> None:
    if path.is_symlink():
        raise ConfigError(
            f"{short_path(path)} is a symbolic link, which is not followed in a project",
            hint="replace it by what it points to, if you trust it",
        )


def _read(path: Path, *, is_project: bool) -> PromptFile:
    """Return the contents of a file; what is no regular file is neither read nor waited for."""
    where = short_path(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if is_project:
        _check_link(path.parent)
        _check_link(path)
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{where} is not a file", hint="a saved prompt is a text file")
        with os.fdopen(os.open(path, flags), "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{where} cannot be read: {error.strerror or error}",
            hint="check the permissions of the file",
        ) from error
    if len(content) > _MAX_BYTES:
        raise ConfigError(
            f"{where} is larger than {_MAX_BYTES // 1_000_000} MB",
            hint="a prompt takes large texts from variables: {{ name }}",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{where}, line {line}: it is not UTF-8 text", hint="save the file as UTF-8"
        ) from error
    return parse_prompt_file(text, where, is_project=is_project)
