"""The names Tab can insert: models, threads, files, variables, and expressions in `{{ }}`.

Nothing is requested: a name in no list on this disk is not offered. If a settings file cannot be
read or the history is locked, Tab offers less; the next cell reports the problem.

Expressions are completed by a completer of IPython's own class that looks at live objects only: the
shell's completer would also offer magics and files, remember the query, and run jedi, which takes
longer than a Tab may.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from IPython.core.completer import IPCompleter, provisionalcompleter, rectify_completions

from cc_jupyter.config.base_url import api_root
from cc_jupyter.config.settings import Settings, load_settings
from cc_jupyter.core.errors import ConfigError, StoreError
from cc_jupyter.core.paths import data_folder
from cc_jupyter.models.listing import ModelList, cached_models
from cc_jupyter.models.registry import LOCAL, known_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from IPython.core.completer import Completion
    from IPython.core.interactiveshell import InteractiveShell

    from cc_jupyter.models.registry import ModelEntry
    from cc_jupyter.session.session import Session


_LOCAL = "local"
_NO_FIT = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to insert."""

    text: str
    kind: str
    """What the menu of a front end says it is."""


@dataclass(frozen=True, slots=True)
class Completions:
    """What may stand in the place of what was typed."""

    fragment: str = ""
    """The end of the text before the cursor that each candidate replaces."""
    candidates: Sequence[Candidate] = ()


class NameSource(Protocol):
    """Who knows the names there are. Nothing here may ask a provider."""

    def models(self) -> Sequence[tuple[str, str]]:
        """Return the id of each model and the name that people know it by."""

    def efforts(self, model: str | None) -> Sequence[str]:
        """Return the efforts that a model takes; `None`: the one in force."""

    def aliases(self) -> Sequence[str]:
        """Return the user's short names of models."""

    def threads(self) -> Sequence[str]:
        """Return the threads of this session, then those of the history, newest first."""

    def variables(self) -> Sequence[str]:
        """Return the user's own names."""

    def types(self) -> Sequence[str]:
        """Return the names of types that an answer may have."""

    def key_variables(self) -> Sequence[str]:
        """Return the environment variables that look as if they held a key."""

    def files(self, beginning: str, endings: tuple[str, ...]) -> Sequence[str]:
        """Return folders, and files with these endings, whose path begins like this."""

    def python(self, before: str, after: str) -> Completions:
        """Return what IPython itself offers in an expression with the cursor in it."""


def prefixed(fragment: str, texts: Iterable[str], kind: str) -> list[Candidate]:
    """Return what begins with the fragment."""
    return [Candidate(text, kind) for text in texts if text.startswith(fragment)]


def models(fragment: str, names: NameSource) -> list[Candidate]:
    """Return the models and their short names that hold the fragment."""
    known = [(each, "", "alias") for each in names.aliases()]
    known.append((_LOCAL, "", "model"))
    return ranked(fragment, known + [(each, name, "model") for each, name in names.models()])


def ranked(fragment: str, known: Iterable[tuple[str, str, str]]) -> list[Candidate]:
    """Return what holds the fragment in its text or name: first what begins with it."""
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
        return 0 if at == 0 else _NO_FIT
    # `flash` finds what has a part of that name before what has it in the middle of a word
    return 1 if re.search(rf"(?<![^\W_]){re.escape(wanted)}", text) else 2


_TYPES = ("str", "int", "float", "bool", "list", "dict", "set", "tuple", "None")
_HOLDS_A_KEY = re.compile(r"(?:KEY|TOKEN)\d*\Z", re.IGNORECASE)
_MOST_FILES = 500


class KnownNames:
    """What Tab may offer in one shell.

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
        self._expressions = Expressions(shell)
        self._stored: tuple[object, tuple[str, ...]] = (None, ())
        """The names of stored threads, and the state of the file they were read from."""

    # ── models

    def models(self) -> Sequence[tuple[str, str]]:
        """Return the id of each model and the name that people know it by."""
        return [(each.id, each.spec.name) for each in self._models().values()]

    def efforts(self, model: str | None) -> Sequence[str]:
        """Return the efforts that a model takes; `None`: the one in force."""
        settings = self._settings()
        name = model or settings.model or ""
        known = self._models().get(settings.alias.get(name, name))
        return known.spec.efforts if known is not None else ()

    def aliases(self) -> Sequence[str]:
        """Return the user's short names of models."""
        return list(self._settings().alias)

    def _models(self) -> dict[str, ModelEntry]:
        settings = self._settings()
        return known_models(settings.models, _listed(settings))

    def _settings(self) -> Settings:
        try:
            return load_settings(self._choices, self._profile)
        except ConfigError:  # the next cell says what is wrong with it
            return Settings()

    # ── threads

    def threads(self) -> Sequence[str]:
        """Return the threads of this session, then those of the history, newest first."""
        session = _session()
        live = () if session is None else session.conversations.names
        stored = self._stored_threads() if self._settings().history else ()
        return list(dict.fromkeys((*live, *stored)))

    def _stored_threads(self) -> tuple[str, ...]:
        """Read them again only when something was written since."""
        from cc_jupyter.conversation.store import FILE  # noqa: PLC0415  seldom needed
        from cc_jupyter.conversation.store.queries import thread_names  # noqa: PLC0415  seldom needed

        path = data_folder() / FILE
        state = _state(path)
        if state != self._stored[0]:
            try:
                self._stored = (state, thread_names(path))
            except StoreError:  # locked or broken: the turn that needs it says so
                return self._stored[1]
        return self._stored[1]

    # ── names of Python and the system

    def variables(self) -> Sequence[str]:
        """Return the user's own names."""
        return list(self._expressions.own_names())

    def types(self) -> Sequence[str]:
        """Return the names of types that an answer may have, the user's own first."""
        namespace = self._shell.user_ns
        own = [name for name in self.variables() if isinstance(namespace.get(name), type)]
        return [*own, *(name for name in _TYPES if name == "None" or hasattr(builtins, name))]

    def key_variables(self) -> Sequence[str]:
        """Return the environment variables that look as if they held a key."""
        return sorted(name for name in os.environ if _HOLDS_A_KEY.search(name))

    def files(self, beginning: str, endings: tuple[str, ...]) -> Sequence[str]:
        """Return folders, and files with these endings, whose path begins like this."""
        folder, name = os.path.split(beginning)
        before = beginning[: len(beginning) - len(name)]
        place = os.path.expanduser(folder or ".")  # noqa: PTH111  an unknown `~user` is no error
        found = sorted(_entries(place, name, endings))
        return [before + each for each in found[:_MOST_FILES]]

    def python(self, before: str, after: str) -> Completions:
        """Return what IPython itself offers in an expression with the cursor in it."""
        return self._expressions.offer(before, after)


def _listed(settings: Settings) -> ModelList:
    """Return the provider's list as it was last kept; it may be empty."""
    if settings.base_url == LOCAL:
        return ModelList({}, 0.0)
    try:
        root = api_root(settings.base_url, allow_http=settings.allow_http)
    except ConfigError:  # the next cell says what is wrong with it
        return ModelList({}, 0.0)
    session = _session()
    return cached_models(root) if session is None else session.models.listed(root)


def _session() -> Session | None:
    """Return the session if there is one: to load all it needs takes longer than a Tab may."""
    if "cc_jupyter.session.session" not in sys.modules:
        return None
    from cc_jupyter.session.session import shared_session  # noqa: PLC0415  see above

    return shared_session()


def _state(path: Path) -> object:
    """Return something that changes whenever the history does; `None`: there is none."""
    found = []
    for part in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(OSError):  # it need not be there
            stat = part.stat()
            found.append((part.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found) or None


def _entries(folder: str, beginning: str, endings: tuple[str, ...]) -> Iterator[str]:
    # no such folder, or none that could be: no files
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            hidden = entry.name.startswith(".") and not beginning.startswith(".")
            if hidden or not entry.name.startswith(beginning):
                continue
            if entry.is_dir():
                yield f"{entry.name}/"
            elif entry.name.lower().endswith(endings):
                yield entry.name


_NOT_FOR_EXPRESSIONS = [
    "IPCompleter.magic_matcher",
    "IPCompleter.file_matcher",
    "IPCompleter.magic_config_matcher",
    "IPCompleter.magic_color_matcher",
    "IPCompleter.custom_completer_matcher",
]


class Expressions:
    """Gives what fits in an expression over the user's namespace."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._completer: IPCompleter | None = None

    def offer(self, before: str, after: str) -> Completions:
        """Return attributes, keys or names; the user's own names come first.

        Parameters
        ----------
        before, after
            The expression on both sides of the cursor.
        """
        if before.rfind("[") <= before.rfind("]"):
            after = ""  # only a key that is closed already must know; IPython 8 stumbles over it
        with provisionalcompleter():
            found = self._ours().completions(before + after, len(before))
            fitting: list[Completion] = list(rectify_completions(before + after, found))
        if not fitting:
            return Completions()
        fragment = before[fitting[0].start :]
        dotted = fragment.startswith(".") and all(each.text.startswith(".") for each in fitting)
        own = set(self.own_names())
        fitting.sort(key=lambda each: each.text not in own)
        return Completions(
            fragment[dotted:],
            [Candidate(each.text[dotted:], _kind(each)) for each in fitting],
        )

    def own_names(self) -> Iterator[str]:
        """Return the names of the user's own, without those that IPython has put there."""
        namespace, hidden = self._shell.user_ns, self._shell.user_ns_hidden
        for name in list(namespace):
            if not name.startswith("_") and name not in hidden:
                yield name

    def _ours(self) -> IPCompleter:
        theirs = self._shell.Completer
        if self._completer is None:
            self._completer = IPCompleter(  # type: ignore[no-untyped-call]  # IPython's
                shell=self._shell,
                parent=self._shell,
                use_jedi=False,
                backslash_combining_completions=False,
            )
            self._completer.disable_matchers += _NOT_FOR_EXPRESSIONS
        self._completer.namespace = theirs.namespace
        self._completer.global_namespace = theirs.global_namespace
        return self._completer


def _kind(completion: Completion) -> str:
    """Say what a completion is; of a name IPython 8 does not."""
    kind = completion.type
    return "instance" if kind in (None, "", "<unknown>") else str(kind)
