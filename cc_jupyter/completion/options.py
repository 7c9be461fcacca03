"""Completes the options of `%%cmd` and `%cmd ask`, and their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cc_jupyter.completion.offers import Candidate, Offer, models, prefixed, ranked
from cc_jupyter.completion.prompt import in_prompt
from cc_jupyter.core.errors import OptionError
from cc_jupyter.prompt.options import ARROW, OPTIONS, is_quoted, next_word, skip_blanks, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cc_jupyter.completion.offers import Names
    from cc_jupyter.prompt.options import OptionSpec, Word

_OPTIONS = {name: spec for spec in OPTIONS for name in spec.names}
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".svg")


class OptionLine:
    """The options before a prompt, with the cursor in them.

    Parameters
    ----------
    line, column
        What stands behind `%%cmd` or the command, and the cursor in it.
    ask
        Whether the prompt follows on the same line, and `->` is part of it.
    filled
        Whether that prompt may hold `{{ }}`.
    """

    def __init__(
        self, line: str, column: int, names: Names, *, ask: bool = False, filled: bool = True
    ) -> None:
        self._line = line
        self._before, self._after = line[:column], line[column:]
        self._names = names
        self._ask = ask
        self._filled = filled
        self._given: set[str] = set()

    def offer(self) -> Offer:
        """Give what fits at the cursor."""
        words, start = split_words(self._before, arrow=not self._ask)
        pending: OptionSpec | None = None
        for word in words:
            name, equals, _ = word.text.partition("=")
            spec = _OPTIONS.get(name)
            if not self._ask and word.text == ARROW:
                return self._capture(self._before[word.end :])
            if spec is not None:
                self._given.add(spec.field)
                pending = spec if spec.metavar is not None and not equals else None
            elif pending is not None:
                pending = None  # this word is its value
            elif self._ask:
                return self._prompt(self._before[word.start :])
        return self._at_fragment(self._before[start:], pending)

    def _at_fragment(self, fragment: str, pending: OptionSpec | None) -> Offer:
        name, equals, value = fragment.partition("=")
        if equals and name in _OPTIONS:
            return self._value(_OPTIONS[name], value)
        if pending is not None and not fragment.startswith("-"):
            return self._value(pending, fragment)
        if fragment and not fragment.startswith("-"):
            return self._prompt(fragment) if self._ask else Offer()
        found = prefixed(fragment, self._options(fragment), "option")
        return Offer(fragment, found)

    def _options(self, fragment: str) -> list[str]:
        """Give the options that may still be given: short ones too, once a dash is typed."""
        free = [each for each in OPTIONS if each.repeatable or each.field not in self._given]
        names = [name for each in free for name in (each.names if fragment else each.names[-1:])]
        return names if self._ask else [*names, ARROW]

    def _prompt(self, text: str) -> Offer:
        if not self._filled or "raw" in self._given:
            return Offer()
        return in_prompt(text, self._after, self._names)

    def _capture(self, text: str) -> Offer:
        """Complete the TYPE of `-> NAME: TYPE`."""
        _, colon, kind = text.partition(":")
        fragment = re.split(r"[^\w.]", kind)[-1]
        if not colon:
            return Offer()
        if "." in fragment:
            return self._names.python(fragment, "")
        return Offer(fragment, prefixed(fragment, self._names.types(), "class"))

    # ── values

    def _value(self, spec: OptionSpec, typed: str) -> Offer:
        names, fragment = self._names, _open(typed)
        found: list[Candidate] = []
        match spec.field:
            case "model":
                found = models(fragment, names)
            case "effort":
                found = prefixed(fragment, names.efforts(self._model()), "value")
            case "thread":
                found = ranked(fragment, [(each, "", "thread") for each in names.threads()])
            case "key_env":
                found = prefixed(fragment, names.key_variables(), "value")
            case "image":
                return self._image(typed, fragment)
            case "system":
                return in_prompt(typed, self._after, names)
            case _:
                found = prefixed(fragment, spec.choices, "value")
        return Offer(typed, list(self._written(found)))

    def _image(self, typed: str, fragment: str) -> Offer:
        files = [Candidate(each, "file") for each in self._names.files(fragment, _IMAGES)]
        found = list(self._written(files))
        if typed == fragment:  # an expression stands without quotes of its own
            found += prefixed(fragment, self._names.variables(), "instance")
        if found or not re.search(r"[.\[(]", typed):
            return Offer(typed, found)
        return self._names.python(typed, self._after)

    def _written(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Put what has blanks into quotes; leave out what no quotes can hold."""
        for each in candidates:
            for quote in ("", '"', "'"):
                text = f"{quote}{each.text}{quote}"
                if _reads_back(text, each.text, arrow=not self._ask):
                    yield Candidate(text, each.kind)
                    break

    def _model(self) -> str | None:
        """Give the model that the line names, before or behind the cursor."""
        words = [*split_words(f"{self._line} ", arrow=not self._ask)[0]]
        for word, following in zip(words, [*words[1:], None], strict=True):
            name, equals, value = word.text.partition("=")
            if name in ("-m", "--model"):
                if equals:
                    return unquoted(value)
                return following.value if following is not None else None
        return None


def split_words(text: str, *, arrow: bool = True) -> tuple[list[Word], int]:
    """Give the words that are whole, and where the one begins in which the text ends."""
    words: list[Word] = []
    position = 0
    while True:
        try:
            word = next_word(text, position, arrow=arrow)
        except OptionError:  # its quote or bracket is still open
            return words, skip_blanks(text, position)
        if word is None:
            return words, len(text)
        if word.end == len(text) and word.text != ARROW:
            return words, word.start
        words.append(word)
        position = word.end


def _open(typed: str) -> str:
    """Give a value without its quotes, of which the second may be missing."""
    if is_quoted(typed):
        return unquoted(typed)
    return typed[1:] if typed[:1] in ("'", '"') else typed


def _reads_back(text: str, value: str, *, arrow: bool) -> bool:
    try:
        word = next_word(text, 0, arrow=arrow)
    except OptionError:
        return False
    return word is not None and (word.text, word.value) == (text, value)
