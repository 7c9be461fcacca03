"""The names that completion offers: models, threads, files, variables and expressions.

No provider is queried: only names in lists on this disk are offered. If a settings file cannot be
read or the history is locked, fewer names are offered; the next cell reports the problem.

Expressions are completed by an `IPCompleter` separate from IPython's own, which would also offer
magics and files, remember the last query and run jedi, which is too slow for a Tab. The separate
one looks at live objects only.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.completer import IPCompleter, provisionalcompleter, rectify_completions

from cc_jupyter.config.settings import Settings, load_settings
from cc_jupyter.core.errors import CcError, ConfigError, StoreError
from cc_jupyter.core.paths import data_folder
from cc_jupyter.models.listing import ModelList, cached_models
from cc_jupyter.models.registry import LOCAL, allowed_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from IPython.core.completer import Completion
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.models.registry import ModelEntry
    from cc_jupyter.session.session import Session


_NO_MATCH = 3
_TYPES = ("str", "int", "float", "bool", "list", "dict", "set", "tuple", "None")
_KEY_VARIABLE = re.compile(r"(?:KEY|TOKEN)\d*\Z", re.IGNORECASE)
_MAX_FILES = 500
_DISABLED_MATCHERS = [
    "IPCompleter.magic_matcher",
    "IPCompleter.file_matcher",
    "IPCompleter.magic_config_matcher",
    "IPCompleter.magic_color_matcher",
    "IPCompleter.custom_completer_matcher",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One text to insert."""

    text: str
    kind: str
    """The kind that the front end's menu shows."""


@dataclass(frozen=True, slots=True)
class Completions:
    """The candidates at the cursor."""

    fragment: str = ""
    """The text just before the cursor that each candidate replaces."""
    candidates: Sequence[Candidate] = ()


def prefixed(fragment: str, texts: Iterable[str], kind: str) -> list[Candidate]:
    """Return the candidates that begin with the fragment."""
    return [Candidate(text, kind) for text in texts if text.startswith(fragment)]


def models(fragment: str, names: NameSource) -> list[Candidate]:
    """Return the models and aliases that contain the fragment."""
    known = [(each, "", "alias") for each in names.aliases()]
    known.append((LOCAL, "", "model"))
    return ranked(fragment, known + [(each, name, "model") for each, name in names.models()])


def ranked(fragment: str, known: Iterable[tuple[str, str, str]]) -> list[Candidate]:
    """Return the candidates that contain the fragment in text or name, prefixes first."""
    wanted = fragment.casefold()
    ranks: tuple[list[Candidate], ...] = ([], [], [])
    for text, name, kind in known:
        rank = min(_rank(wanted, text.casefold()), _rank(wanted, name.casefold()))
        if rank < len(ranks):
            ranks[rank].append(Candidate(text, kind))
    return [each for rank in ranks for each in rank]


def _rank(wanted: str, text: str) -> int:
    at = text.find(wanted)
    if at <= 0:
        return 0 if at == 0 else _NO_MATCH
    # a match at the start of a word comes before one in the middle of a word
    return 1 if re.search(rf"(?<![^\W_]){re.escape(wanted)}", text) else 2


class NameSource:
    """The names that one shell offers. No provider is queried.

    Parameters
    ----------
    choices, profile
        Settings of the session and of the IPython profile.
    """

    def __init__(
        self, shell: InteractiveShell, choices: Mapping[str, Any], profile: Mapping[str, Any]
    ) -> None:
        self._shell = shell
        self._choices = choices
        self._profile = profile
        self._completer: IPCompleter | None = None
        self._stored: tuple[object, tuple[str, ...]] = (None, ())
        """The state of the history file when it was last read, and its thread names."""

    def models(self) -> Sequence[tuple[str, str]]:
        """Return the id and the display name of each model."""
        return [(each.id, each.spec.name) for each in self._models().values()]

    def efforts(self, model: str | None) -> Sequence[str]:
        """Return the efforts that a model accepts; `None`: the current model."""
        settings = self._settings()
        name = model or settings.model or ""
        known = self._models().get(settings.alias.get(name, name))
        return known.spec.efforts if known is not None else ()

    def aliases(self) -> Sequence[str]:
        """Return the user's short names of models."""
        return list(self._settings().alias)

    def _models(self) -> dict[str, ModelEntry]:
        settings = self._settings()
        return allowed_models(settings, _listed(settings))

    def _settings(self) -> Settings:
        try:
            return load_settings(self._choices, self._profile)
        except ConfigError:  # the next cell reports the problem
            return Settings()

    def threads(self) -> Sequence[str]:
        """Return the threads of this session, then those in the history, newest first."""
        session = _session()
        live = () if session is None else session.conversations.names
        stored = self._stored_threads() if self._settings().history else ()
        return list(dict.fromkeys((*live, *stored)))

    def rows(self) -> Sequence[str]:
        """Return the names of results with finished rows."""
        session = _session()
        if session is None:
            return ()
        history = session.history
        on_disk = self._settings().history and history.is_on_disk
        try:
            return list(history.rows.names(on_disk=on_disk))
        except CcError:  # `forget rows` itself says what is wrong
            return ()

    def prompts(self) -> Sequence[str]:
        """Return the names of the saved prompts, as typed after `@`."""
        from cc_jupyter.prompt.saved.files import SavedPrompts  # noqa: PLC0415  seldom needed

        return SavedPrompts(os.environ.get("JPY_SESSION_NAME", "")).names()

    def _stored_threads(self) -> tuple[str, ...]:
        """Return the names of stored threads; the file is read again only after a change."""
        from cc_jupyter.conversation.store import FILE  # noqa: PLC0415  seldom needed
        from cc_jupyter.conversation.store.queries import thread_names  # noqa: PLC0415  seldom needed

        path = data_folder() / FILE
        state = _state(path)
        if state != self._stored[0]:
            try:
                self._stored = (state, thread_names(path))
            except StoreError:  # locked or broken: the next turn reports it
                return self._stored[1]
        return self._stored[1]

    def variables(self) -> Sequence[str]:
        """Return the names of the user's variables, without those that IPython defined."""
        hidden = self._shell.user_ns_hidden
        names = list(self._shell.user_ns)
        return [name for name in names if not name.startswith("_") and name not in hidden]

    def grids(self) -> Sequence[str]:
        """Return the names of the user's grids."""
        module = sys.modules.get("cc_jupyter.experiments.grid")  # without it there is no grid
        if module is None:
            return ()
        namespace = self._shell.user_ns
        return [name for name in self.variables() if isinstance(namespace.get(name), module.Grid)]

    def types(self) -> Sequence[str]:
        """Return the names of types that an answer may have, the user's classes first."""
        namespace = self._shell.user_ns
        own = [name for name in self.variables() if isinstance(namespace.get(name), type)]
        return [*own, *_TYPES]

    def key_variables(self) -> Sequence[str]:
        """Return the environment variables whose names suggest a key."""
        return sorted(name for name in os.environ if _KEY_VARIABLE.search(name))

    def files(self, prefix: str, suffixes: tuple[str, ...]) -> Sequence[str]:
        """Return folders, and files with these suffixes, whose path has this prefix."""
        folder, name = os.path.split(prefix)
        typed_folder = prefix.removesuffix(name)
        folder = os.path.expanduser(folder or ".")  # noqa: PTH111  an unknown `~user` is no error
        found = sorted(_entries(folder, name, suffixes))
        return [typed_folder + each for each in found[:_MAX_FILES]]

    def python(self, before: str, after: str) -> Completions:
        """Return attributes, keys or names for an expression; the user's variables come first.

        Parameters
        ----------
        before, after
            The expression on both sides of the cursor.
        """
        if before.rfind("[") <= before.rfind("]"):
            after = ""  # only an open `[` needs the text after the cursor; IPython 8 fails on it
        with provisionalcompleter():
            found = self._ready_completer().completions(before + after, len(before))
            fitting: list[Completion] = list(rectify_completions(before + after, found))
        if not fitting:
            return Completions()
        fragment = before[fitting[0].start :]
        dotted = fragment.startswith(".") and all(each.text.startswith(".") for each in fitting)
        own = set(self.variables())
        fitting.sort(key=lambda each: each.text not in own)
        return Completions(
            fragment[dotted:],
            [Candidate(each.text[dotted:], _kind(each)) for each in fitting],
        )

    def _ready_completer(self) -> IPCompleter:
        shell_completer = self._shell.Completer
        if self._completer is None:
            self._completer = IPCompleter(  # type: ignore[no-untyped-call]  # IPython's
                shell=self._shell,
                parent=self._shell,
                use_jedi=False,
                backslash_combining_completions=False,
            )
            self._completer.disable_matchers += _DISABLED_MATCHERS
        self._completer.namespace = shell_completer.namespace
        self._completer.global_namespace = shell_completer.global_namespace
        return self._completer


def _listed(settings: Settings) -> ModelList:
    """Return the provider's list as last cached; it may be empty."""
    if settings.base_url == LOCAL:
        return ModelList({}, 0.0)
    try:
        root = settings.api_root
    except ConfigError:  # the next cell reports the problem
        return ModelList({}, 0.0)
    session = _session()
    return cached_models(root) if session is None else session.models.listed(root)


def _session() -> Session | None:
    """Return the session if there is one: loading it takes too long for a Tab."""
    if "cc_jupyter.session.session" not in sys.modules:
        return None
    from cc_jupyter.session.session import shared_session  # noqa: PLC0415  see above

    return shared_session()


def _state(path: Path) -> object:
    """Return a value that changes whenever the history does; `None`: there is no history file."""
    found = []
    for part in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(OSError):  # the file may not exist
            stat = part.stat()
            found.append((part.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found) or None


def _entries(folder: str, prefix: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    # a folder that does not or cannot exist has no files
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            hidden = entry.name.startswith(".") and not prefix.startswith(".")
            if hidden or not entry.name.startswith(prefix):
                continue
            if entry.is_dir():
                yield f"{entry.name}/"
            elif entry.name.lower().endswith(suffixes):
                yield entry.name


def _kind(completion: Completion) -> str:
    """Return the kind of a completion; IPython 8 has none for a name."""
    kind = completion.type
    return "instance" if kind in (None, "", "<unknown>") else str(kind)
