"""What Tab may insert, who knows the names there are, and which of them fit what was typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LOCAL = "local"
_NO_FIT = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to insert."""

    text: str
    kind: str
    """What the menu of a front end says it is."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What may stand in the place of what was typed."""

    fragment: str = ""
    """The end of the text before the cursor that each candidate replaces."""
    candidates: Sequence[Candidate] = ()


class Names(Protocol):
    """Who knows the names there are. Nothing here may ask a provider."""

    def models(self) -> Sequence[tuple[str, str]]:
        """Give the id of each model and the name that people know it by."""

    def efforts(self, model: str | None) -> Sequence[str]:
        """Give the efforts that a model takes; `None`: the one in force."""

    def aliases(self) -> Sequence[str]:
        """Give the user's short names of models."""

    def threads(self) -> Sequence[str]:
        """Give the threads of this session, then those of the history, newest first."""

    def variables(self) -> Sequence[str]:
        """Give the user's own names."""

    def types(self) -> Sequence[str]:
        """Give the names of types that an answer may have."""

    def key_variables(self) -> Sequence[str]:
        """Give the environment variables that look as if they held a key."""

    def files(self, beginning: str, endings: tuple[str, ...]) -> Sequence[str]:
        """Give folders, and files with these endings, whose path begins like this."""

    def python(self, before: str, after: str) -> Offer:
        """Give what IPython itself offers in an expression with the cursor in it."""


def prefixed(fragment: str, texts: Iterable[str], kind: str) -> list[Candidate]:
    """Give what begins with the fragment."""
    return [Candidate(text, kind) for text in texts if text.startswith(fragment)]


def models(fragment: str, names: Names) -> list[Candidate]:
    """Give the models and their short names that hold the fragment."""
    known = [(each, "", "alias") for each in names.aliases()]
    known.append((_LOCAL, "", "model"))
    return ranked(fragment, known + [(each, name, "model") for each, name in names.models()])


def ranked(fragment: str, known: Iterable[tuple[str, str, str]]) -> list[Candidate]:
    """Give what holds the fragment in its text or name: first what begins with it."""
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
